import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BitReader, BitWriter } from '../../codecs/bits.ts';

fc.configureGlobal({ seed: 9 });

describe('bits', () => {
  const codes: [bits: string, value: number][] = [
    ['1', 0],
    ['010', 1],
    ['011', 2],
    ['00100', 3],
    ['00111', 6],
    ['0001000', 7],
  ];
  for (const [bits, value] of codes) {
    it(`write ${value} as ${bits} (ITU-T H.264 table 9-2)`, () => {
      const writer = new BitWriter();
      writer.unsigned(value);
      expect(writer.length).toBe(bits.length);
      const padded = bits.padEnd(8, '0');
      expect([...writer.toBuffer()]).toEqual([Number.parseInt(padded, 2)]);
    });
  }

  it('come out as they went in', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('bits' as const), value: fc.nat(2 ** 31 - 1), count: fc.constant(32) }),
      fc.record({ kind: fc.constant('unsigned' as const), value: fc.nat(2 ** 20), count: fc.constant(0) }),
      fc.record({
        kind: fc.constant('signed' as const),
        value: fc.integer({ min: -(2 ** 20), max: 2 ** 20 }),
        count: fc.constant(0),
      }),
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const writer = new BitWriter();
        for (const { kind, value, count } of steps) writer[kind](value, count);
        const reader = new BitReader(writer.toBuffer());
        for (const { kind, value, count } of steps) expect(reader[kind](count) === value).toBe(true);
        expect(reader.overrun).toBe(false);
      }),
    );
  });

  it('end with zeros and say so, and no number takes for ever', () => {
    const reader = new BitReader(Buffer.of(0x80));
    expect(reader.bits(8)).toBe(0x80);
    expect(reader.overrun).toBe(false);
    expect(reader.flag()).toBe(false);
    expect(reader.overrun).toBe(true);
    expect(new BitReader(Buffer.alloc(100)).unsigned()).toBeLessThan(2 ** 33);
  });
});
