/** Two paths to one stream: each datagram goes on once, and it is known which path would have been enough. */
import { describe, expect, it } from 'vitest';
import { PathMerge, type Path } from '../../receiver/path-merge.ts';
import type { Endpoint } from '../../wire/address.ts';
import { payloadOf, SEQUENCE_STARTS, sequenceDatagram } from '../helpers/packets.ts';
import { numbered, SOURCES } from '../helpers/two-paths.ts';

const [FIRST, SECOND] = SOURCES;
const OTHER: Endpoint = { address: '10.0.0.9', port: 40_000 };

/** One datagram on one path; what became of it: `first`, `copy`, or as from whom else it goes on. */
type Step = readonly [path: Path, at: number, datagram: Buffer, source?: Endpoint];

function becomes(merge: PathMerge, steps: readonly Step[]): string[] {
  return steps.map(([path, at, datagram, source = SOURCES[path]]) => {
    const goesOn = merge.take(path, datagram, at, source);
    if (!goesOn) return 'copy';
    return goesOn.address === FIRST.address ? 'first' : goesOn.address;
  });
}

describe('merging two paths', () => {
  const cases: [name: string, steps: Step[], becomes: string[]][] = [
    [
      'drops what the other path brought',
      [
        [0, 0, numbered(0)],
        [1, 1, numbered(0)],
      ],
      ['first', 'copy'],
    ],
    [
      'takes each from where it comes first, as of one sender',
      [
        [0, 0, numbered(0)],
        [1, 1, numbered(1)],
        [0, 2, numbered(1)],
        [1, 3, numbered(0)],
      ],
      ['first', 'first', 'copy', 'copy'],
    ],
    [
      'leaves to others what a path itself repeats',
      [
        [0, 0, numbered(0)],
        [0, 1, numbered(0)],
      ],
      ['first', 'first'],
    ],
    [
      'drops one copy only',
      [
        [0, 0, numbered(0)],
        [1, 1, numbered(0)],
        [1, 2, numbered(0)],
      ],
      ['first', 'copy', 'first'],
    ],
    [
      'takes no other datagram with the same number for a copy',
      [
        [0, 0, numbered(7)],
        [1, 1, numbered(7, { timestamp: 123_456 })],
      ],
      ['first', 'first'],
    ],
    [
      'does not merge another stream',
      [
        [0, 0, numbered(0)],
        [1, 1, numbered(0, { ssrc: 2 })],
      ],
      ['first', SECOND.address],
    ],
    [
      'does not merge what another sender says is the stream',
      [
        [0, 0, numbered(0)],
        [0, 1, numbered(1), OTHER],
        [1, 2, numbered(2)],
        [1, 3, numbered(3), OTHER],
      ],
      ['first', OTHER.address, 'first', OTHER.address],
    ],
    [
      'follows a path that goes on from another address after a silence',
      [
        [0, 0, numbered(0)],
        [1, 1, numbered(0)],
        [0, 999, numbered(99)],
        [1, 1001, numbered(99), { ...OTHER, port: 7 }],
      ],
      ['first', 'copy', 'first', 'copy'],
    ],
    [
      'leaves to others what it cannot read',
      [
        [0, 0, numbered(0)],
        [1, 1, Buffer.alloc(3)],
        [1, 2, payloadOf(0)],
      ],
      ['first', SECOND.address, SECOND.address],
    ],
    [
      'knows a copy 450 ms later at 70 000 datagrams a second',
      [
        [0, 0, numbered(0)],
        [0, 450, numbered(31_500)],
        [1, 450, numbered(0)],
        [1, 900, numbered(31_500)],
      ],
      ['first', 'first', 'copy', 'copy'],
    ],
  ];
  for (const [name, steps, expected] of cases) {
    it(name, () => expect(becomes(new PathMerge(), steps)).toEqual(expected));
    it(`${name}, around each wrap`, () => {
      for (const sequence of SEQUENCE_STARTS) {
        const moved = steps.map(([path, at, datagram, source]): Step => {
          const copy = Buffer.from(datagram);
          if (copy.length > 12 && copy[0] === 0x80)
            copy.writeUInt16BE((copy.readUInt16BE(2) + sequence) % 65_536, 2);
          return source ? [path, at, copy, source] : [path, at, copy];
        });
        expect(becomes(new PathMerge(), moved)).toEqual(expected);
      }
    });
  }

  it('merges by the numbers of a sequence header', () => {
    const merge = new PathMerge('seq');
    const steps: Step[] = [0, 1, 3].map((index) => [0, index, sequenceDatagram(index)]);
    expect(becomes(merge, steps)).toEqual(['first', 'first', 'first']);
    const later: Step[] = [0, 1, 2, 3, 2 ** 31].map((index) => [1, 10 + index, sequenceDatagram(index)]);
    expect(becomes(merge, later)).toEqual(['copy', 'copy', 'first', 'copy', 'first']);
    expect(merge.figures(5000)).toMatchObject({ paths: [{ foreign: 0 }, { foreign: 0 }] });
  });

  it('follows the stream that plays', () => {
    const merge = new PathMerge();
    const second = { ssrc: 2, sequence: 30_000 };
    expect(
      becomes(merge, [
        [1, 0, numbered(0)],
        [0, 1, numbered(0, second)],
      ]),
    ).toEqual([SECOND.address, 'first']);
    merge.follow(2, FIRST);
    expect(
      becomes(merge, [
        [0, 2, numbered(1, second)],
        [1, 3, numbered(1, second)],
        [1, 4, numbered(1)],
      ]),
    ).toEqual(['first', 'copy', SECOND.address]);
    expect(merge.figures(5).paths.map(({ foreign }) => foreign)).toEqual([1, 1]);
  });

  it('tells which path is silent', () => {
    const merge = new PathMerge();
    expect(merge.figures(5).paths).toEqual(
      [0, 1].map(() => ({ received: 0, saved: 0, lost: 0, foreign: 0 })),
    );
    for (let i = 0; i < 500; i++) merge.take(0, numbered(i), i * 10, FIRST);
    expect(merge.figures(5000)).toMatchObject({
      both: 0,
      neither: 0,
      paths: [{ silentMs: 10, saved: 0 }, {}],
    });
    expect(merge.figures(5000).paths[1].silentMs).toBeUndefined();
    for (let i = 500; i < 600; i++)
      for (const path of [0, 1] as const) merge.take(path, numbered(i), i * 10, FIRST);
    for (let i = 600; i < 900; i++) merge.take(1, numbered(i), i * 10, FIRST);
    expect(merge.figures(10_000)).toMatchObject({
      both: 100,
      paths: [
        { silentMs: 4010, lost: 300, saved: 0, received: 600 },
        { silentMs: 1010, lost: 0, saved: 300 },
      ],
    });
  });
});
