import { expect, it } from 'vitest';
import type { Machine } from './machine.ts';
import { formatReport, tally, toJson, toMarkdown, type Report } from './report.ts';

const machine: Machine = {
  date: '2026-11-22',
  cpu: 'A processor',
  cores: 2,
  memoryGb: 25,
  kernel: '6.18',
  system: 'Debian',
  node: 'v20.20.2',
  engine: 'native: it was built for this system',
  realTimePriority: false,
  receiveBufferDefaultBytes: 212_992,
  receiveBufferMostBytes: 4_194_304,
  recordings: 'memory',
  loadBefore: 0.05,
  peers: { multicat: '2.3-1', udpxy: null },
};
const report: Report = {
  machine,
  sections: [
    {
      title: 'Send',
      rows: [
        { work: 'cost', lancast: '1 %', peer: 'multicat 4 %', ratio: 0.25, goal: 'ratio ≤ 0.35', met: true },
        { work: 'start', lancast: '300 ms', goal: '≤ 250 ms', met: false },
        { work: 'fan-out', lancast: '1 %', peer: 'udpxy is not installed', goal: 'ratio ≤ 0.20' },
        { work: 'parse | write', lancast: '90 ns' },
      ],
      tables: [{ title: 'Side by side', head: ['sender', 'CPU'], lines: [['VLC', '9']] }],
    },
  ],
};

it('counts the goals that are met, that are not, and that nobody could measure', () => {
  expect(tally(report)).toEqual({ goals: 3, met: 1, short: 1, unmeasured: 1 });
});

it('writes the same rows for programs, each with its verdict', () => {
  const { sections, machine: described } = JSON.parse(toJson(report));
  expect(described).toEqual(machine);
  expect(sections[0].rows.map(({ verdict }: { verdict: string }) => verdict)).toEqual([
    'met',
    'short of the goal: 300 ms, goal ≤ 250 ms',
    'not measured',
    '',
  ]);
});

it('makes a page with the machine, the rows and the tables', () => {
  const lines = toMarkdown(report).split('\n');
  expect(lines).toContain('| processor | A processor, 2 cores |');
  expect(lines).toContain('| receive buffer | 208 KiB by default, 4096 KiB at most |');
  expect(lines).toContain('| peers | multicat 2.3-1, udpxy is not installed |');
  expect(lines).toContain('## Send');
  expect(lines).toContain('| cost | 1 % | multicat 4 % | 0.25 | ratio ≤ 0.35 | met |');
  expect(lines).toContain('| start | 300 ms |  |  | ≤ 250 ms | short of the goal: 300 ms, goal ≤ 250 ms |');
  expect(lines).toContain('| fan-out | 1 % | udpxy is not installed |  | ratio ≤ 0.20 | not measured |');
  expect(lines).toContain('| VLC | 9 |');
  expect(lines).toContain('3 goals: 1 met, 1 short, 1 not measured.');
});

it('keeps a bar in a cell from making two of it', () => {
  expect(toMarkdown(report)).toContain(String.raw`| parse \| write | 90 ns |`);
});

it('prints it all for a terminal, the result last', () => {
  const text = formatReport(report);
  expect(text).toMatch(/^date +2026-11-22\n/);
  expect(text).toMatch(/── Send\n\nwork /);
  expect(text).toMatch(/Side by side\nsender +CPU\n/);
  expect(text.endsWith('3 goals: 1 met, 1 short, 1 not measured.')).toBe(true);
});
