import { describe, expect, it } from 'vitest';
import { LentChunks } from '../../sender/lent-chunks.ts';
import { CHUNK_DATAGRAMS, ChunkPool } from '../../sender/media-chunk.ts';

describe('chunks that are lent', () => {
  it('come back when all of each has been released, in their order', () => {
    const pool = new ChunkPool(0);
    const lent = new LentChunks(pool);
    const [one, two] = [pool.take(), pool.take()];
    lent.lend({ chunk: one, first: 0, end: 40 });
    lent.lend({ chunk: one, first: 40, end: CHUNK_DATAGRAMS });
    lent.lend({ chunk: two, first: 0, end: CHUNK_DATAGRAMS });
    lent.takeBack(CHUNK_DATAGRAMS - 1);
    expect([one, two]).not.toContain(pool.take());
    lent.takeBack(CHUNK_DATAGRAMS);
    expect(pool.take()).toBe(one);
    lent.takeBack(Infinity);
    expect(pool.take()).toBe(two);
  });

  it('do not come back while they are not full', () => {
    const pool = new ChunkPool(0);
    const lent = new LentChunks(pool);
    const chunk = pool.take();
    lent.lend({ chunk, first: 0, end: 10 });
    lent.takeBack(Infinity);
    expect(pool.take()).not.toBe(chunk);
  });
});
