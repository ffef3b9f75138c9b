/** Losses by cause, and what repair did about them, in words: the same in every command. */
import { adviceRemedy, adviceSentence, settingWords, tooSlowSentence } from '../wire/advice-words.ts';
import type { LossByCause, StreamSnapshot } from '../wire/metrics.ts';
import { pathWords } from '../wire/path-words.ts';
import { formatShare, plural } from './format.ts';

const LARGER_BUFFER = 'sudo sysctl -w net.core.rmem_max=33554432';

/** A cause, how many there were of it, and what helps. */
export interface Cause {
  kind: keyof LossByCause;
  count: number;
  /** For a list: `own buffer`. */
  name: string;
  /** Behind a number of datagrams: `12 in the network`. */
  where: string;
  /** A sentence on what to do; `undefined` when it is not up to this PC. */
  remedy: string | undefined;
}

/** What the causes are told from. */
type Told = Pick<StreamSnapshot, 'causes' | 'kernelDrops' | 'overruns' | 'lossMayBeUnderstated'>;

/** All five, those of which there is nothing too; empty where they are not told apart. */
export function causesOf(snapshot: Told): Cause[] {
  const { causes, lossMayBeUnderstated: isBare } = snapshot;
  if (causes === undefined) return [];
  return [
    {
      kind: 'network',
      count: causes.network,
      // Bare MPEG-TS has no numbers: what breaks its continuity may have been lost before it was sent.
      name: isBare ? 'network or source' : 'network',
      where: isBare ? 'in the network or the source' : 'in the network',
      remedy: undefined,
    },
    {
      kind: 'ownBuffer',
      count: causes.ownBuffer,
      name: 'own buffer',
      where: "in this PC's own receive buffer",
      remedy: ownLoss(snapshot)?.remedy ?? LARGER_BUFFER,
    },
    {
      kind: 'late',
      count: causes.late,
      name: 'late',
      where: 'too late',
      remedy: 'a larger --latency waits for them',
    },
    {
      kind: 'overflow',
      count: causes.overflow,
      name: 'given up early',
      where: 'given up early',
      remedy: 'there was no room to wait for so long at this rate: choose a smaller --latency',
    },
    {
      kind: 'source',
      count: causes.source,
      name: 'hole in the source',
      where: 'in the source',
      remedy: 'missing before the stream was sent: look for damage in the file, or upstream of the sender',
    },
  ];
}

/** What was lost for good, a sentence each, with what to do about it; empty when nothing was. */
export function lossSentences(snapshot: StreamSnapshot): string[] {
  const { unrecovered, continuityErrors, causes, repair, lossMayBeUnderstated } = snapshot;
  const found = causesOf(snapshot).filter(({ count }) => count > 0);
  const sentences: string[] = [];
  if (unrecovered > 0) {
    sentences.push(lostSentence(snapshot, found));
    const tooSlow = repair && tooSlowSentence(repair);
    if (tooSlow !== undefined) sentences.push(tooSlow);
  }
  const own = ownLoss(snapshot);
  if (own) sentences.push(`${own.words}: ${own.remedy}`);
  for (const { kind, count, remedy } of found) {
    if (kind === 'late') sentences.push(`${plural(count, 'datagram')} too late: ${remedy}`);
    if (kind === 'overflow') sentences.push(`${plural(count, 'datagram')} given up early: ${remedy}`);
    if (kind === 'source') sentences.push(`${plural(count, 'break')} of continuity: ${remedy}`);
  }
  if (continuityErrors > 0 && unrecovered === 0 && !causes?.source) {
    const cause = lossMayBeUnderstated
      ? 'lost on the way, or missing in the source'
      : 'missing in the source';
    sentences.push(`${plural(continuityErrors, 'continuity error')} inside the stream: packets ${cause}`);
  }
  return sentences;
}

/** `6 datagrams lost and not repaired (0.60 %): 4 in the network, 2 too late`. @param found the causes that count */
function lostSentence({ packets, unrecovered }: StreamSnapshot, found: readonly Cause[]): string {
  const lost = plural(unrecovered, 'datagram');
  const share = formatShare(unrecovered, packets + unrecovered);
  const told = found.filter(({ kind }) => kind !== 'source');
  const [only] = told;
  if (only === undefined) return `${lost} lost on the way and not repaired (${share})`;
  if (told.length === 1) return `${lost} lost and not repaired (${share}), ${only.where}`;
  const parts = told.map(({ count, where }) => `${count} ${where}`);
  return `${lost} lost and not repaired (${share}): ${parts.join(', ')}`;
}

/** What this PC itself dropped, why, and what helps; `undefined` when it dropped nothing, or does not tell. */
export function ownLoss({
  kernelDrops = 0,
  overruns = 0,
}: Pick<StreamSnapshot, 'kernelDrops' | 'overruns'>): { words: string; remedy: string } | undefined {
  if (kernelDrops === 0) return undefined;
  const dropped = `${plural(kernelDrops, 'datagram')} dropped`;
  if (overruns === 0) {
    return { words: `${dropped} by this PC's own receive buffer`, remedy: LARGER_BUFFER };
  }
  const words = `${dropped} because this PC was too busy (${plural(overruns, 'time')})`;
  return { words, remedy: `give it less to do, or --unhashed; ${LARGER_BUFFER} helps over short stalls` };
}

/** Below what was lost for good: what repair did, where it had something to do, and what it could have done. */
export function repairLines(snapshot: StreamSnapshot, latencyMs: number): string[] {
  const { lost, repair, paths } = snapshot;
  const repaired = repairWords(snapshot);
  const { advice = [] } = repair ?? {};
  const sentence = adviceSentence(advice);
  return [
    ...(repaired !== undefined && (lost > 0 || paths) ? [`    repaired     ${repaired}`] : []),
    ...(sentence === undefined ? [] : [`  ➜ advice       ${sentence}: ${adviceRemedy(advice, latencyMs)}`]),
  ];
}

/** What repair brought back, and by which means; `undefined` where nothing is repaired. */
export function repairWords({ repair, paths }: StreamSnapshot): string | undefined {
  const words: string[] = [];
  if (repair) {
    const { fec, retransmitted, asked, setting, refused } = repair;
    const useless = Object.entries(refused).filter(([, count]) => count > 0);
    words.push(`${fec} by FEC${setting === undefined ? '' : ` (${settingWords(setting)})`}`);
    words.push(`${retransmitted} sent again${asked > 0 ? ` (${asked} asked for)` : ''}`);
    if (useless.length > 0) {
      const reasons = useless.map(([reason, count]) => `${reason.replaceAll('-', ' ')} ${count}`);
      words.push(`repair packets of no use: ${reasons.join(', ')}`);
    }
  }
  if (paths) words.push(pathWords(paths));
  return words.length === 0 ? undefined : words.join(', ');
}
