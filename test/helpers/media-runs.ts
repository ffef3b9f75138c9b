/** The runs of a sender, datagram by datagram. */
import { CHUNK_DATAGRAMS, MediaChunk, type MediaRun } from '../../sender/media-chunk.ts';

/** What the columns say of one datagram. */
export interface Datagram {
  /** A view. */
  bytes: Buffer;
  payloadBytes: number;
  index: number;
  programmeTicks: number;
  transmitTicks: number;
  discontinuity: boolean;
  rtpTimestamp: number;
  dueAt: number;
}

export function datagramsOf({ chunk, first, end }: MediaRun): Datagram[] {
  return Array.from({ length: end - first }, (_, place) => {
    const slot = first + place;
    return {
      bytes: chunk.departure.datagram(slot),
      payloadBytes: chunk.payloadBytes(slot),
      index: chunk.firstIndex + slot,
      programmeTicks: chunk.programmeTicks[slot] ?? NaN,
      transmitTicks: chunk.transmitTicks[slot] ?? NaN,
      discontinuity: chunk.discontinuities[slot] === 1,
      rtpTimestamp: chunk.rtpTimestamps[slot] ?? NaN,
      dueAt: chunk.departure.dueAt[slot] ?? NaN,
    };
  });
}

/** One datagram of a stream, as a run. All that is not said is 0. */
export function runOf(datagram: Partial<Datagram> & { headerBytes?: number }): MediaRun {
  const { headerBytes = 0, index = 0, payloadBytes = 1316 } = datagram;
  const chunk = new MediaChunk(headerBytes);
  const slot = index % CHUNK_DATAGRAMS;
  chunk.firstIndex = index - slot;
  chunk.departure.lengths[slot] = headerBytes + payloadBytes;
  datagram.bytes?.copy(chunk.departure.bytes, slot * chunk.departure.slotBytes);
  chunk.programmeTicks[slot] = datagram.programmeTicks ?? 0;
  chunk.transmitTicks[slot] = datagram.transmitTicks ?? 0;
  chunk.discontinuities[slot] = datagram.discontinuity === true ? 1 : 0;
  return { chunk, first: slot, end: slot + 1 };
}
