/**
 * Which setting of FEC would have repaired the losses that were seen, and at what cost: "5x10 would have repaired 99.3 %, 10x5 all
 * of it, for 10 % more data".
 */
import type { LossPattern } from '../loss-pattern.ts';
import type { RepairAdvice } from '../metrics.ts';
import { fecOverhead, fecSpan, formatFecSetting, repairWait, type FecSetting } from './fec-setting.ts';
import { Trial } from './trial.ts';

/** What advice depends on. */
export interface AdviceOptions {
  /** Losses before this index are left aside. */
  from: number;
  datagramsPerSecond: number;
  /** How long the receiver waits: what takes longer is advised only if nothing else repairs as much. Default: for ever. */
  latencyMs?: number;
  /** What protects the stream already: then only what does better is advised, or as well and costs less. */
  present?: FecSetting;
}

/** A setting that may be advised. */
export interface Candidate {
  setting: FecSetting;
  /** See `fecOverhead` and `repairWait`. */
  overhead: number;
  wait: number;
}

/** No setting that costs more is advised, nor chosen by `--fec auto`. */
export const MOST_OVERHEAD = 0.35;

/** Nobody knows where a first block would have begun: few losses are tried with several beginnings, 4 at most. */
const MOST_PHASES = 4;
const ENOUGH_LOSSES = 750;
/** What repairs less than this share is no help. */
const LEAST_HELP = 0.1;
/** The cheapest is named that repairs at least this share of what can be repaired. */
const MILESTONES = [0.5, 0.9, 0.99, 1];
/** Losses tried, the latest. */
const MOST_LOSSES = 1500;

const DATA_SHARDS = [5, 10, 20, 48];
const INTERLEAVES = [1, 2, 4, 8];

/** Reed-Solomon settings that may be chosen, the cheapest first, and of those the one that waits least. */
export const BLOCK_CANDIDATES: readonly Candidate[] = inOrderOfCost(blockSettings());
/** The same with rows and columns. */
const CANDIDATES: readonly Candidate[] = inOrderOfCost([...blockSettings(), ...matrixSettings()]);

/** With how many beginnings the losses of a trial are tried. */
export function phasesOf({ lost }: Trial): number {
  return Math.min(MOST_PHASES, Math.ceil(ENOUGH_LOSSES / lost));
}

/** How many of the losses would still be missing, in all phases together. Beyond `most` nobody asks. */
export function missedInAll(trial: Trial, setting: FecSetting, most = Infinity): number {
  const span = fecSpan(setting);
  const phases = phasesOf(trial);
  let missed = 0;
  for (let phase = 0; phase < phases && missed <= most; phase++)
    missed += trial.missed(setting, Math.floor((phase * span) / phases), most - missed);
  return missed;
}

/** What share of the losses a setting would have repaired, 0 to 1. */
export function repairedShare(trial: Trial, setting: FecSetting): number {
  return 1 - missedInAll(trial, setting) / (trial.lost * phasesOf(trial));
}

/**
 * The best settings for the losses since `from`, at most four: each repairs more than those before it and costs more, or takes
 * longer than the receiver waits. The last one repairs as much as any within `MOST_OVERHEAD`. None when nothing was lost, or nothing
 * would help.
 */
export function advise(pattern: LossPattern, options: AdviceOptions): RepairAdvice[] {
  const trial = new Trial(pattern, { from: options.from, most: MOST_LOSSES });
  if (trial.lost === 0) return [];
  const all = front(trial, options).filter(({ repairedShare }) => repairedShare >= LEAST_HELP);
  const best = all.at(-1)?.repairedShare ?? 0;
  const named = MILESTONES.map((share) => all.find(({ repairedShare }) => repairedShare >= share * best));
  const distinct = [...new Set(named)].filter((advice) => advice !== undefined);
  const { present } = options;
  if (!present) return distinct;
  const [share, overhead] = [repairedShare(trial, present), fecOverhead(present)];
  return distinct.filter(
    ({ repairedShare, overheadShare }) =>
      repairedShare > share || (repairedShare === share && overheadShare < overhead),
  );
}

/** Settings each of which repairs more than all before it: those that are in time first, the cheapest first. */
function front(trial: Trial, { datagramsPerSecond, latencyMs = Infinity }: AdviceOptions): RepairAdvice[] {
  const advice: RepairAdvice[] = [];
  const lost = trial.lost * phasesOf(trial);
  let missed = lost;
  for (const isInTime of [true, false]) {
    for (const { setting, overhead, wait } of CANDIDATES) {
      const delayMs = (wait * 1000) / datagramsPerSecond;
      if (delayMs <= latencyMs !== isInTime || missed === 0) continue;
      const left = missedInAll(trial, setting, missed - 1);
      if (left >= missed) continue;
      missed = left;
      advice.push({
        setting: formatFecSetting(setting),
        repairedShare: 1 - missed / lost,
        overheadShare: overhead,
        delayMs,
      });
    }
  }
  return advice;
}

function inOrderOfCost(settings: readonly FecSetting[]): Candidate[] {
  return settings
    .map((setting) => ({ setting, overhead: fecOverhead(setting), wait: repairWait(setting) }))
    .filter(({ overhead }) => overhead <= MOST_OVERHEAD)
    .sort((a, b) => a.overhead - b.overhead || a.wait - b.wait);
}

/** All of a few sizes of blocks: small ones for slow streams, large ones for much loss. */
function blockSettings(): FecSetting[] {
  const settings: FecSetting[] = [];
  for (const dataShards of DATA_SHARDS)
    for (let parityShards = 1; parityShards <= MOST_OVERHEAD * dataShards; parityShards++)
      for (const interleave of INTERLEAVES)
        settings.push({ kind: 'rs', shape: { dataShards, parityShards, interleave } });
  return settings;
}

/** All that the standard allows, with four columns at least. */
function matrixSettings(): FecSetting[] {
  const settings: FecSetting[] = [];
  for (let columns = 4; columns <= 20; columns++)
    for (let rows = 4; rows <= Math.min(20, 100 / columns); rows++) {
      settings.push({ kind: '2022', matrix: { columns, rows, rowPackets: false } });
      settings.push({ kind: '2022', matrix: { columns, rows, rowPackets: true } });
    }
  return settings;
}
