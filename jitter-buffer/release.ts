/** What all release policies have in common: they decide when the receive window lets go. */
import type { Stage } from '../wire/stage.ts';
import type { ReleasedGap, ReleasedPayload } from './ordering.ts';
import type { Arrival } from './slab.ts';

/** What leaves, in order of index: each index once, in a payload or in a gap; last the end. */
export type Playout = ReleasedPayload | ReleasedGap | ReleasedEnd;

/** Nothing follows. */
export interface ReleasedEnd {
  kind: 'end';
  /** The sender named its last index, so that a missing tail was counted. */
  proven: boolean;
}

/** One way to empty a receive window. After each `push`, poll until `undefined` before the next. */
export interface Release extends Stage<Arrival, Playout> {
  /**
   * Releases a datagram at once that would leave at the next poll and before which nothing does; `undefined` when it has to be
   * pushed.
   */
  pass(arrival: Arrival): ReleasedPayload | undefined;
  /** How long a datagram is waited for and how long one is held at most, milliseconds. May change at any time. */
  latencyMs: number;
  /**
   * The stream ends before `endIndex`; `undefined`: nothing new is known of where. At `deadline` what is missing is given up, and the end
   * is released; sooner when nothing is missing. Of several deadlines the first counts.
   *
   * A datagram that comes all the same revokes an end that it disproves, and puts off one that nobody proved.
   */
  end(endIndex: number | undefined, deadline: number): void;
  /** The end was released. Whatever is pushed afterwards stays inside. */
  readonly ended: boolean;
  /** Until when a missing `index` may still come, by what is known now; `-Infinity` when it is no longer waited for. */
  giveUpAt(index: number): number;
}
