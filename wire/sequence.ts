/**
 * Counters that wrap after 16 or 32 bits (RFC 3550 §A.1), unwrapped once at the door so nothing later has to.
 */

/**
 * Signed distance from `a` to `b` in a counter of `bits` bits (at most 32): positive when `b` is newer. Exactly half a cycle
 * apart counts as older. Unwrapped values may be given too: only their lowest bits count.
 */
export function wrapDistance(a: number, b: number, bits: number): number {
  const shift = 32 - bits;
  return ((b - a) << shift) >> shift;
}

/**
 * Turns a wrapping counter into one that only grows, so that `<` and `-` mean what they look like.
 *
 * The first value is kept as it is. One that is older than the first comes out smaller than it, and so may be negative.
 */
export class Unwrapper {
  readonly #bits: number;
  #newest: number | undefined;

  /** @param bits width of the wire field: 16 for RTP sequence numbers, 32 for RTP timestamps */
  constructor(bits: 16 | 32) {
    this.#bits = bits;
  }

  /** The extended value of `wire`, taken to be within half a cycle of the newest one seen. */
  unwrap(wire: number): number {
    if (this.#newest === undefined) return (this.#newest = wire);
    const extended = this.#newest + wrapDistance(this.#newest, wire, this.#bits);
    if (extended > this.#newest) this.#newest = extended;
    return extended;
  }
}
