/**
 * RTCP compounds, RFC 3550 §6. Each packet of a compound begins with this header; its body follows in whole words:
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |V=2|P|  count  |  packet type  |     length in words - 1       |
 *
 * A compound begins with a report, as §6.1 asks. Reduced-size RTCP (RFC 5506) needs an agreement beforehand, which
 * lancast has with nobody: it is refused.
 */
import type { NtpTime } from './clock.ts';

/** What a receiver says of one sender, RFC 3550 §6.4.1. */
export interface ReportBlock {
  /** Whom it is about. */
  ssrc: number;
  /** Of the packets expected since the last report, how many were lost, in 1/256: 0 to 255. */
  fractionLost: number;
  /** Lost since the beginning, less duplicates; signed 24 bits: the writer keeps to the range. */
  cumulativeLost: number;
  /** Highest sequence number received, with the count of cycles in the upper 16 bits. */
  highestSequence: number;
  /** Interarrival jitter in ticks of the media clock, 32 bits. */
  jitter: number;
  /** Middle 32 bits of the NTP time in the last SR; 0: none came. */
  lastSr: number;
  /** From that SR's arrival until now, in 1/65536 seconds. */
  delaySinceLastSr: number;
}

/** Sender report, §6.4.1. */
export interface SenderReport {
  kind: 'sr';
  ssrc: number;
  /** Wall clock at which `rtpTimestamp` is now. */
  ntp: NtpTime;
  rtpTimestamp: number;
  /** Packets and payload bytes sent so far, modulo 2^32. */
  packetCount: number;
  octetCount: number;
  reports: ReportBlock[];
}

/** Receiver report, §6.4.2. */
export interface ReceiverReport {
  kind: 'rr';
  ssrc: number;
  reports: ReportBlock[];
}

/** What one source says of itself, §6.5. Items that are not listed here are skipped. Text from outside: escape it. */
export interface SourceDescription {
  ssrc: number;
  cname?: string;
  name?: string;
  tool?: string;
}

/** APP packet, §6.7. */
export interface AppPacket {
  kind: 'app';
  ssrc: number;
  /** Four ASCII characters. */
  name: string;
  /** 0 to 31. */
  subtype: number;
  /** Whole words; a view into the datagram. */
  data: Buffer;
}

/** A packet of a type that is not listed here, such as feedback (`rtcp-feedback.ts`). */
export interface UnknownPacket {
  kind: 'unknown';
  packetType: number;
  /** The five bits behind version and padding. */
  count: number;
  /** Whole words; a view into the datagram. */
  body: Buffer;
}

/** One packet of a compound. */
export type RtcpPacket =
  | SenderReport
  | ReceiverReport
  | { kind: 'sdes'; chunks: SourceDescription[] }
  /** Goodbye, §6.6. */
  | { kind: 'bye'; ssrcs: number[]; reason?: string }
  | AppPacket
  | UnknownPacket;

/** Why a datagram is not an RTCP compound. Also the value of the `reason` label in the metrics. */
export type RtcpFault =
  | 'too-short' // no room for a header, or a packet longer than the datagram
  | 'bad-version'
  | 'not-compound' // the first packet is not a report
  | 'bad-padding' // in a packet that is not the last, or more than there is
  | 'too-many' // more packets than any honest compound has
  | 'bad-report'
  | 'bad-description'
  | 'bad-goodbye'
  | 'bad-app';

const SR = 200;
const RR = 201;
const SDES = 202;
const BYE = 203;
const APP = 204;
const HEADER_BYTES = 4;
const BLOCK_BYTES = 24;
const SENDER_INFO_BYTES = 20;
const MAX_PACKETS = 32;
const ITEMS = { cname: 1, name: 2, tool: 6 } as const;

/** Parses one compound, all of it or nothing. Report extensions of profiles (§6.4.3) are skipped. */
export function parseRtcp(datagram: Buffer): RtcpPacket[] | RtcpFault {
  const packets: RtcpPacket[] = [];
  let offset = 0;
  do {
    if (packets.length === MAX_PACKETS) return 'too-many';
    if (datagram.length < offset + HEADER_BYTES) return 'too-short';
    const first = datagram.readUInt8(offset);
    const packetType = datagram.readUInt8(offset + 1);
    const end = offset + HEADER_BYTES + 4 * datagram.readUInt16BE(offset + 2);
    if (first >> 6 !== 2) return 'bad-version';
    if (offset === 0 && packetType !== SR && packetType !== RR) return 'not-compound';
    if (datagram.length < end) return 'too-short';

    const bodyEnd = first & 0x20 ? withoutPadding(datagram, offset, end) : end;
    if (bodyEnd === undefined) return 'bad-padding';
    const body = datagram.subarray(offset + HEADER_BYTES, bodyEnd);
    const packet = parsePacket(packetType, first & 0x1f, body);
    if (typeof packet === 'string') return packet;
    packets.push(packet);
    offset = end;
  } while (offset < datagram.length);
  return packets;
}

/** Tells RTCP from RTP where both come to one port, by the second byte (RFC 5761 §4). */
export function isRtcp(datagram: Buffer): boolean {
  const packetType = datagram[1] ?? 0;
  return packetType >= 192 && packetType <= 223;
}

/** Writes one compound into a new buffer. Packets go in the order given: a report first, goodbye last. */
export function writeRtcp(packets: readonly RtcpPacket[]): Buffer {
  return Buffer.concat(packets.map(writePacket));
}

/** Where the body of a padded packet ends; only a compound's last packet may be padded. */
function withoutPadding(datagram: Buffer, start: number, end: number): number | undefined {
  const padding = datagram.readUInt8(end - 1);
  const fits = padding > 0 && padding % 4 === 0 && padding <= end - start - HEADER_BYTES;
  return fits && end === datagram.length && start > 0 ? end - padding : undefined;
}

function parsePacket(packetType: number, count: number, body: Buffer): RtcpPacket | RtcpFault {
  switch (packetType) {
    case SR:
      return parseSenderReport(count, body);
    case RR:
      return parseReceiverReport(count, body);
    case SDES:
      return parseDescriptions(count, body);
    case BYE:
      return parseGoodbye(count, body);
    case APP:
      return parseApp(count, body);
    default:
      return { kind: 'unknown', packetType, count, body };
  }
}

function parseSenderReport(count: number, body: Buffer): RtcpPacket | RtcpFault {
  const blocks = 4 + SENDER_INFO_BYTES;
  if (body.length < blocks + count * BLOCK_BYTES) return 'bad-report';
  return {
    kind: 'sr',
    ssrc: body.readUInt32BE(0),
    ntp: { seconds: body.readUInt32BE(4), fraction: body.readUInt32BE(8) },
    rtpTimestamp: body.readUInt32BE(12),
    packetCount: body.readUInt32BE(16),
    octetCount: body.readUInt32BE(20),
    reports: parseBlocks(count, body.subarray(blocks)),
  };
}

function parseReceiverReport(count: number, body: Buffer): RtcpPacket | RtcpFault {
  if (body.length < 4 + count * BLOCK_BYTES) return 'bad-report';
  return { kind: 'rr', ssrc: body.readUInt32BE(0), reports: parseBlocks(count, body.subarray(4)) };
}

function parseBlocks(count: number, blocks: Buffer): ReportBlock[] {
  const reports: ReportBlock[] = [];
  for (let at = 0; at < count * BLOCK_BYTES; at += BLOCK_BYTES) {
    reports.push({
      ssrc: blocks.readUInt32BE(at),
      fractionLost: blocks.readUInt8(at + 4),
      cumulativeLost: blocks.readIntBE(at + 5, 3),
      highestSequence: blocks.readUInt32BE(at + 8),
      jitter: blocks.readUInt32BE(at + 12),
      lastSr: blocks.readUInt32BE(at + 16),
      delaySinceLastSr: blocks.readUInt32BE(at + 20),
    });
  }
  return reports;
}

function parseDescriptions(count: number, body: Buffer): RtcpPacket | RtcpFault {
  const chunks: SourceDescription[] = [];
  let offset = 0;
  for (let i = 0; i < count; i++) {
    if (body.length < offset + 8) return 'bad-description';
    const chunk: SourceDescription = { ssrc: body.readUInt32BE(offset) };
    const end = parseItems(body, offset + 4, chunk);
    if (end === undefined) return 'bad-description';
    chunks.push(chunk);
    offset = end;
  }
  return { kind: 'sdes', chunks };
}

/** Reads items up to their end mark; returns the offset of the next chunk, which begins on a whole word. */
function parseItems(body: Buffer, start: number, chunk: SourceDescription): number | undefined {
  let offset = start;
  while (offset < body.length) {
    const type = body.readUInt8(offset);
    if (type === 0) return (offset & ~3) + 4;
    const textStart = offset + 2;
    if (textStart > body.length) return undefined;
    offset = textStart + body.readUInt8(offset + 1);
    if (offset > body.length) return undefined;
    if (type === ITEMS.cname) chunk.cname = body.toString('utf8', textStart, offset);
    else if (type === ITEMS.name) chunk.name = body.toString('utf8', textStart, offset);
    else if (type === ITEMS.tool) chunk.tool = body.toString('utf8', textStart, offset);
  }
  return undefined;
}

function parseGoodbye(count: number, body: Buffer): RtcpPacket | RtcpFault {
  const textAt = count * 4;
  if (body.length < textAt) return 'bad-goodbye';
  const ssrcs: number[] = [];
  for (let at = 0; at < textAt; at += 4) ssrcs.push(body.readUInt32BE(at));
  if (body.length === textAt) return { kind: 'bye', ssrcs };
  const textEnd = textAt + 1 + body.readUInt8(textAt);
  if (body.length < textEnd) return 'bad-goodbye';
  return { kind: 'bye', ssrcs, reason: body.toString('utf8', textAt + 1, textEnd) };
}

function parseApp(subtype: number, body: Buffer): RtcpPacket | RtcpFault {
  if (body.length < 8) return 'bad-app';
  return {
    kind: 'app',
    ssrc: body.readUInt32BE(0),
    name: body.toString('latin1', 4, 8),
    subtype,
    data: body.subarray(8),
  };
}

function writePacket(packet: RtcpPacket): Buffer {
  switch (packet.kind) {
    case 'sr':
      return framed(SR, packet.reports.length, [writeSenderInfo(packet), ...packet.reports.map(writeBlock)]);
    case 'rr':
      return framed(RR, packet.reports.length, [uint32(packet.ssrc), ...packet.reports.map(writeBlock)]);
    case 'sdes':
      return framed(SDES, packet.chunks.length, packet.chunks.map(writeDescription));
    case 'bye':
      return framed(BYE, packet.ssrcs.length, [...packet.ssrcs.map(uint32), writeReason(packet.reason)]);
    case 'app':
      return framed(APP, packet.subtype, [
        uint32(packet.ssrc),
        Buffer.from(packet.name, 'latin1'),
        packet.data,
      ]);
    case 'unknown':
    default:
      return framed(packet.packetType, packet.count, [packet.body]);
  }
}

/** Header and body; a body that is not in whole words is our own mistake. */
function framed(packetType: number, count: number, parts: readonly Buffer[]): Buffer {
  const packet = Buffer.concat([Buffer.alloc(HEADER_BYTES), ...parts]);
  if (packet.length % 4 !== 0 || count > 31) throw new RangeError(`RTCP ${packetType}: ${count} items`);
  packet.writeUInt8(0x80 | count, 0);
  packet.writeUInt8(packetType, 1);
  packet.writeUInt16BE(packet.length / 4 - 1, 2);
  return packet;
}

function writeSenderInfo(report: SenderReport): Buffer {
  const info = Buffer.allocUnsafe(4 + SENDER_INFO_BYTES);
  info.writeUInt32BE(report.ssrc, 0);
  info.writeUInt32BE(report.ntp.seconds, 4);
  info.writeUInt32BE(report.ntp.fraction, 8);
  info.writeUInt32BE(report.rtpTimestamp, 12);
  info.writeUInt32BE(report.packetCount, 16);
  info.writeUInt32BE(report.octetCount, 20);
  return info;
}

function writeBlock(report: ReportBlock): Buffer {
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  block.writeUInt32BE(report.ssrc, 0);
  block.writeUInt8(report.fractionLost, 4);
  block.writeIntBE(Math.min(Math.max(report.cumulativeLost, -0x800000), 0x7fffff), 5, 3);
  block.writeUInt32BE(report.highestSequence, 8);
  block.writeUInt32BE(report.jitter, 12);
  block.writeUInt32BE(report.lastSr, 16);
  block.writeUInt32BE(report.delaySinceLastSr, 20);
  return block;
}

function writeDescription({ ssrc, cname, name, tool }: SourceDescription): Buffer {
  const parts = [uint32(ssrc)];
  if (cname !== undefined) parts.push(Buffer.of(ITEMS.cname), withLength(cname));
  if (name !== undefined) parts.push(Buffer.of(ITEMS.name), withLength(name));
  if (tool !== undefined) parts.push(Buffer.of(ITEMS.tool), withLength(tool));
  return padded(Buffer.concat([...parts, Buffer.of(0)]));
}

function writeReason(reason: string | undefined): Buffer {
  return reason === undefined ? Buffer.alloc(0) : padded(withLength(reason));
}

/** A text of at most 255 bytes behind a byte with its length. */
function withLength(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length > 255) throw new RangeError(`an RTCP text of ${bytes.length} bytes, at most 255`);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

/** Zeros up to the next whole word. */
function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes], Math.ceil(bytes.length / 4) * 4);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
