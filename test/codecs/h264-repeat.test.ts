/** What FFmpeg's decoder makes of repeated pictures: the last picture once more, whatever the stream is coded like. */
import { spawnSync } from 'node:child_process';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { findFfmpeg } from '../../codecs/ffmpeg.ts';
import { nalType, nalUnits } from '../../codecs/h264-headers.ts';
import { H264Repeater } from '../../codecs/h264-repeat.ts';

fc.configureGlobal({ seed: 264 });

const PICTURE_TICKS = 3600;
const BEFORE = 7;
const REPEATS = 5;
const NOTHING = Buffer.alloc(0);

let ffmpeg: string;
beforeAll(async () => void ({ path: ffmpeg } = await findFfmpeg()));

function run(args: string[], input: Buffer): Buffer {
  const { stdout, stderr, status } = spawnSync(ffmpeg, ['-v', 'error', ...args], {
    input,
    maxBuffer: 2 ** 28,
  });
  expect(stderr.toString()).toBe('');
  expect(status).toBe(0);
  return stdout;
}

/** Moving pictures as access units, each led by its delimiter. */
function coded(options: string, size = '128x96'): Buffer[] {
  const source = [
    '-f',
    'lavfi',
    '-i',
    `testsrc2=size=${size}:rate=25`,
    '-frames:v',
    '20',
    '-pix_fmt',
    'yuv420p',
  ];
  const stream = run(
    [...source, '-c:v', 'libx264', '-x264-params', `aud=1:${options}`, '-f', 'h264', '-'],
    Buffer.alloc(0),
  );
  const units: Buffer[][] = [];
  for (const unit of nalUnits(stream)) {
    if (nalType(unit) === 9) units.push([]);
    units.at(-1)?.push(Buffer.of(0, 0, 0, 1), unit);
  }
  return units.map((unit) => Buffer.concat(unit));
}

/** The checksum of each picture that a decoder shows. */
function shown(units: readonly Buffer[]): string[] {
  const table = run(
    ['-f', 'h264', '-i', '-', '-fps_mode', 'passthrough', '-f', 'framemd5', '-'],
    Buffer.concat(units),
  );
  const lines = table.toString().split('\n');
  return lines.filter((line) => line.startsWith('0,')).map((line) => line.split(',').at(-1)?.trim() ?? '');
}

describe('H264Repeater', () => {
  const codings: [name: string, options: string, size?: string][] = [
    ['run lengths (CAVLC)', 'bframes=0:cabac=0:keyint=50'],
    ['arithmetic coding (CABAC)', 'bframes=0:cabac=1:keyint=50'],
    ['many macroblocks', 'bframes=0:cabac=1:keyint=50', '1280x720'],
    ['a macroblock', 'bframes=0:cabac=1:keyint=50', '16x16'],
    ['weighted prediction', 'bframes=0:weightp=2:keyint=50'],
    ['several references', 'bframes=0:ref=4:keyint=50'],
    ['no deblocking', 'bframes=0:no-deblock=1:keyint=50'],
    ['interlaced, arithmetic', 'bframes=0:interlaced=1:keyint=50', '128x128'],
    ['interlaced, run lengths', 'bframes=0:interlaced=1:cabac=0:keyint=50', '128x128'],
    ['a low quality', 'bframes=0:qp=51:keyint=50'],
  ];
  for (const [name, options, size] of codings) {
    it(`repeats the last picture of a stream with ${name}`, () => {
      const units = coded(options, size).slice(0, BEFORE);
      const repeater = new H264Repeater();
      units.forEach((unit, index) => repeater.follow(unit, index * PICTURE_TICKS));
      const stills = Array.from({ length: REPEATS }, (_, index) =>
        repeater.repeat(NOTHING, (BEFORE + index) * PICTURE_TICKS)!,
      );
      const clean = shown(units);
      expect(clean).toHaveLength(BEFORE);
      expect(shown([...units, ...stills])).toEqual([...clean, ...stills.map(() => clean.at(-1))]);
    });
  }

  it('never throws, whatever a stream consists of', () => {
    const [unit = NOTHING] = coded('bframes=0:keyint=50');
    const broken = fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 12 });
    fc.assert(
      fc.property(broken, fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 4 }), (places, heads) => {
        const repeater = new H264Repeater();
        const head = Buffer.from(unit);
        // Behind the delimiter and the start code of what follows it.
        for (const [at, value] of places) head[10 + at] = value;
        repeater.follow(unit, 0);
        repeater.follow(head, PICTURE_TICKS);
        for (const [index, bytes] of heads.entries()) {
          const replaced = Buffer.concat([Buffer.of(0, 0, 1, 0x41), bytes]);
          expect(repeater.lostBefore(replaced)).toBeLessThanOrEqual(2 ** 16);
          repeater.repeat(index % 2 === 0 ? replaced : undefined, (index + 2) * PICTURE_TICKS);
        }
      }),
    );
  });
});
