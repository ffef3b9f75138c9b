/** Tells people of what goes wrong with a stream while it is received: once each, and again when it comes back. */
import { afterSockets } from '../transport/driver.ts';
import { LancastError } from '../wire/errors.ts';
import type { StreamSnapshot } from '../wire/metrics.ts';
import type { Voice } from './output.ts';
import type { OpenStream } from './receiving.ts';
import { tell, warn } from './report.ts';

const LOOK_EVERY_MS = 500;
/** Silence that calls for words. */
const WONDER_AFTER_MS = 5000;

/** What is known of a stream that may be in trouble. */
export interface Condition {
  snapshot: Pick<
    StreamSnapshot,
    'packets' | 'state' | 'silentMs' | 'secondSender' | 'kernelDrops' | 'overruns'
  >;
  /** Milliseconds since the stream was opened. */
  openMs: number;
}

/** A trouble by its name; the same name is told once while it lasts. */
export type Trouble = { name: 'silence'; silentMs: number } | { name: string; error: LancastError };

/** The troubles of this moment. */
export function troublesOf({ snapshot, openMs }: Condition): Trouble[] {
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
  return found;
}

/** Looks after a stream until it is told to stop. `patient`: silence is not told of, because it ends the command anyway. */
export function followTroubles(stream: OpenStream, voice: Voice, { patient = false } = {}): () => void {
  let standing = new Set<string>();
  let notes = 0;
  const look = (hasRead: boolean): void => {
    const snapshot = stream.session.snapshot();
    const troubles = troublesOf({ snapshot, openMs: stream.openMs() });
    if (!hasRead && !standing.has('silence') && troubles.some(({ name }) => name === 'silence')) {
      // What came while this process stood still lies in the kernel's buffers.
      afterSockets(() => look(true));
      return;
    }
    for (const trouble of troubles) {
      if (standing.has(trouble.name)) continue;
      if ('error' in trouble) warn(trouble.error, voice);
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
