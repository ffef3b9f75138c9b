/**
 * Repair packets of senders that do not play yet: copies, a bounded number of them, the latest. A stream's beginning is held for a while,
 * and what is missing in it is to be repaired as well.
 */

/** A repair packet that was kept. */
export interface HeldRepair {
  readonly data: Buffer;
  /** Whose it is: where the media of the same sender comes from. */
  readonly address: string;
  readonly arrivedAt: number;
}

/** Of all senders together: half a megabyte of the usual size. */
const MOST = 384;

export class HeldRepairs {
  readonly #held: HeldRepair[] = [];

  /** Keeps a copy. */
  hold(data: Buffer, address: string, arrivedAt: number): void {
    if (this.#held.length === MOST) this.#held.shift();
    this.#held.push({ data: Buffer.from(data), address, arrivedAt });
  }

  /** The next of a sender, if it came until then. The others of that time are let go. */
  next(address: string, until: number): HeldRepair | undefined {
    for (let first = this.#held[0]; first && first.arrivedAt <= until; first = this.#held[0]) {
      this.#held.shift();
      if (first.address === address) return first;
    }
    return undefined;
  }
}
