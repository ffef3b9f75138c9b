/**
 * Datagrams waiting for a slow writer: gathered into chunks, within a bound.
 *
 * One copy per datagram and no allocation while the writer keeps up: chunks go round.
 */

/** Bytes to write, in one piece. */
export interface Chunk {
  /** The memory; the bytes still to write are `start` to `end`. */
  readonly memory: Buffer;
  start: number;
  end: number;
  /** When its first byte came in, monotonic milliseconds. */
  since: number;
}

/** Most bytes that wait for a disk or a pipe: 26 s at 20 Mbit/s. */
export const SPILL_BYTES = 64 * 1024 * 1024;

/** Memory of one chunk: large enough that a write costs little per byte, small enough to stay in the processor's cache. */
const CHUNK_BYTES = 256 * 1024;
/** Empty chunks kept for use again. */
const SPARE_CHUNKS = 8;

/** A bounded queue of bytes; what does not fit is refused whole. */
export class Spill {
  readonly #capacity: number;
  readonly #full: Chunk[] = [];
  readonly #spare: Chunk[] = [];
  #open: Chunk | undefined;
  #taken: Chunk[] = [];

  /** @param limitBytes most memory held, at least two chunks of 256 KiB */
  constructor(limitBytes: number) {
    this.#capacity = Math.max(2, Math.floor(limitBytes / CHUNK_BYTES));
  }

  /** Bytes that wait, those of the chunk that is being written included. */
  get bytes(): number {
    let bytes = this.#open ? left(this.#open) : 0;
    for (const chunk of this.#taken) bytes += left(chunk);
    for (const chunk of this.#full) bytes += left(chunk);
    return bytes;
  }

  /** When the oldest waiting byte came in; `Infinity` when none waits. */
  get oldestAt(): number {
    return (this.#taken[0] ?? this.#full[0] ?? this.#open)?.since ?? Infinity;
  }

  /** A chunk waits that nothing can be added to. */
  get hasWhole(): boolean {
    return this.#full.length > 0 || this.#taken.length > 0;
  }

  /** Copies one datagram in; false when there is no room for the whole of it. At most 65 535 bytes. */
  add(payload: Buffer, now: number): boolean {
    let chunk = this.#open;
    if (!chunk || chunk.end + payload.length > chunk.memory.length) {
      if (this.#chunks() >= this.#capacity) return false;
      if (chunk) this.#full.push(chunk);
      chunk = this.#fresh(now);
      this.#open = chunk;
    }
    chunk.memory.set(payload, chunk.end);
    chunk.end += payload.length;
    return true;
  }

  /**
   * The oldest chunks, at most `most` of them, to be written and then released; those not released come again. The one that is
   * still being filled comes when there is no other.
   */
  take(most: number): readonly Chunk[] {
    while (this.#taken.length < most) {
      const chunk = this.#full.shift() ?? (this.#taken.length === 0 ? this.#open : undefined);
      if (!chunk) break;
      if (chunk === this.#open) this.#open = undefined;
      this.#taken.push(chunk);
    }
    return this.#taken;
  }

  /** So many bytes of what was taken are done with; the memory of chunks that are is used again. */
  release(bytes: number): void {
    let rest = bytes;
    for (let chunk = this.#taken[0]; chunk && left(chunk) <= rest; chunk = this.#taken[0]) {
      rest -= left(chunk);
      this.#taken.shift();
      if (this.#spare.length < SPARE_CHUNKS) this.#spare.push(chunk);
    }
    if (this.#taken[0]) this.#taken[0].start += rest;
  }

  #chunks(): number {
    return this.#full.length + (this.#open ? 1 : 0) + this.#taken.length;
  }

  #fresh(now: number): Chunk {
    const chunk = this.#spare.pop();
    if (!chunk) return { memory: Buffer.allocUnsafeSlow(CHUNK_BYTES), start: 0, end: 0, since: now };
    chunk.start = 0;
    chunk.end = 0;
    chunk.since = now;
    return chunk;
  }
}

/** Bytes of a chunk that are still to be written. */
function left({ start, end }: Chunk): number {
  return end - start;
}
