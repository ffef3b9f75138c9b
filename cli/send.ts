/** `lancast send`: cast a file, a folder of them, standard input or the test pattern to groups, to everyone, or to some PCs. */
import path from 'node:path';
import type { SenderSession } from '../sender/index.ts';
import { formatMediaAddress, type MediaAddress } from '../wire/address.ts';
import { destinationsOf } from './channels.ts';
import { command, defaulted, flag, repeated, single, type Context } from './command.ts';
import { areStreams, destination, type WithCopies } from './copy-address.ts';
import { tellEngine, verboseOption } from './engine.ts';
import { isFolder } from './folder.ts';
import { formatClock, formatRate, formatShare, plural } from './format.ts';
import { version } from './installation.ts';
import type { Output, Progress } from './output.ts';
import { fecWords, protectionOptions } from './protecting.ts';
import { report } from './report.ts';
import { openSender, outcomeOf, type OpenSender, type SendValues } from './sending.ts';
import { cardWords, figures, noteTeller, sayEnd, sayReceivers, sendingEvent } from './sent.ts';
import { aborted } from './signal.ts';
import { bitrate, dscp, quantum, text, ttl } from './values.ts';

const BAR_CELLS = 20;

export const send = command({
  name: 'send',
  summary: 'cast a file, a folder, standard input or the test pattern to the network',
  examples: [
    ['lancast send film.mp4', 'to the group that belongs to its name'],
    ['lancast send film.ts --loop --to rtp://239.255.1.1:5004', 'to this group, again and again'],
    ['lancast send film.ts --to rtp://10.0.0.5 --to rtp://10.0.0.6', 'to two PCs, unicast'],
    [
      'lancast send film.ts --fec 2022:10x5',
      'with a fifth more, by which receivers repair bursts of ten losses',
    ],
    [
      'lancast send film.mp4 --to copy://10.0.0.5:5004',
      'the file itself, whole, to a PC that records copy://:5004',
    ],
    ['lancast send films --loop', 'all files of a folder, each as a channel of its own'],
    ['ffmpeg … -f mpegts - | lancast send - --name Lobby', 'from another program'],
  ],
  arguments: {
    source: single(
      'FILE',
      text,
      'a video or audio file, or a folder of them; - is standard input, and test is the test pattern',
    ),
  },
  options: {
    to: repeated(
      'ADDRESS',
      destination,
      'where to, the files of a folder to ports ten apart; copy://HOST:PORT: one file, whole, to one PC; otherwise a group of 239.255.0.0/16 by the name, port 5004',
    ),
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
    ...protectionOptions,
    bitrate: single(
      'RATE',
      bitrate,
      'pace in bits per second, such as 8M; otherwise the clock of the programme',
    ),
    asIs: flag('the bytes of any file, unchanged, without looking at them (seq:// unless said otherwise)'),
    name: single('NAME', text, 'what people call it; otherwise the name of the file'),
    broadcast: flag('allow broadcast addresses: everyone on the network gets it, asked or not'),
    paceQuantum: single(
      'TIME',
      quantum,
      'what is due within this time leaves together: 0, or 0.5ms to 10ms; otherwise 4.5ms, without the native engine 2ms',
    ),
    dscp: single(
      'CLASS',
      dscp,
      'priority of the datagrams in the network: a name such as AF41 (video), EF or CS5, or 0 to 63; otherwise none is set',
    ),
    kernelPacing: flag("leave the pace to the kernel where the card's queue (fq, etf) keeps it"),
    verbose: verboseOption,
    json: flag('events for programs, a line of JSON each, on standard output'),
  },
  run: sendSource,
});

async function sendSource(typed: WithCopies<SendValues, 'to'>, context: Context): Promise<number> {
  await tellEngine(typed, context.output);
  const { source, to } = typed;
  if (!areStreams(to)) return (await import('./copy-send.ts')).sendFileWhole(typed, context);
  const values = { ...typed, to };
  const isFile = source === '-' || source === 'test' || !(await isFolder(source));
  if (isFile) return sendOne(values, context);
  return (await import('./send-folder.ts')).sendFolder(values, context);
}

async function sendOne(values: SendValues, { output, signal }: Context): Promise<number> {
  const addresses = destinationsOf(values, values.name ?? path.basename(values.source));
  const sender = await openSender({ ...values, addresses });
  const { session } = sender;
  announce({ ...sender, addresses, values }, output);
  const tellNotes = noteTeller(session.source, output);
  const endFollowing = output.follow(() => {
    tellNotes();
    return progressOf(session, values);
  });
  void aborted(signal).then(() => session.close());
  const { sent, error } = await outcomeOf(session);
  endFollowing();
  tellNotes();
  const status = error ? report(error, output) : 0;
  sayEnd(sent, output);
  output.event({ event: 'summary', complete: sent.complete, ...figures(sent) });
  return status;
}

function announce(
  sent: OpenSender & { addresses: readonly MediaAddress[]; values: SendValues },
  output: Output,
): void {
  const { session, via, addresses, secondPath } = sent;
  const { ttl, fec } = sent.values;
  const { name, media, durationMs } = session.source;
  output.event(sendingEvent(sent, { name, addresses, ttl, fec }));
  const length = durationMs === undefined ? '' : formatClock(durationMs);
  output.say(
    `  ${[`lancast ${version()}`, name, media, length].filter((word) => word !== '').join('   ')}\n`,
  );
  const manner = [`ttl ${ttl}`, fecWords(fec)].filter((word) => word !== '').join(' · ');
  for (const each of addresses)
    output.say(`  ✓ sending to   ${formatMediaAddress(each)}  via ${cardWords(via)}  ${manner}`);
  for (const each of secondPath?.addresses ?? [])
    output.say(`  ✓ second path  ${formatMediaAddress(each)}  via ${cardWords(secondPath?.via ?? via)}`);
  for (const each of addresses) sayReceivers(each, output);
}

function progressOf(session: SenderSession, { loop, fec }: SendValues): Progress {
  const progress = session.progress();
  const { mediaMs, bitsPerSecond, sentDatagrams, pacePpm, receivers, retransmission } = progress;
  const durationMs = loop ? undefined : session.source.durationMs;
  const words = [
    durationMs === undefined ? formatClock(mediaMs) : `${formatClock(mediaMs)}/${formatClock(durationMs)}`,
    ...(durationMs === undefined ? [] : [bar(mediaMs / durationMs)]),
    formatRate(bitsPerSecond),
    plural(sentDatagrams, 'datagram'),
    ...(receivers.length === 0 ? [] : [plural(receivers.length, 'receiver')]),
    ...(retransmission && retransmission.repaired > 0
      ? [`repair ${formatShare(retransmission.repaired, sentDatagrams)}`]
      : []),
    ...(fec === 'auto' && progress.fec?.setting !== undefined ? [`FEC ${progress.fec.setting}`] : []),
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
