/** `lancast record` of several streams: all in one process, a file for each in one folder. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { formatEndpoint, sameEndpoint } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import type { Context } from './command.ts';
import { formatBytes, formatClock, formatCount, formatRate, plural } from './format.ts';
import { whatIsMissing } from './missing.ts';
import type { Output, Progress, Voice } from './output.ts';
import { openStream, type OpenStream } from './receiving.ts';
import {
  openTarget,
  recordToEnd,
  silenceOf,
  statusOf,
  summaryOf,
  type Recorded,
  type RecordValues,
  type Target,
} from './recording.ts';
import { report, warn } from './report.ts';
import { tableLines } from './table.ts';

/** More streams than this are counted, not named, when the same is to be said of all. */
const NAMED = 3;
/** What is summed over all streams, in the order of the summary. */
const SUMMED = [
  'packets',
  'bytes',
  'lost',
  'recovered',
  'unrecovered',
  'late',
  'duplicate',
  'reordered',
  'continuityErrors',
] as const;

/** One of several streams. */
interface Track {
  stream: OpenStream;
  target: Target;
  /** Its file in the folder. */
  file: string;
  voice: Voice;
}

/** Records each stream to its own end. The status is that of the first that failed, and 11 only when nothing came on any. */
export async function recordFolder(values: RecordValues, { output, signal }: Context): Promise<number> {
  refuse(values);
  const tracks = await openTracks(values, output);
  announce(tracks, values.out, output);
  let ended = 0;
  const endFollowing = output.follow(() => progressOf(tracks, ended));
  const all = await Promise.all(
    tracks.map(async (track) => {
      const recorded = await recordToEnd(track, values, { voice: track.voice, signal });
      ended++;
      const silence = silenceOf(recorded, track.stream);
      if (silence) warn(silence, track.voice);
      track.voice.event(summaryOf(recorded));
      return { ...recorded, file: track.file, silence };
    }),
  );
  endFollowing();
  sayEnd(all, values.out, output);
  const status = conclude(all, output);
  output.event({ event: 'summary', streams: all.length, ...sums(all) });
  return status;
}

/** Throws E001 for what cannot be recorded together. */
function refuse({ urls, out }: RecordValues): void {
  if (out === '-') {
    const reason = 'several streams are recorded to a folder';
    throw new LancastError('E001', 'several streams do not fit on standard output', {
      reason,
      command: 'record',
    });
  }
  const twin = urls.find((url, index) => urls.findIndex((other) => sameEndpoint(url, other)) < index);
  if (twin === undefined) return;
  const reason = 'each stream has a file of its own';
  throw new LancastError('E001', `${formatEndpoint(twin)} is named twice`, { reason, command: 'record' });
}

/** The exit status. Silence of some is no failure while others are heard. */
function conclude(
  all: readonly (Recorded & { silence: LancastError | undefined })[],
  output: Output,
): number {
  const silent = all.flatMap(({ silence }) => silence ?? []);
  const [first] = silent;
  if (first === undefined || silent.length < all.length)
    return all.map(statusOf).find((status) => status !== 0) ?? 0;
  const address = `any of ${plural(all.length, 'stream')}`;
  return report(
    new LancastError('E101', 'nothing came on any stream', { ...first.details, address }),
    output,
  );
}

/** Opens all or nothing. The sockets first: a port that is taken must not cost the files that are there. */
async function openTracks(values: RecordValues, output: Output): Promise<Track[]> {
  const streams: OpenStream[] = [];
  const tracks: Track[] = [];
  try {
    for (const url of values.urls) streams.push(await openStream(url, values));
    await makeFolder(values.out);
    const opening = await Promise.allSettled(streams.map((stream) => openTrack(stream, values, output)));
    for (const each of opening) if (each.status === 'fulfilled') tracks.push(each.value);
    for (const each of opening) if (each.status === 'rejected') throw each.reason;
    return tracks;
  } catch (error) {
    await Promise.all([
      ...streams.map(({ session }) => session.close()),
      ...tracks.map(({ target }) => target.close()),
    ]);
    throw error;
  }
}

async function openTrack(
  stream: OpenStream,
  { out, unhashed }: RecordValues,
  output: Output,
): Promise<Track> {
  const file = `${stream.session.id}.ts`;
  const voice = output.about(file, { stream: stream.session.id });
  return { stream, target: await openTarget(stream, path.join(out, file), { voice, unhashed }), file, voice };
}

/** Throws E401, E402 or E404. */
async function makeFolder(folder: string): Promise<void> {
  const { diskError } = await import('../receiver/sinks/recording-file.ts');
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw diskError(folder, cause);
  });
}

function announce(tracks: readonly Track[], folder: string, output: Output): void {
  output.say(`  ➜ recording    ${tracks.length} streams to ${folder}`);
  const rows = tracks.map(({ stream: { session, via }, target, file, voice }) => {
    const { address } = session.snapshot();
    voice.event({ event: 'recording', address, path: target.recording.summary.path, interface: via });
    return [address, `via ${via.name} (${via.address}), ${via.reason}`, file];
  });
  output.say(
    tableLines('<<<', rows)
      .map((line) => `    ${line}`)
      .join('\n'),
  );
}

function progressOf(tracks: readonly Track[], ended: number): Progress {
  const all = tracks.map(({ stream, target }) => ({
    ...stream.session.snapshot(),
    bytes: target.recording.summary.bytes,
  }));
  const playing = all.filter(({ state }) => state === 'playing').length;
  const sum = (
    key: 'packets' | 'bytes' | 'lost' | 'recovered' | 'unrecovered' | 'late' | 'bitsPerSecond',
  ): number => all.reduce((total, each) => total + each[key], 0);
  const counters = {
    packets: sum('packets'),
    bytes: sum('bytes'),
    lost: sum('lost'),
    recovered: sum('recovered'),
    unrecovered: sum('unrecovered'),
    late: sum('late'),
    bitsPerSecond: sum('bitsPerSecond'),
  };
  const words = [
    formatClock(Math.max(...tracks.map(({ stream }) => stream.openMs()))),
    `${playing} of ${plural(tracks.length, 'stream')}`,
    formatBytes(counters.bytes),
    formatRate(counters.bitsPerSecond),
    plural(counters.packets, 'datagram'),
    `${counters.unrecovered} lost`,
    ...(ended === 0 ? [] : [`${ended} ended`]),
  ];
  const event = { event: 'progress', streams: tracks.length, playing, ended, ...counters };
  return { line: `  ${words.join('  ')}`, event };
}

function sums(all: readonly Recorded[]): Record<string, number> {
  const counters = all.map(({ snapshot, recording }) => ({ ...snapshot, bytes: recording.bytes }));
  return Object.fromEntries(
    SUMMED.map((key) => [key, counters.reduce((total, each) => total + each[key], 0)]),
  );
}

/** A table of what was recorded, and a line for what is missing of which stream. */
function sayEnd(all: readonly (Recorded & { file: string })[], folder: string, output: Output): void {
  const { bytes = 0, packets = 0 } = sums(all);
  if (packets === 0) return;
  output.say(`  ✓ recorded     ${folder}: ${formatBytes(bytes)} in ${plural(packets, 'datagram')}`);
  const rows = all.map(({ file, snapshot, recording, ending }) => [
    file,
    formatBytes(recording.bytes),
    formatCount(snapshot.packets),
    formatClock(ending.lastedMs),
    formatCount(snapshot.unrecovered),
  ]);
  const lines = tableLines('<>>>>', [['file', 'size', 'datagrams', 'length', 'lost'], ...rows]);
  output.say(lines.map((line) => `    ${line}`).join('\n'));
  const missing = missingByFile(all);
  if (missing.length === 0) output.say('  ✓ complete     not one byte is missing');
  for (const line of missing) output.say(`  ! ${line}`);
}

/** What is missing, with the files it is missing from; the same sentence once for all of them. */
export function missingByFile(all: readonly (Recorded & { file: string })[]): string[] {
  const files = new Map<string, string[]>();
  for (const { file, snapshot, recording, ending } of all) {
    const sentences =
      snapshot.packets === 0
        ? ['nothing came']
        : whatIsMissing({ snapshot, recording, proven: ending.proven });
    for (const each of sentences) files.set(each, [...(files.get(each) ?? []), file]);
  }
  return [...files].map(([sentence, names]) => {
    const whose = names.length > NAMED ? plural(names.length, 'stream') : names.join(', ');
    return `${whose}: ${sentence}`;
  });
}
