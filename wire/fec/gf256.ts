/**
 * Arithmetic in GF(256) with the polynomial x⁸ + x⁴ + x³ + x² + 1 (0x11D), generator 2: what Reed-Solomon codes are made of.
 *
 * Elements are bytes. Adding and subtracting are both `^`.
 */

/** The field without zero: powers of the generator repeat after so many. */
export const ORDER = 255;

const POLYNOMIAL = 0x11d;

/** Powers of the generator, twice over, so that the sum of two logarithms needs no remainder. */
const EXP = new Uint8Array(2 * ORDER);
const LOG = new Uint8Array(256);
for (let power = 0, element = 1; power < ORDER; power++) {
  EXP[power] = EXP[power + ORDER] = element;
  LOG[element] = power;
  element <<= 1;
  if (element > 255) element ^= POLYNOMIAL;
}

/** The generator to this power, which is any whole number from 0. */
export function powerOf(exponent: number): number {
  return EXP[exponent % ORDER] ?? 0;
}

/** The exponent that makes this element of the generator: 0 to 254. Of 0 there is none. */
export function logarithmOf(element: number): number {
  return LOG[element] ?? 0;
}

/** The product of two elements. */
export function multiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : (EXP[logarithmOf(a) + logarithmOf(b)] ?? 0);
}

/** By factor: all its products, 256 bytes each. Filled in as they are needed, 64 KiB at most. */
const PRODUCTS: (Uint8Array | undefined)[] = Array.from({ length: 256 });

/** The products of a factor with every element. */
function productsOf(factor: number): Uint8Array {
  return (PRODUCTS[factor] ??= Uint8Array.from({ length: 256 }, (_, element) => multiply(factor, element)));
}

/** Adds `factor` × `input` to `output`, byte by byte. Where the input is shorter, zeros follow; where it is longer, it is cut. */
export function multiplyAdd(factor: number, input: Uint8Array, output: Uint8Array): void {
  const products = productsOf(factor);
  const end = Math.min(input.length, output.length);
  for (let at = 0; at < end; at++) output[at] = (output[at] ?? 0) ^ (products[input[at] ?? 0] ?? 0);
}
