/** One 20 Mbit/s programme, sent by each program in turn: cost and evenness. */
import { setTimeout as sleep } from 'node:timers/promises';
import { absence, type Bench, type Findings, STEADY_AFTER_MS } from './bench.ts';
import { startCapture, type Captured } from './capture.ts';
import { FFMPEG, GSTREAMER, MULTICAT, VLC, lancastSender, type SenderProgram } from './senders.ts';
import { formatFigure, limitRow, median, ratioRow, type Figure, type Row, type SideBySide } from './table.ts';

const GROUP = '239.255.13.77';
const FIRST_PORT = 6004;
const ROUNDS = 3;
const WINDOW_SECONDS = 8;
/** Datagrams that are due in a millisecond. */
const DATAGRAMS_PER_MS = 20_000_000 / 8 / 1316 / 1000;

const DEFAULT = lancastSender('lancast');
const QUANTUM_1 = lancastSender('lancast --pace-quantum 1ms', ['--pace-quantum', '1ms']);
const QUANTUM_0 = lancastSender('lancast --pace-quantum 0', ['--pace-quantum', '0']);
const JAVASCRIPT = lancastSender('lancast, JavaScript engine', [], { LANCAST_NO_NATIVE: '1' });
const PROGRAMS = [DEFAULT, QUANTUM_1, QUANTUM_0, JAVASCRIPT, MULTICAT, GSTREAMER, FFMPEG, VLC];

/** What one program did, a figure of each round; or why it did nothing. */
interface Figures {
  cpu: number[];
  rssMb: number[];
  captured: Captured[];
  fault?: string;
}

/** Rows on cost, pacing, bursts and memory; and all programs side by side. */
export async function benchSending(bench: Bench): Promise<Findings> {
  const found = new Map<SenderProgram, Figures>(
    PROGRAMS.map((program) => [program, { cpu: [], rssMb: [], captured: [] }]),
  );
  let port = FIRST_PORT;
  for (let round = 0; round < ROUNDS; round++) {
    for (const [program, figures] of found) {
      const fault = figures.fault ?? (program.peer && absence(bench, program.peer));
      if (fault !== undefined) {
        figures.fault = fault;
        continue;
      }
      port += 10;
      await measure(bench, program, { port, into: figures });
    }
  }
  return { rows: rowsOf(found), tables: [sideBySide(found)] };
}

async function measure(
  bench: Bench,
  program: SenderProgram,
  { port, into }: { port: number; into: Figures },
): Promise<void> {
  await using sender = program.start(bench, bench.film, { group: GROUP, port });
  await sleep(STEADY_AFTER_MS);
  const listen = { group: GROUP, port, seconds: WINDOW_SECONDS, idleMs: 1000 };
  const { captured } = await startCapture(bench.capture, listen);
  try {
    into.cpu.push(await sender.cpuPercent((WINDOW_SECONDS - 1) * 1000));
    into.rssMb.push(sender.peakRssMb);
  } catch {
    into.fault = `${program.name} ended before it was measured`;
  }
  into.captured.push(await captured);
}

type Found = ReadonlyMap<SenderProgram, Figures>;
type CapturedFigure = 'line50Us' | 'line99Us' | 'line999Us' | 'pcr50Us' | 'pcr99Us' | 'pcrMaxUs';

function cpu(found: Found, program: SenderProgram): Figure {
  const figures = found.get(program);
  return figures?.fault ?? median(figures?.cpu ?? []);
}

function error(found: Found, program: SenderProgram, of: CapturedFigure): Figure {
  const figures = found.get(program);
  return figures?.fault ?? median((figures?.captured ?? []).map((each) => each[of] ?? Number.NaN));
}

/** The longest burst of any round. */
function burst(found: Found, program: SenderProgram): Figure {
  const figures = found.get(program);
  return figures?.fault ?? Math.max(...(figures?.captured ?? []).map((each) => each.burst));
}

function rowsOf(found: Found): Row[] {
  const ofMulticat = (work: string, program: SenderProgram, most: number): Row => {
    const peer = { name: 'multicat', figure: cpu(found, MULTICAT) };
    return ratioRow({ work: `${work}: CPU`, unit: '% of a core', ours: cpu(found, program), peer, most });
  };
  const ofGstreamer = (work: string, of: CapturedFigure, most: number): Row => {
    const peer = { name: 'GStreamer', figure: error(found, GSTREAMER, of) };
    return ratioRow({ work, unit: 'µs', ours: error(found, QUANTUM_0, of), peer, most });
  };
  const errorRow = (work: string, program: SenderProgram, of: CapturedFigure, most: number): Row =>
    limitRow({
      work,
      unit: 'µs',
      ours: error(found, program, of),
      goal: { most },
      peer: `multicat ${formatFigure(error(found, MULTICAT, of), 'µs')}`,
    });
  const burstRow = (work: string, program: SenderProgram, most: number): Row => {
    const peer = `multicat ${formatFigure(burst(found, MULTICAT), '')}`;
    return limitRow({
      work: `${work}: longest burst`,
      unit: 'datagrams',
      ours: burst(found, program),
      goal: { most },
      peer,
    });
  };
  return [
    ofMulticat('default quantum', DEFAULT, 0.35),
    errorRow('default quantum: PCR error p99', DEFAULT, 'pcr99Us', 2500),
    burstRow('default quantum', DEFAULT, quantumAndTwo(5)),
    ofMulticat('--pace-quantum 1ms', QUANTUM_1, 0.7),
    errorRow('--pace-quantum 1ms: error p99.9 from the ideal line', QUANTUM_1, 'line999Us', 600),
    burstRow('--pace-quantum 1ms', QUANTUM_1, quantumAndTwo(1)),
    ofMulticat('--pace-quantum 0', QUANTUM_0, 1),
    errorRow('--pace-quantum 0: PCR error p99', QUANTUM_0, 'pcr99Us', 30),
    ofGstreamer('--pace-quantum 0: PCR error p99', 'pcr99Us', 0.6),
    ofGstreamer('--pace-quantum 0: error p99.9 from the ideal line', 'line999Us', 0.25),
    burstRow('--pace-quantum 0', QUANTUM_0, quantumAndTwo(0)),
    ofMulticat('JavaScript engine', JAVASCRIPT, 1),
    errorRow('JavaScript engine: PCR error p99', JAVASCRIPT, 'pcr99Us', 2000),
    burstRow('JavaScript engine', JAVASCRIPT, 12),
    limitRow({
      work: 'default quantum: most memory held',
      unit: 'MB',
      ours: found.get(DEFAULT)?.fault ?? Math.max(...(found.get(DEFAULT)?.rssMb ?? [])),
      goal: { most: 100 },
    }),
  ];
}

/** Most datagrams that may leave together: what one quantum holds, one at least, and two. */
function quantumAndTwo(quantumMs: number): number {
  return Math.max(1, Math.ceil(quantumMs * DATAGRAMS_PER_MS)) + 2;
}

function sideBySide(found: Found): SideBySide {
  const lines = [...found].map(([program, figures]) => {
    if (figures.fault !== undefined) return [program.name, figures.fault, '', '', '', '', ''];
    const { captured } = figures;
    const of = (key: CapturedFigure): string => formatFigure(error(found, program, key), '');
    const rate = median(captured.map((each) => (each.datagrams * 1316 * 8) / each.seconds / 1e6));
    return [
      program.name,
      formatFigure(median(figures.cpu), ''),
      formatFigure(Math.round(Math.max(...figures.rssMb)), ''),
      formatFigure(rate, ''),
      `${of('pcr50Us')} / ${of('pcr99Us')} / ${of('pcrMaxUs')}`,
      `${of('line50Us')} / ${of('line99Us')} / ${of('line999Us')}`,
      formatFigure(burst(found, program), ''),
    ];
  });
  return {
    title: `The senders side by side (median of ${ROUNDS} runs, bursts and memory the largest)`,
    head: [
      'sender',
      'CPU, % of a core',
      'memory, MB',
      'Mbit/s sent',
      'PCR error p50 / p99 / max, µs',
      'error from the ideal line p50 / p99 / p99.9, µs',
      'longest burst',
    ],
    lines,
  };
}
