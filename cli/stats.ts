/** `lancast stats`: a line of counters each second, in the manner of iperf. */
import type { MediaAddress } from '../wire/address.ts';
import type { StreamSnapshot } from '../wire/metrics.ts';
import { command, defaulted, single, type Context } from './command.ts';
import { tellEngine } from './engine.ts';
import { formatMs, formatRate, formatShare } from './format.ts';
import type { JsonEvent } from './output.ts';
import { openStream, receiveOptions, streamAddress, type ReceiveValues } from './receiving.ts';
import { report } from './report.ts';
import { pause } from './signal.ts';
import { followTroubles } from './troubles.ts';
import { duration, integer } from './values.ts';

const HEADER = ['time', 'bitrate', 'jitter', 'lost/total', 'recovered', 'late', 'buffer', 'health'] as const;
const WIDTHS = [10, 12, 10, 22, 11, 6, 10, 0] as const;
const HEADER_EVERY = 20;

export const stats = command({
  name: 'stats',
  summary: 'receive a stream and print its counters, a line a second',
  examples: [
    ['lancast stats rtp://239.255.1.1:5004', 'until Ctrl-C'],
    ['lancast stats rtp://239.255.1.1:5004 --json --count 60', 'a minute, for a program'],
  ],
  arguments: {
    url: single('URL', streamAddress, 'the stream: rtp://…, udp://…, seq://… or an address alone'),
  },
  options: {
    ...receiveOptions,
    interval: defaulted(single('TIME', duration(100, 3_600_000), 'time between two lines'), '1s'),
    count: single('N', integer(1, 1e9), 'end after so many lines'),
  },
  run: printStats,
});

interface StatsValues extends ReceiveValues {
  url: MediaAddress;
  interval: number;
  count: number | undefined;
}

async function printStats(values: StatsValues, { output, signal }: Context): Promise<number> {
  await tellEngine(values, output);
  const stream = await openStream(values.url, values);
  const { session, silence } = stream;
  followTroubles(stream, output);
  let before = session.snapshot();
  let lines = 0;
  for (; lines < (values.count ?? Infinity) && !signal.aborted; lines++) {
    await pause((lines + 1) * values.interval - stream.openMs(), signal);
    if (signal.aborted) break;
    const after = session.snapshot();
    const row = rowOf(before, after, { at: new Date(), intervalMs: values.interval });
    if (lines % HEADER_EVERY === 0) output.print(line(HEADER));
    output.print(line(wordsOf(row)));
    output.event(eventOf(row));
    before = after;
  }
  await session.close();
  const nothing = before.packets === 0 && !signal.aborted;
  return nothing ? report(silence.diagnose(before, (lines * values.interval) / 1000), output) : 0;
}

/** What happened between two snapshots. */
export interface StatsRow {
  at: Date;
  name: string;
  bitsPerSecond: number;
  packets: number;
  lost: number;
  recovered: number;
  unrecovered: number;
  late: number;
  duplicate: number;
  reordered: number;
  continuityErrors: number;
  /** What this PC itself dropped; `undefined` when the system does not tell. */
  kernelDrops: number | undefined;
  /** How often it was too busy; `undefined` when the engine does not tell. */
  overruns: number | undefined;
  jitterMs: number | undefined;
  bufferMs: number;
}

/** The row between two snapshots of one stream. */
export function rowOf(
  before: StreamSnapshot,
  after: StreamSnapshot,
  { at, intervalMs }: { at: Date; intervalMs: number },
): StatsRow {
  return {
    at,
    name: after.name,
    bitsPerSecond: Math.round(((after.bytes - before.bytes) * 8000) / intervalMs),
    packets: after.packets - before.packets,
    lost: after.lost - before.lost,
    recovered: after.recovered - before.recovered,
    unrecovered: after.unrecovered - before.unrecovered,
    late: after.late - before.late,
    duplicate: after.duplicate - before.duplicate,
    reordered: after.reordered - before.reordered,
    continuityErrors: after.continuityErrors - before.continuityErrors,
    kernelDrops: difference(before.kernelDrops, after.kernelDrops),
    overruns: difference(before.overruns, after.overruns),
    jitterMs: after.jitterMs,
    bufferMs: after.bufferMs,
  };
}

function difference(before: number | undefined, after: number | undefined): number | undefined {
  return after === undefined ? undefined : after - (before ?? 0);
}

/** How it is doing, in a word: `good`, `fair` (below 1 % missing), `bad`, `silent`. */
export function healthOf({ packets, unrecovered, continuityErrors }: StatsRow): string {
  if (packets + unrecovered === 0) return 'silent';
  if (unrecovered === 0 && continuityErrors === 0) return 'good';
  return unrecovered / (packets + unrecovered) < 0.01 ? 'fair' : 'bad';
}

function wordsOf(row: StatsRow): string[] {
  const total = row.packets + row.unrecovered;
  return [
    row.at.toTimeString().slice(0, 8),
    formatRate(row.bitsPerSecond),
    formatMs(row.jitterMs),
    `${row.lost}/${total}`.padEnd(9) + ` (${formatShare(row.lost, total)})`,
    String(row.recovered),
    String(row.late),
    formatMs(row.bufferMs),
    row.kernelDrops ? `${healthOf(row)}, ${row.kernelDrops} dropped by this PC` : healthOf(row),
  ];
}

function eventOf({ at, name, ...counters }: StatsRow): JsonEvent {
  return { event: 'stats', t: at.toISOString(), channel: name, ...counters };
}

function line(words: readonly string[]): string {
  return `  ${words.map((word, index) => word.padEnd(WIDTHS[index] ?? 0)).join('')}`.trimEnd();
}
