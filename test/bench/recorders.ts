/** Programs that write streams to files, one recording by each of them, and whether its files are whole. */
import { closeSync, existsSync, mkdirSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PAYLOAD_BYTES, type Bench } from './bench.ts';
import { CpuWindow, Measured, stopAll } from './processes.ts';

/** One way to record. */
export interface Recorder {
  name: string;
  /** The peer of `Bench.peers` that has to be installed; absent for lancast itself. */
  peer?: string;
  /** Starts to write each stream to `fileOf`; resolves when it listens. */
  start(bench: Bench, to: Recording): Promise<Measured[]>;
}

/** Which streams are recorded, and where to. */
export interface Recording {
  group: string;
  ports: readonly number[];
  folder: string;
  /** Added to the environment of the recorder. */
  env?: Readonly<Record<string, string>>;
}

const READY_MS = 15_000;
/** What multicat needs to open its sockets. */
const PEER_READY_MS = 800;
const COMPARED_BYTES = 8 << 20;

/** lancast: one process for all streams. */
function lancastRecorder(name: string, options: readonly string[] = []): Recorder {
  return {
    name,
    async start({ lancast }, recording) {
      const { group, ports, folder, env = {} } = recording;
      const addresses = ports.map((port) => `rtp://${group}:${port}`);
      const [only, ...others] = ports;
      const target = only !== undefined && others.length === 0 ? fileOf(recording, only) : folder;
      const args = [lancast, 'record', ...addresses, target, '--iface', 'lo', '--json', ...options];
      const program = new Measured(process.execPath, args, { env });
      // One event for each stream; the last one is there when all are.
      await program.says('"event":"recording"', READY_MS, ports.length);
      return [program];
    },
  };
}

/** multicat: a process for each stream. */
export const MULTICAT_RECORDER: Recorder = {
  name: 'multicat',
  peer: 'multicat',
  async start(_, recording) {
    const { group, ports, env = {} } = recording;
    const programs = ports.map(
      (port) => new Measured('multicat', [`@${group}:${port}`, fileOf(recording, port)], { env }),
    );
    await sleep(PEER_READY_MS);
    return programs;
  },
};

export const UNHASHED = lancastRecorder('lancast --unhashed', ['--unhashed']);
export const HASHED = lancastRecorder('lancast, with SHA-256');

/** What is measured of one recording. */
export interface Recorded {
  /** CPU for each datagram that was written in the window, microseconds, of all programs: who loses some is not cheaper. */
  us: number;
  cpuPercent: number;
  rssMb: number;
  /** Files that hold the film, byte for byte. */
  whole: number;
  /** Datagrams lancast says are lost; `undefined` for others. */
  lost: number | undefined;
}

/** When to measure, counted from the start of the senders. */
export interface Window {
  afterMs: number;
  ms: number;
}

/** Records what `startSenders` sends, all of `film` on each port, and removes the files. */
export async function record(
  bench: Bench,
  recorder: Recorder,
  run: {
    group: string;
    ports: readonly number[];
    film: string;
    startSenders: () => Measured[];
    window: Window;
    env?: Readonly<Record<string, string>>;
  },
): Promise<Recorded> {
  const folder = path.join(bench.recordings, 'recording');
  const recording = { ...run, folder };
  mkdirSync(folder);
  let programs: Measured[] = [];
  let senders: Measured[] = [];
  try {
    programs = await recorder.start(bench, recording);
    senders = run.startSenders();
    await sleep(run.window.afterMs);
    const bytesBefore = writtenBytes(recording);
    const window = new CpuWindow(programs);
    await sleep(run.window.ms);
    const { cpuNs, seconds } = window.close();
    const datagrams = (writtenBytes(recording) - bytesBefore) / PAYLOAD_BYTES;
    const rssMb = programs.reduce((sum, program) => sum + program.peakRssMb, 0);
    await Promise.all(senders.map((sender) => sender.end(READY_MS)));
    await sleep(500); // what is still on its way to the files
    await stopAll(programs);
    const whole = run.ports.filter((port) => sameBytes(fileOf(recording, port), run.film)).length;
    const cpuPercent = cpuNs / 1e7 / seconds;
    return { us: cpuNs / 1000 / datagrams, cpuPercent, rssMb, whole, lost: lostOf(programs) };
  } finally {
    await stopAll([...senders, ...programs]);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Where a stream is written, by lancast's own names for several streams. */
function fileOf({ folder, group }: Recording, port: number): string {
  return path.join(folder, `${group}-${port}.ts`);
}

/** What stands in the files by now. */
function writtenBytes(recording: Recording): number {
  const files = recording.ports.map((port) => fileOf(recording, port));
  return files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** From the summary of `record --json`. */
function lostOf(programs: readonly Measured[]): number | undefined {
  const summary = programs[0]?.output.split('\n').findLast((line) => line.includes('"event":"summary"'));
  const lost = /"lost":(\d+)/.exec(summary ?? '')?.[1];
  return lost === undefined ? undefined : Number(lost);
}

function sameBytes(file: string, film: string): boolean {
  if (!existsSync(file) || statSync(file).size !== statSync(film).size) return false;
  const [a, b] = [openSync(file, 'r'), openSync(film, 'r')];
  const [here, there] = [Buffer.allocUnsafe(COMPARED_BYTES), Buffer.allocUnsafe(COMPARED_BYTES)];
  try {
    for (;;) {
      const count = readSync(a, here);
      if (count === 0) return true;
      let had = 0;
      while (had < count) had += readSync(b, there, had, count - had, null);
      if (!here.subarray(0, count).equals(there.subarray(0, count))) return false;
    }
  } finally {
    closeSync(a);
    closeSync(b);
  }
}
