/** Single bits, and Exp-Golomb codes (ITU-T H.264 §9.1), as the headers of H.264 and AAC are made of them. */

/** Reads bits from the highest of the first byte on. Behind the end all bits are 0 and `overrun` is true. */
export class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** More was read than there is. */
  get overrun(): boolean {
    return this.#at > this.#bytes.length * 8;
  }

  /** `count` bits as an unsigned number, 0 to 32. */
  bits(count: number): number {
    let value = 0;
    for (let left = count; left > 0; left--) value = value * 2 + this.#bit();
    return value;
  }

  flag(): boolean {
    return this.#bit() === 1;
  }

  /** ue(v): 0 to 2^32 - 2. */
  unsigned(): number {
    let zeros = 0;
    while (zeros < 32 && !this.overrun && this.#bit() === 0) zeros++;
    return 2 ** zeros - 1 + this.bits(zeros);
  }

  /** se(v). */
  signed(): number {
    const code = this.unsigned();
    return code % 2 === 1 ? (code + 1) / 2 : -code / 2;
  }

  #bit(): number {
    const at = this.#at++;
    return ((this.#bytes[at >> 3] ?? 0) >> (7 - (at & 7))) & 1;
  }
}

/** Writes bits, the highest of each byte first. */
export class BitWriter {
  readonly #bytes: number[] = [];
  #length = 0;

  /** Bits written so far. */
  get length(): number {
    return this.#length;
  }

  /** The lowest `count` bits of `value`, 0 to 32. */
  bits(value: number, count: number): void {
    for (let left = count - 1; left >= 0; left--) {
      if (this.#length % 8 === 0) this.#bytes.push(0);
      const last = this.#bytes.length - 1;
      const bit = Math.floor(value / 2 ** left) % 2;
      this.#bytes[last] = (this.#bytes[last] ?? 0) | (bit << (7 - (this.#length % 8)));
      this.#length++;
    }
  }

  /** ue(v). */
  unsigned(value: number): void {
    const digits = Math.floor(Math.log2(value + 1));
    this.bits(0, digits);
    this.bits(value + 1, digits + 1);
  }

  /** se(v). */
  signed(value: number): void {
    this.unsigned(value > 0 ? 2 * value - 1 : -2 * value);
  }

  /** So many bits of this value as reach the next whole byte. */
  align(bit: 0 | 1): void {
    while (this.#length % 8 !== 0) this.bits(bit, 1);
  }

  /** What was written, filled up with zeros to whole bytes. */
  toBuffer(): Buffer {
    return Buffer.from(this.#bytes);
  }
}
