/** What runs through the sender, and the memory it lies in. */
import { TS_PACKET_BYTES } from '../wire/mpeg-ts.ts';

/** Payload of a full datagram: seven transport packets. */
export const DATAGRAM_PAYLOAD_BYTES = 7 * TS_PACKET_BYTES;

/** One datagram on its way: each stage fills in its part and hands the same object on. */
export interface Datagram {
  /** The header, which is the framer's, and the payload, which is the packetizer's. */
  bytes: Buffer;
  /** At most 1316; fewer only in the last one. */
  payloadBytes: number;
  /** Counts from 0. */
  index: number;
  /** The programme clock of the first byte of payload: 27 MHz, unwrapped, from any start. */
  programmeTicks: number;
  /** When to send it: 27 MHz since the first byte of the stream. Never falls, whatever the programme clock does. */
  transmitTicks: number;
  /** The programme clock jumped since the datagram before. */
  discontinuity: boolean;
  /** The framer's: 32 bits of 90 kHz. */
  rtpTimestamp: number;
  /** The pacer's: monotonic milliseconds, never before the datagram that left before it. */
  dueAt: number;
}

/** Datagrams that share a piece of memory: one for each would cost more than all else that is done with them. */
const SLAB_DATAGRAMS = 48;

/** Most datagrams that are kept for later: five megabytes. */
const MOST_FREE = 4096;

/**
 * The memory of datagrams. Those given back last are used first: they are still in the processor's cache, also where hundreds of
 * senders share a pool.
 */
export class DatagramPool {
  /** Room before each payload. */
  readonly headerBytes: number;
  readonly #free: Datagram[] = [];
  #slab = Buffer.alloc(0);
  #used = 0; // bytes of `#slab`

  constructor(headerBytes: number) {
    this.headerBytes = headerBytes;
  }

  /** A datagram of full length. All that is in it is left over from before. */
  take(): Datagram {
    return this.#free.pop() ?? this.#make();
  }

  /** Takes back a datagram that nobody needs any more. One that is never given back is a matter for the garbage collector. */
  give(datagram: Datagram): void {
    const full = datagram.bytes.length === this.headerBytes + DATAGRAM_PAYLOAD_BYTES;
    if (full && this.#free.length < MOST_FREE) this.#free.push(datagram);
  }

  #make(): Datagram {
    const datagramBytes = this.headerBytes + DATAGRAM_PAYLOAD_BYTES;
    if (this.#used + datagramBytes > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_DATAGRAMS * datagramBytes);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += datagramBytes;
    // NaN and not 0: a field that was whole once and is not later makes V8 forget what it knows of all datagrams.
    return {
      bytes: this.#slab.subarray(start, this.#used),
      payloadBytes: 0,
      index: 0,
      programmeTicks: NaN,
      transmitTicks: NaN,
      discontinuity: false,
      rtpTimestamp: NaN,
      dueAt: NaN,
    };
  }
}
