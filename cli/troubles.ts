/** Tells people of what goes wrong with a stream while it is received: once each, and again when it comes back. */
import { afterSockets } from '../transport/driver.ts';
import { latencyFor, settingWords } from '../wire/advice-words.ts';
import { LancastError } from '../wire/errors.ts';
import type { StreamSnapshot } from '../wire/metrics.ts';
import type { Voice } from './output.ts';
import type { OpenStream } from './receiving.ts';
import { tell, warn } from './report.ts';

const LOOK_EVERY_MS = 500;
/** Silence that calls for words. */
const WONDER_AFTER_MS = 5000;
/** The same of one of two paths, while the other one brings the stream: nothing stands still, so there is less doubt. */
const PATH_SILENT_MS = 2000;

/** What is known of a stream that may be in trouble. */
export interface Condition {
  snapshot: Pick<
    StreamSnapshot,
    'packets' | 'state' | 'silentMs' | 'secondSender' | 'kernelDrops' | 'overruns' | 'repair' | 'paths'
  >;
  /** Milliseconds since the stream was opened. */
  openMs: number;
  /** Milliseconds since its first datagram was seen; 0 before. */
  heardMs: number;
  /** How long a missing datagram is waited for. */
  latencyMs: number;
}

/** A trouble by its name; the same name is told once while it lasts. */
export type Trouble =
  | { name: 'silence'; silentMs: number }
  | { name: string; error: LancastError }
  | { name: string; note: string };

/** The troubles of this moment. */
export function troublesOf({ snapshot, openMs, heardMs, latencyMs }: Condition): Trouble[] {
  const { state, secondSender, kernelDrops = 0, overruns = 0 } = snapshot;
  const found: Trouble[] = [];
  const silentMs = snapshot.silentMs ?? openMs;
  if (state !== 'ended' && silentMs >= WONDER_AFTER_MS) found.push({ name: 'silence', silentMs });
  if (secondSender !== undefined) {
    const error = new LancastError('E116', 'a second sender on the same group', { source: secondSender });
    found.push({ name: `second sender ${secondSender}`, error });
  }
  if (kernelDrops > 0) {
    const details = { drops: kernelDrops, ...(overruns > 0 && { overruns }) };
    const error = new LancastError('E114', 'the receive buffer overflowed', details);
    found.push({ name: overruns > 0 ? 'too busy' : 'drops', error });
  }
  return [...found, ...slowRepairs(snapshot, latencyMs), ...silentPaths(snapshot, heardMs)];
}

/** What repairs the stream, and how long that takes where it is longer than is waited for. */
function slowRepairs({ repair, paths }: Condition['snapshot'], latencyMs: number): Trouble[] {
  const found: { what: string; neededMs: number }[] = [];
  if (repair?.setting !== undefined && repair.tooSlowMs !== undefined)
    found.push({ what: `FEC ${settingWords(repair.setting)} at this rate`, neededMs: repair.tooSlowMs });
  const behindMs = Math.max(0, ...(paths?.paths ?? []).map((path) => path.behindMs ?? 0));
  if (behindMs > latencyMs) found.push({ what: 'The slower of the two paths', neededMs: behindMs });
  return found.map(({ what, neededMs }) => {
    const advisedMs = latencyFor(neededMs);
    const facts = { repair: what, neededMs: Math.round(neededMs), latencyMs, advisedMs };
    return { name: `late ${what}`, error: new LancastError('E120', 'repair comes too late', facts) };
  });
}

/** A path that brings nothing while the other one does. */
function silentPaths({ paths, state, silentMs = 0 }: Condition['snapshot'], heardMs: number): Trouble[] {
  if (!paths || state !== 'playing') return [];
  return paths.paths.flatMap((path, at) => {
    if ((path.silentMs ?? heardMs) - silentMs < PATH_SILENT_MS) return [];
    const [name, other] = at === 0 ? ['first', 'second'] : ['second', 'first'];
    const since = path.silentMs === undefined ? 'has brought nothing yet' : 'brings nothing any more';
    const note = `the ${name} path ${since}, and the stream comes on the ${other} alone: look at its cable, card and sender`;
    return [{ name: `${name} path`, note }];
  });
}

/** Looks after a stream until it is told to stop. `patient`: silence is not told of, because it ends the command anyway. */
export function followTroubles(stream: OpenStream, voice: Voice, { patient = false } = {}): () => void {
  let standing = new Set<string>();
  let heardAfterMs: number | undefined;
  let notes = 0;
  const look = (hasRead: boolean): void => {
    const snapshot = stream.session.snapshot();
    const openMs = stream.openMs();
    if (snapshot.packets > 0) heardAfterMs ??= openMs;
    const troubles = troublesOf({
      snapshot,
      openMs,
      heardMs: openMs - (heardAfterMs ?? openMs),
      latencyMs: stream.latencyMs,
    });
    if (!hasRead && !standing.has('silence') && troubles.some(({ name }) => name === 'silence')) {
      // What came while this process stood still lies in the kernel's buffers.
      afterSockets(() => look(true));
      return;
    }
    for (const trouble of troubles) {
      if (standing.has(trouble.name)) continue;
      if ('error' in trouble) warn(trouble.error, voice);
      else if ('note' in trouble) tell(trouble.note, voice);
      else if (!patient) warn(stream.silence.diagnose(snapshot, trouble.silentMs / 1000), voice);
    }
    standing = new Set(troubles.map(({ name }) => name));
    for (const note of stream.session.notes.slice(notes)) tell(note, voice);
    notes = stream.session.notes.length;
  };
  const timer = setInterval(() => look(false), LOOK_EVERY_MS).unref();
  return () => {
    look(true); // what came up last is told too
    clearInterval(timer);
  };
}
