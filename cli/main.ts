/**
 * The program `lancast`: one command line in, one exit status out.
 *
 * The first Ctrl-C or SIGTERM asks the command to finish: files are closed, summaries are printed, and the status is 130
 * or 143. The second one ends it at once.
 */
import { LancastError } from '../wire/errors.ts';
import { asksFor, dispatch } from './dispatch.ts';
import { Output } from './output.ts';
import { report } from './report.ts';

const EXIT_BY_SIGNAL: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 };
/** Handles that somebody forgot to close do not keep the program alive for longer than this. */
const LINGER_MS = 2000;

const argv = process.argv.slice(2);
const stopping = new AbortController();
const output = new Output({
  stderr: process.stderr,
  stdout: process.stdout,
  json: asksFor(argv, '--json'),
  env: process.env,
});
let stoppedBy: number | undefined;

function stop(signal: string): void {
  const status = EXIT_BY_SIGNAL[signal] ?? 1;
  if (stoppedBy !== undefined) process.exit(status);
  stoppedBy = status;
  stopping.abort();
}

function bug(error: unknown): never {
  if (error instanceof LancastError) process.exit(report(error, output));
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  output.say(`  ✗ lancast met a mistake of its own and stops.\n    why: ${stack}`);
  output.say('    fix: this is a bug in lancast; please report it with the lines above');
  process.exit(70);
}

process.on('SIGINT', stop).on('SIGTERM', stop);
process.on('uncaughtException', bug).on('unhandledRejection', bug);
// A reader that goes away (`… | head`) ends the command in peace; nobody left to read messages changes nothing.
process.stdout.on('error', () => stopping.abort());
process.stderr.on('error', () => undefined);

const status = await dispatch(argv, { output, signal: stopping.signal });
process.exitCode = stoppedBy ?? status;
setTimeout(() => process.exit(), LINGER_MS).unref();
