/** One timer for all recorders of the process: each wake-up costs as much as hundreds of datagrams. */
import { monotonicNow } from '../../transport/clock.ts';

/** Calls everyone who joined in turn, every so many milliseconds; sleeps when there is nobody. */
export class Ticker {
  readonly #everyMs: number;
  readonly #members = new Set<(now: number) => void>();
  #timer: NodeJS.Timeout | undefined;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** From now on `tick` is called, with the monotonic time in milliseconds, until the returned function is. */
  join(tick: (now: number) => void): () => void {
    this.#members.add(tick);
    this.#timer ??= setInterval(() => this.#tick(), this.#everyMs);
    return () => this.#leave(tick);
  }

  #leave(tick: (now: number) => void): void {
    this.#members.delete(tick);
    if (this.#members.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    const now = monotonicNow();
    for (const tick of this.#members) tick(now);
  }
}
