/** A stream of numbered RTP datagrams in chunks, as the sender's stages leave them. */
import { Framer, HEADER_BYTES } from '../../sender/framer.ts';
import {
  CHUNK_DATAGRAMS,
  ChunkPool,
  DATAGRAM_PAYLOAD_BYTES,
  type MediaRun,
} from '../../sender/media-chunk.ts';

export interface DepartedStreamOptions {
  ssrc: number;
  /** The sequence number of the first datagram. Default 0. */
  sequence?: number;
  /** From one datagram to the next. */
  spacingMs: number;
  /** When the first one is due. Default 0. */
  startAt?: number;
}

/** Makes the runs of a stream one after the other, 48 datagrams each. */
export class DepartedStream {
  readonly pool = new ChunkPool(HEADER_BYTES.rtp);
  readonly #options: DepartedStreamOptions;
  readonly #framer: Framer;
  #filling = this.pool.take();
  #index = 0;

  constructor(options: DepartedStreamOptions) {
    this.#options = options;
    const { ssrc, sequence = 0 } = options;
    this.#framer = new Framer({ framing: 'rtp', sequence, timestamp: 0, ssrc });
  }

  /** When the datagram with this index is due. */
  dueAt(index: number): number {
    return (this.#options.startAt ?? 0) + index * this.#options.spacingMs;
  }

  /** The next `count` datagrams of the chunk that is being filled. */
  next(count = CHUNK_DATAGRAMS): MediaRun {
    const slot = this.#index % CHUNK_DATAGRAMS;
    const chunk = slot === 0 ? this.pool.take() : this.#filling;
    if (slot === 0) chunk.firstIndex = this.#index;
    this.#filling = chunk;
    const end = Math.min(slot + count, CHUNK_DATAGRAMS);
    for (let each = slot; each < end; each++) {
      const index = chunk.firstIndex + each;
      chunk.departure.lengths[each] = chunk.headerBytes + DATAGRAM_PAYLOAD_BYTES;
      chunk.departure.dueAt[each] = this.dueAt(index);
      chunk.programmeTicks[each] = this.dueAt(index) * 27_000;
      chunk.discontinuities[each] = 0;
      numberPayload(chunk.departure.bytes, chunk.payloadAt(each), index);
    }
    this.#index = chunk.firstIndex + end;
    const run = { chunk, first: slot, end };
    this.#framer.push(run);
    return this.#framer.poll() ?? run;
  }
}

/** Writes the index to both ends of a payload. */
function numberPayload(bytes: Buffer, at: number, index: number): void {
  bytes.writeUInt32BE(index, at);
  bytes.writeUInt32BE(index, at + DATAGRAM_PAYLOAD_BYTES - 4);
}

/** The index of a payload; NaN when it is not whole. */
export function numberOf(payload: Buffer): number {
  if (payload.length !== DATAGRAM_PAYLOAD_BYTES) return NaN;
  const index = payload.readUInt32BE(0);
  return payload.readUInt32BE(DATAGRAM_PAYLOAD_BYTES - 4) === index ? index : NaN;
}
