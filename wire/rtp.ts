/**
 * RTP packets, RFC 3550 §5.1.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 *     |                           timestamp                           |
 *     |                             SSRC                              |
 *     |                    CSRC list, 0 to 15 words                   |
 *     |      defined by profile       |    length of data in words    |  with X
 *     |                        extension data                         |
 *     |                    payload                    | padding count |  with P
 */

/** What every RTP packet carries. Numbers are the unsigned wire values; nothing here is unwrapped. */
export interface RtpHeader {
  /** 7 bits: 33 is MPEG-TS (RFC 3551 §6), 96 to 127 are bound by the SDP. */
  payloadType: number;
  /** For MPEG-TS: the timestamp is not continuous with the packet before (RFC 2250 §2). */
  marker: boolean;
  /** 16 bits, one up for each packet. */
  sequence: number;
  /** 32 bits of the media clock: 90 kHz for MPEG-TS, 48 kHz for Opus. */
  timestamp: number;
  /** 32 bits: whose stream it is. */
  ssrc: number;
}

/** The header extension, RFC 3550 §5.3.1. */
export interface RtpExtension {
  /** 16 bits: 0xBEDE for one-byte and 0x100x for two-byte elements (RFC 8285). */
  profile: number;
  /** A view into the datagram, whole words of 4 bytes. Copy it if you keep it. */
  data: Buffer;
}

/** An RTP packet. */
export interface RtpPacket extends RtpHeader {
  /** Contributing sources, at most 15; mostly none. */
  csrcs: readonly number[];
  extension: RtpExtension | undefined;
  /** A view into the datagram, without padding. Copy it if you keep it. */
  payload: Buffer;
  /** Bytes behind the payload, 0 to 255, the last of which counts them. */
  paddingBytes: number;
}

/** Why a datagram is not RTP. Also the value of the `reason` label in the metrics. */
export type RtpFault = 'too-short' | 'bad-version' | 'bad-padding';

/** Bytes of a header without CSRCs and extension. */
export const RTP_HEADER_BYTES = 12;

/** Payload type of MPEG-TS. */
export const RTP_MP2T = 33;

const EXTENSION_HEADER_BYTES = 4;
const VERSION = 0x80;
const PADDING = 0x20;
const EXTENSION = 0x10;
const MARKER = 0x80;
const NO_CSRCS: readonly number[] = [];

/** Parses one datagram. Returns the fault, never throws: anybody can send us bytes. */
export function parseRtp(datagram: Buffer): RtpPacket | RtpFault {
  const start = rtpPayloadStart(datagram);
  if (typeof start === 'string') return start;
  const paddingBytes = rtpPaddingBytes(datagram, start);
  if (typeof paddingBytes === 'string') return paddingBytes;

  const first = datagram.readUInt8(0);
  const second = datagram.readUInt8(1);
  const csrcCount = first & 0x0f;
  return {
    payloadType: second & 0x7f,
    marker: second >= MARKER,
    sequence: datagram.readUInt16BE(2),
    timestamp: datagram.readUInt32BE(4),
    ssrc: datagram.readUInt32BE(8),
    csrcs: csrcCount === 0 ? NO_CSRCS : readCsrcs(datagram, csrcCount),
    extension:
      first & EXTENSION ? readExtension(datagram, RTP_HEADER_BYTES + 4 * csrcCount, start) : undefined,
    payload: datagram.subarray(start, datagram.length - paddingBytes),
    paddingBytes,
  };
}

/** Where the payload begins: checks a header without making an object. For paths where every packet counts. */
export function rtpPayloadStart(datagram: Buffer): number | RtpFault {
  if (datagram.length < RTP_HEADER_BYTES) return 'too-short';
  const first = datagram.readUInt8(0);
  if (first >> 6 !== 2) return 'bad-version';
  let start = RTP_HEADER_BYTES + 4 * (first & 0x0f);
  if (first & EXTENSION) {
    if (datagram.length < start + EXTENSION_HEADER_BYTES) return 'too-short';
    start += EXTENSION_HEADER_BYTES + 4 * datagram.readUInt16BE(start + 2);
  }
  return datagram.length < start ? 'too-short' : start;
}

/** Bytes behind the payload that begins at `start`; mostly 0. */
export function rtpPaddingBytes(datagram: Buffer, start: number): number | RtpFault {
  if ((datagram.readUInt8(0) & PADDING) === 0) return 0;
  const paddingBytes = datagram.readUInt8(datagram.length - 1);
  return paddingBytes === 0 || paddingBytes > datagram.length - start ? 'bad-padding' : paddingBytes;
}

/**
 * Writes the 12 fixed bytes of a packet without CSRCs, extension and padding at `offset`: the payload belongs right behind
 * them. For paths where every packet counts.
 */
export function writeRtpHeader(header: RtpHeader, into: Buffer, offset = 0): void {
  into[offset] = VERSION;
  into[offset + 1] = header.payloadType | (header.marker ? MARKER : 0);
  into[offset + 2] = header.sequence >>> 8;
  into[offset + 3] = header.sequence;
  writeWord(header.timestamp, into, offset + 4);
  writeWord(header.ssrc, into, offset + 8);
}

/** As `writeUInt32BE`, without its checks: they take longer than the writing. */
function writeWord(word: number, into: Buffer, offset: number): void {
  into[offset] = word >>> 24;
  into[offset + 1] = word >>> 16;
  into[offset + 2] = word >>> 8;
  into[offset + 3] = word;
}

/** Bytes that `writeRtp` needs for a packet. */
export function rtpBytes(packet: RtpPacket): number {
  const extensionBytes = packet.extension ? EXTENSION_HEADER_BYTES + packet.extension.data.length : 0;
  return (
    RTP_HEADER_BYTES + 4 * packet.csrcs.length + extensionBytes + packet.payload.length + packet.paddingBytes
  );
}

/** Writes a packet to the start of `into` and returns the part of it that was written. Throws when it does not fit. */
export function writeRtp(packet: RtpPacket, into: Buffer = Buffer.allocUnsafe(rtpBytes(packet))): Buffer {
  const { csrcs, extension, payload, paddingBytes } = packet;
  const end = rtpBytes(packet);
  if (into.length < end) throw new RangeError(`an RTP packet of ${end} bytes into ${into.length}`);
  if (packet.sequence > 0xffff) throw new RangeError(`an RTP sequence number of ${packet.sequence}`);
  writeRtpHeader(packet, into);
  into[0] = VERSION | (paddingBytes > 0 ? PADDING : 0) | (extension ? EXTENSION : 0) | csrcs.length;
  let offset = RTP_HEADER_BYTES;
  for (const csrc of csrcs) offset = into.writeUInt32BE(csrc, offset);
  if (extension) {
    offset = into.writeUInt16BE(extension.profile, offset);
    offset = into.writeUInt16BE(extension.data.length / 4, offset);
    offset += extension.data.copy(into, offset);
  }
  offset += payload.copy(into, offset);
  if (paddingBytes > 0) into.fill(0, offset, end).writeUInt8(paddingBytes, end - 1);
  return into.subarray(0, end);
}

function readCsrcs(datagram: Buffer, count: number): number[] {
  const csrcs: number[] = [];
  for (let i = 0; i < count; i++) csrcs.push(datagram.readUInt32BE(RTP_HEADER_BYTES + 4 * i));
  return csrcs;
}

function readExtension(datagram: Buffer, start: number, end: number): RtpExtension {
  return {
    profile: datagram.readUInt16BE(start),
    data: datagram.subarray(start + EXTENSION_HEADER_BYTES, end),
  };
}
