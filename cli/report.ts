/** Tells people and programs of an error at once: three lines on stderr, an event with `--json`. */
import type { LancastError } from '../wire/errors.ts';
import { explain, threeLines } from './errors.ts';
import type { Output } from './output.ts';

/** Tells of what ends the command; the exit status that belongs to it. */
export function report(error: LancastError, output: Output): number {
  const { exitCode, ...words } = explain(error);
  output.event({ event: 'error', code: error.code, ...words });
  output.say(threeLines(error, '✗'));
  return exitCode;
}

/** Tells of what the command goes on with. */
export function warn(error: LancastError, output: Output): void {
  const { what, why, fix } = explain(error);
  output.event({ event: 'warning', code: error.code, what, why, fix });
  output.say(threeLines(error, '!'));
}
