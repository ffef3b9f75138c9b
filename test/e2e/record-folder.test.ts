/** Several streams recorded by one process. */
import { readFileSync, readdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { programme } from '../helpers/programme.ts';
import { fileOf, freshGroup, lancast, sha256, temporaryFolder, type Program } from './program.ts';

const films = [1, 2, 3].map((seed) => programme({ seed, durationMs: 800, bitsPerSecond: 2_000_000 }));

/** What a stream's events and its file are called. */
function idOf(address: string): string {
  return address.replace(/^\w+:\/\//, '').replace(':', '-');
}

/** Starts to record, and waits until all sockets are open. */
async function recording(...words: string[]): Promise<Program> {
  const recorder = lancast('record', ...words, '--iface', 'lo', '--json');
  await recorder.event('recording');
  return recorder;
}

async function send(film: Buffer | undefined, url: string): Promise<void> {
  const { code } = await lancast('send', fileOf('film.ts', film ?? ''), '--to', url, '--iface', 'lo').ended;
  expect(code).toBe(0);
}

describe('record of several streams', () => {
  it('writes each to its own file, whatever its framing, until all have ended', async () => {
    const folder = path.join(temporaryFolder(), 'made', 'here');
    const urls = ['rtp', 'udp', 'seq'].map((scheme) => `${scheme}://${freshGroup()}`);
    const recorder = await recording(
      ...urls.map((url) => url.replace(/^\w+:\/\//, '')),
      folder,
      '--timeout',
      '3s',
    );
    await Promise.all(urls.map((url, index) => send(films[index], url)));
    const { code, stderr } = await recorder.ended;
    expect(code).toBe(0);
    expect(readdirSync(folder).toSorted()).toEqual(urls.map((url) => `${idOf(url)}.ts`).toSorted());
    const summaries = recorder.events.filter(({ event }) => event === 'summary');
    for (const [index, url] of urls.entries()) {
      const film = films[index] ?? Buffer.alloc(0);
      expect(readFileSync(path.join(folder, `${idOf(url)}.ts`)).equals(film)).toBe(true);
      expect(summaries.find(({ stream }) => stream === idOf(url))).toMatchObject({
        bytes: film.length,
        lost: 0,
        sha256: sha256(film),
      });
    }
    const bytes = films.reduce((sum, film) => sum + film.length, 0);
    expect(recorder.events.at(-1)).toEqual({
      event: 'summary',
      streams: 3,
      packets: films.reduce((sum, film) => sum + Math.ceil(film.length / 1316), 0),
      bytes,
      lost: 0,
      recovered: 0,
      unrecovered: 0,
      late: 0,
      duplicate: 0,
      reordered: 0,
      continuityErrors: 0,
    });
    expect(stderr).toMatch(/file +size +datagrams +length +lost/);
  });
  it('goes on while one of them is silent, and says so', async () => {
    const [heard, silent] = [freshGroup(), freshGroup()];
    const folder = temporaryFolder();
    const recorder = await recording(heard, silent, folder, '--timeout', '3s');
    await send(films[0], `rtp://${heard}`);
    const { code, stderr } = await recorder.ended;
    expect(code).toBe(0);
    expect(recorder.events.find(({ event }) => event === 'warning')).toMatchObject({
      stream: idOf(silent),
      code: 'E101',
    });
    expect(stderr).toContain(`${idOf(silent)}.ts: nothing came`);
    expect(readFileSync(path.join(folder, `${idOf(heard)}.ts`)).equals(films[0] ?? Buffer.alloc(0))).toBe(
      true,
    );
  });
  it('ends with 11 when nothing came on any', async () => {
    const recorder = await recording(freshGroup(), freshGroup(), temporaryFolder(), '--timeout', '300ms');
    const { code, stderr } = await recorder.ended;
    expect(code).toBe(11);
    expect(stderr).toMatch(/✗ E101 No packets from any of 2 streams for 0\.3 s\./);
    expect(recorder.events.at(-1)).toMatchObject({ event: 'summary', streams: 2, packets: 0 });
  });
  it('goes on while the disk refuses one of them, and ends with 8', async () => {
    const [well, refused] = [freshGroup(), freshGroup()];
    const folder = temporaryFolder();
    symlinkSync('/dev/full', path.join(folder, `${idOf(refused)}.ts`));
    const recorder = await recording(well, refused, folder);
    await Promise.all([send(films[0], `rtp://${well}`), send(films[1], `rtp://${refused}`)]);
    const { code, stderr } = await recorder.ended;
    expect(code).toBe(8);
    expect(stderr).toMatch(/! E401 .*\.ts: The disk is full/);
    expect(recorder.events.find(({ event }) => event === 'warning')).toMatchObject({ stream: idOf(refused) });
    expect(readFileSync(path.join(folder, `${idOf(well)}.ts`)).equals(films[0] ?? Buffer.alloc(0))).toBe(
      true,
    );
  });
  it('finishes all files on Ctrl-C', async () => {
    const urls = [freshGroup(), freshGroup()];
    const folder = temporaryFolder();
    const recorder = await recording(...urls, folder);
    const senders = urls.map((url) =>
      lancast('send', fileOf('film.ts', films[0] ?? ''), '--to', `rtp://${url}`, '--iface', 'lo', '--loop'),
    );
    await recorder.until(
      () =>
        recorder.events.some(
          ({ event, playing, bytes }) => event === 'progress' && playing === 2 && Number(bytes) > 0,
        ),
      'datagrams of both',
    );
    recorder.kill('SIGINT');
    expect((await recorder.ended).code).toBe(130);
    for (const url of urls) {
      const summary = recorder.events.find(
        ({ event, stream }) => event === 'summary' && stream === idOf(url),
      );
      const file = readFileSync(path.join(folder, `${idOf(url)}.ts`));
      expect(summary).toMatchObject({ lost: 0, bytes: file.length, sha256: sha256(file) });
    }
    for (const sender of senders) sender.kill('SIGTERM');
  });

  const refusals: [name: string, words: () => string[], code: number, said: RegExp][] = [
    [
      'one stream twice',
      () => ['rtp://239.1.1.1:5004', 'udp://239.1.1.1:5004', 'x'],
      2,
      /E001 239\.1\.1\.1:5004 is named twice/,
    ],
    [
      'standard output',
      () => ['239.1.1.1:5004', '239.1.1.2:5004', '-'],
      2,
      /E001 several streams do not fit on standard output/,
    ],
    [
      'a file where the folder should be',
      () => [freshGroup(), freshGroup(), fileOf('film.ts', 'an older recording')],
      8,
      /E402 ".*film\.ts" may not be written\.\n.*it is a file, and a folder is needed/,
    ],
  ];
  for (const [name, words, code, said] of refusals) {
    it(`refuses ${name}`, async () => {
      const outcome = await lancast('record', ...words(), '--iface', 'lo').ended;
      expect(outcome.stderr).toMatch(said);
      expect(outcome.code).toBe(code);
    });
  }
});

describe('record --unhashed', () => {
  it('works out no SHA-256, and records the same bytes', async () => {
    const url = `rtp://${freshGroup()}`;
    const out = path.join(temporaryFolder(), 'out.ts');
    const recorder = await recording(url, out, '--unhashed');
    await send(films[0], url);
    const { code, stderr } = await recorder.ended;
    expect(code).toBe(0);
    expect(recorder.events.at(-1)).toMatchObject({ event: 'summary', lost: 0, sha256: null });
    expect(stderr).not.toContain('sha256');
    expect(readFileSync(out).equals(films[0] ?? Buffer.alloc(0))).toBe(true);
  });
});
