import { describe, expect, it } from 'vitest';
import { whatIsMissing, type RecordedStream } from '../../cli/missing.ts';
import { snapshotOf } from '../helpers/snapshots.ts';

const whole = { droppedBytes: 0, gaps: 0 };
const cases: [name: string, stream: Partial<RecordedStream>, sentences: RegExp[]][] = [
  ['nothing of a complete recording', {}, []],
  ['nothing when the first index is known to be 0', { snapshot: snapshotOf({ missingBefore: 0 }) }, []],
  [
    'what was lost',
    { snapshot: snapshotOf({ lost: 12, recovered: 7, unrecovered: 5 }) },
    [/^5 datagrams lost on the way and not repaired \(0\.50 %\)$/],
  ],
  ['one lost datagram', { snapshot: snapshotOf({ lost: 1, unrecovered: 1 }) }, [/^1 datagram lost/]],
  [
    'what our own buffer dropped',
    { snapshot: snapshotOf({ kernelDrops: 3, unrecovered: 3 }) },
    [/^3 datagrams lost/, /^3 datagrams dropped by this PC's own receive buffer: sudo sysctl/],
  ],
  [
    'what was dropped while this PC was too busy',
    { snapshot: snapshotOf({ kernelDrops: 3, overruns: 1, unrecovered: 3 }) },
    [/^3 datagrams lost/, /^3 datagrams dropped because this PC was too busy \(1 time\): give it less/],
  ],
  ['nothing of a busy time that cost nothing', { snapshot: snapshotOf({ kernelDrops: 0, overruns: 2 }) }, []],
  ['a late start', { snapshot: snapshotOf({ missingBefore: 200 }) }, [/began late: 200 datagrams/]],
  [
    'what the disk refused',
    { recording: { droppedBytes: 2_000_000, gaps: 1 } },
    [/^2\.0 MB arrived and could not be written$/],
  ],
  [
    'holes in the source',
    { snapshot: snapshotOf({ continuityErrors: 2 }) },
    [/2 continuity errors.*missing in the source/],
  ],
  ['nothing twice', { snapshot: snapshotOf({ continuityErrors: 2, unrecovered: 2 }) }, [/^2 datagrams lost/]],
  ['an unproven tail', { proven: false }, [/its tail is missing is not known/]],
  [
    'that bare MPEG-TS cannot tell',
    { snapshot: snapshotOf({ lossMayBeUnderstated: true, continuityErrors: 1 }), proven: false },
    [/^1 continuity error inside.*lost on the way, or missing in the source/, /no sequence numbers/],
  ],
];

describe('whatIsMissing', () => {
  for (const [name, stream, sentences] of cases) {
    it(`tells ${name}`, () => {
      const told = whatIsMissing({ snapshot: snapshotOf(), recording: whole, proven: true, ...stream });
      expect(told).toEqual(sentences.map((sentence) => expect.stringMatching(sentence)));
    });
  }
});
