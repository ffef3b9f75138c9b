/**
 * Recovers what is missing in the receive window from Reed-Solomon repair packets: any M of a block's K + M.
 *
 * Nothing is given back that was not looked at. A repair packet more than is needed has to come out as it was sent, which proves a
 * block. Without one, its shape and place have to be those of blocks that were proved, and the headers that come out have to fit.
 */
import { MAX_DATAGRAM_BYTES } from '../jitter-buffer/slab.ts';
import { fastestKernel, type Gf256Kernel } from '../wire/fec/gf256-kernel.ts';
import type { FecSetting } from '../wire/fec/fec-setting.ts';
import { type ParityFault, parseParity } from '../wire/fec/parity-packet.ts';
import { reconstruct, type Shard } from '../wire/fec/reed-solomon.ts';
import { wrapDistance } from '../wire/sequence.ts';
import type { RepairedWindow } from './fec-decoder.ts';
import { type ParityBlock, ParityStore, placeOf } from './parity-store.ts';
import {
  type Doubt,
  doubtOf,
  type Neighbours,
  neighboursOf,
  restamp,
  unpaddedBytes,
} from './recovered-packet.ts';

/** What a decoder has counted. */
export interface FecBlockCounters {
  /** Repair packets, without those that came twice and those refused. */
  repairPackets: number;
  /** Repair packets that came twice. */
  duplicate: number;
  /** Source packets recovered, and not too late. */
  recovered: number;
}

/** Why a repair packet, or what was made of a block, was of no use. Also the value of the `reason` label in the metrics. */
export type BlockFault =
  | ParityFault
  | 'too-long' // protects longer packets than can be kept
  | 'unequal-lengths' // packets longer than it says, or of which none knows how long they were
  | 'contradiction' // what came of the block does not belong together
  | Doubt;

/** Whether packets arrive with the timestamps that are protected: lancast's do; operators stamp anew behind the FEC. */
type Stamps = 'unknown' | 'kept' | 'renewed';

/** A packet that was recovered. */
interface Recovered {
  bytes: Buffer;
  neighbours: Neighbours;
}

/** Kinds of blocks that are believed at a time. */
const KINDS = 2;
const TIMESTAMP_AT = 4;
const TIMESTAMP_END = 8;

/** For one run of sequence numbers of one sender. */
export class FecBlockDecoder {
  readonly counters: FecBlockCounters = { repairPackets: 0, duplicate: 0, recovered: 0 };
  /** What came and was of no use, by reason. */
  readonly refused: Map<string, number>;

  readonly #window: RepairedWindow;
  readonly #firstSequence: number;
  readonly #kernel: Gf256Kernel;
  readonly #store = new ParityStore();
  /** The highest index that came. */
  #newest = 0;
  #stamps: Stamps = 'unknown';
  /**
   * The last blocks that were proved: of the kind that came up last, and of the one before, for after a change the last repair
   * packets of that are still to come. And whether one was the first of its kind: others may have waited for it.
   */
  readonly #proved: ParityBlock[] = [];
  #isProofNew = false;
  /** The last block that tells the setting, and where the first of shorter ones behind it began. */
  #shown: ParityBlock | undefined;
  #shorterAt: number | undefined;
  #reach = 0;
  #scratch = Buffer.alloc(0);

  /** @param firstSequence 16 bits: the sequence number that has index 0 */
  constructor(
    window: RepairedWindow,
    firstSequence: number,
    { kernel = fastestKernel(), refused = new Map<string, number>() } = {},
  ) {
    this.#window = window;
    this.#firstSequence = firstSequence;
    this.#kernel = kernel;
    this.refused = refused;
  }

  /** How the sender protects the stream, once a block has proved it. */
  get setting(): FecSetting | undefined {
    if (!this.#shown) return undefined;
    const { dataShards, parityShards, interleave } = this.#shown;
    return { kind: 'rs', shape: { dataShards, parityShards, interleave } };
  }

  /** Source packets from the first to the last of the widest block so far, as its repair packets say. */
  get reach(): number {
    return this.#reach;
  }

  /** Repair packets that are kept: of blocks that miss more than those repair. */
  get kept(): number {
    return this.#store.kept;
  }

  /** A source packet has come and is in the window. */
  arrived(index: number): void {
    if (index > this.#newest) this.#newest = index;
    const { open } = this.#store;
    for (let at = open.length - 1; at >= 0; at--) {
      const block = open[at];
      if (block && placeOf(index, block) >= 0) this.#attempt(block);
    }
    this.#attemptWaiting();
  }

  /** All before `index` is released or given up: blocks that end there are done with. */
  passed(index: number): void {
    const { open } = this.#store;
    for (let at = open.length - 1; at >= 0; at--) {
      const block = open[at];
      if (block && block.first + (block.dataShards - 1) * block.interleave < index) this.#store.close(block);
    }
  }

  /** Takes a datagram of the repair port. It is copied if it is needed later. */
  repair(datagram: Buffer): void {
    const packet = parseParity(datagram);
    if (typeof packet === 'string') {
      this.#refuse(packet);
      return;
    }
    if (packet.shardBytes > MAX_DATAGRAM_BYTES) {
      this.#refuse('too-long');
      return;
    }
    const newest = this.#newest;
    const first = newest + wrapDistance(this.#firstSequence + newest, packet.firstSequence, 16);
    const block = this.#store.blockOf(packet, first);
    if (!this.#store.keep(block, packet)) {
      this.counters.duplicate++;
      return;
    }
    this.counters.repairPackets++;
    this.#reach = Math.max(this.#reach, block.dataShards * block.interleave);
    this.#attempt(block);
    this.#attemptWaiting();
  }

  #refuse(fault: BlockFault): void {
    this.refused.set(fault, (this.refused.get(fault) ?? 0) + 1);
  }

  /** After a proof of a new kind: attempts all blocks again. */
  #attemptWaiting(): void {
    if (!this.#isProofNew) return;
    this.#isProofNew = false;
    const { open } = this.#store;
    for (let at = open.length - 1; at >= 0; at--) {
      const block = open[at];
      if (block) this.#attempt(block);
    }
  }

  /** Recovers what a block misses, when what came of its parity is enough. */
  #attempt(block: ParityBlock): void {
    if (!block.isOpen) return;
    let missing = 0;
    for (let place = 0; place < block.dataShards; place++) {
      if (this.#window.has(block.first + place * block.interleave)) continue;
      missing++;
      if (missing > block.kept) return;
    }
    // From a whole block there is nothing to be learnt but that there are such ones.
    const fault = missing > 0 || !this.#isOnGrid(block) ? this.#solve(block) : undefined;
    if (fault === 'wait') return;
    if (fault) this.#refuse(fault);
    this.#store.close(block);
  }

  /** Works out what is missing and looks at it. `wait`: it may be right, but nothing says so yet. */
  #solve(block: ParityBlock): BlockFault | 'wait' | undefined {
    const { shardBytes } = block;
    const { known, wanted } = this.#split(block);
    if (known.some(({ bytes }) => bytes.length > shardBytes)) return 'unequal-lengths';
    const isEven = known.every(({ bytes }) => bytes.length === shardBytes);
    const spare = this.#addParity(block, known, wanted);
    reconstruct(known, wanted, this.#kernel);
    const check = spare && wanted.pop()?.bytes;
    if (check && !this.#prove(block, spare, check)) return 'contradiction';
    const recovered = wanted.map(({ place, bytes }) => this.#lookAround(block, place, bytes));
    const fault = this.#judgeAll(block, recovered, spare !== undefined);
    if (fault) return fault;
    if (!isEven && !recovered.every(unpad)) return 'unequal-lengths';
    if (this.#stamps === 'renewed') for (const { bytes, neighbours } of recovered) restamp(bytes, neighbours);
    for (const { bytes, neighbours } of recovered)
      if (this.#window.recover(neighbours.index, bytes)) this.counters.recovered++;
    return undefined;
  }

  /** What is there of a block, and what is not, with room for it. */
  #split(block: ParityBlock): { known: Shard[]; wanted: Shard[] } {
    const known: Shard[] = [];
    const wanted: Shard[] = [];
    for (let place = 0; place < block.dataShards; place++) {
      const bytes = this.#sourceAt(block, place);
      if (bytes) known.push({ place, bytes });
      else wanted.push({ place, bytes: this.#room(wanted.length, block.shardBytes) });
    }
    return { known, wanted };
  }

  /**
   * Adds as many repair packets as are needed to what is known. One more, if there is one, is to be worked out as well, last of
   * all: it is returned.
   */
  #addParity(block: ParityBlock, known: Shard[], wanted: Shard[]): Buffer | undefined {
    const { dataShards, parityShards, shardBytes } = block;
    for (let index = 0; index < parityShards; index++) {
      const parity = block.parity[index];
      if (!parity) continue;
      const place = dataShards + index;
      const bytes = parity.subarray(0, shardBytes);
      if (known.length === dataShards) {
        wanted.push({ place, bytes: this.#room(wanted.length, shardBytes) });
        return bytes;
      }
      known.push({ place, bytes });
    }
    return undefined;
  }

  /** Whether a repair packet that was not needed is what it should be. Then it also says how the sender stamps. */
  #prove(block: ParityBlock, parity: Buffer, check: Uint8Array): boolean {
    const end = block.shardBytes;
    if (parity.compare(check, 0, TIMESTAMP_AT, 0, TIMESTAMP_AT) !== 0) return false;
    if (parity.compare(check, TIMESTAMP_END, end, TIMESTAMP_END, end) !== 0) return false;
    const isKept = parity.compare(check, TIMESTAMP_AT, TIMESTAMP_END, TIMESTAMP_AT, TIMESTAMP_END) === 0;
    const stamps = isKept ? 'kept' : 'renewed';
    const kind = this.#proved.findIndex((proved) => isOnGridOf(proved, block));
    this.#isProofNew ||= kind < 0 || stamps !== this.#stamps;
    this.#stamps = stamps;
    if (kind < 0) {
      this.#proved.unshift(block);
      this.#proved.length = Math.min(this.#proved.length, KINDS);
      // The last blocks of a stream are shorter, and may begin anywhere then.
    } else if (block.dataShards === this.#proved[kind]?.dataShards) this.#proved[kind] = block;
    this.#show(block);
    return true;
  }

  /** Shorter blocks are the last ones of a stream, and tell no other setting unless more of them follow. */
  #show(block: ParityBlock): void {
    const { parityShards = 0, interleave = 0, dataShards = 0 } = this.#shown ?? {};
    const isLike = block.parityShards === parityShards && block.interleave === interleave;
    if (isLike && block.dataShards < dataShards) {
      this.#shorterAt ??= block.first;
      if (Math.abs(block.first - this.#shorterAt) < interleave) return;
    }
    this.#shown = block;
    this.#shorterAt = undefined;
  }

  #lookAround(block: ParityBlock, place: number, bytes: Uint8Array): Recovered {
    const index = block.first + place * block.interleave;
    const neighbours = neighboursOf(index, (at) => this.#window.datagramAt(at));
    return { bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), neighbours };
  }

  /** What speaks against what was recovered of a block. */
  #judgeAll(
    block: ParityBlock,
    recovered: readonly Recovered[],
    isProved: boolean,
  ): Doubt | 'wait' | undefined {
    const isPlausible = isProved || this.#isPlausible(block, recovered);
    for (const packet of recovered) {
      const fault = this.#judge(packet, isProved, isPlausible);
      if (fault) return fault;
    }
    return undefined;
  }

  /** Without a proof of its own. What protects a single packet is its copy: nothing is made up from others. */
  #isPlausible(block: ParityBlock, recovered: readonly Recovered[]): boolean {
    if (block.dataShards === 1) return true;
    if (this.#proved.length > 0) return this.#isOnGrid(block);
    // Before any proof one that lies between two others speaks for all.
    return recovered.some(({ neighbours }) => neighbours.before && neighbours.after);
  }

  /** What speaks against a recovered packet. */
  #judge(
    { bytes, neighbours }: Recovered,
    isProved: boolean,
    isPlausible: boolean,
  ): Doubt | 'wait' | undefined {
    const doubt = doubtOf(bytes, (this.#firstSequence + neighbours.index) & 0xffff, neighbours);
    if (doubt === 'bad-header') return doubt;
    if (doubt === 'alone') return 'wait';
    if (isProved) return undefined;
    if (!isPlausible) return 'wait';
    if (doubt === undefined || this.#stamps === 'renewed') return undefined;
    return this.#stamps === 'unknown' ? 'wait' : doubt;
  }

  /** Whether a block is of a kind that was proved. */
  #isOnGrid(block: ParityBlock): boolean {
    return this.#proved.some((proved) => isOnGridOf(proved, block));
  }

  #sourceAt(block: ParityBlock, place: number): Buffer | undefined {
    return this.#window.datagramAt(block.first + place * block.interleave);
  }

  /** Memory for one of the packets that are worked out. */
  #room(at: number, bytes: number): Buffer {
    const start = at * MAX_DATAGRAM_BYTES;
    if (this.#scratch.length < start + bytes)
      this.#scratch = Buffer.allocUnsafeSlow(2 * start + MAX_DATAGRAM_BYTES);
    return this.#scratch.subarray(start, start + bytes);
  }
}

/** Takes the zeros off that a packet was filled up with. False: nobody can tell which they are. */
function unpad(packet: Recovered): boolean {
  const length = unpaddedBytes(packet.bytes);
  if (length === undefined) return false;
  packet.bytes = packet.bytes.subarray(0, length);
  return true;
}

/** Whether a block has the shape of one that was proved, or is a shorter one, and lies where such ones begin. */
function isOnGridOf(
  proved: ParityBlock,
  { first, dataShards, parityShards, interleave, shardBytes, ssrc }: ParityBlock,
): boolean {
  if (dataShards > proved.dataShards || parityShards !== proved.parityShards) return false;
  if (interleave !== proved.interleave || shardBytes !== proved.shardBytes || ssrc !== proved.ssrc)
    return false;
  const span = proved.dataShards * interleave;
  const beyond = Math.abs(first - proved.first) % span;
  return beyond < interleave || beyond > span - interleave;
}
