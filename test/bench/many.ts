/** Many programmes of 8 Mbit/s at once: by lancast from one process, by peers from a process each. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DATAGRAM_BYTES,
  PAYLOAD_BYTES,
  absence,
  type Bench,
  type Findings,
  STEADY_AFTER_MS,
} from './bench.ts';
import { startCapture, type Captured } from './capture.ts';
import { multicastBytes } from './counters.ts';
import { CHANNEL_BITS_PER_SECOND, channelPorts } from './films.ts';
import { CpuWindow, Measured, stopAll } from './processes.ts';
import { FFMPEG, MULTICAT, type SenderProgram } from './senders.ts';
import { formatFigure, limitRow, median, ratioRow, worstOf, type Row } from './table.ts';

const GROUP = '239.255.13.75';
const ROUNDS = 3;
const WINDOW_SECONDS = 6;
const FEW = 50;
const MANY = 200;
const DATAGRAMS_PER_SECOND = CHANNEL_BITS_PER_SECOND / 8 / PAYLOAD_BYTES;
const PORTS = channelPorts(FEW);

/** What one run came to. */
interface Figures {
  cpu: number;
  rssMb: number;
  /** Datagrams handed to the kernel a second, of all channels together. */
  rate: number;
  /** One of the channels. */
  captured: Captured;
}

/** Rows on 50 and on 200 programmes. */
export async function benchMany(bench: Bench): Promise<Findings> {
  const few: Figures[] = [];
  const many: Figures[] = [];
  const multicat: Figures[] = [];
  const ffmpeg: Figures[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    few.push(await measure(bench, [sendFolder(bench, FEW)]));
    many.push(await measure(bench, [sendFolder(bench, MANY)]));
    if (absence(bench, 'multicat') === undefined) multicat.push(await measure(bench, each(bench, MULTICAT)));
    if (absence(bench, 'ffmpeg') === undefined) ffmpeg.push(await measure(bench, each(bench, FFMPEG)));
  }
  return { rows: [...rowsOfFew({ few, multicat, ffmpeg }, bench), ...rowsOfMany(few, many)] };
}

/** A folder with so many films, each a channel, from one process. */
function sendFolder(bench: Bench, channels: number): Measured {
  const to = ['--iface', 'lo', '--to', `rtp://${GROUP}:${PORTS[0]}`];
  return new Measured(process.execPath, [bench.lancast, 'send', bench.films.channels(channels), ...to]);
}

/** Fifty programs, one for each channel. */
function each(bench: Bench, program: SenderProgram): Measured[] {
  const film = bench.films.channel();
  return PORTS.map((port) => program.start(bench, film, { group: GROUP, port }));
}

async function measure(bench: Bench, programs: Measured[]): Promise<Figures> {
  try {
    await sleep(STEADY_AFTER_MS);
    const [port = 0] = PORTS;
    const listen = { group: GROUP, port, seconds: WINDOW_SECONDS, idleMs: 1000 };
    const { captured } = await startCapture(bench.capture, listen);
    const bytesBefore = multicastBytes();
    const window = new CpuWindow(programs);
    await sleep((WINDOW_SECONDS - 1) * 1000);
    const { cpuNs, seconds } = window.close();
    const sent = multicastBytes() - bytesBefore;
    const rssMb = programs.reduce((sum, program) => sum + program.peakRssMb, 0);
    return {
      cpu: cpuNs / 1e7 / seconds,
      rssMb,
      rate: sent / DATAGRAM_BYTES / seconds,
      captured: await captured,
    };
  } finally {
    await stopAll(programs);
  }
}

const cpuOf = (all: readonly Figures[]): number => median(all.map(({ cpu }) => cpu));
const rssOf = (all: readonly Figures[]): number => median(all.map(({ rssMb }) => rssMb));

function rowsOfFew(found: { few: Figures[]; multicat: Figures[]; ffmpeg: Figures[] }, bench: Bench): Row[] {
  const { few, multicat, ffmpeg } = found;
  const against = (name: string, figures: Figures[], most: number): Row =>
    ratioRow({
      work: `${FEW} programmes, one process: CPU beside ${FEW} × ${name}`,
      unit: '% of a core',
      ours: cpuOf(few),
      peer: { name, figure: absence(bench, name) ?? cpuOf(figures) },
      most,
    });
  const memory = (name: string, figures: Figures[]): string =>
    absence(bench, name) ?? `${name} ${formatFigure(Math.round(rssOf(figures)), 'MB')}`;
  return [
    against('multicat', multicat, 0.1),
    against('ffmpeg', ffmpeg, 0.15),
    limitRow({
      work: `${FEW} programmes: memory`,
      unit: 'MB',
      ours: Math.round(rssOf(few)),
      goal: { most: 150 },
      peer: `${memory('multicat', multicat)}, ${memory('ffmpeg', ffmpeg)}`,
    }),
    ...wholeRows(FEW, few),
  ];
}

function rowsOfMany(few: Figures[], many: Figures[]): Row[] {
  const cpu = cpuOf(many);
  return [
    limitRow({
      work: `${MANY} programmes, 1.6 Gbit/s: CPU`,
      unit: '% of a core',
      ours: cpu,
      goal: { most: 20 },
    }),
    limitRow({
      work: `channels a core, extrapolated from ${MANY}`,
      unit: 'channels',
      ours: Math.round((MANY * 100) / cpu),
      goal: { least: 1000 },
    }),
    limitRow({
      work: `memory of an added channel, from ${FEW} to ${MANY}`,
      unit: 'MB',
      ours: (rssOf(many) - rssOf(few)) / (MANY - FEW),
      goal: { most: 0.5 },
    }),
    ...wholeRows(MANY, many),
  ];
}

/** That everything left, by the kernel's counter, and how evenly, by a capture of one channel. */
function wholeRows(channels: number, found: readonly Figures[]): Row[] {
  const due = channels * DATAGRAMS_PER_SECOND;
  const rate = Math.min(...found.map((each) => each.rate));
  const errorUs = median(found.map(({ captured }) => captured.pcr99Us ?? Number.NaN));
  return [
    limitRow({
      work: `${channels} programmes: sent, of the ${Math.round(due)} datagrams/s that are due (worst run)`,
      unit: '%',
      ours: (100 * rate) / due,
      goal: { least: 99 },
    }),
    limitRow({
      work: `${channels} programmes: one of them: PCR error p99`,
      unit: 'µs',
      ours: errorUs,
      goal: { most: 2500 },
      note: worstOf(
        found.map(({ captured }) => captured.missing),
        'datagrams missing',
      ),
    }),
  ];
}
