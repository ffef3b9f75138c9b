/**
 * What FEC would have repaired of losses that were seen, worked out exactly: rows and columns for as long as one recovery leads to
 * the next, Reed-Solomon blocks that miss no more than M of K + M.
 *
 * Repair packets would have been lost too, and nobody can know which. Each is taken to share the fate of the datagram that is sent
 * right behind it: so they are lost as often as the stream was, and a burst takes those that leave during it. They leave as
 * lancast's senders send them: a row's behind its row, all others spread over the next matrix or block.
 */
import type { LossPattern } from '../loss-pattern.ts';
import type { BlockShape } from './block-shape.ts';
import { fecSpan, type FecSetting } from './fec-setting.ts';
import type { FecMatrix } from './smpte2022.ts';

/** Of a run this much counts as work: blocks that lie within are lost without a look. */
const RUN_WORK = 1024;

/** Which losses are taken. */
export interface TrialOptions {
  /** None before this index. */
  from: number;
  /** So many of them, the latest; a long run counts as 1024. Default: all. */
  most?: number;
  /** No run that is longer: an outage, which no FEC repairs. Default: all. */
  longest?: number;
}

/** Some losses that settings are tried on. */
export class Trial {
  /** How many losses they are. */
  readonly lost: number;
  /** Runs of losses: how many, the first index of each and one past its last, both from `#base` on. */
  #count = 0;
  readonly #firsts: Int32Array;
  readonly #ends: Int32Array;
  readonly #base: number;
  /** Where something is lost, from the beginning of a matrix or block to the end of the next one. */
  #lostAt = new Uint32Array(1024);
  readonly #matrix = new MatrixTrial();
  readonly #blocks = new BlocksTrial();

  constructor(pattern: LossPattern, { from, most = Infinity, longest = Infinity }: TrialOptions) {
    let first = pattern.length;
    for (let work = 0; first > 0 && work < most; first--) {
      const run = pattern.at(first - 1);
      if (!run || run.first + run.count <= from) break;
      work += Math.min(run.count, RUN_WORK);
    }
    this.#base = Math.max(from, pattern.at(first)?.first ?? 0);
    this.#firsts = new Int32Array(pattern.length - first);
    this.#ends = new Int32Array(pattern.length - first);
    this.lost = this.#take(pattern, first, longest);
  }

  /**
   * How many of `lost` would still be missing.
   *
   * @param begin an index at which a matrix or block begins
   * @param most beyond so many nobody asks how many they are
   */
  missed(setting: FecSetting, begin: number, most = Infinity): number {
    const span = fecSpan(setting);
    const phase = (((begin - this.#base) % span) + span) % span;
    if (this.#lostAt.length <= 2 * span) this.#lostAt = new Uint32Array(4 * span);
    let missed = 0;
    let at = 0; // nothing before is to be looked at
    for (let run = 0; run < this.#count && missed <= most;) {
      at = Math.max(at, this.#firsts[run] ?? 0);
      const start = at - ((at - phase + span) % span);
      // Within a run nothing comes back, as long as the repair packets are lost as well.
      const within = at === start ? Math.floor(((this.#ends[run] ?? 0) - start) / span) - 2 : 0;
      if (within > 0) {
        missed += within * span;
        at += within * span;
        continue;
      }
      const count = this.#collect(start, start + 2 * span, run);
      if (count > 1) missed += this.#missedOf(setting, count);
      at = start + span;
      while (run < this.#count && (this.#ends[run] ?? 0) <= at) run++;
    }
    return missed;
  }

  /** Of what was collected. */
  #missedOf(setting: FecSetting, count: number): number {
    return setting.kind === 'rs'
      ? this.#blocks.missed(this.#lostAt, count, setting.shape)
      : this.#matrix.missed(this.#lostAt, count, setting.matrix);
  }

  /** Takes the runs from a place on; returns how many losses they are. */
  #take(pattern: LossPattern, firstPlace: number, longest: number): number {
    let lost = 0;
    for (let place = firstPlace; place < pattern.length; place++) {
      const run = pattern.at(place);
      if (!run || run.count > longest) continue;
      const begin = Math.max(run.first - this.#base, 0);
      const end = run.first + run.count - this.#base;
      this.#firsts[this.#count] = begin;
      this.#ends[this.#count++] = end;
      lost += end - begin;
    }
    return lost;
  }

  /** Writes down what is lost from `start` to `last`, as distances from `start`; how much that is. */
  #collect(start: number, last: number, run: number): number {
    const lostAt = this.#lostAt;
    let count = 0;
    for (let place = run; place < this.#count; place++) {
      const first = this.#firsts[place] ?? 0;
      if (first > last) break;
      const end = Math.min(this.#ends[place] ?? 0, last + 1);
      for (let index = Math.max(first, start); index < end; index++) lostAt[count++] = index - start;
    }
    return count;
  }
}

/** A matrix: its places are counted along its rows. */
class MatrixTrial {
  /** Row and column of what is missing, and how many are missing in each row and column. */
  readonly #rows = new Uint8Array(100);
  readonly #columns = new Uint8Array(100);
  readonly #inRow = new Uint8Array(20);
  readonly #inColumn = new Uint8Array(20);
  /** Whose repair packets are lost, or were never sent. */
  readonly #rowLost = new Uint8Array(20);
  readonly #columnLost = new Uint8Array(20);

  /** How many are missing in the end. */
  missed(lostAt: Uint32Array, count: number, matrix: FecMatrix): number {
    let left = this.#fill(lostAt, count, matrix);
    for (let before = left + 1; left < before;) {
      before = left;
      left = this.#recover(left);
      if (!matrix.rowPackets) break; // what a column recovers helps no other
    }
    return left;
  }

  /** Returns how many are missing in the beginning. */
  #fill(lostAt: Uint32Array, count: number, { columns, rows, rowPackets }: FecMatrix): number {
    this.#inRow.fill(0);
    this.#inColumn.fill(0);
    this.#columnLost.fill(0);
    this.#rowLost.fill(rowPackets ? 0 : 1);
    const span = columns * rows;
    let missing = 0;
    for (let at = 0; at < count; at++) {
      const place = lostAt[at] ?? 0;
      if (place > span) {
        const behind = place - span - 1; // column c leaves behind datagram c × D of the next matrix
        if (behind % rows === 0) this.#columnLost[behind / rows] = 1;
        continue;
      }
      const row = (place / columns) | 0;
      const column = place - row * columns;
      if (column === 0 && row > 0) this.#rowLost[row - 1] = 1;
      if (place === span) continue;
      this.#inRow[row] = (this.#inRow[row] ?? 0) + 1;
      this.#inColumn[column] = (this.#inColumn[column] ?? 0) + 1;
      this.#rows[missing] = row;
      this.#columns[missing++] = column;
    }
    return missing;
  }

  /** Recovers once what is alone in its row or column; returns how many are left. */
  #recover(missing: number): number {
    const [inRow, inColumn] = [this.#inRow, this.#inColumn];
    let left = 0;
    for (let at = 0; at < missing; at++) {
      const row = this.#rows[at] ?? 0;
      const column = this.#columns[at] ?? 0;
      const isAlone = inColumn[column] === 1 && this.#columnLost[column] === 0;
      if (isAlone || (inRow[row] === 1 && this.#rowLost[row] === 0)) {
        inRow[row] = (inRow[row] ?? 0) - 1;
        inColumn[column] = (inColumn[column] ?? 0) - 1;
      } else {
        this.#rows[left] = row;
        this.#columns[left++] = column;
      }
    }
    return left;
  }
}

/** Reed-Solomon blocks that begin together. */
class BlocksTrial {
  /** Of each block: media and repair packets that are lost. */
  #media = new Uint16Array(8);
  #parity = new Uint16Array(8);

  /** How many are missing in the end. */
  missed(lostAt: Uint32Array, count: number, { dataShards, parityShards, interleave }: BlockShape): number {
    this.#clear(interleave);
    const media = this.#media;
    const span = dataShards * interleave;
    for (let at = 0; at < count; at++) {
      const place = lostAt[at] ?? 0;
      const block = place % interleave;
      if (place < span) media[block] = (media[block] ?? 0) + 1;
      else if (place > span) this.#loseBehind(place - span - 1, dataShards, parityShards, interleave);
    }
    let missed = 0;
    for (let block = 0; block < interleave; block++) {
      const lost = media[block] ?? 0;
      if (lost + (this.#parity[block] ?? 0) > parityShards) missed += lost;
    }
    return missed;
  }

  #clear(interleave: number): void {
    if (this.#media.length < interleave) {
      this.#media = new Uint16Array(interleave);
      this.#parity = new Uint16Array(interleave);
    }
    this.#media.fill(0);
    this.#parity.fill(0);
  }

  /** Loses what leaves behind a datagram: repair packet s behind that at s × K / M of the next blocks, rounded down. */
  #loseBehind(place: number, dataShards: number, parityShards: number, interleave: number): void {
    let s = Math.ceil((place * parityShards) / dataShards);
    for (; s * dataShards < (place + 1) * parityShards; s++) {
      const block = s % interleave;
      this.#parity[block] = (this.#parity[block] ?? 0) + 1;
    }
  }
}
