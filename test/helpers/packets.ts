/** Builds the datagrams of the three framings, and RTCP that goes with them. */
import { writeLanc, type LancReport } from '../../wire/lanc.ts';
import { writeRtcp, type RtcpPacket } from '../../wire/rtcp.ts';
import { RTP_HEADER_BYTES, RTP_MP2T, writeRtpHeader, type RtpHeader } from '../../wire/rtp.ts';
import { SEQUENCE_HEADER_BYTES, writeSequenceHeader } from '../../wire/sequence-header.ts';

/** First sequence numbers from which any code that counts has to do the same: around both ends and the middle of 16 bits. */
export const SEQUENCE_STARTS: readonly number[] = [0, 1, 32_767, 32_768, 65_534, 65_535];

/** A payload that can be told from every other: seven (or `packets`) TS null packets numbered `index`. */
export function payloadOf(index: number, packets = 7): Buffer {
  const payload = Buffer.alloc(188 * packets, 0xff);
  for (let at = 0; at < payload.length; at += 188) {
    payload.writeUInt32BE(0x471fff10, at);
    payload.writeUInt32BE(index % 2 ** 32, at + 4);
  }
  return payload;
}

/** The number that `payloadOf` wrote. */
export function indexOf(payload: Buffer): number {
  return payload.readUInt32BE(4);
}

/** An RTP packet; what is not given is 0, the payload type that of MPEG-TS. */
export function rtpDatagram(
  header: Partial<RtpHeader>,
  payload: Buffer = payloadOf(header.sequence ?? 0),
): Buffer {
  const datagram = Buffer.alloc(RTP_HEADER_BYTES + payload.length);
  const zero = { payloadType: RTP_MP2T, marker: false, sequence: 0, timestamp: 0, ssrc: 0 };
  writeRtpHeader({ ...zero, ...header }, datagram);
  payload.copy(datagram, RTP_HEADER_BYTES);
  return datagram;
}

/** A datagram with a sequence header; without payload it is an end mark. */
export function sequenceDatagram(sequence: number, payload: Buffer = payloadOf(sequence)): Buffer {
  const datagram = Buffer.alloc(SEQUENCE_HEADER_BYTES + payload.length);
  writeSequenceHeader(sequence, datagram);
  payload.copy(datagram, SEQUENCE_HEADER_BYTES);
  return datagram;
}

/** What a sender's compound says. */
export interface SenderCompound {
  ssrc: number;
  /** What a lancast sender adds; what is not given is 0, the pace that of life. */
  lanc?: Partial<LancReport>;
  bye?: boolean;
}

/** A sender's RTCP compound: SR, SDES, LANC and BYE. */
export function senderCompound({ ssrc, lanc, bye = false }: SenderCompound): Buffer {
  const zero = {
    index: 0,
    sequence: 0,
    final: bye,
    rtpTimestamp: 0,
    pacePpm: 1_000_000,
    reportIntervalMs: 1000,
    healPort: 0,
    capabilities: 0,
  };
  const ntp = { seconds: 0, fraction: 0 };
  const packets: RtcpPacket[] = [
    { kind: 'sr', ssrc, ntp, rtpTimestamp: 0, packetCount: 0, octetCount: 0, reports: [] },
    { kind: 'sdes', chunks: [{ ssrc, cname: 'sender@test' }] },
  ];
  if (lanc) packets.push(writeLanc({ kind: 'report', ...zero, ...lanc }, ssrc));
  if (bye) packets.push({ kind: 'bye', ssrcs: [ssrc] });
  return writeRtcp(packets);
}
