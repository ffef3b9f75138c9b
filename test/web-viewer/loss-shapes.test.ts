import { describe, expect, it } from 'vitest';
import { shapesOf, type LossShape } from '../../web-viewer/page/loss-shapes.ts';
import type { LossSecond } from '../../wire/metrics.ts';
import { lossSecond, reportOf } from './loss-report.ts';

/** One loss of `network` at each of these seconds. */
function lossesAt(seconds: readonly number[], network = 1): LossSecond[] {
  return seconds.map((ago) => lossSecond(ago, { network }));
}

function every(period: number, times: number, from = 3): number[] {
  return Array.from({ length: times }, (_, at) => from + at * period);
}

const shapes: [name: string, losses: LossSecond[], found: LossShape[]][] = [
  ['nothing in nothing', [], []],
  ['nothing in a single loss', lossesAt([10]), []],
  ['what comes every minute', lossesAt(every(60, 10)), [{ kind: 'period', seconds: 60 }]],
  ['what comes every two minutes', lossesAt(every(120, 5)), [{ kind: 'period', seconds: 120 }]],
  ['what comes every 7 seconds', lossesAt(every(7, 40)), [{ kind: 'period', seconds: 7 }]],
  [
    'a period that is no whole number',
    lossesAt([0, 10, 21, 31, 42, 52, 63]),
    [{ kind: 'period', seconds: 11 }],
  ],
  [
    'a period in what was repaired',
    every(60, 6).map((ago) => lossSecond(ago, { recovered: 2 })),
    [{ kind: 'period', seconds: 60 }],
  ],
  ['no period in three losses', lossesAt(every(60, 3)), []],
  ['no period when one is missing', lossesAt([0, 60, 120, 240, 300]), []],
  ['no period when one is beside it', lossesAt([0, 60, 120, 180, 200, 240]), []],
  ['no period in loss all the time', lossesAt(every(1, 200)), []],
  ['no period where chance would do', lossesAt(every(5, 4)), []],
  ['nothing in holes of the source', every(60, 10).map((ago) => lossSecond(ago, { source: 30 })), []],
  [
    'bursts',
    lossesAt([10, 11, 95, 96, 400, 401], 20),
    [{ kind: 'bursts', times: 3, meanLost: 40, meanSeconds: 2 }],
  ],
  [
    'bursts that have a period',
    lossesAt(every(60, 8), 25),
    [
      { kind: 'period', seconds: 60 },
      { kind: 'bursts', times: 8, meanLost: 25, meanSeconds: 1 },
    ],
  ],
  ['no bursts in one', lossesAt([10], 500), []],
  ['no bursts in few losses', lossesAt([10, 47, 300], 9), []],
  ['no bursts when most of the time is lossy', lossesAt(every(3, 200), 50), []],
];

describe('shapesOf', () => {
  for (const [name, losses, found] of shapes)
    it(`sees ${name}`, () => expect(shapesOf(reportOf(losses))).toEqual(found));

  it('takes few random losses for a period', () => {
    let state = 11;
    const random = (): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32;
    let mistaken = 0;
    for (let round = 0; round < 5000; round++) {
      const share = 10 ** (-1 - 1.5 * random());
      const losses = lossesAt([...Array(600).keys()].filter(() => random() < share));
      if (shapesOf(reportOf(losses)).some(({ kind }) => kind === 'period')) mistaken++;
    }
    expect(mistaken).toBeLessThan(10);
  });

  it('counts seconds only as far back as the stream was watched', () => {
    const report = reportOf(lossesAt([2, 9, 20], 30), { watchedSeconds: 14 });
    expect(shapesOf(report)).toEqual([]);
  });
});
