import { describe, expect, it } from 'vitest';
import { CopyRate, type CopyPhase, type CopyRound } from '../../sender/copy-rate.ts';

const RTT_MS = 20;

/** A path that takes so many pieces a millisecond and loses some of the rest at random. */
interface Path {
  perMs: number;
  loss?: number;
  rttMs?: number;
}

/** Runs round trips over a path; the phases in turn. */
function run(rate: CopyRate, path: Path, rounds: number, from = 0): CopyPhase[] {
  const phases: CopyPhase[] = [];
  let calm = false;
  for (let each = 0; each < rounds; each++) {
    const { loss = 0, rttMs = RTT_MS } = path;
    const sent = rate.perMs * RTT_MS;
    const wasCalm = calm;
    calm = rate.phase === 'calm';
    const arrived = Math.min(sent, path.perMs * RTT_MS) * (1 - loss);
    const round: CopyRound = {
      deliveredPerMs: arrived / RTT_MS,
      limited: false,
      arrived,
      lost: sent - arrived,
      calmArrived: wasCalm || calm ? arrived : 0,
      calmLost: wasCalm || calm ? sent - arrived : 0,
      minRttMs: rttMs,
      rtts: 4,
    };
    rate.round(round, from + each * RTT_MS);
    if (phases.at(-1) !== rate.phase) phases.push(rate.phase);
  }
  return phases;
}

function cruising(path: Path): CopyRate {
  const rate = new CopyRate(RTT_MS);
  for (let each = 0; rate.phase !== 'cruise' && each < 100; each++) run(rate, path, 1, each * RTT_MS);
  return rate;
}

describe('the pace of a copy', () => {
  it('doubles and more until the path is full, then makes way for its queue, and keeps to what arrives', () => {
    const rate = new CopyRate(RTT_MS);
    expect(rate.perMs).toBeCloseTo(10 / RTT_MS);
    expect(run(rate, { perMs: 10 }, 12)).toEqual(['start', 'drain', 'calm', 'cruise']);
    expect(rate.perMs).toBeCloseTo(10);
  });

  it('tries a quarter more now and then, and more rarely when that brings nothing', () => {
    const rate = cruising({ perMs: 10 });
    const trials: number[] = [];
    for (let each = 0; each < 500; each++) {
      const before = rate.phase;
      run(rate, { perMs: 10 }, 1, 1000 + each * RTT_MS);
      if (before !== 'up' && rate.phase === 'up') {
        expect(rate.perMs).toBeCloseTo(12.5);
        trials.push(each * RTT_MS);
      }
    }
    const pauses = trials.slice(1).map((at, each) => at - (trials[each] ?? 0));
    expect(pauses[0]).toBeLessThan(1300);
    expect(pauses.at(-1)).toBeGreaterThan(2000);
    expect(pauses.at(-1)).toBeLessThan(2300);
  });

  it('takes what becomes free', () => {
    const rate = cruising({ perMs: 10 });
    run(rate, { perMs: 40 }, 60, 1000);
    expect(rate.perMs).toBeGreaterThan(30);
  });

  it('sends what is lost at random besides, and is not slowed down by it', () => {
    const rate = cruising({ perMs: 10, loss: 0.2 });
    run(rate, { perMs: 10, loss: 0.2 }, 200, 1000);
    expect(rate.usualLoss).toBeCloseTo(0.2, 1);
    expect(rate.perMs).toBeGreaterThan(7.5);
  });

  it('gives way when the path becomes narrower', () => {
    const rate = cruising({ perMs: 10 });
    run(rate, { perMs: 5 }, 12, 1000);
    expect(rate.perMs).toBeLessThan(5.5);
    expect(rate.perMs).toBeGreaterThan(3);
  });

  it('gives way to a queue that stands', () => {
    const rate = cruising({ perMs: 10 });
    run(rate, { perMs: 9, rttMs: 2 * RTT_MS }, 10, 1000);
    expect(rate.perMs).toBeLessThan(9.1);
  });

  it('keeps to what it was told, and to two pieces a round trip at least', () => {
    const slow = new CopyRate(RTT_MS, 0.3);
    run(slow, { perMs: 10 }, 50);
    expect(slow.perMs).toBe(0.3);
    const starved = cruising({ perMs: 10 });
    run(starved, { perMs: 0.001, loss: 0.9 }, 1000, 1000);
    expect(starved.perMs).toBeGreaterThanOrEqual((0.75 * 2) / RTT_MS);
    expect(starved.window).toBeGreaterThanOrEqual(8);
  });
});
