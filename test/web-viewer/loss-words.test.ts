import { describe, expect, it } from 'vitest';
import { columnsOf } from '../../web-viewer/page/loss-map.ts';
import {
  adviceWords,
  columnWords,
  rowName,
  summaryWords,
  type LossyStream,
} from '../../web-viewer/page/loss-words.ts';
import type { LossReport, LossSecond, RepairSnapshot } from '../../wire/metrics.ts';
import { lossSecond, NOW, reportOf } from './loss-report.ts';

const PLAIN: LossyStream = { unrecovered: 0, lossMayBeUnderstated: false };
const BARE: LossyStream = { unrecovered: 0, lossMayBeUnderstated: true };

function repairedBy(fec: number, retransmitted: number): LossyStream {
  const repair: RepairSnapshot = { fec, retransmitted, asked: retransmitted, refused: {}, advice: [] };
  return { ...PLAIN, repair };
}

function wordsNow(row: Partial<LossSecond>, stream = PLAIN): string {
  const report = reportOf([lossSecond(0, row)]);
  return columnWords(columnsOf(report, 1)[0], { report, second: NOW, seconds: 1 }, stream);
}

const columns: [name: string, row: Partial<LossSecond>, stream: LossyStream, words: string][] = [
  [
    'what was lost and brought back',
    { network: 12, recovered: 9 },
    repairedBy(9, 0),
    '14:02:07: 12 lost in the network, 9 brought back by FEC',
  ],
  [
    'what was sent again',
    { recovered: 9 },
    repairedBy(0, 20),
    '14:02:07: 9 brought back by being sent again',
  ],
  ['no means when there were two', { recovered: 9 }, repairedBy(3, 20), '14:02:07: 9 brought back'],
  [
    'every cause',
    { ownBuffer: 1, late: 2, overflow: 3, source: 4, overruns: 1 },
    PLAIN,
    '14:02:07: 1 lost in this computer’s own buffer, 2 came too late, 3 given up early for want of room, ' +
      '4 missing in the source already, this computer was too busy (once)',
  ],
  [
    'a busy time that cost nothing',
    { overruns: 2 },
    PLAIN,
    '14:02:07: nothing lost, this computer was too busy (2 times)',
  ],
  [
    'breaks of bare MPEG-TS',
    { network: 3 },
    BARE,
    '14:02:07: 3 breaks of continuity, in the network or the source',
  ],
];

describe('columnWords', () => {
  for (const [name, row, stream, words] of columns)
    it(`says ${name}`, () => expect(wordsNow(row, stream)).toBe(words));

  const places: [name: string, report: LossReport, second: number, seconds: number, words: string][] = [
    ['that nothing was lost', reportOf([]), NOW - 1, 1, '14:02:06: nothing lost'],
    ['from when to when', reportOf([]), NOW - 10, 5, '14:01:57 to 14:02:01: nothing lost'],
    ['nothing of the time to come', reportOf([]), NOW - 1, 5, '14:02:06 to 14:02:07: nothing lost'],
    [
      'that it was not received yet',
      reportOf([], { watchedSeconds: 60 }),
      NOW - 60,
      1,
      '14:01:07: this stream was not being received yet',
    ],
    [
      'what came in the first second',
      reportOf([], { watchedSeconds: 60 }),
      NOW - 59,
      1,
      '14:01:08: nothing lost',
    ],
  ];
  for (const [name, report, second, seconds, words] of places)
    it(`says ${name}`, () => expect(columnWords(undefined, { report, second, seconds }, PLAIN)).toBe(words));
});

const summaries: [name: string, rows: LossSecond[], stream: LossyStream, words: string][] = [
  ['that nothing was lost', [], PLAIN, 'Nothing was lost in the last 10 minutes.'],
  [
    'nothing of a busy time that cost nothing',
    [lossSecond(1, { overruns: 1 })],
    PLAIN,
    'Nothing was lost in the last 10 minutes.',
  ],
  [
    'that all was brought back',
    [lossSecond(1, { recovered: 120 })],
    repairedBy(120, 0),
    'Nothing was lost for good in the last 10 minutes. 120 datagrams were lost and brought back by FEC.',
  ],
  [
    'one cause',
    [lossSecond(1, { network: 1 })],
    PLAIN,
    '1 datagram lost for good in the last 10 minutes, in the network.',
  ],
  [
    'several causes, holes and repair',
    [lossSecond(9, { network: 5, source: 2 }), lossSecond(1, { ownBuffer: 2, recovered: 1 })],
    PLAIN,
    '7 datagrams lost for good in the last 10 minutes: 5 in the network, 2 in this computer’s own buffer. ' +
      '2 holes were in the source already. 1 datagram was lost and brought back.',
  ],
  [
    'that only the source had holes',
    [lossSecond(9, { source: 1 })],
    PLAIN,
    'Nothing was lost for good in the last 10 minutes. One hole was in the source already.',
  ],
  [
    'breaks of bare MPEG-TS',
    [lossSecond(9, { network: 5 })],
    BARE,
    '5 breaks of continuity in the last 10 minutes, in the network or the source.',
  ],
  [
    'what shape it has',
    [0, 60, 120, 180, 240].map((ago) => lossSecond(ago, { network: 30 })),
    PLAIN,
    '150 datagrams lost for good in the last 10 minutes, in the network. Losses come every 60 s. ' +
      'They came in 5 bursts: on average 30 datagrams within a second.',
  ],
];

describe('summaryWords', () => {
  for (const [name, rows, stream, words] of summaries)
    it(`says ${name}`, () => expect(summaryWords(reportOf(rows), stream)).toBe(words));
  it('claims no more time than the stream was received', () => {
    expect(summaryWords(reportOf([], { watchedSeconds: 45 }), PLAIN)).toBe(
      'Nothing was lost in the last 45 s.',
    );
  });
});

describe('other words', () => {
  it('do not blame the network where it may have been the source', () => {
    expect([rowName('network', PLAIN), rowName('network', BARE)]).toEqual(['Network', 'Network or source']);
  });
  it('advise in one sentence, or not at all', () => {
    const advice = [{ setting: 'rs:20,5', repairedShare: 1, overheadShare: 0.25, delayMs: 10 }];
    const repair: RepairSnapshot = { fec: 0, retransmitted: 0, asked: 0, refused: {}, advice };
    expect(adviceWords({ ...PLAIN, repair })).toBe(
      'RS 20+5 would have repaired all of it, for 25 % more data: send with --fec rs:20,5.',
    );
    const slow = { ...repair, setting: '2022:10x10', tooSlowMs: 561 };
    expect(adviceWords({ ...PLAIN, unrecovered: 1, repair: slow })).toBe(
      'FEC 10×10 takes up to 561 ms to repair, longer than is waited for: receive with --latency 650ms. RS 20+5 would have repaired all of it, for 25 % more data: send with --fec rs:20,5.',
    );
    expect(adviceWords(PLAIN)).toBeUndefined();
    expect(adviceWords(repairedBy(1, 1))).toBeUndefined();
  });
});
