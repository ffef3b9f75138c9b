/** Sources with real files, real pipes and a real ffmpeg. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Source } from '../../sender/source.ts';
import { openFile } from '../../sender/sources/file.ts';
import { openPipe } from '../../sender/sources/stdin.ts';
import { childPids, examine, ffmpegPids, NO_FAULTS } from '../helpers/examine.ts';
import { programme, to192, to204 } from '../helpers/programme.ts';
import { fileOf, temporaryFolder } from './program.ts';

const CLIP = 'fixtures/clip.ts';
const FILM = programme({ durationMs: 1500 });

/** Two seconds of the clip in another container; `options` are ffmpeg's. */
function made(name: string, options = '-c copy'): string {
  const file = path.join(temporaryFolder(), name);
  execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', CLIP, '-t', '2', ...options.split(' '), file]);
  return file;
}

afterEach(() => vi.unstubAllEnvs());

/** Reads a source until it ends, or until it has given so many bytes. */
async function readAll(source: Source, mostBytes = Infinity): Promise<Buffer> {
  const runs: Buffer[] = [];
  let bytes = 0;
  for (let run = await source.read(); run && bytes < mostBytes; run = await source.read()) {
    runs.push(run);
    bytes += run.length;
  }
  await source.close();
  return Buffer.concat(runs);
}

describe('a transport stream file', () => {
  const forms: [name: string, bytes: Buffer][] = [
    ['188', FILM],
    ['192', to192(FILM)],
    ['204', to204(FILM)],
  ];
  for (const [layout, bytes] of forms) {
    it(`of ${layout}-byte packets is sent as its 188-byte packets, bit for bit, without ffmpeg`, async () => {
      vi.stubEnv('LANCAST_FFMPEG', '/nowhere/ffmpeg');
      const source = await openFile(fileOf('film.mp4', bytes)); // by content, not by name
      expect(source.description).toMatchObject({
        name: 'film.mp4',
        media: 'H.264 + AAC',
        totalBytes: FILM.length,
      });
      expect(source.description.durationMs).toBeCloseTo(1500, -2);
      expect((await readAll(source)).equals(FILM)).toBe(true);
      expect(source.description.notes).toEqual([]);
    });
  }

  it('names the cut last packet, which is not sent', async () => {
    const source = await openFile(fileOf('cut.ts', FILM.subarray(0, -40)));
    expect((await readAll(source)).equals(FILM.subarray(0, -188))).toBe(true);
    expect(source.description.notes).toEqual(['the last packet is cut (148 bytes) and is not sent']);
  });

  it('names bytes that belong to no packet', async () => {
    const source = await openFile(fileOf('dirty.ts', Buffer.concat([Buffer.alloc(1000, 1), FILM])));
    expect((await readAll(source)).equals(FILM)).toBe(true);
    expect(source.description.notes).toEqual(['1000 bytes belong to no packet and are not sent']);
  });

  it('loops as one legal stream', async () => {
    const clip = readFileSync(CLIP);
    const stream = await readAll(await openFile(CLIP, { loop: true }), 3.2 * clip.length);
    expect(stream.subarray(0, clip.length).equals(clip)).toBe(true);
    const { durationMs, faults, jumps } = examine(stream);
    expect(faults).toEqual(NO_FAULTS);
    expect(jumps).toBe(0);
    expect(durationMs).toBeGreaterThan(3 * 10_240);
  });
});

describe('any file with --as-is', () => {
  for (const [name, bytes, transportStream] of [
    ['of anything', Buffer.from('no film at all '.repeat(1000)), false],
    ['of 192-byte packets', to192(FILM), false],
    ['of packets, the last one cut', FILM.subarray(0, -40), true],
  ] as const) {
    it(`${name} is sent as it is`, async () => {
      const source = await openFile(fileOf('any.bin', Buffer.from(bytes)), { asIs: true });
      expect(source.description).toMatchObject({ transportStream, totalBytes: bytes.length });
      expect((await readAll(source)).equals(bytes)).toBe(true);
    });
  }

  it('begins again with --loop', async () => {
    const bytes = Buffer.from('0123456789');
    const source = await openFile(fileOf('any.bin', bytes), { asIs: true, loop: true });
    expect((await readAll(source, 30)).toString()).toBe('0123456789'.repeat(3));
  });
});

describe('a file that ffmpeg converts', () => {
  const copied: [name: string, options?: string][] = [
    ['film.mp4'],
    ['film.mov'],
    ['film.mkv'],
    ['film.flv'],
    ['film.avi'],
    ['fragmented.mp4', '-c copy -bsf:a aac_adtstoasc -movflags +frag_keyframe+empty_moov'],
  ];
  for (const [name, options] of copied) {
    it(`keeps the streams of ${name}`, async () => {
      const source = await openFile(made(name, options));
      expect(source.description).toMatchObject({
        name,
        media: expect.stringMatching(/^360p\d+ H\.264 \+ AAC$/) as unknown,
        transportStream: true,
        live: false,
      });
      const { codecs, durationMs, faults, jumps } = examine(await readAll(source));
      expect(codecs).toEqual(['H.264', 'AAC']);
      expect(durationMs).toBeGreaterThan(1800);
      expect(durationMs).toBeLessThan(2300);
      expect(faults).toEqual(NO_FAULTS);
      expect(jumps).toBe(0);
      expect(source.description.notes).toEqual([]);
    });
  }

  it('converts what MPEG-TS does not carry, and keeps the rest', async () => {
    const source = await openFile(made('film.webm', '-c:v libvpx -deadline realtime -b:v 500k -c:a libopus'));
    expect(source.description.media).toBe('360p25 VP8→H.264 + Opus');
    const { codecs, faults } = examine(await readAll(source));
    expect(codecs).toEqual(['H.264', 'Opus']);
    expect(faults).toEqual(NO_FAULTS);
  });

  it('loops as one legal stream', async () => {
    const source = await openFile(made('loop.mkv'), { loop: true });
    const { durationMs, faults, jumps } = examine(await readAll(source, 700_000));
    expect(durationMs).toBeGreaterThan(3 * 2000);
    expect(faults).toEqual(NO_FAULTS);
    expect(jumps).toBe(0);
    expect(ffmpegPids()).toEqual([]);
  });

  it('says that ffmpeg is missing when it is', async () => {
    const file = made('missing.mp4');
    vi.stubEnv('LANCAST_FFMPEG', '/nowhere/ffmpeg');
    await expect(openFile(file)).rejects.toMatchObject({ code: 'E204' });
  });

  it('says so when ffmpeg is killed, after what it had made', async () => {
    const source = await openFile(made('killed.mp4'), { loop: true });
    let bytes = (await source.read())?.length ?? 0;
    const [pid = 0] = ffmpegPids();
    process.kill(pid, 'SIGKILL');
    const rest = (async () => {
      for (let run = await source.read(); run; run = await source.read()) bytes += run.length;
    })();
    await expect(rest).rejects.toMatchObject({ code: 'E205', details: { status: /SIGKILL/ } });
    expect(bytes).toBeGreaterThan(0);
    await source.close();
    expect(childPids()).not.toContain(pid);
  });

  it('leaves no child behind when it is closed, early or twice', async () => {
    const early = await openFile(made('early.mp4'), { loop: true });
    await early.close();
    const late = await openFile(made('late.mp4'), { loop: true });
    await late.read();
    const waiting = late.read();
    await Promise.all([late.close(), late.close()]);
    await waiting;
    expect(await late.read()).toBeUndefined();
    expect(ffmpegPids()).toEqual([]);
  });
});

describe('a bad input', () => {
  const whole = (): Buffer => readFileSync(made('whole.mp4'));
  const cases: [name: string, file: () => string, fault: object][] = [
    ['that is missing', () => path.join(temporaryFolder(), 'none.mp4'), { code: 'E201' }],
    ['below something that is no folder', () => `${CLIP}/film.mp4`, { code: 'E201' }],
    ['that is a folder', temporaryFolder, { code: 'E202', details: { reason: 'it is a folder' } }],
    ['that is empty', () => fileOf('empty.ts', Buffer.alloc(0)), { code: 'E207' }],
    [
      'that is text',
      () => fileOf('notes.txt', Buffer.from('Dear all,\nplease find attached'.repeat(20))),
      { code: 'E202', details: { reason: 'it starts with "Dear all, please…"' } },
    ],
    [
      'that is text and called a film',
      () => fileOf('notes.mp4', Buffer.from('Dear all,\n'.repeat(90))),
      { code: 'E202' },
    ],
    [
      'that is noise',
      () => fileOf('noise.mkv', Buffer.from(Array.from({ length: 5000 }, (_, at) => (at * at * 31) & 0xff))),
      { code: 'E202', details: { reason: /^it starts with bytes 00 1f / } },
    ],
    [
      'that is an MP4 without its index',
      () => fileOf('cut.mp4', whole().subarray(0, 50_000)),
      { code: 'E206' },
    ],
    [
      'that is a playlist called a film',
      () =>
        fileOf(
          'list.mp4',
          Buffer.from(`#EXTM3U\n#EXTINF:10,\nfile://${path.resolve(CLIP)}\n#EXT-X-ENDLIST\n`),
        ),
      { code: 'E202' },
    ],
    [
      'that has subtitles only',
      () => fileOf('only.srt', Buffer.from('1\n00:00:00,000 --> 00:00:02,000\nHello\n')),
      { code: 'E202' },
    ],
    [
      'with a codec that nobody knows',
      () => {
        const bytes = whole();
        for (
          let at = bytes.indexOf('avc1', bytes.indexOf('stsd'));
          at !== -1;
          at = bytes.indexOf('avc1', at + 4)
        )
          bytes.write('xyz9', at);
        return fileOf('unknown.mp4', bytes);
      },
      { code: 'E203', details: { codec: 'the video codec "xyz9"' } },
    ],
  ];
  for (const [name, file, fault] of cases) {
    it(`${name} is refused in time`, async () => {
      await expect(openFile(file())).rejects.toMatchObject(fault);
      expect(ffmpegPids()).toEqual([]);
    });
  }
});

describe('a pipe', () => {
  it('of transport packets comes out as it went in, however it comes cut', async () => {
    const pieces = Array.from({ length: Math.ceil(FILM.length / 777) }, (_, at) =>
      FILM.subarray(at * 777, (at + 1) * 777),
    );
    const source = await openPipe(Readable.from(pieces));
    expect(source.description).toMatchObject({ name: 'standard input', live: true, transportStream: true });
    expect((await readAll(source)).equals(FILM)).toBe(true);
  });

  it('gives what has come without waiting for more', async () => {
    const pipe = new PassThrough();
    pipe.write(FILM.subarray(0, 18_800));
    const source = await openPipe(pipe);
    expect((await source.read())?.equals(FILM.subarray(0, 18_800))).toBe(true);
    const waiting = source.read();
    await sleep(20);
    pipe.write(FILM.subarray(18_800, 37_600));
    expect((await waiting)?.equals(FILM.subarray(18_800, 37_600))).toBe(true);
    const last = source.read();
    await source.close();
    expect(await last).toBeUndefined();
  });

  it('of another format goes through ffmpeg', async () => {
    const file = readFileSync(made('piped.mkv'));
    const source = await openPipe(Readable.from([file.subarray(0, 5000), file.subarray(5000)]), 'camera');
    expect(source.description).toMatchObject({ name: 'camera', media: '360p25 H.264 + AAC', live: true });
    const { codecs, faults } = examine(await readAll(source));
    expect(codecs).toEqual(['H.264', 'AAC']);
    expect(faults).toEqual(NO_FAULTS);
    expect(ffmpegPids()).toEqual([]);
  });

  it('that ends at once is empty', async () => {
    await expect(openPipe(Readable.from([]))).rejects.toMatchObject({ code: 'E207' });
  });

  it('of text is refused', async () => {
    await expect(openPipe(Readable.from([Buffer.from('hello '.repeat(100))]))).rejects.toMatchObject({
      code: 'E202',
    });
  });
});
