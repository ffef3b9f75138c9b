/**
 * Reed-Solomon over GF(256), the systematic code that operators of IPTV use: of K data and M parity shards any K make all others.
 *
 * Byte by byte the K data shards are values of a polynomial of degree below K, that in place j at the point αʲ; parity shard i is
 * its value at αᵏ⁺ⁱ. So every shard is a sum of any K others, each times a factor (Lagrange), and working out parity or what
 * was lost is the same.
 */
import { logarithmOf, ORDER, powerOf } from './gf256.ts';
import { fastestKernel, type Gf256Kernel } from './gf256-kernel.ts';

/** Most shards of a block, data and parity together: as many as there are points. */
export const MAX_SHARDS = ORDER;

/** A shard and its place in the block: data from 0, parity from K. */
export interface Shard {
  place: number;
  bytes: Uint8Array;
}

/** Makes the parity of blocks of one shape. */
export class ReedSolomonEncoder {
  readonly dataShards: number;
  readonly parityShards: number;
  readonly #kernel: Gf256Kernel;
  readonly #rows: Uint8Array[];

  /** @param parityShards with `dataShards` at most 255; each at least 1 */
  constructor(dataShards: number, parityShards: number, kernel = fastestKernel()) {
    if (!(dataShards >= 1 && parityShards >= 1 && dataShards + parityShards <= MAX_SHARDS)) {
      throw new RangeError(
        `a block of ${dataShards} + ${parityShards} shards: expected 1 + 1 to ${MAX_SHARDS} in all`,
      );
    }
    this.dataShards = dataShards;
    this.parityShards = parityShards;
    this.#kernel = kernel;
    this.#rows = factorsOf(placesFrom(0, dataShards), placesFrom(dataShards, parityShards));
  }

  /** Writes the parity of a block. Data that is shorter than the parity counts as if zeros followed. */
  encode(data: readonly Uint8Array[], parity: readonly Uint8Array[]): void {
    this.#kernel.combine(this.#rows, data, parity);
  }
}

/**
 * Works out any shards of a block from `known`, which are as many as the block has data shards, none of them among the
 * `wanted`: into their bytes, which have one length. Known ones that are shorter count as if zeros followed.
 */
export function reconstruct(
  known: readonly Shard[],
  wanted: readonly Shard[],
  kernel: Gf256Kernel = fastestKernel(),
): void {
  const rows = factorsOf(known.map(placeOf), wanted.map(placeOf));
  kernel.combine(rows, known.map(bytesOf), wanted.map(bytesOf));
}

/** For each wanted place a row: the factors of the known shards whose sum its shard is. */
function factorsOf(known: readonly number[], wanted: readonly number[]): Uint8Array[] {
  const points = known.map(powerOf);
  // The factor of the shard at x for that at y is the product of (y - z) / (x - z) over all other known z.
  const below = points.map((x) => logarithmOfProduct(x, points));
  return wanted.map((place) => {
    const y = powerOf(place);
    const above = logarithmOfProduct(y, points);
    return Uint8Array.from(points, (x, at) =>
      powerOf(above + 2 * ORDER - logarithmOf(y ^ x) - (below[at] ?? 0)),
    );
  });
}

/** The logarithm of the product of the distances from `x` to all other points, 0 to 254. */
function logarithmOfProduct(x: number, points: readonly number[]): number {
  let sum = 0;
  for (const point of points) if (point !== x) sum += logarithmOf(x ^ point);
  return sum % ORDER;
}

function placesFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => first + at);
}

function placeOf(shard: Shard): number {
  return shard.place;
}

function bytesOf(shard: Shard): Uint8Array {
  return shard.bytes;
}
