/** Lossy films through the concealment of the viewer, judged by FFmpeg's decoders: every picture clean, every sound without a click. */
import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { findFfmpeg } from '../../codecs/ffmpeg.ts';
import { Concealment } from '../../receiver/concealment.ts';
import type { Released } from '../../receiver/sink.ts';
import type { Concealed } from '../../wire/metrics.ts';

const DATAGRAM_BYTES = 1316;
const SECONDS = 8;
const FRAME_RATE = 25;

let ffmpeg: string;
beforeAll(async () => void ({ path: ffmpeg } = await findFfmpeg()));

function run(args: string[], input?: Buffer): { output: Buffer; said: string } {
  const all = ['-v', 'error', '-nostdin', ...args];
  const { stdout, stderr } = spawnSync(ffmpeg, all, { input, maxBuffer: 2 ** 28 });
  return { output: stdout, said: stderr.toString() };
}

/** A film of moving pictures and a tone of 220 Hz. */
function film(video: string, audio: string): Buffer {
  const lavfi = (source: string): string[] => ['-f', 'lavfi', '-i', source];
  const sources = [
    ...lavfi(`testsrc2=size=320x180:rate=${FRAME_RATE}:duration=${SECONDS}`),
    ...lavfi(`sine=frequency=220:sample_rate=48000:duration=${SECONDS},volume=15dB`),
  ];
  const pictures = ['-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-b:v', '1M', '-x264-params', video];
  const sound = ['-ac', '2', ...audio.split(' ')];
  return run([...sources, ...pictures, ...sound, '-f', 'mpegts', '-']).output;
}

/** Checksums of the pictures that a decoder shows. */
function pictures(ts: Buffer): string[] {
  const { output } = run(['-i', '-', '-map', '0:v', '-fps_mode', 'passthrough', '-f', 'framemd5', '-'], ts);
  const rows = output.toString().split('\n');
  return rows.filter((row) => row.startsWith('0,')).map((row) => row.split(',').at(-1)?.trim() ?? '');
}

function steps(ts: Buffer): Released[] {
  return Array.from({ length: Math.floor(ts.length / DATAGRAM_BYTES) }, (_, index) => ({
    kind: 'payload' as const,
    payload: ts.subarray(index * DATAGRAM_BYTES, (index + 1) * DATAGRAM_BYTES),
    index,
    timestampTicks: undefined,
    arrivedAt: (index * DATAGRAM_BYTES * 1000 * SECONDS) / ts.length,
    discontinuity: false,
  }));
}

/** Loses runs of datagrams. */
function lossy(ts: Buffer, seed: number, share: number): Released[] {
  let state = seed;
  const random = (): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32;
  const out: Released[] = [];
  const all = steps(ts);
  for (let at = 0; at < all.length;) {
    const count = random() < share ? 1 + Math.floor(random() ** 3 * 30) : 0;
    if (count > 0 && at > 100) out.push({ kind: 'gap', first: at, count });
    if (count > 0 && at > 100) at += count;
    else out.push(all[at++]!);
  }
  return out;
}

function payloads(released: readonly Released[]): Buffer {
  return Buffer.concat(released.flatMap((step) => (step.kind === 'payload' ? [step.payload] : [])));
}

function conceal(released: readonly Released[]): { ts: Buffer; concealed: Concealed } {
  const concealment = new Concealment();
  const parts: Buffer[] = [];
  let now = 0;
  for (const step of [...released, { kind: 'end', proven: true } as const]) {
    if (step.kind === 'payload') now = step.arrivedAt;
    concealment.push(step, now);
    for (let out = concealment.poll(); out; out = concealment.poll())
      if (out.kind === 'payload') parts.push(Buffer.from(out.payload));
  }
  return { ts: Buffer.concat(parts), concealed: concealment.concealed(now) };
}

/** Sound as a decoder gives it, one channel of 48 kHz. */
function sound(ts: Buffer): Float32Array {
  const { output } = run(['-i', '-', '-map', '0:a', '-ac', '1', '-f', 'f32le', '-'], ts);
  return new Float32Array(output.buffer, output.byteOffset, output.length / 4);
}

/** The largest step from one sample to the next, dBFS. */
function largestStep(samples: Float32Array): number {
  let largest = 0;
  for (let at = 1; at < samples.length; at++)
    largest = Math.max(largest, Math.abs((samples[at] ?? 0) - (samples[at - 1] ?? 0)));
  return 20 * Math.log10(largest);
}

describe('pictures', () => {
  const codings: [name: string, options: string][] = [
    ['arithmetic coding', 'bframes=0:keyint=25:scenecut=0'],
    ['run lengths', 'bframes=0:keyint=25:scenecut=0:cabac=0'],
    ['B pictures', 'bframes=3:b-adapt=0:keyint=25:scenecut=0'],
    ['open groups of pictures', 'bframes=3:b-adapt=0:open-gop=1:keyint=25:scenecut=0'],
    ['several slices', 'keyint=25:bframes=0:rc-lookahead=0:sliced-threads=1:threads=4'],
  ];
  for (const [name, options] of codings) {
    it(`are clean, in order, and nearly as many as were sent (${name})`, () => {
      const ts = film(options, '-c:a aac');
      const clean = pictures(ts);
      expect(new Set(clean).size).toBe(SECONDS * FRAME_RATE);
      for (const seed of [2, 3]) {
        const lossyFilm = lossy(ts, seed, 0.01);
        const { ts: hidden, concealed } = conceal(lossyFilm);
        const shown = pictures(hidden).map((picture) => clean.indexOf(picture));
        expect(concealed.freezes).toBeGreaterThan(1);
        expect(shown.filter((number) => number === -1)).toEqual([]);
        expect(shown).toEqual(shown.toSorted((a, b) => a - b));
        expect(shown.length).toBeGreaterThan(0.75 * clean.length);
        expect(pictures(payloads(lossyFilm)).filter((picture) => !clean.includes(picture))).not.toEqual([]);
      }
    });
  }
});

describe('sound', () => {
  const codings: [name: string, options: string][] = [
    ['AAC', '-c:a aac'],
    ['AAC of one channel', '-c:a aac -ac 1'],
    ['Opus', '-c:a libopus'],
    ['MP3', '-c:a libmp3lame'],
  ];
  for (const [name, options] of codings) {
    it(`keeps its length, and does not click (${name})`, () => {
      const ts = film('keyint=25', options);
      const whole = sound(ts);
      const lossyFilm = lossy(ts, 3, 0.01);
      const { ts: hidden, concealed } = conceal(lossyFilm);
      const heard = sound(hidden);
      const step = largestStep(heard);
      console.log(
        `${name}: largest step ${step.toFixed(1)} dBFS, whole film ${largestStep(whole).toFixed(1)}`,
      );
      expect(concealed.soundGaps).toBeGreaterThan(1);
      expect(concealed.soundFilledMs).toBeGreaterThan(200);
      // The last frames may be among the lost.
      expect(whole.length - heard.length).toBeLessThan(0.15 * 48_000);
      expect(whole.length - sound(payloads(lossyFilm)).length).toBeGreaterThan(0.15 * 48_000);
      expect(step).toBeLessThan(-30);
    });
  }
});
