/**
 * Puts a header before each payload: RTP with MPEG-TS (RFC 2250, RFC 3551), the 4-byte sequence header, or nothing.
 */
import type { Framing } from '../wire/address.ts';
import { RTP_HEADER_BYTES, RTP_MP2T, writeRtpHeader } from '../wire/rtp.ts';
import { SEQUENCE_HEADER_BYTES, writeSequenceHeader } from '../wire/sequence-header.ts';
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

/** Frames datagrams in order. */
export class Framer {
  readonly #options: FramerOptions;
  #count = 0;

  constructor(options: FramerOptions) {
    this.#options = options;
  }

  /** The sequence number of the next datagram: 16 bits. */
  get nextSequence(): number {
    return (this.#options.sequence + this.#count) & 0xffff;
  }

  frame({ payload, programmeTicks, transmitTicks, discontinuity }: MediaDatagram): FramedDatagram {
    const { framing, timestamp, ssrc } = this.#options;
    const rtpTimestamp = (Math.floor(programmeTicks / 300) + timestamp) >>> 0;
    const datagram = this.#with(payload);
    if (framing === 'rtp') {
      const sequence = this.nextSequence;
      writeRtpHeader(
        { payloadType: RTP_MP2T, marker: discontinuity, sequence, timestamp: rtpTimestamp, ssrc },
        datagram,
      );
    } else if (framing === 'seq') writeSequenceHeader(this.#count >>> 0, datagram);
    this.#count++;
    return { datagram, payloadBytes: payload.length, transmitTicks, rtpTimestamp };
  }

  /** What tells the end of the stream, to be sent three times; `undefined` for framings that end otherwise. */
  endMark(): Buffer | undefined {
    if (this.#options.framing !== 'seq') return undefined;
    const mark = Buffer.allocUnsafe(SEQUENCE_HEADER_BYTES);
    writeSequenceHeader(this.#count >>> 0, mark);
    return mark;
  }

  /** The payload behind room for the header. Small buffers are slices of a slab of Node's. */
  #with(payload: Buffer): Buffer {
    const headerBytes = HEADER_BYTES[this.#options.framing];
    const datagram = Buffer.allocUnsafe(headerBytes + payload.length);
    payload.copy(datagram, headerBytes);
    return datagram;
  }
}
