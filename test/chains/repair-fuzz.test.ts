/** Lies among the datagrams that repair: no exception, no wrong byte, no memory that grows; and the truth beside them still repairs. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { RTP_PARITY } from '../../wire/fec/parity-packet.ts';
import { isRtcp } from '../../wire/rtcp.ts';
import { RTP_RTX } from '../../wire/rtx.ts';
import { randomFrom } from '../helpers/network.ts';
import { programme } from '../helpers/programme.ts';
import { runWorld, type Arriving, type WorldOptions, type WorldResult } from '../helpers/repair-world.ts';

const FILM = programme({ durationMs: 5000, bitsPerSecond: 4_000_000, seed: 3 });
const BAD = { loss: 0.1, delayMs: 10, duplicates: 0.2, jitterMs: 5, reorder: true };
const SETTINGS = ['2022:5x5+rows', '2022:10x5', 'rs:10,3', 'rs:10,2,4'];
const STRANGER = { address: '10.6.6.6', port: 40_000 };
/** Where the bytes of headers lie. Times tell nothing of themselves: whoever changes one is believed. */
const RTP = [0, 1, 2, 3, 8, 9, 10, 11, 12, 13];
const MATRIX = [14, 15, 16, 17, 18, 19, 24, 25, 26, 27];
const BLOCK = [14, 15, 16, 17, 18, 19, 20, 21, 22, 23];

function placesOf(datagram: Buffer): number[] {
  const payloadType = (datagram[1] ?? 0) & 0x7f;
  if (payloadType === RTP_RTX || isRtcp(datagram)) return RTP;
  return [...RTP, ...(payloadType === RTP_PARITY ? BLOCK : MATRIX)];
}

function run(seed: number, options: Partial<WorldOptions>): WorldResult {
  const paths = [{ there: BAD, rtcp: { delayMs: 10 }, back: { delayMs: 10 } }];
  return runWorld({ seed, films: [FILM], calmMs: 700, latencyMs: 500, paths, ...options });
}

/** What lies do to the headers of datagrams that repair; `each`: so many beside the truth. */
function liesAbout(seed: number, each: number): (arriving: Arriving) => Arriving[] {
  const random = randomFrom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const lie = (arriving: Arriving): Arriving => {
    let datagram = Buffer.from(arriving.datagram);
    const choice = random();
    if (choice < 0.1) datagram = Buffer.from(Array.from({ length: below(60) }, () => below(256)));
    else if (choice < 0.3) datagram = datagram.subarray(0, below(datagram.length) | 1);
    else if (choice < 0.4) datagram = Buffer.concat([datagram, Buffer.alloc(below(900))]);
    else {
      const places = placesOf(datagram);
      for (let changes = 1 + below(4); changes > 0; changes--)
        datagram.writeUInt8(below(256), places[below(places.length)] ?? 0);
    }
    const kinds = ['repair-packet', 'retransmission', 'exchange'] as const;
    const to = random() < 0.8 ? arriving.to : (kinds[below(kinds.length)] ?? 'exchange');
    return { ...arriving, to, datagram };
  };
  return (arriving) => {
    if (arriving.to === 'media' || arriving.to === 'rtcp') return [arriving];
    return [...Array.from({ length: each }, () => lie(arriving)), arriving];
  };
}

describe('among headers that lie', () => {
  for (const fec of SETTINGS)
    it(`${fec} and requests bring no wrong byte, and still repair`, () => {
      for (const seed of [1, 2, 3]) {
        const { wrong, missing, steps, figures, lost } = run(seed, { fec, tamper: liesAbout(seed, 3) });
        const refused = Object.values(figures.repair?.refused ?? {}).reduce((sum, each) => sum + each, 0);
        console.log(`seed ${seed}, ${fec}: lost ${lost}, never had ${missing.length}, refused ${refused}`);
        expect({ seed, wrong, steps }).toEqual({ seed, wrong: 0, steps: ['end proven'] });
        expect(missing.length).toBeLessThan(0.02 * lost);
        expect(refused).toBeGreaterThan(100);
        expect(figures.recovered).toBe((figures.repair?.fec ?? 0) + (figures.repair?.retransmitted ?? 0));
      }
    });

  it('repair takes no more memory the more lies come', () => {
    setFlagsFromString('--expose-gc');
    const collect: unknown = runInNewContext('gc');
    const bytes = (): number => {
      if (typeof collect === 'function') collect();
      return process.memoryUsage().arrayBuffers;
    };
    for (const fec of ['2022:5x5+rows', 'rs:10,3']) {
      run(4, { fec, retransmits: false, tamper: liesAbout(4, 1) });
      const before = bytes();
      let most = 0;
      let count = 0;
      const lies = liesAbout(5, 40);
      const tamper = (arriving: Arriving): Arriving[] => {
        if (++count % 500 === 0) most = Math.max(most, bytes());
        return lies(arriving);
      };
      run(5, { fec, retransmits: false, tamper });
      console.log(`seed 5, ${fec}: at most ${((most - before) / 2 ** 20).toFixed(1)} MiB more`);
      expect(most - before).toBeLessThan(24 * 2 ** 20);
    }
  });
});

describe('repairs from elsewhere', () => {
  for (const fec of [undefined, '2022:5x5+rows', 'rs:10,3'])
    it(`change nothing, though they look like ${fec ?? 'retransmissions'} of what is missing`, () => {
      const forge = (arriving: Arriving): Arriving => {
        const datagram = Buffer.from(arriving.datagram);
        datagram.fill(0x55, Math.min(datagram.length, 40));
        return { ...arriving, datagram, source: STRANGER };
      };
      const tamper = (arriving: Arriving): Arriving[] =>
        arriving.to === 'media' || arriving.to === 'rtcp' ? [arriving] : [forge(arriving), arriving];
      const forged = run(6, { ...(fec && { fec }), tamper });
      const honest = run(6, { ...(fec && { fec }) });
      expect(forged.wrong).toBe(0);
      expect(forged.figures).toEqual(honest.figures);
    });

  it('of what was never sent, or came before, change nothing', () => {
    const random = randomFrom(7);
    const tamper = (arriving: Arriving): Arriving[] => {
      if (arriving.to !== 'exchange' || (arriving.datagram[1] ?? 0) >= 192) return [arriving];
      const never = Buffer.from(arriving.datagram);
      never.writeUInt16BE((never.readUInt16BE(12) + 2000 + Math.floor(random() * 60_000)) & 0xffff, 12);
      never.fill(0x55, 20);
      return [{ ...arriving, datagram: never }, arriving, arriving];
    };
    const { wrong, missing, figures } = run(8, { tamper });
    expect([wrong, missing]).toEqual([0, []]);
    expect(figures.repair?.refused['not-missing']).toBeGreaterThan(100);
  });
});
