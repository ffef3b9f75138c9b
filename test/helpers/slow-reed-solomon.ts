/** Reed-Solomon by the book, slowly, and by other means than the one that is tested: polynomials from linear equations. */

/** The product of two elements of GF(256): long multiplication of polynomials, less multiples of 0x11D. */
export function slowProduct(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product <<= 1;
    if (product & 0x100) product ^= 0x11d;
    if ((b >> bit) & 1) product ^= a;
  }
  return product;
}

function slowPower(base: number, exponent: number): number {
  let power = 1;
  for (let count = 0; count < exponent; count++) power = slowProduct(power, base);
  return power;
}

/** By a^254 = 1 / a. */
function slowInverse(element: number): number {
  return slowPower(element, 254);
}

/** The parity of data shards of one length. */
export function slowParity(data: readonly Uint8Array[], parityShards: number): Uint8Array[] {
  const bytes = data[0]?.length ?? 0;
  const parity = Array.from({ length: parityShards }, () => new Uint8Array(bytes));
  for (let at = 0; at < bytes; at++) {
    const polynomial = throughPoints(data.map((shard) => shard[at] ?? 0));
    for (const [index, shard] of parity.entries())
      shard[at] = valueAt(polynomial, slowPower(2, data.length + index));
  }
  return parity;
}

/** The coefficients of the polynomial that has `values[j]` at 2^j: Gauss elimination. */
function throughPoints(values: readonly number[]): number[] {
  const rows = values.map((value, place) => {
    const x = slowPower(2, place);
    return [...values.map((_, exponent) => slowPower(x, exponent)), value];
  });
  for (let column = 0; column < rows.length; column++) {
    const from = rows.findIndex((row, at) => at >= column && row[column] !== 0);
    const pivot = rows.splice(from, 1)[0] ?? [];
    const scale = slowInverse(pivot[column] ?? 0);
    const scaled = pivot.map((element) => slowProduct(element, scale));
    rows.splice(column, 0, scaled);
    for (const [at, row] of rows.entries()) {
      const factor = row[column] ?? 0;
      if (at === column || factor === 0) continue;
      for (const [place, element] of scaled.entries())
        row[place] = (row[place] ?? 0) ^ slowProduct(element, factor);
    }
  }
  return rows.map((row) => row.at(-1) ?? 0);
}

function valueAt(polynomial: readonly number[], x: number): number {
  return polynomial.reduceRight((sum, coefficient) => slowProduct(sum, x) ^ coefficient, 0);
}
