/**
 * Where playback should be. The page alone owns playout: whatever feeds it hands everything on as soon as it is there.
 *
 * Media arrives unevenly, so how far it reaches ahead of the clock (its *slack*) goes up and down. Playback keeps a fixed offset
 * to the clock that is late enough for the latest arrival of the last ten seconds, and at least the floor behind the earliest:
 *
 *      position = now - max(latest arrival, earliest arrival + floor) = now + min(least slack, most slack - floor)
 *
 * Playback begins with a jump to there. Being late of it by up to a second is caught up by playing 5 % faster, more by a jump; being
 * early of it is made good by playing 5 % slower. All times are seconds; pure.
 */

/** How far behind the earliest possible moment pictures are shown at least, seconds. */
export const PLAYOUT_FLOOR_S = { fast: 0, balanced: 0.2, safe: 1 } as const;

/** What to do now. */
export interface Steering {
  /** Playback rate, 0.95 to 1.05. */
  rate: number;
  /** Where to jump to, in media time; absent: just play on. */
  jumpTo?: number;
}

/** Media that is there, as `HTMLMediaElement.buffered` gives it: in order, not overlapping. */
export type BufferedRanges = readonly (readonly [start: number, end: number])[];

const BUCKET_S = 1;
const BUCKETS = 10;
/** Corrections begin when playback is off by more than `OFF_S` and end when it is by less than `ON_S`. */
const OFF_S = 0.1;
const ON_S = 0.03;
const JUMP_S = 1;
/** What was sent on joining is used up when the delivery delay has not fallen by `FALL_S` for `SETTLED_S`. */
const FALL_S = 0.02;
const SETTLED_S = 0.25;

/** The clock of one playback. */
export class PlayoutClock {
  readonly #floor: number;
  readonly #buckets: { second: number; least: number; most: number }[] = [];
  #leastDelay = Infinity;
  #settlingSince: number | undefined;
  #correcting = false;
  #started = false;

  constructor(floor: number) {
    this.#floor = floor;
  }

  /**
   * A piece of media came to the page. Until the backlog that is sent on joining has gone through, delays still fall and slack
   * says nothing about the network.
   *
   * @param arrivedAt when it arrived at the receiver, by the receiver's own clock
   */
  arrived(arrivedAt: number, now: number): void {
    const delay = now - arrivedAt;
    if (delay < this.#leastDelay - FALL_S) this.#settlingSince = now;
    this.#leastDelay = Math.min(this.#leastDelay, delay);
  }

  /** Media reaches up to `end`. To be told both before and after it grows. */
  reaches(end: number, now: number): void {
    if (this.#settlingSince === undefined || now - this.#settlingSince < SETTLED_S) return;
    const slack = end - now;
    const second = Math.floor(now / BUCKET_S);
    const last = this.#buckets.at(-1);
    if (last?.second === second) {
      last.least = Math.min(last.least, slack);
      last.most = Math.max(last.most, slack);
      return;
    }
    this.#buckets.push({ second, least: slack, most: slack });
    if (this.#buckets.length > BUCKETS) this.#buckets.shift();
  }

  /** The position that should be shown at `now`; `undefined` while too little is known. */
  target(now: number): number | undefined {
    if (this.#buckets.length === 0) return undefined;
    let least = Infinity;
    let most = -Infinity;
    for (const bucket of this.#buckets) {
      least = Math.min(least, bucket.least);
      most = Math.max(most, bucket.most);
    }
    return now + Math.min(least, most - this.#floor);
  }

  /** How to get from `position` to where playback should be. */
  steer(position: number, buffered: BufferedRanges, now: number): Steering {
    const target = this.target(now);
    if (target === undefined) return { rate: 1 };
    const behind = target - position;
    const far = Math.abs(behind) > JUMP_S || !this.#started;
    this.#started = true;
    const wanted = far ? playable(target, buffered) : overHole(position, target, buffered);
    // A jump that would not move is none: it would only start the decoder anew.
    if (wanted !== undefined && Math.abs(wanted - position) > OFF_S) {
      this.#correcting = false;
      return { rate: 1, jumpTo: wanted };
    }
    this.#correcting = Math.abs(behind) > (this.#correcting ? ON_S : OFF_S);
    if (!this.#correcting || Math.abs(behind) > JUMP_S) return { rate: 1 };
    return { rate: behind > 0 ? 1.05 : 0.95 };
  }
}

/** The playable position nearest to `target`: itself, or the start of what comes next, or the end of what is there. */
function playable(target: number, buffered: BufferedRanges): number | undefined {
  let before: number | undefined;
  for (const [start, end] of buffered) {
    if (target < start) return start;
    if (target < end) return target;
    before = Math.max(start, end - ON_S);
  }
  return before;
}

/** The far side of a hole that `position` has come to, once it is time to be there. */
function overHole(position: number, target: number, buffered: BufferedRanges): number | undefined {
  const inside = buffered.some(([start, end]) => position >= start - ON_S && position < end - ON_S);
  if (inside) return undefined;
  const next = buffered.find(([start]) => start > position);
  return next !== undefined && target >= next[0] ? next[0] : undefined;
}
