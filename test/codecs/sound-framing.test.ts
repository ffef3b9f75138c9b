import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ADTS } from '../../codecs/adts.ts';
import { MPEG_AUDIO } from '../../codecs/mpeg-audio.ts';
import { OPUS } from '../../codecs/opus-in-ts.ts';
import { splitFrames, type SoundFraming } from '../../codecs/sound-framing.ts';
import { audioUnit, randomBytes } from '../helpers/programme-parts.ts';

fc.configureGlobal({ seed: 48 });

const AAC_TICKS = (1024 * 90_000) / 48_000;
const MPEG_TICKS = (1152 * 90_000) / 48_000;
const noise = randomBytes(5);

/** An Opus packet of one frame of 20 ms (CELT, stereo) in its control header. */
function opus(bytes: number, flags = 0xe0): Buffer {
  const size = [...Array<number>(Math.floor(bytes / 255)).fill(255), bytes % 255];
  const trims = Buffer.alloc((flags & 0x10 ? 2 : 0) + (flags & 0x08 ? 2 : 0));
  return Buffer.concat([Buffer.of(0x7f, flags, ...size), trims, Buffer.of(0xfc), noise(bytes - 1)]);
}

/** A frame of 192 kbit/s at 48 kHz: 576 bytes. */
function layer(second: number): Buffer {
  return Buffer.concat([Buffer.of(0xff, second, second === 0xfd ? 0xa4 : 0xb4, 0), noise(572)]);
}

const framings: [name: string, framing: SoundFraming, frame: Buffer, ticks: number][] = [
  ['AAC', ADTS, audioUnit(300, noise), AAC_TICKS],
  ['Opus', OPUS, opus(200), 1800],
  ['Opus of more than 255 bytes', OPUS, opus(700), 1800],
  ['Opus with trims', OPUS, opus(200, 0xf8), 1800],
  ['MPEG audio, layer II', MPEG_AUDIO, layer(0xfd), MPEG_TICKS],
  ['MPEG audio, layer III', MPEG_AUDIO, layer(0xfb), MPEG_TICKS],
];

describe('frames of sound', () => {
  for (const [name, framing, frame, ticks] of framings) {
    it(`are found wherever they are cut (${name})`, () => {
      const stream = Buffer.concat([frame, frame, frame]);
      for (let cut = 1; cut <= stream.length; cut++) {
        const found = splitFrames(stream.subarray(0, cut), framing);
        const whole = Math.floor(cut / frame.length);
        expect(found.to).toBe(whole * frame.length);
        expect(found.durationTicks).toBeCloseTo(whole * ticks, 6);
        expect(found.last?.equals(frame)).toBe(whole === 0 ? undefined : true);
      }
    });

    it(`are found behind the end of another (${name})`, () => {
      const rest = Buffer.alloc(50, 0x11);
      const found = splitFrames(Buffer.concat([rest, frame, frame]), framing);
      expect(found).toMatchObject({ from: 50, to: 50 + 2 * frame.length });
    });

    it(`never throw, and never go back or beyond the end, whatever the bytes (${name})`, () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(599), (bytes, at) => {
          const data = Buffer.from(bytes);
          frame.copy(data, at % Math.max(1, data.length));
          const { from, to, durationTicks } = splitFrames(data, framing);
          expect(from).toBeLessThanOrEqual(to);
          expect(to).toBeLessThanOrEqual(data.length);
          expect(durationTicks).toBeGreaterThanOrEqual(0);
          expect(() => framing.standIn(data)).not.toThrow();
        }),
      );
    });
  }

  for (const [name, framing, frame, ticks] of framings.filter(([each]) => each !== 'Opus with trims')) {
    it(`have a stand-in that is one itself (${name})`, () => {
      const standIn = framing.standIn(frame.subarray(0, 16));
      expect(standIn?.durationTicks).toBeCloseTo(ticks, 6);
      const { from, to, durationTicks } = splitFrames(standIn?.bytes ?? frame, framing);
      expect([from, to]).toEqual([0, standIn?.bytes.length]);
      expect(durationTicks).toBeCloseTo(ticks, 6);
    });
  }

  it('have no stand-in where the channels are described elsewhere, or the stream begins or ends', () => {
    const described = audioUnit(300, noise);
    described[2] = (described[2] ?? 0) & 0xfe;
    described[3] = (described[3] ?? 0) & 0x3f;
    expect(ADTS.standIn(described)).toBeUndefined();
    expect(OPUS.standIn(opus(200, 0xf8))).toBeUndefined();
  });
});
