import { describe, expect, it } from 'vitest';
import { troublesOf, type Condition } from '../../cli/troubles.ts';

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
  ['no drops where there are none', { snapshot: { ...well, kernelDrops: 0 } }, []],
];

describe('troublesOf', () => {
  for (const [name, condition, troubles] of cases) {
    it(`sees ${name}`, () => {
      const found = troublesOf({ snapshot: well, openMs: 60_000, ...condition });
      expect(found).toHaveLength(troubles.length);
      expect(found).toMatchObject(troubles);
    });
  }
});
