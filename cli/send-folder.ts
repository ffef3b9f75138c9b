/** `lancast send` of a folder: each of its files is a channel of its own, all in one process. */
import type { SenderProgress } from '../sender/index.ts';
import { LancastError } from '../wire/errors.ts';
import type { Context } from './command.ts';
import { filesOf } from './folder.ts';
import { formatBytes, formatClock, formatRate, formatShare, plural } from './format.ts';
import { version } from './installation.ts';
import type { Output, Progress } from './output.ts';
import { fecWords } from './protecting.ts';
import type { SendValues } from './sending.ts';
import { cardWords, sayReceivers } from './sent.ts';
import { aborted } from './signal.ts';
import { Station, type Channel } from './station.ts';

/**
 * Casts the files of a folder. Those that cannot be sent are named and left out. The status is that of the first channel that
 * failed on the air.
 */
export async function sendFolder(values: SendValues, { output, signal }: Context): Promise<number> {
  const files = await filesToSend(values);
  output.say(`  lancast ${version()}   ${values.source}   ${plural(files.length, 'file')}\n`);
  const station = new Station(values, output);
  void aborted(signal).then(() => station.stop());
  const endFollowing = output.follow(() => progressOf(station.channels));
  try {
    await station.start(files);
    if (station.channels.length === 0 && !signal.aborted) throw nothingToSend(values.source, station.leftOut);
    if (!signal.aborted) sayHow(station, values, output);
    await Promise.all(station.channels.map(({ ended }) => ended));
  } finally {
    await station.stop();
    endFollowing();
  }
  return conclude(station, output);
}

/** Throws `LancastError` E001, E201, E207 or E208. */
async function filesToSend({ source, name }: SendValues): Promise<string[]> {
  if (name !== undefined) {
    const reason = 'the channels of a folder have the names of their files';
    throw new LancastError('E001', '--name is for one stream', { reason, command: 'send' });
  }
  const files = await filesOf(source);
  if (files.length > 0) return files;
  const reason = 'there is no file in this folder';
  throw new LancastError('E207', `no file in ${source}`, { path: source, reason });
}

/** A missing ffmpeg is told before anything else: with it, there may be something. */
function nothingToSend(folder: string, leftOut: readonly LancastError[]): LancastError {
  const missing = leftOut.find(({ code }) => code === 'E204');
  const reason = `none of ${plural(leftOut.length, 'file')} in it can be sent`;
  return missing ?? new LancastError('E202', `nothing to send in ${folder}`, { path: folder, reason });
}

/** From where they are sent, and how the first is received: the others go by their addresses. */
function sayHow({ channels, via }: Station, { ttl, fec }: SendValues, output: Output): void {
  const card = via && cardWords(via);
  const manner = [`ttl ${ttl}`, fecWords(fec)].filter((word) => word !== '').join(' · ');
  output.say(`\n  ✓ sending      ${plural(channels.length, 'channel')} via ${card}  ${manner}`);
  for (const each of channels[0]?.addresses ?? []) sayReceivers(each, output);
}

function progressOf(channels: readonly Channel[]): Progress {
  for (const { tellNotes } of channels) tellNotes();
  const all = channels.map(({ session, end }) => ({ ...session.progress(), end }));
  const onAir = all.filter(({ end }) => end === undefined);
  const failed = all.filter(({ end }) => end !== undefined && end.status !== 0).length;
  const bitsPerSecond = onAir.reduce((total, each) => total + each.bitsPerSecond, 0);
  const sum = totals(all);
  const words = [
    formatClock(Math.max(0, ...all.map(({ mediaMs }) => mediaMs))),
    `${onAir.length} of ${plural(all.length, 'channel')}`,
    formatRate(bitsPerSecond),
    plural(sum.sentDatagrams, 'datagram'),
    ...(sum.receivers === 0 ? [] : [plural(sum.receivers, 'receiver')]),
    ...(sum.repaired === 0 ? [] : [`repair ${formatShare(sum.repaired, sum.sentDatagrams)}`]),
    ...(sum.failedSends === 0 ? [] : [`${sum.failedSends} refused`]),
    ...(failed === 0 ? [] : [`${failed} failed`]),
  ];
  const counts = { channels: all.length, onAir: onAir.length, failed };
  return { line: `  ${words.join('  ')}`, event: { event: 'progress', ...counts, bitsPerSecond, ...sum } };
}

/** The sums of what channels have done. */
function totals(all: readonly SenderProgress[]) {
  const sum = (count: (each: SenderProgress) => number): number =>
    all.reduce((total, each) => total + count(each), 0);
  return {
    sentDatagrams: sum((each) => each.sentDatagrams),
    sentBytes: sum((each) => each.sentBytes),
    failedSends: sum((each) => each.failedSends),
    receivers: sum((each) => each.receivers.length),
    repaired: sum((each) => each.retransmission?.repaired ?? 0),
  };
}

/** Tells what was sent in all; the exit status. */
async function conclude({ channels, leftOut }: Station, output: Output): Promise<number> {
  const ends = await Promise.all(channels.map(({ ended }) => ended));
  const complete = ends.length > 0 && ends.every(({ sent }) => sent.complete);
  const failures = ends.filter(({ status }) => status !== 0);
  const sum = totals(ends.map(({ sent }) => sent));
  const size = `${formatBytes(sum.sentBytes)} in ${plural(sum.sentDatagrams, 'datagram')}`;
  output.say(`  ${complete ? '✓ sent' : '! stopped:'} ${plural(ends.length, 'channel')}, ${size}`);
  if (sum.failedSends > 0) output.say(`  ! the system refused ${plural(sum.failedSends, 'datagram')}`);
  const counts = { channels: ends.length, failed: failures.length, leftOut: leftOut.length };
  output.event({ event: 'summary', complete, ...counts, ...sum });
  return failures[0]?.status ?? 0;
}
