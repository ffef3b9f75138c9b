/** Looks into files and pipes with ffmpeg. */
import { execFile } from 'node:child_process';
import { probeArguments } from './ffmpeg-args.ts';
import type { Ffmpeg } from './ffmpeg.ts';
import { type MediaInfo, parseProbe, type ProbeFault } from './media-info.ts';

const MOST_OUTPUT_BYTES = 4 * 1024 * 1024;

/** Looks into a file. `signal` kills ffmpeg: what is resolved with then means nothing. */
export function probeFile(
  ffmpeg: Ffmpeg,
  path: string,
  signal?: AbortSignal,
): Promise<MediaInfo | ProbeFault> {
  return runProbe(ffmpeg, `file:${path}`, { signal });
}

/** Looks into the first bytes of a pipe. */
export function probeBytes(ffmpeg: Ffmpeg, head: Buffer): Promise<MediaInfo | ProbeFault> {
  return runProbe(ffmpeg, 'pipe:0', { head });
}

function runProbe(
  ffmpeg: Ffmpeg,
  input: string,
  { head, signal }: { head?: Buffer; signal?: AbortSignal | undefined },
): Promise<MediaInfo | ProbeFault> {
  return new Promise((resolve) => {
    // It always fails, because no output is asked for; what it found stands on standard error.
    const child = execFile(
      ffmpeg.path,
      probeArguments(input),
      { maxBuffer: MOST_OUTPUT_BYTES, killSignal: 'SIGKILL', ...(signal && { signal }) },
      (_error, _stdout, stderr) => resolve(parseProbe(stderr)),
    );
    child.stdin?.on('error', () => undefined); // it stops reading when it has seen enough
    child.stdin?.end(head);
  });
}
