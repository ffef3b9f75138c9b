/**
 * When each queued datagram leaves: everything due within one quantum together, and never a blast.
 *
 * Pure: the shell (`dgram-departure.ts`) polls it with the time and sends what it gives. A burst holds at most one quantum
 * plus two datagrams. What a stall has made late is therefore spread over the following quanta, which come at twice the rate
 * until it is made up for. A timer that comes late makes a quantum longer, up to twice as long, so that it can keep any pace.
 */

/** Datagrams a burst may hold beyond one quantum. */
const EXTRA_DATAGRAMS = 2;
/** How soon after a quantum the next one may come, in quanta: timers are not exact. */
const SOONEST = 0.75;
/** The same while datagrams are late that the last quantum had no room for. */
const SOONEST_WHEN_LATE = 0.4;

/** A queue of datagrams with their due times. All times are monotonic milliseconds. */
export class DepartureSchedule {
  /** Most milliseconds a datagram was given out after its due time. */
  latestMs = 0;

  readonly #quantumMs: number;
  // A ring: entries from `head` up to, and not including, `tail`, each at its number modulo the ring's length.
  #datagrams = Array.from<Buffer | undefined>({ length: 256 });
  #dueAt = new Float64Array(256);
  #head = 0;
  #tail = 0;
  #openedAt = -Infinity; // when the present quantum began
  #until = -Infinity; // due times that belong to it
  #extra = 0; // datagrams it may still give out beyond `until`

  /** @param quantumMs more than 0 */
  constructor(quantumMs: number) {
    this.#quantumMs = quantumMs;
  }

  /** Datagrams waiting. */
  get queued(): number {
    return this.#tail - this.#head;
  }

  /** Appends one datagram. `dueAt` never lies before that of the datagram pushed before. */
  push(datagram: Buffer, dueAt: number): void {
    if (this.queued === this.#datagrams.length) this.#grow();
    const slot = this.#tail++ & (this.#datagrams.length - 1);
    this.#datagrams[slot] = datagram;
    this.#dueAt[slot] = dueAt;
  }

  /**
   * The next datagram that leaves at `now`, or `undefined`. Polls with the same `now` belong to one burst. A datagram
   * leaves at most half a quantum before its due time.
   */
  poll(now: number): Buffer | undefined {
    if (this.#head === this.#tail) return undefined;
    const due = this.#headDue();
    if (now !== this.#openedAt) {
      if (now < this.wakeAt) return undefined;
      this.#until = due + Math.min(Math.max(now - this.#openedAt, this.#quantumMs), 2 * this.#quantumMs);
      this.#openedAt = now;
      this.#extra = EXTRA_DATAGRAMS;
    }
    if (due - this.#quantumMs / 2 > now) return undefined;
    if (due >= this.#until && this.#extra-- <= 0) return undefined;
    this.latestMs = Math.max(this.latestMs, now - due);
    return this.#take();
  }

  /** When `poll` may next give something; `Infinity` when nothing is queued. */
  get wakeAt(): number {
    if (this.#head === this.#tail) return Infinity;
    const due = this.#headDue();
    const pause = due < this.#openedAt ? SOONEST_WHEN_LATE : SOONEST;
    return Math.max(this.#openedAt + pause * this.#quantumMs, due - this.#quantumMs / 2);
  }

  /** Drops everything queued. */
  clear(): void {
    this.#datagrams.fill(undefined);
    this.#head = this.#tail;
  }

  #headDue(): number {
    return this.#dueAt[this.#head & (this.#dueAt.length - 1)] ?? Infinity;
  }

  #take(): Buffer | undefined {
    const slot = this.#head++ & (this.#datagrams.length - 1);
    const datagram = this.#datagrams[slot];
    this.#datagrams[slot] = undefined;
    return datagram;
  }

  #grow(): void {
    const { length } = this.#datagrams;
    const datagrams = Array.from<Buffer | undefined>({ length: 2 * length });
    const dueAt = new Float64Array(2 * length);
    for (let index = this.#head; index < this.#tail; index++) {
      datagrams[index & (2 * length - 1)] = this.#datagrams[index & (length - 1)];
      dueAt[index & (2 * length - 1)] = this.#dueAt[index & (length - 1)] ?? 0;
    }
    this.#datagrams = datagrams;
    this.#dueAt = dueAt;
  }
}
