/** A film as fast as it goes, from the start of the program to its end: CPU for each datagram. */
import { setTimeout as sleep } from 'node:timers/promises';
import { DATAGRAM_BYTES, PAYLOAD_BYTES, absence, type Bench, type Findings } from './bench.ts';
import { multicastBytes } from './counters.ts';
import { FAST_DATAGRAMS } from './films.ts';
import { Measured, costOf } from './processes.ts';
import { limitRow, median, ratioRow, type Row } from './table.ts';

const GROUP = '239.255.13.74';
const FIRST_PORT = 6004;
const ROUNDS = 3;
const LIMIT_MS = 60_000;
/** The most that --bitrate takes, and more than anything here manages. */
const MOST = '10G';

/** Of each round: CPU for a datagram in microseconds, how many datagrams left, and how fast. */
interface Figures {
  us: number[];
  sent: number[];
  gigabits: number[];
}

/** Rows with a receiver that listens, and with nobody listening. */
export async function benchFlatOut(bench: Bench): Promise<Findings> {
  return { rows: [...(await race(bench, true)), ...(await race(bench, false))] };
}

async function race(bench: Bench, listening: boolean): Promise<Row[]> {
  const ours: Figures = { us: [], sent: [], gigabits: [] };
  const multicat: Figures = { us: [], sent: [], gigabits: [] };
  const missing = absence(bench, 'multicat');
  const film = bench.films.flatOut;
  for (let round = 0; round < ROUNDS; round++) {
    const port = FIRST_PORT + 20 * round + (listening ? 0 : 200);
    const to = ['--iface', 'lo', '--to', `rtp://${GROUP}:${port}`, '--bitrate', MOST];
    await send(bench, [process.execPath, bench.lancast, 'send', film, ...to], {
      port,
      listening,
      into: ours,
    });
    if (missing !== undefined) continue;
    await send(bench, ['multicat', film, `${GROUP}:${port + 10}`], {
      port: port + 10,
      listening,
      into: multicat,
    });
  }
  const to = listening ? 'to a receiver' : 'nobody listening';
  const share = (figures: Figures): number => (100 * Math.min(...figures.sent)) / FAST_DATAGRAMS;
  return [
    ratioRow({
      work: `1 GB flat out, ${to}: CPU a datagram, start-up included`,
      unit: 'µs',
      ours: median(ours.us),
      note: `${median(ours.gigabits).toFixed(1)} Gbit/s`,
      peer: { name: 'multicat', figure: missing ?? median(multicat.us) },
      // Nobody casts to nobody: that row only shows what reaching somebody adds.
      ...(listening && { most: 0.25 }),
    }),
    limitRow({
      work: `the same: handed to the kernel, of ${FAST_DATAGRAMS} datagrams (worst run)`,
      unit: '%',
      ours: share(ours),
      goal: { least: 99.99 },
      peer: missing ?? `multicat ${share(multicat).toFixed(2)} %`,
    }),
  ];
}

async function send(
  bench: Bench,
  command: readonly string[],
  { port, listening, into }: { port: number; listening: boolean; into: Figures },
): Promise<void> {
  await using _listener = listening ? await startListener(bench, port) : undefined;
  const before = multicastBytes();
  const { cpuNs, seconds } = await costOf(bench.cost, command, { limitMs: LIMIT_MS });
  const sent = (multicastBytes() - before) / DATAGRAM_BYTES;
  into.sent.push(sent);
  into.us.push(cpuNs / 1000 / sent);
  into.gigabits.push((sent * PAYLOAD_BYTES * 8) / 1e9 / seconds);
}

async function startListener({ listen }: Bench, port: number): Promise<Measured> {
  const listener = new Measured(listen, [GROUP, String(port), '127.0.0.1']);
  // It joins within a moment, and there is nothing that would cost to miss.
  await sleep(200);
  return listener;
}
