/** The transport packets of one PES packet, held back until it is known to be whole. */
import { TS_PACKET_BYTES, hasPayloadAt, payloadOffsetAt } from '../wire/mpeg-ts.ts';
import { parsePes, type PesHeader } from '../wire/pes.ts';

const FIRST_BYTES = 64 * TS_PACKET_BYTES;
/** PES_packet_length counts from here. */
const LENGTH_END = 6;

/** Holds one PES packet of one PID. */
export class HeldPes {
  readonly #mostBytes: number;
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #filled = 0;
  #payloadBytes = 0;
  /** Payload bytes of the whole, as its header says; 0 when only the next PES packet tells. */
  #wanted = 0;

  /** @param mostBytes a PES packet of more bytes of transport packets is not held */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Nothing is held. */
  get empty(): boolean {
    return this.#filled === 0;
  }

  /** All that its header announces is there. */
  get complete(): boolean {
    return this.#wanted > 0 && this.#payloadBytes >= this.#wanted;
  }

  /** Only the beginning of the next one tells where it ends. */
  get unbounded(): boolean {
    return this.#wanted === 0;
  }

  /** The packets, one behind the other. A view, good until the next one is added. */
  get packets(): Buffer {
    return this.#bytes.subarray(0, this.#filled);
  }

  /** Adds the packet at `at`; the first one begins the PES packet. False when there is no room: nothing was added. */
  add(bytes: Buffer, at: number): boolean {
    const place = this.#filled;
    if (place + TS_PACKET_BYTES > this.#bytes.length && !this.#grow()) return false;
    bytes.copy(this.#bytes, place, at, at + TS_PACKET_BYTES);
    this.#filled += TS_PACKET_BYTES;
    if (!hasPayloadAt(bytes, at)) return true;
    const offset = payloadOffsetAt(bytes, at);
    if (this.#payloadBytes === 0) {
      const length = offset + LENGTH_END <= TS_PACKET_BYTES ? bytes.readUInt16BE(at + offset + 4) : 0;
      this.#wanted = length === 0 ? 0 : LENGTH_END + length;
    }
    this.#payloadBytes += TS_PACKET_BYTES - offset;
    return true;
  }

  /** The first bytes of the PES packet in one piece: all of them, or `most`. */
  payload(most = Infinity): Buffer {
    const length = Math.min(most, this.#payloadBytes);
    const payload = Buffer.allocUnsafe(length);
    let filled = 0;
    for (let at = 0; at < this.#filled && filled < length; at += TS_PACKET_BYTES) {
      if (!hasPayloadAt(this.#bytes, at)) continue;
      filled += this.#bytes.copy(
        payload,
        filled,
        at + payloadOffsetAt(this.#bytes, at),
        at + TS_PACKET_BYTES,
      );
    }
    return payload;
  }

  /** Its header; `undefined` when there is none, or it goes on in packets that are missing. */
  header(): PesHeader | undefined {
    const header = parsePes(this.payload(TS_PACKET_BYTES * 2));
    return typeof header === 'string' ? undefined : header;
  }

  clear(): void {
    this.#filled = 0;
    this.#payloadBytes = 0;
    this.#wanted = 0;
  }

  #grow(): boolean {
    const size = 2 * this.#bytes.length;
    if (size > this.#mostBytes) return false;
    const larger = Buffer.allocUnsafeSlow(size);
    this.#bytes.copy(larger, 0, 0, this.#filled);
    this.#bytes = larger;
    return true;
  }
}
