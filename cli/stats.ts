/** `lancast stats`: a line of counters each second, in the manner of iperf. */
import type { MediaAddress } from '../wire/address.ts';
import type { LossByCause, StreamSnapshot } from '../wire/metrics.ts';
import { command, defaulted, single, type Context } from './command.ts';
import { tellEngine } from './engine.ts';
import { formatMs, formatRate, formatShare, plural } from './format.ts';
import { lossSentences, repairLines } from './losses.ts';
import type { JsonEvent, Voice } from './output.ts';
import { openStream, receiveOptions, streamAddress, type ReceiveValues } from './receiving.ts';
import { report } from './report.ts';
import { pause } from './signal.ts';
import { followTroubles } from './troubles.ts';
import { duration, integer } from './values.ts';

const HEADER = ['time', 'bitrate', 'jitter', 'lost/total', 'recovered', 'late', 'buffer', 'health'] as const;
const WIDTHS = [10, 10, 7, 18, 17, 5, 7, 0] as const;
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
    output.print(lineOf(row));
    output.event(eventOf(row));
    before = after;
  }
  await session.close();
  if (before.packets === 0 && !signal.aborted) {
    return report(silence.diagnose(before, (lines * values.interval) / 1000), output);
  }
  sayEnd(session.snapshot(), { latencyMs: values.latency, voice: output });
  return 0;
}

/** All that was lost by the end, by cause; what repair did, and what it could have done. */
function sayEnd(snapshot: StreamSnapshot, { latencyMs, voice }: { latencyMs: number; voice: Voice }): void {
  const { packets, lost, lossMayBeUnderstated } = snapshot;
  if (packets === 0) return;
  const sentences = lossSentences(snapshot);
  if (sentences.length === 0) {
    const whole = lossMayBeUnderstated ? 'no loss seen' : lost > 0 ? 'none lost for good' : 'none lost';
    voice.say(`  ✓ received     ${plural(packets, 'datagram')}, ${whole}`);
  }
  for (const sentence of sentences) voice.say(`  ! ${sentence}`);
  for (const words of repairLines(snapshot, latencyMs)) voice.say(words);
}

/** What happened between two snapshots. */
export interface StatsRow {
  at: Date;
  name: string;
  bitsPerSecond: number;
  packets: number;
  lost: number;
  recovered: number;
  /** Of `recovered`: by forward error correction; `undefined` where nothing is repaired. */
  recoveredFec: number | undefined;
  /** Of `recovered`: asked for and sent again; `undefined` where nothing is repaired. */
  recoveredNack: number | undefined;
  unrecovered: number;
  /** By cause. Negative where a loss of an earlier row moved to another cause, such as from `network` to `late`. */
  causes: LossByCause | undefined;
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
  /** Bare MPEG-TS: what is under `network` may have been missing in the source. */
  lossMayBeUnderstated: boolean;
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
    recoveredFec: difference(before.repair?.fec, after.repair?.fec),
    recoveredNack: difference(before.repair?.retransmitted, after.repair?.retransmitted),
    unrecovered: after.unrecovered - before.unrecovered,
    causes: causesBetween(before.causes, after.causes),
    late: after.late - before.late,
    duplicate: after.duplicate - before.duplicate,
    reordered: after.reordered - before.reordered,
    continuityErrors: after.continuityErrors - before.continuityErrors,
    kernelDrops: difference(before.kernelDrops, after.kernelDrops),
    overruns: difference(before.overruns, after.overruns),
    jitterMs: after.jitterMs,
    bufferMs: after.bufferMs,
    lossMayBeUnderstated: after.lossMayBeUnderstated,
  };
}

function causesBetween(
  before: LossByCause | undefined,
  after: LossByCause | undefined,
): LossByCause | undefined {
  if (after === undefined || before === undefined) return after;
  return {
    network: after.network - before.network,
    ownBuffer: after.ownBuffer - before.ownBuffer,
    late: after.late - before.late,
    overflow: after.overflow - before.overflow,
    source: after.source - before.source,
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

/** The row as a line for people: up to 100 characters while numbers are what they usually are. */
export function lineOf(row: StatsRow): string {
  // What is lost now may be waited for, and what lies behind it with it.
  const total = Math.max(row.lost, row.packets + row.unrecovered);
  return line([
    row.at.toTimeString().slice(0, 8),
    formatRate(row.bitsPerSecond),
    formatMs(row.jitterMs),
    `${row.lost}/${total}`.padEnd(8) + ` (${formatShare(row.lost, total)})`,
    recoveredWords(row),
    String(row.late),
    formatMs(row.bufferMs),
    healthWords(row),
  ]);
}

/** `0`, `4 (fec 3,nack 1)`. */
function recoveredWords({ recovered, recoveredFec: fec, recoveredNack: nack }: StatsRow): string {
  const kinds = [...(fec ? [`fec ${fec}`] : []), ...(nack ? [`nack ${nack}`] : [])];
  return kinds.length === 0 ? String(recovered) : `${recovered} (${kinds.join(',')})`;
}

/** `good`, `bad: network 3,buffer 2`. What was late has a column of its own. */
function healthWords(row: StatsRow): string {
  const { causes, kernelDrops, lossMayBeUnderstated } = row;
  const named: [name: string, count: number | undefined][] = [
    [lossMayBeUnderstated ? 'network?' : 'network', causes?.network],
    ['buffer', causes?.ownBuffer],
    ['no room', causes?.overflow],
    ['source', causes?.source],
  ];
  const found = named.flatMap(([name, count = 0]) => (count > 0 ? [`${name} ${count}`] : []));
  if (found.length > 0) return `${healthOf(row)}: ${found.join(',')}`;
  return kernelDrops ? `${healthOf(row)}, ${kernelDrops} dropped here` : healthOf(row);
}

function eventOf({ at, name, ...counters }: StatsRow): JsonEvent {
  return { event: 'stats', t: at.toISOString(), channel: name, ...counters };
}

/** Columns; one that is too wide pushes the others on. */
function line(words: readonly string[]): string {
  return `  ${words.map((word, index) => `${word} `.padEnd(WIDTHS[index] ?? 0)).join('')}`.trimEnd();
}
