import { describe, expect, it } from 'vitest';
import { PlayoutClock } from '../../jitter-buffer/playout-clock.ts';
import { randomFrom } from '../helpers/network.ts';

/** Feeds one datagram every 10 ms of media time for so long; `delay` is what the network and the clocks add. */
function follow(
  clock: PlayoutClock,
  fromMs: number,
  toMs: number,
  delay: (mediaMs: number) => number,
): number[] {
  const errors: number[] = [];
  for (let mediaMs = fromMs; mediaMs < toMs; mediaMs += 10) {
    clock.observe(mediaMs, mediaMs + delay(mediaMs));
    errors.push(clock.arrivalOf(mediaMs) - mediaMs);
  }
  return errors;
}

/** Largest distance of the errors from what they should be. */
function worst(delays: readonly number[], ideal: (mediaMs: number) => number, fromMs: number): number {
  return Math.max(...delays.map((delay, i) => Math.abs(delay - ideal(fromMs + i * 10))));
}

describe('a playout clock', () => {
  it('takes the first datagram for its measure, and the first that was faster from then on', () => {
    const clock = new PlayoutClock(100);
    expect(clock.isSet).toBe(false);
    clock.observe(0, 1030);
    expect(clock.arrivalOf(10)).toBe(1040);
    clock.observe(10, 1015);
    expect(clock.arrivalOf(10)).toBe(1015);
    clock.reset();
    expect(clock.isSet).toBe(false);
  });

  for (const ppm of [-500, -50, 0, 50, 500]) {
    it(`follows a clock that differs by ${ppm} ppm to 1 ms, to 5 ms when the delay varies by 20 ms`, () => {
      const drift = (mediaMs: number) => (mediaMs * ppm) / 1e6;
      const quiet = follow(new PlayoutClock(100), 0, 200_000, drift);
      expect(worst(quiet.slice(3000), drift, 30_000)).toBeLessThan(1);
      const random = randomFrom(3);
      const noisy = follow(new PlayoutClock(100), 0, 200_000, (mediaMs) => drift(mediaMs) + random() * 20);
      expect(worst(noisy.slice(3000), drift, 30_000)).toBeLessThan(5);
    });
  }

  it('is not moved by a spike of a second and half', () => {
    const spike = (mediaMs: number) => Math.max(0, mediaMs < 20_000 ? 0 : 21_500 - mediaMs);
    expect(worst(follow(new PlayoutClock(100), 0, 60_000, spike), () => 0, 0)).toBe(0);
  });

  it('is not moved by five seconds of congestion that the latency can take', () => {
    const clock = new PlayoutClock(100);
    const congested = (mediaMs: number) => (mediaMs >= 40_000 && mediaMs < 45_000 ? 60 : 0);
    expect(worst(follow(clock, 0, 90_000, congested), () => 0, 0)).toBeLessThan(1);
  });

  it('takes over at once what the latency could not take, within three seconds', () => {
    const delays = follow(new PlayoutClock(100), 0, 60_000, (mediaMs) => (mediaMs < 40_000 ? 0 : 150));
    expect(delays[4000 + 300]).toBe(150);
    expect(delays.at(-1)).toBe(150);
  });

  it('takes a smaller step over slowly, by 5 ms in a second', () => {
    const delays = follow(new PlayoutClock(100), 0, 120_000, (mediaMs) => (mediaMs < 40_000 ? 0 : 60));
    for (let i = 100; i < delays.length; i++) {
      expect((delays[i] ?? 0) - (delays[i - 100] ?? 0)).toBeLessThanOrEqual(10);
    }
    expect(delays.at(-1)).toBeCloseTo(60, 0);
  });

  it('takes a shorter way at once', () => {
    const delays = follow(new PlayoutClock(100), 0, 60_000, (mediaMs) => (mediaMs < 40_000 ? 80 : 30));
    expect(delays[4000]).toBe(30);
    expect(worst(delays.slice(4000), () => 30, 40_000)).toBeLessThan(5);
  });

  it('goes on after a pause', () => {
    const clock = new PlayoutClock(100);
    follow(clock, 0, 30_000, () => 7);
    const delays = follow(clock, 3_600_000, 3_640_000, () => 7);
    expect(worst(delays, () => 7, 0)).toBeLessThan(1);
  });
});
