/**
 * The Reed-Solomon repair packets that a receiver keeps: a bounded number of them, by the blocks that they belong to.
 */
import { MAX_DATAGRAM_BYTES } from '../jitter-buffer/slab.ts';
import type { BlockShape } from '../wire/fec/block-shape.ts';
import type { ParityPacket } from '../wire/fec/parity-packet.ts';

/** A block of which a repair packet came. */
export interface ParityBlock extends BlockShape {
  /** The index of its first source packet. */
  readonly first: number;
  /** Bytes of its longest source packet. */
  readonly shardBytes: number;
  /** Whose repair packets they are. */
  readonly ssrc: number;
  /** What came of its parity, by index; of a block that is done with, empty buffers. */
  readonly parity: (Buffer | undefined)[];
  /** How much of its parity is kept. */
  kept: number;
  /** False once it is done with: nothing more of it is kept. */
  isOpen: boolean;
}

/** Repair packets kept, 2 MiB of them at most. */
const MOST_PARITY = 1024;
/** Blocks remembered, those that are done with too: repair packets of theirs still come. */
const MOST_BLOCKS = 512;

const NOTHING = Buffer.alloc(0);

/** The place of an index in a block, from 0; -1 when the block does not protect it. */
export function placeOf(index: number, { first, dataShards, interleave }: ParityBlock): number {
  const distance = index - first;
  if (distance < 0 || distance % interleave !== 0) return -1;
  const place = distance / interleave;
  return place < dataShards ? place : -1;
}

export class ParityStore {
  /** All that are remembered, oldest first, and those of them that are open. */
  readonly #blocks: ParityBlock[] = [];
  readonly #open: ParityBlock[] = [];
  #kept = 0;
  readonly #free: Buffer[] = [];

  /** Repair packets that are kept. */
  get kept(): number {
    return this.#kept;
  }

  /** Blocks that miss something, oldest first. Closing some is allowed while they are looked at from the last to the first. */
  get open(): readonly ParityBlock[] {
    return this.#open;
  }

  /** The block of a repair packet, whose first source packet has the index `first`. */
  blockOf(packet: ParityPacket, first: number): ParityBlock {
    for (let at = this.#blocks.length - 1; at >= 0; at--) {
      const block = this.#blocks[at];
      if (block?.first === first && isOf(block, packet)) return block;
    }
    return this.#begin(packet, first);
  }

  /** Keeps a copy of a repair packet. False when it came before. */
  keep(block: ParityBlock, { parityIndex, parity }: ParityPacket): boolean {
    if (block.parity[parityIndex]) return false;
    if (block.isOpen && this.#kept === MOST_PARITY && this.#open[0]) this.close(this.#open[0]);
    block.parity[parityIndex] = NOTHING;
    if (!block.isOpen) return true;
    const copy = this.#free.pop() ?? Buffer.allocUnsafeSlow(MAX_DATAGRAM_BYTES);
    parity.copy(copy);
    block.parity[parityIndex] = copy;
    block.kept++;
    this.#kept++;
    return true;
  }

  /** Is done with a block. */
  close(block: ParityBlock): void {
    if (!block.isOpen) return;
    block.isOpen = false;
    this.#open.splice(this.#open.indexOf(block), 1);
    for (const [index, parity] of block.parity.entries()) {
      if (!parity || parity === NOTHING) continue;
      this.#free.push(parity);
      block.parity[index] = NOTHING;
    }
    this.#kept -= block.kept;
    block.kept = 0;
  }

  #begin(
    { dataShards, parityShards, interleave, shardBytes, ssrc }: ParityPacket,
    first: number,
  ): ParityBlock {
    if (this.#blocks.length === MOST_BLOCKS) {
      const oldest = this.#blocks.shift();
      if (oldest) this.close(oldest);
    }
    const block: ParityBlock = {
      first,
      dataShards,
      parityShards,
      interleave,
      shardBytes,
      ssrc,
      parity: Array.from({ length: parityShards }),
      kept: 0,
      isOpen: true,
    };
    this.#blocks.push(block);
    this.#open.push(block);
    return block;
  }
}

/** Whether a repair packet says of a block what others of it have said. */
function isOf(block: ParityBlock, packet: ParityPacket): boolean {
  return (
    block.dataShards === packet.dataShards &&
    block.parityShards === packet.parityShards &&
    block.interleave === packet.interleave &&
    block.shardBytes === packet.shardBytes &&
    block.ssrc === packet.ssrc
  );
}
