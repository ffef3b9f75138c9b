import { describe, expect, it } from 'vitest';
import { RateMeter } from '../../receiver/rate-meter.ts';

describe('RateMeter', () => {
  it('reads nothing before anything came', () => {
    expect(new RateMeter().bitsPerSecond(0)).toBe(0);
  });

  for (const from of [0, 50, 1_234_567.89, 2 ** 40]) {
    it(`reads a steady rate exactly after a second, from ${from}`, () => {
      const meter = new RateMeter();
      for (let ms = 0; ms < 3000; ms++) meter.add(1250, from + ms);
      expect(meter.bitsPerSecond(from + 3000)).toBeCloseTo(10_000_000, -5);
    });
  }

  it('forgets what is older than a second', () => {
    const meter = new RateMeter();
    meter.add(1000, 0);
    expect(meter.bitsPerSecond(500)).toBe(8000);
    expect(meter.bitsPerSecond(1099)).toBe(8000);
    expect(meter.bitsPerSecond(1100)).toBe(0);
    expect(meter.bitsPerSecond(1e9)).toBe(0);
  });

  it('takes what is not in order of time', () => {
    const meter = new RateMeter();
    meter.add(1000, 1000);
    meter.add(1000, 700);
    expect(meter.bitsPerSecond(1100)).toBe(16_000);
    expect(meter.bitsPerSecond(2100)).toBe(0);
  });

  it('counts what lay unread when it arrived', () => {
    const meter = new RateMeter();
    meter.add(1000, 1000);
    expect(meter.bitsPerSecond(3000)).toBe(0);
    for (let ms = 1001; ms < 3000; ms++) meter.add(1250, ms);
    expect(meter.bitsPerSecond(3000)).toBe(10_000_000);
  });

  it('counts on after a long silence', () => {
    const meter = new RateMeter();
    meter.add(1000, 0);
    meter.add(2000, 1e9);
    expect(meter.bitsPerSecond(1e9 + 200)).toBe(16_000);
  });
});
