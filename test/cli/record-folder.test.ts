import { describe, expect, it } from 'vitest';
import { missingByFile } from '../../cli/record-folder.ts';
import type { Recorded } from '../../cli/recording.ts';
import type { StreamSnapshot } from '../../wire/metrics.ts';
import { snapshotOf } from '../helpers/snapshots.ts';

function recorded(
  file: string,
  changes: Partial<StreamSnapshot>,
  proven: boolean,
): Recorded & { file: string } {
  return {
    file,
    snapshot: snapshotOf(changes),
    recording: { path: file, bytes: 0, sha256: undefined, gaps: 0, droppedBytes: 0 },
    ending: { reason: 'told', proven, lastedMs: 1000, waitedMs: 1000 },
    fault: undefined,
  };
}

const LOST: Partial<StreamSnapshot> = { lost: 1, unrecovered: 1 };
const cases: [
  name: string,
  streams: [changes: Partial<StreamSnapshot>, proven: boolean][],
  lines: RegExp[],
][] = [
  [
    'nothing of complete recordings',
    [
      [{}, true],
      [{}, true],
    ],
    [],
  ],
  [
    'whose datagrams were lost',
    [
      [{}, true],
      [LOST, true],
    ],
    [/^b\.ts: 1 datagram lost/],
  ],
  [
    'that nothing came',
    [
      [{ packets: 0, bytes: 0 }, false],
      [{}, true],
    ],
    [/^a\.ts: nothing came$/],
  ],
  [
    'once what is true of several',
    [
      [LOST, false],
      [{}, true],
      [{}, false],
    ],
    [/^a\.ts: 1 datagram lost/, /^a\.ts, c\.ts: the sender did not say/],
  ],
  [
    'the number of streams where there are many',
    Array.from({ length: 5 }, () => [{}, false] as [Partial<StreamSnapshot>, boolean]),
    [/^5 streams: the sender did not say/],
  ],
];

describe('missingByFile', () => {
  for (const [name, streams, lines] of cases) {
    it(`tells ${name}`, () => {
      const all = streams.map(([changes, proven], index) =>
        recorded(`${'abcdef'.charAt(index)}.ts`, changes, proven),
      );
      expect(missingByFile(all)).toEqual(lines.map((line) => expect.stringMatching(line)));
    });
  }
});
