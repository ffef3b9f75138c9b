import { describe, expect, it } from 'vitest';
import { causesOf, lossSentences, repairLines, repairWords } from '../../cli/losses.ts';
import type { LossByCause, PathsSnapshot, RepairSnapshot, StreamSnapshot } from '../../wire/metrics.ts';
import { snapshotOf } from '../helpers/snapshots.ts';

const NONE: LossByCause = { network: 0, ownBuffer: 0, late: 0, overflow: 0, source: 0 };
const REPAIR: RepairSnapshot = { fec: 0, retransmitted: 0, asked: 0, refused: {}, advice: [] };

describe('causesOf', () => {
  it('lists all five, and nothing where they are not told apart', () => {
    const causes = { network: 1, ownBuffer: 2, late: 3, overflow: 4, source: 5 };
    expect(causesOf(snapshotOf({ causes })).map(({ kind, count }) => [kind, count])).toEqual(
      Object.entries(causes),
    );
    expect(causesOf(snapshotOf())).toEqual([]);
  });
  it('has a remedy for all that is not the network', () => {
    for (const { kind, remedy } of causesOf(snapshotOf({ causes: NONE })))
      expect([kind, remedy === undefined]).toEqual([kind, kind === 'network']);
  });
  it('does not say network where it may have been the source', () => {
    const [network] = causesOf(snapshotOf({ causes: NONE, framing: 'udp', lossMayBeUnderstated: true }));
    expect(network?.name).toBe('network or source');
  });
});

const lost: [name: string, changes: Partial<StreamSnapshot>, sentences: string[]][] = [
  ['nothing of a stream that came whole', { causes: NONE }, []],
  ['nothing of what was repaired', { causes: NONE, lost: 9, recovered: 9 }, []],
  [
    'where datagrams were lost',
    { unrecovered: 6, causes: { ...NONE, network: 3, ownBuffer: 2, late: 1 }, kernelDrops: 2 },
    [
      "6 datagrams lost and not repaired (0.60 %): 3 in the network, 2 in this PC's own receive buffer, 1 too late",
      "2 datagrams dropped by this PC's own receive buffer: sudo sysctl -w net.core.rmem_max=33554432",
      '1 datagram too late: a larger --latency waits for them',
    ],
  ],
  [
    'that FEC comes too late for what is waited for',
    {
      unrecovered: 6,
      causes: { ...NONE, network: 6 },
      repair: { ...REPAIR, setting: '2022:10x10', tooSlowMs: 561 },
    },
    [
      '6 datagrams lost and not repaired (0.60 %), in the network',
      'FEC 10×10 takes up to 561 ms to repair, longer than is waited for: receive with --latency 650ms',
    ],
  ],
  [
    'what there was no room to wait for',
    { unrecovered: 10, causes: { ...NONE, overflow: 10 } },
    [
      '10 datagrams lost and not repaired (0.99 %), given up early',
      '10 datagrams given up early: there was no room to wait for so long at this rate: choose a smaller --latency',
    ],
  ],
  [
    'holes in the source, once',
    { continuityErrors: 2, causes: { ...NONE, source: 2 } },
    [
      '2 breaks of continuity: missing before the stream was sent: look for damage in the file, or upstream of the sender',
    ],
  ],
  [
    'breaks of bare MPEG-TS',
    { continuityErrors: 2, framing: 'udp', lossMayBeUnderstated: true, causes: { ...NONE, network: 2 } },
    ['2 continuity errors inside the stream: packets lost on the way, or missing in the source'],
  ],
];

describe('lossSentences', () => {
  for (const [name, changes, sentences] of lost) {
    const { unrecovered = 0 } = changes;
    it(`tells ${name}`, () =>
      expect(lossSentences(snapshotOf({ packets: 1000, lost: unrecovered, ...changes }))).toEqual(sentences));
  }
});

function pathsOf(saved: number, receivedOnSecond: number): PathsSnapshot {
  return {
    both: 90,
    neither: 1,
    paths: [
      { received: 95, saved, lost: 4, foreign: 0 },
      { received: receivedOnSecond, saved: 3, lost: 6, foreign: 0 },
    ],
  };
}

const repaired: [name: string, changes: Partial<StreamSnapshot>, words: string | undefined][] = [
  ['nothing where nothing is repaired', {}, undefined],
  ['that nothing had to be repaired', { repair: REPAIR }, '0 by FEC, 0 sent again'],
  [
    'by which means',
    { repair: { ...REPAIR, fec: 9, retransmitted: 3, asked: 5, setting: '2022:10x5' } },
    '9 by FEC (10×5), 3 sent again (5 asked for)',
  ],
  [
    'repair packets of no use',
    { repair: { ...REPAIR, refused: { 'bad-version': 4, 'too-short': 0 } } },
    '0 by FEC, 0 sent again, repair packets of no use: bad version 4',
  ],
  ['what each path saved', { paths: pathsOf(5, 93) }, '5 only on the first path, 3 only on the second'],
  ['that a path brought nothing', { paths: pathsOf(0, 0) }, 'nothing came on the second path'],
];

describe('repairLines', () => {
  const advice = [{ setting: 'rs:20,5', repairedShare: 1, overheadShare: 0.25, delayMs: 310 }];
  it('tell what repair did, and what would have helped', () =>
    expect(repairLines(snapshotOf({ lost: 3, repair: { ...REPAIR, fec: 2, advice } }), 200)).toEqual([
      '    repaired     2 by FEC, 0 sent again',
      '  ➜ advice       RS 20+5 would have repaired all of it, for 25 % more data: send with --fec rs:20,5, receive with --latency 320ms',
    ]));
  it('tell nothing of a stream that came whole by one path', () =>
    expect(repairLines(snapshotOf({ repair: REPAIR }), 200)).toEqual([]));
});

describe('repairWords', () => {
  for (const [name, changes, words] of repaired)
    it(`tells ${name}`, () => expect(repairWords(snapshotOf(changes))).toBe(words));
});
