/** What another way to protect a stream would have done, in a sentence: the same in the program and on the page. Pure. */
import type { RepairAdvice, RepairSnapshot } from './metrics.ts';

/** `5×10 would have repaired 99.3 % for 10 % more data, 10×5 all of it for 20 % more`; `undefined` when there is nothing to advise. */
export function adviceSentence(advice: readonly RepairAdvice[]): string | undefined {
  const [first] = advice;
  if (first === undefined) return undefined;
  const cost = more(first);
  const isOnePrice = advice.every((each) => more(each) === cost);
  const parts = advice.map((each, at) => {
    const name = settingWords(each.setting);
    const repaired = `${at === 0 ? 'would have repaired ' : ''}${shareWords(each.repairedShare)}`;
    if (isOnePrice) return `${name} ${repaired}`;
    return `${name} ${repaired} for ${more(each)} more${at === 0 ? ' data' : ''}`;
  });
  return `${parts.join(', ')}${isOnePrice ? `, for ${cost} more data` : ''}`;
}

/**
 * What to type for the setting that repairs most: `send with --fec 2022:10x5, receive with --latency 650ms`.
 *
 * @param latencyMs how long the receiver waits for what is missing; absent: not known, and taken for the 200 ms of the default
 */
export function adviceRemedy(advice: readonly RepairAdvice[], latencyMs = 200): string | undefined {
  const best = advice.at(-1);
  if (best === undefined) return undefined;
  const latency = best.delayMs < latencyMs ? '' : `, receive with --latency ${nextTen(best.delayMs)}ms`;
  return `send with --fec ${best.setting}${latency}`;
}

/**
 * That what repairs comes after what it repairs was given up, and what to type: `FEC 10×10 takes up to 640 ms to
 * repair, longer than is waited for: receive with --latency 750ms`; `undefined` where it is in time.
 */
export function tooSlowSentence({ setting, tooSlowMs }: RepairSnapshot): string | undefined {
  if (setting === undefined || tooSlowMs === undefined) return undefined;
  const needed = `FEC ${settingWords(setting)} takes up to ${Math.round(tooSlowMs)} ms to repair`;
  return `${needed}, longer than is waited for: receive with --latency ${latencyFor(tooSlowMs)}ms`;
}

/** A `--latency` that gives repair the time it needs, with a margin: rates change. Milliseconds. */
export function latencyFor(neededMs: number): number {
  return Math.ceil((neededMs * 1.1) / 50) * 50;
}

/** A setting of `--fec` as people say it: `10×5`, `10×5 with rows`, `RS 20+5`, `RS 20+5 interleaved by 4`. */
export function settingWords(setting: string): string {
  const matrix = /^2022:(\d+)x(\d+)(\+rows)?$/.exec(setting);
  if (matrix) return `${matrix[1]}×${matrix[2]}${matrix[3] === undefined ? '' : ' with rows'}`;
  const blocks = /^rs:(\d+),(\d+)(?:,(\d+))?$/.exec(setting);
  if (!blocks) return setting;
  return `RS ${blocks[1]}+${blocks[2]}${blocks[3] === undefined ? '' : ` interleaved by ${blocks[3]}`}`;
}

/** Rounded down, so that "all" is all. */
function shareWords(share: number): string {
  if (share >= 1) return 'all of it';
  const percent = Math.floor(share * 1000) / 10;
  return percent === 0 ? 'hardly any' : `${percent} %`;
}

function more({ overheadShare }: RepairAdvice): string {
  const percent = overheadShare * 100;
  return `${percent < 9.95 ? Number(percent.toFixed(1)) : Math.round(percent)} %`;
}

/** The first whole ten of milliseconds above. */
function nextTen(ms: number): number {
  return Math.floor(ms / 10) * 10 + 10;
}
