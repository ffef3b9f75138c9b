/**
 * Maps the sender's media clock to ours: when would a datagram have arrived on a network that never disturbs?
 *
 *     delay    ·   ·        ·  ·  · ·       delay = arrival - media time
 *       ▲    ·    ·  · ·  ·     ·
 *       │  ·  · ·  ·    ·  ·  · · · ─────── least delay: the network at its best. Rises and falls with the
 *       └─────────────────────────────────► difference between the two clocks.
 *
 * The least delay of half a minute counts, at first of some seconds. While it grows, that of each second is carried on by the
 * slope that all of them show; when it falls, the newest is the least anyway. A delay that has become greater for good is taken
 * over slowly; at once when it eats up what the latency leaves. A smaller one is, at once.
 */

const BUCKET_MS = 1000;
const BUCKETS = 32;
/** Seconds to be known before a slope is believed: at 1 ms of noise they give it ± 100 ppm. */
const SLOPE_BUCKETS = 16;
/** Until then only so many count, lest a difference of the clocks adds up. */
const EARLY_BUCKETS = 4;
/** No two clocks that both call themselves a clock differ by more (crystals: 100 ppm; contracts: 500). */
const MAX_SLOPE = 0.0015;
/** How much later the output may become in one second, other than by a step. */
const MAX_RISE_MS = 5;

/** Milliseconds on both sides; where each clock begins does not matter. */
export class PlayoutClock {
  /** A delay that stays greater by this much for two seconds is taken over at once. */
  stepMs: number;
  /** The least delay that counts now. */
  #delayMs = Number.NaN;
  /** When each of the last seconds had its least delay, and how much it was: rings. */
  readonly #at = new Float64Array(BUCKETS);
  readonly #least = new Float64Array(BUCKETS);
  #count = 0;
  #bucketFrom = 0;
  /** The least delay of the second that is running. */
  #leastAt = 0;
  #leastMs = Infinity;

  constructor(stepMs: number) {
    this.stepMs = stepMs;
  }

  /** Something was observed since the beginning or the last `reset`. */
  get isSet(): boolean {
    return !Number.isNaN(this.#delayMs);
  }

  /** When a datagram of this media time arrives if nothing disturbs it; NaN unless `isSet`. */
  arrivalOf(mediaMs: number): number {
    return mediaMs + this.#delayMs;
  }

  /** Learns from one arrival. */
  observe(mediaMs: number, arrivedAt: number): void {
    const delayMs = arrivedAt - mediaMs;
    if (!this.isSet) this.#begin(delayMs, arrivedAt);
    else if (arrivedAt >= this.#bucketFrom + BUCKET_MS) this.#closeBucket(arrivedAt);
    if (delayMs < this.#leastMs) {
      this.#leastMs = delayMs;
      this.#leastAt = arrivedAt;
    }
    if (delayMs < this.#delayMs) this.#delayMs = delayMs;
  }

  /** Forgets everything: the next observation is the first. */
  reset(): void {
    this.#delayMs = Number.NaN;
  }

  #begin(delayMs: number, arrivedAt: number): void {
    this.#delayMs = delayMs;
    this.#count = 0;
    this.#bucketFrom = arrivedAt;
    this.#leastMs = Infinity;
  }

  #closeBucket(now: number): void {
    this.#at[this.#count % BUCKETS] = this.#leastAt;
    this.#least[this.#count % BUCKETS] = this.#leastMs;
    this.#count++;
    this.#bucketFrom = now;
    this.#leastMs = Infinity;

    const slope = this.#slope();
    const recent = this.#leastOf(2, slope, now);
    if (this.#count >= 2 && recent > this.#delayMs + this.stepMs) {
      this.#delayMs = recent;
      this.#count = 0;
    } else {
      const buckets = this.#count < SLOPE_BUCKETS ? EARLY_BUCKETS : BUCKETS;
      this.#delayMs = Math.min(this.#leastOf(buckets, slope, now), this.#delayMs + MAX_RISE_MS);
    }
  }

  /** The least delay of the last so many seconds, each carried on to `now`. */
  #leastOf(buckets: number, slope: number, now: number): number {
    let least = Infinity;
    for (let i = Math.max(0, this.#count - buckets); i < this.#count; i++) {
      const at = this.#at[i % BUCKETS] ?? 0;
      least = Math.min(least, (this.#least[i % BUCKETS] ?? 0) + slope * (now - at));
    }
    return least;
  }

  /** By how much the delay grows in a millisecond, 0 when it falls: from the best of the oldest third to the best of the newest. */
  #slope(): number {
    const known = Math.min(this.#count, BUCKETS);
    if (known < SLOPE_BUCKETS) return 0;
    const third = Math.floor(known / 3);
    const from = this.#bestOf(this.#count - known, third);
    const to = this.#bestOf(this.#count - third, third);
    const slope =
      ((this.#least[to] ?? 0) - (this.#least[from] ?? 0)) / ((this.#at[to] ?? 0) - (this.#at[from] ?? 0));
    return Math.min(Math.max(slope, 0), MAX_SLOPE);
  }

  /** Where in the rings the least delay of `count` seconds from the `first` on stands. */
  #bestOf(first: number, count: number): number {
    let best = first % BUCKETS;
    for (let i = first; i < first + count; i++) {
      if ((this.#least[i % BUCKETS] ?? 0) < (this.#least[best] ?? 0)) best = i % BUCKETS;
    }
    return best;
  }
}
