/**
 * Reed-Solomon repair packets as operators of IPTV send them: RTP (payload type 127) on the media's port + 2. There is no
 * standard; the layout was read off a real stream.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |                    RTP header, 12 bytes                       |
 *     |    first sequence number      |     last sequence number      |
 *     | parity shards | index of this |       parity length           |
 *     |      protected length         |          interleave           |
 *     |                        parity                                 |
 *
 * It protects complete RTP packets: those from the first to the last sequence number, every one of them, or with an interleave
 * of I every I-th. Where there is one, operators write 0.
 */
import { type BlockShape, type BlockShapeFault, blockShapeFault, MAX_BLOCK_SPAN } from './block-shape.ts';
import { parseRtp, RTP_HEADER_BYTES, type RtpFault, type RtpHeader, writeRtpHeader } from '../rtp.ts';

/** What a repair packet says of its block. */
export interface ParityHeader extends BlockShape {
  /** 16 bits: the sequence number of the first packet that is protected. */
  firstSequence: number;
  /** Which of its repair packets this is, from 0. */
  parityIndex: number;
  /** Bytes of the longest packet that is protected; shorter ones count as if zeros followed. */
  shardBytes: number;
}

/** A repair packet. */
export interface ParityPacket extends ParityHeader {
  /** Whose repair stream it is; not always the same as the media's. */
  ssrc: number;
  /** `shardBytes` of parity, a view into the datagram. Copy it if you keep it. */
  parity: Buffer;
}

/** Why a datagram is no repair packet, or one that lies. */
export type ParityFault =
  RtpFault | BlockShapeFault | 'not-parity' | 'bad-range' | 'bad-parity-index' | 'bad-length';

/** What tells repair packets of this kind from those of SMPTE 2022-1 on the same port. */
export const RTP_PARITY = 127;

/** Bytes before the parity. */
export const PARITY_HEADER_BYTES = RTP_HEADER_BYTES + 12;

/** Parses one datagram. What is behind the parity is left aside. */
export function parseParity(datagram: Buffer): ParityPacket | ParityFault {
  const packet = parseRtp(datagram);
  if (typeof packet === 'string') return packet;
  if (packet.payloadType !== RTP_PARITY) return 'not-parity';
  const { payload } = packet;
  const parityAt = PARITY_HEADER_BYTES - RTP_HEADER_BYTES;
  if (payload.length < parityAt) return 'too-short';

  const firstSequence = payload.readUInt16BE(0);
  const span = (payload.readUInt16BE(2) - firstSequence) & 0xffff;
  const interleave = payload.readUInt16BE(10) || 1;
  if (span > MAX_BLOCK_SPAN || span % interleave !== 0) return 'bad-range';
  const dataShards = span / interleave + 1;
  const parityShards = payload.readUInt8(4);
  const fault = blockShapeFault({ dataShards, parityShards, interleave });
  if (fault) return fault;
  const parityIndex = payload.readUInt8(5);
  if (parityIndex >= parityShards) return 'bad-parity-index';
  const parityBytes = payload.readUInt16BE(6);
  const shardBytes = payload.readUInt16BE(8);
  if (shardBytes < RTP_HEADER_BYTES || parityBytes < shardBytes || payload.length < parityAt + parityBytes)
    return 'bad-length';
  const parity = payload.subarray(parityAt, parityAt + shardBytes);
  const { ssrc } = packet;
  return { firstSequence, interleave, dataShards, parityShards, parityIndex, shardBytes, ssrc, parity };
}

/** Who sends a repair packet, and when, as in RTP. */
export type ParityRtpHeader = Pick<RtpHeader, 'sequence' | 'timestamp' | 'ssrc'>;

/** Writes the 24 bytes before the parity at `offset`: the parity belongs right behind them. */
export function writeParityHeader(
  { sequence, timestamp, ssrc }: ParityRtpHeader,
  header: ParityHeader,
  into: Buffer,
  offset: number,
): void {
  const { firstSequence, interleave, dataShards, parityShards, parityIndex, shardBytes } = header;
  writeRtpHeader({ payloadType: RTP_PARITY, marker: false, sequence, timestamp, ssrc }, into, offset);
  let at = into.writeUInt16BE(firstSequence, offset + RTP_HEADER_BYTES);
  at = into.writeUInt16BE((firstSequence + (dataShards - 1) * interleave) & 0xffff, at);
  at = into.writeUInt8(parityShards, at);
  at = into.writeUInt8(parityIndex, at);
  at = into.writeUInt16BE(shardBytes, at); // of the parity
  at = into.writeUInt16BE(shardBytes, at); // of what it protects
  into.writeUInt16BE(interleave === 1 ? 0 : interleave, at);
}
