/**
 * Puts a header before each payload: RTP with MPEG-TS (RFC 2250, RFC 3551), the 4-byte sequence header, or nothing.
 */
import type { Framing } from '../wire/address.ts';
import { pcrToTicks } from '../wire/clock.ts';
import { RTP_HEADER_BYTES, RTP_MP2T, type RtpHeader, writeRtpHeader } from '../wire/rtp.ts';
import { SEQUENCE_HEADER_BYTES, writeSequenceHeader } from '../wire/sequence-header.ts';
import type { Stage } from '../wire/stage.ts';
import type { MediaChunk, MediaRun } from './media-chunk.ts';

/** How a stream begins; for RTP all three are random (RFC 3550 §5.1). Bare TS and the sequence header need none of it. */
export interface FramerOptions {
  framing: Framing;
  /** 16 bits: the sequence number of the first datagram. */
  sequence: number;
  /** 32 bits: the RTP timestamp of programme time 0. */
  timestamp: number;
  /** 32 bits. */
  ssrc: number;
}

/** Bytes before each payload. */
export const HEADER_BYTES: Readonly<Record<Framing, number>> = {
  rtp: RTP_HEADER_BYTES,
  seq: SEQUENCE_HEADER_BYTES,
  udp: 0,
};

/** Frames datagrams in order, a run at a time: each is polled before the next is pushed. */
export class Framer implements Stage<MediaRun, MediaRun> {
  readonly wakeAt = Infinity;

  readonly #options: FramerOptions;
  readonly #header: RtpHeader;
  #framed: MediaRun | undefined;

  constructor(options: FramerOptions) {
    const { sequence, timestamp, ssrc } = options;
    this.#options = options;
    this.#header = { payloadType: RTP_MP2T, marker: false, sequence, timestamp, ssrc };
  }

  /** @param run with room for `HEADER_BYTES` */
  push(run: MediaRun): void {
    const { chunk, first, end } = run;
    const { framing, timestamp } = this.#options;
    for (let slot = first; slot < end; slot++) {
      const ticks = pcrToTicks(chunk.programmeTicks[slot] ?? 0);
      chunk.rtpTimestamps[slot] = ticks + timestamp; // 32 bits of it
      if (framing === 'rtp') this.#writeRtp(chunk, slot);
      else if (framing === 'seq')
        writeSequenceHeader(
          (chunk.firstIndex + slot) >>> 0,
          chunk.departure.bytes,
          slot * chunk.departure.slotBytes,
        );
    }
    this.#framed = run;
  }

  poll(): MediaRun | undefined {
    const framed = this.#framed;
    this.#framed = undefined;
    return framed;
  }

  #writeRtp(chunk: MediaChunk, slot: number): void {
    const header = this.#header;
    header.marker = chunk.discontinuities[slot] === 1;
    header.sequence = (this.#options.sequence + chunk.firstIndex + slot) & 0xffff;
    header.timestamp = chunk.rtpTimestamps[slot] ?? 0;
    writeRtpHeader(header, chunk.departure.bytes, slot * chunk.departure.slotBytes);
  }
}

/** The end mark of `seq://`, to be sent three times: a header whose sequence number is the count of all datagrams. */
export function sequenceEndMark(count: number): Buffer {
  const mark = Buffer.allocUnsafe(SEQUENCE_HEADER_BYTES);
  writeSequenceHeader(count >>> 0, mark);
  return mark;
}
