import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LossPattern } from '../../wire/loss-pattern.ts';

fc.configureGlobal({ seed: 3611 });

/** All that is remembered, as `first+count`. */
function textOf(pattern: LossPattern): string {
  const runs = Array.from({ length: pattern.length }, (_, place) => pattern.at(place));
  return runs.map((run) => `${run?.first}+${run?.count}`).join(' ');
}

describe('LossPattern', () => {
  const cases: [name: string, losses: [first: number, count: number][], runs: string][] = [
    ['knows nothing of what came', [], ''],
    ['remembers losses in order', [[3, 1], [7, 2]], '3+1 7+2'], // prettier-ignore
    ['takes neighbours for one run', [[3, 1], [4, 2], [6, 1]], '3+4'], // prettier-ignore
    ['puts what it hears late where it belongs', [[9, 1], [3, 1], [6, 1]], '3+1 6+1 9+1'], // prettier-ignore
    ['fills a hole between two runs', [[3, 2], [8, 2], [5, 3]], '3+7'], // prettier-ignore
    ['counts what it hears twice once', [[3, 4], [4, 1], [3, 4]], '3+4'], // prettier-ignore
    ['lets one run swallow several', [[3, 1], [5, 1], [7, 1], [2, 9]], '2+9'], // prettier-ignore
    ['takes nothing for nothing', [[3, 0]], ''],
  ];
  for (const [name, losses, runs] of cases) {
    it(name, () => {
      const pattern = new LossPattern();
      for (const [first, count] of losses) pattern.lost(first, count);
      expect(textOf(pattern)).toBe(runs);
    });
  }

  it('is the set of all that was lost', () => {
    const losses = fc.array(fc.tuple(fc.nat(300), fc.integer({ min: 1, max: 12 })), { maxLength: 60 });
    fc.assert(
      fc.property(losses, fc.nat(320), (all, forgotten) => {
        const pattern = new LossPattern();
        const model = new Set<number>();
        for (const [first, count] of all) {
          pattern.lost(first, count);
          for (let index = first; index < first + count; index++) model.add(index);
        }
        pattern.forgetBefore(forgotten);
        const remembered: number[] = [];
        let before = -2;
        for (let place = 0; place < pattern.length; place++) {
          const run = pattern.at(place);
          if (!run) throw new Error(`no run ${place} of ${pattern.length}`);
          expect(run.first).toBeGreaterThan(before + 1); // runs do not touch
          before = run.first + run.count - 1;
          for (let index = run.first; index <= before; index++) remembered.push(index);
        }
        expect(remembered).toEqual([...model].filter((index) => index >= forgotten).sort((a, b) => a - b));
      }),
    );
  });

  it('remembers the latest runs only, and says from where on', () => {
    const pattern = new LossPattern(0, 16);
    for (let index = 0; index < 2000; index += 2) pattern.lost(index, 1);
    expect(pattern.length).toBeLessThanOrEqual(16);
    expect(pattern.length).toBeGreaterThanOrEqual(14);
    expect(pattern.at(0)?.first).toBe(2000 - 2 * pattern.length);
    expect(pattern.begin).toBe(2000 - 2 * pattern.length - 1);
    pattern.lost(5, 1);
    expect(pattern.at(0)?.first).toBe(2000 - 2 * pattern.length); // that is forgotten
  });

  it('begins where it is told, and cuts a run that began before', () => {
    const pattern = new LossPattern(100);
    pattern.lost(95, 10);
    pattern.lost(200, 10);
    expect(textOf(pattern)).toBe('100+5 200+10');
    pattern.forgetBefore(203);
    expect(textOf(pattern)).toBe('203+7');
    expect(pattern.begin).toBe(203);
  });

  it('is known as far as it is told', () => {
    const pattern = new LossPattern(10);
    expect(pattern.end).toBe(10);
    pattern.knownUntil(30);
    pattern.knownUntil(20);
    expect(pattern.end).toBe(30);
    pattern.forgetBefore(40);
    expect(pattern.end).toBe(40);
  });
});
