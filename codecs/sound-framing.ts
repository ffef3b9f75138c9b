/**
 * Frames of sound as PES packets carry them, and frames to stand in for lost ones.
 *
 * A stand-in needs no decoder to be made. That of AAC and MPEG audio is silence: as each frame overlaps with its neighbours, decoders
 * fade the sound out and in again. That of Opus has no content, for which decoders go on with what they heard.
 */

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

/** One frame. */
export interface StandIn {
  bytes: Buffer;
  /** 90 kHz ticks. */
  durationTicks: number;
}

/** How long a frame is. */
export interface FrameSize {
  bytes: number;
  /** 90 kHz ticks. */
  durationTicks: number;
}

/** How a codec frames its sound. */
export interface SoundFraming {
  /** The frame that begins at `at`: `undefined` when none does, 'cut' when it goes on behind the end. */
  frameAt(bytes: Buffer, at: number): FrameSize | 'cut' | undefined;
  /** A frame to be put where one like `frame` (its first 16 bytes are enough) was lost; `undefined` when there is none to be had. */
  standIn(frame: Buffer): StandIn | undefined;
}

export const TICKS_HZ = 90_000;

/** Finds the whole frames of what one or more PES packets carry. */
export function splitFrames(bytes: Buffer, framing: SoundFraming): SoundFrames {
  const from = firstFrame(bytes, framing);
  const found: SoundFrames = { from, to: from, durationTicks: 0, last: undefined };
  for (;;) {
    const frame = framing.frameAt(bytes, found.to);
    if (frame === undefined || frame === 'cut') return found;
    found.last = bytes.subarray(found.to, found.to + frame.bytes);
    found.to += frame.bytes;
    found.durationTicks += frame.durationTicks;
  }
}

/** The first place where a frame begins that another one, or the end, follows. */
function firstFrame(bytes: Buffer, framing: SoundFraming): number {
  for (let at = 0; at < bytes.length; at++) {
    const frame = framing.frameAt(bytes, at);
    if (frame === 'cut') return at;
    if (frame === undefined) continue;
    const next = at + frame.bytes;
    if (next === bytes.length || framing.frameAt(bytes, next) !== undefined) return at;
  }
  return bytes.length;
}
