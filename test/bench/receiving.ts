/** Streams received to files, fifty of 8 Mbit/s at once and one of 1 Gbit/s: what the whole receiver costs. */
import { absence, type Bench, type Findings } from './bench.ts';
import { channelPorts } from './films.ts';
import type { Measured } from './processes.ts';
import {
  HASHED,
  MULTICAT_RECORDER,
  UNHASHED,
  record,
  type Recorded,
  type Recorder,
  type Window,
} from './recorders.ts';
import { MULTICAT, lancastSender } from './senders.ts';
import { formatFigure, median, ratioRow, type Row } from './table.ts';

const GROUP = '239.255.13.73';
const ROUNDS = 3;
const CHANNELS = 50;
/** Streams are received for days: what the first seconds cost, in which V8 compiles what runs often, is left out. */
const MANY = { filmSeconds: 14, window: { afterMs: 7500, ms: 5000 } };
const FAST_WINDOW = { afterMs: 2500, ms: 5000 };
const RECORDERS = [UNHASHED, HASHED, MULTICAT_RECORDER];

/** What is sent, how, and what is aimed at. */
interface Load {
  work: string;
  /** Who sends, and how the datagrams are handed to the kernel. */
  by: string;
  /** The peer that sends, when it is not lancast. */
  peer?: string;
  film: string;
  ports: readonly number[];
  startSenders: () => Measured[];
  window: Window;
  /** Most of multicat's CPU, without and with hashing. */
  goals: { unhashed: number; hashed: number };
}

type Found = ReadonlyMap<Recorder, Recorded[]>;

/** Rows on cost and on wholeness; and the receivers side by side. */
export async function benchReceiving(bench: Bench): Promise<Findings> {
  const rows: Row[] = [];
  const lines: string[][] = [];
  for (const load of [...manyLoads(bench), ...fastLoads(bench)]) {
    const missing = load.peer && absence(bench, load.peer);
    if (missing !== undefined) {
      const { unhashed, hashed } = load.goals;
      const goal = `ratio ≤ ${unhashed.toFixed(2)}, with hashing ≤ ${hashed.toFixed(2)}, nothing lost`;
      rows.push({ work: `${load.work} to files, ${load.by}`, lancast: 'not measured', peer: missing, goal });
      continue;
    }
    const found = await compare(bench, load);
    rows.push(...rowsOf(bench, load, found));
    lines.push(...linesOf(load, found));
  }
  const head = ['receiver', 'load', 'CPU, µs a datagram', 'CPU, % of a core', 'memory, MB', 'whole files'];
  return { rows, tables: [{ title: `The receivers side by side (medians of ${ROUNDS} runs)`, head, lines }] };
}

const GSO = 'sent by lancast';
const SINGLE = 'sent by multicat, each datagram by itself';

function manyLoads(bench: Bench): Load[] {
  const ports = channelPorts(CHANNELS);
  const film = bench.films.channel(MANY.filmSeconds);
  const folder = bench.films.channels(CHANNELS, MANY.filmSeconds);
  const goals = { unhashed: 0.4, hashed: 0.5 };
  const all = { work: `${CHANNELS} × 8 Mbit/s`, film, ports, window: MANY.window, goals };
  const [port = 0] = ports;
  const single = (): Measured[] => ports.map((port) => MULTICAT.start(bench, film, { group: GROUP, port }));
  return [
    {
      ...all,
      by: GSO,
      startSenders: () => [lancastSender('lancast').start(bench, folder, { group: GROUP, port })],
    },
    { ...all, by: SINGLE, peer: 'multicat', startSenders: single },
  ];
}

function fastLoads(bench: Bench): Load[] {
  const film = bench.films.fast;
  const ports = channelPorts(1);
  const to = { group: GROUP, port: ports[0] ?? 0 };
  const all = { work: '1 Gbit/s', film, ports, window: FAST_WINDOW, goals: { unhashed: 0.7, hashed: 1 } };
  return [
    { ...all, by: GSO, startSenders: () => [lancastSender('lancast').start(bench, film, to)] },
    { ...all, by: SINGLE, peer: 'multicat', startSenders: () => [MULTICAT.start(bench, film, to)] },
  ];
}

async function compare(bench: Bench, load: Load): Promise<Found> {
  const found = new Map<Recorder, Recorded[]>(RECORDERS.map((recorder) => [recorder, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [recorder, runs] of found) {
      if (recorder.peer !== undefined && absence(bench, recorder.peer) !== undefined) continue;
      runs.push(await record(bench, recorder, { ...load, group: GROUP }));
    }
  }
  return found;
}

const usOf = (runs: readonly Recorded[] = []): number => median(runs.map(({ us }) => us));

function rowsOf(bench: Bench, load: Load, found: Found): Row[] {
  const { work, by, goals, ports } = load;
  const missing = absence(bench, 'multicat');
  const multicat = { name: 'multicat', figure: missing ?? usOf(found.get(MULTICAT_RECORDER)) };
  const against = (recorder: Recorder, how: string, most: number): Row =>
    ratioRow({
      work: `${work} to files, ${by}: CPU a datagram, ${how}`,
      unit: 'µs',
      ours: usOf(found.get(recorder)),
      peer: multicat,
      most,
    });
  const ours = [...(found.get(UNHASHED) ?? []), ...(found.get(HASHED) ?? [])];
  const theirs = found.get(MULTICAT_RECORDER) ?? [];
  return [
    against(UNHASHED, 'without hashing', goals.unhashed),
    against(HASHED, 'with SHA-256', goals.hashed),
    wholeRow(`${work} to files, ${by}: nothing is lost, default receive buffer`, ours, {
      streams: ports.length,
      peer: missing ?? `multicat ${wholeWords(theirs, ports.length)}`,
    }),
  ];
}

/** The row of files that are the film byte for byte, and of what lancast itself says it lost. */
export function wholeRow(
  work: string,
  runs: readonly Recorded[],
  { streams, peer }: { streams: number; peer: string },
): Row {
  const lost = runs.reduce((sum, run) => sum + (run.lost ?? Number.NaN), 0);
  const judged = `${wholeWords(runs, streams)}, ${Number.isNaN(lost) ? 'loss not told' : `${lost} datagrams lost`}`;
  const whole = runs.length > 0 && runs.every((run) => run.whole === streams);
  return { work, lancast: judged, peer, goal: 'all whole, 0 lost', met: whole && lost === 0 };
}

function wholeWords(runs: readonly Recorded[], streams: number): string {
  const whole = runs.reduce((sum, run) => sum + run.whole, 0);
  return `${whole} of ${runs.length * streams} files whole`;
}

function linesOf({ work, by, ports }: Load, found: Found): string[][] {
  return [...found]
    .filter(([, runs]) => runs.length > 0)
    .map(([{ name }, runs]) => [
      name,
      `${work}, ${by}`,
      formatFigure(usOf(runs), ''),
      formatFigure(median(runs.map(({ cpuPercent }) => cpuPercent)), ''),
      formatFigure(Math.round(median(runs.map(({ rssMb }) => rssMb))), ''),
      wholeWords(runs, ports.length),
    ]);
}
