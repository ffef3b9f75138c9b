/**
 * Learns what the network loses of a stream, and says which setting of FEC would have repaired it (`wire/fec/advice.ts`).
 *
 * It is told only of what is lost, and of no index before it is certain: an index is lost when it did not come by itself in time,
 * whatever repair did about it.
 */
import { advise } from '../wire/fec/advice.ts';
import type { FecSetting } from '../wire/fec/fec-setting.ts';
import { LossPattern } from '../wire/loss-pattern.ts';
import type { RepairAdvice } from '../wire/metrics.ts';

/** What was lost longer ago is no reason for advice. */
const LOSSES_MS = 300_000;
/** Advice is worked out so often at most. */
const FRESH_MS = 5000;

const NONE: readonly RepairAdvice[] = [];

/** For one run of indexes: a new epoch needs a new one. */
export class RepairAdvisor {
  /** What the network lost. */
  readonly pattern = new LossPattern();
  readonly #latencyMs: number;
  #advice = NONE;
  #freshUntil = -Infinity;

  /** @param latencyMs how long the receiver waits for what is missing */
  constructor(latencyMs: number) {
    this.#latencyMs = latencyMs;
  }

  /**
   * The best settings for the losses of the last five minutes, the cheapest first; those that take longer than the latency last.
   *
   * @param datagramsPerSecond the rate of the stream
   * @param present what protects it now, as far as that is known
   */
  advice(now: number, datagramsPerSecond: number, present?: FecSetting): readonly RepairAdvice[] {
    if (now < this.#freshUntil) return this.#advice;
    if (!(datagramsPerSecond > 0)) return NONE;
    const from = this.pattern.end - (datagramsPerSecond * LOSSES_MS) / 1000;
    const options = { from, datagramsPerSecond, latencyMs: this.#latencyMs };
    this.#advice = advise(this.pattern, present ? { ...options, present } : options);
    this.#freshUntil = now + FRESH_MS;
    return this.#advice;
  }
}
