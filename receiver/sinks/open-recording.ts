/** Opens whatever stands for a recording's target: a file, a FIFO, standard output. */
import { createWriteStream, fstatSync, open } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { Recorder } from './recorder.ts';
import { diskError, openRecordingFile } from './recording-file.ts';
import type { Recording, RecordingEvents, RecordingOptions } from './recording.ts';
import { PipeSink } from './stdout.ts';

const STDOUT = 1;

/**
 * Opens `path` for a recording. `-` and `/dev/stdout` are standard output; a FIFO waits for its reader. A file that is
 * there is overwritten, as `tee` and `curl -o` do. Throws `LancastError` E401, E402 or E404.
 */
export async function openRecording(
  path: string,
  events: RecordingEvents,
  options: RecordingOptions = {},
): Promise<Recording> {
  if (path === '-' || path === '/dev/stdout') return new PipeSink('-', unblocked(STDOUT), events, options);
  const existing = await stat(path).catch(() => undefined);
  if (!existing?.isFIFO())
    return new Recorder(await openRecordingFile(path, options.unhashed), events, options);
  const fd = await promisify(open)(path, 'w').catch((cause: unknown) => {
    throw diskError(path, cause);
  });
  return new PipeSink(path, unblocked(fd), events, options);
}

/**
 * A stream that writes to `fd` in the background. Not `process.stdout`: writes to a pipe would wait for the reader there.
 */
function unblocked(fd: number): Writable {
  const kind = fstatSync(fd);
  if (kind.isFIFO() || kind.isSocket()) return new Socket({ fd, readable: false, writable: true });
  return createWriteStream('', { fd, autoClose: false });
}
