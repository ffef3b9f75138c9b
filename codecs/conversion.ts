/**
 * Files to MPEG-TS through fluent-ffmpeg: the only module that knows this package.
 *
 * It starts ffmpeg and feeds its output into a stream. Three of its habits are kept away from everybody else: it takes the closing of
 * the stream for a failure if the process is still there 20 ms later, it calls a kill that was asked for an error, and it cannot be
 * stopped while it looks ffmpeg's abilities up, which each command does until one has found them.
 */
import { PassThrough, type Readable } from 'node:stream';
import fluent, { type FfmpegCommand } from 'fluent-ffmpeg';
import type { ConversionArguments } from './ffmpeg-args.ts';
import { type Ffmpeg, MessageRing } from './ffmpeg.ts';

/** A file that is being converted. */
export interface RunningConversion {
  /** MPEG-TS, as fast as it is read. Ends when ffmpeg has ended, however it did. */
  readonly output: Readable;
  /** What ffmpeg said. */
  readonly messages: MessageRing;
  /** Resolves when ffmpeg is gone: with `undefined` when all is well, else with how it ended. Never rejects. */
  readonly ended: Promise<string | undefined>;
  /** Kills ffmpeg and waits until it is gone. What it had made is still to be read: only then its pipe closes. */
  stop(): Promise<void>;
}

/** Starts to convert a file. */
export function convertFile(ffmpeg: Ffmpeg, path: string, args: ConversionArguments): RunningConversion {
  const messages = new MessageRing();
  // Without 'close' there is nothing to be taken for a failure.
  const output = new PassThrough({ emitClose: false });
  const command = fluent({ source: `file:${path}`, stdoutLines: 10 }).setFfmpegPath(ffmpeg.path);
  command.inputOptions(args.input).outputOptions(args.output);
  command.on('stderr', (line: string) => messages.append(`${line}\n`));
  let started = false;
  let stopping = false;
  command.on('start', () => {
    started = true;
    if (stopping) command.kill('SIGKILL');
  });
  const ended = new Promise<string | undefined>((resolve) => {
    command.once('end', () => resolve(undefined));
    command.once('error', (error: Error) => {
      if (!started) output.end();
      resolve(stopping ? undefined : statusIn(error.message));
    });
    void abilitiesKnown(command).then(() => {
      if (!stopping) return command.pipe(output, { end: true });
      output.end();
      return resolve(undefined);
    });
  });
  const stop = async (): Promise<void> => {
    stopping = true;
    command.kill('SIGKILL');
    await ended;
  };
  return { output, messages, ended, stop };
}

let known: Promise<void> | undefined;

/** Resolves when a command need not look ffmpeg's abilities up any more, or will see for itself why it cannot. */
function abilitiesKnown(command: FfmpegCommand): Promise<void> {
  known ??= new Promise((resolve) => {
    command.availableFormats(() => command.availableEncoders(() => resolve()));
  });
  return known;
}

/** `ffmpeg exited with code 1: …` and the like, without the name and what follows the first line. */
function statusIn(message: string): string {
  return (message.split('\n', 1)[0] ?? '').replace(/^ffmpeg /, '');
}
