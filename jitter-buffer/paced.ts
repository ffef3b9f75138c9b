/**
 * Releases each datagram at its media time plus the latency: for relays and speakers. What the network did to the spacing is
 * undone, and the difference between the sender's clock and ours is followed.
 *
 * A gap is given up when the datagram behind it is due. Datagrams without media time are released in order.
 */
import { InOrderRelease } from './in-order.ts';
import type { ReceiveWindow } from './ordering.ts';
import { PlayoutClock } from './playout-clock.ts';
import type { Playout, Release } from './release.ts';
import type { Arrival } from './slab.ts';

export class PacedRelease implements Release {
  readonly #window: ReceiveWindow;
  readonly #clock: PlayoutClock;
  /** Does what has nothing to do with the media clock: the end, want of room, datagrams without media time. */
  readonly #inOrder: InOrderRelease;

  /** @param window empty, and used by nobody else as long as this lives */
  constructor(window: ReceiveWindow, latencyMs: number) {
    this.#window = window;
    this.#inOrder = new InOrderRelease(window, latencyMs);
    this.#clock = new PlayoutClock(latencyMs / 2);
  }

  get latencyMs(): number {
    return this.#inOrder.latencyMs;
  }

  set latencyMs(latencyMs: number) {
    this.#inOrder.latencyMs = latencyMs;
    this.#clock.stepMs = latencyMs / 2;
  }

  push(arrival: Arrival, now: number): void {
    if (!arrival.recovered) this.#learn(arrival);
    this.#inOrder.push(arrival, now);
  }

  /** Each one has its time. */
  pass(_arrival: Arrival): undefined {
    return undefined;
  }

  poll(now: number): Playout | undefined {
    const window = this.#window;
    const dueAt = this.#dueAt(window.firstHeld);
    if (dueAt === undefined || window.crowded) return this.#inOrder.poll(now);
    if (now < dueAt) return undefined;
    return window.firstHeld > window.next ? window.giveUp() : window.take();
  }

  get wakeAt(): number {
    const dueAt = this.#dueAt(this.#window.firstHeld);
    return dueAt === undefined || this.#window.crowded ? this.#inOrder.wakeAt : dueAt;
  }

  end(endIndex: number | undefined, deadline: number): void {
    this.#inOrder.end(endIndex, deadline);
  }

  get ended(): boolean {
    return this.#inOrder.ended;
  }

  giveUpAt(index: number): number {
    if (index < this.#window.next) return -Infinity;
    return this.#dueAt(this.#window.heldFrom(index)) ?? this.#inOrder.giveUpAt(index);
  }

  #learn({ mediaMs, arrivedAt }: Arrival): void {
    if (Number.isNaN(mediaMs)) this.#clock.reset();
    else this.#clock.observe(mediaMs, arrivedAt);
  }

  /** When a held datagram leaves; `undefined` when the media clock does not say so. Nothing is held beyond the latency. */
  #dueAt(index: number): number | undefined {
    if (index === Infinity || !this.#clock.isSet) return undefined;
    const mediaMs = this.#window.mediaMsOf(index);
    if (Number.isNaN(mediaMs)) return undefined;
    const earliest = Math.min(this.#clock.arrivalOf(mediaMs), this.#window.oldestArrivedAt);
    return Math.min(earliest + this.latencyMs, this.#inOrder.endAt);
  }
}
