import { describe, expect, it } from 'vitest';
import { RateLimit } from '../../sender/rate-limit.ts';
import { randomFrom } from '../helpers/network.ts';

describe('RateLimit', () => {
  it('lets through what the pause before allows, and then one at a time', () => {
    const limit = new RateLimit(10);
    const passed = [0, 0, 0, 0, 4, 8, 9, 12].filter((now) => limit.take(4, 1000 + now));
    expect(passed).toEqual([0, 0, 0, 4, 8, 12]);
  });

  it('lets something through whenever its time has come, whatever the numbers', () => {
    const random = randomFrom(11);
    const limit = new RateLimit(5);
    for (let turn = 0, now = 0; turn < 10_000; turn++) {
      now = Math.max(now, limit.readyAt);
      expect(limit.take(random() / 3, now)).toBe(true);
    }
  });

  for (const costMs of [0.1, 1, 30])
    it(`never lets more through than the rate and the burst, at ${costMs} ms each`, () => {
      const random = randomFrom(12);
      const limit = new RateLimit(100);
      let passed = 0;
      for (let now = 0; now < 1000; now += random() * 0.2) if (limit.take(costMs, now)) passed++;
      expect(passed * costMs).toBeLessThanOrEqual(1000 + 100 + costMs);
      expect(passed * costMs).toBeGreaterThan(1000);
    });
});
