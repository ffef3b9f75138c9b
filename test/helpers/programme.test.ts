/** The generators that other tests lean on. */
import { describe, expect, it } from 'vitest';
import { PCR_CYCLE } from '../../wire/clock.ts';
import { parseTs, pcrAt, pidAt } from '../../wire/mpeg-ts.ts';
import { nullPacket, programme, programmePackets, to192, to204 } from './programme.ts';
import { thinStream } from './thin-stream.ts';

describe('programme', () => {
  it('gives the same bytes for the same seed and others for another', () => {
    const [first, again, other] = [1, 1, 2].map((seed) => programme({ durationMs: 200, seed }));
    expect(first!.equals(again!)).toBe(true);
    expect(first!.equals(other!)).toBe(false);
  });

  it('has the rate that is asked for', () => {
    for (const bitsPerSecond of [500_000, 2_000_000, 8_000_000]) {
      const bytes = programme({ durationMs: 1000, bitsPerSecond }).length;
      expect(Math.abs((bytes * 8) / bitsPerSecond - 1)).toBeLessThan(0.06);
    }
  });

  it('has stuffing at a constant rate only', () => {
    const pids = (cbr: boolean) => new Set(pidList(programme({ durationMs: 200, cbr })));
    expect(pids(true).has(0x1fff)).toBe(true);
    expect(pids(false).has(0x1fff)).toBe(false);
  });

  it('is nothing but packets', () => {
    const bytes = programme({ durationMs: 500, programmes: 2, bFrames: true, unboundedVideo: true });
    for (let at = 0; at < bytes.length; at += 188)
      expect(typeof parseTs(bytes.subarray(at, at + 188))).toBe('object');
  });

  it('never ends without a duration', () => {
    const packets = programmePackets({ seed: 3 });
    for (let count = 0; count < 20_000; count++) expect(packets.next().done).toBe(false);
  });

  it('comes in the other layouts', () => {
    const ts = Buffer.concat([nullPacket(), nullPacket()]);
    expect([to192(ts).length, to204(ts).length]).toEqual([384, 408]);
    expect([to192(ts)[4], to192(ts)[196], to204(ts)[0], to204(ts)[204]]).toEqual([0x47, 0x47, 0x47, 0x47]);
  });
});

describe('thinStream', () => {
  it('gives seven packets and a clock fifty milliseconds on, at any index and in any order', () => {
    const start = PCR_CYCLE - 27_000_000;
    const datagram = thinStream(start);
    for (const index of [0, 19, 20, 21, 5, 1_944_000]) {
      const bytes = Buffer.from(datagram(index));
      expect(bytes.length).toBe(1316);
      expect(pcrAt(bytes, 0)).toBe((start + index * 1_350_000) % PCR_CYCLE);
      expect(Buffer.from(datagram(index)).equals(bytes)).toBe(true);
    }
  });
});

function pidList(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / 188 }, (_, index) => pidAt(bytes, index * 188));
}
