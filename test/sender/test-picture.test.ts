import { describe, expect, it } from 'vitest';
import { FRAME_COUNTER, readFrameCounter } from '../../sender/frame-counter.ts';
import { PICTURE_HEIGHT, PICTURE_WIDTH, TestPicture } from '../../sender/test-picture.ts';
import { TestTone, TONE_SAMPLES_PER_FRAME } from '../../sender/test-tone.ts';

const picture = new TestPicture({ loopFrames: 100 });
const frameOf = (frame: number, clock = '00:00:00.00'): Buffer =>
  Buffer.from(picture.draw({ frame, clock, beepFrames: 25 }));

/** Pixels of the luma that differ within a rectangle. */
function changed(
  a: Buffer,
  b: Buffer,
  [left, top, width, height]: readonly [number, number, number, number],
): number {
  let count = 0;
  for (let y = top; y < top + height; y++)
    for (let x = left; x < left + width; x++)
      if (a[y * PICTURE_WIDTH + x] !== b[y * PICTURE_WIDTH + x]) count++;
  return count;
}

const CLOCK = [24, 46, 264, 28] as const;
const FLASH = [118, 24, 14, 14] as const;
const SCENE = [0, 78, PICTURE_WIDTH, 266] as const;

describe('TestPicture', () => {
  it('is a whole frame of 4:2:0', () => {
    expect(frameOf(0)).toHaveLength(PICTURE_WIDTH * PICTURE_HEIGHT * 1.5);
  });

  it('carries its number', () => {
    for (const frame of [0, 1, 77, 2 ** 32 - 1]) {
      const read = {
        data: frameOf(frame),
        width: PICTURE_WIDTH,
        height: PICTURE_HEIGHT,
        bytesPerPixel: 1,
      } as const;
      expect(readFrameCounter(read, FRAME_COUNTER)).toBe(frame);
    }
  });

  it('moves from frame to frame, and is back where it was after a loop', () => {
    expect(changed(frameOf(0), frameOf(1), SCENE)).toBeGreaterThan(200);
    expect(changed(frameOf(7), frameOf(107), SCENE)).toBe(0);
  });

  it('shows each digit of its clock differently', () => {
    const texts = Array.from({ length: 10 }, (_, digit) => frameOf(0, String(digit).repeat(11)));
    for (const [first, a] of texts.entries())
      for (const b of texts.slice(first + 1)) expect(changed(a, b, CLOCK)).toBeGreaterThan(100);
  });

  it('flashes with the beep, for three frames', () => {
    const dark = frameOf(24);
    const lit = [25, 26, 27, 28, 49, 50].map((frame) => changed(dark, frameOf(frame), FLASH) > 100);
    expect(lit).toEqual([true, true, true, false, false, true]);
  });
});

describe('TestTone', () => {
  const tone = new TestTone(25);
  const peak = (frame: number): number => {
    const block = tone.block(frame);
    let most = 0;
    for (let at = 0; at < block.length; at += 2) most = Math.max(most, Math.abs(block.readInt16LE(at)));
    return most;
  };

  it('gives 40 ms of sound for each frame', () => {
    for (const frame of [0, 1, 24, 25, 1_000_003])
      expect(tone.block(frame)).toHaveLength(2 * TONE_SAMPLES_PER_FRAME);
  });

  it('strikes with the first sample of a numbered frame, out of silence', () => {
    for (const frame of [0, 25, 200, 1000]) expect(tone.block(frame).readInt16LE(0)).toBeGreaterThan(10_000);
    for (const frame of [24, 49, 199, 999])
      expect(tone.block(frame).readInt16LE(2 * TONE_SAMPLES_PER_FRAME - 2)).toBeLessThan(40);
  });

  it('fades from beep to beep', () => {
    for (let frame = 1; frame < 25; frame++) expect(peak(frame)).toBeLessThanOrEqual(peak(frame - 1));
  });
});
