/**
 * Frames of sound as PES packets carry them, and frames to stand in for lost ones: ADTS (ISO/IEC 13818-7 §6.2), Opus in MPEG-TS
 * (as FFmpeg and GStreamer write it; RFC 6716 §3.1).
 *
 * A stand-in needs no decoder to be made. AAC's is silence: as each frame overlaps with its neighbours, decoders fade the sound out
 * and in again. Opus's is a frame without content, for which decoders go on with what they heard.
 */
import { BitWriter } from './bits.ts';

/** Whole frames at the beginning of some bytes. */
export interface SoundFrames {
  /** Where the first whole frame begins. */
  from: number;
  /** Where the last one ends; `from` when there is none. */
  to: number;
  /** How long they last, 90 kHz ticks. */
  durationTicks: number;
  /** The last one. A view. */
  last: Buffer | undefined;
}

/** How a codec frames its sound. */
export interface SoundFraming {
  /** Finds the whole frames of what one or more PES packets carry. */
  split(bytes: Buffer): SoundFrames;
  /** A frame of `durationTicks` to be put where one like `frame` was lost; `undefined` when there is none to be had. */
  standIn(frame: Buffer): { bytes: Buffer; durationTicks: number } | undefined;
}

/** Framings by codec, as `codec-names` has it. */
export const SOUND_FRAMINGS: Readonly<Record<string, SoundFraming>> = {
  AAC: { split: (bytes) => split(bytes, adtsAt), standIn: silentAdts },
  Opus: { split: (bytes) => split(bytes, opusAt), standIn: emptyOpus },
};

interface Frame {
  bytes: number;
  durationTicks: number;
}

/** The frame that begins at `at`: `undefined` when none does, 'cut' when it goes on behind the end. */
type FrameAt = (bytes: Buffer, at: number) => Frame | 'cut' | undefined;

function split(bytes: Buffer, frameAt: FrameAt): SoundFrames {
  const from = firstFrame(bytes, frameAt);
  const found: SoundFrames = { from, to: from, durationTicks: 0, last: undefined };
  for (;;) {
    const frame = frameAt(bytes, found.to);
    if (frame === undefined || frame === 'cut') return found;
    found.last = bytes.subarray(found.to, found.to + frame.bytes);
    found.to += frame.bytes;
    found.durationTicks += frame.durationTicks;
  }
}

/** The first place where a frame begins that another one, or the end, follows. */
function firstFrame(bytes: Buffer, frameAt: FrameAt): number {
  for (let at = 0; at < bytes.length; at++) {
    const frame = frameAt(bytes, at);
    if (frame === 'cut') return at;
    if (frame === undefined) continue;
    const next = at + frame.bytes;
    if (next === bytes.length || frameAt(bytes, next) !== undefined) return at;
  }
  return bytes.length;
}

const ADTS_HEADER_BYTES = 7;
/** By sampling_frequency_index. */
const ADTS_RATES_HZ = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350,
];
const AAC_SAMPLES = 1024;
const TICKS_HZ = 90_000;

function adtsAt(bytes: Buffer, at: number): Frame | 'cut' | undefined {
  // Sync word of 12 bits, any ID, layer 0.
  if (bytes[at] !== 0xff || ((bytes[at + 1] ?? 0xf0) & 0xf6) !== 0xf0) return undefined;
  if (at + ADTS_HEADER_BYTES > bytes.length) return 'cut';
  const rateHz = ADTS_RATES_HZ[((bytes[at + 2] ?? 0) >> 2) & 0x0f];
  const length = (bytes.readUIntBE(at + 3, 3) >> 5) & 0x1fff;
  if (rateHz === undefined || length < ADTS_HEADER_BYTES) return undefined;
  if (at + length > bytes.length) return 'cut';
  const blocks = 1 + ((bytes[at + 6] ?? 0) & 3);
  return { bytes: length, durationTicks: (blocks * AAC_SAMPLES * TICKS_HZ) / rateHz };
}

/** syntactic elements of AAC: one channel, two, the low effects, the end. */
const SINGLE = 0;
const PAIR = 1;
const LOW_EFFECTS = 3;
const END = 7;
/** Elements by channel_configuration, ISO/IEC 13818-7 table 42. */
const ELEMENTS: Readonly<Record<number, readonly number[]>> = {
  1: [SINGLE],
  2: [PAIR],
  3: [SINGLE, PAIR],
  4: [SINGLE, PAIR, SINGLE],
  5: [SINGLE, PAIR, PAIR],
  6: [SINGLE, PAIR, PAIR, LOW_EFFECTS],
  7: [SINGLE, PAIR, PAIR, PAIR, LOW_EFFECTS],
};

function silentAdts(frame: Buffer): { bytes: Buffer; durationTicks: number } | undefined {
  const rateHz = ADTS_RATES_HZ[((frame[2] ?? 0) >> 2) & 0x0f];
  const channels = ((frame[2] ?? 0) & 1) * 4 + ((frame[3] ?? 0) >> 6);
  const elements = ELEMENTS[channels];
  if (rateHz === undefined || elements === undefined) return undefined;
  const body = silence(elements);
  const length = ADTS_HEADER_BYTES + body.length;
  const head = Buffer.from(frame.subarray(0, ADTS_HEADER_BYTES));
  head[1] = (head[1] ?? 0) | 1; // no checksum
  head[3] = (head[3] ?? 0) & 0xfc;
  head.writeUIntBE(length * 32 + 0x1f, 4, 2);
  head[6] = 0xfc; // the rest of a full buffer's sign, one block
  return { bytes: Buffer.concat([head, body]), durationTicks: (AAC_SAMPLES * TICKS_HZ) / rateHz };
}

/** A raw data block whose channels have long windows without a single band, ISO/IEC 13818-7 §6.3. */
function silence(elements: readonly number[]): Buffer {
  const bits = new BitWriter();
  const counts = new Map<number, number>();
  for (const element of elements) {
    const tag = counts.get(element) ?? 0;
    counts.set(element, tag + 1);
    bits.bits(element, 3);
    bits.bits(tag, 4);
    if (element === PAIR) bits.bits(0, 1); // no common window
    for (let left = element === PAIR ? 2 : 1; left > 0; left--) {
      bits.bits(0, 8); // global_gain
      bits.bits(0, 11); // ics_info: long window, sine, no band, no prediction
      bits.bits(0, 3); // no pulses, no temporal noise shaping, no gain control
    }
  }
  bits.bits(END, 3);
  bits.align(0);
  return bits.toBuffer();
}

/** Samples at 48 kHz of a frame, by the configuration of the TOC byte: RFC 6716 table 2. */
const SILK_SAMPLES = [480, 960, 1920, 2880];
const CELT_SAMPLES = [120, 240, 480, 960];
const OPUS_TICKS_PER_SAMPLE = TICKS_HZ / 48_000;

function opusFrameTicks(toc: number): number {
  const config = toc >> 3;
  const samples =
    config < 12 ? SILK_SAMPLES[config & 3] : config < 16 ? 480 << (config & 1) : CELT_SAMPLES[config & 3];
  return (samples ?? 0) * OPUS_TICKS_PER_SAMPLE;
}

/** The control header: eleven bits 0x3ff, trims, extension; then the size. */
function opusAt(bytes: Buffer, at: number): Frame | 'cut' | undefined {
  if (bytes[at] !== 0x7f || ((bytes[at + 1] ?? 0xe0) & 0xe0) !== 0xe0) return undefined;
  const flags = bytes[at + 1] ?? 0;
  let next = at + 2;
  let size = 0;
  for (; bytes[next] === 0xff; next++) size += 0xff;
  size += bytes[next++] ?? 0;
  next += (flags & 0x10 ? 2 : 0) + (flags & 0x08 ? 2 : 0);
  if (flags & 0x04) next += 1 + (bytes[next] ?? 0);
  if (next + Math.max(1, size) > bytes.length) return 'cut';
  return { bytes: next + size - at, durationTicks: opusTicks(bytes.subarray(next, next + size)) };
}

function opusTicks(packet: Buffer): number {
  const toc = packet[0] ?? 0;
  const code = toc & 3;
  const frames = code === 0 ? 1 : code === 3 ? (packet[1] ?? 0) & 0x3f : 2;
  return frames * opusFrameTicks(toc);
}

function emptyOpus(frame: Buffer): { bytes: Buffer; durationTicks: number } | undefined {
  const flags = frame[1] ?? 0;
  // Trims and extensions come only at the ends of a stream.
  if (flags & 0x1c) return undefined;
  let at = 2;
  while (frame[at] === 0xff) at++;
  const toc = frame[at + 1];
  if (toc === undefined) return undefined;
  // One frame, of no bytes.
  return { bytes: Buffer.of(0x7f, 0xe0, 1, toc & 0xfc), durationTicks: opusFrameTicks(toc) };
}
