/**
 * What an elementary stream is, from the stream_type of its PMT (ISO/IEC 13818-1 table 2-34, ATSC A/53, Blu-ray) and its
 * descriptors (ISO/IEC 13818-1 §2.6, EN 300 468 §6).
 */
import type { ElementaryStream } from './metrics.ts';
import type { Descriptor } from './psi.ts';

type Codec = readonly [name: string, kind: ElementaryStream['kind']];

const BY_TYPE: Readonly<Record<number, Codec>> = {
  0x01: ['MPEG-1 video', 'video'],
  0x02: ['MPEG-2 video', 'video'],
  0x03: ['MPEG audio', 'audio'],
  0x04: ['MPEG audio', 'audio'],
  0x0f: ['AAC', 'audio'],
  0x10: ['MPEG-4 video', 'video'],
  0x11: ['AAC (LATM)', 'audio'],
  0x15: ['timed metadata', 'data'],
  0x1b: ['H.264', 'video'],
  0x1c: ['AAC', 'audio'],
  0x21: ['JPEG 2000', 'video'],
  0x24: ['H.265', 'video'],
  0x33: ['H.266', 'video'],
  0x42: ['AVS', 'video'],
  0x81: ['AC-3', 'audio'],
  0x86: ['SCTE-35', 'data'],
  0x87: ['E-AC-3', 'audio'],
  0xd1: ['Dirac', 'video'],
  0xea: ['VC-1', 'video'],
};

/** Types that mean something else in a programme registered as `HDMV` (Blu-ray). */
const BY_BLU_RAY_TYPE: Readonly<Record<number, Codec>> = {
  0x80: ['LPCM', 'audio'],
  0x82: ['DTS', 'audio'],
  0x83: ['TrueHD', 'audio'],
  0x84: ['E-AC-3', 'audio'],
  0x85: ['DTS-HD', 'audio'],
  0x86: ['DTS-HD', 'audio'],
  0x90: ['PGS subtitles', 'subtitle'],
};

/** format_identifier of the registration descriptor (0x05), for private data. */
const BY_REGISTRATION: Readonly<Record<string, Codec>> = {
  'AC-3': ['AC-3', 'audio'],
  'AC-4': ['AC-4', 'audio'],
  AV01: ['AV1', 'video'],
  BSSD: ['SMPTE 302M', 'audio'],
  DTS1: ['DTS', 'audio'],
  DTS2: ['DTS', 'audio'],
  DTS3: ['DTS', 'audio'],
  EAC3: ['E-AC-3', 'audio'],
  HEVC: ['H.265', 'video'],
  'ID3 ': ['timed metadata', 'data'],
  KLVA: ['KLV metadata', 'data'],
  Opus: ['Opus', 'audio'],
  'VC-1': ['VC-1', 'video'],
};

/** Descriptors that say by being there what private data is. */
const BY_DESCRIPTOR: Readonly<Record<number, Codec>> = {
  0x56: ['teletext', 'subtitle'],
  0x59: ['DVB subtitles', 'subtitle'],
  0x6a: ['AC-3', 'audio'],
  0x7a: ['E-AC-3', 'audio'],
  0x7b: ['DTS', 'audio'],
  0x7c: ['AAC', 'audio'],
};

const PRIVATE_PES = 0x06;
const REGISTRATION = 0x05;
/** Descriptors that begin with an ISO 639 code: language, teletext, DVB subtitles. */
const WITH_LANGUAGE = new Set([0x0a, 0x56, 0x59]);

/** Names one stream of a PMT. @param programme the descriptors of the programme it belongs to */
export function describeStream(
  stream: { streamType: number; pid: number; descriptors: readonly Descriptor[] },
  programme: readonly Descriptor[],
): ElementaryStream {
  const { streamType, pid, descriptors } = stream;
  const [codec, kind] = codecOf(streamType, descriptors, programme);
  const language = languageOf(descriptors);
  return { pid, streamType, codec, kind, ...(language === undefined ? {} : { language }) };
}

function codecOf(type: number, descriptors: readonly Descriptor[], programme: readonly Descriptor[]): Codec {
  const byType = (registrationOf(programme) === 'HDMV' ? BY_BLU_RAY_TYPE[type] : undefined) ?? BY_TYPE[type];
  if (byType) return byType;
  const registered = BY_REGISTRATION[registrationOf(descriptors) ?? ''];
  if (registered) return registered;
  const described = descriptors.find(({ tag }) => BY_DESCRIPTOR[tag]);
  if (type === PRIVATE_PES && described) return BY_DESCRIPTOR[described.tag] ?? UNKNOWN(type);
  return UNKNOWN(type);
}

const UNKNOWN = (type: number): Codec => [`type 0x${type.toString(16).padStart(2, '0')}`, 'data'];

function registrationOf(descriptors: readonly Descriptor[]): string | undefined {
  return descriptors.find(({ tag }) => tag === REGISTRATION)?.body.toString('latin1', 0, 4);
}

function languageOf(descriptors: readonly Descriptor[]): string | undefined {
  const body = descriptors.find(({ tag }) => WITH_LANGUAGE.has(tag))?.body;
  const code = body?.toString('latin1', 0, 3).toLowerCase() ?? '';
  return /^[a-z]{3}$/.test(code) && code !== 'und' ? code : undefined;
}
