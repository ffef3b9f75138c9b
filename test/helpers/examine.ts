/** Looks at transport streams and at child processes, for tests of what makes them. */
import { readdirSync, readFileSync } from 'node:fs';
import { TsMonitor } from '../../receiver/ts-monitor.ts';
import { Packetizer } from '../../sender/packetizer.ts';
import { datagramsOf } from './media-runs.ts';

/** What a stream is and what is wrong with it, at the pace at which it would be sent. */
export function examine(stream: Buffer): {
  codecs: string[];
  durationMs: number;
  faults: object;
  jumps: number;
} {
  const packetizer = new Packetizer({ transportStream: true, holdMs: Infinity });
  const monitor = new TsMonitor();
  let durationMs = 0;
  for (const run of [stream, undefined]) {
    packetizer.push(run, 0);
    for (let next = packetizer.poll(); next; next = packetizer.poll())
      for (const { bytes, transmitTicks } of datagramsOf(next)) {
        durationMs = transmitTicks / 27_000;
        monitor.push(bytes, durationMs);
      }
  }
  const codecs = monitor.programmes.flatMap(({ streams }) => streams.map(({ codec }) => codec));
  return { codecs, durationMs, faults: monitor.counters, jumps: packetizer.stats.discontinuities };
}
/** Children of this process by pid, as the kernel knows them; the dead that nobody has waited for are among them. */
export function childPids(): number[] {
  const text = readdirSync('/proc/self/task').map((task) =>
    readFileSync(`/proc/self/task/${task}/children`, 'utf8'),
  );
  return text
    .join(' ')
    .split(/\s+/)
    .filter((pid) => pid !== '')
    .map(Number);
}

/** Of these, the ffmpegs. */
export function ffmpegPids(): number[] {
  return childPids().filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('ffmpeg'));
}
