import { describe, expect, it } from 'vitest';
import { limitTo } from '../../cli/limit.ts';

/** Works that end when they are told to, and the numbers of those that have begun. */
function works(most: number, count: number) {
  const limited = limitTo(most);
  const begun: number[] = [];
  const enders: (() => void)[] = [];
  const results = Array.from({ length: count }, (_, number) =>
    limited(async () => {
      begun.push(number);
      await new Promise<void>((resolve) => (enders[number] = resolve));
      if (number === 1) throw new Error('one failed');
      return number;
    }).catch((error: unknown) => error),
  );
  const turn = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { begun, results, end: (number: number) => (enders[number]?.(), turn()) };
}

describe('limitTo', () => {
  it('begins in order, and never more than the limit', async () => {
    const { begun, results, end } = works(2, 5);
    expect(begun).toEqual([0, 1]);
    await end(0);
    expect(begun).toEqual([0, 1, 2]);
    await end(2);
    expect(begun).toEqual([0, 1, 2, 3]);
    for (const number of [1, 3, 4]) await end(number);
    expect(await Promise.all(results)).toEqual([0, new Error('one failed'), 2, 3, 4]);
  });
  it('goes on behind one that failed', async () => {
    const { begun, end } = works(2, 3);
    await end(1);
    expect(begun).toEqual([0, 1, 2]);
  });
});
