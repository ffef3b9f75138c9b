import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bitmap } from '../../jitter-buffer/bitmap.ts';

fc.configureGlobal({ seed: 20_261_122 });

describe('a bitmap of the last indexes', () => {
  it('knows which bits are set, round and round', () => {
    const bits = new Bitmap(64);
    for (const index of [0, 31, 32, 63, 64 + 5, 2 ** 40 + 7]) {
      bits.set(index);
      expect(bits.has(index)).toBe(true);
      expect(bits.has(index + 64)).toBe(true); // the same bit: the owner knows which of both he means
      bits.clear(index, index + 1);
      expect(bits.has(index)).toBe(false);
    }
  });

  it('finds what a search bit by bit finds', () => {
    const cases = fc.record({
      set: fc.oneof(
        fc.array(fc.integer({ min: 0, max: 127 })),
        fc.uniqueArray(fc.integer({ min: 0, max: 127 }), { minLength: 120 }),
      ),
      from: fc.integer({ min: 0, max: 127 }),
      length: fc.integer({ min: 0, max: 128 }),
      base: fc.constantFrom(0, 128, 1000, 2 ** 33),
    });
    fc.assert(
      fc.property(cases, ({ set, from, length, base }) => {
        const bits = new Bitmap(128);
        for (const index of set) bits.set(index);
        const first = base + from;
        const found = { set: Infinity, clear: Infinity };
        for (let i = first + length - 1; i >= first; i--) found[bits.has(i) ? 'set' : 'clear'] = i;
        expect(bits.firstSet(first, first + length)).toBe(found.set);
        expect(bits.firstClear(first, first + length)).toBe(found.clear);
      }),
    );
  });

  it('clears exactly a range', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 200 }), (from, count) => {
        const bits = new Bitmap(128);
        for (let i = 0; i < 128; i++) bits.set(i);
        bits.clear(from, from + count);
        const cleared = new Set(Array.from({ length: count }, (_, i) => (from + i) % 128));
        for (let i = 0; i < 128; i++) expect(bits.has(i)).toBe(!cleared.has(i));
      }),
    );
  });
});
