import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fastestKernel, javascriptKernel } from '../../../wire/fec/gf256-kernel.ts';
import { reconstruct, ReedSolomonEncoder, type Shard } from '../../../wire/fec/reed-solomon.ts';
import { randomFrom } from '../../helpers/network.ts';
import { slowParity } from '../../helpers/slow-reed-solomon.ts';

const KERNELS = [fastestKernel(), javascriptKernel];
/** K and M, small and large; together at most 255. */
const SHAPE = fc
  .integer({ min: 1, max: 254 })
  .chain((data) => fc.tuple(fc.constant(data), fc.integer({ min: 1, max: 255 - data })));

/** Any bytes from a seed. */
function noiseFrom(seed: number): (count: number) => Buffer {
  const random = randomFrom(seed);
  return (count) => Buffer.from(Array.from({ length: count }, () => random() * 256));
}

function shardsOf(count: number, bytes: number, seed: number): Buffer[] {
  const noise = noiseFrom(seed);
  return Array.from({ length: count }, () => noise(bytes));
}

function parityOf(data: readonly Uint8Array[], count: number, kernel = fastestKernel()): Buffer[] {
  const bytes = Math.max(...data.map(({ length }) => length));
  const parity = Array.from({ length: count }, () => Buffer.alloc(bytes, 0xee));
  new ReedSolomonEncoder(data.length, count, kernel).encode(data, parity);
  return parity;
}

/** `count` of the numbers below `of`, in any order. */
function choose(count: number, of: number, random: () => number): number[] {
  const all = Array.from({ length: of }, (_, place) => ({ place, rank: random() }));
  return all
    .sort((a, b) => a.rank - b.rank)
    .slice(0, count)
    .map(({ place }) => place);
}

it('runs WebAssembly with SIMD here', () => {
  expect(KERNELS.map(({ name }) => name)).toEqual(['wasm-simd', 'javascript']);
});

for (const kernel of KERNELS) {
  describe(`Reed-Solomon, ${kernel.name}`, () => {
    it("has the operators' factors: those of the first parity shard of 48", () => {
      const unit = Array.from({ length: 48 }, (_, place) => Buffer.alloc(48).fill(1, place, place + 1));
      const [row] = parityOf(unit, 3, kernel);
      expect(row?.toString('hex')).toBe(
        'd04e3563056b9071e8410b84e48375a3953b55e25368a762e6a9ce452d7cc59fa1ab6f2c4435dfd88fb99ab22ec8033d',
      );
    });

    const shapes = [
      [1, 1],
      [1, 3],
      [2, 1],
      [4, 4],
      [10, 3],
      [20, 5],
      [37, 9],
    ] as const;
    for (const [data, parity] of shapes) {
      it(`makes of ${data} shards the ${parity} that an independent calculation makes`, () => {
        const shards = shardsOf(data, 33, data);
        expect(parityOf(shards, parity, kernel)).toEqual(
          slowParity(shards, parity).map((shard) => Buffer.from(shard)),
        );
      });
    }

    it('takes shorter shards as if zeros followed, and cuts longer ones', () => {
      const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = shardsOf(2, 50, 1);
      const short = parityOf([first, second.subarray(0, 7)], 2, kernel);
      const padded = Buffer.concat([second.subarray(0, 7), Buffer.alloc(43)]);
      expect(short).toEqual(parityOf([first, padded], 2, kernel));
      const cut = [Buffer.alloc(7)];
      new ReedSolomonEncoder(2, 1, kernel).encode([first, second], cut);
      expect(cut).toEqual(parityOf([first.subarray(0, 7), second.subarray(0, 7)], 1, kernel));
    });

    it('works out everything from any K shards', () => {
      const random = randomFrom(5);
      fc.assert(
        fc.property(SHAPE, fc.integer({ min: 1, max: 40 }), ([dataShards, parityShards], bytes) => {
          const data = shardsOf(dataShards, bytes, dataShards);
          const all = [...data, ...parityOf(data, parityShards, kernel)];
          const order = choose(all.length, all.length, random);
          const known: Shard[] = [];
          const wanted: Shard[] = [];
          for (const [rank, place] of order.entries()) {
            if (rank < dataShards) known.push({ place, bytes: all[place] ?? Buffer.alloc(0) });
            else wanted.push({ place, bytes: Buffer.alloc(bytes) });
          }
          reconstruct(known, wanted, kernel);
          for (const { place, bytes } of wanted) expect(all[place]?.equals(bytes)).toBe(true);
        }),
        { seed: 1, numRuns: 60 },
      );
    });
  });
}

describe('kernels', () => {
  it('have identical results, for all lengths and numbers of rows', () => {
    const lengths = fc.oneof(fc.integer({ min: 0, max: 70 }), fc.integer({ min: 1300, max: 4200 }));
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 13 }),
        fc.array(lengths, { minLength: 1, maxLength: 5 }),
        lengths,
        fc.integer(),
        (rowCount, inputLengths, bytes, seed) => {
          const noise = noiseFrom(seed);
          const rows = Array.from({ length: rowCount }, () => noise(inputLengths.length));
          const inputs = inputLengths.map(noise);
          const results = KERNELS.map((kernel) => {
            const outputs = rows.map(() => Buffer.alloc(bytes, 0xaa));
            kernel.combine(rows, inputs, outputs);
            return Buffer.concat(outputs).toString('hex');
          });
          expect(results[0]).toBe(results[1]);
        },
      ),
      { seed: 2, numRuns: 300 },
    );
  });

  it('serve as many rows as a block can have', () => {
    const [data = Buffer.alloc(0)] = shardsOf(1, 64, 3);
    expect(parityOf([data], 254)).toEqual(parityOf([data], 254, javascriptKernel));
  });
});

describe('ReedSolomonEncoder', () => {
  const impossible: [data: number, parity: number][] = [
    [0, 1],
    [1, 0],
    [200, 56],
    [NaN, 1],
  ];
  for (const [data, parity] of impossible) {
    it(`refuses ${data} + ${parity} shards`, () => {
      expect(() => new ReedSolomonEncoder(data, parity)).toThrow(RangeError);
    });
  }
});
