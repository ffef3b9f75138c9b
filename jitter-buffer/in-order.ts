/**
 * Releases what is contiguous at once, at whatever speed it comes: for recorders, pipes and pages.
 *
 * A gap is given up `latencyMs` after the first datagram behind it arrived, a missing tail `latencyMs` after the end was told.
 */
import type { ReceiveWindow, ReleasedPayload } from './ordering.ts';
import type { Playout, Release } from './release.ts';
import type { Arrival } from './slab.ts';

export class InOrderRelease implements Release {
  latencyMs: number;
  readonly #window: ReceiveWindow;
  #ended = false;
  #endIndex: number | undefined;
  #endAt = Infinity;

  /** @param window empty, and used by nobody else as long as this lives */
  constructor(window: ReceiveWindow, latencyMs: number) {
    this.#window = window;
    this.latencyMs = latencyMs;
  }

  push(arrival: Arrival, _now: number): void {
    if (this.#ended && arrival.index >= this.#window.next) return;
    if (arrival.recovered) {
      if (arrival.index < (this.#endIndex ?? Infinity)) this.#window.put(arrival);
      return;
    }
    if (this.#endIndex !== undefined && arrival.index >= this.#endIndex) {
      this.#endIndex = undefined;
      this.#endAt = Infinity;
    } else if (this.#endAt < Infinity && this.#endIndex === undefined) {
      this.#endAt = Math.max(this.#endAt, arrival.arrivedAt + this.latencyMs);
    }
    this.#window.put(arrival);
  }

  pass(arrival: Arrival): ReleasedPayload | undefined {
    return this.#ended || this.#endAt < Infinity ? undefined : this.#window.pass(arrival);
  }

  poll(now: number): Playout | undefined {
    const window = this.#window;
    if (window.firstHeld === window.next) return window.take();
    if (window.crowded) return window.giveUpForRoom();
    if (window.firstHeld < Infinity) return now >= this.#gapDeadline() ? window.giveUp() : undefined;
    return this.#pollEnd(now);
  }

  get wakeAt(): number {
    const window = this.#window;
    if (window.firstHeld === window.next || window.crowded) return -Infinity;
    if (window.firstHeld < Infinity) return this.#gapDeadline();
    return this.#isComplete() ? -Infinity : this.#endAt;
  }

  end(endIndex: number | undefined, deadline: number): void {
    if (this.#ended) return;
    if (endIndex !== undefined && endIndex >= this.#window.end) this.#endIndex = endIndex;
    this.#endAt = Math.min(this.#endAt, deadline);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** When everything must be out; `Infinity` until an end was told. */
  get endAt(): number {
    return this.#endAt;
  }

  giveUpAt(index: number): number {
    if (index < this.#window.next) return -Infinity;
    return Math.min(this.#window.arrivedBehind(index) + this.latencyMs, this.#endAt);
  }

  /** Whatever arrived first of all that is held lies behind the gap, so nothing is held for longer than the latency. */
  #gapDeadline(): number {
    return Math.min(this.#window.oldestArrivedAt + this.latencyMs, this.#endAt);
  }

  #isComplete(): boolean {
    return !this.#ended && this.#window.next === this.#endIndex;
  }

  /** Nothing is held: gives up a missing tail when its time has come, then says that it was the end. */
  #pollEnd(now: number): Playout | undefined {
    if (!this.#isComplete() && now < this.#endAt) return undefined;
    if (this.#endIndex !== undefined && this.#window.next < this.#endIndex)
      return this.#window.giveUp(this.#endIndex);
    this.#endAt = Infinity;
    this.#ended = true;
    return { kind: 'end', proven: this.#endIndex !== undefined };
  }
}
