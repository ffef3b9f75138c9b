/**
 * Protects a stream by Reed-Solomon blocks: hands its runs on, and makes repair packets in the layout of operators.
 *
 * The repair packets of a block leave evenly spread over the time of the next one, those of interleaved blocks in turn: a burst
 * that hits a block spares what repairs it. A block holds datagrams of one length, the only one that a repair packet can name.
 */
import { blockShapeFault, type BlockShape } from '../wire/fec/block-shape.ts';
import { fastestKernel, type Gf256Kernel } from '../wire/fec/gf256-kernel.ts';
import { PARITY_HEADER_BYTES, type ParityHeader, writeParityHeader } from '../wire/fec/parity-packet.ts';
import { ReedSolomonEncoder } from '../wire/fec/reed-solomon.ts';
import { RTP_HEADER_BYTES } from '../wire/rtp.ts';
import type { Stage } from '../wire/stage.ts';
import { Fifo } from './fifo.ts';
import { type ChunkPool, DATAGRAM_PAYLOAD_BYTES, type MediaChunk, type MediaRun } from './media-chunk.ts';
import { type Moment, RepairPackets } from './repair-packets.ts';

export interface FecBlockEncoderOptions {
  shape: BlockShape;
  /** 16 bits: the first sequence number of the repair packets; random, as in all RTP. */
  sequence: number;
  /** Where the memory of repair packets comes from: with room for `PARITY_HEADROOM_BYTES`. */
  pool: ChunkPool;
  /** Default: the fastest that runs here. */
  kernel?: Gf256Kernel;
}

/** What leaves: the stream's own run, or one of repair packets. */
export interface BlockProtectedRun {
  stream: 'media' | 'repair';
  /** Of repair packets: in chunks of their own, numbered from 0, with the times at which they should leave. */
  run: MediaRun;
}

/** A repair packet protects whole RTP packets, so it is longer than a payload by its own header and by theirs. */
export const PARITY_HEADROOM_BYTES = PARITY_HEADER_BYTES + RTP_HEADER_BYTES;

const SHARD_BYTES = RTP_HEADER_BYTES + DATAGRAM_PAYLOAD_BYTES;
const SEQUENCE_AT = 2;
const SSRC_AT = 8;

/** A repair packet that is worked out and waits. */
interface Parity {
  header: ParityHeader;
  bytes: Buffer;
}

/**
 * Takes runs with RTP headers in order, and `undefined` for the end, which protects what is left. What leaves behind a run has its
 * `transmitTicks`, and its due times when it is behind the pacer: there they hold whatever the pace is.
 */
export class FecBlockEncoder implements Stage<MediaRun | undefined, BlockProtectedRun> {
  readonly wakeAt = Infinity;
  /** `blocks` that were protected, and the `repairPackets` that left for them. */
  readonly counters = { blocks: 0, repairPackets: 0 };

  readonly #shape: BlockShape;
  readonly #kernel: Gf256Kernel;
  readonly #encoder: ReedSolomonEncoder;
  readonly #ready = new Fifo<BlockProtectedRun>();
  readonly #packets: RepairPackets;

  /** The datagrams of the blocks that are being filled, block by block: I of them at a time. */
  readonly #shards: Buffer[];
  #count = 0;
  #length = 0;
  #firstSequence = 0;
  #ssrc = 0;

  /** The parity of the blocks before, in the order in which it leaves; so many of it are there and have left. */
  readonly #parity: Parity[];
  #parityCount = 0;
  #sent = 0;
  /** Datagrams since those blocks were full. */
  #since = 0;
  /** The last datagram, and how far it lay behind the one before. */
  readonly #last: Moment = { transmitTicks: 0, dueAt: 0, rtpTimestamp: 0 };
  #stepTicks = 0;
  #stepMs = 0;

  /** Throws `RangeError` for a shape that cannot be. */
  constructor({ shape, sequence, pool, kernel = fastestKernel() }: FecBlockEncoderOptions) {
    const { dataShards, parityShards, interleave } = shape;
    const fault = blockShapeFault(shape);
    if (fault) throw new RangeError(`blocks of ${dataShards},${parityShards},${interleave}: ${fault}`);
    this.#shape = shape;
    this.#kernel = kernel;
    this.#encoder = new ReedSolomonEncoder(dataShards, parityShards, kernel);
    this.#packets = new RepairPackets(sequence, pool);
    this.#shards = slicesOf(Buffer.alloc(dataShards * interleave * SHARD_BYTES));
    const header = { ...shape, firstSequence: 0, parityIndex: 0, shardBytes: SHARD_BYTES };
    this.#parity = slicesOf(Buffer.alloc(parityShards * interleave * SHARD_BYTES)).map((bytes) => {
      return { header: { ...header }, bytes };
    });
  }

  push(run: MediaRun | undefined): void {
    if (run) {
      const { chunk, first, end } = run;
      this.#ready.push({ stream: 'media', run });
      for (let slot = first; slot < end; slot++) this.#protect(chunk, slot);
    } else this.#end();
    for (let packets = this.#packets.take(); packets; packets = this.#packets.take())
      this.#ready.push({ stream: 'repair', run: packets });
  }

  poll(): BlockProtectedRun | undefined {
    return this.#ready.shift();
  }

  #protect(chunk: MediaChunk, slot: number): void {
    const { dataShards, interleave } = this.#shape;
    const { bytes, lengths, slotBytes } = chunk.departure;
    const start = slot * slotBytes;
    const length = lengths[slot] ?? 0;
    this.#note(chunk, slot);
    if (this.#count > 0 && length !== this.#length) this.#close();
    if (this.#count === 0) {
      this.#length = length;
      this.#firstSequence = bytes.readUInt16BE(start + SEQUENCE_AT);
      this.#ssrc = bytes.readUInt32BE(start + SSRC_AT);
    }
    const block = this.#count % interleave;
    const place = (this.#count - block) / interleave;
    const shard = this.#shards[block * dataShards + place];
    if (shard) bytes.copy(shard, 0, start, start + length);
    this.#count++;
    this.#since++;
    this.#sendDue();
    if (this.#count === dataShards * interleave) this.#close();
  }

  #note(chunk: MediaChunk, slot: number): void {
    const last = this.#last;
    const ticks = chunk.transmitTicks[slot] ?? 0;
    const dueAt = chunk.departure.dueAt[slot] ?? 0;
    const isFirst = this.#count === 0 && this.counters.blocks === 0;
    this.#stepTicks = isFirst ? 0 : ticks - last.transmitTicks;
    this.#stepMs = isFirst ? 0 : dueAt - last.dueAt;
    last.transmitTicks = ticks;
    last.dueAt = dueAt;
    last.rtpTimestamp = chunk.rtpTimestamps[slot] ?? 0;
  }

  /** Sends the parity whose time is before that of the next datagram, if that comes as this one did. */
  #sendDue(): void {
    const { dataShards, parityShards } = this.#shape;
    while (this.#sent < this.#parityCount && this.#sent * dataShards < this.#since * parityShards)
      this.#send((this.#sent * dataShards) / parityShards - (this.#since - 1));
  }

  /** Sends the next parity, so many steps behind the last datagram. */
  #send(steps: number): void {
    const { transmitTicks, dueAt, rtpTimestamp } = this.#last;
    const parity = this.#parity[this.#sent++];
    if (!parity) return;
    const behind = Math.max(0, steps);
    const moment = {
      transmitTicks: transmitTicks + behind * this.#stepTicks,
      dueAt: dueAt + behind * this.#stepMs,
      rtpTimestamp,
    };
    this.#write(parity, moment);
    this.counters.repairPackets++;
  }

  #write({ header, bytes }: Parity, moment: Moment): void {
    const packets = this.#packets;
    const { departure } = packets.open();
    const start = packets.slot * departure.slotBytes;
    const rtp = { sequence: packets.sequence, timestamp: moment.rtpTimestamp, ssrc: this.#ssrc };
    writeParityHeader(rtp, header, departure.bytes, start);
    bytes.copy(departure.bytes, start + PARITY_HEADER_BYTES, 0, header.shardBytes);
    packets.add(PARITY_HEADER_BYTES + header.shardBytes, moment);
  }

  /** The blocks are full, or what comes next does not fit: works out their parity. What is left of that before goes at once. */
  #close(): void {
    while (this.#sent < this.#parityCount) this.#send(0);
    const { parityShards, interleave } = this.#shape;
    const blocks = Math.min(interleave, this.#count);
    for (let block = 0; block < blocks; block++) this.#encode(block, blocks);
    this.counters.blocks += blocks;
    this.#parityCount = blocks * parityShards;
    this.#sent = this.#since = this.#count = 0;
  }

  #encode(block: number, blocks: number): void {
    const { dataShards, parityShards, interleave } = this.#shape;
    const filled = Math.ceil((this.#count - block) / interleave);
    const outputs: Buffer[] = [];
    for (let index = 0; index < parityShards; index++) {
      const parity = this.#parity[index * blocks + block];
      if (!parity) continue;
      parity.header.firstSequence = (this.#firstSequence + block) & 0xffff;
      parity.header.dataShards = filled;
      parity.header.parityIndex = index;
      parity.header.shardBytes = this.#length;
      outputs.push(parity.bytes.subarray(0, this.#length));
    }
    const encoder =
      filled === dataShards ? this.#encoder : new ReedSolomonEncoder(filled, parityShards, this.#kernel);
    encoder.encode(this.#shards.slice(block * dataShards, block * dataShards + filled), outputs);
  }

  /** Sends all that is left, behind each other as far apart as datagrams were. */
  #end(): void {
    let steps = 0;
    while (this.#sent < this.#parityCount) this.#send(++steps);
    if (this.#count === 0) return;
    this.#close();
    while (this.#sent < this.#parityCount) this.#send(++steps);
  }
}

/** Neighbouring parts of a buffer, one for each shard. */
function slicesOf(memory: Buffer): Buffer[] {
  return Array.from({ length: memory.length / SHARD_BYTES }, (_, at) =>
    memory.subarray(at * SHARD_BYTES, (at + 1) * SHARD_BYTES),
  );
}
