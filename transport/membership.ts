/**
 * Against going deaf for ever: decides when a group must be joined anew. Pure.
 *
 * When a card is deleted and made anew (a USB card, a container's, a VPN's, a reloaded driver) the kernel forgets who had
 * joined, and the socket stays silent without any error. Which card the membership belongs to is told by an identity that
 * changes with each making, such as the interface index.
 */

/** Milliseconds without a datagram after which the card is looked at. */
const SILENCE_MS = 1000;

/** Watches one membership. All times are monotonic milliseconds. */
export class MembershipWatch {
  #identity: string;
  #heardAt: number;

  /** @param identity of the card that was joined at `now` */
  constructor(identity: string, now: number) {
    this.#identity = identity;
    this.#heardAt = now;
  }

  /** A datagram came. */
  heard(now: number): void {
    this.#heardAt = now;
  }

  /** True when it has been silent for so long that the card is worth a look. */
  isSilent(now: number): boolean {
    return now - this.#heardAt >= SILENCE_MS;
  }

  /** True when the group must be joined anew: the card is there, and it is another one. `undefined`: it is away. */
  isLost(identity: string | undefined): boolean {
    return identity !== undefined && identity !== this.#identity;
  }

  /** The group was joined again, on the card with this identity. */
  rejoined(identity: string, now: number): void {
    this.#identity = identity;
    this.#heardAt = now;
  }
}
