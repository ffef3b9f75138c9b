import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { advise, MOST_OVERHEAD, repairedShare } from '../../../wire/fec/advice.ts';
import { fecSpan, parseFecSetting, repairWait, type FecSetting } from '../../../wire/fec/fec-setting.ts';
import { Trial } from '../../../wire/fec/trial.ts';
import { LossPattern } from '../../../wire/loss-pattern.ts';
import type { RepairAdvice } from '../../../wire/metrics.ts';
import { lossModel, randomFrom, type NetworkOptions } from '../../helpers/network.ts';

fc.configureGlobal({ seed: 5510 });

/** 8.8 Mbit/s. */
const PER_SECOND = 836;

function settingOf(text: string): FecSetting {
  const setting = parseFecSetting(text);
  if (typeof setting === 'string') throw new Error(`${text}: ${setting}`);
  return setting;
}

function patternOf(losses: readonly (readonly [first: number, count: number])[], end = 1e6): LossPattern {
  const pattern = new LossPattern();
  for (const [first, count] of losses) pattern.lost(first, count);
  pattern.knownUntil(end);
  return pattern;
}

/** The losses of a network, as many as are asked for. */
function network(options: NetworkOptions, losses: number, seed = 1): LossPattern {
  const isLost = lossModel(options, randomFrom(seed));
  const pattern = new LossPattern();
  let lost = 0;
  let index = 0;
  for (; lost < losses; index++) {
    if (!isLost()) continue;
    pattern.lost(index, 1);
    lost++;
  }
  pattern.knownUntil(index + 1000);
  return pattern;
}

describe('a trial', () => {
  // Losses are counted from the beginning of a block or matrix.
  const cases: [setting: string, name: string, losses: [number, number][], missed: number][] = [
    ['2022:5x4', 'one loss', [[7, 1]], 0],
    ['2022:5x4', 'a burst as long as a row', [[7, 5]], 0],
    ['2022:5x4', 'a burst longer by one', [[7, 6]], 2],
    ['2022:5x4', 'two in a column', [[2, 1], [12, 1]], 2], // prettier-ignore
    ['2022:5x4+rows', 'two in a column', [[2, 1], [12, 1]], 0], // prettier-ignore
    ['2022:5x4+rows', 'a square', [[6, 2], [11, 2]], 4], // prettier-ignore
    ['2022:5x4+rows', 'three of a square', [[6, 2], [11, 1]], 0], // prettier-ignore
    // Column 1 leaves behind datagram 24: with the burst 24 to 29.
    ['2022:5x4', 'one whose repair packet is in a burst', [[6, 1], [25, 1]], 1], // prettier-ignore
    ['2022:5x4', 'one whose repair packet is beside a burst', [[6, 1], [26, 1]], 0], // prettier-ignore
    ['2022:5x4+rows', 'one whose column is lost, repaired by its row', [[6, 1], [25, 1]], 0], // prettier-ignore
    ['2022:5x4+rows', 'one whose column and row are lost', [[6, 1], [10, 1], [25, 1]], 1], // prettier-ignore
    ['2022:5x4+rows', 'one in the last row, which is lost with its column', [[16, 1], [20, 1], [25, 1]], 1], // prettier-ignore
    ['rs:10,2', 'two of a block', [[3, 2]], 0],
    ['rs:10,2', 'three of a block', [[3, 3]], 3],
    ['rs:10,2', 'a burst that two blocks share', [[8, 3]], 0],
    ['rs:10,2', 'such a burst that reaches a repair packet', [[8, 4]], 2],
    // Repair packets leave behind datagrams 10 and 15.
    ['rs:10,2', 'two, and one of the repair packets', [[3, 2], [16, 1]], 2], // prettier-ignore
    ['rs:10,2', 'two, and something beside the repair packets', [[3, 2], [17, 1]], 0], // prettier-ignore
    ['rs:10,2', 'one, and one of the repair packets', [[3, 1], [11, 1]], 0], // prettier-ignore
    ['rs:10,2,4', 'a burst of eight', [[17, 8]], 0],
    ['rs:10,2,4', 'a burst of nine', [[17, 9]], 3],
    ['rs:1,1', 'a datagram whose copy comes', [[3, 1]], 0],
    ['rs:2,4', 'all of a block', [[4, 2]], 0],
    ['2022:5x4', 'an outage', [[20, 20_000]], 20_000],
    ['rs:10,2', 'an outage whose ends lie in blocks of others', [[18, 20_004]], 20_002],
  ];
  for (const [setting, name, losses, missed] of cases)
    it(`of ${setting} knows what becomes of ${name}`, () =>
      expect(new Trial(patternOf(losses), { from: 0 }).missed(settingOf(setting), 0)).toBe(missed));

  it('says the same wherever it all happens', () => {
    const anywhere = fc.integer({ min: -1000, max: 2 ** 45 });
    const losses = fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 1, max: 30 })), { minLength: 1 });
    const settings = fc.constantFrom('2022:10x5', '2022:5x10+rows', 'rs:10,2', 'rs:20,3,4').map(settingOf);
    fc.assert(
      fc.property(anywhere, losses, settings, (by, all, setting) => {
        const here = new Trial(patternOf(all), { from: 0 });
        const moved = new LossPattern(by - 5);
        for (const [first, count] of all) moved.lost(first + by, count);
        const there = new Trial(moved, { from: -Infinity });
        expect(there.missed(setting, by)).toBe(here.missed(setting, 0));
        expect(there.missed(setting, by + 7 * fecSpan(setting))).toBe(here.missed(setting, 0));
      }),
    );
  });

  it('stops counting when nobody asks any more', () => {
    const trial = new Trial(network({ loss: 0.5 }, 1500), { from: 0 });
    const missed = trial.missed(settingOf('rs:10,1'), 0, 100);
    expect(missed).toBeGreaterThan(100);
    expect(missed).toBeLessThan(130);
  });

  it('leaves outages aside when it is told to', () => {
    const trial = new Trial(patternOf([[100, 1], [1100, 129], [2100, 128]]), { from: 0, longest: 128 }); // prettier-ignore
    expect(trial.lost).toBe(129);
    expect(trial.missed(settingOf('rs:10,2'), 0)).toBe(128);
  });

  it('takes the latest losses only', () => {
    const pattern = patternOf([[100, 1], [1100, 3], [2100, 2], [3100, 5]]); // prettier-ignore
    const lost = (from: number, most: number): number => new Trial(pattern, { from, most }).lost;
    expect([lost(0, 100), lost(1101, 100), lost(0, 6), lost(0, 1), lost(4000, 100)]).toEqual([
      11, 9, 7, 5, 0,
    ]);
  });
});

describe('what is advised', () => {
  const advised = (
    pattern: LossPattern,
    more: { latencyMs?: number; present?: FecSetting } = {},
  ): RepairAdvice[] => advise(pattern, { from: 0, datagramsPerSecond: PER_SECOND, ...more });

  it('is nothing when nothing was lost, or not lately', () => {
    expect(advised(patternOf([]))).toEqual([]);
    const options = { from: 5000, datagramsPerSecond: PER_SECOND };
    expect(advise(patternOf([[100, 5]]), options)).toEqual([]);
  });

  it('is nothing when nothing helps: a cable was out', () =>
    expect(advised(patternOf([[1000, 5000]]))).toEqual([]));

  it('is one setting that does it all for losses that come alone', () => {
    const [only, ...others] = advised(patternOf([[1000, 1], [3000, 1], [9000, 1]])); // prettier-ignore
    expect(only).toEqual({
      setting: 'rs:48,1',
      repairedShare: 1,
      overheadShare: 1 / 48,
      delayMs: (49 / PER_SECOND) * 1000,
    });
    expect(others).toEqual([]);
  });

  const networks: [name: string, options: NetworkOptions][] = [
    ['1 % of loss', { loss: 0.01 }],
    ['5 % of loss', { loss: 0.05 }],
    ['10 % of loss', { loss: 0.1 }],
    ['40 % of loss', { loss: 0.4 }],
    ['bursts of 3', { burstLoss: { rate: 0.01, meanBurst: 3 } }],
    ['bursts of 12', { burstLoss: { rate: 0.01, meanBurst: 12 } }],
    ['bursts of 60', { burstLoss: { rate: 0.05, meanBurst: 60 } }],
  ];
  for (const [name, options] of networks) {
    for (const latencyMs of [100, 200, Infinity]) {
      it(`against ${name} repairs more and more for more and more, with ${latencyMs} ms of latency`, () => {
        const pattern = network(options, 2000);
        const trial = new Trial(pattern, { from: 0, most: 1500 });
        const advice = advised(pattern, { latencyMs });
        expect(advice.length).toBeLessThanOrEqual(4);
        for (const [place, { setting, repairedShare: share, overheadShare, delayMs }] of advice.entries()) {
          const before = advice[place - 1];
          expect(share).toBeGreaterThan(before?.repairedShare ?? 0);
          expect(share).toBe(repairedShare(trial, settingOf(setting)));
          expect(overheadShare).toBeLessThanOrEqual(MOST_OVERHEAD);
          expect(delayMs).toBeCloseTo((repairWait(settingOf(setting)) * 1000) / PER_SECOND);
          if (!before) continue;
          if (delayMs <= latencyMs || before.delayMs > latencyMs)
            expect(overheadShare).toBeGreaterThanOrEqual(before.overheadShare);
          if (before.delayMs > latencyMs) expect(delayMs).toBeGreaterThan(latencyMs);
        }
      });
    }
  }

  it('ends with what repairs everything, if anything does', () => {
    for (const options of [{ loss: 0.02 }, { burstLoss: { rate: 0.005, meanBurst: 4 } }])
      expect(advised(network(options, 2000)).at(-1)?.repairedShare).toBe(1);
  });

  it('needs more latency only where nothing shorter does as well', () => {
    const bursts = patternOf(Array.from({ length: 40 }, (_, n) => [1013 * n, n % 5 ? 12 : 40] as const));
    const [last, ...others] = advised(bursts, { latencyMs: 200 }).toReversed();
    expect(last).toMatchObject({ repairedShare: 1 });
    expect(last?.delayMs).toBeGreaterThan(200);
    expect(others.length).toBeGreaterThan(0);
    for (const { delayMs } of others) expect(delayMs).toBeLessThanOrEqual(200);
    const cheapest = advised(bursts).at(-1);
    expect(cheapest).toMatchObject({ repairedShare: 1, setting: last?.setting });
  });

  it('is better than the present setting, or as good and cheaper', () => {
    const pattern = network({ loss: 0.02 }, 2000);
    const all = advised(pattern);
    const [best] = all.toReversed();
    expect(advised(pattern, { present: settingOf(best?.setting ?? '') })).toEqual([]);
    const better = advised(pattern, { present: settingOf('rs:10,1') });
    expect(better.length).toBeGreaterThan(0);
    const present = repairedShare(new Trial(pattern, { from: 0, most: 1500 }), settingOf('rs:10,1'));
    for (const { repairedShare: share } of better) expect(share).toBeGreaterThan(present);
    expect(advised(pattern, { present: settingOf('rs:10,5') }).map(({ setting }) => setting)).toEqual([
      best?.setting,
    ]);
  });

  it('takes at most some 20 ms to work out', () => {
    const pattern = network({ loss: 0.2 }, 2000);
    let leastMs = Infinity;
    for (let attempt = 0; attempt < 12; attempt++) {
      const before = performance.now();
      advised(pattern, { latencyMs: 200 });
      leastMs = Math.min(leastMs, performance.now() - before);
    }
    expect(leastMs).toBeLessThan(60); // three times that, for slow machines
  });
});

describe('how long a loss waits', () => {
  const waits: [setting: string, wait: number][] = [
    ['2022:5x10', 50 + 4 * 9],
    ['2022:10x5+rows', 50 + 9 * 4],
    ['rs:20,5', 20 + 16 + 1],
    ['rs:20,5,4', 80 + 76 - 3 + 1],
    ['rs:10,1', 10 + 0 + 1],
  ];
  for (const [setting, wait] of waits)
    it(`for ${setting} is ${wait} datagrams`, () => expect(repairWait(settingOf(setting))).toBe(wait));
});
