/** One stream being recorded: its target, its end, and what came of it. */
import type { Recording, RecordingSummary } from '../receiver/sinks/recording.ts';
import type { MediaAddress } from '../wire/address.ts';
import type { LancastError } from '../wire/errors.ts';
import type { StreamSnapshot } from '../wire/metrics.ts';
import { untilEnd, type Ending } from './ending.ts';
import { explain } from './errors.ts';
import { Intake } from './intake.ts';
import type { JsonEvent, Voice } from './output.ts';
import type { OpenStream, ReceiveValues } from './receiving.ts';
import { warn } from './report.ts';
import { followTroubles } from './troubles.ts';

/** What is recorded, where to, for how long, and how. */
export interface RecordValues extends ReceiveValues {
  urls: MediaAddress[];
  out: string;
  /** Milliseconds after the first datagram. */
  duration: number | undefined;
  /** Milliseconds of silence. */
  timeout: number | undefined;
  /** No SHA-256 is worked out. */
  unhashed: boolean;
}

/** The target of a recording, and what went wrong with it. */
export interface Target {
  recording: Recording;
  /** Aborts when the reader of a pipe has gone. */
  readerGone: AbortSignal;
  /** The last trouble with the disk; `undefined` when there was none. */
  fault(): LancastError | undefined;
  /** What is known of the stream as far as it is recorded. */
  snapshot(): StreamSnapshot;
  close(): Promise<void>;
}

/** What a recording came to. */
export interface Recorded {
  snapshot: StreamSnapshot;
  recording: RecordingSummary;
  ending: Ending;
  fault: LancastError | undefined;
}

/** Opens the target and lets the stream flow into it, from its first datagram on. Throws E401, E402 or E404, the stream closed. */
export async function openTarget(
  { session }: OpenStream,
  path: string,
  { voice, unhashed }: { voice: Voice; unhashed: boolean },
): Promise<Target> {
  const gone = new AbortController();
  let fault: LancastError | undefined;
  let atEnd: StreamSnapshot | undefined;
  // What another sender on the same address does after the end is not part of the recording.
  const intake = new Intake(() => (atEnd = session.snapshot()));
  session.addSink(intake);
  const events = {
    onTrouble(error: LancastError) {
      fault = error;
      warn(error, voice);
    },
    onResumed: () => voice.say(`  ✓ ${voice.subject}writing goes on`),
    onReaderGone: () => gone.abort(),
  };
  const { openRecording } = await import('../receiver/sinks/open-recording.ts');
  const recording = await openRecording(path, events, { unhashed }).catch(async (error: unknown) => {
    await session.close();
    throw error;
  });
  intake.handTo(recording);
  return {
    recording,
    readerGone: gone.signal,
    fault: () => fault,
    snapshot: () => atEnd ?? session.snapshot(),
    close: () => intake.close(),
  };
}

/** Records to the end, and tells programs how it came about. The stream and the target are closed then. */
export async function recordToEnd(
  { stream, target }: { stream: OpenStream; target: Target },
  { duration, timeout, latency }: RecordValues,
  { voice, signal }: { voice: Voice; signal: AbortSignal },
): Promise<Recorded> {
  const endTroubles = followTroubles(stream, voice, { patient: timeout !== undefined });
  const ending = await untilEnd(stream.session, {
    durationMs: duration,
    timeoutMs: timeout,
    latencyMs: latency,
    signal: AbortSignal.any([signal, target.readerGone]),
  });
  await target.close();
  endTroubles();
  const recorded = {
    snapshot: target.snapshot(),
    recording: target.recording.summary,
    ending,
    fault: target.fault(),
  };
  const { reason, proven, lastedMs } = ending;
  const { causes } = recorded.snapshot;
  voice.event({
    event: 'ended',
    reason,
    proven,
    lastedMs: Math.round(lastedMs),
    ...recorded.recording,
    ...(causes && { causes }),
  });
  return recorded;
}

/** E101 when nothing came that was waited for. */
export function silenceOf({ snapshot, ending }: Recorded, { silence }: OpenStream): LancastError | undefined {
  const nothing = snapshot.packets === 0 && ending.reason !== 'stopped';
  return nothing ? silence.diagnose(snapshot, ending.waitedMs / 1000) : undefined;
}

/** The exit status of what was recorded: losses are no failure, a full disk is. */
export function statusOf({ recording, fault }: Recorded): number {
  return fault && recording.droppedBytes > 0 ? explain(fault).exitCode : 0;
}

/** The last line for programs: the contract others script against. What is not known is `null`. */
export function summaryOf({ snapshot, recording }: Recorded): JsonEvent {
  return {
    event: 'summary',
    packets: snapshot.packets,
    bytes: recording.bytes,
    lost: snapshot.lost,
    recovered: snapshot.recovered,
    unrecovered: snapshot.unrecovered,
    late: snapshot.late,
    duplicate: snapshot.duplicate,
    reordered: snapshot.reordered,
    firstIndex: snapshot.firstIndex ?? null,
    missingBefore: snapshot.missingBefore ?? null,
    continuityErrors: snapshot.continuityErrors,
    sha256: recording.sha256 ?? null,
  };
}
