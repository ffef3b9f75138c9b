/** `lancast record`: receive a stream and write it down, byte for byte, with proof of what is missing. */
import type { Recording, RecordingSummary } from '../receiver/sinks/recording.ts';
import type { MediaAddress } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import type { StreamSnapshot } from '../wire/metrics.ts';
import { command, single, type Context } from './command.ts';
import { untilEnd, type Ending } from './ending.ts';
import { explain } from './errors.ts';
import { formatBytes, formatClock, formatRate, plural } from './format.ts';
import { Intake } from './intake.ts';
import { whatIsMissing } from './missing.ts';
import type { JsonEvent, Output, Progress } from './output.ts';
import {
  openStream,
  receiveOptions,
  streamAddress,
  type OpenStream,
  type ReceiveValues,
} from './receiving.ts';
import { report, warn } from './report.ts';
import { followTroubles } from './troubles.ts';
import { duration, text } from './values.ts';

const YEAR_MS = 365 * 86_400_000;

export const record = command({
  name: 'record',
  summary: 'receive a stream and write it to a file, byte for byte',
  examples: [
    ['lancast record rtp://239.255.1.1:5004 film.ts', 'until the sender says goodbye'],
    ['lancast record udp://@239.255.1.1:1234 film.ts --timeout 5s', 'bare MPEG-TS: until 5 s of silence'],
    ['lancast record 239.255.1.1 - | ffplay -', 'on standard output, for another program'],
  ],
  arguments: {
    url: single('URL', streamAddress, 'the stream: rtp://…, udp://…, seq://… or an address alone'),
    out: single('OUT', text, 'the file; - is standard output'),
  },
  options: {
    ...receiveOptions,
    duration: single('TIME', duration(1, YEAR_MS), 'end this long after the first datagram'),
    timeout: single('TIME', duration(1, YEAR_MS), 'end after this long a silence'),
  },
  run: recordStream,
});

interface RecordValues extends ReceiveValues {
  url: MediaAddress;
  out: string;
  duration: number | undefined;
  timeout: number | undefined;
}

async function recordStream(values: RecordValues, { output, signal }: Context): Promise<number> {
  if (values.out === '-' && output.json) {
    throw new LancastError('E001', '--json and OUT - both want standard output', { command: 'record' });
  }
  // The socket first: a port that is taken must not cost the file that is there.
  const stream = await openStream(values.url, values);
  const file = await openFile(stream, values.out, output);
  announce(stream, values.out, output);
  const endTroubles = followTroubles(stream, output, { patient: values.timeout !== undefined });
  const endFollowing = output.follow(() => progressOf(stream, file.recording.summary.bytes));
  const ending = await untilEnd(stream.session, {
    durationMs: values.duration,
    timeoutMs: values.timeout,
    latencyMs: values.latency,
    signal: AbortSignal.any([signal, file.readerGone]),
  });
  await file.close();
  endFollowing();
  endTroubles();
  const snapshot = file.snapshot();
  const status = conclude(
    { snapshot, recording: file.recording.summary, ending, fault: file.fault() },
    output,
  );
  const nothing = snapshot.packets === 0 && ending.reason !== 'stopped';
  const reported = nothing
    ? report(stream.silence.diagnose(snapshot, ending.waitedMs / 1000), output)
    : status;
  output.event(summaryOf(snapshot, file.recording.summary));
  return reported;
}

/** The target of a recording, and what went wrong with it. */
interface Target {
  recording: Recording;
  /** Aborts when the reader of a pipe has gone. */
  readerGone: AbortSignal;
  /** The last trouble with the disk; `undefined` when there was none. */
  fault(): LancastError | undefined;
  /** What is known of the stream as far as it is recorded. */
  snapshot(): StreamSnapshot;
  close(): Promise<void>;
}

/** Opens the target and lets the stream flow into it, from its first datagram on. */
async function openFile({ session }: OpenStream, path: string, output: Output): Promise<Target> {
  const gone = new AbortController();
  let fault: LancastError | undefined;
  let atEnd: StreamSnapshot | undefined;
  // What another sender on the same address does after the end is not part of the recording.
  const intake = new Intake(() => (atEnd = session.snapshot()));
  session.addSink(intake);
  const { openRecording } = await import('../receiver/sinks/open-recording.ts');
  const recording = await openRecording(path, {
    onTrouble(error) {
      fault = error;
      warn(error, output);
    },
    onResumed: () => output.say('  ✓ writing goes on'),
    onReaderGone: () => gone.abort(),
  }).catch(async (error: unknown) => {
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

function announce({ session, via }: OpenStream, path: string, output: Output): void {
  const { address } = session.snapshot();
  output.event({ event: 'recording', address, path, interface: via });
  output.say(
    `  ➜ recording    ${address} via ${via.name} (${via.address}), ${via.reason}\n    to           ${path}`,
  );
}

function progressOf({ session, openMs }: OpenStream, bytes: number): Progress {
  const snapshot = session.snapshot();
  const { packets, unrecovered, bitsPerSecond, state } = snapshot;
  const words = [
    formatClock(openMs()),
    formatBytes(bytes),
    formatRate(bitsPerSecond),
    plural(packets, 'datagram'),
    `${unrecovered} lost`,
    ...(state === 'playing' ? [] : [state]),
  ];
  const { lost, recovered, late } = snapshot;
  const event = {
    event: 'progress',
    state,
    packets,
    bytes,
    lost,
    recovered,
    unrecovered,
    late,
    bitsPerSecond,
  };
  return { line: `  ${words.join('  ')}`, event };
}

interface Outcome {
  snapshot: StreamSnapshot;
  recording: RecordingSummary;
  ending: Ending;
  fault: LancastError | undefined;
}

/** Says in words what was recorded and what is missing; the exit status. Losses are no failure, a full disk is. */
function conclude({ snapshot, recording, ending, fault }: Outcome, output: Output): number {
  const { reason, proven, lastedMs } = ending;
  output.event({ event: 'ended', reason, proven, lastedMs: Math.round(lastedMs), ...recording });
  if (snapshot.packets > 0) {
    const missing = whatIsMissing({ snapshot, recording, proven });
    const size = `${formatBytes(recording.bytes)} in ${plural(snapshot.packets, 'datagram')}, ${formatClock(lastedMs)}`;
    output.say(`  ✓ recorded     ${recording.path}: ${size}`);
    if (missing.length === 0) output.say('  ✓ complete     not one byte is missing');
    for (const sentence of missing) output.say(`  ! ${sentence}`);
    output.say(`    sha256       ${recording.sha256}`);
  }
  return fault && recording.droppedBytes > 0 ? explain(fault).exitCode : 0;
}

/** The last line for programs: the contract others script against. What is not known is `null`. */
function summaryOf(snapshot: StreamSnapshot, { bytes, sha256 }: RecordingSummary): JsonEvent {
  return {
    event: 'summary',
    packets: snapshot.packets,
    bytes,
    lost: snapshot.lost,
    recovered: snapshot.recovered,
    unrecovered: snapshot.unrecovered,
    late: snapshot.late,
    duplicate: snapshot.duplicate,
    reordered: snapshot.reordered,
    firstIndex: snapshot.firstIndex ?? null,
    missingBefore: snapshot.missingBefore ?? null,
    continuityErrors: snapshot.continuityErrors,
    sha256,
  };
}
