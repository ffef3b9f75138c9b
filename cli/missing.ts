/** What is missing from a recording, in words. */
import type { RecordingSummary } from '../receiver/sinks/recording.ts';
import type { StreamSnapshot } from '../wire/metrics.ts';
import { formatBytes, plural } from './format.ts';
import { lossSentences } from './losses.ts';

/** What the words are made from. */
export interface RecordedStream {
  snapshot: StreamSnapshot;
  recording: Pick<RecordingSummary, 'droppedBytes' | 'gaps'>;
  /** True when the sender named its last datagram, so that a missing tail was counted. */
  proven: boolean;
}

/** One sentence for each thing that is missing or not known; empty when the recording is complete and that is proven. */
export function whatIsMissing({ snapshot, recording, proven }: RecordedStream): string[] {
  const { missingBefore } = snapshot;
  const sentences = lossSentences(snapshot);
  if (missingBefore !== undefined && missingBefore > 0) {
    sentences.push(`the recording began late: ${plural(missingBefore, 'datagram')} had been sent before`);
  }
  if (recording.droppedBytes > 0) {
    sentences.push(`${formatBytes(recording.droppedBytes)} arrived and could not be written`);
  }
  if (snapshot.lossMayBeUnderstated) {
    sentences.push('bare MPEG-TS has no sequence numbers: more may be missing than can be counted');
  } else if (!proven) {
    sentences.push('the sender did not say where the stream ends: whether its tail is missing is not known');
  }
  return sentences;
}
