/** A receiver's limits: 1 Gbit/s with the smallest receive buffer there is, and its memory for one programme. */
import { absence, type Bench, type Findings } from './bench.ts';
import { channelPorts } from './films.ts';
import { wholeRow } from './receiving.ts';
import { HASHED, MULTICAT_RECORDER, UNHASHED, record, type Recorded, type Recorder } from './recorders.ts';
import { MULTICAT, lancastSender, type SenderProgram } from './senders.ts';
import { limitRow, ratioRow, type Row } from './table.ts';

const GROUP = '239.255.13.72';
const PORTS = channelPorts(1);
const WINDOW = { afterMs: 2500, ms: 5000 };

/** Rows on the smallest buffer, and on memory. */
export async function benchReceivingLimits(bench: Bench): Promise<Findings> {
  return { rows: [...(await smallBuffer(bench)), ...(await oneProgramme(bench))] };
}

/** Its sockets keep the kernel's default buffer, although net.core.rmem_max of this machine would allow more. */
async function smallBuffer(bench: Bench): Promise<Row[]> {
  const env = { LD_PRELOAD: bench.smallBuffer };
  const rows: Row[] = [];
  for (const sender of [lancastSender('lancast'), MULTICAT]) {
    const work = `1 Gbit/s to a file, sent by ${sender.name}: nothing is lost with a buffer of rmem_default`;
    const missing = absence(bench, 'multicat');
    if (sender.peer !== undefined && missing !== undefined) {
      rows.push({ work, lancast: 'not measured', peer: missing, goal: 'all files whole, 0 lost' });
      continue;
    }
    const ours = await recordOne(bench, UNHASHED, { sender, film: bench.films.fast, env });
    const theirs =
      missing ?? (await recordOne(bench, MULTICAT_RECORDER, { sender, film: bench.films.fast, env }));
    const peer = typeof theirs === 'string' ? theirs : `multicat ${theirs.whole} of 1 files whole`;
    rows.push(wholeRow(work, [ours], { streams: 1, peer }));
  }
  return rows;
}

async function oneProgramme(bench: Bench): Promise<Row[]> {
  const send = { sender: lancastSender('lancast'), film: bench.film };
  const ours = await recordOne(bench, HASHED, send);
  const theirs = absence(bench, 'multicat') ?? (await recordOne(bench, MULTICAT_RECORDER, send));
  return [
    ratioRow({
      work: '20 Mbit/s to a file, with SHA-256 (multicat: without): CPU',
      unit: '% of a core',
      ours: ours.cpuPercent,
      peer: { name: 'multicat', figure: typeof theirs === 'string' ? theirs : theirs.cpuPercent },
    }),
    limitRow({
      work: '20 Mbit/s to a file, with SHA-256: most memory held',
      unit: 'MB',
      ours: Math.round(ours.rssMb),
      goal: { most: 100 },
      peer: typeof theirs === 'string' ? theirs : `multicat ${Math.round(theirs.rssMb)} MB`,
    }),
  ];
}

function recordOne(
  bench: Bench,
  recorder: Recorder,
  { sender, film, env = {} }: { sender: SenderProgram; film: string; env?: Readonly<Record<string, string>> },
): Promise<Recorded> {
  const [port = 0] = PORTS;
  const startSenders = () => [sender.start(bench, film, { group: GROUP, port })];
  return record(bench, recorder, { group: GROUP, ports: PORTS, film, startSenders, window: WINDOW, env });
}
