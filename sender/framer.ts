/**
 * Puts a header before each payload: RTP with MPEG-TS (RFC 2250, RFC 3551), the 4-byte sequence header, or nothing.
 */
import type { Framing } from '../wire/address.ts';
import { pcrToTicks } from '../wire/clock.ts';
import { RTP_HEADER_BYTES, RTP_MP2T, writeRtpHeader } from '../wire/rtp.ts';
import { SEQUENCE_HEADER_BYTES, writeSequenceHeader } from '../wire/sequence-header.ts';
import type { Stage } from '../wire/stage.ts';
import type { Datagram } from './datagram.ts';

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

/** Frames datagrams in order, one at a time: each is polled before the next is pushed. */
export class Framer implements Stage<Datagram, Datagram> {
  readonly wakeAt = Infinity;

  readonly #options: FramerOptions;
  #count = 0;
  #framed: Datagram | undefined;

  constructor(options: FramerOptions) {
    this.#options = options;
  }

  /** @param datagram with room for `HEADER_BYTES` */
  push(datagram: Datagram): void {
    const { framing, sequence, timestamp, ssrc } = this.#options;
    datagram.rtpTimestamp = (pcrToTicks(datagram.programmeTicks) + timestamp) >>> 0;
    if (framing === 'rtp') {
      const header = {
        payloadType: RTP_MP2T,
        marker: datagram.discontinuity,
        sequence: (sequence + this.#count) & 0xffff,
        timestamp: datagram.rtpTimestamp,
        ssrc,
      };
      writeRtpHeader(header, datagram.bytes);
    } else if (framing === 'seq') writeSequenceHeader(this.#count >>> 0, datagram.bytes);
    this.#count++;
    this.#framed = datagram;
  }

  poll(): Datagram | undefined {
    const framed = this.#framed;
    this.#framed = undefined;
    return framed;
  }
}

/** The end mark of `seq://`, to be sent three times: a header whose sequence number is the count of all datagrams. */
export function sequenceEndMark(count: number): Buffer {
  const mark = Buffer.allocUnsafe(SEQUENCE_HEADER_BYTES);
  writeSequenceHeader(count >>> 0, mark);
  return mark;
}
