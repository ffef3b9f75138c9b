/** Access units: whole and in time, whatever carries them. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameAssembler } from '../../receiver/frame-assembler.ts';
import type { Released } from '../../receiver/sink.ts';
import type { AccessUnit } from '../../receiver/unit-builder.ts';
import { PCR_CYCLE, PTS_CYCLE } from '../../wire/clock.ts';
import { writePes } from '../../wire/pes.ts';
import {
  AUDIO,
  Carrier,
  H264,
  VIDEO,
  assemble,
  datagrams,
  delimiter,
  end,
  idr,
  payload,
  pes,
  picture,
  tables,
} from '../helpers/access-units.ts';
import { pidsOf } from '../helpers/programme-parts.ts';
import { programme, type ProgrammeOptions } from '../helpers/programme.ts';

describe('FrameAssembler', () => {
  it('gives the stream’s bytes, times and arrival', () => {
    const data = picture(1000, idr);
    const stream = Buffer.concat([
      tables(),
      new Carrier().carry(VIDEO, pes(data, { pts: 99_000, dts: 90_000 }), { randomAccess: true }),
    ]);
    expect(assemble([payload(stream, 1234.5)])).toEqual([
      {
        pid: VIDEO,
        stream: { pid: VIDEO, streamType: H264, codec: 'H.264', kind: 'video' },
        ptsTicks: 99_000,
        dtsTicks: 90_000,
        key: true,
        damaged: false,
        discontinuity: false,
        arrivedAt: 1234.5,
        data,
      },
    ]);
  });

  const streams: [name: string, options: Partial<ProgrammeOptions>][] = [
    ['lengths', {}],
    ['open lengths', { unboundedVideo: true }],
    ['B-frames', { bFrames: true, unboundedVideo: true }],
    ['a variable rate', { cbr: false }],
    ['two programmes', { programmes: 2, bitsPerSecond: 4_000_000 }],
    ['clocks that wrap on the way', { startPcr: PCR_CYCLE - 27_000_000, bFrames: true }],
  ];
  for (const [name, options] of streams) {
    it(`puts all units of a stream with ${name} together`, () => {
      const stream = programme({ durationMs: 2000, gop: 10, ...options });
      const units = assemble([...datagrams(stream), end]);
      for (let index = 0; index < (options.programmes ?? 1); index++) {
        const pids = pidsOf(index);
        const pictures = units.filter(({ pid }) => pid === pids.video);
        const sound = units.filter(({ pid }) => pid === pids.audio);
        expect(pictures.length).toBe(50);
        expect(pictures.flatMap(({ key }, index) => (key ? [index] : []))).toEqual([0, 10, 20, 30, 40]);
        expect(steps(pictures, 'dtsTicks')).toEqual(new Set([3600]));
        expect(sound.every(({ key }) => key)).toBe(true);
        expect(steps(sound, 'ptsTicks')).toEqual(new Set([1920]));
        // Sound and picture of a programme are unwrapped together.
        expect(Math.abs(sound[0]!.ptsTicks! - pictures[0]!.dtsTicks!)).toBeLessThan(9000);
        for (const { data } of pictures) expect(data.subarray(0, 6).equals(delimiter)).toBe(true);
      }
      expect(units.some(({ damaged, discontinuity }) => damaged || discontinuity)).toBe(false);
    });
  }

  it('gives the same units however packets are cut into payloads', () => {
    const stream = programme({ durationMs: 300, unboundedVideo: true });
    const whole = assemble([...datagrams(stream), end]).map(({ data }) => data.toString('hex'));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1000, max: 3000 }), { minLength: 1, maxLength: 9 }), (sizes) => {
        const steps: Released[] = [];
        for (let at = 0, piece = 0; at < stream.length; piece++) {
          const size = sizes[piece % sizes.length] ?? 1;
          steps.push(payload(stream.subarray(at, at + size)));
          at += size;
        }
        const cut = assemble([...steps, end]).map(({ data }) => data.toString('hex'));
        expect(cut).toEqual(whole);
      }),
      { seed: 12, numRuns: 20 },
    );
  });

  describe('closes a unit', () => {
    const carrier = new Carrier();
    const first = carrier.carry(VIDEO, pes(picture(500)));
    const open = carrier.carry(VIDEO, pes(picture(600), { unbounded: true }));
    const next = carrier.carry(VIDEO, pes(picture(700)));

    it('as soon as its length is reached', () => {
      expect(sizes(assemble([payload(Buffer.concat([tables(), first]))]))).toEqual([500]);
    });

    it('where the next one starts when it has no length', () => {
      const assembler = new FrameAssembler();
      expect(sizes(assemble([payload(Buffer.concat([tables(), first, open]))], assembler))).toEqual([500]);
      expect(sizes(assemble([payload(next.subarray(0, 188))], assembler))).toEqual([600]);
    });

    it('at the end of the stream when it has no length', () => {
      expect(assemble([payload(Buffer.concat([tables(), first, open])), end])).toMatchObject([
        { damaged: false },
        { damaged: false },
      ]);
    });

    it('at the end of the stream, damaged, when its length was not reached', () => {
      const cut = next.subarray(0, 188);
      const units = assemble([payload(Buffer.concat([tables(), first, open, cut])), end]);
      expect(units.map(({ damaged }) => damaged)).toEqual([false, false, true]);
    });
  });

  it('parts pictures at delimiters in a PES packet without a length, wherever they are cut', () => {
    for (let bytes = 150; bytes < 190; bytes++) {
      const pictures = [picture(bytes, idr), picture(300), picture(20)];
      const whole = pes(Buffer.concat(pictures), { unbounded: true });
      const stream = Buffer.concat([tables(), new Carrier().carry(VIDEO, whole)]);
      const units = assemble([payload(stream), end]);
      expect(units.map(({ data }) => data)).toEqual(pictures);
      expect(units.map(({ key, ptsTicks }) => [key, ptsTicks])).toEqual([
        [true, 90_000],
        [false, undefined],
        [false, undefined],
      ]);
    }
  });

  it('parts H.265 pictures at their own delimiters', () => {
    const data = Buffer.from('000000014601500000000126 01af'.replace(' ', ''), 'hex');
    const stream = Buffer.concat([
      tables(0x24),
      new Carrier().carry(
        VIDEO,
        pes(Buffer.concat([data, data, Buffer.alloc(600, 0x55)]), { unbounded: true }),
      ),
    ]);
    expect(sizes(assemble([payload(stream), end]))).toEqual([data.length, data.length + 600]);
  });

  it('does not part a PES packet that has a length', () => {
    const data = Buffer.concat([picture(100), picture(100)]);
    const stream = Buffer.concat([tables(), new Carrier().carry(VIDEO, pes(data))]);
    expect(sizes(assemble([payload(stream)]))).toEqual([200]);
  });

  it('reads a PES header that is cut by a packet', () => {
    const data = picture(400);
    const privateData = Buffer.alloc(165);
    const carried = new Carrier().carry(VIDEO, pes(data, { dts: 80_000 }), { privateData });
    const units = assemble([payload(Buffer.concat([tables(), carried]))]);
    expect(units).toMatchObject([{ ptsTicks: 90_000, dtsTicks: 80_000, data, damaged: false }]);
  });

  it('leaves out padding and what is no PES packet', () => {
    const carrier = new Carrier();
    const padding = Buffer.concat([Buffer.from('000001be0010', 'hex'), Buffer.alloc(200, 0xff)]);
    const stream = Buffer.concat([
      tables(),
      carrier.carry(VIDEO, padding),
      carrier.carry(VIDEO, Buffer.alloc(300, 0x33)),
      carrier.carry(VIDEO, pes(picture(300))),
      carrier.carry(VIDEO, pes(Buffer.alloc(0))),
    ]);
    expect(sizes(assemble([payload(stream), end]))).toEqual([300]);
  });

  it('takes a repeated packet once', () => {
    const carried = new Carrier().carry(VIDEO, pes(picture(600)));
    const twice: Buffer[] = [];
    for (let at = 0; at < carried.length; at += 188) {
      twice.push(carried.subarray(at, at + 188), carried.subarray(at, at + 188));
    }
    const units = assemble([payload(Buffer.concat([tables(), ...twice]))]);
    expect(units.map(({ data, damaged }) => [data.length, damaged])).toEqual([[600, false]]);
  });

  it('unwraps times over the wrap of 33 bits', () => {
    const carrier = new Carrier();
    const stream = Buffer.concat([
      tables(),
      carrier.carry(VIDEO, pes(picture(300), { pts: 10, dts: PTS_CYCLE - 3590 })),
      carrier.carry(AUDIO, writePes({ streamId: 0xc0, pts: PTS_CYCLE - 100 }, Buffer.alloc(50))),
      carrier.carry(VIDEO, pes(picture(300), { pts: 3610, dts: 10 })),
    ]);
    expect(assemble([payload(stream)]).map(({ ptsTicks, dtsTicks }) => [ptsTicks, dtsTicks])).toEqual([
      [10, -3590],
      [-100, -100],
      [3610, 10],
    ]);
  });
});

function sizes(units: AccessUnit[]): number[] {
  return units.map(({ data }) => data.length);
}

/** The different steps from unit to unit. */
function steps(units: AccessUnit[], time: 'ptsTicks' | 'dtsTicks'): Set<number> {
  return new Set(units.slice(1).map((unit, index) => unit[time]! - units[index]![time]!));
}
