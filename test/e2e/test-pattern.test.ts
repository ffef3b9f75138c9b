/** The test pattern and the clip of the demo, decoded by ffmpeg: do the numbers in the picture and the bell belong together? */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FRAME_COUNTER, readFrameCounter } from '../../sender/frame-counter.ts';
import { openTestPattern } from '../../sender/sources/test-pattern.ts';
import { PICTURE_HEIGHT, PICTURE_WIDTH } from '../../sender/test-picture.ts';
import { examine, ffmpegPids } from '../helpers/examine.ts';
import { NO_FAULTS } from '../helpers/snapshots.ts';
import { fileOf } from './program.ts';

const CLIP = 'fixtures/clip.ts';

/** The frames of a stream as luma, and its sound as one channel of samples at 48 kHz, both from time 0 of the stream on. */
function decode(stream: Buffer): { frames: Buffer[]; samples: Int16Array; soundLeadMs: number } {
  const file = fileOf('decode.ts', stream);
  const run = (...args: string[]): Buffer =>
    execFileSync('ffmpeg', ['-v', 'error', '-i', file, ...args, 'pipe:1'], { maxBuffer: 2 ** 30 });
  const luma = run('-map', '0:v', '-fps_mode', 'passthrough', '-f', 'rawvideo', '-pix_fmt', 'gray');
  const size = PICTURE_WIDTH * PICTURE_HEIGHT;
  const frames = Array.from({ length: luma.length / size }, (_, at) =>
    luma.subarray(at * size, (at + 1) * size),
  );
  const sound = run('-map', '0:a', '-f', 's16le', '-ar', '48000', '-ac', '1');
  const samples = new Int16Array(sound.buffer.slice(sound.byteOffset, sound.byteOffset + sound.length));
  // The first packet of each track, in ticks of its time base.
  const starts = execFileSync(
    'ffmpeg',
    ['-hide_banner', '-i', file, '-map', '0', '-c', 'copy', '-copyts', '-f', 'framecrc', '-'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  ).toString();
  const startOf = (track: number): number => {
    const timeBase = Number(new RegExp(`#tb ${track}: 1/(\\d+)`).exec(starts)?.[1]);
    return (Number(new RegExp(`^${track}, +-?\\d+, +(-?\\d+),`, 'm').exec(starts)?.[1]) / timeBase) * 1000;
  };
  return { frames, samples, soundLeadMs: startOf(1) - startOf(0) };
}

/** Milliseconds at which a bell is struck: loud after silence. */
function strikes(samples: Int16Array): number[] {
  const found: number[] = [];
  let quiet = 4800;
  for (const [at, sample] of samples.entries()) {
    if (Math.abs(sample) < 4000) quiet++;
    else {
      if (quiet >= 4800) found.push(at / 48);
      quiet = 0;
    }
  }
  return found;
}

describe('the test pattern', () => {
  for (const audioCodec of ['aac', 'opus'] as const) {
    it(`numbers its frames in real time and strikes its bell with every 25th (${audioCodec})`, async () => {
      const source = await openTestPattern({ audioCodec });
      const runs: Buffer[] = [];
      const until = Date.now() + 4000;
      while (Date.now() < until) await source.read((run) => runs.push(Buffer.from(run)));
      const readMs = Date.now() - (source.frameZeroAtUnixMs ?? 0);
      await source.close();
      expect(await source.read(() => undefined)).toBe(false);
      expect(ffmpegPids()).toEqual([]);

      const stream = Buffer.concat(runs);
      const { codecs, faults } = examine(stream);
      expect(codecs).toEqual(['H.264', audioCodec === 'aac' ? 'AAC' : 'Opus']);
      expect(faults).toEqual(NO_FAULTS);
      const { frames, samples, soundLeadMs } = decode(stream);
      const numbers = frames.map((data) =>
        readFrameCounter(
          { data, width: PICTURE_WIDTH, height: PICTURE_HEIGHT, bytesPerPixel: 1 },
          FRAME_COUNTER,
        ),
      );
      expect(numbers).toEqual(numbers.map((_, frame) => frame));
      expect(frames.length).toBeLessThanOrEqual(readMs / 40 + 1);
      expect(frames.length).toBeGreaterThan(readMs / 40 - 15);
      const beeps = strikes(samples).map((ms) => ms + soundLeadMs);
      expect(beeps.length).toBeGreaterThanOrEqual(2);
      for (const [second, ms] of beeps.entries()) expect(Math.abs(ms - second * 1000)).toBeLessThan(25);
    });
  }
});

describe('the clip of the demo', () => {
  it('is a legal stream of 10.24 s that shows all its frames and strikes eight times', () => {
    const clip = readFileSync(CLIP);
    expect(clip.length).toBeLessThan(1_500_000);
    const { codecs, faults } = examine(clip);
    expect(codecs).toEqual(['H.264', 'AAC']);
    expect(faults).toEqual(NO_FAULTS);
    const { frames, samples, soundLeadMs } = decode(clip);
    const numbers = frames.map((data) =>
      readFrameCounter(
        { data, width: PICTURE_WIDTH, height: PICTURE_HEIGHT, bytesPerPixel: 1 },
        FRAME_COUNTER,
      ),
    );
    expect(numbers).toEqual(Array.from({ length: 256 }, (_, frame) => frame));
    expect(samples.length).toBe(480 * 1024);
    const beeps = strikes(samples).map((ms) => ms + soundLeadMs);
    expect(beeps).toHaveLength(8);
    for (const [beep, ms] of beeps.entries()) expect(Math.abs(ms - beep * 1280)).toBeLessThan(25);
  });
});
