/** Which Reed-Solomon setting would have repaired what receivers lost: the cheapest that does for all who can be helped. */
import { BLOCK_CANDIDATES, type Candidate, missedInAll, phasesOf } from '../wire/fec/advice.ts';
import type { Trial } from '../wire/fec/trial.ts';

/** What is to be repaired of the losses of one receiver. */
interface Demand {
  trial: Trial;
  /** So many may be missed, in all phases of the trial together. */
  mayMiss: number;
  /** All but a thousandth can be repaired. */
  isReachable: boolean;
}

/** Of what a receiver lost this much may be missed. */
const MAY_MISS = 0.001;
/** Who cannot be helped that far, but this far, gets what is almost the best. */
const LEAST_HELP = 0.5;
const ALMOST = 0.01;

export class FecChoice {
  readonly #candidates: readonly Candidate[];
  readonly #demands: readonly Demand[];

  /**
   * @param trials on what each receiver lost, outages left out
   * @param mostWait what takes more datagrams than this (`repairWait`) comes too late
   */
  constructor(trials: readonly Trial[], mostWait: number) {
    this.#candidates = BLOCK_CANDIDATES.filter(({ wait }) => wait <= mostWait);
    const strongest = this.#candidates.filter(isStrongest).reverse();
    this.#demands = trials
      .map((trial) => demandOf(trial, strongest))
      .filter((demand) => demand !== undefined)
      .sort((a, b) => b.trial.lost - a.trial.lost); // who lost most decides soonest
  }

  /** Whether a setting does for all. */
  isEnough(candidate: Candidate): boolean {
    return this.#candidates.includes(candidate) && this.#demands.every((demand) => meets(candidate, demand));
  }

  /** The cheapest of all; `undefined`: each would take too long. */
  get lightest(): Candidate | undefined {
    return this.#candidates[0];
  }

  /**
   * The cheapest that does for all, or for those who can be helped; with one repair packet more, for the next minute will not be as
   * the last one was. `undefined`: nothing helps anybody.
   */
  get best(): Candidate | undefined {
    const all = this.#demands;
    const cheapest =
      this.#cheapestFor(all) ??
      this.#cheapestFor(all.filter(({ isReachable }) => isReachable)) ??
      this.#cheapestFor(all.slice(0, 1));
    return cheapest && (this.#candidates.find((other) => hasOneMore(other, cheapest)) ?? cheapest);
  }

  #cheapestFor(demands: readonly Demand[]): Candidate | undefined {
    let hardest = demands[0]; // where the last one failed the next one fails most likely
    if (!hardest) return undefined;
    return this.#candidates.find((candidate) => {
      if (hardest && !meets(candidate, hardest)) return false;
      const failed = demands.find((demand) => !meets(candidate, demand));
      hardest = failed ?? hardest;
      return failed === undefined;
    });
  }
}

function meets({ setting }: Candidate, { trial, mayMiss }: Demand): boolean {
  return missedInAll(trial, setting, mayMiss) <= mayMiss;
}

/** `undefined`: nothing helps. */
function demandOf(trial: Trial, strongest: readonly Candidate[]): Demand | undefined {
  const lost = trial.lost * phasesOf(trial);
  const mayMiss = Math.floor(lost * MAY_MISS);
  let least = lost;
  for (const { setting } of strongest) {
    if (least <= mayMiss) break;
    least = Math.min(least, missedInAll(trial, setting, least));
  }
  if (least <= mayMiss) return { trial, mayMiss, isReachable: true };
  if (least > lost * (1 - LEAST_HELP)) return undefined;
  return { trial, mayMiss: least + Math.floor(lost * ALMOST), isReachable: false };
}

/** Of those that differ in their repair packets only, the one that has most. */
function isStrongest(candidate: Candidate, _at: number, all: readonly Candidate[]): boolean {
  return !all.some((other) => hasOneMore(other, candidate));
}

/** They differ in one repair packet only. */
function hasOneMore({ setting: a }: Candidate, { setting: b }: Candidate): boolean {
  if (a.kind !== 'rs' || b.kind !== 'rs') return false;
  const isAlike = a.shape.dataShards === b.shape.dataShards && a.shape.interleave === b.shape.interleave;
  return isAlike && a.shape.parityShards === b.shape.parityShards + 1;
}
