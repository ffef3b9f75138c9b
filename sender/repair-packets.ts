/** The repair packets of a stream, in chunks as its media is: numbered from 0, each with the time at which it leaves. */
import { Fifo } from './fifo.ts';
import { CHUNK_DATAGRAMS, type ChunkPool, type MediaChunk, type MediaRun } from './media-chunk.ts';

/** When a datagram leaves; see the columns of `MediaChunk`. */
export interface Moment {
  transmitTicks: number;
  dueAt: number;
  rtpTimestamp: number;
}

export class RepairPackets {
  readonly #pool: ChunkPool;
  readonly #firstSequence: number;
  readonly #full = new Fifo<MediaRun>();
  #count = 0;
  #chunk: MediaChunk | undefined;
  /** The slots from here up to the next one to be written are still to be taken. */
  #first = 0;
  #newestTicks = -Infinity;
  #newestDueAt = -Infinity;

  /** @param firstSequence 16 bits */
  constructor(firstSequence: number, pool: ChunkPool) {
    this.#firstSequence = firstSequence;
    this.#pool = pool;
  }

  /** The RTP sequence number of the next packet, 16 bits. */
  get sequence(): number {
    return (this.#firstSequence + this.#count) & 0xffff;
  }

  /** The slot of the next packet in the chunk that `open` gives. */
  get slot(): number {
    return this.#count % CHUNK_DATAGRAMS;
  }

  /** Where the next packet is to be written. */
  open(): MediaChunk {
    if (this.#chunk) return this.#chunk;
    const chunk = this.#pool.take();
    chunk.firstIndex = this.#count;
    return (this.#chunk = chunk);
  }

  /** The packet is written. Times never fall: one whose time lies before that of the last one leaves with it. */
  add(length: number, { transmitTicks, dueAt, rtpTimestamp }: Moment): void {
    const chunk = this.open();
    const { slot } = this;
    this.#newestTicks = Math.max(this.#newestTicks, transmitTicks);
    this.#newestDueAt = Math.max(this.#newestDueAt, dueAt);
    chunk.departure.lengths[slot] = length;
    chunk.departure.dueAt[slot] = this.#newestDueAt;
    chunk.transmitTicks[slot] = chunk.programmeTicks[slot] = this.#newestTicks;
    chunk.rtpTimestamps[slot] = rtpTimestamp;
    chunk.discontinuities[slot] = 0;
    this.#count++;
    if (this.slot > 0) return;
    this.#full.push({ chunk, first: this.#first, end: CHUNK_DATAGRAMS });
    this.#chunk = undefined;
    this.#first = 0;
  }

  /** The next of the packets that were added and not taken; `undefined` when there are none. */
  take(): MediaRun | undefined {
    const full = this.#full.shift();
    if (full) return full;
    const first = this.#first;
    this.#first = this.slot;
    return this.#chunk && first < this.slot ? { chunk: this.#chunk, first, end: this.slot } : undefined;
  }
}
