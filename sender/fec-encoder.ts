/**
 * Protects a stream by column and row FEC (SMPTE 2022-1): hands its runs on, and makes repair packets of them.
 *
 * A row's packet leaves with the last datagram of the row. The packets of the columns leave spread over the next matrix, as
 * other senders do it: column c with that one's datagram c × D. A burst that hits a column so spares what repairs it.
 */
import {
  type FecDirection,
  type FecMatrix,
  type RepairHeader,
  matrixFault,
  writeRepair,
} from '../wire/fec/smpte2022.ts';
import { Parity, STEP_BYTES } from '../wire/fec/xor.ts';
import { RTP_HEADER_BYTES } from '../wire/rtp.ts';
import type { Stage } from '../wire/stage.ts';
import { Fifo } from './fifo.ts';
import { type ChunkPool, DATAGRAM_PAYLOAD_BYTES, type MediaChunk, type MediaRun } from './media-chunk.ts';
import { type Moment, RepairPackets } from './repair-packets.ts';

export interface FecEncoderOptions {
  matrix: FecMatrix;
  /** 16 bits: the first sequence numbers of the repair packets; random, as in all RTP. */
  sequences: Readonly<Record<FecDirection, number>>;
  /** Where the memory of repair packets comes from, with room for `REPAIR_HEADER_BYTES`. Both directions take from it. */
  pool: ChunkPool;
}

/** Which stream of the three a run belongs to: each has a port of its own. */
export interface ProtectedRun {
  stream: 'media' | FecDirection;
  /** Of repair packets: in chunks of their own, numbered from 0 in each stream, with the times of the media they leave with. */
  run: MediaRun;
}

/**
 * Takes runs with RTP headers in order, and `undefined` for the end. What leaves behind a run has its `transmitTicks`, and its due
 * times when it is behind the pacer: there they hold whatever the pace is.
 */
export class FecEncoder implements Stage<MediaRun | undefined, ProtectedRun> {
  readonly wakeAt = Infinity;

  readonly #matrix: FecMatrix;
  readonly #ready = new Fifo<ProtectedRun>();
  readonly #columnPackets: RepairStream;
  readonly #rowPackets: RepairStream;
  readonly #row = new Line();
  /** Of the matrix that is being filled, and of the one before, whose packets leave meanwhile. */
  #columns: Line[];
  #closed: Line[];
  #hasClosed = false;
  /** Where in its matrix the next datagram belongs. */
  #position = 0;
  /** The first datagram of the matrix that is being filled, of the one before, and the last datagram. */
  #began = emptyMoment();
  #closedBegan = emptyMoment();
  readonly #last = emptyMoment();

  /** Throws `RangeError` for a matrix outside the standard's limits. */
  constructor({ matrix, sequences, pool }: FecEncoderOptions) {
    const fault = matrixFault(matrix);
    if (fault) throw new RangeError(`a matrix of ${matrix.columns}x${matrix.rows}: ${fault}`);
    const { columns, rows } = matrix;
    this.#matrix = matrix;
    this.#columns = Array.from({ length: columns }, () => new Line());
    this.#closed = Array.from({ length: columns }, () => new Line());
    const column = { direction: 'column', offset: columns, na: rows } as const;
    const row = { direction: 'row', offset: 1, na: columns } as const;
    this.#columnPackets = new RepairStream(column, sequences.column, pool);
    this.#rowPackets = new RepairStream(row, sequences.row, pool);
  }

  push(run: MediaRun | undefined): void {
    if (run) {
      const { bytes } = run.chunk.departure;
      const words = new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.length >> 3);
      for (let slot = run.first; slot < run.end; slot++) this.#protect(run.chunk, slot, words);
      this.#ready.push({ stream: 'media', run });
    } else this.#end();
    for (const packets of [this.#rowPackets, this.#columnPackets]) packets.handOver(this.#ready);
  }

  poll(): ProtectedRun | undefined {
    return this.#ready.shift();
  }

  #protect(chunk: MediaChunk, slot: number, words: BigInt64Array): void {
    const { columns, rows, rowPackets } = this.#matrix;
    const position = this.#position;
    const place = position % columns;
    note(this.#last, chunk, slot);
    if (position === 0) note(this.#began, chunk, slot);
    this.#columns[place]?.add(chunk, slot, words, position < columns);
    if (rowPackets) {
      this.#row.add(chunk, slot, words, place === 0);
      if (place === columns - 1) this.#rowPackets.write(this.#row, this.#last);
    }
    if (this.#hasClosed && position % rows === 0) this.#sendColumn(position / rows);
    this.#position++;
    if (this.#position === columns * rows) this.#close();
  }

  #sendColumn(column: number): void {
    const line = this.#closed[column];
    if (line) this.#columnPackets.write(line, this.#last);
  }

  /** A matrix is full. */
  #close(): void {
    [this.#columns, this.#closed] = [this.#closed, this.#columns];
    [this.#began, this.#closedBegan] = [this.#closedBegan, this.#began];
    this.#hasClosed = true;
    this.#position = 0;
  }

  /** Sends the columns of the last full matrix that are left, as far apart as if the stream went on. */
  #end(): void {
    if (!this.#hasClosed) return;
    const { columns, rows } = this.#matrix;
    const last = this.#last;
    const steps = columns * rows + this.#position - 1;
    const ticks = ((last.transmitTicks - this.#closedBegan.transmitTicks) / steps) * rows;
    const ms = ((last.dueAt - this.#closedBegan.dueAt) / steps) * rows;
    for (let column = Math.ceil(this.#position / rows); column < columns; column++) {
      last.transmitTicks += ticks;
      last.dueAt += ms;
      this.#sendColumn(column);
    }
  }
}

/** A row or a column that is being filled. */
class Line {
  readonly parity = new Parity(RTP_HEADER_BYTES + DATAGRAM_PAYLOAD_BYTES);
  /** The sequence number of its first datagram. */
  snBase = 0;

  /** @param words all slots of the chunk */
  add(chunk: MediaChunk, slot: number, words: BigInt64Array, isFirst: boolean): void {
    const { bytes, lengths, slotBytes } = chunk.departure;
    const start = slot * slotBytes;
    if (isFirst) {
      this.parity.clear();
      this.snBase = ((bytes[start + 2] ?? 0) << 8) | (bytes[start + 3] ?? 0);
    }
    const length = lengths[slot] ?? 0;
    if (length % STEP_BYTES === 0) this.parity.addWords(words, start >> 3, length);
    else this.parity.add(chunk.departure.datagram(slot));
  }
}

/** The repair packets of one direction. */
class RepairStream {
  readonly #header: RepairHeader;
  readonly #packets: RepairPackets;

  constructor(
    shape: Pick<RepairHeader, 'direction' | 'offset' | 'na'>,
    firstSequence: number,
    pool: ChunkPool,
  ) {
    this.#header = { ...shape, sequence: 0, timestamp: 0, snBase: 0 };
    this.#packets = new RepairPackets(firstSequence, pool);
  }

  /** Writes the repair packet of a line. */
  write({ parity, snBase }: Line, moment: Moment): void {
    const header = this.#header;
    const { bytes, slotBytes } = this.#packets.open().departure;
    header.sequence = this.#packets.sequence;
    header.timestamp = moment.rtpTimestamp;
    header.snBase = snBase;
    this.#packets.add(writeRepair(header, parity, bytes, this.#packets.slot * slotBytes), moment);
  }

  /** Hands over what was written since the last time. */
  handOver(ready: Fifo<ProtectedRun>): void {
    for (let run = this.#packets.take(); run; run = this.#packets.take())
      ready.push({ stream: this.#header.direction, run });
  }
}

function emptyMoment(): Moment {
  return { transmitTicks: 0, dueAt: 0, rtpTimestamp: 0 };
}

function note(moment: Moment, chunk: MediaChunk, slot: number): void {
  moment.transmitTicks = chunk.transmitTicks[slot] ?? 0;
  moment.dueAt = chunk.departure.dueAt[slot] ?? 0;
  moment.rtpTimestamp = chunk.rtpTimestamps[slot] ?? 0;
}
