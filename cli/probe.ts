/** `lancast probe`: listen to a stream for a while and say whether it is healthy. */
import type { MediaAddress } from '../wire/address.ts';
import { adviceRemedy, adviceSentence, tooSlowSentence } from '../wire/advice-words.ts';
import type { Programme, StreamSnapshot } from '../wire/metrics.ts';
import { command, defaulted, single, type Context } from './command.ts';
import { tellEngine } from './engine.ts';
import { formatMs, formatRate, formatShare, plural } from './format.ts';
import { causesOf, ownLoss, repairWords } from './losses.ts';
import { openStream, receiveOptions, streamAddress, type ReceiveValues } from './receiving.ts';
import { report } from './report.ts';
import { pause } from './signal.ts';
import { duration } from './values.ts';

export const probe = command({
  name: 'probe',
  summary: 'listen to a stream and report on its health: exit 0 when it is well, else 1',
  examples: [
    ['lancast probe rtp://239.255.1.1:5004', 'a report for people'],
    ['lancast probe rtp://239.255.1.1:5004 --json && echo well', 'a check for a script'],
  ],
  arguments: {
    url: single('URL', streamAddress, 'the stream: rtp://…, udp://…, seq://… or an address alone'),
  },
  options: {
    ...receiveOptions,
    duration: defaulted(single('TIME', duration(100, 86_400_000), 'how long to listen'), '10s'),
  },
  run: probeStream,
});

interface ProbeValues extends ReceiveValues {
  url: MediaAddress;
  duration: number;
}

async function probeStream(values: ProbeValues, { output, signal }: Context): Promise<number> {
  await tellEngine(values, output);
  const { session, silence } = await openStream(values.url, values);
  output.say(`  ➜ listening to ${session.snapshot().address} for ${values.duration / 1000} s …`);
  await pause(values.duration, signal);
  // The rate as it was while listening, before the stream is left.
  const { bitsPerSecond, bufferMs, state } = session.snapshot();
  await session.close();
  const snapshot = { ...session.snapshot(), bitsPerSecond, bufferMs, state };
  if (snapshot.packets === 0) return report(silence.diagnose(snapshot, values.duration / 1000), output);
  const problems = problemsOf(snapshot);
  output.event({ event: 'report', healthy: problems.length === 0, problems, ...snapshot });
  output.print(reportOf(snapshot, problems, values.latency));
  return problems.length === 0 ? 0 : 1;
}

/** What is not well with a stream, a phrase each; empty when it is healthy. */
export function problemsOf(snapshot: StreamSnapshot): string[] {
  const refused = Object.values(snapshot.refused).reduce((sum, count) => sum + count, 0);
  const counted: readonly (readonly [count: number, words: string])[] = [
    [snapshot.unrecovered, 'datagrams lost'],
    [snapshot.syncLosses, 'losses of synchronisation (TR 101 290, 1.1)'],
    [snapshot.syncByteErrors, 'sync byte errors (1.2)'],
    [snapshot.patErrors, 'PAT errors (1.3)'],
    [snapshot.continuityErrors, 'continuity errors (1.4)'],
    [snapshot.pmtErrors, 'PMT errors (1.5)'],
    [snapshot.pidErrors, 'PID errors (1.6)'],
    [snapshot.pcrErrors, 'PCR errors (2.3)'],
    [refused, 'datagrams of no known kind'],
  ];
  const problems = counted.filter(([count]) => count > 0).map(([count, words]) => `${words}: ${count}`);
  const own = ownLoss(snapshot);
  if (own) problems.push(own.words);
  if (snapshot.secondSender !== undefined)
    problems.push(`a second sender on the same group: ${snapshot.secondSender}`);
  return problems;
}

/** The report for people. @param latencyMs how long what was missing was waited for */
export function reportOf(snapshot: StreamSnapshot, problems: readonly string[], latencyMs?: number): string {
  const { packets, lost, recovered } = snapshot;
  const total = packets + snapshot.unrecovered;
  const repaired = repairWords(snapshot);
  const { advice = [] } = snapshot.repair ?? {};
  const advised = [adviceSentence(advice), adviceRemedy(advice, latencyMs)];
  const tooSlow = snapshot.unrecovered > 0 && snapshot.repair && tooSlowSentence(snapshot.repair);
  const rows: readonly (readonly [name: string, value: string])[] = [
    [
      'stream',
      [snapshot.address, snapshot.framing ?? '', snapshot.source ? `from ${snapshot.source}` : ''].join('  '),
    ],
    ['interface', `${snapshot.interface.name} (${snapshot.interface.address}), ${snapshot.interface.reason}`],
    ['bitrate', formatRate(snapshot.bitsPerSecond)],
    ['jitter', formatMs(snapshot.jitterMs)],
    [
      'datagrams',
      `${plural(total, 'datagram')}, ${lost} lost (${formatShare(lost, total)}), ${recovered} recovered`,
    ],
    ...lossRows(snapshot),
    ...(repaired === undefined ? [] : [['repair', repaired] as const]),
    ...(tooSlow ? [['', tooSlow] as const] : []),
    ...advised.flatMap((words, at) =>
      words === undefined ? [] : [[at === 0 ? 'advice' : '', words] as const],
    ),
    ['disorder', `${snapshot.reordered} reordered, ${snapshot.duplicate} duplicate, ${snapshot.late} late`],
    ...(snapshot.kernelDrops === undefined
      ? []
      : [['own loss', ownLoss(snapshot)?.words ?? 'none'] as const]),
    ...snapshot.programmes.map((each) => ['programme', programmeText(each)] as const),
    ['health', problems.length === 0 ? '✓ well' : `✗ ${problems.join('; ')}`],
  ];
  return rows.map(([name, value]) => `  ${name.padEnd(11)} ${value.trimEnd()}`).join('\n');
}

/** Each cause with its number; below, what can be done about those that count. */
function lossRows(snapshot: StreamSnapshot): (readonly [name: string, value: string])[] {
  const causes = causesOf(snapshot);
  if (causes.length === 0) return [];
  const found = causes.filter(({ count }) => count > 0);
  const remedies = found.flatMap(({ name, remedy }) => (remedy === undefined ? [] : [`${name}: ${remedy}`]));
  const counted = causes.map(({ name, count }) => `${name} ${count}`).join(', ');
  return [
    ['lost by', found.length === 0 ? 'nothing' : counted],
    ...remedies.map((remedy) => ['', remedy] as const),
  ];
}

function programmeText({ number, name, streams }: Programme): string {
  const parts = streams.map(
    ({ codec, pid, language }) => `${codec}${language ? ` ${language}` : ''} (PID ${pid})`,
  );
  return `${number}${name ? ` "${name}"` : ''}: ${parts.join(', ') || 'no streams'}`;
}
