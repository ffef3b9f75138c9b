import { describe, expect, it } from 'vitest';
import { defaulted, flag, optionName, readValues, repeated, single } from '../../cli/command.ts';
import { nearest } from '../../cli/nearest.ts';
import { duration, integer, text } from '../../cli/values.ts';

const hour = duration(0, 3_600_000);
const spec = {
  name: 'cast',
  arguments: { source: single('FILE', text, 'what') },
  options: {
    to: repeated('ADDRESS', text, 'where to'),
    latency: defaulted(single('TIME', hour, 'how long'), '200ms'),
    duration: single('TIME', hour, 'at most'),
    asIs: flag('unchanged'),
    loop: flag('again'),
  },
};
const empty = { to: [], latency: 200, duration: undefined, asIs: false, loop: false };

const read: [name: string, line: string, values: object][] = [
  ['an argument alone', 'a.ts', { source: 'a.ts' }],
  ['an option with its value', 'a.ts --latency 1s', { source: 'a.ts', latency: 1000 }],
  ['a value after =', 'a.ts --latency=1s', { source: 'a.ts', latency: 1000 }],
  ['a value with = in it', 'a.ts --to=a=b', { source: 'a.ts', to: ['a=b'] }],
  ['options before the argument', '--loop a.ts', { source: 'a.ts', loop: true }],
  ['a repeated option, in order', 'a.ts --to x --to y', { source: 'a.ts', to: ['x', 'y'] }],
  ['the last of two values', 'a.ts --latency 1s --latency 2s', { source: 'a.ts', latency: 2000 }],
  ['a switch of two words', 'a.ts --as-is', { source: 'a.ts', asIs: true }],
  ['a switch turned off again', 'a.ts --loop --no-loop', { source: 'a.ts', loop: false }],
  ['standard input', '-', { source: '-' }],
  ['a name with dashes after --', '-- --loop', { source: '--loop' }],
];
const refused: [name: string, line: string, message: RegExp, details: object][] = [
  ['an unknown option', 'a.ts --looop', /--looop is not an option of lancast cast/, { meant: '--loop' }],
  ['an option far from all', 'a.ts --zzzzzz', /--zzzzzz is not an option/, { command: 'cast' }],
  ['an unknown short option', 'a.ts -x', /-x is not an option/, {}],
  [
    'a value that does not fit',
    'a.ts --latency 5x',
    /^--latency 5x does not fit$/,
    { value: '5x', command: 'cast' },
  ],
  ['a missing value', 'a.ts --latency', /--latency needs a value/, {}],
  ['an option as a value', 'a.ts --latency --loop', /--latency needs a value/, {}],
  ['a value for a switch', 'a.ts --loop=yes', /--loop takes no value/, {}],
  ['a missing argument', '--loop', /FILE is missing/, { command: 'cast' }],
  ['a word too many', 'a.ts b.ts', /"b.ts" is one word too many/, {}],
  ['--no- before an option with a value', 'a.ts --no-latency', /--no-latency is not an option/, {}],
];

describe('readValues', () => {
  for (const [name, line, values] of read) {
    it(`reads ${name}`, () => expect(readValues(line.split(' '), spec)).toEqual({ ...empty, ...values }));
  }
  for (const [name, line, message, details] of refused) {
    it(`refuses ${name}`, () => {
      expect(() => readValues(line.split(' '), spec)).toThrow(
        expect.objectContaining({
          code: 'E001',
          message: expect.stringMatching(message),
          details: expect.objectContaining(details),
        }),
      );
    });
  }
  it('gives an argument that takes all the rest every word', () => {
    const arguments_ = { ports: repeated('PORT', integer(1, 9), 'which') };
    expect(readValues(['1', '2'], { name: 'x', arguments: arguments_, options: {} })).toEqual({
      ports: [1, 2],
    });
    expect(() => readValues([], { name: 'x', arguments: arguments_, options: {} })).toThrow(
      /PORT is missing/,
    );
  });
  describe('with a row behind an argument that takes several words', () => {
    const both = { urls: repeated('URL', text, 'which'), out: single('OUT', text, 'where') };
    const rest = { name: 'x', arguments: both, options: { loop: flag('again') } };
    const lines: [line: string, urls: string[]][] = [
      ['a out', ['a']],
      ['a b c out', ['a', 'b', 'c']],
      ['a --loop b out', ['a', 'b']],
      ['a -- b out', ['a', 'b']],
    ];
    for (const [line, urls] of lines) {
      it(`leaves the last word of "${line}" to it`, () => {
        expect(readValues(line.split(' '), rest)).toMatchObject({ urls, out: 'out' });
      });
    }
    const missing: [argv: string[], placeholder: string][] = [
      [[], 'URL'],
      [['a'], 'OUT'],
    ];
    for (const [argv, placeholder] of missing) {
      it(`misses ${placeholder} with ${argv.length} words`, () => {
        expect(() => readValues(argv, rest)).toThrow(`${placeholder} is missing`);
      });
    }
  });
  it('gives a missing argument its default', () => {
    const arguments_ = { out: defaulted(single('OUT', text, 'where'), '-') };
    expect(readValues([], { name: 'x', arguments: arguments_, options: {} })).toEqual({ out: '-' });
  });
});

describe('names', () => {
  it('are typed with dashes', () => expect(optionName('asIs')).toBe('--as-is'));

  const near: [typed: string, meant: string | undefined][] = [
    ['sned', 'send'],
    ['recrod', 'record'],
    ['wtach', 'watch'],
    ['SEND', 'send'],
    ['probee', 'probe'],
    ['frobnicate', undefined],
    ['x', undefined],
  ];
  for (const [typed, meant] of near) {
    it(`takes ${typed} for ${meant ?? 'nothing known'}`, () => {
      expect(nearest(typed, ['send', 'watch', 'record', 'probe', 'stats', 'demo'])).toBe(meant);
    });
  }
});
