import { describe, expect, it } from 'vitest';
import { problemsOf, reportOf } from '../../cli/probe.ts';
import { healthOf, lineOf, rowOf } from '../../cli/stats.ts';
import type { LossByCause, StreamSnapshot } from '../../wire/metrics.ts';
import { AAC, H264, snapshotOf } from '../helpers/snapshots.ts';

const problems: [name: string, changes: Partial<StreamSnapshot>, words: string[]][] = [
  ['a healthy stream', {}, []],
  ['a stream whose losses were all repaired', { lost: 9, recovered: 9 }, []],
  ['lost datagrams', { lost: 3, unrecovered: 3 }, ['datagrams lost: 3']],
  ['lost synchronisation', { syncLosses: 1 }, ['losses of synchronisation (TR 101 290, 1.1): 1']],
  ['broken sync bytes', { syncByteErrors: 1 }, ['sync byte errors (1.2): 1']],
  ['a missing PAT', { patErrors: 1 }, ['PAT errors (1.3): 1']],
  ['broken continuity', { continuityErrors: 4 }, ['continuity errors (1.4): 4']],
  ['a missing PMT', { pmtErrors: 1 }, ['PMT errors (1.5): 1']],
  ['a missing PID', { pidErrors: 1 }, ['PID errors (1.6): 1']],
  ['a bad clock', { pcrErrors: 1 }, ['PCR errors (2.3): 1']],
  ['garbage', { refused: { 'too-short': 2, 'not-ts': 1 } }, ['datagrams of no known kind: 3']],
  ['drops of the own buffer', { kernelDrops: 3 }, ["3 datagrams dropped by this PC's own receive buffer"]],
  [
    'drops while the PC was too busy',
    { kernelDrops: 3, overruns: 2 },
    ['3 datagrams dropped because this PC was too busy (2 times)'],
  ],
  ['a busy time that cost nothing', { kernelDrops: 0, overruns: 2 }, []],
  [
    'a second sender',
    { secondSender: '10.0.0.7:5004' },
    ['a second sender on the same group: 10.0.0.7:5004'],
  ],
];

describe('probe', () => {
  for (const [name, changes, words] of problems) {
    it(`${words.length === 0 ? 'finds nothing wrong with' : 'names'} ${name}`, () => {
      expect(problemsOf(snapshotOf(changes))).toEqual(words);
    });
  }
  it('reports on codecs, loss, jitter and bitrate', () => {
    const streams = [H264, { ...AAC, language: 'eng' }];
    const programmes = [{ number: 1, name: 'Lobby', pcrPid: 256, streams }];
    const known = { programmes, bitsPerSecond: 8_104_448, jitterMs: 1.2 };
    const text = reportOf(snapshotOf({ ...known, lost: 4, recovered: 4 }), []);
    expect(text).toMatch(/programme {3}1 "Lobby": H\.264 \(PID 256\), AAC eng \(PID 257\)/);
    expect(text).toMatch(/bitrate {5}8\.1 Mb\/s/);
    expect(text).toMatch(/jitter {6}1\.2 ms/);
    expect(text).toMatch(/4 lost \(0\.40 %\), 4 recovered/);
    expect(text).toMatch(/health {6}✓ well/);
  });
  it('reports what this PC itself dropped, where it is known', () => {
    expect(reportOf(snapshotOf(), [])).not.toContain('own loss');
    expect(reportOf(snapshotOf({ kernelDrops: 0 }), [])).toMatch(/own loss {4}none/);
    expect(reportOf(snapshotOf({ kernelDrops: 3 }), [])).toMatch(
      /own loss {4}3 datagrams dropped by this PC/,
    );
  });
  it('does not make up what is not known', () => {
    const { source: _, framing: __, ...unknown } = snapshotOf({ programmes: [] });
    const text = reportOf(unknown, ['datagrams lost: 3']);
    expect(text).toMatch(/jitter {6}–/);
    expect(text).toMatch(/✗ datagrams lost: 3/);
    expect(text).not.toMatch(/undefined|programme/);
  });
});

const NONE: LossByCause = { network: 0, ownBuffer: 0, late: 0, overflow: 0, source: 0 };

describe('probe, of what was lost', () => {
  it('names each cause, and what can be done about those that count', () => {
    const causes = { ...NONE, network: 9, ownBuffer: 3, late: 2 };
    const text = reportOf(snapshotOf({ causes, unrecovered: 14, kernelDrops: 3 }), []);
    expect(text).toContain(
      '  lost by     network 9, own buffer 3, late 2, given up early 0, hole in the source 0\n' +
        '              own buffer: sudo sysctl -w net.core.rmem_max=33554432\n' +
        '              late: a larger --latency waits for them\n',
    );
  });
  it('says so when nothing was', () => {
    expect(reportOf(snapshotOf({ causes: NONE }), [])).toMatch(/lost by {5}nothing\n/);
    expect(reportOf(snapshotOf(), [])).not.toMatch(/lost by|repair|advice/);
  });
  it('says what repair did, and what it could have done', () => {
    const advice = [{ setting: '2022:10x5', repairedShare: 1, overheadShare: 0.2, delayMs: 640 }];
    const repair = { fec: 9, retransmitted: 3, asked: 3, refused: {}, setting: '2022:5x10', advice };
    const text = reportOf(snapshotOf({ repair, lost: 12, recovered: 12 }), [], 200);
    expect(text).toMatch(/repair {6}9 by FEC \(5×10\), 3 sent again \(3 asked for\)\n/);
    expect(text).toMatch(
      /advice {6}10×5 would have repaired all of it, for 20 % more data\n {14}send with --fec 2022:10x5, receive with --latency 650ms\n/,
    );
  });
});

describe('stats', () => {
  const step = { at: new Date(0), intervalMs: 500 };
  it('counts between two snapshots', () => {
    const before = snapshotOf({ packets: 100, bytes: 131_600, lost: 5, unrecovered: 2, continuityErrors: 1 });
    const after = snapshotOf({ packets: 300, bytes: 394_800, lost: 9, unrecovered: 3, continuityErrors: 1 });
    expect(rowOf(before, after, step)).toMatchObject({
      bitsPerSecond: 4_211_200,
      packets: 200,
      lost: 4,
      unrecovered: 1,
      continuityErrors: 0,
    });
  });

  it('counts what this PC itself dropped, where that is known', () => {
    const after = snapshotOf({ kernelDrops: 5, overruns: 1 });
    expect(rowOf(snapshotOf({ kernelDrops: 2 }), after, step)).toMatchObject({ kernelDrops: 3, overruns: 1 });
    expect(rowOf(snapshotOf(), snapshotOf(), step)).toMatchObject({
      kernelDrops: undefined,
      overruns: undefined,
    });
  });

  it('tells losses by cause, and repair by kind', () => {
    const repair = { fec: 3, retransmitted: 1, asked: 1, refused: {}, advice: [] };
    const before = snapshotOf({ causes: { ...NONE, network: 5 }, repair });
    const after = snapshotOf({
      causes: { ...NONE, network: 3, late: 2, source: 1 },
      repair: { ...repair, fec: 10, retransmitted: 3 },
    });
    expect(rowOf(before, after, step)).toMatchObject({
      causes: { network: -2, ownBuffer: 0, late: 2, overflow: 0, source: 1 },
      recoveredFec: 7,
      recoveredNack: 2,
    });
    expect(rowOf(snapshotOf(), snapshotOf(), step)).toMatchObject({
      causes: undefined,
      recoveredFec: undefined,
      recoveredNack: undefined,
    });
  });

  /** A line without its time of day, of counters that were 0 before. */
  function lineWith(changes: Partial<StreamSnapshot>): string {
    const zero = snapshotOf({ packets: 0, bytes: 0 });
    const after = snapshotOf({ packets: 765, bytes: 506_528, jitterMs: 1.2, bufferMs: 198, ...changes });
    return lineOf(rowOf(zero, after, step)).slice(12);
  }
  const repair = { fec: 3, retransmitted: 1, asked: 1, refused: {}, advice: [] };
  const lines: [name: string, changes: Partial<StreamSnapshot>, line: string][] = [
    ['a good second', {}, '8.1 Mb/s  1.2 ms 0/765    (0 %)    0                0    198 ms good'],
    [
      'what was repaired, by kind',
      { lost: 4, recovered: 4, repair },
      '8.1 Mb/s  1.2 ms 4/765    (0.52 %) 4 (fec 3,nack 1) 0    198 ms good',
    ],
    [
      'what was lost, by cause',
      { lost: 9, recovered: 4, unrecovered: 5, repair, causes: { ...NONE, network: 3, ownBuffer: 2 } },
      '8.1 Mb/s  1.2 ms 9/770    (1.17 %) 4 (fec 3,nack 1) 0    198 ms fair: network 3,buffer 2',
    ],
    [
      'no more than all lost, while the rest is held behind what is missing',
      { packets: 3, bytes: 0, lost: 4, recovered: 4, repair: { ...repair, fec: 4, retransmitted: 0 } },
      '0 b/s     1.2 ms 4/4      (100 %)  4 (fec 4)        0    198 ms good',
    ],
    [
      'lateness in its own column alone',
      { lost: 50, unrecovered: 50, late: 50, causes: { ...NONE, late: 50 } },
      '8.1 Mb/s  1.2 ms 50/815   (6.13 %) 0                50   198 ms bad',
    ],
    [
      'breaks that may have been in the source',
      {
        continuityErrors: 2,
        framing: 'udp',
        lossMayBeUnderstated: true,
        causes: { ...NONE, network: 2 },
      },
      '8.1 Mb/s  1.2 ms 0/765    (0 %)    0                0    198 ms fair: network? 2',
    ],
    [
      'holes in the source',
      { continuityErrors: 2, causes: { ...NONE, source: 2 } },
      '8.1 Mb/s  1.2 ms 0/765    (0 %)    0                0    198 ms fair: source 2',
    ],
    [
      'drops that were repaired',
      { lost: 2, recovered: 2, kernelDrops: 2, causes: NONE },
      '8.1 Mb/s  1.2 ms 2/765    (0.26 %) 2                0    198 ms good, 2 dropped here',
    ],
  ];
  for (const [name, changes, line] of lines) {
    it(`prints ${name}`, () => {
      expect(lineWith(changes)).toBe(line);
      expect(line.length + 12).toBeLessThanOrEqual(100);
    });
  }

  const healths: [health: string, changes: Partial<StreamSnapshot>][] = [
    ['good', { packets: 1100 }],
    ['good', { packets: 1100, lost: 5, recovered: 5 }],
    ['fair', { packets: 2000, unrecovered: 1 }],
    ['bad', { packets: 1010, unrecovered: 1 }],
    ['bad', { unrecovered: 1 }],
    ['fair', { packets: 1100, continuityErrors: 1 }],
    ['silent', {}],
  ];
  for (const [health, changes] of healths) {
    it(`calls ${JSON.stringify(changes)} ${health}`, () => {
      expect(healthOf(rowOf(snapshotOf(), snapshotOf(changes), step))).toBe(health);
    });
  }
});
