/** Counts what has gone into the departure queue: what reports and progress are made of. */
import { pcrToMs } from '../wire/clock.ts';
import { DATAGRAM_PAYLOAD_BYTES, type MediaRun } from './media-chunk.ts';
import type { Pacer } from './pacer.ts';
import type { Departures } from './reporter.ts';

/** The departures of one stream, which end up to 200 ms ahead. */
export class PacedDepartures implements Departures {
  index = 0;
  octets = 0;
  dueAt: number;
  sequence: number;
  rtpTimestamp: number;
  /** Position in the programme. */
  mediaMs = 0;
  readonly #pacer: Pacer;
  readonly #firstSequence: number;

  /** @param first what the first datagram will have */
  constructor(pacer: Pacer, first: Pick<Departures, 'sequence' | 'rtpTimestamp' | 'dueAt'>) {
    this.#pacer = pacer;
    this.#firstSequence = first.sequence;
    this.sequence = first.sequence;
    this.rtpTimestamp = first.rtpTimestamp;
    this.dueAt = first.dueAt;
  }

  get pacePpm(): number {
    return this.#pacer.pace.ppm;
  }

  add({ chunk, first, end }: MediaRun): void {
    const last = end - 1;
    this.index = chunk.firstIndex + end;
    this.sequence = (this.#firstSequence + this.index) & 0xffff;
    this.octets += (last - first) * DATAGRAM_PAYLOAD_BYTES + chunk.payloadBytes(last);
    this.rtpTimestamp = chunk.rtpTimestamps[last] ?? 0;
    this.dueAt = chunk.departure.dueAt[last] ?? 0;
    this.mediaMs = pcrToMs(chunk.transmitTicks[last] ?? 0);
  }
}
