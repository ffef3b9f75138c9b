/** Bytes for parser tests. */
import * as fc from 'fast-check';

/** `80 21 0001` as bytes; blanks are for reading only. */
export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
}

/** Every proper beginning of `bytes`, the empty one first. */
export function prefixes(bytes: Buffer): Buffer[] {
  return Array.from({ length: bytes.length }, (_, length) => bytes.subarray(0, length));
}

/** Buffers of any bytes. */
export function anyBytes(maxLength: number): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes));
}

/** `bytes` with a few of them replaced: what a parser meets when something almost right comes. */
export function damaged(bytes: Buffer): fc.Arbitrary<Buffer> {
  const change = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 }));
  return fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => {
    const copy = Buffer.from(bytes);
    for (const [offset, value] of changes) copy.writeUInt8(value, offset);
    return copy;
  });
}
