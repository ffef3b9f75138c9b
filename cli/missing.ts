/** What is missing from a recording, in words. */
import type { RecordingSummary } from '../receiver/sinks/recording.ts';
import type { StreamSnapshot } from '../wire/metrics.ts';
import { formatBytes, formatShare, plural } from './format.ts';

const LARGER_BUFFER = 'sudo sysctl -w net.core.rmem_max=33554432';

/** What the words are made from. */
export interface RecordedStream {
  snapshot: StreamSnapshot;
  recording: Pick<RecordingSummary, 'droppedBytes' | 'gaps'>;
  /** True when the sender named its last datagram, so that a missing tail was counted. */
  proven: boolean;
}

/** One sentence for each thing that is missing or not known; empty when the recording is complete and that is proven. */
export function whatIsMissing({ snapshot, recording, proven }: RecordedStream): string[] {
  const { packets, unrecovered, missingBefore, continuityErrors } = snapshot;
  const sentences: string[] = [];
  if (unrecovered > 0) {
    const share = formatShare(unrecovered, packets + unrecovered);
    sentences.push(`${plural(unrecovered, 'datagram')} lost on the way and not repaired (${share})`);
  }
  const own = ownLoss(snapshot);
  if (own) sentences.push(`${own.words}: ${own.remedy}`);
  if (missingBefore !== undefined && missingBefore > 0) {
    sentences.push(`the recording began late: ${plural(missingBefore, 'datagram')} had been sent before`);
  }
  if (recording.droppedBytes > 0) {
    sentences.push(`${formatBytes(recording.droppedBytes)} arrived and could not be written`);
  }
  if (continuityErrors > 0 && unrecovered === 0) {
    const cause = snapshot.lossMayBeUnderstated
      ? 'lost on the way, or missing in the source'
      : 'missing in the source';
    sentences.push(`${plural(continuityErrors, 'continuity error')} inside the stream: packets ${cause}`);
  }
  if (snapshot.lossMayBeUnderstated) {
    sentences.push('bare MPEG-TS has no sequence numbers: more may be missing than can be counted');
  } else if (!proven) {
    sentences.push('the sender did not say where the stream ends: whether its tail is missing is not known');
  }
  return sentences;
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
