/** What runs through the sender: runs of datagrams, and the memory they lie in. */
import { DepartureChunk } from '../wire/departure-chunk.ts';
import { TS_PACKET_BYTES } from '../wire/mpeg-ts.ts';

/** Payload of a full datagram: seven transport packets. */
export const DATAGRAM_PAYLOAD_BYTES = 7 * TS_PACKET_BYTES;

/** Datagrams of a chunk: as many as can leave as one message. */
export const CHUNK_DATAGRAMS = 48;

/** Neighbouring datagrams of a chunk on their way: each stage fills in its columns and hands the same run on. */
export interface MediaRun {
  readonly chunk: MediaChunk;
  /** The slot of the first datagram. */
  first: number;
  /** Behind the slot of the last. */
  end: number;
}

/** The datagrams of a programme, 48 at a time, by slots. */
export class MediaChunk {
  /** What is sent: headers, which are the framer's, and payloads behind them, which are the packetizer's; due times, the pacer's. */
  readonly departure: DepartureChunk;
  /** Room before each payload. */
  readonly headerBytes: number;
  /** The number of its first datagram in the stream, from 0. */
  firstIndex = 0;
  /** It is free again when so many datagrams have left the queue that it lies in; see `LentChunks`. */
  lentUntil = 0;
  /** The programme clock of the first byte of each payload: 27 MHz, unwrapped, from any start. */
  readonly programmeTicks = new Float64Array(CHUNK_DATAGRAMS);
  /** When to send each: 27 MHz since the first byte of the stream. Never falls, whatever the programme clock does. */
  readonly transmitTicks = new Float64Array(CHUNK_DATAGRAMS);
  /** 1: the programme clock jumped since the datagram before. */
  readonly discontinuities = new Uint8Array(CHUNK_DATAGRAMS);
  /** The framer's: 32 bits of 90 kHz. */
  readonly rtpTimestamps = new Uint32Array(CHUNK_DATAGRAMS);

  constructor(headerBytes: number) {
    this.headerBytes = headerBytes;
    this.departure = new DepartureChunk(CHUNK_DATAGRAMS, headerBytes + DATAGRAM_PAYLOAD_BYTES);
  }

  /** Where a payload begins in the bytes of `departure`. */
  payloadAt(slot: number): number {
    return slot * this.departure.slotBytes + this.headerBytes;
  }

  /** At most 1316; fewer only in the last datagram of a stream. */
  payloadBytes(slot: number): number {
    return (this.departure.lengths[slot] ?? 0) - this.headerBytes;
  }

  /** Fills slots with whole payloads, which lie behind each other in `payloads`. Slots behind them are free to be written to. */
  fill(slot: number, payloads: Buffer): void {
    const { bytes, lengths, slotBytes } = this.departure;
    const count = payloads.length / DATAGRAM_PAYLOAD_BYTES;
    const end = slot + count;
    // All at once to where the last one belongs, then each to its place, first to last: a call for each from outside costs more.
    let from = end * slotBytes - payloads.length;
    bytes.set(payloads, from);
    for (let each = slot; each < end; each++, from += DATAGRAM_PAYLOAD_BYTES)
      bytes.copyWithin(this.payloadAt(each), from, from + DATAGRAM_PAYLOAD_BYTES);
    lengths.fill(slotBytes, slot, end);
  }
}

/** Most chunks that are kept for later: sixteen megabytes. */
const MOST_FREE = 256;

/** Chunks for all senders together. Those given back last are used first: they are still in the processor's cache. */
export class ChunkPool {
  readonly #headerBytes: number;
  readonly #free: MediaChunk[] = [];

  /** @param headerBytes room before each payload */
  constructor(headerBytes: number) {
    this.#headerBytes = headerBytes;
  }

  /** A chunk. All that is in it is left over from before. */
  take(): MediaChunk {
    return this.#free.pop() ?? new MediaChunk(this.#headerBytes);
  }

  /** Takes back a chunk that nobody needs any more. One that is never given back is a matter for the garbage collector. */
  give(chunk: MediaChunk): void {
    if (this.#free.length < MOST_FREE) this.#free.push(chunk);
  }
}
