/**
 * What was sent lately, for those who missed it: references to the chunks, bounded in time and in memory.
 *
 * A chunk may be written to again only when the history has let go of it, which `releasedUpTo` tells.
 */
import { Fifo } from './fifo.ts';
import { CHUNK_DATAGRAMS, type MediaChunk, type MediaRun } from './media-chunk.ts';

export interface HistoryOptions {
  /** Datagrams are kept for so long after they were due, milliseconds. */
  historyMs: number;
  /** Chunks in memory at most, bytes. At 100 Mbit/s 3 seconds take 38 MB. */
  historyBytes: number;
}

/** Measured over a shorter time a rate means nothing. */
const LEAST_SPAN_MS = 100;

/** Queues send datagrams up to half a quantum before they are due, milliseconds. */
const EARLY_MS = 5;

/** The datagrams of one RTP stream. */
export class History {
  readonly #options: HistoryOptions;
  readonly #chunks = new Fifo<MediaChunk>(); // behind each other, all of them full but the last
  #newest: MediaChunk | undefined;
  #end = 0; // index behind the last datagram

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  /** The history needs nothing that comes before this index any more. */
  get releasedUpTo(): number {
    return this.#chunks.at(0)?.firstIndex ?? this.#end;
  }

  /** How much the stream takes, headers included, over the time that is kept. 0 while nothing is. */
  get bytesPerMs(): number {
    const oldest = this.#chunks.at(0);
    const newest = this.#newest;
    if (!oldest || !newest) return 0;
    const spanMs = this.#lastDueAt(newest) - (oldest.departure.dueAt[0] ?? 0);
    const bytes = (this.#end - oldest.firstIndex) * oldest.departure.slotBytes;
    return bytes / Math.max(spanMs, LEAST_SPAN_MS);
  }

  /** Keeps the datagrams of a run that goes into the departure queue. */
  add({ chunk, end }: MediaRun, now: number): void {
    if (chunk !== this.#newest) this.#chunks.push(chunk);
    this.#newest = chunk;
    this.#end = chunk.firstIndex + end;
    this.letGo(now);
  }

  /** Lets go of all, and does not keep this run either. */
  skip({ chunk, end }: MediaRun): void {
    while (this.#chunks.shift());
    this.#newest = undefined;
    this.#end = chunk.firstIndex + end;
  }

  /** Lets go of what is too old, or too much. */
  letGo(now: number): void {
    const { historyMs, historyBytes } = this.#options;
    for (let oldest = this.#chunks.at(0); oldest; oldest = this.#chunks.at(0)) {
      const fits = this.#chunks.length * oldest.departure.memory.byteLength <= historyBytes;
      if (fits && this.#lastDueAt(oldest) > now - historyMs) return;
      this.#chunks.shift();
      if (oldest === this.#newest) this.#newest = undefined;
    }
  }

  /** The index of the datagram with this sequence number; `undefined` when it has not left yet or is not kept. */
  indexOf(sequence: number, now: number): number | undefined {
    const newest = this.#newest;
    if (!newest) return undefined;
    const { bytes, slotBytes } = newest.departure;
    const lastSequence = bytes.readUInt16BE((this.#end - 1 - newest.firstIndex) * slotBytes + 2);
    const index = this.#end - 1 - ((lastSequence - sequence) & 0xffff);
    const chunk = this.#chunkOf(index);
    const dueAt = chunk?.departure.dueAt[index - chunk.firstIndex] ?? Infinity;
    return dueAt <= now + EARLY_MS ? index : undefined;
  }

  /** A view of a datagram; `undefined` when it is not kept. */
  datagram(index: number): Buffer | undefined {
    const chunk = this.#chunkOf(index);
    return chunk?.departure.datagram(index - chunk.firstIndex);
  }

  #chunkOf(index: number): MediaChunk | undefined {
    const place = Math.floor((index - this.releasedUpTo) / CHUNK_DATAGRAMS);
    return place >= 0 && index < this.#end ? this.#chunks.at(place) : undefined;
  }

  #lastDueAt(chunk: MediaChunk): number {
    const last = Math.min(this.#end - chunk.firstIndex, CHUNK_DATAGRAMS) - 1;
    return chunk.departure.dueAt[last] ?? 0;
  }
}
