/** Lossy films through the concealment of the viewer, judged by FFmpeg's decoders: every picture clean, every sound without a click. */
import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { findFfmpeg } from '../../codecs/ffmpeg.ts';
import { Concealment } from '../../receiver/concealment.ts';
import type { Released } from '../../receiver/sink.ts';

const DATAGRAM_BYTES = 1316;
const SECONDS = 12;
const FRAME_RATE = 25;

let ffmpeg: string;
beforeAll(async () => void ({ path: ffmpeg } = await findFfmpeg()));

function run(args: string[], input?: Buffer): { output: Buffer; said: string } {
  const all = ['-v', 'error', '-nostdin', ...args];
  const { stdout, stderr } = spawnSync(ffmpeg, all, { input, maxBuffer: 2 ** 28 });
  return { output: stdout, said: stderr.toString() };
}

/** A film of moving pictures and a tone of 440 Hz. */
function film(video: string, audio: string): Buffer {
  const sources = [
    ...['-f', 'lavfi', '-i', `testsrc2=size=320x180:rate=${FRAME_RATE}:duration=${SECONDS}`],
    ...['-f', 'lavfi', '-i', `sine=frequency=220:sample_rate=48000:duration=${SECONDS},volume=15dB`],
  ];
  const pictures = ['-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-b:v', '1M', '-x264-params', video];
  const sound = [...audio.split(' '), '-ac', '2'];
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

function conceal(released: readonly Released[]): { ts: Buffer; concealment: Concealment } {
  const concealment = new Concealment();
  const parts: Buffer[] = [];
  let now = 0;
  for (const step of [...released, { kind: 'end', proven: true } as const]) {
    if (step.kind === 'payload') now = step.arrivedAt;
    concealment.push(step, now);
    for (let out = concealment.poll(); out; out = concealment.poll())
      if (out.kind === 'payload') parts.push(Buffer.from(out.payload));
  }
  return { ts: Buffer.concat(parts), concealment };
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

describe('concealment', () => {
  const codings: [name: string, options: string][] = [
    ['P pictures', 'bframes=0:keyint=25:scenecut=0'],
    ['run lengths', 'bframes=0:keyint=25:scenecut=0:cabac=0'],
    ['B pictures', 'bframes=3:b-adapt=0:keyint=25:scenecut=0'],
    ['open groups', 'bframes=3:b-adapt=0:open-gop=1:keyint=25:scenecut=0'],
    ['zero latency', 'keyint=25:bframes=0:rc-lookahead=0:sliced-threads=1:threads=4'],
  ];
  for (const [name, options] of codings) {
    it(`shows only clean pictures, one for each of the film (${name})`, () => {
      const ts = film(options, '-c:a aac');
      const clean = new Set(pictures(ts));
      for (const seed of [1, 2, 3]) {
        const { ts: hidden, concealment } = conceal(lossy(ts, seed, 0.01));
        const shown = pictures(hidden);
        const smeared = shown.filter((picture) => !clean.has(picture)).length;
        console.log(
          name,
          seed,
          shown.length,
          'smeared',
          smeared,
          concealment.concealed(0),
          pictures(
            Buffer.concat(lossy(ts, seed, 0.01).flatMap((s) => (s.kind === 'payload' ? [s.payload] : []))),
          ).filter((p) => !clean.has(p)).length,
        );
        expect(smeared).toBe(0);
      }
    });
  }

  for (const [name, options] of [
    ['AAC', '-c:a aac -b:a 128k'],
    ['HE', '-c:a aac -b:a 32k -ar 24000'],
    ['Opus', '-c:a libopus'],
    ['MP2', '-c:a mp2'],
    ['MP3', '-c:a libmp3lame'],
  ] as const) {
    it('sound' + name, () => {
      const ts = film('keyint=25', options);
      const all = lossy(ts, 3, 0.01);
      const raw = Buffer.concat(all.flatMap((s) => (s.kind === 'payload' ? [s.payload] : [])));
      const hidden = conceal(all);
      console.log(
        name,
        sound(ts).length,
        largestStep(sound(ts)),
        'show',
        sound(raw).length,
        largestStep(sound(raw)),
        'hidden',
        sound(hidden.ts).length,
        largestStep(sound(hidden.ts)),
        hidden.concealment.concealed(0),
      );
    });
  }
});
