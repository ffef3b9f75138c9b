import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  columnsOf,
  columnStart,
  levelOf,
  MAP_ROWS,
  minutesOf,
  rangeOf,
  secondsPerColumn,
  timeOf,
  totalsOf,
} from '../../web-viewer/page/loss-map.ts';
import { AT, lossSecond, NOW, reportOf } from './loss-report.ts';

const levels: [count: number, level: number][] = [
  [0, 0],
  [1, 1],
  [2, 2],
  [9, 2],
  [10, 3],
  [99, 3],
  [100, 4],
  [999, 4],
  [1000, 5],
  [1e9, 5],
];

describe('levelOf', () => {
  for (const [count, level] of levels)
    it(`puts ${count} on step ${level}`, () => expect(levelOf(count)).toBe(level));
});

const ranges: [watchedSeconds: number, range: number][] = [
  [1, 120],
  [120, 120],
  [121, 300],
  [300, 300],
  [301, 600],
  [600, 600],
];

describe('rangeOf', () => {
  for (const [watchedSeconds, range] of ranges)
    it(`goes back ${range} s when ${watchedSeconds} s are known`, () =>
      expect(rangeOf(reportOf([], { watchedSeconds }))).toBe(range));
});

const widths: [widthPx: number, range: number, span: number][] = [
  [1, 600, 60],
  [150, 600, 10],
  [300, 600, 3],
  [450, 600, 2],
  [839, 600, 2],
  [840, 600, 1],
  [4000, 600, 1],
  [300, 120, 1],
  [300, 300, 2],
];

describe('secondsPerColumn', () => {
  for (const [widthPx, range, span] of widths)
    it(`puts ${span} s into a column of ${range} s on ${widthPx} px`, () =>
      expect(secondsPerColumn(widthPx, range)).toBe(span));
});

describe('columnsOf', () => {
  it('has a column for each second in which there is anything', () => {
    const rows = [lossSecond(9, { network: 1 }), lossSecond(0, { recovered: 4, overruns: 1 })];
    const columns = columnsOf(reportOf(rows), 1);
    expect(
      columns.map(({ second, network, recovered, overruns }) => [second, network, recovered, overruns]),
    ).toEqual([
      [NOW - 9, 1, 0, 0],
      [NOW, 0, 4, 1],
    ]);
  });
  it('adds up the seconds of a column', () => {
    const rows = [lossSecond(2, { late: 1 }), lossSecond(1, { late: 2 }), lossSecond(0, { source: 3 })];
    // NOW is the first second of a column of five.
    expect(columnsOf(reportOf(rows), 5)).toMatchObject([
      { second: NOW - 5, late: 3, source: 0 },
      { second: NOW, late: 0, source: 3 },
    ]);
  });
  it('keeps the seconds of a column together while time goes on', () => {
    const before = columnsOf(reportOf([lossSecond(7, { network: 1 }), lossSecond(6, { network: 2 })]), 10);
    const after = columnsOf(
      reportOf([lossSecond(11, { network: 1 }), lossSecond(10, { network: 2 })], { second: NOW + 4 }),
      10,
    );
    expect(after).toEqual(before);
  });
  it('loses and makes up nothing, whatever the width', () => {
    const row = fc.record({
      ago: fc.nat(599),
      row: fc.constantFrom(...MAP_ROWS),
      count: fc.nat(2000),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(row, { selector: ({ ago }) => ago }),
        fc.integer({ min: 1, max: 2000 }),
        (all, width) => {
          const report = reportOf(all.map(({ ago, row, count }) => lossSecond(ago, { [row]: count })));
          const span = secondsPerColumn(width, 600);
          const columns = columnsOf(report, span);
          const starts = columns.map(({ second }) => second);
          expect(starts).toEqual(starts.map((start) => columnStart(start, span)));
          expect(starts).toEqual([...new Set(starts)].sort((a, b) => a - b));
          for (const name of MAP_ROWS) {
            const sum = columns.reduce((total, column) => total + column[name], 0);
            expect(sum).toBe(totalsOf(report)[name]);
            expect(sum).toBe(minutesOf(report).reduce((total, minute) => total + minute[name], 0));
          }
        },
      ),
      { seed: 1 },
    );
  });
});

describe('minutesOf', () => {
  it('has the minutes of the clock in which there is anything', () => {
    const rows = [
      lossSecond(400, { network: 5 }),
      lossSecond(8, { network: 1 }),
      lossSecond(7, { network: 2 }),
    ];
    const minutes = minutesOf(reportOf(rows));
    const clock = minutes.map(({ startMs, network }) => [
      new Date(startMs).toTimeString().slice(0, 8),
      network,
    ]);
    expect(clock).toEqual([
      ['13:55:00', 5],
      ['14:01:00', 1],
      ['14:02:00', 2],
    ]);
  });
});

describe('timeOf', () => {
  it('counts from the second that runs', () => {
    expect(timeOf(reportOf([]), NOW)).toBe(AT.getTime());
    expect(timeOf(reportOf([]), NOW - 60)).toBe(AT.getTime() - 60_000);
  });
});
