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
/** `ID` and layer, as they stand in the header. */
const MPEG_1 = 3;
const MPEG_2 = 2;
const LAYER_2 = 2;
const LAYER_3 = 1;
/** kbit/s by bitrate_index, from 1 on. */
const KBITS_LAYER_2 = [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
const KBITS_LAYER_3 = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const KBITS_MPEG_2 = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const RATES_HZ = [44_100, 48_000, 32_000];

function frameAt(bytes: Buffer, at: number): FrameSize | 'cut' | undefined {
  if (bytes[at] !== 0xff) return undefined;
  if (at + HEADER_BYTES > bytes.length) return 'cut';
  const size = sizeOf(bytes, at);
  return size && at + size.bytes > bytes.length ? 'cut' : size;
}

function sizeOf(bytes: Buffer, at: number): FrameSize | undefined {
  const second = bytes[at + 1] ?? 0;
  const third = bytes[at + 2] ?? 0;
  const version = (second >> 3) & 3;
  const layer = (second >> 1) & 3;
  const known = (version === MPEG_1 || version === MPEG_2) && (layer === LAYER_2 || layer === LAYER_3);
  if (second >> 5 !== 7 || !known) return undefined;
  const half = version === MPEG_2;
  const rates = half ? KBITS_MPEG_2 : layer === LAYER_2 ? KBITS_LAYER_2 : KBITS_LAYER_3;
  const kbits = rates[(third >> 4) - 1];
  const rateHz = (RATES_HZ[(third >> 2) & 3] ?? Number.NaN) / (half ? 2 : 1);
  if (kbits === undefined || Number.isNaN(rateHz)) return undefined;
  const samples = half && layer === LAYER_3 ? 576 : 1152;
  const padding = (third >> 1) & 1;
  const frameBytes = Math.floor((samples * kbits * 125) / rateHz) + padding;
  return { bytes: frameBytes, durationTicks: (samples * TICKS_HZ) / rateHz };
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
