/** Everything works the same by either engine: the one that was built, and the one that is always there. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { programme } from '../helpers/programme.ts';
import { cast, fileOf, freshGroup, sha256 } from './program.ts';

const film = programme({ durationMs: 3000, bitsPerSecond: 8_000_000 });
const WHOLE = { lost: 0, late: 0, duplicate: 0, reordered: 0, continuityErrors: 0, missingBefore: 0 };

afterEach(() => void vi.unstubAllEnvs());

const ENGINES: [kind: string, forced: string][] = [
  ['native', ''],
  ['javascript', '1'],
];

for (const [kind, forced] of ENGINES) {
  describe(`the ${kind} engine`, () => {
    const paces: [name: string, options: string[]][] = [
      ['at its own pace', []],
      ['at its own pace, each datagram at its time', ['--pace-quantum', '0']],
      ['as fast as it goes', ['--bitrate', '200M']],
    ];
    for (const [name, options] of paces) {
      it(`casts a film ${name} and records the same bytes`, async () => {
        vi.stubEnv('LANCAST_NO_NATIVE', forced);
        const { sent, recorded, file, summary } = await cast(
          `rtp://${freshGroup()}`,
          fileOf('film.ts', film),
          { send: [...options, '--verbose'], record: ['--verbose'] },
        );
        expect([sent.code, recorded.code]).toEqual([0, 0]);
        for (const { events } of [sent, recorded]) {
          expect(events.find(({ event }) => event === 'engine')).toMatchObject({ engine: kind });
        }
        expect(sha256(file)).toBe(sha256(film));
        expect(summary).toMatchObject({ ...WHOLE, bytes: film.length, sha256: sha256(film) });
        expect(sent.events.at(-1)).toMatchObject({ event: 'summary', complete: true, failedSends: 0 });
      });
    }
  });
}
