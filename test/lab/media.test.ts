/** Films of the real world, sent and recorded: `npm run lab`. They lie in `../shared/media`, outside of the project. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { cast, freshGroup, sha256 } from '../e2e/program.ts';

const MEDIA = path.resolve('../shared/media');
const films = readdirSync(MEDIA).filter((name) => /\.m?2?ts$/.test(name));

/** The film as packets of 188 bytes: without the time stamps of 192-byte ones, without a last packet that is cut. */
function packetsOf(name: string): Buffer {
  const file = readFileSync(path.join(MEDIA, name));
  const [stride, lead] = file[0] === 0x47 ? [188, 0] : [192, 4];
  const packets: Buffer[] = [];
  for (let at = lead; at + 188 <= file.length; at += stride) packets.push(file.subarray(at, at + 188));
  return Buffer.concat(packets);
}

describe('a film of the real world', () => {
  it('is there', () => expect(films.length).toBeGreaterThan(10));

  const ways: [scheme: string, send: string[], record: string[]][] = [
    ['rtp', [], []],
    ['udp', ['--bitrate', '30M'], ['--timeout', '1s']],
    ['seq', ['--bitrate', '30M'], []],
  ];
  for (const name of films) {
    for (const [scheme, send, record] of ways) {
      it(`(${name}) is the same by ${scheme}://`, async () => {
        const film = packetsOf(name);
        const { sent, file, summary } = await cast(`${scheme}://${freshGroup()}`, path.join(MEDIA, name), {
          send,
          record,
        });
        expect(sent).toMatchObject({ code: 0 });
        expect(sha256(file)).toBe(sha256(film));
        expect(summary).toMatchObject({ lost: 0, unrecovered: 0, bytes: film.length, sha256: sha256(film) });
      });
    }
  }
});
