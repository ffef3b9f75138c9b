import { describe, expect, it } from 'vitest';
import { logarithmOf, multiply, multiplyAdd, ORDER, powerOf } from '../../../wire/fec/gf256.ts';
import { slowProduct } from '../../helpers/slow-reed-solomon.ts';

const ELEMENTS = Array.from({ length: 256 }, (_, element) => element);

describe('GF(256)', () => {
  it('multiplies as polynomials do, for all pairs', () => {
    const wrong = ELEMENTS.filter((a) => ELEMENTS.some((b) => multiply(a, b) !== slowProduct(a, b)));
    expect(wrong).toEqual([]);
  });

  it('knows the exponent of every element but 0', () => {
    for (const element of ELEMENTS.slice(1)) expect(powerOf(logarithmOf(element))).toBe(element);
  });

  it('comes back to 1 after 255 powers of 2, and not before', () => {
    const powers = Array.from({ length: ORDER }, (_, exponent) => powerOf(exponent));
    expect(new Set(powers).size).toBe(ORDER);
    expect([powerOf(0), powerOf(1), powerOf(8), powerOf(ORDER)]).toEqual([1, 2, 0x1d, 1]);
  });

  it('adds a multiple of a shorter input and leaves the rest alone', () => {
    const output = Uint8Array.of(1, 2, 3);
    multiplyAdd(2, Uint8Array.of(0x80, 1), output);
    expect([...output]).toEqual([1 ^ 0x1d, 0, 3]);
  });

  it('cuts a longer input', () => {
    const output = Uint8Array.of(0);
    multiplyAdd(3, Uint8Array.of(1, 1, 1), output);
    expect([...output]).toEqual([3]);
  });
});
