/** Reports of losses for tests. */
import type { LossReport, LossSecond } from '../../wire/metrics.ts';

/** 14:02:07 here, whatever "here" is. */
export const AT = new Date(2026, 10, 22, 14, 2, 7);
/** The number of that second. */
export const NOW = 100_000;

/** A row of nothing but `changes`. */
export function lossSecond(secondsAgo: number, changes: Partial<LossSecond> = {}): LossSecond {
  return {
    secondsAgo,
    network: 0,
    ownBuffer: 0,
    late: 0,
    overflow: 0,
    source: 0,
    recovered: 0,
    overruns: 0,
    ...changes,
  };
}

/** What was lost in the last ten minutes; rows in any order. */
export function reportOf(losses: readonly LossSecond[], changes: Partial<LossReport> = {}): LossReport {
  const inOrder = [...losses].sort((a, b) => b.secondsAgo - a.secondsAgo);
  return { second: NOW, at: AT.toISOString(), watchedSeconds: 600, losses: inOrder, ...changes };
}
