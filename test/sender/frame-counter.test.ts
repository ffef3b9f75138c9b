import { runInNewContext } from 'node:vm';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawFrameCounter, FRAME_COUNTER, readFrameCounter } from '../../sender/frame-counter.ts';

const { width, height } = FRAME_COUNTER;

/** A picture with the strip of a frame number. */
function picture(frame: number, background = 90): Uint8Array {
  const luma = new Uint8Array(width * height).fill(background);
  drawFrameCounter(luma, frame);
  return luma;
}

function read(data: Uint8Array): number | undefined {
  return readFrameCounter({ data, width, height, bytesPerPixel: 1 }, FRAME_COUNTER);
}

describe('the frame counter', () => {
  it('is read as it was drawn, for any 32-bit number', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (frame) => {
        expect(read(picture(frame))).toBe(frame);
      }),
      { seed: 4, numRuns: 60, examples: [[0], [1], [2 ** 31], [2 ** 32 - 1]] },
    );
  });

  it('survives noise and blur as video coding makes them', () => {
    const luma = picture(123_456_789);
    const noisy = luma.map((value, at) => Math.max(0, Math.min(255, value + ((at * 7919) % 121) - 60)));
    expect(read(noisy)).toBe(123_456_789);
  });

  it('is read from RGBA, and from a picture of another size', () => {
    const [luma, half] = [picture(4_000_000_000), { width: width / 2, height: height / 2 }];
    const rgba = new Uint8ClampedArray(half.width * half.height * 4);
    for (let y = 0; y < half.height; y++)
      for (let x = 0; x < half.width; x++)
        rgba.fill(luma[2 * y * width + 2 * x]!, (y * half.width + x) * 4, (y * half.width + x) * 4 + 4);
    expect(readFrameCounter({ data: rgba, ...half, bytesPerPixel: 4 }, FRAME_COUNTER)).toBe(4_000_000_000);
  });

  const blanks: [name: string, shade: number][] = [
    ['black', 0],
    ['white', 255],
  ];
  for (const [name, shade] of blanks) {
    it(`is not found in a ${name} picture`, () => {
      expect(read(new Uint8Array(width * height).fill(shade))).toBeUndefined();
    });
  }

  it('is not found when a block is wrong', () => {
    for (let block = 0; block < FRAME_COUNTER.numberBits + FRAME_COUNTER.checksumBits; block++) {
      const luma = picture(0x1234_5678);
      for (let y = FRAME_COUNTER.top; y < height; y++) {
        const start = y * width + block * FRAME_COUNTER.blockWidth;
        for (let at = start; at < start + FRAME_COUNTER.blockWidth; at++) luma[at] = 255 - luma[at]!;
      }
      expect(read(luma)).toBeUndefined();
    }
  });

  it('is read by a copy of the function that knows nothing else, as in a page', () => {
    const source = readFrameCounter.toString();
    // Run in a scope of its own: whatever else it uses would be missing there.
    const copy: unknown = runInNewContext(`(${source})`);
    if (typeof copy !== 'function') throw new TypeError('not a function');
    const result: unknown = copy({ data: picture(77), width, height, bytesPerPixel: 1 }, FRAME_COUNTER);
    expect(result).toBe(77);
  });
});
