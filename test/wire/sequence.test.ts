import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Unwrapper, wrapDistance } from '../../wire/sequence.ts';
import { SEQUENCE_STARTS } from '../helpers/packets.ts';

fc.configureGlobal({ seed: 3550 });

const STARTS = {
  16: SEQUENCE_STARTS,
  32: [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1],
} as const;

describe('wrapDistance', () => {
  const cases: [bits: number, from: number, to: number, distance: number][] = [
    [16, 0, 0, 0],
    [16, 0, 1, 1],
    [16, 1, 0, -1],
    [16, 65_535, 0, 1],
    [16, 0, 65_535, -1],
    [16, 0, 32_767, 32_767],
    [16, 0, 32_768, -32_768],
    [16, 32_768, 0, -32_768],
    [16, 40_000, 5_000, 30_536],
    [16, 65_536 * 7 + 65_535, 3, 4],
    [32, 2 ** 32 - 1, 0, 1],
    [32, 0, 2 ** 32 - 1, -1],
    [32, 0, 2 ** 31 - 1, 2 ** 31 - 1],
    [32, 0, 2 ** 31, -(2 ** 31)],
    [4, 15, 0, 1],
  ];
  for (const [bits, from, to, distance] of cases) {
    it(`from ${from} to ${to} in ${bits} bits is ${distance}`, () =>
      expect(wrapDistance(from, to, bits)).toBe(distance));
  }
});

for (const bits of [16, 32] as const) {
  describe(`Unwrapper of ${bits} bits`, () => {
    const cycle = 2 ** bits;

    for (const start of STARTS[bits]) {
      it(`counts on from ${start} through three wraps, by steps of just under half a cycle`, () => {
        const unwrapper = new Unwrapper(bits);
        const step = cycle / 2 - 1;
        for (let count = start; count < start + 3 * cycle; count += step) {
          expect(unwrapper.unwrap(count % cycle)).toBe(count);
        }
      });

      it(`puts what is late and what is early around ${start} in its place`, () => {
        const unwrapper = new Unwrapper(bits);
        for (const offset of [0, 3, 1, 2, -1, -2, 5, 4, -3, 3]) {
          expect(unwrapper.unwrap((start + offset + cycle) % cycle)).toBe(start + offset);
        }
      });
    }

    it('gives a negative number to what is older than a first value of 0', () => {
      const unwrapper = new Unwrapper(bits);
      expect([unwrapper.unwrap(0), unwrapper.unwrap(cycle - 1), unwrapper.unwrap(1)]).toEqual([0, -1, 1]);
    });

    it('takes exactly half a cycle as older', () => {
      const unwrapper = new Unwrapper(bits);
      expect([unwrapper.unwrap(5), unwrapper.unwrap(5 + cycle / 2)]).toEqual([5, 5 - cycle / 2]);
    });

    it('is not led astray by an old value: distance counts from the newest', () => {
      const unwrapper = new Unwrapper(bits);
      unwrapper.unwrap(0);
      unwrapper.unwrap(cycle / 2 - 1);
      unwrapper.unwrap(0);
      expect(unwrapper.unwrap(cycle - 2)).toBe(cycle - 2);
    });

    it('restores any walk whose steps stay within half a cycle of the newest', () => {
      const walk = fc.array(fc.integer({ min: -(cycle / 2), max: cycle / 2 - 1 }), { maxLength: 50 });
      fc.assert(
        fc.property(fc.nat(cycle - 1), walk, (first, steps) => {
          const unwrapper = new Unwrapper(bits);
          let newest = unwrapper.unwrap(first);
          for (const step of steps) {
            const value = newest + step;
            expect(unwrapper.unwrap(((value % cycle) + cycle) % cycle)).toBe(value);
            newest = Math.max(newest, value);
          }
        }),
      );
    });
  });
}
