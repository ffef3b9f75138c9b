/** Chunks that lie in a departure queue: they are used again when it has released them. */
import { Fifo } from './fifo.ts';
import { CHUNK_DATAGRAMS, type ChunkPool, type MediaChunk, type MediaRun } from './media-chunk.ts';

/** What was pushed into one queue. Only chunks that are full come back to their pool. */
export class LentChunks {
  readonly #pool: ChunkPool;
  readonly #chunks = new Fifo<MediaChunk>();
  readonly #ends = new Fifo<number>(); // of each: so many datagrams had been pushed with it
  #pushed = 0;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  /** A run was pushed. */
  lend({ chunk, first, end }: MediaRun): void {
    this.#pushed += end - first;
    if (end < CHUNK_DATAGRAMS) return;
    this.#chunks.push(chunk);
    this.#ends.push(this.#pushed);
  }

  /** So many datagrams, counted from the first one pushed, are needed no more. */
  takeBack(released: number): void {
    for (let end = this.#ends.at(0); end !== undefined && end <= released; end = this.#ends.at(0)) {
      const chunk = this.#chunks.shift();
      this.#ends.shift();
      if (chunk) this.#pool.give(chunk);
    }
  }
}
