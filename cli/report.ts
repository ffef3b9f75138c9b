/** Tells people and programs of an error at once: three lines on stderr, an event with `--json`. */
import type { LancastError } from '../wire/errors.ts';
import { explain, threeLines } from './errors.ts';
import type { Voice } from './output.ts';

/** Tells of what ends the command; the exit status that belongs to it. */
export function report(error: LancastError, voice: Voice): number {
  const { exitCode, ...words } = explain(error);
  voice.event({ event: 'error', code: error.code, ...words });
  voice.say(threeLines(error, '✗', voice.subject));
  return exitCode;
}

/** Tells of what the command goes on with. */
export function warn(error: LancastError, voice: Voice): void {
  const { what, why, fix } = explain(error);
  voice.event({ event: 'warning', code: error.code, what, why, fix });
  voice.say(threeLines(error, '!', voice.subject));
}

/** Tells what a careful user should know, a sentence. */
export function tell(note: string, voice: Voice): void {
  voice.event({ event: 'note', note });
  voice.say(`  ! ${voice.subject}${note}`);
}
