/** One 20 Mbit/s programme received to a file, by lancast and by multicat side by side. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Measured } from './processes.ts';
import type { Bench } from './sending.ts';
import { median, type Row } from './table.ts';

const GROUP = '239.255.13.78';
const ROUNDS = 2;
const WINDOW_MS = 8000;

/** The row on receiving to a file. */
export async function benchReceiving(bench: Bench): Promise<Row[]> {
  const ours: number[] = [];
  const multicat: number[] = [];
  let whole = true;
  for (let round = 0; round < ROUNDS; round++) {
    const port = 5304 + 10 * round;
    const file = path.join(bench.folder, `ours-${round}.ts`);
    const theirs = path.join(bench.folder, `multicat-${round}.ts`);
    const record = [bench.lancast, 'record', `rtp://${GROUP}:${port}`, file, '--iface', 'lo', '--json'];
    await using recorder = new Measured(process.execPath, record);
    await using peer = new Measured('multicat', [`@${GROUP}:${port}`, theirs]);
    await sleep(1000);
    await using sender = new Measured('multicat', [bench.film, `${GROUP}:${port}`]);
    await sleep(2000);
    const [cpu, peerCpu] = await Promise.all([recorder.cpuPercent(WINDOW_MS), peer.cpuPercent(WINDOW_MS)]);
    await sender.stop();
    await recorder.stop();
    await peer.stop();
    ours.push(cpu);
    multicat.push(peerCpu);
    whole &&= recorder.output.includes('"lost":0') && sha256(file) === sha256(theirs);
  }
  return [
    {
      work: 'receive 20 Mbit/s to a file: CPU of one core',
      lancast: `${median(ours).toFixed(2)} %, with SHA-256`,
      peer: `multicat ${median(multicat).toFixed(2)} %`,
      ratio: median(ours) / median(multicat),
      goal: 'both the same bytes',
      met: whole,
    },
  ];
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
