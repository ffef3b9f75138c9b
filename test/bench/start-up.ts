/** From the start of a program to its first datagram, as the kernel stamps it. */
import { absence, type Bench, type Findings } from './bench.ts';
import { startCapture } from './capture.ts';
import { FFMPEG, GSTREAMER, MULTICAT, VLC, lancastSender, type SenderProgram } from './senders.ts';
import { formatFigure, limitRow, median, type Figure } from './table.ts';

const GROUP = '239.255.13.76';
const FIRST_PORT = 6004;
const ROUNDS = 5;
const LIMIT_SECONDS = 4;
const PEERS = [MULTICAT, GSTREAMER, FFMPEG, VLC];

/** The row on start-up, the peers' figures beside it. */
export async function benchStartUp(bench: Bench): Promise<Findings> {
  const programs = [lancastSender('lancast'), ...PEERS];
  const found = new Map<SenderProgram, number[]>(programs.map((program) => [program, []]));
  let port = FIRST_PORT;
  for (let round = 0; round < ROUNDS; round++) {
    for (const [program, times] of found) {
      if (program.peer !== undefined && absence(bench, program.peer) !== undefined) continue;
      port += 10;
      times.push(await firstDatagramMs(bench, program, port));
    }
  }
  const lines = [...found].map(([program, times]): [SenderProgram, Figure] => [
    program,
    (program.peer && absence(bench, program.peer)) ?? Math.round(median(times)),
  ]);
  const row = limitRow({
    work: 'start to the first datagram, compiled, by `node`',
    unit: 'ms',
    ours: lines[0]?.[1] ?? Number.NaN,
    goal: { most: 250 },
  });
  const table = {
    title: `Start to the first datagram side by side (median of ${ROUNDS} runs)`,
    head: ['sender', 'ms'],
    lines: lines.map(([{ name }, figure]) => [name, formatFigure(figure, '')]),
  };
  return { rows: [row], tables: [table] };
}

async function firstDatagramMs(bench: Bench, program: SenderProgram, port: number): Promise<number> {
  const listen = { group: GROUP, port, seconds: LIMIT_SECONDS, idleMs: 20, datagrams: 1 };
  const { captured } = await startCapture(bench.capture, listen);
  const startedMs = Date.now();
  await using _sender = program.start(bench, bench.film, { group: GROUP, port });
  return ((await captured).first ?? Number.NaN) * 1000 - startedMs;
}
