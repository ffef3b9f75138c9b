import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import type { Source } from '../../sender/source.ts';
import { openFile } from '../../sender/sources/file.ts';
import { openPipe } from '../../sender/sources/stdin.ts';
import { programme, to192, to204 } from '../helpers/programme.ts';

const FILM = programme({ durationMs: 6000 });
const folder = mkdtempSync(path.join(tmpdir(), 'lancast-sources-'));
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, bytes: Buffer): string {
  const file = path.join(folder, name);
  writeFileSync(file, bytes);
  return file;
}

/** What a source gives, and in runs of how many bytes; each run is overwritten as soon as it was taken. */
async function everything(
  source: Source,
  options: { wantedBytes?: number; atMost?: number } = {},
): Promise<{ bytes: Buffer; runs: number[] }> {
  const taken: Buffer[] = [];
  const take = (run: Buffer): void => {
    taken.push(Buffer.from(run));
    run.fill(0xdd);
  };
  let filled = 0;
  while (filled < (options.atMost ?? Infinity) && (await source.read(take, options.wantedBytes)))
    filled += taken.at(-1)?.length ?? 0;
  await source.close();
  return { bytes: Buffer.concat(taken), runs: taken.map(({ length }) => length) };
}

describe('a transport stream file', () => {
  const layouts: [name: string, bytes: Buffer][] = [
    ['of 188 bytes a packet', FILM],
    ['of 192 bytes a packet', to192(FILM)],
    ['of 204 bytes a packet', to204(FILM)],
    ['that begins in the middle of a packet', Buffer.concat([Buffer.alloc(100, 1), FILM])],
  ];
  for (const [name, bytes] of layouts) {
    it(`${name} is given bit for bit`, async () => {
      const source = await openFile(fileOf('film.ts', bytes));
      expect((await everything(source)).bytes.equals(FILM)).toBe(true);
    });
  }

  it('is read as much at a time as is wanted, in whole datagrams, from 32 KiB to half a megabyte', async () => {
    const file = fileOf('film.ts', FILM);
    const sizes: number[] = [];
    for (const wantedBytes of [0, 100_000, 1e9]) {
      const { runs } = await everything(await openFile(file), { wantedBytes });
      sizes.push(runs[0] ?? 0);
    }
    expect(sizes).toEqual([24 * 1316, 76 * 1316, 384 * 1316]);
  });

  it('says what of it is not sent', async () => {
    const source = await openFile(fileOf('cut.ts', FILM.subarray(0, FILM.length - 40)));
    expect((await everything(source)).bytes.equals(FILM.subarray(0, FILM.length - 188))).toBe(true);
    expect(source.description.notes).toEqual(['the last packet is cut (148 bytes) and is not sent']);
  });

  it('goes round and round when it is looped, the first time as it is', async () => {
    const source = await openFile(fileOf('film.ts', FILM), { loop: true });
    const { bytes } = await everything(source, { atMost: 3 * FILM.length });
    expect(bytes.subarray(0, FILM.length).equals(FILM)).toBe(true);
    expect(bytes.length).toBeGreaterThanOrEqual(3 * FILM.length);
  });

  it('shares what it is read into with a hundred others, and none of them gets what is not its own', async () => {
    const films = Array.from({ length: 100 }, (_, index) => programme({ durationMs: 400, seed: index + 1 }));
    const sources = await Promise.all(
      films.map((film, index) => openFile(fileOf(`channel-${index}.ts`, film))),
    );
    const given = await Promise.all(sources.map((source) => everything(source)));
    given.forEach(({ bytes }, index) => expect(bytes.equals(films[index] ?? FILM)).toBe(true));
  });

  it('gives nothing once it is closed', async () => {
    const source = await openFile(fileOf('film.ts', FILM));
    await source.close();
    expect(await source.read(() => expect.unreachable())).toBe(false);
  });
});

describe('any file, as it is', () => {
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 253));

  it('is given to its last byte', async () => {
    const source = await openFile(fileOf('any.bin', bytes), { asIs: true });
    expect((await everything(source)).bytes.equals(bytes)).toBe(true);
  });

  it('begins again where that is asked for', async () => {
    const source = await openFile(fileOf('any.bin', bytes), { asIs: true, loop: true });
    const given = await everything(source, { atMost: 2 * bytes.length });
    expect(given.bytes.equals(Buffer.concat([bytes, bytes]))).toBe(true);
  });
});

describe('a transport stream in a pipe', () => {
  /** Writes pieces with a pause between them, and ends. */
  async function write(pipe: PassThrough, pieces: readonly Buffer[]): Promise<void> {
    for (const piece of pieces) {
      pipe.write(Buffer.from(piece));
      await sleep(5);
    }
    pipe.end();
  }

  const cuts: [name: string, at: number[]][] = [
    ['at once', []],
    ['first only as much as does not tell yet what it is', [50, 700, 5000]],
    ['in pieces of any size', [100_001, 150_000, 300_003]],
  ];
  for (const [name, at] of cuts) {
    it(`is given whole when it comes ${name}`, async () => {
      const pipe = new PassThrough();
      const pieces = [0, ...at].map((from, index) => FILM.subarray(from, at[index] ?? FILM.length));
      void write(pipe, pieces);
      const source = await openPipe(pipe);
      expect(source.description).toMatchObject({ live: true, media: 'H.264 + AAC' });
      expect((await everything(source)).bytes.equals(FILM)).toBe(true);
    });
  }

  it('gives no more once it is closed, though it waits for more', async () => {
    const pipe = new PassThrough();
    pipe.write(Buffer.from(FILM.subarray(0, 18_800)));
    const source = await openPipe(pipe);
    expect(await source.read(() => undefined)).toBe(true);
    const waiting = source.read(() => expect.unreachable());
    await source.close();
    expect(await waiting).toBe(false);
  });

  it('is refused when nothing comes', async () => {
    const pipe = new PassThrough();
    pipe.end();
    await expect(openPipe(pipe)).rejects.toMatchObject({ code: 'E207' });
  });
});
