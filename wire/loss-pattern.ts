/**
 * Which datagrams of a stream did not come by themselves, whatever repair did about it: as runs of neighbours, a bounded number of
 * them. What is not lost costs nothing.
 */

/** Losses next to each other. */
export interface LossRun {
  /** The first index that is missing. */
  first: number;
  /** How many there are, 1 at least. */
  count: number;
}

/** Runs remembered when nobody says otherwise: 64 kB, 50 s of 10 % independent loss at 10 Mbit/s. */
const MOST_RUNS = 4096;

/** The losses of one run of indexes. */
export class LossPattern {
  readonly #most: number;
  /** First index of each run and one past its last, in order; runs do not touch each other. */
  readonly #firsts: number[] = [];
  readonly #ends: number[] = [];
  #begin: number;
  #end: number;

  /**
   * @param begin the index from which on losses are known
   * @param most runs remembered, the latest; 8 at least
   */
  constructor(begin = 0, most = MOST_RUNS) {
    this.#begin = this.#end = begin;
    this.#most = most;
  }

  /** All that were lost from here on are remembered. */
  get begin(): number {
    return this.#begin;
  }

  /** Of all before this index it is known whether they came by themselves. */
  get end(): number {
    return this.#end;
  }

  /** How many runs are remembered. */
  get length(): number {
    return this.#firsts.length;
  }

  /** The run at a place, from the oldest at 0. */
  at(place: number): LossRun | undefined {
    const first = this.#firsts[place];
    const end = this.#ends[place];
    return first === undefined || end === undefined ? undefined : { first, count: end - first };
  }

  /** `count` indexes from `first` on did not come by themselves. In any order, and more than once if need be. */
  lost(first: number, count: number): void {
    let begin = Math.max(first, this.#begin);
    let end = first + count;
    if (end <= begin) return;
    const { length } = this.#firsts;
    let last = length; // nearly always there is nothing behind
    while (last > 0 && (this.#firsts[last - 1] ?? 0) > end) last--;
    let touching = last;
    while (touching > 0 && (this.#ends[touching - 1] ?? 0) >= begin) touching--;
    if (touching < last) {
      begin = Math.min(begin, this.#firsts[touching] ?? begin);
      end = Math.max(end, this.#ends[last - 1] ?? end);
    }
    this.#firsts.splice(touching, last - touching, begin);
    this.#ends.splice(touching, last - touching, end);
    if (this.#firsts.length > this.#most) this.#forget(this.#most >> 3);
  }

  /** All before `end` came by themselves or are among the lost: nothing is to be waited for there any more. */
  knownUntil(end: number): void {
    if (end > this.#end) this.#end = end;
  }

  /** Losses before this index do not matter any more. */
  forgetBefore(index: number): void {
    if (index <= this.#begin) return;
    let count = 0;
    while ((this.#ends[count] ?? Infinity) <= index) count++;
    this.#forget(count);
    this.#begin = index;
    if (this.#end < index) this.#end = index;
    if ((this.#firsts[0] ?? index) < index) this.#firsts[0] = index;
  }

  #forget(count: number): void {
    if (count === 0) return;
    this.#begin = Math.max(this.#begin, this.#ends[count - 1] ?? 0);
    this.#firsts.splice(0, count);
    this.#ends.splice(0, count);
  }
}
