import { describe, expect, it } from 'vitest';
import { tableLines } from '../../cli/table.ts';

describe('tableLines', () => {
  const cases: [name: string, leaning: string, rows: string[][], lines: string[]][] = [
    ['nothing of no rows', '<', [], []],
    [
      'words to the left and numbers to the right',
      '<>',
      [
        ['file', 'size'],
        ['a.ts', '1'],
        ['long.ts', '1 000'],
      ],
      ['file      size', 'a.ts         1', 'long.ts  1 000'],
    ],
    [
      'no blanks at the end of a line',
      '<<',
      [
        ['a', ''],
        ['b', 'long'],
      ],
      ['a', 'b  long'],
    ],
    ['nothing for cells that are missing', '<<', [['a'], ['b', 'c']], ['a', 'b  c']],
  ];
  for (const [name, leaning, rows, lines] of cases) {
    it(`draws ${name}`, () => expect(tableLines(leaning, rows)).toEqual(lines));
  }
});
