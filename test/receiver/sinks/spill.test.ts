import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Spill } from '../../../receiver/sinks/spill.ts';

const KIB = 1024;

/** Everything a spill holds, in order. */
function drain(spill: Spill): Buffer {
  const parts: Buffer[] = [];
  for (let chunks = spill.take(3); chunks.length > 0; chunks = spill.take(3)) {
    let bytes = 0;
    for (const { memory, start, end } of chunks) {
      parts.push(Buffer.from(memory.subarray(start, end)));
      bytes += end - start;
    }
    spill.release(bytes);
  }
  return Buffer.concat(parts);
}

describe('Spill', () => {
  it('gives back nothing when nothing came', () => {
    const spill = new Spill(KIB * KIB);
    expect([spill.take(4), spill.bytes, spill.oldestAt]).toEqual([[], 0, Infinity]);
  });

  it('gives every byte back once and in order, whatever the sizes and however often it is emptied', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 65_535 }), { maxLength: 40 }),
        fc.nat(7),
        (sizes, every) => {
          const spill = new Spill(64 * KIB * KIB);
          const sent: Buffer[] = [];
          const got: Buffer[] = [];
          sizes.forEach((size, index) => {
            const payload = Buffer.alloc(size, index + 1);
            expect(spill.add(payload, index)).toBe(true);
            sent.push(payload);
            if (index % (every + 1) === 0) got.push(drain(spill));
          });
          got.push(drain(spill));
          expect(Buffer.concat(got).equals(Buffer.concat(sent))).toBe(true);
          expect(spill.bytes).toBe(0);
        },
      ),
      { seed: 42, numRuns: 100 },
    );
  });

  it('copies: the caller may use its buffer again', () => {
    const spill = new Spill(KIB * KIB);
    const payload = Buffer.from('first');
    spill.add(payload, 0);
    payload.fill('x');
    expect(drain(spill).toString()).toBe('first');
  });

  it('refuses a datagram whole when there is no room, and takes the next after one chunk has left', () => {
    const spill = new Spill(512 * KIB);
    const payload = Buffer.alloc(1316);
    let held = 0;
    while (spill.add(payload, 0)) held++;
    expect(held).toBe(2 * Math.floor((256 * KIB) / 1316));
    expect(spill.bytes).toBe(held * 1316);
    const [chunk] = spill.take(1);
    expect(spill.add(payload, 0)).toBe(false);
    spill.release(chunk?.end ?? 0);
    expect(spill.add(payload, 0)).toBe(true);
  });

  it('hands out the same chunks until they are released, and of part of them the rest', () => {
    const spill = new Spill(KIB * KIB);
    spill.add(Buffer.from('abc'), 0);
    const [chunk] = spill.take(1);
    spill.add(Buffer.from('def'), 0);
    expect(spill.take(4)).toEqual([chunk]);
    spill.release(2);
    expect(spill.bytes).toBe(4);
    expect(drain(spill).toString()).toBe('cdef');
  });

  it('hands out no more chunks at once than were asked for, the oldest first', () => {
    const spill = new Spill(64 * KIB * KIB);
    for (let index = 0; index < 1000; index++) spill.add(Buffer.alloc(1316, index % 251), 0);
    expect([spill.hasWhole, spill.take(2).length, spill.take(4).length, spill.take(9).length]).toEqual([
      true,
      2,
      4,
      5,
    ]);
    const all = Buffer.concat(Array.from({ length: 1000 }, (_, index) => Buffer.alloc(1316, index % 251)));
    expect(drain(spill).equals(all)).toBe(true);
    expect(spill.hasWhole).toBe(false);
  });

  it('knows since when its oldest byte waits', () => {
    const spill = new Spill(KIB * KIB);
    spill.add(Buffer.alloc(10), 100);
    spill.add(Buffer.alloc(10), 200);
    expect(spill.oldestAt).toBe(100);
    spill.take(1);
    spill.add(Buffer.alloc(10), 300);
    expect(spill.oldestAt).toBe(100);
    spill.release(20);
    expect(spill.oldestAt).toBe(300);
  });

  it('uses its memory again', () => {
    const spill = new Spill(KIB * KIB);
    spill.add(Buffer.from('a'), 0);
    const [first] = spill.take(1);
    spill.release(1);
    spill.add(Buffer.from('b'), 0);
    expect(spill.take(1)[0]?.memory).toBe(first?.memory);
  });
});
