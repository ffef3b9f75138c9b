/** Tells the sender which datagrams the network lost since the report before: a packet for the receiver's compound. */
import type { LossPattern, LossRun } from '../wire/loss-pattern.ts';
import type { UnknownPacket } from '../wire/rtcp.ts';
import { MAX_REPORTED, writeLossReport } from '../wire/rtcp-xr.ts';

/** Whose report it is, and about whom. */
export interface LossReportOptions {
  /** The receiver's own SSRC. */
  ssrc: number;
  mediaSsrc: number;
  /** 16 bits: the sequence number that has index 0. */
  firstSequence: number;
}

/** For one run of indexes. */
export class LossReporter {
  readonly #pattern: LossPattern;
  #toldUntil: number;

  constructor(pattern: LossPattern) {
    this.#pattern = pattern;
    this.#toldUntil = pattern.begin;
  }

  /** What is certain since the last call; `undefined`: nothing is. Of long stretches the latest part. */
  report({ ssrc, mediaSsrc, firstSequence }: LossReportOptions): UnknownPacket | undefined {
    const { begin, end } = this.#pattern;
    const first = Math.max(this.#toldUntil, begin, end - MAX_REPORTED);
    if (first >= end) return undefined;
    this.#toldUntil = end;
    return writeLossReport({
      ssrc,
      mediaSsrc,
      firstSequence: (firstSequence + first) & 0xffff,
      count: end - first,
      lost: this.#between(first, end),
    });
  }

  /** Losses from `first` to before `end`, counted from `first`. */
  #between(first: number, end: number): LossRun[] {
    const lost: LossRun[] = [];
    for (let place = this.#pattern.length - 1; place >= 0; place--) {
      const run = this.#pattern.at(place);
      if (!run || run.first + run.count <= first) break;
      const from = Math.max(run.first, first);
      const count = Math.min(run.first + run.count, end) - from;
      if (count > 0) lost.push({ first: from - first, count });
    }
    return lost.reverse();
  }
}
