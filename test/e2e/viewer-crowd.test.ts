/** Fifty pages of one stream, ten of them stalled: what the others get, and what it does to the reception. */
import { describe, expect, it } from 'vitest';
import { TS_PACKET_BYTES, pidAt, unitStartAt } from '../../wire/mpeg-ts.ts';
import { programme } from '../helpers/programme.ts';
import { pidsOf } from '../helpers/programme-parts.ts';
import { eventually, Page } from '../web-viewer/page-client.ts';
import { cast, fileOf, freshGroup, lancast, sha256 } from './program.ts';

const PAGES = 50;
const STALLED = 10;
const DURATION_MS = 5000;
const film = programme({ durationMs: DURATION_MS, bitsPerSecond: 8_000_000, sdt: false });

/** What a page is due that was there before the film: all of it from the first key frame on, led by PAT and PMT. */
function dueTo(file: Buffer): Buffer {
  let key = 0;
  while (pidAt(file, key) !== pidsOf(0).video || !unitStartAt(file, key)) key += TS_PACKET_BYTES;
  return Buffer.concat([file.subarray(0, 2 * TS_PACKET_BYTES), file.subarray(key)]);
}

describe('a crowd of pages', () => {
  it('gets every byte in order, a run each 20 ms, whoever stalls, and costs the reception nothing', async () => {
    const url = `rtp://${freshGroup()}`;
    // Without concealment, which puts the packets of a picture next to each other.
    const show = ['--conceal', 'show'];
    const viewer = lancast('watch', url, '--iface', 'lo', '--http', '127.0.0.1:0', '--json', ...show);
    const { host, href } = new URL(String((await viewer.event('listening'))['url']));
    const pages = await Promise.all(Array.from({ length: PAGES }, () => Page.open(host)));
    for (const page of pages) page.watch(1, (await page.hear('streams')).streams[0]?.id ?? '');
    await Promise.all(pages.map((page) => page.hear('subscribed')));
    const stalled = pages.slice(0, STALLED);
    const quick = pages.slice(STALLED);
    for (const page of stalled) page.pause();

    const { summary, file } = await cast(url, fileOf('film.ts', film));

    expect(summary).toMatchObject({ lost: 0, unrecovered: 0, late: 0 });
    expect(sha256(file)).toBe(sha256(film));
    const due = dueTo(film);
    await eventually(() => quick.every((page) => page.bytes >= due.length));
    expect(new Set(quick.map((page) => page.sha256))).toEqual(new Set([sha256(due)]));
    for (const { frames } of quick) {
      expect(frames.some(({ damaged, discontinuity }) => damaged || discontinuity)).toBe(false);
      // A key frame a second begins a run of its own; a machine that is busy makes longer runs.
      expect(frames.length).toBeLessThan((DURATION_MS / 20) * 1.1 + DURATION_MS / 1000);
      expect(frames.length).toBeGreaterThan(DURATION_MS / 100);
    }
    const answer: unknown = await (await fetch(`${href}api/v1/streams`)).json();
    const losses = { lost: 0, unrecovered: 0, late: 0, duplicate: 0, continuityErrors: 0 };
    expect(answer).toMatchObject({ streams: [losses] });

    for (const page of stalled) {
      page.resume();
      expect(await page.hear('error')).toMatchObject({ code: 'too-slow', channel: 1 });
    }
    for (const page of pages) page.leave();
  });
});
