/** The rate of a stream over the last second. */

const SLOT_MS = 100;
/** Ten whole slots, and the one that is being filled. */
const SLOTS = 11;

/** Counts bytes and says how many bits a second they were. */
export class RateMeter {
  readonly #bytes = new Float64Array(SLOTS);
  #slot = -Infinity; // the slot that is being filled, counted from time 0

  /** `bytes` came at `arrivedAt`, monotonic milliseconds; not always in order of time. */
  add(bytes: number, arrivedAt: number): void {
    const slot = Math.floor(arrivedAt / SLOT_MS);
    if (slot > this.#slot) this.#advance(arrivedAt);
    else if (slot <= this.#slot - SLOTS) return; // that second is over
    const at = slot % SLOTS;
    this.#bytes[at] = (this.#bytes[at] ?? 0) + bytes;
  }

  /** Bits per second over the last ten whole slots; a stream younger than a second reads low. */
  bitsPerSecond(now: number): number {
    this.#advance(now);
    let bytes = -(this.#bytes[this.#slot % SLOTS] ?? 0);
    for (const slot of this.#bytes) bytes += slot;
    return (bytes * 8000) / ((SLOTS - 1) * SLOT_MS);
  }

  #advance(now: number): void {
    const slot = Math.floor(now / SLOT_MS);
    if (slot <= this.#slot) return;
    const steps = Math.min(SLOTS, slot - this.#slot);
    for (let step = 0; step < steps; step++) this.#bytes[(slot - step + SLOTS) % SLOTS] = 0;
    this.#slot = slot;
  }
}
