/** How a stream is cut into Reed-Solomon blocks: `--fec rs:K,M[,I]`. */
import { MAX_SHARDS } from './reed-solomon.ts';

/** The shape of the blocks of a stream. */
export interface BlockShape {
  /** K: source packets of a block. With `parityShards` at most 255. */
  dataShards: number;
  /** M: repair packets of a block, and so many losses of its K + M that are repaired. */
  parityShards: number;
  /** I: a block takes every I-th packet, so that a burst is shared by I blocks. 1: neighbours. */
  interleave: number;
}

/** Why `--fec rs:…` means nothing. */
export type BlockShapeFault = 'bad-form' | 'no-shards' | 'too-many-shards' | 'too-far-apart';

/** A block reaches at most from a sequence number to this one behind it: further ones cannot be told from earlier ones. */
export const MAX_BLOCK_SPAN = 0x7fff;

/** Reads `20,5` or `20,5,4`: K, M and I, which is 1 when it is not said. */
export function parseBlockShape(text: string): BlockShape | BlockShapeFault {
  const match = /^(\d{1,5}),(\d{1,5})(?:,(\d{1,5}))?$/.exec(text);
  if (!match) return 'bad-form';
  const [, dataShards, parityShards, interleave = '1'] = match;
  const shape = {
    dataShards: Number(dataShards),
    parityShards: Number(parityShards),
    interleave: Number(interleave),
  };
  return blockShapeFault(shape) ?? shape;
}

/** What is wrong with a shape; `undefined` when nothing is. */
export function blockShapeFault({
  dataShards,
  parityShards,
  interleave,
}: BlockShape): BlockShapeFault | undefined {
  if (dataShards < 1 || parityShards < 1 || interleave < 1) return 'no-shards';
  if (dataShards + parityShards > MAX_SHARDS) return 'too-many-shards';
  return (dataShards - 1) * interleave > MAX_BLOCK_SPAN ? 'too-far-apart' : undefined;
}
