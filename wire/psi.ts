/**
 * Programme specific information: what a transport stream says of itself, ISO/IEC 13818-1 §2.4.4; the service description
 * table is of EN 300 468 §5.2.3.
 *
 *      table_id:8  1:1 .:1 ..:2 section_length:12  extension:16  ..:2 version:5 current:1  section:8 last_section:8
 *      … body …  CRC_32:32
 *
 * `section_length` counts what follows it. A packet with payload_unit_start begins with `pointer_field:8`, the bytes to the next
 * section that starts in it.
 */
import { dvbText, writeDvbText } from './dvb-text.ts';

/** PID of the programme association table. */
export const PAT_PID = 0;
/** PID of the service description table. */
export const SDT_PID = 0x11;

/** One descriptor: a tag of ISO/IEC 13818-1 §2.6 or EN 300 468 §6.1, and its uninterpreted body (a view). */
export interface Descriptor {
  tag: number;
  body: Buffer;
}

/** What all sections in the long form share. */
interface SectionHead {
  /** 0 to 31; steps when the table changes. */
  version: number;
  /** False: the table will apply later. */
  current: boolean;
  sectionNumber: number;
  lastSectionNumber: number;
}

/** One section of the programme association table. */
export interface Pat extends SectionHead {
  transportStreamId: number;
  /** Number 0 is the network information table, not a programme. */
  programmes: { number: number; pmtPid: number }[];
}

/** A programme map table. */
export interface Pmt extends SectionHead {
  programmeNumber: number;
  /** 0x1fff when the programme has no clock. */
  pcrPid: number;
  descriptors: Descriptor[];
  streams: { streamType: number; pid: number; descriptors: Descriptor[] }[];
}

/** One section of the service description table. */
export interface Sdt extends SectionHead {
  transportStreamId: number;
  originalNetworkId: number;
  /** `id` is the programme number. Texts are free of control characters, but not of markup. */
  services: { id: number; provider: string; name: string }[];
}

/** Why a section is not the table that was asked for. */
export type PsiFault =
  | 'too-short' // ends before its own length, or a loop overruns it
  | 'wrong-table' // another table_id, or the short form
  | 'bad-crc';

const HEAD_BYTES = 8;
const CRC_BYTES = 4;
const PAT_TABLE = 0x00;
const PMT_TABLE = 0x02;
const SDT_TABLE = 0x42;
const SERVICE_DESCRIPTOR = 0x48;
/** service_type 1: digital television. */
const TELEVISION = 1;

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, index) => {
  let crc = index << 24;
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc < 0 ? 0x04c11db7 : 0);
  return crc;
});

/** CRC-32/MPEG-2 (polynomial 04c11db7, all ones at first, not reflected); 0 over a section with its CRC. */
export function crc32Mpeg(bytes: Buffer): number {
  let crc = -1;
  for (const byte of bytes) crc = (crc << 8) ^ (CRC_TABLE[(crc >>> 24) ^ byte] ?? 0);
  return crc >>> 0;
}

/** Parses one section of a PAT. */
export function parsePat(section: Buffer): Pat | PsiFault {
  const opened = openSection(section, PAT_TABLE);
  if (typeof opened === 'string') return opened;
  const { head, extension, body } = opened;
  const pat: Pat = { ...head, transportStreamId: extension, programmes: [] };
  for (let at = 0; at + 4 <= body.length; at += 4) {
    pat.programmes.push({ number: body.readUInt16BE(at), pmtPid: body.readUInt16BE(at + 2) & 0x1fff });
  }
  return pat;
}

/** Parses a PMT. */
export function parsePmt(section: Buffer): Pmt | PsiFault {
  const opened = openSection(section, PMT_TABLE);
  if (typeof opened === 'string') return opened;
  const { head, extension, body } = opened;
  if (body.length < 4) return 'too-short';
  const pcrPid = body.readUInt16BE(0) & 0x1fff;
  const descriptors = parseDescriptors(body, 2);
  if (!descriptors) return 'too-short';
  const pmt: Pmt = {
    ...head,
    programmeNumber: extension,
    pcrPid,
    descriptors: descriptors.list,
    streams: [],
  };
  for (let at = descriptors.end; at < body.length;) {
    if (at + 5 > body.length) return 'too-short';
    const info = parseDescriptors(body, at + 3);
    if (!info) return 'too-short';
    const pid = body.readUInt16BE(at + 1) & 0x1fff;
    pmt.streams.push({ streamType: body.readUInt8(at), pid, descriptors: info.list });
    at = info.end;
  }
  return pmt;
}

/** Parses one section of the SDT of this transport stream. */
export function parseSdt(section: Buffer): Sdt | PsiFault {
  const opened = openSection(section, SDT_TABLE);
  if (typeof opened === 'string') return opened;
  const { head, extension, body } = opened;
  if (body.length < 3) return 'too-short';
  const sdt: Sdt = {
    ...head,
    transportStreamId: extension,
    originalNetworkId: body.readUInt16BE(0),
    services: [],
  };
  for (let at = 3; at < body.length;) {
    if (at + 5 > body.length) return 'too-short';
    const info = parseDescriptors(body, at + 3);
    if (!info) return 'too-short';
    sdt.services.push({ id: body.readUInt16BE(at), ...serviceNames(info.list) });
    at = info.end;
  }
  return sdt;
}

function serviceNames(descriptors: Descriptor[]): { provider: string; name: string } {
  const body = descriptors.find(({ tag }) => tag === SERVICE_DESCRIPTOR)?.body ?? Buffer.alloc(0);
  const nameAt = 2 + (body[1] ?? 0);
  return {
    provider: dvbText(body.subarray(2, nameAt)),
    name: dvbText(body.subarray(nameAt + 1, nameAt + 1 + (body[nameAt] ?? 0))),
  };
}

/** Checks the frame of a section in the long form and takes it apart. */
function openSection(
  section: Buffer,
  table: number,
): { head: SectionHead; extension: number; body: Buffer } | PsiFault {
  if (section.length < HEAD_BYTES + CRC_BYTES) return 'too-short';
  const end = 3 + (section.readUInt16BE(1) & 0x0fff);
  if (end > section.length || end < HEAD_BYTES + CRC_BYTES) return 'too-short';
  if (section[0] !== table || (section.readUInt8(1) & 0x80) === 0) return 'wrong-table';
  if (crc32Mpeg(section.subarray(0, end)) !== 0) return 'bad-crc';
  const flags = section.readUInt8(5);
  return {
    head: {
      version: (flags >> 1) & 0x1f,
      current: (flags & 1) === 1,
      sectionNumber: section.readUInt8(6),
      lastSectionNumber: section.readUInt8(7),
    },
    extension: section.readUInt16BE(3),
    body: section.subarray(HEAD_BYTES, end - CRC_BYTES),
  };
}

/** Reads `length:12` (behind 4 other bits) and as many bytes of descriptors; `undefined` when they overrun. */
function parseDescriptors(body: Buffer, at: number): { list: Descriptor[]; end: number } | undefined {
  const end = at + 2 + (body.readUInt16BE(at) & 0x0fff);
  if (end > body.length) return undefined;
  const list: Descriptor[] = [];
  for (let next = at + 2; next < end;) {
    const stop = next + 2 + (body[next + 1] ?? 0);
    if (stop > end) return undefined;
    list.push({ tag: body[next] ?? 0, body: body.subarray(next + 2, stop) });
    next = stop;
  }
  return { list, end };
}

/** Writes one section of a PAT. */
export function writePat(pat: Pat): Buffer {
  const entries = pat.programmes.flatMap(({ number, pmtPid }) => [...word(number), ...word(0xe000 | pmtPid)]);
  return closeSection(PAT_TABLE, pat.transportStreamId, pat, Buffer.from(entries));
}

/** Writes a PMT. */
export function writePmt(pmt: Pmt): Buffer {
  const parts = [word(0xe000 | pmt.pcrPid), ...writeDescriptors(0xf000, pmt.descriptors)];
  for (const { streamType, pid, descriptors } of pmt.streams) {
    parts.push(Buffer.of(streamType), word(0xe000 | pid), ...writeDescriptors(0xf000, descriptors));
  }
  return closeSection(PMT_TABLE, pmt.programmeNumber, pmt, Buffer.concat(parts));
}

/** Writes one section of an SDT; texts go out as UTF-8 where ASCII does not do. */
export function writeSdt(sdt: Sdt): Buffer {
  const parts = [word(sdt.originalNetworkId), Buffer.of(0xff)];
  for (const { id, provider, name } of sdt.services) {
    const [by, called] = [writeDvbText(provider), writeDvbText(name)];
    const body = Buffer.concat([Buffer.of(TELEVISION, by.length), by, Buffer.of(called.length), called]);
    // No event information (fc), running and in the clear (8).
    parts.push(word(id), Buffer.of(0xfc), ...writeDescriptors(0x8000, [{ tag: SERVICE_DESCRIPTOR, body }]));
  }
  return closeSection(SDT_TABLE, sdt.transportStreamId, sdt, Buffer.concat(parts));
}

function word(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff);
}

function writeDescriptors(upperBits: number, list: readonly Descriptor[]): Buffer[] {
  const bodies = list.flatMap(({ tag, body }) => [Buffer.of(tag, body.length), body]);
  const length = bodies.reduce((sum, body) => sum + body.length, 0);
  return [word(upperBits | length), ...bodies];
}

function closeSection(table: number, extension: number, head: SectionHead, body: Buffer): Buffer {
  const length = HEAD_BYTES - 3 + body.length + CRC_BYTES;
  const front = Buffer.of(table, 0xb0 | (length >> 8), length & 0xff, extension >> 8, extension & 0xff);
  const rest = Buffer.of(
    0xc0 | (head.version << 1) | (head.current ? 1 : 0),
    head.sectionNumber,
    head.lastSectionNumber,
  );
  const open = Buffer.concat([front, rest, body]);
  const crc = Buffer.alloc(CRC_BYTES);
  crc.writeUInt32BE(crc32Mpeg(open));
  return Buffer.concat([open, crc]);
}
