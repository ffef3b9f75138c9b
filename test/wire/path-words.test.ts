import { expect, it } from 'vitest';
import type { PathSnapshot, PathsSnapshot } from '../../wire/metrics.ts';
import { pathWords } from '../../wire/path-words.ts';

const LIVE: PathSnapshot = { received: 95, saved: 5, lost: 4, foreign: 0 };
const DEAD: PathSnapshot = { received: 0, saved: 0, lost: 0, foreign: 0 };

const cases: [name: string, paths: PathsSnapshot['paths'], words: string][] = [
  ['what each path saved', [LIVE, { ...LIVE, saved: 3 }], '5 only on the first path, 3 only on the second'],
  ['that nothing came on the first', [DEAD, LIVE], 'nothing came on the first path'],
  ['that nothing came on the second', [LIVE, DEAD], 'nothing came on the second path'],
];

for (const [name, paths, words] of cases)
  it(`says ${name}`, () => expect(pathWords({ both: 90, neither: 1, paths })).toBe(words));
