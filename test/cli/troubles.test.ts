import { describe, expect, it } from 'vitest';
import { troublesOf, type Condition } from '../../cli/troubles.ts';
import type { PathsSnapshot } from '../../wire/metrics.ts';

const REPAIR = { fec: 0, retransmitted: 0, asked: 0, refused: {}, advice: [] };
const pathBehind = (behindMs: number) => ({
  received: 9,
  saved: 0,
  lost: 0,
  foreign: 0,
  behindMs,
  silentMs: 20,
});

/** Two paths whose last datagrams came so many milliseconds ago. */
function pathsSilent(...silentMs: [number | undefined, number | undefined]): PathsSnapshot {
  const [first, second] = silentMs.map((each) => ({
    received: 1,
    saved: 0,
    lost: 0,
    foreign: 0,
    ...(each !== undefined && { silentMs: each }),
  }));
  if (!first || !second) throw new Error('two paths');
  return { both: 0, neither: 0, paths: [first, second] };
}

const well: Condition['snapshot'] = { packets: 9, state: 'playing', silentMs: 20 };
const cases: [name: string, condition: Partial<Condition>, troubles: object[]][] = [
  ['none for a stream that plays', {}, []],
  ['none for a stream that is just opened', { snapshot: { packets: 0, state: 'waiting' }, openMs: 4999 }, []],
  [
    'silence when nothing came for five seconds',
    { snapshot: { packets: 0, state: 'waiting' }, openMs: 5000 },
    [{ name: 'silence', silentMs: 5000 }],
  ],
  [
    'silence when nothing comes any more',
    { snapshot: { ...well, state: 'silent', silentMs: 6000 } },
    [{ name: 'silence', silentMs: 6000 }],
  ],
  ['none after a goodbye', { snapshot: { ...well, state: 'ended', silentMs: 60_000 } }, []],
  [
    'a second sender, by its address',
    { snapshot: { ...well, secondSender: '10.0.0.7:40000' } },
    [
      {
        name: 'second sender 10.0.0.7:40000',
        error: { code: 'E116', details: { source: '10.0.0.7:40000' } },
      },
    ],
  ],
  [
    'drops of our own buffer',
    { snapshot: { ...well, kernelDrops: 3 } },
    [{ name: 'drops', error: { code: 'E114', details: { drops: 3 } } }],
  ],
  [
    'drops while this PC was too busy',
    { snapshot: { ...well, kernelDrops: 3, overruns: 2 } },
    [{ name: 'too busy', error: { code: 'E114', details: { drops: 3, overruns: 2 } } }],
  ],
  ['no trouble where being busy cost nothing', { snapshot: { ...well, kernelDrops: 0, overruns: 2 } }, []],
  [
    'FEC that takes longer than is waited for',
    { snapshot: { ...well, repair: { ...REPAIR, setting: 'rs:20,5,4', tooSlowMs: 1621 } } },
    [{ error: { code: 'E120', details: { neededMs: 1621, latencyMs: 200, advisedMs: 1800 } } }],
  ],
  [
    'no trouble where FEC is in time',
    { snapshot: { ...well, repair: { ...REPAIR, setting: 'rs:20,5,4' } } },
    [],
  ],
  [
    'a second path that is further behind than is waited for',
    { snapshot: { ...well, paths: { both: 9, neither: 0, paths: [pathBehind(0), pathBehind(320)] } } },
    [{ error: { code: 'E120', details: { neededMs: 320, latencyMs: 200, advisedMs: 400 } } }],
  ],
  ['none of two paths that play', { snapshot: { ...well, paths: pathsSilent(20, 480) } }, []],
  [
    'a path that brings nothing any more',
    { snapshot: { ...well, paths: pathsSilent(2020, 20) } },
    [
      {
        name: 'first path',
        note: 'the first path brings nothing any more, and the stream comes on the second alone: look at its cable, card and sender',
      },
    ],
  ],
  [
    'a path that never brought anything',
    { snapshot: { ...well, paths: pathsSilent(20, undefined) } },
    [
      {
        name: 'second path',
        note: 'the second path has brought nothing yet, and the stream comes on the first alone: look at its cable, card and sender',
      },
    ],
  ],
  [
    'no path that had no time to bring anything',
    { snapshot: { ...well, paths: pathsSilent(20, undefined) }, heardMs: 1900 },
    [],
  ],
  [
    'no path where both are silent',
    { snapshot: { ...well, silentMs: 3000, paths: pathsSilent(3000, 3500) } },
    [],
  ],
  ['no drops where there are none', { snapshot: { ...well, kernelDrops: 0 } }, []],
];

describe('troublesOf', () => {
  for (const [name, condition, troubles] of cases) {
    it(`sees ${name}`, () => {
      const found = troublesOf({
        snapshot: well,
        openMs: 60_000,
        heardMs: 50_000,
        latencyMs: 200,
        ...condition,
      });
      expect(found).toHaveLength(troubles.length);
      expect(found).toMatchObject(troubles);
    });
  }
});
