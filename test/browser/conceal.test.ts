/** What a viewer sees and hears of losses that nobody repairs: no smear, no click, no stall, and words. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findFfmpeg } from '../../codecs/ffmpeg.ts';
import { Concealment } from '../../receiver/concealment.ts';
import type { Released } from '../../receiver/sink.ts';
import { FRAME_COUNTER, frameChecksum, readFrameCounter } from '../../sender/frame-counter.ts';
import { openFile } from '../../sender/sources/file.ts';
import { assemble, end, payload } from '../helpers/access-units.ts';
import { nextPicture, openStage, receive, send, until } from './stage.ts';

const SCREENSHOTS = join(process.env['LANCAST_SCREENSHOTS'] ?? tmpdir(), 'lancast-conceal');
/** Key frames of the clip are so far apart. */
const GROUP_MS = 1000;
const PICTURES = 256;
const FILM_S = 30;
/** Playback begins with a jump and a search for the right delay. */
const SETTLED_MS = 6000;
const WATCHED_MS = 12_000;
/** -30 dBFS: a larger step from one sample to the next is heard as a click. */
const CLICK = 10 ** (-30 / 20);

const stage = openStage();
let page: Page;
let folder: string;
/** The numbered pictures of the clip, 30 s of them, with a tone. */
let film: string;
let port = 25_000 + (process.pid % 1000) * 10;
let address: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lancast-conceal-'));
  film = join(folder, 'film.ts');
  const { path: ffmpeg } = await findFfmpeg();
  const pictures = '-stream_loop 2 -i fixtures/clip.ts';
  const tone = `-f lavfi -i sine=frequency=220:sample_rate=48000:duration=${FILM_S},volume=15dB`;
  const streams = '-map 0:v -c:v copy -map 1:a -c:a aac -ac 2 -f mpegts';
  const args = `-v error -nostdin ${pictures} ${tone} ${streams}`.split(' ');
  execFileSync(ffmpeg, [...args, film]);
});

afterAll(() => rm(folder, { recursive: true }));

beforeEach(async () => {
  // Without repair: what is lost stays lost.
  address = `seq://239.255.13.18:${(port += 10)}`;
  page = await stage.browser.newPage({ viewport: { width: 1280, height: 900 } });
});

afterEach(() => page.close());

/** A picture as it was drawn. */
interface Drawn {
  /** The number that is burned in; null when it cannot be read. */
  frame: number | null;
  /** Checksum of all of its pixels. */
  sum: number;
}

/** What was seen and heard of a page. */
interface Watched {
  drawn: Drawn[];
  /** Longest time without a new picture, and without a step of the position of playback. */
  longestPictureMs: number;
  longestStallMs: number;
  /** What was said of a frozen picture, without repetitions. */
  words: string[];
}

/** Watches the page for so long. */
function watch(ms: number): Promise<Watched> {
  return page.evaluate<Watched>(`new Promise((resolve) => {
    ${frameChecksum.toString()}
    ${readFrameCounter.toString()}
    const video = document.querySelector('video');
    const canvas = new OffscreenCanvas(640, 360);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    const seen = { drawn: [], longestPictureMs: 0, longestStallMs: 0, words: [] };
    let drawnAt = performance.now();
    let movedAt = performance.now();
    let position = 0;
    const draw = () => {
      seen.longestPictureMs = Math.max(seen.longestPictureMs, performance.now() - drawnAt);
      drawnAt = performance.now();
      context.drawImage(video, 0, 0, 640, 360);
      const { data } = context.getImageData(0, 0, 640, 360);
      let sum = 0;
      for (const pixel of new Int32Array(data.buffer)) sum = (Math.imul(sum, 31) + pixel) | 0;
      const picture = { data, width: 640, height: 360, bytesPerPixel: 4 };
      seen.drawn.push({ frame: readFrameCounter(picture, ${JSON.stringify(FRAME_COUNTER)}) ?? null, sum });
      video.requestVideoFrameCallback(draw);
    };
    const look = () => {
      const now = performance.now();
      if (video.currentTime !== position) movedAt = now;
      position = video.currentTime;
      seen.longestStallMs = Math.max(seen.longestStallMs, now - movedAt);
      const words = document.querySelector('.frozen').textContent;
      if (words !== (seen.words.at(-1) ?? '')) seen.words.push(words);
    };
    video.requestVideoFrameCallback(draw);
    const timer = setInterval(look, 50);
    setTimeout(() => { clearInterval(timer); resolve(seen); }, ${ms});
  })`);
}

/** Loses four datagrams in a row, every now and then, once it is told to. */
function bursts(): { on: boolean; loses: () => boolean } {
  let count = 0;
  const losses = { on: false, loses: () => losses.on && ++count % 97 < 4 };
  return losses;
}

/** Plays the film with losses, and watches it once it has settled. */
async function play(conceal: 'freeze' | 'show', losing = true): Promise<Watched & { facts: string }> {
  const losses = bursts();
  await using _reception = await receive(address, stage.registry, losses.loses, conceal);
  await using _sender = await send(await openFile(film), address);
  await page.goto(stage.viewer.url);
  await nextPicture(page);
  await page.waitForTimeout(SETTLED_MS);
  losses.on = losing;
  const watching = watch(WATCHED_MS);
  if (losing && conceal === 'freeze') {
    await until(page, `document.querySelector('.frozen').textContent !== ''`);
    await page.screenshot({ path: `${SCREENSHOTS}.png` });
  }
  const watched = await watching;
  await page.waitForTimeout(1200);
  return { ...watched, facts: await page.locator('.facts').innerText() };
}

describe('a viewer of a lossy stream', () => {
  /** The checksum of each picture of the clip, from a stream that is whole. */
  const clean = new Map<number, number>();
  const smeared = (drawn: readonly Drawn[]): Drawn[] =>
    drawn.filter(({ frame, sum }) => frame === null || (clean.get(frame) ?? sum) !== sum);

  it('is compared with one of a whole stream', async () => {
    const { drawn, words, facts } = await play('freeze', false);
    for (const { frame, sum } of drawn) if (frame !== null) clean.set(frame, sum);
    expect(smeared(drawn)).toEqual([]);
    expect(clean.size).toBeGreaterThan(0.9 * PICTURES);
    expect(words).toEqual([]);
    expect(facts).not.toContain('Picture frozen');
  });

  it('sees smear with --conceal show', async () => {
    const { drawn, words } = await play('show');
    expect(smeared(drawn).length).toBeGreaterThan(0);
    expect(words).toEqual([]);
  });

  it('sees clean pictures only, and is told of it, while playback goes on', async () => {
    const { drawn, words, facts, ...measured } = await play('freeze');
    console.log(
      `${drawn.length} pictures, the longest ${Math.round(measured.longestPictureMs)} ms; ` +
        `longest stall ${Math.round(measured.longestStallMs)} ms; ${SCREENSHOTS}.png`,
    );
    expect(smeared(drawn)).toEqual([]);
    expect(measured.longestPictureMs).toBeLessThan(GROUP_MS + 1000);
    expect(measured.longestStallMs).toBeLessThan(GROUP_MS);
    // It moves again after each freeze: many different pictures, and the words go away.
    expect(new Set(drawn.map(({ frame }) => frame)).size).toBeGreaterThan(50);
    const said = words.filter((each) => each !== '');
    expect(said.length).toBeGreaterThan(2);
    expect(words.length).toBeGreaterThan(said.length);
    for (const each of said)
      expect(each).toMatch(/^Picture frozen: \d+ datagrams lost, waiting for the next key frame$/);
    expect(facts).toMatch(/Picture frozen\n\d+ times, \d+\.\d s in all/);
    expect(facts).toMatch(/Sound faded over holes\n\d+ times, \d+\.\d s in all/);
  });

  it("hears no click: the largest step of the sound, by the browser's own decoder", async () => {
    const ts = await readFile(film);
    const steps = Array.from({ length: Math.floor(ts.length / 1316) }, (_, index): Released =>
      index > 50 && index % 131 < 4
        ? { kind: 'gap', first: index, count: 1 }
        : payload(ts.subarray(index * 1316, (index + 1) * 1316), index),
    );
    const concealment = new Concealment();
    const out: Released[] = [];
    for (const step of [...steps, end]) {
      concealment.push(step, 0);
      for (let given = concealment.poll(); given; given = concealment.poll())
        out.push(given.kind === 'payload' ? { ...given, payload: Buffer.from(given.payload) } : given);
    }
    const sound = assemble([...out, end]).filter(({ stream }) => stream.kind === 'audio');
    const bytes = Buffer.concat(sound.map(({ data }) => data));
    await page.goto(stage.viewer.url);
    const { seconds, step } = await page.evaluate<{ seconds: number; step: number }>(`(async () => {
      const bytes = Uint8Array.from(atob('${bytes.toString('base64')}'), (letter) => letter.charCodeAt(0));
      const decoded = await new OfflineAudioContext(1, 1, 48_000).decodeAudioData(bytes.buffer);
      const samples = decoded.getChannelData(0);
      let step = 0;
      for (let at = 1; at < samples.length; at++) step = Math.max(step, Math.abs(samples[at] - samples[at - 1]));
      return { seconds: decoded.duration, step };
    })()`);
    const { soundGaps, soundFilledMs } = concealment.concealed(0);
    console.log(
      `${soundGaps} holes in the sound, ${Math.round(soundFilledMs)} ms; largest step ${(20 * Math.log10(step)).toFixed(1)} dBFS`,
    );
    expect(soundGaps).toBeGreaterThan(5);
    expect(seconds).toBeGreaterThan(FILM_S - 0.2);
    expect(step).toBeLessThan(CLICK);
  });
});
