/** Shapes in the losses of the last minutes: only such as can be counted. What is not plain is not said. Pure. */
import type { LossReport, LossSecond } from '../../wire/metrics.ts';

/** Losses that come back after the same time, or that come many at once with quiet in between. */
export type LossShape =
  | { kind: 'period'; seconds: number }
  | { kind: 'bursts'; times: number; meanLost: number; meanSeconds: number };

/** Seconds one after another in which something was lost. */
interface Burst {
  first: number;
  last: number;
  lost: number;
}

/** A beat may be counted into the second before or after. */
const TOLERANCE_SECONDS = 1;
/** Chance makes intervals as even as that less often than once in so many times. */
const AGAINST_CHANCE = 500;
const LEAST_PERIOD_SECONDS = 5;
const LEAST_BURST = 10;
/** Bursts are what leaves most of the time in peace. */
const MOST_BUSY_SHARE = 0.2;

/** What of it is seen in a report, the plainer first. */
export function shapesOf(report: LossReport): LossShape[] {
  const bursts = burstsOf(report);
  const found = [periodOf(bursts), burstsIn(bursts, report.watchedSeconds)];
  return found.filter((shape) => shape !== undefined);
}

function burstsOf({ second, losses }: LossReport): Burst[] {
  const bursts: Burst[] = [];
  for (const row of losses) {
    const lost = lostOnTheWay(row);
    if (lost === 0) continue;
    const at = second - row.secondsAgo;
    const last = bursts.at(-1);
    if (last !== undefined && at <= last.last + 1) {
      last.last = at;
      last.lost += lost;
    } else bursts.push({ first: at, last: at, lost });
  }
  return bursts;
}

/** Repair hides a loss, not its rhythm. A hole in the source was not lost here. */
function lostOnTheWay({ network, ownBuffer, late, overflow, recovered }: LossSecond): number {
  return network + ownBuffer + late + overflow + recovered;
}

/** All intervals are the same: of `n` bursts at random n − 2 intervals would have to be like the first, each one in `period`. */
function periodOf(bursts: readonly Burst[]): LossShape | undefined {
  const [first, last] = [bursts[0], bursts.at(-1)];
  if (first === undefined || last === undefined || bursts.length < 4) return undefined;
  const period = (last.first - first.first) / (bursts.length - 1);
  if (period < LEAST_PERIOD_SECONDS || period ** (bursts.length - 2) < AGAINST_CHANCE) return undefined;
  const isEven = bursts.every(
    (burst, at) => Math.abs(burst.first - first.first - at * period) <= TOLERANCE_SECONDS,
  );
  return isEven ? { kind: 'period', seconds: Math.round(period) } : undefined;
}

function burstsIn(bursts: readonly Burst[], watchedSeconds: number): LossShape | undefined {
  const times = bursts.length;
  let [lost, seconds] = [0, 0];
  for (const burst of bursts) {
    lost += burst.lost;
    seconds += burst.last - burst.first + 1;
  }
  if (times < 2 || lost / times < LEAST_BURST || seconds > watchedSeconds * MOST_BUSY_SHARE) return undefined;
  return {
    kind: 'bursts',
    times,
    meanLost: Math.round(lost / times),
    meanSeconds: Math.round(seconds / times),
  };
}
