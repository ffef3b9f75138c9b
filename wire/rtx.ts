/**
 * RTP retransmission, RFC 4588: a packet once more, in a session of its own, with a sequence number of that session.
 *
 *     | RTP header: own payload type and sequence number, all else that of the original  |
 *     | original sequence number, 16 bits |  payload of the original, without its padding  |
 *
 * The session has ports of its own (session multiplexing, §5.2), so the SSRC is that of the original (§5.3).
 */
import {
  parseRtp,
  rtpPaddingBytes,
  rtpPayloadStart,
  writeRtp,
  type RtpFault,
  type RtpPacket,
} from './rtp.ts';

/** A retransmission. `payload` is the original's; everything else but `originalSequence` is the RTX packet's own. */
export interface RtxPacket extends RtpPacket {
  /** 16 bits: the sequence number under which it was sent first. */
  originalSequence: number;
}

/** Why a datagram is not a retransmission. */
export type RtxFault = RtpFault | 'no-original';

/** The payload type of retransmissions of MPEG-TS: dynamic, the one lancast's SDP names. */
export const RTP_RTX = 97;

const ORIGINAL_SEQUENCE_BYTES = 2;
const PADDING = 0x20;
const MARKER = 0x80;

/** Parses one datagram of the retransmission session. */
export function parseRtx(datagram: Buffer): RtxPacket | RtxFault {
  const packet = parseRtp(datagram);
  if (typeof packet === 'string') return packet;
  if (packet.payload.length < ORIGINAL_SEQUENCE_BYTES) return 'no-original';
  return {
    ...packet,
    originalSequence: packet.payload.readUInt16BE(0),
    payload: packet.payload.subarray(ORIGINAL_SEQUENCE_BYTES),
  };
}

/** The datagram as it was sent first, less its padding, in a buffer of its own. `payloadType` is that of the media. */
export function restoreOriginal(rtx: RtxPacket, payloadType: number): Buffer {
  return writeRtp({ ...rtx, payloadType, sequence: rtx.originalSequence, paddingBytes: 0 });
}

/** What a retransmission has of its own. */
export type RtxNumbers = Pick<RtpPacket, 'payloadType' | 'sequence'>;

/** Writes the retransmission of an RTP datagram of ours into a new buffer. */
export function writeRtx(original: Buffer, { payloadType, sequence }: RtxNumbers): Buffer {
  const start = rtpPayloadStart(original);
  const padding = typeof start === 'string' ? start : rtpPaddingBytes(original, start);
  if (typeof start === 'string' || typeof padding === 'string')
    throw new RangeError(`a retransmission of ${original.length} bytes that are not RTP: ${padding}`);
  const end = original.length - padding;
  const rtx = Buffer.allocUnsafe(end + ORIGINAL_SEQUENCE_BYTES);
  original.copy(rtx, 0, 0, start);
  rtx.writeUInt8(original.readUInt8(0) & ~PADDING, 0);
  rtx.writeUInt8((original.readUInt8(1) & MARKER) | payloadType, 1);
  rtx.writeUInt16BE(sequence, 2);
  rtx.writeUInt16BE(original.readUInt16BE(2), start);
  original.copy(rtx, start + ORIGINAL_SEQUENCE_BYTES, start, end);
  return rtx;
}
