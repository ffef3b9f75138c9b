/**
 * Looks at a packet that Reed-Solomon gave back before anybody gets to see it: the arithmetic makes something of any repair packet,
 * also of one that lies about what it protects.
 *
 * The header is protected like all else, so it has to be that of the packet that is missing: its sequence number, its stream, a
 * time between those of its neighbours. Operators stamp packets anew behind the FEC; only for their streams time says nothing.
 */
import { RTP_MP2T, rtpPaddingBytes, rtpPayloadStart } from '../wire/rtp.ts';
import { wrapDistance } from '../wire/sequence.ts';

/** What has come next to a packet that is missing, with the index. */
export interface Neighbours {
  index: number;
  /** The nearest ones that are there; `undefined` when there is none near. */
  before: { index: number; datagram: Buffer } | undefined;
  after: { index: number; datagram: Buffer } | undefined;
}

/** What speaks against a packet: nothing is there to compare it with; it is not the one; only its time does not fit. */
export type Doubt = 'alone' | 'bad-header' | 'bad-timestamp';

/** Between neighbours that are further apart the clock has jumped: five seconds of 90 kHz. */
const JUMP_TICKS = 450_000;
/** Behind or before only one neighbour, or beside a jump, a timestamp may be so far off for each packet of the distance: 100 ms. */
const STEP_TICKS = 9000;
/** So far away neighbours are looked for: bursts that are longer cannot be repaired. */
const NEIGHBOURHOOD = 256;
const TS_PACKET_BYTES = 188;
const TS_SYNC = 0x47;
const PAYLOAD_TYPE_BITS = 0x7f;

/** What is there around an index. */
export function neighboursOf(index: number, datagramAt: (index: number) => Buffer | undefined): Neighbours {
  const nearest = (step: 1 | -1): Neighbours['before'] => {
    for (let distance = 1; distance <= NEIGHBOURHOOD; distance++) {
      const datagram = datagramAt(index + step * distance);
      if (datagram) return { index: index + step * distance, datagram };
    }
    return undefined;
  };
  return { index, before: nearest(-1), after: nearest(1) };
}

/** What speaks against a recovered packet; `undefined` when nothing does. @param sequence the one it must have, 16 bits */
export function doubtOf(
  packet: Buffer,
  sequence: number,
  { index, before, after }: Neighbours,
): Doubt | undefined {
  const start = rtpPayloadStart(packet);
  if (typeof start === 'string' || typeof rtpPaddingBytes(packet, start) === 'string') return 'bad-header';
  if (packet.readUInt16BE(2) !== sequence) return 'bad-header';
  const witness = (before ?? after)?.datagram;
  if (!witness) return 'alone';
  if (((packet.readUInt8(1) ^ witness.readUInt8(1)) & PAYLOAD_TYPE_BITS) !== 0) return 'bad-header';
  if (packet.readUInt32BE(8) !== witness.readUInt32BE(8)) return 'bad-header';
  return fits(timestampOf(packet), { index, before, after }) ? undefined : 'bad-timestamp';
}

/** Gives a packet the timestamp that lies between those of its neighbours, or is that of the only one. */
export function restamp(packet: Buffer, { index, before, after }: Neighbours): void {
  const first = before ?? after;
  const last = after ?? before;
  if (!first || !last) return;
  const start = timestampOf(first.datagram);
  const ticks = wrapDistance(start, timestampOf(last.datagram), 32);
  const share = first === last ? 0 : (index - first.index) / (last.index - first.index);
  packet.writeUInt32BE((start + Math.round(ticks * share)) >>> 0, 4);
}

/**
 * How long a packet was that came out padded with zeros, from a block whose packets are not equally long; `undefined` when that
 * cannot be told. Of MPEG-TS it can: each of its packets begins with 0x47.
 */
export function unpaddedBytes(packet: Buffer): number | undefined {
  const start = rtpPayloadStart(packet);
  if (typeof start === 'string' || (packet.readUInt8(1) & PAYLOAD_TYPE_BITS) !== RTP_MP2T) return undefined;
  let end = start;
  while (end + TS_PACKET_BYTES <= packet.length && packet[end] === TS_SYNC) end += TS_PACKET_BYTES;
  return end > start ? end : undefined;
}

/** Whether a timestamp is one that a packet between these can have. */
function fits(timestamp: number, { index, before, after }: Neighbours): boolean {
  if (before && after) {
    const first = timestampOf(before.datagram);
    const span = wrapDistance(first, timestampOf(after.datagram), 32);
    const ahead = wrapDistance(first, timestamp, 32);
    if (span >= 0 && span <= JUMP_TICKS) return ahead >= 0 && ahead <= span;
  }
  return [before, after].some((neighbour) => {
    if (!neighbour) return false;
    const ticks = Math.abs(wrapDistance(timestampOf(neighbour.datagram), timestamp, 32));
    return ticks <= STEP_TICKS * Math.abs(index - neighbour.index);
  });
}

function timestampOf(packet: Buffer): number {
  return packet.readUInt32BE(4);
}
