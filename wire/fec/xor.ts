/**
 * The XOR of whole RTP packets, the arithmetic of parity codes. Eight bytes at a time, whatever their order: 64-bit words take
 * half the time of 32-bit ones (90 ns for 1328 bytes).
 */
import { RTP_HEADER_BYTES } from '../rtp.ts';

/** Longest packet that `Parity.add` takes. */
export const MAX_PARITY_BYTES = 2048;

/** Packets are worked on in steps of so many bytes. */
export const STEP_BYTES = 16;

const WORD_BYTES = 8;

/** Where packets are copied to that lie anywhere. */
const aligned = new BigInt64Array(MAX_PARITY_BYTES / WORD_BYTES);
const alignedBytes = Buffer.from(aligned.buffer);

/** The XOR of packets, each as if zeros followed it. */
export class Parity {
  /** The XOR itself. Bytes 2, 3 and 8 to 11 mean nothing: sequence number and SSRC are not recovered. */
  readonly bytes: Buffer;
  /** The XOR of their lengths, without the 12 fixed bytes of each. */
  lengthRecovery = 0;
  /** Bytes of the longest. */
  end = 0;
  readonly #words: BigInt64Array;

  /** @param maxBytes longest packet */
  constructor(maxBytes: number) {
    this.#words = new BigInt64Array(wordsOf(maxBytes));
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
    alignedBytes.set(packet);
    alignedBytes.fill(0, packet.length, WORD_BYTES * wordsOf(packet.length));
    this.addWords(aligned, 0, packet.length);
  }

  /**
   * Adds a packet of `length` bytes that begins at word `start`; what follows in its last step is 0. For paths where every packet
   * counts.
   */
  addWords(words: BigInt64Array, start: number, length: number): void {
    xorWords(this.#words, words, start, wordsOf(length));
    this.lengthRecovery ^= length - RTP_HEADER_BYTES;
    if (length > this.end) this.end = length;
  }
}

/** The words of whole steps. */
function wordsOf(bytes: number): number {
  return Math.ceil(bytes / STEP_BYTES) * (STEP_BYTES / WORD_BYTES);
}

function xorWords(into: BigInt64Array, from: BigInt64Array, start: number, count: number): void {
  for (let at = 0; at < count; at += 2) {
    const next = start + at;
    into[at] = (into[at] ?? 0n) ^ (from[next] ?? 0n);
    into[at + 1] = (into[at + 1] ?? 0n) ^ (from[next + 1] ?? 0n);
  }
}
