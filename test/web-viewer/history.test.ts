import { describe, expect, it } from 'vitest';
import { health } from '../../web-viewer/page/health.ts';
import { HISTORY_SECONDS, History, lossShare, total } from '../../web-viewer/page/history.ts';
import { snapshotOf } from '../helpers/snapshots.ts';

/** A history of snapshots `[second, packets, unrecovered, recovered]`. */
function historyOf(
  ...snapshots: [second: number, packets: number, unrecovered?: number, recovered?: number][]
): History {
  const history = new History();
  for (const [second, packets, unrecovered = 0, recovered = 0] of snapshots)
    history.add(snapshotOf({ packets, unrecovered, recovered }), second);
  return history;
}

describe('History', () => {
  it('tells what happened between two snapshots', () => {
    const { samples } = historyOf([10, 1000], [11, 1760, 4, 2]);
    expect(samples).toEqual([{ second: 11, received: 760, lost: 4, recovered: 2, bitsPerSecond: 2e6 }]);
  });

  it('has nothing to say after one snapshot: it does not know since when that counts', () => {
    expect(historyOf([10, 1000]).samples).toEqual([]);
  });

  it('sums up what falls into the same second', () => {
    const { samples } = historyOf([10, 1000], [11, 1100, 1], [11, 1300, 3]);
    expect(samples).toMatchObject([{ second: 11, received: 300, lost: 3 }]);
  });

  it('marks seconds without a snapshot as not known, not as quiet', () => {
    const { samples } = historyOf([10, 1000], [11, 1100], [14, 1400]);
    expect(samples.map(({ second, received }) => [second, received])).toEqual([
      [11, 100],
      [12, undefined],
      [13, undefined],
      [14, 300],
    ]);
  });

  it('does not count backwards when the server was started anew', () => {
    const { samples } = historyOf([10, 1000], [11, 5, 2], [12, 105, 2]);
    expect(samples.map(({ received }) => received)).toEqual([undefined, 100]);
  });

  it('keeps five minutes', () => {
    const history = historyOf(...Array.from({ length: 400 }, (_, at): [number, number] => [at, at * 10]));
    expect(history.samples).toHaveLength(HISTORY_SECONDS);
    expect(history.samples.at(-1)?.second).toBe(399);
  });

  it('does not grow without bound when the clock jumps far ahead', () => {
    expect(historyOf([0, 0], [1, 10], [100_000, 20]).samples.length).toBeLessThanOrEqual(HISTORY_SECONDS);
  });

  it('sums up, from a second on', () => {
    const { samples } = historyOf([10, 0], [11, 100, 1], [12, 200, 1], [13, 300, 5, 7]);
    expect(total(samples)).toEqual({ received: 300, lost: 5, recovered: 7, badSeconds: 2 });
    expect(total(samples, 12)).toEqual({ received: 200, lost: 4, recovered: 7, badSeconds: 1 });
  });

  it('gives the share of loss in all that was sent', () => {
    expect(lossShare({ received: 99, lost: 1 })).toBe(0.01);
    expect(lossShare({ received: 0, lost: 0 })).toBe(0);
    expect(lossShare({ received: 0, lost: 3 })).toBe(1);
  });
});

describe('health', () => {
  const cases: [name: string, losses: number[], word: string][] = [
    ['is good without loss', [0, 0, 0], 'good'],
    ['is fair with a little loss', [0, 1, 0], 'fair'],
    ['is poor when half a percent is lost', [6, 6, 6], 'poor'],
    ['forgets what was more than ten seconds ago', [900, ...Array.from({ length: 10 }, () => 0)], 'good'],
  ];
  for (const [name, losses, word] of cases) {
    it(name, () => {
      let lost = 0;
      const rows = [0, ...losses].map((now, second): [number, number, number] => [
        second,
        second * 1000,
        (lost += now),
      ]);
      expect(health(snapshotOf(), historyOf(...rows).samples)).toBe(word);
    });
  }

  it('says that there is no data rather than that all is good', () => {
    for (const state of ['waiting', 'silent', 'ended'] as const)
      expect(health(snapshotOf({ state }), [])).toBe(state);
  });
});
