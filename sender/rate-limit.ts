/** Lets so much through in so much time and refuses the rest. It keeps a deadline, not a balance, so no rounding can hang it. */

/** Costs are milliseconds: how long what passes takes at the rate that is allowed. */
export class RateLimit {
  readonly #burstMs: number;
  #readyAt = -Infinity;

  /** @param burstMs so much of the time before may be made up for at once */
  constructor(burstMs: number) {
    this.#burstMs = burstMs;
  }

  /** From when on something may pass. */
  get readyAt(): number {
    return this.#readyAt;
  }

  /** Lets it pass, or not. */
  take(costMs: number, now: number): boolean {
    if (now < this.#readyAt) return false;
    this.#readyAt = Math.max(this.#readyAt, now - this.#burstMs) + costMs;
    return true;
  }
}
