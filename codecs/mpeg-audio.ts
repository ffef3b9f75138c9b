/**
 * MPEG audio of layers II and III (ISO/IEC 11172-3 §2.4.1.3, 13818-3), and silent frames.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |      sync word 0x7ff  | V |LAY|P| bit rate | rate|p| mode …    |
 */
import { TICKS_HZ, type FrameSize, type SoundFraming, type StandIn } from './sound-framing.ts';

/** How MPEG audio is framed: frame behind frame. */
export const MPEG_AUDIO: SoundFraming = { frameAt, standIn };

const HEADER_BYTES = 4;
/** kbit/s by bitrate_index, from 1 on. */
const KBITS_LAYER_2 = [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
const KBITS_LAYER_3 = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const KBITS_MPEG_2 = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const RATES_HZ = [44_100, 48_000, 32_000];
/** By the first bits of the header: samples of a frame, and by what the sampling rate is divided. */
const KINDS = new Map([
  [0xfffc, { kbits: KBITS_LAYER_2, samples: 1152, slowness: 1 }],
  [0xfffa, { kbits: KBITS_LAYER_3, samples: 1152, slowness: 1 }],
  [0xfff4, { kbits: KBITS_MPEG_2, samples: 1152, slowness: 2 }],
  [0xfff2, { kbits: KBITS_MPEG_2, samples: 576, slowness: 2 }],
]);

function frameAt(bytes: Buffer, at: number): FrameSize | 'cut' | undefined {
  if (bytes[at] !== 0xff) return undefined;
  if (at + HEADER_BYTES > bytes.length) return 'cut';
  const size = sizeOf(bytes, at);
  return size && at + size.bytes > bytes.length ? 'cut' : size;
}

function sizeOf(bytes: Buffer, at: number): FrameSize | undefined {
  // Twelve bits of sync and ID, layer; the bit behind them, of the checksum, may be either.
  const kind = KINDS.get(bytes.readUInt16BE(at) & 0xfffe);
  const third = bytes[at + 2] ?? 0;
  const kbits = kind?.kbits[(third >> 4) - 1];
  const rateHz = RATES_HZ[(third >> 2) & 3];
  if (kind === undefined || kbits === undefined || rateHz === undefined) return undefined;
  const { samples, slowness } = kind;
  const padding = (third >> 1) & 1;
  const frameBytes = Math.floor((samples * kbits * 125 * slowness) / rateHz) + padding;
  return { bytes: frameBytes, durationTicks: (samples * TICKS_HZ * slowness) / rateHz };
}

/** Zeros behind a header: no bits are given to any band (layer II), nothing is in any granule (layer III). */
function standIn(frame: Buffer): StandIn | undefined {
  const header = Buffer.from(frame.subarray(0, HEADER_BYTES));
  if (header.length < HEADER_BYTES) return undefined;
  header[1] = (header[1] ?? 0) | 1; // no checksum
  header[2] = (header[2] ?? 0) & 0xfd; // no padding
  const size = sizeOf(header, 0);
  return size && { bytes: Buffer.concat([header], size.bytes), durationTicks: size.durationTicks };
}
