/** One way of a network that others watch while it works: what goes in comes out later, twice, or not at all, out of a seed. */
import {
  insert,
  jitterModel,
  lossModel,
  randomFrom,
  type InTransit,
  type NetworkOptions,
} from './network.ts';
import type { Stage } from '../../wire/stage.ts';

export class Cable<T> implements Stage<T, T> {
  /** What was put in, and what of it was lost or came out twice. */
  readonly counters = { taken: 0, lost: 0, doubled: 0 };

  /** Until then nothing is lost. */
  calmUntil = -Infinity;
  readonly #options: NetworkOptions;
  readonly #random: () => number;
  readonly #isLost: () => boolean;
  readonly #jitter: (at: number) => number;
  readonly #underWay: InTransit<T>[] = [];
  #last = -Infinity;

  constructor(options: NetworkOptions = {}) {
    this.#options = options;
    this.#random = randomFrom(options.seed ?? 1);
    this.#isLost = lossModel(options, this.#random);
    this.#jitter = jitterModel(options, this.#random);
  }

  push(item: T, now: number): void {
    const { delayMs = 0, cuts = [], duplicates = 0, duplicateMs = 5, reorder = false } = this.#options;
    this.counters.taken++;
    const lost = this.#isLost();
    const due = now + delayMs + this.#jitter(now);
    const doubled = duplicates > 0 && this.#random() < duplicates;
    if ((lost && now >= this.calmUntil) || cuts.some(({ from, to }) => now >= from && now < to)) {
      this.counters.lost++;
      return;
    }
    this.#last = reorder ? due : Math.max(this.#last, due);
    insert(this.#underWay, { at: this.#last, item });
    if (!doubled) return;
    this.counters.doubled++;
    insert(this.#underWay, { at: this.#last + this.#random() * duplicateMs, item });
  }

  poll(now: number): T | undefined {
    return this.wakeAt <= now ? this.#underWay.shift()?.item : undefined;
  }

  get wakeAt(): number {
    return this.#underWay[0]?.at ?? Infinity;
  }
}
