import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import type { FecMatrix } from '../../wire/fec/smpte2022.ts';
import { departures, play, scene, type Arrival, type Scene } from '../helpers/fec-scene.ts';
import { naiveProtection, naiveRepair, sourcePackets } from '../helpers/fec.ts';
import { randomFrom } from '../helpers/network.ts';

const BOTH: FecMatrix = { columns: 5, rows: 5, rowPackets: true };
const TEN: FecMatrix = { columns: 10, rows: 10, rowPackets: true };

describe('lies', () => {
  const sources = sourcePackets(300, { start: 60_000 });
  const protection = naiveProtection(sources, BOTH, { column: 9, row: 9 });
  const all = departures(sources, protection);
  const isLost = (index: number): boolean => index > 60 && index % 9 === 0;

  /** Plays the stream with losses; `lie` may send something beside each repair packet, and before it. */
  function lied(lie: (datagram: Buffer) => Buffer[], instead = false): Scene {
    const seen = scene(sources);
    const arrivals = all.flatMap((each): Arrival[] => {
      if (typeof each === 'number') return isLost(each) ? [] : [each];
      const lies = lie(Buffer.from(each.datagram)).map((datagram) => ({ ...each, datagram }));
      return instead ? lies : [...lies, each];
    });
    play(seen, arrivals);
    seen.decoder.sentUntil(300);
    return seen;
  }

  function patched(datagram: Buffer, patch: (copy: Buffer) => void): Buffer[] {
    const copy = Buffer.from(datagram);
    patch(copy);
    return [copy];
  }

  const base = (by: number) => (copy: Buffer) =>
    copy.writeUInt16BE((copy.readUInt16BE(12) + by) & 0xffff, 12);
  const places: [name: string, patch: (copy: Buffer) => void][] = [
    ...[1, -1, 5, -5, 4, 6, 25, -25, 100, 32_768].map((by): [string, (copy: Buffer) => void] => [
      `bases that are ${by} off`,
      base(by),
    ]),
    ['fewer packets', (copy) => void (copy[26] = 4)],
    ['more packets', (copy) => void (copy[26] = 7)],
    ['another offset', (copy) => void (copy[25] = copy[24] === 0 ? 4 : 1)],
    ['the other direction', (copy) => void (copy[24] = copy[24] === 0 ? 0x40 : 0)],
    ['a length that is too long', (copy) => void (copy[15] = (copy[15] ?? 0) ^ 0x20)],
    ['a length that is too short', (copy) => void (copy[15] = (copy[15] ?? 0) ^ 0x08)],
    ['no length', (copy) => void copy.writeUInt16BE(0, 14)],
    ['another payload type', (copy) => void (copy[16] = (copy[16] ?? 0) ^ 0x05)],
    ['padding', (copy) => void (copy[0] = (copy[0] ?? 0) ^ 0x20)],
    ['contributing sources', (copy) => void (copy[0] = (copy[0] ?? 0) ^ 0x01)],
    ['a mask', (copy) => void (copy[17] = 0xff)],
    ['another sender', (copy) => void copy.writeUInt32BE(99, 8)],
  ];
  for (const [name, patch] of places) {
    it(`of ${name} bring no wrong byte, alone or beside the truth`, () => {
      lied((datagram) => patched(datagram, patch), true);
      const beside = lied((datagram) => patched(datagram, patch));
      expect(beside.window.there.size).toBe(300);
    });
  }

  it('of any header bring no wrong byte', () => {
    const random = randomFrom(5);
    const scramble = (datagram: Buffer): Buffer[] =>
      Array.from({ length: 20 }, () => {
        const copy = Buffer.from(datagram);
        for (let times = 0; times < 3; times++) {
          const at = 12 + Math.floor(random() * 12);
          copy[at < 20 ? at : at + 4] = Math.floor(random() * 256); // times, at 20 to 23, tell nothing of themselves
        }
        return copy;
      });
    const { window } = lied(scramble);
    expect(window.there.size).toBe(300);
  });

  it('of packets that were never sent bring nothing', () => {
    const random = randomFrom(6);
    const invent = (datagram: Buffer): Buffer[] =>
      Array.from({ length: 30 }, () => {
        const copy = Buffer.from(datagram);
        copy.writeUInt16BE(Math.floor(random() * 65_536), 2);
        copy.writeUInt16BE(Math.floor(random() * 65_536), 12);
        return copy;
      });
    const { window } = lied(invent);
    expect(window.there.size).toBe(300);
  });

  it('of another sender do not pass for the truth, nor stop it', () => {
    const garbage = (datagram: Buffer): Buffer[] =>
      patched(datagram, (copy) => {
        copy.writeUInt32BE(99, 8);
        copy.fill(0x5a, 28);
      });
    expect(lied(garbage).window.there.size).toBe(300);
  });

  it('that one packet has given away are not believed of the next', () => {
    const few = sourcePackets(25);
    const seen = scene(few);
    play(
      seen,
      [...few.keys()].filter((index) => index < 6 || index % 5 !== 3),
    );
    for (let row = 0; row < 4; row++) {
      const shifted = few.slice(5 * row, 5 * row + 5);
      const datagram = naiveRepair(shifted, { direction: 'row', sequence: row, offset: 1 });
      datagram.writeUInt16BE(5 * row + 1, 12);
      seen.decoder.repair(datagram);
      for (let index = 1; index < 6; index++) seen.window.forget(index);
    }
    expect(seen.window.recovered).toEqual([]);
    expect(seen.decoder.refused.get('contradicted')).toBeGreaterThan(0);
  });

  it('that agree with each other are found out by what came', () => {
    const { window, decoder } = lied((datagram) => patched(datagram, base(1)), true);
    expect(window.recovered).toEqual([]);
    expect(decoder.refused.get('contradicted')).toBeGreaterThan(0);
  });

  it('about another stream beside the truth do not stop it', () => {
    const others = naiveProtection(sourcePackets(300, { start: 60_000, seed: 8 }), BOTH, {
      column: 700,
      row: 700,
    });
    const other = new Map(
      protection.map(({ datagram }, at) => [datagram.toString('hex'), others[at]?.datagram]),
    );
    const { window, decoder } = lied((datagram) => [other.get(datagram.toString('hex')) ?? datagram]);
    expect(decoder.refused.get('contradicted')).toBeGreaterThan(0);
    expect(window.there.size).toBe(300);
  });

  it('cost bounded memory', async () => {
    setFlagsFromString('--expose-gc');
    const collect: unknown = runInNewContext('gc');
    if (typeof collect !== 'function') throw new Error('gc is not there');
    const seen = scene(sourcePackets(10));
    const [template] = naiveProtection(sourcePackets(100, { payloadBytes: 1316 }), TEN);
    const copy = Buffer.from(template?.datagram ?? '');
    const flood = async (count: number): Promise<number> => {
      for (let sequence = 0; sequence < count; sequence++) {
        const agreeing = sequence % 2 === 0;
        copy.writeUInt16BE(sequence & 0xffff, 2);
        copy.writeUInt16BE((agreeing ? sequence * 10 : sequence * 77) & 0xffff, 12);
        seen.decoder.repair(copy);
      }
      for (let times = 0; times < 3; times++) {
        collect();
        await sleep(10); // memory outside the heap is given back behind our back
      }
      const { arrayBuffers, heapUsed } = process.memoryUsage();
      return arrayBuffers + heapUsed;
    };
    await flood(2000);
    const before = await flood(100);
    expect((await flood(50_000)) - before).toBeLessThan(1_000_000);
  });
});
