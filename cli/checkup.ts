/**
 * What `lancast doctor` makes of this machine: each check turns facts into a finding, and knows the remedy.
 *
 * Pure: `doctor.ts` gathers the facts.
 */
import type { ChosenEngine } from '../transport/engine.ts';
import { formatBytes, formatMs, formatRate } from './format.ts';

/** What one check found. */
export interface Finding {
  /** Short, as a column: `engine`. */
  check: string;
  /** `warning`: lancast works, and could do better. `wrong`: it does not work. */
  state: 'well' | 'warning' | 'wrong';
  words: string;
  /** A command to type, or what else to do; for what is not well. */
  fix?: string;
}

/** What is known of this machine. */
export interface MachineFacts {
  node: { version: string; oldest: string };
  engine: { kind: ChosenEngine['engine']['kind']; reason: string };
  platform: NodeJS.Platform;
  /** True when LANCAST_NO_NATIVE=1 is set. */
  withoutNative: boolean;
  /** `undefined` when there is none that runs. */
  ffmpeg: { path: string; version: string } | undefined;
  /** The kernel's buffer for a receiving socket, in bytes. */
  receiveBuffer: { asked: number; granted: number };
  /** The commands that install them here. */
  install: { compiler: string; ffmpeg: string };
}

/** A programme of this rate fills a small buffer in a few milliseconds. */
const FAST_BITS_PER_SECOND = 200e6;

/** One row for each check, in the order they are told. */
export const CHECKS: readonly ((facts: MachineFacts) => Finding)[] = [
  judgeNode,
  judgeEngine,
  judgeFfmpeg,
  judgeBuffer,
];

function judgeNode({ node }: MachineFacts): Finding {
  const well = atLeast(node.version, node.oldest);
  const words = `Node.js ${node.version}`;
  if (well) return { check: 'node', state: 'well', words };
  return {
    check: 'node',
    state: 'wrong',
    words: `${words} is too old: ${node.oldest} or newer is needed`,
    fix: 'https://nodejs.org',
  };
}

function judgeEngine({ engine, platform, withoutNative, install }: MachineFacts): Finding {
  const check = 'engine';
  if (engine.kind === 'native') return { check, state: 'well', words: `native: ${engine.reason}` };
  const words = `JavaScript: ${engine.reason}`;
  if (withoutNative || platform !== 'linux') return { check, state: 'well', words };
  const rebuild = 'npm rebuild';
  const fix = /compiler/.test(engine.reason) ? `${install.compiler}, then ${rebuild}` : rebuild;
  return { check, state: 'warning', words: `${words}; sending and receiving cost up to ten times more`, fix };
}

function judgeFfmpeg({ ffmpeg, install }: MachineFacts): Finding {
  const check = 'ffmpeg';
  if (ffmpeg) return { check, state: 'well', words: `${ffmpeg.version} (${ffmpeg.path})` };
  const words = 'not installed: .ts files can be sent, other films and the test pattern cannot';
  return { check, state: 'warning', words, fix: install.ffmpeg };
}

function judgeBuffer({ receiveBuffer: { asked, granted }, platform }: MachineFacts): Finding {
  const check = 'buffer';
  if (granted >= asked) return { check, state: 'well', words: `${formatBytes(granted)} for what arrives` };
  const lasts = formatMs((8000 * granted) / FAST_BITS_PER_SECOND);
  const words = `${formatBytes(granted)} of ${formatBytes(asked)} for what arrives: full after ${lasts} at ${formatRate(FAST_BITS_PER_SECOND)}`;
  const fix =
    platform === 'linux'
      ? 'sudo sysctl -w net.core.rmem_max=33554432'
      : "raise the system's limit for socket buffers";
  return { check, state: 'warning', words, fix };
}

/** Compares versions of the form 20.19.0. */
function atLeast(version: string, oldest: string): boolean {
  const [own, wanted] = [version, oldest].map((text) => text.split('.').map(Number));
  for (const [index, part] of (wanted ?? []).entries()) {
    const difference = (own?.[index] ?? 0) - part;
    if (difference !== 0) return difference > 0;
  }
  return true;
}
