/** The XOR of whole RTP packets, the arithmetic of parity codes: four bytes at a time, whatever their order. */
import { RTP_HEADER_BYTES } from '../rtp.ts';

/** Longest packet that `Parity.add` takes. */
export const MAX_PARITY_BYTES = 2048;

/** Where packets are copied to that need not lie at a multiple of four bytes. */
const aligned = new Int32Array(MAX_PARITY_BYTES / 4);
const alignedBytes = Buffer.from(aligned.buffer);

/** The XOR of packets, each as if zeros followed it. */
export class Parity {
  /** The XOR itself. Bytes 2, 3 and 8 to 11 mean nothing: sequence number and SSRC are not recovered. */
  readonly bytes: Buffer;
  /** The XOR of their lengths, without the 12 fixed bytes of each. */
  lengthRecovery = 0;
  /** Bytes of the longest. */
  end = 0;
  readonly #words: Int32Array;

  /** @param maxBytes longest packet */
  constructor(maxBytes: number) {
    this.#words = new Int32Array(Math.ceil(maxBytes / 4));
    this.bytes = Buffer.from(this.#words.buffer);
  }

  /** Of no packets. */
  clear(): void {
    this.bytes.fill(0, 0, this.end);
    this.lengthRecovery = 0;
    this.end = 0;
  }

  /** Adds a packet. */
  add(packet: Buffer): void {
    aligned[packet.length >> 2] = 0; // its last word may be longer than it
    alignedBytes.set(packet);
    this.addWords(aligned, 0, packet.length);
  }

  /**
   * Adds a packet of `length` bytes that begins at word `start`; when its last word is longer, the rest of that is 0. For paths
   * where every packet counts.
   */
  addWords(words: Int32Array, start: number, length: number): void {
    xorWords(this.#words, words, start, (length + 3) >> 2);
    this.lengthRecovery ^= length - RTP_HEADER_BYTES;
    if (length > this.end) this.end = length;
  }
}

function xorWords(into: Int32Array, from: Int32Array, start: number, count: number): void {
  for (let at = 0; at < count; at++) into[at] = (into[at] ?? 0) ^ (from[start + at] ?? 0);
}
