/** Runs a release policy on virtual time and writes what leaves as short words. */
import type { Playout, Release } from '../../jitter-buffer/release.ts';
import { emptyArrival, type Arrival } from '../../jitter-buffer/slab.ts';
import type { Stage } from '../../wire/stage.ts';
import { play, type Timed } from './drive.ts';
import { payloadOf } from './packets.ts';

/** A datagram of one TS packet; media time is 10 ms for each index unless given. */
export function arrivalOf(index: number, arrivedAt: number, mediaMs: number | 'none' = index * 10): Arrival {
  const datagram = payloadOf(index, 1);
  return {
    ...emptyArrival(),
    index,
    datagram,
    payloadEnd: datagram.length,
    arrivedAt,
    mediaMs: mediaMs === 'none' ? Number.NaN : mediaMs,
  };
}

/** A datagram that repair brought back. */
export function recoveredOf(index: number, at: number, mediaMs?: number | 'none'): Arrival {
  return { ...arrivalOf(index, at, mediaMs), recovered: true };
}

/** What happens to a release: a datagram arrives or is recovered, or an end is told. */
export type Event =
  | readonly [at: number, index: number, mediaMs?: number | 'none']
  | readonly [at: number, repair: { recovered: number; mediaMs?: number | 'none' }]
  | readonly [at: number, end: { endIndex: number | undefined }]
  | readonly [at: number, latency: { latencyMs: number }];

/** What left: `40:2` datagram 2 at 40 ms, `40:gap 2+3`, `40:end`, `40:end proven`. With `pass`, as far as it can without being held. */
export function release(
  policy: Release,
  events: readonly Event[],
  { until = Infinity, pass = false } = {},
): string[] {
  const passed: string[] = [];
  const stage: Stage<Event, string> = {
    push([at, what, mediaMs], now) {
      if (typeof what === 'number') {
        const arrival = arrivalOf(what, at, mediaMs);
        const released = pass ? policy.pass(arrival) : undefined;
        if (released) passed.push(word(released));
        else policy.push(arrival, now);
      } else if ('recovered' in what) policy.push(recoveredOf(what.recovered, at, what.mediaMs), now);
      else if ('latencyMs' in what) policy.latencyMs = what.latencyMs;
      else policy.end(what.endIndex, at + policy.latencyMs);
    },
    poll(now) {
      if (passed.length > 0) return passed.shift();
      const output = policy.poll(now);
      return output && word(output); // at once: the next poll writes into the same object
    },
    get wakeAt() {
      return policy.wakeAt;
    },
  };
  const timed = events.map((event): Timed<Event> => [event[0], event]);
  return [...play(stage, timed, until)].map(([at, output]) => `${Math.round(at * 100) / 100}:${output}`);
}

function word(output: Playout): string {
  if (output.kind === 'gap') return `gap ${output.first}+${output.count}`;
  if (output.kind === 'end') return output.proven ? 'end proven' : 'end';
  return String(output.index);
}
