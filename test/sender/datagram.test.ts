import { describe, expect, it } from 'vitest';
import { DATAGRAM_PAYLOAD_BYTES, type Datagram, DatagramPool } from '../../sender/datagram.ts';

const FULL_BYTES = 12 + DATAGRAM_PAYLOAD_BYTES;

function take(pool: DatagramPool, count: number): Datagram[] {
  return Array.from({ length: count }, () => pool.take());
}

describe('DatagramPool', () => {
  it('gives each datagram memory of its own, with room for header and payload', () => {
    const datagrams = take(new DatagramPool(12), 200);
    for (const [index, { bytes }] of datagrams.entries()) bytes.fill(index);
    for (const [index, { bytes }] of datagrams.entries())
      expect(bytes.equals(Buffer.alloc(FULL_BYTES, index))).toBe(true);
  });

  it('uses what was given back last first, and nothing else again', () => {
    const pool = new DatagramPool(12);
    const [first, second, third] = take(pool, 3);
    if (!first || !second || !third) throw new Error('three were taken');
    pool.give(first);
    pool.give(third);
    expect(take(pool, 2)).toEqual([third, first]);
    expect(pool.take()).not.toBe(second);
  });

  it('does not take back what was cut short', () => {
    const pool = new DatagramPool(12);
    const last = pool.take();
    last.bytes = last.bytes.subarray(0, 200);
    pool.give(last);
    expect(pool.take().bytes).toHaveLength(FULL_BYTES);
  });

  it('keeps a few megabytes for later, and no more', () => {
    const pool = new DatagramPool(0);
    const all = take(pool, 6000);
    for (const datagram of all) pool.give(datagram);
    const again = new Set(take(pool, 6000));
    expect(all.filter((each) => again.has(each))).toHaveLength(4096);
  });
});
