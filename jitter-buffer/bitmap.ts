/** One bit for each of the last so many indexes. */

/** A ring of bits. Only indexes of the last `length` ones are told apart; the owner knows which these are. */
export class Bitmap {
  /** How many indexes it covers; a power of two, at least 32. */
  readonly length: number;
  readonly #words: Uint32Array;

  constructor(length: number) {
    this.length = length;
    this.#words = new Uint32Array(length / 32);
  }

  has(index: number): boolean {
    return ((this.#words[this.#wordOf(index)] ?? 0) & bitOf(index)) !== 0;
  }

  set(index: number): void {
    const word = this.#wordOf(index);
    this.#words[word] = (this.#words[word] ?? 0) | bitOf(index);
  }

  /** Clears the bits of `from` up to, and not including, `to`. */
  clear(from: number, to: number): void {
    if (to - from >= this.length) {
      this.#words.fill(0);
      return;
    }
    for (let index = from; index < to; index++) {
      const word = this.#wordOf(index);
      this.#words[word] = (this.#words[word] ?? 0) & ~bitOf(index);
    }
  }

  /** The first set bit of `from` up to, and not including, `to`; `Infinity` when there is none. */
  firstSet(from: number, to: number): number {
    for (let index = from; index < to; index += 32 - (index & 31)) {
      const rest = (this.#words[this.#wordOf(index)] ?? 0) >>> (index & 31);
      if (rest === 0) continue;
      const found = index + 31 - Math.clz32(rest & -rest);
      return found < to ? found : Infinity;
    }
    return Infinity;
  }

  /** The first bit that is not set of `from` up to, and not including, `to`; `Infinity` when there is none. */
  firstClear(from: number, to: number): number {
    for (let index = from; index < to; index += 32 - (index & 31)) {
      const rest = ~(this.#words[this.#wordOf(index)] ?? 0) >>> (index & 31);
      if (rest === 0) continue;
      const found = index + 31 - Math.clz32(rest & -rest);
      return found < to ? found : Infinity;
    }
    return Infinity;
  }

  #wordOf(index: number): number {
    return (index & (this.length - 1)) >>> 5; // right for any index: `&` takes its lowest bits
  }
}

function bitOf(index: number): number {
  return 1 << (index & 31);
}
