/** The receiver's event loop stands still for two seconds: is anything lost, and is it taken for jitter? */
import { statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { PAYLOAD_BYTES, type Bench, type Findings } from './bench.ts';
import { Measured } from './processes.ts';
import { lancastSender } from './senders.ts';
import type { Stalled } from './stalled-receiver.ts';
import { formatFigure, type Row } from './table.ts';

const GROUP = '239.255.13.71';
const FIRST_PORT = 6004;
const LIMIT_MS = 40_000;
const PROGRAM = path.join(path.dirname(fileURLToPath(import.meta.url)), 'stalled-receiver.js');
/** Jitter moves by itself; more than this is the stall's. */
const MORE_JITTER_MS = 1;

/** Rows on both engines; the goal is the native one's. */
export async function benchStall(bench: Bench): Promise<Findings> {
  const native = await stalled(bench, FIRST_PORT, {});
  const javascript = await stalled(bench, FIRST_PORT + 10, { LANCAST_NO_NATIVE: '1' });
  const datagrams = Math.ceil(statSync(bench.film).size / PAYLOAD_BYTES);
  const { engine, lost, packets, kernelDrops, stalledMs, jitterBeforeMs, jitterAfterMs } = native;
  const work = `event loop stalled by ${(stalledMs / 1000).toFixed(1)} s at 20 Mbit/s, ${engine} engine`;
  const jitter = `${formatFigure(jitterBeforeMs, 'ms')} before, ${formatFigure(jitterAfterMs, 'ms')} from the stall on`;
  const rows: Row[] = [
    {
      work: `${work}: loss`,
      lancast: `${lost} lost, ${packets} of ${datagrams} datagrams came, ${kernelDrops ?? '?'} dropped by the kernel`,
      goal: 'nothing lost',
      met: lost === 0 && packets === datagrams,
    },
    {
      work: `${work}: jitter reported`,
      lancast: jitter,
      goal: `at most ${MORE_JITTER_MS} ms more than before`,
      met: jitterAfterMs <= jitterBeforeMs + MORE_JITTER_MS,
    },
    {
      work: 'the same, JavaScript engine, for comparison',
      lancast: `${javascript.lost} lost, ${formatFigure(javascript.jitterAfterMs, 'ms')} of jitter`,
    },
  ];
  return { rows };
}

async function stalled(bench: Bench, port: number, env: Readonly<Record<string, string>>): Promise<Stalled> {
  await using receiver = new Measured(process.execPath, [PROGRAM, `rtp://${GROUP}:${port}`], { env });
  await receiver.says('"listening"', LIMIT_MS);
  await using sender = lancastSender('lancast').start(bench, bench.film, { group: GROUP, port });
  await sender.end(LIMIT_MS);
  await receiver.end(LIMIT_MS);
  const found: Stalled = JSON.parse(receiver.output.trimEnd().split('\n').at(-1) ?? '');
  return found;
}
