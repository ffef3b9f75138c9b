import { describe, expect, it } from 'vitest';
import { CHUNK_DATAGRAMS, ChunkPool, MediaChunk } from '../../sender/media-chunk.ts';

const PAYLOAD_BYTES = 1316;

/** So many payloads behind each other, each full of its number. */
function payloads(count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => Buffer.alloc(PAYLOAD_BYTES, index + 1)));
}

describe('MediaChunk', () => {
  for (const headerBytes of [0, 4, 12])
    it(`puts each payload behind ${headerBytes} bytes of header, wherever the first one goes`, () => {
      for (const [slot, count] of [
        [0, CHUNK_DATAGRAMS],
        [0, 1],
        [5, 20],
        [CHUNK_DATAGRAMS - 1, 1],
      ] as const) {
        const chunk = new MediaChunk(headerBytes);
        chunk.departure.bytes.fill(0xdd);
        chunk.fill(slot, payloads(count));
        for (let each = 0; each < count; each++) {
          const datagram = chunk.departure.datagram(slot + each);
          expect(datagram.subarray(headerBytes).equals(Buffer.alloc(PAYLOAD_BYTES, each + 1))).toBe(true);
          expect(chunk.payloadBytes(slot + each)).toBe(PAYLOAD_BYTES);
        }
      }
    });

  it('leaves alone what lies in the slots before', () => {
    const chunk = new MediaChunk(12);
    chunk.fill(0, payloads(3));
    chunk.departure.bytes.fill(0xaa, 0, 12);
    const before = Buffer.from(chunk.departure.bytes.subarray(0, 3 * 1328));
    chunk.fill(3, payloads(CHUNK_DATAGRAMS - 3));
    expect(chunk.departure.bytes.subarray(0, before.length).equals(before)).toBe(true);
  });
});

describe('ChunkPool', () => {
  it('gives chunks with room for the header, those first that were given back last', () => {
    const pool = new ChunkPool(12);
    const [first, second] = [pool.take(), pool.take()];
    expect(first).not.toBe(second);
    expect(first.headerBytes).toBe(12);
    pool.give(first);
    pool.give(second);
    expect([pool.take(), pool.take()]).toEqual([second, first]);
  });

  it('keeps sixteen megabytes for later, and no more', () => {
    const pool = new ChunkPool(0);
    const all = Array.from({ length: 300 }, () => pool.take());
    for (const chunk of all) pool.give(chunk);
    const again = new Set(Array.from({ length: 300 }, () => pool.take()));
    expect(all.filter((each) => again.has(each))).toHaveLength(256);
  });
});
