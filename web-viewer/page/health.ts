/** One word for how a stream is doing. Pure. */
import type { StreamSnapshot } from '../../wire/metrics.ts';
import { lossShare, total, type Sample } from './history.ts';

/** From best to worst; the last three are without data. */
export type Health = 'good' | 'fair' | 'poor' | 'waiting' | 'silent' | 'ended';

/** Seconds of history that count. */
const RECENT_SECONDS = 10;
/** From this share of datagrams lost for good on, pictures break all the time. */
const POOR_SHARE = 0.005;

/** How `stream` is doing, by the last ten seconds. */
export function health(stream: StreamSnapshot, samples: readonly Sample[]): Health {
  if (stream.state !== 'playing') return stream.state;
  const recent = total(samples, (samples.at(-1)?.second ?? 0) - RECENT_SECONDS + 1);
  if (recent.lost === 0) return 'good';
  return lossShare(recent) < POOR_SHARE ? 'fair' : 'poor';
}
