/** Opus in MPEG-TS, as FFmpeg and GStreamer write it: packets (RFC 6716 §3.1) behind a control header each; and empty ones. */
import { TICKS_HZ, type FrameSize, type SoundFraming, type StandIn } from './sound-framing.ts';

/** How Opus is framed in MPEG-TS. */
export const OPUS: SoundFraming = { frameAt: opusAt, standIn: emptyOpus };

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
function opusAt(bytes: Buffer, at: number): FrameSize | 'cut' | undefined {
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

function emptyOpus(frame: Buffer): StandIn | undefined {
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
