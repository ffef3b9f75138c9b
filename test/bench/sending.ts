/** One 20 Mbit/s programme, sent by lancast and by multicat in turn: cost and evenness. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startCapture, type Captured } from './capture.ts';
import { Measured } from './processes.ts';
import { median, type Row } from './table.ts';

/** What the benchmarks with processes work with. */
export interface Bench {
  /** The compiled program `lancast`. */
  lancast: string;
  /** The compiled `capture.c`. */
  capture: string;
  /** A TS file of 20 Mbit/s, long enough, with multicat's index beside it. */
  film: string;
  /** A folder for what is written. */
  folder: string;
}

/** Media time the film must have. */
export const FILM_SECONDS = 16;

const GROUP = '239.255.13.77';
const ROUNDS = 3;
const STEADY_AFTER_MS = 2500;
const WINDOW_SECONDS = 10;

interface Figures {
  cpu: number[];
  rssMb: number[];
  captured: Captured[];
}

/** Rows on cost, pacing and start-up. */
export async function benchSending(bench: Bench): Promise<Row[]> {
  const ours: Figures = { cpu: [], rssMb: [], captured: [] };
  const multicat: Figures = { cpu: [], rssMb: [], captured: [] };
  let port = 5104;
  for (let round = 0; round < ROUNDS; round++) {
    const send = [bench.lancast, 'send', bench.film, '--iface', 'lo', '--to', `rtp://${GROUP}:${port}`];
    await measure(bench, { program: process.execPath, args: send, port, into: ours });
    port += 10;
    await measure(bench, {
      program: 'multicat',
      args: [bench.film, `${GROUP}:${port}`],
      port,
      into: multicat,
    });
    port += 10;
  }
  return [...rows(ours, multicat), await startUp(bench, port)];
}

async function measure(
  bench: Bench,
  run: { program: string; args: string[]; port: number; into: Figures },
): Promise<void> {
  await using sender = new Measured(run.program, run.args);
  await sleep(STEADY_AFTER_MS);
  const listen = { group: GROUP, port: run.port, seconds: WINDOW_SECONDS, idleMs: 1000 };
  const { captured } = await startCapture(bench.capture, listen);
  run.into.cpu.push(await sender.cpuPercent((WINDOW_SECONDS - 1) * 1000));
  run.into.rssMb.push(sender.peakRssMb);
  run.into.captured.push(await captured);
}

function rows(ours: Figures, multicat: Figures): Row[] {
  const work = 'send 20 Mbit/s:';
  const cpu = median(ours.cpu);
  const peerCpu = median(multicat.cpu);
  const error = (figures: Figures, of: 'pcr50Us' | 'pcr99Us' | 'pcr999Us'): number =>
    median(figures.captured.map((each) => each[of] ?? Number.NaN)) / 1000;
  const errors = (figures: Figures): string =>
    (['pcr50Us', 'pcr99Us', 'pcr999Us'] as const).map((of) => error(figures, of).toFixed(2)).join(' / ');
  const burst = (figures: Figures): number => Math.max(...figures.captured.map((each) => each.burst));
  const rss = Math.max(...ours.rssMb);
  return [
    {
      work: `${work} CPU of one core`,
      lancast: `${cpu.toFixed(2)} %`,
      peer: `multicat ${peerCpu.toFixed(2)} %`,
      ratio: cpu / peerCpu,
      goal: 'ratio ≤ 1',
      met: cpu <= peerCpu,
    },
    {
      work: `${work} PCR error p50 / p99 / p99.9`,
      lancast: `${errors(ours)} ms`,
      peer: `multicat ${errors(multicat)} ms`,
      goal: 'p99 ≤ 2 ms',
      met: error(ours, 'pcr99Us') <= 2,
    },
    {
      work: `${work} longest burst`,
      lancast: `${burst(ours)} datagrams`,
      peer: `multicat ${burst(multicat)}`,
      goal: '≤ 12',
      met: burst(ours) <= 12,
    },
    {
      work: `${work} memory`,
      lancast: `${rss.toFixed(0)} MB`,
      peer: `multicat ${Math.max(...multicat.rssMb).toFixed(0)} MB`,
      goal: '≤ 100 MB',
      met: rss <= 100,
    },
  ];
}

async function startUp(bench: Bench, firstPort: number): Promise<Row> {
  const times: number[] = [];
  for (let port = firstPort; times.length < ROUNDS; port += 10) {
    const { captured } = await startCapture(bench.capture, { group: GROUP, port, seconds: 2, idleMs: 1000 });
    const started = Date.now();
    const args = [bench.lancast, 'send', bench.film, '--iface', 'lo', '--to', `rtp://${GROUP}:${port}`];
    await using _sender = new Measured(process.execPath, args);
    times.push(((await captured).first ?? Number.NaN) * 1000 - started);
  }
  const ms = median(times);
  return {
    work: 'start-up to the first datagram',
    lancast: `${ms.toFixed(0)} ms`,
    goal: '≤ 250 ms',
    met: ms <= 250,
  };
}
