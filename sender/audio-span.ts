/**
 * How long the sound in a PES packet lasts, by the headers of its frames: AAC in ADTS (ISO/IEC 13818-7 §6.2), MPEG audio
 * (ISO/IEC 11172-3 §2.4.1), AC-3 and E-AC-3 (ETSI TS 102 366), Opus (RFC 6716 §3.1 behind the control header of its mapping).
 */
import { PTS_HZ } from '../wire/pes.ts';

/** One frame: its length, and how long it sounds. */
interface Frame {
  bytes: number;
  seconds: number;
}

type FrameReader = (data: Buffer, at: number) => Frame | undefined;

const READERS: Readonly<Record<string, FrameReader>> = {
  AAC: readAdts,
  'MPEG audio': readMpegAudio,
  'AC-3': readAc3,
  'E-AC-3': readAc3,
  Opus: readOpus,
};

/**
 * Duration of the frames that begin in `data`, 90 kHz ticks; 0 when there is none or the codec (named as `codec-names` has it) is
 * not known.
 */
export function audioTicks(codec: string, data: Buffer): number {
  const read = READERS[codec];
  if (!read) return 0;
  let seconds = 0;
  for (let at = 0; at < data.length;) {
    const frame = read(data, at);
    seconds += frame?.seconds ?? 0;
    at += frame?.bytes ?? 1;
  }
  return Math.round(seconds * PTS_HZ);
}

const AAC_RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];

function readAdts(data: Buffer, at: number): Frame | undefined {
  if (at + 7 > data.length || (data.readUInt16BE(at) & 0xfff6) !== 0xfff0) return undefined;
  const rate = AAC_RATES[(data.readUInt8(at + 2) >> 2) & 0x0f];
  const bytes = (data.readUIntBE(at + 3, 3) >> 5) & 0x1fff;
  const blocks = (data.readUInt8(at + 6) & 0x03) + 1;
  return rate === undefined || bytes < 7 ? undefined : { bytes, seconds: (1024 * blocks) / rate };
}

const KBITS_1 = [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448];
const KBITS_2 = [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
const KBITS_3 = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const LOW_KBITS_1 = [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256];
const LOW_KBITS = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const MPEG_RATES = [44100, 48000, 32000];

/** By version and layer as the header has them: samples of a frame, kbit/s by index, divisor of the sampling rate. */
const MPEG_KINDS: Readonly<Record<number, [samples: number, kbits: readonly number[], divisor: number]>> = {
  0b1111: [384, KBITS_1, 1],
  0b1110: [1152, KBITS_2, 1],
  0b1101: [1152, KBITS_3, 1],
  0b1011: [384, LOW_KBITS_1, 2],
  0b1010: [1152, LOW_KBITS, 2],
  0b1001: [576, LOW_KBITS, 2],
  0b0011: [384, LOW_KBITS_1, 4],
  0b0010: [1152, LOW_KBITS, 4],
  0b0001: [576, LOW_KBITS, 4],
};

function readMpegAudio(data: Buffer, at: number): Frame | undefined {
  if (at + 4 > data.length || data.readUInt16BE(at) < 0xffe0) return undefined;
  const head = data.readUInt32BE(at);
  const fullRate = MPEG_RATES[(head >> 10) & 3];
  const [samples, kbits, divisor] = MPEG_KINDS[(head >> 17) & 0x0f] ?? [0, [], 1];
  const kbit = kbits[(head >> 12) & 0x0f] ?? 0;
  if (fullRate === undefined || kbit === 0) return undefined;
  const rate = fullRate / divisor;
  const slot = samples === 384 ? 4 : 1;
  const slots = Math.floor((samples * kbit * 125) / rate / slot) + ((head >> 9) & 1);
  return { bytes: slots * slot, seconds: samples / rate };
}

const AC3_RATES = [48000, 44100, 32000];
const AC3_KBITS = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
const EAC3_BLOCKS = [1, 2, 3, 6];

function readAc3(data: Buffer, at: number): Frame | undefined {
  if (at + 6 > data.length || data.readUInt16BE(at) !== 0x0b77) return undefined;
  const sizes = data.readUInt8(at + 4);
  const rate = AC3_RATES[sizes >> 6];
  if (data.readUInt8(at + 5) >> 3 > 10) {
    const word = data.readUInt16BE(at + 2);
    const blocks = rate === undefined ? 6 : (EAC3_BLOCKS[(sizes >> 4) & 3] ?? 6);
    const samplingRate = rate ?? (AC3_RATES[(sizes >> 4) & 3] ?? 48000) / 2;
    // A dependent substream sounds together with the frame before it.
    return { bytes: 2 * ((word & 0x7ff) + 1), seconds: word >> 14 === 1 ? 0 : (256 * blocks) / samplingRate };
  }
  const kbits = AC3_KBITS[(sizes & 0x3f) >> 1];
  if (rate === undefined || kbits === undefined) return undefined;
  const words = Math.floor((kbits * 96_000) / rate) + (rate === 44100 ? sizes & 1 : 0);
  return { bytes: 2 * words, seconds: 1536 / rate };
}

/** Frame durations by the upper five bits of the TOC, in units of 2.5 ms. */
const OPUS_UNITS = [
  4, 8, 16, 24, 4, 8, 16, 24, 4, 8, 16, 24, 4, 8, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8,
];

function readOpus(data: Buffer, at: number): Frame | undefined {
  if (at + 3 > data.length || data.readUInt16BE(at) >> 5 !== 0x3ff) return undefined;
  const flags = data.readUInt8(at + 1);
  let size = 0;
  let next = at + 2;
  for (let byte = 0xff; byte === 0xff && next < data.length; next++) size += byte = data[next] ?? 0;
  next += (flags & 0x10 ? 2 : 0) + (flags & 0x08 ? 2 : 0); // what to trim
  if (flags & 0x04) next += 1 + (data[next] ?? 0);
  const toc = data[next] ?? 0;
  const frames = [1, 2, 2, (data[next + 1] ?? 0) & 0x3f][toc & 3] ?? 1;
  return { bytes: next - at + size, seconds: (frames * (OPUS_UNITS[toc >> 3] ?? 8) * 2.5) / 1000 };
}
