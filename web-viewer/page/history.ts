/** The last five minutes of a stream, second by second, made of the snapshots' counters. Pure. */
import type { StreamSnapshot } from '../../wire/metrics.ts';

/** What happened in one second. `undefined` everywhere but in `second`: not known, because no snapshot came. */
export interface Sample {
  /** Whole seconds since 1970. */
  second: number;
  /** Datagrams that arrived or were brought back. */
  received: number | undefined;
  /** Datagrams lost for good. */
  lost: number | undefined;
  /** Datagrams lost and brought back. */
  recovered: number | undefined;
  bitsPerSecond: number | undefined;
}

/** Seconds that are kept. */
export const HISTORY_SECONDS = 300;

/** The samples of one stream. */
export class History {
  readonly #samples: Sample[] = [];
  #before: StreamSnapshot | undefined;

  /** Oldest first; at most `HISTORY_SECONDS`. */
  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /** Takes a snapshot of `second`. Several in the same second are summed; seconds in between are marked as not known. */
  add(snapshot: StreamSnapshot, second: number): void {
    const before = this.#before;
    this.#before = snapshot;
    if (before === undefined) return;
    const restarted = snapshot.packets < before.packets;
    const last = this.#samples.at(-1);
    if (last !== undefined && second <= last.second) {
      if (!restarted) sum(last, before, snapshot);
      return;
    }
    for (let missing = (last?.second ?? second - 1) + 1; missing < second; missing++)
      this.#push(unknown(missing));
    const sample = unknown(second);
    // Counters that fell belong to another stream: the server was started anew.
    if (!restarted) sum(sample, before, snapshot);
    this.#push(sample);
  }

  #push(sample: Sample): void {
    this.#samples.push(sample);
    if (this.#samples.length > HISTORY_SECONDS) this.#samples.shift();
  }
}

/** Totals over samples. */
export interface Totals {
  received: number;
  lost: number;
  recovered: number;
  /** Seconds with a loss for good. */
  badSeconds: number;
}

/** Sums up the samples from `second` on. */
export function total(samples: readonly Sample[], second = 0): Totals {
  const totals: Totals = { received: 0, lost: 0, recovered: 0, badSeconds: 0 };
  for (const sample of samples) {
    if (sample.second < second) continue;
    totals.received += sample.received ?? 0;
    totals.lost += sample.lost ?? 0;
    totals.recovered += sample.recovered ?? 0;
    if (sample.lost !== undefined && sample.lost > 0) totals.badSeconds++;
  }
  return totals;
}

/** Share of `lost` in all datagrams, 0 to 1; 0 when there were none. */
export function lossShare({ received, lost }: { received: number; lost: number }): number {
  return lost === 0 ? 0 : lost / (received + lost);
}

function unknown(second: number): Sample {
  return {
    second,
    received: undefined,
    lost: undefined,
    recovered: undefined,
    bitsPerSecond: undefined,
  };
}

function sum(sample: Sample, before: StreamSnapshot, after: StreamSnapshot): void {
  sample.received = (sample.received ?? 0) + after.packets - before.packets;
  sample.lost = (sample.lost ?? 0) + Math.max(0, after.unrecovered - before.unrecovered);
  sample.recovered = (sample.recovered ?? 0) + Math.max(0, after.recovered - before.recovered);
  sample.bitsPerSecond = after.bitsPerSecond;
}
