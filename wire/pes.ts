/**
 * PES packets: how elementary streams travel in a transport stream, ISO/IEC 13818-1 §2.4.3.6.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |       packet_start_code_prefix 000001         |   stream_id   |
 *     |       PES_packet_length       |1 0|SC |P|A|C|O|PTS|E|E|D|A|C|E|
 *     | header_length |  PTS:40 when PTS = 10, PTS:40 DTS:40 when 11 …
 *
 * A time stamp is `prefix:4 bits32..30 1  bits29..15 1  bits14..0 1`, in 90 kHz ticks.
 */
import { PTS_CYCLE } from './clock.ts';

/** Presentation and decoding times in ticks per second. */
export const PTS_HZ = 90_000;

/** A PES header. Times are the wire's 33 bits; nothing here is unwrapped. */
export interface PesHeader {
  /** 0xe0 to 0xef video, 0xc0 to 0xdf MPEG audio, 0xbd private (AC-3, Opus, subtitles). */
  streamId: number;
  /** Bytes from the end of the length field to the end of the packet; 0 when only the next packet tells. */
  packetLength: number;
  /** data_alignment_indicator: the payload starts with an access unit. */
  dataAlignment: boolean;
  /** 90 kHz ticks; absent when the header carries none. */
  pts?: number;
  /** 90 kHz ticks; absent when it equals the PTS or there is none. */
  dts?: number;
  /** Bytes from the start code to the first byte of the elementary stream. */
  headerBytes: number;
}

/** Why bytes are not a PES header. */
export type PesFault =
  | 'too-short' // the header goes on behind the end of the bytes
  | 'bad-start-code' // does not begin with 000001 and a stream_id
  | 'bad-header'; // the fixed bits are wrong, or the header is shorter than what its flags announce

const FIXED_BYTES = 9;
const TIME_BYTES = 5;
/** PTS_DTS_flags by the number of times. */
const TIME_FLAGS = [0, 0x80, 0xc0] as const;

/** Parses the PES header that starts at `at`. */
export function parsePes(bytes: Buffer, at = 0): PesHeader | PesFault {
  if (bytes.length < at + 6) return 'too-short';
  const streamId = bytes.readUInt8(at + 3);
  if (bytes.readUIntBE(at, 3) !== 1 || streamId < 0xbc) return 'bad-start-code';
  const packetLength = bytes.readUInt16BE(at + 4);
  if (!hasTimes(streamId)) return { streamId, packetLength, dataAlignment: false, headerBytes: 6 };

  if (bytes.length < at + FIXED_BYTES) return 'too-short';
  const flags = bytes.readUInt16BE(at + 6);
  const headerBytes = FIXED_BYTES + bytes.readUInt8(at + 8);
  const times = ptsCount(flags);
  if (flags >> 14 !== 2 || headerBytes < FIXED_BYTES + times * TIME_BYTES) return 'bad-header';
  if (bytes.length < at + headerBytes) return 'too-short';
  const header: PesHeader = { streamId, packetLength, dataAlignment: (flags & 0x0400) !== 0, headerBytes };
  if (times > 0) header.pts = readTime(bytes, at + FIXED_BYTES);
  if (times > 1) header.dts = readTime(bytes, at + FIXED_BYTES + TIME_BYTES);
  return header;
}

/** What `writePes` needs to know. */
export interface PesOptions {
  streamId: number;
  /** 90 kHz ticks, wrapped here. */
  pts?: number;
  /** 90 kHz ticks, wrapped here; needs a PTS. */
  dts?: number;
  dataAlignment?: boolean;
  /** Leaves the length 0, as video longer than 64 KiB must. Default: written when it fits. */
  unbounded?: boolean;
}

/** Writes a PES packet around one run of an elementary stream. */
export function writePes(options: PesOptions, payload: Buffer): Buffer {
  const { streamId, pts, dts } = options;
  const times = pts === undefined ? 0 : dts === undefined ? 1 : 2;
  const header = Buffer.alloc(FIXED_BYTES + times * TIME_BYTES);
  const packetLength = header.length - 6 + payload.length;
  header.writeUIntBE(1, 0, 3);
  header.writeUInt8(streamId, 3);
  header.writeUInt16BE(options.unbounded || packetLength > 0xffff ? 0 : packetLength, 4);
  header.writeUInt16BE(0x8000 | (options.dataAlignment ? 0x0400 : 0) | TIME_FLAGS[times], 6);
  header.writeUInt8(times * TIME_BYTES, 8);
  if (pts !== undefined) writeTime(header, FIXED_BYTES, times === 1 ? 2 : 3, pts);
  if (pts !== undefined && dts !== undefined) writeTime(header, FIXED_BYTES + TIME_BYTES, 1, dts);
  return Buffer.concat([header, payload]);
}

/**
 * Moves PTS and DTS of the PES header at `at` by `ticks` (90 kHz, wrapped here), in place.
 *
 * Bytes that are not a PES header, and times that lie behind `end`, stay as they are.
 */
export function shiftPesTimes(bytes: Buffer, at: number, end: number, ticks: number): void {
  if (end < at + FIXED_BYTES || bytes.readUIntBE(at, 3) !== 1 || !hasTimes(bytes[at + 3] ?? 0)) return;
  const flags = bytes.readUInt16BE(at + 6);
  if (flags >> 14 !== 2) return;
  const stop = Math.min(end, at + FIXED_BYTES + (bytes[at + 8] ?? 0));
  let time = at + FIXED_BYTES;
  for (let left = ptsCount(flags); left > 0 && time + TIME_BYTES <= stop; left--, time += TIME_BYTES) {
    writeTime(bytes, time, (bytes[time] ?? 0) >> 4, readTime(bytes, time) + ticks);
  }
}

/** Stream ids whose PES packets have the long header (§2.4.3.6); maps, padding and private_stream_2 have none. */
function hasTimes(streamId: number): boolean {
  return streamId >= 0xbd && !NO_HEADER.has(streamId);
}
const NO_HEADER = new Set([0xbe, 0xbf, 0xf0, 0xf1, 0xf2, 0xf8, 0xff]);

function ptsCount(flags: number): 0 | 1 | 2 {
  return (flags & 0x80) === 0 ? 0 : (flags & 0x40) === 0 ? 1 : 2;
}

function readTime(bytes: Buffer, at: number): number {
  const high = ((bytes[at] ?? 0) >> 1) & 0x07;
  return high * 2 ** 30 + (bytes.readUInt16BE(at + 1) >> 1) * 2 ** 15 + (bytes.readUInt16BE(at + 3) >> 1);
}

function writeTime(bytes: Buffer, at: number, prefix: number, ticks: number): void {
  const wrapped = ((ticks % PTS_CYCLE) + PTS_CYCLE) % PTS_CYCLE;
  bytes[at] = (prefix << 4) | (Math.floor(wrapped / 2 ** 30) << 1) | 1;
  bytes.writeUInt16BE(((Math.floor(wrapped / 2 ** 15) & 0x7fff) << 1) | 1, at + 1);
  bytes.writeUInt16BE(((wrapped & 0x7fff) << 1) | 1, at + 3);
}
