import { describe, expect, it } from 'vitest';
import {
  cellsOf,
  formatColumns,
  formatFigure,
  formatTable,
  limitRow,
  median,
  ratioRow,
  verdict,
  worstOf,
  type Row,
} from './table.ts';

const compared = { work: 'send: CPU', unit: '% of a core', most: 0.35 };

describe('a row that compares', () => {
  it('meets its goal up to the limit itself', () => {
    const row = ratioRow({ ...compared, ours: 3.5, peer: { name: 'multicat', figure: 10 } });
    expect(row).toMatchObject({
      peer: 'multicat 10 % of a core',
      ratio: 0.35,
      goal: 'ratio ≤ 0.35',
      met: true,
    });
    expect(verdict(row)).toBe('met');
  });
  it('says how far it falls short', () => {
    const row = ratioRow({ ...compared, ours: 4.1, peer: { name: 'multicat', figure: 10 } });
    expect(verdict(row)).toBe('short of the goal: 0.41, goal ≤ 0.35');
  });
  it('names a peer that is absent, and judges nothing', () => {
    const row = ratioRow({
      ...compared,
      ours: 4.1,
      peer: { name: 'udpxy', figure: 'udpxy is not installed' },
    });
    expect(row.peer).toBe('udpxy is not installed');
    expect(row).not.toHaveProperty('ratio');
    expect(verdict(row)).toBe('not measured');
  });
  it('judges nothing by a figure that is not there', () => {
    for (const [ours, peer] of [
      [Number.NaN, 1],
      [1, Number.NaN],
      ['ended before it was measured', 1],
    ] as const) {
      const row = ratioRow({ ...compared, ours, peer: { name: 'multicat', figure: peer } });
      expect(row).not.toHaveProperty('met');
      expect(verdict(row)).toBe('not measured');
    }
  });
  it('compares without a goal where nothing is aimed at', () => {
    const row = ratioRow({ work: 'w', unit: 'µs', ours: 1, peer: { name: 'multicat', figure: 4 } });
    expect(cellsOf(row)).toEqual(['w', '1 µs', 'multicat 4 µs', '0.25', '', '']);
  });
  it('carries a note behind our figure', () => {
    const row = ratioRow({
      ...compared,
      ours: 1,
      peer: { name: 'udpxy', figure: 2 },
      note: 'all bytes came',
    });
    expect(row.lancast).toBe('1 % of a core (all bytes came)');
  });
});

describe('a row with a limit', () => {
  const cases: [name: string, ours: number, goal: { most: number } | { least: number }, result: string][] = [
    ['at the most that is allowed', 250, { most: 250 }, 'met'],
    ['above it', 251, { most: 250 }, 'short of the goal: 251 ms, goal ≤ 250 ms'],
    ['at the least that is wanted', 250, { least: 250 }, 'met'],
    ['below it', 24.96, { least: 250 }, 'short of the goal: 25.0 ms, goal ≥ 250 ms'],
    ['that was not measured', Number.NaN, { most: 250 }, 'not measured'],
  ];
  for (const [name, ours, goal, result] of cases) {
    it(`${name}: ${result}`, () =>
      expect(verdict(limitRow({ work: 'w', unit: 'ms', ours, goal }))).toBe(result));
  }
  it('shows a peer without comparing', () => {
    const row = limitRow({ work: 'w', unit: 'MB', ours: 80, goal: { most: 100 }, peer: 'multicat 2 MB' });
    expect(cellsOf(row)).toEqual(['w', '80 MB', 'multicat 2 MB', '', '≤ 100 MB', 'met']);
  });
});

it('a row without a goal has no verdict', () => {
  expect(verdict({ work: 'parse', lancast: '90 ns' })).toBe('');
});

it('a row that others made falls short by its own figure', () => {
  const row: Row = { work: 'chain', lancast: '0.87 M/s', goal: '≥ 1 M/s', met: false };
  expect(verdict(row)).toBe('short of the goal: 0.87 M/s, goal ≥ 1 M/s');
});

describe('a figure', () => {
  const cases: [figure: number | string, unit: string, text: string][] = [
    [0.1234, 'MB', '0.12 MB'],
    [12.34, '%', '12.3 %'],
    [1234.5, 'µs', '1235 µs'],
    [3, 'datagrams', '3 datagrams'],
    [0, '', '0'],
    [Number.NaN, 'ms', 'not measured'],
    [Number.POSITIVE_INFINITY, 'ms', 'not measured'],
    ['VLC is not installed', 'ms', 'VLC is not installed'],
  ];
  for (const [figure, unit, text] of cases) {
    it(`${figure} is written "${text}"`, () => expect(formatFigure(figure, unit)).toBe(text));
  }
});

it('the median is the middle one, the upper one of two, and nothing of nothing', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([1, 2])).toBe(2);
  expect(median([])).toBeNaN();
});

it('the median leaves out what was not measured', () => {
  expect(median([9, Number.NaN, 1, 5])).toBe(5);
  expect(median([Number.NaN, Number.NaN])).toBeNaN();
});

describe('the worst of some runs', () => {
  const cases: [counts: (number | undefined)[], words: string][] = [
    [[0, 0, 0], '0 missing'],
    [[0, 5, 2], '5 missing'],
    [[0, undefined, 2], '2 missing, measured in 2 of 3 runs'],
    [[undefined, undefined], 'missing: not measured'],
    [[], 'missing: not measured'],
  ];
  for (const [counts, words] of cases) {
    it(`${JSON.stringify(counts)} is written "${words}"`, () =>
      expect(worstOf(counts, 'missing')).toBe(words));
  }
});

it('columns are as wide as their widest cell', () => {
  const text = formatColumns(
    ['a', 'long head'],
    [
      ['wide cell', 'x'],
      ['b', ''],
    ],
  );
  expect(text.split('\n')).toEqual(['a          long head', '---------  ---------', 'wide cell  x', 'b']);
});

it('the table has a line for each row', () => {
  const row = limitRow({ work: 'start', unit: 'ms', ours: 300, goal: { most: 250 } });
  expect(formatTable([row]).split('\n')[2]).toMatch(
    /^start +300 ms +≤ 250 ms +short of the goal: 300 ms, goal ≤ 250 ms$/,
  );
});
