/** Tells people of what goes wrong with a stream while it is received: once each, and again when it comes back. */
import { afterSockets } from '../transport/driver.ts';
import { settingWords } from '../wire/advice-words.ts';
import { LancastError } from '../wire/errors.ts';
import { formatFecSetting, parseFecSetting, repairWait } from '../wire/fec/fec-setting.ts';
import type { StreamSnapshot } from '../wire/metrics.ts';
import type { Voice } from './output.ts';
import type { OpenStream } from './receiving.ts';
import { tell, warn } from './report.ts';

const LOOK_EVERY_MS = 500;
/** Payload of a datagram. */
const DATAGRAM_BITS = 1316 * 8;
/** Silence that calls for words. */
const WONDER_AFTER_MS = 5000;

/** What is known of a stream that may be in trouble. */
export interface Condition {
  snapshot: Pick<
    StreamSnapshot,
    'packets' | 'state' | 'silentMs' | 'secondSender' | 'kernelDrops' | 'overruns' | 'repair' | 'paths'
  > &
    Partial<Pick<StreamSnapshot, 'bitsPerSecond'>>;
  /** Milliseconds since the stream was opened. */
  openMs: number;
  /** How long a missing datagram is waited for. */
  latencyMs: number;
}

/** A trouble by its name; the same name is told once while it lasts. */
export type Trouble = { name: 'silence'; silentMs: number } | { name: string; error: LancastError };

/** The troubles of this moment. */
export function troublesOf({ snapshot, openMs, latencyMs }: Condition): Trouble[] {
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
  for (const { repair, neededMs } of repairTimes(snapshot)) {
    if (neededMs <= latencyMs) continue;
    const facts = { repair, neededMs: Math.round(neededMs), latencyMs, advisedMs: advisedMs(neededMs) };
    found.push({ name: `late ${repair}`, error: new LancastError('E120', 'repair comes too late', facts) });
  }
  return found;
}

/** What repairs the stream, and how long that takes. */
function repairTimes(snapshot: Condition['snapshot']): { repair: string; neededMs: number }[] {
  const times: { repair: string; neededMs: number }[] = [];
  const { repair, paths, bitsPerSecond = 0 } = snapshot;
  const setting = repair?.setting === undefined ? 'unknown-scheme' : parseFecSetting(repair.setting);
  if (typeof setting !== 'string' && bitsPerSecond > 0) {
    const neededMs = (repairWait(setting) * DATAGRAM_BITS * 1000) / bitsPerSecond;
    times.push({ repair: `FEC ${settingWords(formatFecSetting(setting))} at this rate`, neededMs });
  }
  const behindMs = Math.max(0, ...(paths?.paths ?? []).map((path) => path.behindMs ?? 0));
  if (behindMs > 0) times.push({ repair: 'The slower of the two paths', neededMs: behindMs });
  return times;
}

/** With a margin for jitter, in whole steps. */
function advisedMs(neededMs: number): number {
  return Math.ceil((neededMs * 1.1) / 50) * 50;
}

/** Looks after a stream until it is told to stop. `patient`: silence is not told of, because it ends the command anyway. */
export function followTroubles(stream: OpenStream, voice: Voice, { patient = false } = {}): () => void {
  let standing = new Set<string>();
  let notes = 0;
  const look = (hasRead: boolean): void => {
    const snapshot = stream.session.snapshot();
    const troubles = troublesOf({ snapshot, openMs: stream.openMs(), latencyMs: stream.latencyMs });
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
