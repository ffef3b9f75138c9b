/** First in, first out: what waits is never moved, and nothing is allocated while the ring is long enough. */
export class Fifo<T> {
  // Items from `head` up to, and not including, `tail`, each at its number modulo the ring's length, a power of two.
  #ring = Array.from<T | undefined>({ length: 64 });
  #head = 0;
  #tail = 0;

  /** Items that wait. */
  get length(): number {
    return this.#tail - this.#head;
  }

  /** The item that `index` others go before; `undefined` when there are no more than that. */
  at(index: number): T | undefined {
    return index < this.length ? this.#ring[(this.#head + index) & (this.#ring.length - 1)] : undefined;
  }

  push(item: T): void {
    if (this.length === this.#ring.length) this.#grow();
    this.#ring[this.#tail++ & (this.#ring.length - 1)] = item;
  }

  /** Takes the oldest item. */
  shift(): T | undefined {
    if (this.#head === this.#tail) return undefined;
    const slot = this.#head++ & (this.#ring.length - 1);
    const item = this.#ring[slot];
    this.#ring[slot] = undefined;
    return item;
  }

  /** The items that wait, oldest first. */
  *[Symbol.iterator](): Generator<T> {
    for (let index = this.#head; index < this.#tail; index++) {
      const item = this.#ring[index & (this.#ring.length - 1)];
      if (item !== undefined) yield item;
    }
  }

  #grow(): void {
    const longer = Array.from<T | undefined>({ length: 2 * this.#ring.length });
    for (let index = 0; index < this.length; index++) longer[index] = this.at(index);
    this.#tail = this.length;
    this.#head = 0;
    this.#ring = longer;
  }
}
