/** `lancast record`: receive streams and write them down, byte for byte, with proof of what is missing. */
import type { MediaAddress } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import { command, flag, repeated, single, type Context } from './command.ts';
import { areStreams, destination, type WithCopies } from './copy-address.ts';
import { tellEngine } from './engine.ts';
import { formatBytes, formatClock, formatRate, plural } from './format.ts';
import { repairLines } from './losses.ts';
import { whatIsMissing } from './missing.ts';
import type { Output, Progress } from './output.ts';
import { openStream, receiveOptions, refuseSharedPath, sayPath, type OpenStream } from './receiving.ts';
import { recordFolder } from './record-folder.ts';
import {
  openTarget,
  recordToEnd,
  silenceOf,
  statusOf,
  summaryOf,
  type Recorded,
  type RecordValues,
} from './recording.ts';
import { report } from './report.ts';
import { duration, text } from './values.ts';

const YEAR_MS = 365 * 86_400_000;

export const record = command({
  name: 'record',
  summary: 'receive streams and write them to files, byte for byte',
  examples: [
    ['lancast record rtp://239.255.1.1:5004 film.ts', 'until the sender says goodbye'],
    ['lancast record udp://@239.255.1.1:1234 film.ts --timeout 5s', 'bare MPEG-TS: until 5 s of silence'],
    ['lancast record 239.255.1.1 - | ffplay -', 'on standard output, for another program'],
    ['lancast record 239.255.1.1:5004 239.255.1.2:5014 films', 'two streams, each to its file in a folder'],
    ['lancast record copy://:5004 films', 'whatever files others send to this PC, until Ctrl-C'],
  ],
  arguments: {
    urls: repeated(
      'URL',
      destination,
      'a stream: rtp://…, udp://…, seq://… or an address alone; copy://:PORT: files that others send, whole',
    ),
    out: single(
      'OUT',
      text,
      'the file; - is standard output; for several streams and copy:// a folder, made when it is not there',
    ),
  },
  options: {
    ...receiveOptions,
    duration: single('TIME', duration(1, YEAR_MS), 'end this long after the first datagram'),
    timeout: single('TIME', duration(1, YEAR_MS), 'end after this long a silence'),
    unhashed: flag('work out no SHA-256, which is most of the work at high rates'),
  },
  run: recordStreams,
});

async function recordStreams(typed: WithCopies<RecordValues, 'urls'>, context: Context): Promise<number> {
  await tellEngine(typed, context.output);
  const { urls } = typed;
  if (!areStreams(urls)) return (await import('./copy-record.ts')).recordCopies(typed, context);
  const values = { ...typed, urls };
  const [url, ...others] = urls;
  if (others.length > 0 || url === undefined) {
    refuseSharedPath(urls, values, 'record');
    return recordFolder(values, context);
  }
  return recordFile(url, values, context);
}

async function recordFile(
  url: MediaAddress,
  values: RecordValues,
  { output, signal }: Context,
): Promise<number> {
  const { out, unhashed } = values;
  if (out === '-' && output.json) {
    throw new LancastError('E001', '--json and OUT - both want standard output', { command: 'record' });
  }
  // The socket first: a port that is taken must not cost the file that is there.
  const stream = await openStream(url, values);
  const target = await openTarget(stream, out, { voice: output, unhashed });
  announce(stream, out, output);
  const endFollowing = output.follow(() => progressOf(stream, target.recording.summary.bytes));
  const recorded = await recordToEnd({ stream, target }, values, { voice: output, signal });
  endFollowing();
  sayEnd(recorded, { latencyMs: values.latency, output });
  const silence = silenceOf(recorded, stream);
  const status = silence ? report(silence, output) : statusOf(recorded);
  output.event(summaryOf(recorded));
  return status;
}

function announce(stream: OpenStream, path: string, output: Output): void {
  const { session, via } = stream;
  const { address } = session.snapshot();
  output.event({ event: 'recording', address, path, interface: via });
  output.say(
    `  ➜ recording    ${address} via ${via.name} (${via.address}), ${via.reason}\n    to           ${path}`,
  );
  sayPath(stream, output);
}

function progressOf({ session, openMs }: OpenStream, bytes: number): Progress {
  const { packets, lost, recovered, unrecovered, late, bitsPerSecond, state } = session.snapshot();
  const words = [
    formatClock(openMs()),
    formatBytes(bytes),
    formatRate(bitsPerSecond),
    plural(packets, 'datagram'),
    `${unrecovered} lost`,
    ...(state === 'playing' ? [] : [state]),
  ];
  const counters = { state, packets, bytes, lost, recovered, unrecovered, late, bitsPerSecond };
  return { line: `  ${words.join('  ')}`, event: { event: 'progress', ...counters } };
}

/** Says in words what was recorded, what is missing, and what repair did about it. */
function sayEnd(
  { snapshot, recording, ending }: Recorded,
  { latencyMs, output }: { latencyMs: number; output: Output },
): void {
  if (snapshot.packets === 0) return;
  const { proven, lastedMs } = ending;
  const missing = whatIsMissing({ snapshot, recording, proven });
  const size = `${formatBytes(recording.bytes)} in ${plural(snapshot.packets, 'datagram')}, ${formatClock(lastedMs)}`;
  output.say(`  ✓ recorded     ${recording.path}: ${size}`);
  if (missing.length === 0) output.say('  ✓ complete     not one byte is missing');
  for (const sentence of missing) output.say(`  ! ${sentence}`);
  for (const words of repairLines(snapshot, latencyMs)) output.say(words);
  if (recording.sha256 !== undefined) output.say(`    sha256       ${recording.sha256}`);
}
