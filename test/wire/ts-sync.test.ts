/** Finding packets in bytes: layouts, loss and regain of the lock, and any way of cutting. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TsSync, type TsLayout } from '../../wire/ts-sync.ts';
import { programme, to192, to204 } from '../helpers/programme.ts';

const ts = programme({ durationMs: 100, bitsPerSecond: 1_000_000 });
const packets = ts.length / 188;

/** Feeds bytes in pieces of the given sizes, the last one repeated; gives all that came out. */
function sync(bytes: Buffer, sizes: readonly number[] = [bytes.length]): { out: Buffer; sync: TsSync } {
  const sync = new TsSync();
  const out: Buffer[] = [];
  let at = 0;
  for (let piece = 0; at < bytes.length; piece++) {
    const size = sizes[Math.min(piece, sizes.length - 1)] ?? 1;
    // A copy, so that a view kept too long would show.
    out.push(Buffer.from(sync.push(Buffer.from(bytes.subarray(at, at + size)))));
    at += size;
  }
  out.push(sync.finish());
  return { out: Buffer.concat(out), sync };
}

function junk(count: number): Buffer {
  return Buffer.alloc(count, 0x11);
}

/** A copy whose packets `from` to `to` (not included) have a wrong sync byte. */
function spoil(bytes: Buffer, from: number, to: number): Buffer {
  const spoilt = Buffer.from(bytes);
  for (let packet = from; packet < to; packet++) spoilt[packet * 188] = 0x46;
  return spoilt;
}

function cut(bytes: Buffer, from: number, to?: number): Buffer {
  return bytes.subarray(from * 188, to === undefined ? undefined : to * 188);
}

describe('TsSync', () => {
  const layouts: [layout: TsLayout, bytes: Buffer][] = [
    [188, ts],
    [192, to192(ts)],
    [204, to204(ts)],
  ];
  for (const [layout, bytes] of layouts) {
    it(`gives the packets of a ${layout}-byte file bit for bit`, () => {
      const result = sync(bytes);
      expect(result.out.equals(ts)).toBe(true);
      expect(result.sync.layout).toBe(layout);
      expect(result.sync.bytesLeft).toBe(0);
      expect(result.sync.stats).toEqual({ skippedBytes: 0, losses: 0, syncByteErrors: 0 });
    });

    it(`names the bytes of a cut last packet in a ${layout}-byte file`, () => {
      const end = bytes.length - layout + (layout === 192 ? 4 : 0) + 148;
      const result = sync(bytes.subarray(0, end));
      expect(result.out.equals(cut(ts, 0, packets - 1))).toBe(true);
      expect(result.sync.bytesLeft).toBe(148);
    });

    it(`finds a ${layout}-byte file behind junk and counts the junk`, () => {
      const result = sync(Buffer.concat([junk(333), bytes]));
      expect(result.out.equals(ts)).toBe(true);
      expect(result.sync.stats).toEqual({ skippedBytes: 333, losses: 0, syncByteErrors: 0 });
    });

    it(`regains a ${layout}-byte file behind junk in its middle`, () => {
      const middle = 20 * layout;
      const result = sync(Buffer.concat([bytes.subarray(0, middle), junk(1000), bytes.subarray(middle)]));
      expect(result.out.equals(ts)).toBe(true);
      expect(result.sync.stats).toEqual({ skippedBytes: 1000, losses: 1, syncByteErrors: 0 });
    });
  }

  const cases: [name: string, bytes: Buffer, out: Buffer, stats: Partial<TsSync['stats']>, left: number][] = [
    ['gives nothing for nothing', junk(0), junk(0), {}, 0],
    ['gives nothing for junk', junk(5000), junk(0), { skippedBytes: 5000 }, 0],
    ['takes a single packet', cut(ts, 0, 1), cut(ts, 0, 1), {}, 0],
    ['takes three packets', cut(ts, 0, 3), cut(ts, 0, 3), {}, 0],
    ['takes a single 192-byte packet', to192(cut(ts, 0, 1)), cut(ts, 0, 1), {}, 0],
    ['takes a single 204-byte packet', to204(cut(ts, 0, 1)), cut(ts, 0, 1), {}, 0],
    ['refuses a cut packet alone', ts.subarray(0, 100), junk(0), { skippedBytes: 100 }, 0],
    [
      'refuses two packets behind junk',
      Buffer.concat([junk(9), cut(ts, 0, 2)]),
      junk(0),
      { skippedBytes: 385 },
      0,
    ],
    [
      'takes three packets behind junk',
      Buffer.concat([junk(9), cut(ts, 0, 3)]),
      cut(ts, 0, 3),
      { skippedBytes: 9 },
      0,
    ],
    ['lets a wrong sync byte pass', spoil(ts, 7, 8), spoil(ts, 7, 8), { syncByteErrors: 1 }, 0],
    ['lets two wrong sync bytes pass', spoil(ts, 7, 9), spoil(ts, 7, 9), { syncByteErrors: 2 }, 0],
    [
      'skips three packets with wrong sync bytes',
      spoil(ts, 7, 10),
      Buffer.concat([cut(ts, 0, 7), cut(ts, 10)]),
      { losses: 1, skippedBytes: 3 * 188 },
      0,
    ],
    ['leaves junk at the end', Buffer.concat([ts, junk(250)]), ts, {}, 250],
    [
      'gives the lock up over much junk at the end',
      Buffer.concat([ts, junk(2000)]),
      ts,
      { losses: 1, skippedBytes: 2000 },
      0,
    ],
    ['begins in the middle of a packet', ts.subarray(100), cut(ts, 1), { skippedBytes: 88 }, 0],
    [
      'regains at the next packet after bytes went missing',
      Buffer.concat([ts.subarray(0, 1000), ts.subarray(1010)]),
      // The packet that lost bytes begins right, so it is taken with ten bytes of the next.
      Buffer.concat([cut(ts, 0, 5), ts.subarray(940, 1000), ts.subarray(1010, 1138), cut(ts, 7)]),
      { losses: 1, skippedBytes: 178 },
      0,
    ],
  ];
  for (const [name, bytes, out, stats, left] of cases) {
    it(name, () => {
      const result = sync(bytes);
      expect(result.out.equals(out)).toBe(true);
      expect(result.sync.stats).toEqual({ skippedBytes: 0, losses: 0, syncByteErrors: 0, ...stats });
      expect(result.sync.bytesLeft).toBe(left);
    });
  }

  it('gives the same for the same bytes however they are cut', () => {
    const pieces = fc.oneof(
      fc.constantFrom(...layouts.map(([, bytes]) => bytes)),
      fc.nat({ max: 900 }).map(junk),
      fc.uint8Array({ maxLength: 900 }).map((bytes) => Buffer.from(bytes)),
      fc.tuple(fc.nat({ max: 30 }), fc.nat({ max: 4 })).map(([from, count]) => spoil(ts, from, from + count)),
      fc.nat({ max: ts.length }).map((end) => ts.subarray(0, end)),
    );
    const streams = fc.array(pieces, { maxLength: 4 }).map((parts) => Buffer.concat(parts));
    const cuts = fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(streams, cuts, (bytes, sizes) => {
        const whole = sync(bytes);
        const pieced = sync(bytes, sizes);
        expect(pieced.out.equals(whole.out)).toBe(true);
        expect(pieced.sync.stats).toEqual(whole.sync.stats);
        expect(pieced.sync.bytesLeft).toBe(whole.sync.bytesLeft);
        // Every byte is either in a packet, in its layout, or counted.
        expect(whole.out.length % 188).toBe(0);
      }),
      { seed: 1316, numRuns: 300 },
    );
  });

  it('gives whole packets at once while bytes come one by one', () => {
    const sync = new TsSync();
    let given = 0;
    for (let at = 0; at < ts.length; at++) given += sync.push(ts.subarray(at, at + 1)).length;
    expect(given).toBe(ts.length);
  });
});
