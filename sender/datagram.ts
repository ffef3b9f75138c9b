/** What runs through the sender, and the memory it lies in. */
import { Fifo } from './fifo.ts';

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

/** Hands out datagrams, and the same ones again when they have been released. As many are made as are in use at a time. */
export class DatagramPool {
  readonly #datagramBytes: number;
  readonly #lent = new Fifo<Datagram>(); // by index
  #count = 0;
  #released = 0;
  #slab = Buffer.alloc(0);
  #used = 0; // bytes of `#slab`

  /** @param datagramBytes header and payload of a full datagram */
  constructor(datagramBytes: number) {
    this.#datagramBytes = datagramBytes;
  }

  /** Nobody needs the datagrams before `index` any more. */
  release(index: number): void {
    this.#released = index;
  }

  /** The next datagram, by its index. What is in it otherwise is left over from before. */
  take(): Datagram {
    const oldest = this.#lent.at(0);
    const datagram = oldest && oldest.index < this.#released ? oldest : this.#make();
    if (datagram === oldest) this.#lent.shift();
    datagram.index = this.#count++;
    this.#lent.push(datagram);
    return datagram;
  }

  #make(): Datagram {
    if (this.#used + this.#datagramBytes > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_DATAGRAMS * this.#datagramBytes);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += this.#datagramBytes;
    return {
      bytes: this.#slab.subarray(start, this.#used),
      payloadBytes: 0,
      index: 0,
      programmeTicks: 0,
      transmitTicks: 0,
      discontinuity: false,
      rtpTimestamp: 0,
      dueAt: 0,
    };
  }
}
