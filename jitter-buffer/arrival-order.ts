/** In which order the datagrams came that are held: the one held longest decides when a gap before it is given up. */
export class ArrivalOrder {
  /** A ring. What was released stays in it until it is at its head. */
  readonly #indexes: Float64Array;
  #head = 0;
  #tail = 0;

  /** @param capacity widest span of the indexes that are held */
  constructor(capacity: number) {
    this.#indexes = new Float64Array(2 * capacity); // no more can have come since the one at the head did
  }

  /** Another one came. @param next none before this is held any longer */
  add(index: number, next: number): void {
    this.#skipReleased(next);
    this.#indexes[this.#tail] = index;
    this.#tail = this.#after(this.#tail);
  }

  /** Which came first of those held from `index` on; `Infinity` when there is none. @param next none before this is held any longer */
  firstFrom(index: number, next: number): number {
    this.#skipReleased(next);
    for (let at = this.#head; at !== this.#tail; at = this.#after(at)) {
      const held = this.#indexes[at] ?? 0;
      if (held >= index) return held;
    }
    return Infinity;
  }

  clear(): void {
    this.#head = this.#tail = 0;
  }

  #skipReleased(next: number): void {
    while (this.#head !== this.#tail && (this.#indexes[this.#head] ?? 0) < next) {
      this.#head = this.#after(this.#head);
    }
  }

  #after(at: number): number {
    return at + 1 === this.#indexes.length ? 0 : at + 1;
  }
}
