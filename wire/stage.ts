/**
 * The one shape every processing stage has: push input in, poll output out, be told when to come back.
 *
 * A stage owns no socket, timer or clock. `now` is monotonic milliseconds and never runs backwards.
 * After every `push`, and whenever `wakeAt` has passed, the driver polls until it gets `undefined`.
 */
export interface Stage<In, Out> {
  /** Takes one input. Never throws on hostile data: it counts and drops. */
  push(input: In, now: number): void;
  /** The next output that is due at `now`, or `undefined` when there is none. */
  poll(now: number): Out | undefined;
  /** When `poll` may next have output without another `push`; `Infinity` when only input can cause it. */
  readonly wakeAt: number;
}

/** Two stages as one: what leaves `first` enters `second` at the same instant. */
export function chain<A, B, C>(first: Stage<A, B>, second: Stage<B, C>): Stage<A, C> {
  return new Chain(first, second);
}

class Chain<A, B, C> implements Stage<A, C> {
  readonly #first: Stage<A, B>;
  readonly #second: Stage<B, C>;

  constructor(first: Stage<A, B>, second: Stage<B, C>) {
    this.#first = first;
    this.#second = second;
  }

  push(input: A, now: number): void {
    this.#first.push(input, now);
  }

  poll(now: number): C | undefined {
    // One at a time, so that a view handed on by `first` is used up before it is asked again.
    for (;;) {
      const ready = this.#second.poll(now);
      if (ready !== undefined) return ready;
      const item = this.#first.poll(now);
      if (item === undefined) return undefined;
      this.#second.push(item, now);
    }
  }

  get wakeAt(): number {
    return Math.min(this.#first.wakeAt, this.#second.wakeAt);
  }
}
