/** Who plays next, of those who wait for their turn. */
import type { Demultiplexer, Sender } from './demultiplexer.ts';

/** The place that is to be taken. */
export interface Place {
  /** Nobody plays: who was first takes it. Else its owner fell silent: who has sent most since then. */
  isFree: boolean;
  /** What was held before is dropped: its owner was still heard. */
  heardSince: number;
  now: number;
}

/** Chooses among those whose beginning is whole. */
export function chooseNext(
  demultiplexer: Demultiplexer,
  { isFree, heardSince, now }: Place,
): Sender | undefined {
  let next: Sender | undefined;
  for (const sender of demultiplexer.waiting) {
    demultiplexer.dropBefore(sender, heardSince);
    if (!sender.recognised || sender.recognised.readyAt > now) continue;
    if (!next || (!isFree && sender.held.length > next.held.length)) next = sender;
  }
  return next;
}
