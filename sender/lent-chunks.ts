/** Chunks that lie in a departure queue: they are used again when it has released them. */
import { Fifo } from './fifo.ts';
import { CHUNK_DATAGRAMS, type ChunkPool, type MediaChunk, type MediaRun } from './media-chunk.ts';

/** What was pushed into one queue. Only chunks that are full come back to their pool. */
export class LentChunks {
  readonly #pool: ChunkPool;
  readonly #chunks = new Fifo<MediaChunk>();
  #pushed = 0;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  /** A run was pushed. */
  lend({ chunk, first, end }: MediaRun): void {
    this.#pushed += end - first;
    if (end < CHUNK_DATAGRAMS) return;
    chunk.lentUntil = this.#pushed;
    this.#chunks.push(chunk);
  }

  /** So many datagrams, counted from the first one pushed, are needed no more. */
  takeBack(released: number): void {
    for (let oldest = this.#chunks.at(0); oldest; oldest = this.#chunks.at(0)) {
      if (oldest.lentUntil > released) return;
      this.#chunks.shift();
      this.#pool.give(oldest);
    }
  }
}
