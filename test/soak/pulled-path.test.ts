/** Two paths, one of them pulled for 30 s: what `npm test` does at 200 moments, at LANCAST_SOAK_PULLS (default 10 000). */
import { expect, it } from 'vitest';
import { pulledPath } from '../helpers/pulled-path.ts';
import { runWorld } from '../helpers/repair-world.ts';

const PULLS = Number(process.env['LANCAST_SOAK_PULLS'] ?? 10_000);
/** Behind those of `npm test`. */
const FIRST_SEED = 1000;

for (const other of ['whole', 'asking'] as const)
  it(`differ in not one byte at ${PULLS} moments (the other path ${other})`, () => {
    let lost = 0;
    for (let seed = FIRST_SEED; seed < FIRST_SEED + PULLS; seed++) {
      const { wrong, missing, steps, ...result } = runWorld(pulledPath(seed, other));
      expect({ seed, wrong, missing, steps }).toEqual({ seed, wrong: 0, missing: [], steps: ['end proven'] });
      lost += result.lost;
    }
    console.log(`seeds from ${FIRST_SEED} on, the other path ${other}: ${lost} lost on both and repaired`);
    expect(lost > 0).toBe(other === 'asking');
  });
