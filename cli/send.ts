/** `lancast send`: cast a file, standard input or the test pattern to a group, to everyone, or to some PCs. */
import path from 'node:path';
import type { SenderProgress, SenderSession } from '../sender/index.ts';
import type { SourceDescription } from '../sender/source.ts';
import type { ChosenInterface } from '../transport/udp.ts';
import { formatEndpoint, formatMediaAddress, groupForName, DEFAULT_PORT } from '../wire/address.ts';
import type { MediaAddress } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import { command, defaulted, flag, repeated, single, type Context } from './command.ts';
import { formatBytes, formatClock, formatRate, plural } from './format.ts';
import { commandName, version } from './installation.ts';
import type { Output, Progress } from './output.ts';
import { report } from './report.ts';
import { openSender } from './sending.ts';
import { aborted } from './signal.ts';
import { address, bitrate, quantum, text, ttl } from './values.ts';

const BAR_CELLS = 20;

export const send = command({
  name: 'send',
  summary: 'cast a file, standard input or the test pattern to the network',
  examples: [
    ['lancast send film.mp4', 'to the group that belongs to its name'],
    ['lancast send film.ts --loop --to rtp://239.255.1.1:5004', 'to this group, again and again'],
    ['lancast send film.ts --to rtp://10.0.0.5 --to rtp://10.0.0.6', 'to two PCs, unicast'],
    ['ffmpeg … -f mpegts - | lancast send - --name Lobby', 'from another program'],
  ],
  arguments: {
    source: single('FILE', text, 'a video or audio file; - is standard input, and test is the test pattern'),
  },
  options: {
    to: repeated('ADDRESS', address, 'where to; otherwise a group of 239.255.0.0/16 by the name, port 5004'),
    iface: single(
      'CARD',
      text,
      'network card to send from, by name or address; otherwise the one of the route',
    ),
    ttl: defaulted(
      single('HOPS', ttl, 'how far it goes: 1 stays in this network, and each router takes one'),
      '1',
    ),
    loop: flag('again and again, as one endless legal stream'),
    bitrate: single(
      'RATE',
      bitrate,
      'pace in bits per second, such as 8M; otherwise the clock of the programme',
    ),
    asIs: flag('the bytes of any file, unchanged, without looking at them (seq:// unless said otherwise)'),
    name: single('NAME', text, 'what people call it; otherwise the name of the file'),
    broadcast: flag('allow broadcast addresses: everyone on the network gets it, asked or not'),
    paceQuantum: single('TIME', quantum, 'what is due within this time leaves together: 0, or 0.5ms to 10ms'),
    json: flag('events for programs, a line of JSON each, on standard output'),
  },
  run: sendSource,
});

interface SendValues {
  source: string;
  to: MediaAddress[];
  iface: string | undefined;
  ttl: number;
  loop: boolean;
  bitrate: number | undefined;
  asIs: boolean;
  name: string | undefined;
  broadcast: boolean;
  paceQuantum: number | undefined;
}

async function sendSource(values: SendValues, { output, signal }: Context): Promise<number> {
  const addresses = destinations(values);
  const { session, via } = await openSender({ ...values, addresses });
  announce({ session, via, addresses, ttl: values.ttl }, output);
  const tellNotes = noteTeller(session.source, output);
  const endFollowing = output.follow(() => {
    tellNotes();
    return progressOf(session, values.loop);
  });
  void aborted(signal).then(() => session.close());
  const { summary, error } = await session.ended.then(
    (ended) => ({ summary: ended, error: undefined }),
    (failure: unknown) => ({ summary: { ...session.progress(), complete: false }, error: failure }),
  );
  endFollowing();
  tellNotes();
  if (error !== undefined && !(error instanceof LancastError)) throw error;
  const status = error ? report(error, output) : 0;
  sayEnd(summary, output);
  output.event({ event: 'summary', complete: summary.complete, ...figures(summary) });
  return status;
}

/** Where to: as asked for, or a group that belongs to the name. */
function destinations({ to, asIs, name, source }: SendValues): MediaAddress[] {
  const framing = asIs ? ('seq' as const) : ('rtp' as const);
  if (to.length > 0) return to.map((each) => ({ ...each, framing: each.framing ?? framing }));
  const group = groupForName(name ?? path.basename(source));
  return [{ framing, address: group, port: DEFAULT_PORT, family: 4, scope: 'multicast' }];
}

function announce(
  sent: { session: SenderSession; via: ChosenInterface; addresses: readonly MediaAddress[]; ttl: number },
  output: Output,
): void {
  const { session, via, addresses, ttl } = sent;
  const { name, media, durationMs, totalBytes, notes } = session.source;
  const to = addresses.map((each) => formatMediaAddress(each));
  output.event({ event: 'sending', to, name, media, durationMs, totalBytes, ttl, interface: via, notes });
  const length = durationMs === undefined ? '' : formatClock(durationMs);
  output.say(
    `  ${[`lancast ${version()}`, name, media, length].filter((word) => word !== '').join('   ')}\n`,
  );
  const card = `${via.name} (${via.address}), ${via.reason}`;
  for (const each of to) output.say(`  ✓ sending to   ${each}  via ${card}  ttl ${ttl}`);
  for (const each of addresses) sayReceivers(each, output);
}

/** The lines that others type to receive it. */
function sayReceivers(address: MediaAddress, output: Output): void {
  const url = formatMediaAddress(address);
  output.say(`  ➜ other PC     ${commandName()} watch ${url}`);
  if (address.framing === 'seq') return; // nobody else speaks it
  const host = address.scope === 'unicast' ? `:${address.port}` : formatEndpoint(address);
  output.say(`  ➜ VLC          vlc ${address.framing}://@${host}`);
}

/** Says what shows up about a source, once each. */
function noteTeller({ notes }: SourceDescription, output: Output): () => void {
  let told = 0;
  return () => {
    for (const note of notes.slice(told)) {
      output.event({ event: 'note', note });
      output.say(`  ! ${note}`);
    }
    told = notes.length;
  };
}

function progressOf(session: SenderSession, loop: boolean): Progress {
  const progress = session.progress();
  const { mediaMs, bitsPerSecond, sentDatagrams, pacePpm, receivers } = progress;
  const durationMs = loop ? undefined : session.source.durationMs;
  const words = [
    durationMs === undefined ? formatClock(mediaMs) : `${formatClock(mediaMs)}/${formatClock(durationMs)}`,
    ...(durationMs === undefined ? [] : [bar(mediaMs / durationMs)]),
    formatRate(bitsPerSecond),
    plural(sentDatagrams, 'datagram'),
    ...(receivers.length === 0 ? [] : [plural(receivers.length, 'receiver')]),
    ...(durationMs === undefined ? [] : [`ETA ${formatClock((durationMs - mediaMs) / (pacePpm / 1e6))}`]),
  ];
  return { line: `  ${words.join('  ')}`, event: { event: 'progress', ...figures(progress) } };
}

/** `▕██████▋             ▏ 33%`. */
export function bar(part: number): string {
  const share = Math.min(1, Math.max(0, part));
  const eighths = Math.round(share * BAR_CELLS * 8);
  const partial = eighths % 8 === 0 ? '' : String.fromCodePoint(0x2590 - (eighths % 8));
  const cells = '█'.repeat(Math.floor(eighths / 8)) + partial;
  return `▕${cells.padEnd(BAR_CELLS)}▏ ${Math.floor(share * 100)}%`;
}

/** What programs are told of a sender; its receivers by their number. */
function figures({ receivers, ...counters }: SenderProgress): Record<string, unknown> {
  return { ...counters, receivers: receivers.length };
}

function sayEnd(summary: SenderProgress & { complete: boolean }, output: Output): void {
  const { complete, mediaMs, sentBytes, sentDatagrams, failedSends } = summary;
  if (sentDatagrams === 0 && failedSends > 0) {
    output.say(`  ! nothing left this PC: the system refused ${plural(failedSends, 'datagram')}`);
    return;
  }
  const size = `${formatBytes(sentBytes)} in ${plural(sentDatagrams, 'datagram')}`;
  output.say(`  ${complete ? '✓ sent' : '! stopped at'} ${formatClock(mediaMs)} of the programme: ${size}`);
  if (failedSends > 0) output.say(`  ! the system refused ${plural(failedSends, 'datagram')}`);
}
