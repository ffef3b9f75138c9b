/** What was lost of a stream, second by second, with the time of day. */
import { monotonicNow } from '../../transport/clock.ts';
import type { LossReport } from '../../wire/metrics.ts';
import type { StreamEntry } from './registry.ts';

/** As many seconds as receivers remember. */
export const MOST_SECONDS = 600;

/** The report of the last `seconds`; `undefined` where losses are not told apart. @param ageMs how long the stream is being watched */
export function lossReport(
  entry: StreamEntry,
  { seconds, ageMs }: { seconds: number; ageMs: number },
): LossReport | undefined {
  for (;;) {
    const now = monotonicNow();
    const losses = entry.lossHistory?.(seconds);
    if (losses === undefined) return undefined;
    const second = Math.floor(now / 1000);
    // The rows count back from the second that runs: they and its number have to be of the same one.
    if (second !== Math.floor(monotonicNow() / 1000)) continue;
    const at = new Date(Date.now() - (now % 1000)).toISOString();
    const watchedSeconds = Math.min(seconds, Math.floor(ageMs / 1000) + 1);
    return { second, at, watchedSeconds, losses };
  }
}
