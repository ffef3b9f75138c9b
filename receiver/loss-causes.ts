/**
 * Puts each loss under its cause, and remembers how many there were of each in every second of the last ten minutes.
 *
 * It looks at counters that others keep, so what is not lost costs nothing. The rules:
 *
 * - Given up for want of room: `overflow`.
 * - Drops that the kernel counts go with what is given up in the interval around them: from a second before they were seen to the
 *   latency and a second after. As far as there are drops the cause is our `ownBuffer`, beyond them the `network`. A drop is used
 *   up by one missing datagram, recovered ones included. Where drops are fewer than what is missing, each may have been a run of
 *   datagrams that the kernel counts as one.
 * - What comes after all had neither been lost nor dropped: it moves to `late`, in the second in which it was given up.
 * - Continuity that breaks without a gap was broken at the `source`. Bare TS has no numbers to tell gaps by: its breaks are losses.
 */
import type { LossByCause, LossCounters, LossSecond } from '../wire/metrics.ts';

/** What the causes are told from: counters since the stream was opened. */
export interface LossTotals extends Pick<LossCounters, 'unrecovered' | 'recovered' | 'overflow' | 'late'> {
  /** The stream has sequence numbers: all but bare TS has. */
  isNumbered: boolean;
  /** See `TsMonitor`. */
  sourceBreaks: number;
  /** As in `ArrivalStats`. */
  kernelDrops: number | undefined;
  overruns: number;
}

/** What to expect of the counters. */
export interface LossCausesOptions {
  /** How long what is missing is waited for, milliseconds. */
  latencyMs: number;
  /** How many datagrams the kernel may count as one drop: 64 where it hands over runs (GRO), else 1, the default. */
  datagramsPerDrop?: number;
  /** How many seconds are remembered. Default 600. */
  seconds?: number;
}

/** What is counted of each second; the order of the columns. */
const COLUMNS = ['network', 'ownBuffer', 'late', 'overflow', 'source', 'recovered', 'overruns'] as const;
type Column = (typeof COLUMNS)[number];

const NOTHING: LossTotals = {
  isNumbered: true,
  unrecovered: 0,
  recovered: 0,
  overflow: 0,
  late: 0,
  sourceBreaks: 0,
  kernelDrops: 0,
  overruns: 0,
};
/** What is dropped and what is missing are seen within so long of each other: the kernel's counter alone is up to 200 ms old. */
const AROUND_MS = 1000;
/** What comes later than this after it was given up is not looked for. */
const LATE_WITHIN_MS = 10_000;

/** The losses of one stream. */
export class LossCauses {
  readonly #latencyMs: number;
  readonly #datagramsPerDrop: number;
  readonly #seconds: number;
  /** A ring of rows of `COLUMNS`, by second. */
  readonly #rows: Uint32Array;
  readonly #totals = new Float64Array(COLUMNS.length);
  /** The second of the newest row. */
  #newest = -1;
  #before: LossTotals = NOTHING;
  /** Drops that explain nothing so far, and when the last of them were seen. */
  #drops = 0;
  #dropsAt = -Infinity;

  constructor({ latencyMs, datagramsPerDrop = 1, seconds = 600 }: LossCausesOptions) {
    this.#latencyMs = latencyMs;
    this.#datagramsPerDrop = datagramsPerDrop;
    this.#seconds = seconds;
    this.#rows = new Uint32Array(seconds * COLUMNS.length);
  }

  /** All since the stream was opened. */
  get totals(): LossByCause {
    const [network = 0, ownBuffer = 0, late = 0, overflow = 0, source = 0] = this.#totals;
    return { network, ownBuffer, late, overflow, source };
  }

  /**
   * Counts what has changed since the last call for the second of `now`: call it when something was given up, and before looking.
   *
   * @param totals the caller's own: it is copied
   */
  count(totals: LossTotals, now: number): void {
    const before = this.#before;
    this.#before = { ...totals };
    this.#turnTo(now);
    const overflow = totals.overflow - before.overflow;
    const breaks = totals.sourceBreaks - before.sourceBreaks;
    const recovered = totals.recovered - before.recovered;
    const unrecovered = totals.unrecovered - before.unrecovered;
    const missing = unrecovered - overflow + (totals.isNumbered ? 0 : breaks);
    this.#add('overflow', overflow);
    this.#add('recovered', recovered);
    this.#add('overruns', totals.overruns - before.overruns);
    if (totals.isNumbered) this.#add('source', breaks);
    this.#seeDrops((totals.kernelDrops ?? 0) - (before.kernelDrops ?? 0), now);
    this.#useDrops(recovered);
    const dropped = this.#useDrops(missing);
    this.#add('ownBuffer', dropped);
    this.#add('network', missing - dropped);
    this.#findDropped(now);
    this.#findLate(totals.late - before.late, now);
  }

  /** The seconds in which anything happened, the latest last. @param last look only at so many seconds, the one that runs included */
  history(now: number, last = this.#seconds): LossSecond[] {
    const present = Math.floor(now / 1000);
    const rows: LossSecond[] = [];
    const oldest = Math.max(this.#newest - this.#seconds, present - Math.min(last, this.#seconds)) + 1;
    for (let second = Math.max(0, oldest); second <= this.#newest; second++) {
      const from = this.#rowAt(second);
      const row = this.#rows.subarray(from, from + COLUMNS.length);
      if (row.every((count) => count === 0)) continue;
      const [network = 0, ownBuffer = 0, late = 0, overflow = 0, source = 0, recovered = 0, overruns = 0] =
        row;
      const secondsAgo = present - second;
      rows.push({ secondsAgo, network, ownBuffer, late, overflow, source, recovered, overruns });
    }
    return rows;
  }

  #seeDrops(drops: number, now: number): void {
    if (now - this.#dropsAt > this.#latencyMs + AROUND_MS) this.#drops = 0;
    if (drops <= 0) return;
    this.#drops += drops;
    this.#dropsAt = now;
  }

  /** How many of so many datagrams the drops explain. */
  #useDrops(missing: number): number {
    const explained = Math.min(missing, this.#drops * this.#datagramsPerDrop);
    this.#drops -= Math.min(explained, this.#drops);
    return explained;
  }

  /** Drops may be seen after what they explain. */
  #findDropped(now: number): void {
    if (this.#dropsAt !== now || this.#drops === 0) return;
    const [network = 0] = this.#columnsSince(now - AROUND_MS);
    this.#move('network', 'ownBuffer', this.#useDrops(network));
  }

  #findLate(late: number, now: number): void {
    if (late <= 0) return;
    const [network = 0, ownBuffer = 0] = this.#columnsSince(now - LATE_WITHIN_MS);
    const fromNetwork = Math.min(late, network);
    this.#move('network', 'late', fromNetwork);
    this.#move('ownBuffer', 'late', Math.min(late - fromNetwork, ownBuffer));
  }

  /** The sums of the rows since then. */
  #columnsSince(from: number): number[] {
    const sums = COLUMNS.map(() => 0);
    for (let second = this.#newest; second >= this.#oldestSince(from); second--) {
      const row = this.#rowAt(second);
      for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] ?? 0) + (this.#rows[row + i] ?? 0);
    }
    return sums;
  }

  /** Moves so many, which are there, from the newest rows on. */
  #move(from: Column, to: Column, count: number): void {
    const [at, into] = [COLUMNS.indexOf(from), COLUMNS.indexOf(to)];
    let left = count;
    for (let second = this.#newest; left > 0; second--) {
      const row = this.#rowAt(second);
      const moved = Math.min(left, this.#rows[row + at] ?? 0);
      this.#change(row, at, -moved);
      this.#change(row, into, moved);
      left -= moved;
    }
  }

  #add(column: Column, count: number): void {
    if (count > 0) this.#change(this.#rowAt(this.#newest), COLUMNS.indexOf(column), count);
  }

  #change(row: number, column: number, by: number): void {
    this.#rows[row + column] = (this.#rows[row + column] ?? 0) + by;
    this.#totals[column] = (this.#totals[column] ?? 0) + by;
  }

  /** Begins the row of `now`, with nothing in it and in those that were passed over. */
  #turnTo(now: number): void {
    const second = Math.floor(now / 1000);
    for (let next = Math.max(this.#newest + 1, second - this.#seconds + 1); next <= second; next++) {
      this.#rows.fill(0, this.#rowAt(next), this.#rowAt(next) + COLUMNS.length);
    }
    this.#newest = Math.max(this.#newest, second);
  }

  #oldestSince(from: number): number {
    return Math.max(0, this.#newest - this.#seconds + 1, Math.floor(from / 1000));
  }

  #rowAt(second: number): number {
    return (second % this.#seconds) * COLUMNS.length;
  }
}
