/**
 * Puts a header before each payload: RTP with MPEG-TS (RFC 2250, RFC 3551), the 4-byte sequence header, or nothing.
 */
import type { Framing } from '../wire/address.ts';
import { pcrToTicks } from '../wire/clock.ts';
import { RTP_HEADER_BYTES, RTP_MP2T, writeRtpHeader } from '../wire/rtp.ts';
import { SEQUENCE_HEADER_BYTES, writeSequenceHeader } from '../wire/sequence-header.ts';
import type { Stage } from '../wire/stage.ts';
import type { MediaDatagram } from './packetizer.ts';

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

/** A datagram as it goes on the wire. */
export interface FramedDatagram {
  /** Header and payload. Its receiver's. */
  datagram: Buffer;
  payloadBytes: number;
  /** 27 MHz since the first byte of the stream; never falls. */
  transmitTicks: number;
  /** 32 bits of 90 kHz. */
  rtpTimestamp: number;
}

const HEADER_BYTES: Readonly<Record<Framing, number>> = {
  rtp: RTP_HEADER_BYTES,
  seq: SEQUENCE_HEADER_BYTES,
  udp: 0,
};

/** Frames datagrams in order, one at a time: each is polled before the next is pushed. */
export class Framer implements Stage<MediaDatagram, FramedDatagram> {
  readonly wakeAt = Infinity;

  readonly #options: FramerOptions;
  #count = 0;
  #framed: FramedDatagram | undefined;

  constructor(options: FramerOptions) {
    this.#options = options;
  }

  push({ payload, programmeTicks, transmitTicks, discontinuity }: MediaDatagram): void {
    const { framing, timestamp, ssrc } = this.#options;
    const rtpTimestamp = (pcrToTicks(programmeTicks) + timestamp) >>> 0;
    const datagram = this.#with(payload);
    if (framing === 'rtp') {
      const sequence = (this.#options.sequence + this.#count) & 0xffff;
      writeRtpHeader(
        { payloadType: RTP_MP2T, marker: discontinuity, sequence, timestamp: rtpTimestamp, ssrc },
        datagram,
      );
    } else if (framing === 'seq') writeSequenceHeader(this.#count >>> 0, datagram);
    this.#count++;
    this.#framed = { datagram, payloadBytes: payload.length, transmitTicks, rtpTimestamp };
  }

  poll(): FramedDatagram | undefined {
    const framed = this.#framed;
    this.#framed = undefined;
    return framed;
  }

  /** The payload behind room for the header. Small buffers are slices of a slab of Node's. */
  #with(payload: Buffer): Buffer {
    const headerBytes = HEADER_BYTES[this.#options.framing];
    const datagram = Buffer.allocUnsafe(headerBytes + payload.length);
    payload.copy(datagram, headerBytes);
    return datagram;
  }
}

/** The end mark of `seq://`, to be sent three times: a header whose sequence number is the count of all datagrams. */
export function sequenceEndMark(count: number): Buffer {
  const mark = Buffer.allocUnsafe(SEQUENCE_HEADER_BYTES);
  writeSequenceHeader(count >>> 0, mark);
  return mark;
}
