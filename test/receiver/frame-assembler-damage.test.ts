/** Access units: damaged exactly where something was lost, marked where the clock or the sender started anew. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameAssembler } from '../../receiver/frame-assembler.ts';
import type { Released } from '../../receiver/sink.ts';
import { UnitBuilder, UnitClock, type AccessUnit } from '../../receiver/unit-builder.ts';
import { writePes } from '../../wire/pes.ts';
import {
  AUDIO,
  Carrier,
  H264,
  VIDEO,
  assemble,
  datagrams,
  end,
  payload,
  pes,
  picture,
  tables,
} from '../helpers/access-units.ts';
import { programme } from '../helpers/programme.ts';

describe('FrameAssembler, when something is lost', () => {
  const carrier = new Carrier();
  const pictures = [0, 1, 2, 3].map((index) =>
    carrier.carry(VIDEO, pes(picture(2000), { pts: 90_000 + 3600 * index, unbounded: index % 2 === 0 })),
  );
  const sound = [0, 1].map((index) =>
    carrier.carry(AUDIO, writePes({ streamId: 0xc0, pts: 90_000 + 1920 * index }, Buffer.alloc(500, 9))),
  );
  const all = Buffer.concat(pictures);

  /** PTS and damage of the pictures of `all` when packets `from` to `to` (not included) are missing. */
  function lose(from: number, to: number, told: boolean): [number | undefined, boolean][] {
    const gap: Released[] = told ? [{ kind: 'gap', first: 0, count: to - from }] : [];
    const packet = (index: number) => payload(all.subarray(index * 188, (index + 1) * 188));
    const count = all.length / 188;
    const before = Array.from({ length: from }, (_, index) => packet(index));
    const behind = Array.from({ length: count - to }, (_, index) => packet(to + index));
    const lead = payload(Buffer.concat([tables()]));
    return assemble([lead, ...before, ...gap, ...behind, end]).map(({ ptsTicks, damaged }) => [
      ptsTicks,
      damaged,
    ]);
  }

  // Each picture is eleven packets: 0 to 10, 11 to 21, 22 to 32, 33 to 43.
  const cases: [name: string, from: number, to: number, units: [number, boolean][]][] = [
    [
      'nothing',
      0,
      0,
      [
        [90_000, false],
        [93_600, false],
        [97_200, false],
        [100_800, false],
      ],
    ],
    [
      'the middle of a picture',
      14,
      15,
      [
        [90_000, false],
        [93_600, true],
        [97_200, false],
        [100_800, false],
      ],
    ],
    [
      'the end of a picture with a length',
      21,
      22,
      [
        [90_000, false],
        [93_600, true],
        [97_200, false],
        [100_800, false],
      ],
    ],
    [
      'the end of a picture without one',
      10,
      11,
      [
        [90_000, true],
        [93_600, false],
        [97_200, false],
        [100_800, false],
      ],
    ],
    [
      'the start of a picture',
      22,
      23,
      [
        [90_000, false],
        [93_600, false],
        [100_800, false],
      ],
    ],
    [
      'the end of one and the start of the next',
      20,
      24,
      [
        [90_000, false],
        [93_600, true],
        [100_800, false],
      ],
    ],
    [
      'a whole picture',
      11,
      22,
      [
        [90_000, true],
        [97_200, false],
        [100_800, false],
      ],
    ],
    [
      'the end of the stream',
      40,
      44,
      [
        [90_000, false],
        [93_600, false],
        [97_200, false],
        [100_800, true],
      ],
    ],
  ];
  for (const [name, from, to, units] of cases) {
    it(`marks what ${name} took, told by counters`, () => expect(lose(from, to, false)).toEqual(units));
    it(`marks what ${name} took, told as a gap`, () => expect(lose(from, to, true)).toEqual(units));
  }

  it('does not believe counters over a gap that may have turned them round', () => {
    // Sixteen packets: the counters go on as if nothing had been, and the first picture has no length to miss.
    expect(lose(3, 19, false)).toEqual([
      [90_000, false],
      [97_200, false],
      [100_800, false],
    ]);
    expect(lose(3, 19, true)).toEqual([
      [90_000, true],
      [97_200, false],
      [100_800, false],
    ]);
  });

  it('ends a damaged unit where the first piece is missing', () => {
    const packet = (index: number) => all.subarray(index * 188, (index + 1) * 188);
    const stream = Buffer.concat([tables(), packet(0), packet(1), packet(4), packet(5)]);
    const [unit] = assemble([payload(stream)]);
    expect(unit?.data).toEqual(picture(2000).subarray(0, 2 * 184 - 14));
    expect(unit?.damaged).toBe(true);
  });

  it('keeps sound whole that a small gap did not hit', () => {
    const [first] = pictures;
    const units = assemble([
      payload(Buffer.concat([tables(), first!.subarray(0, 188), sound[0]!.subarray(0, 188)])),
      { kind: 'gap', first: 1, count: 1 },
      payload(Buffer.concat([first!.subarray(3 * 188), sound[0]!.subarray(188), sound[1]!])),
    ]);
    expect(units.map(({ pid, damaged }) => [pid, damaged])).toEqual([
      [VIDEO, true],
      [AUDIO, false],
      [AUDIO, false],
    ]);
  });

  it('takes a packet marked as broken for a lost one', () => {
    const broken = Buffer.concat([tables(), all.subarray(0, 22 * 188)]);
    broken[(6 + 3) * 188 + 1]! |= 0x80;
    expect(assemble([payload(broken), end]).map(({ damaged }) => damaged)).toEqual([true, false]);
  });

  it('cuts a PES packet that never ends, and goes on with the next', () => {
    const carrier = new Carrier();
    const endless = carrier.carry(VIDEO, pes(picture(9 * 2 ** 20), { unbounded: true }));
    const next = carrier.carry(VIDEO, pes(picture(100)));
    const units = assemble([...datagrams(Buffer.concat([tables(), endless, next])), end]);
    expect(units.map(({ damaged }) => damaged)).toEqual([true, false]);
    expect(units[0]!.data.length).toBeLessThanOrEqual(8 * 2 ** 20);
    expect(units[0]!.data.length).toBeGreaterThan(8 * 2 ** 20 - 400);
  });

  it('bounds what the units of all streams hold together', () => {
    const budget = { left: 20_000 };
    const stream = { pid: VIDEO, streamType: H264, codec: 'H.264', kind: 'video' } as const;
    const builders = [0, 1].map(() => new UnitBuilder(stream, new UnitClock(0), budget));
    const units: AccessUnit[] = [];
    const endless = new Carrier().carry(VIDEO, pes(picture(12_000), { unbounded: true }));
    for (let at = 0; at < endless.length; at += 188) {
      for (const builder of builders) builder.take(endless, at, 0, units);
    }
    // Each has 8 KiB; there is no room for either to have twice that.
    expect(units.map(({ damaged, data }) => [damaged, data.length > 7500])).toEqual([
      [true, true],
      [true, true],
    ]);
    for (const builder of builders) builder.release();
    expect(budget.left).toBe(20_000);
  });
});

describe('FrameAssembler, when the clock or the sender starts anew', () => {
  const one = programme({ durationMs: 400, seed: 1 });
  const other = programme({ durationMs: 400, seed: 2, startPcr: 27_000_000 * 5000, unboundedVideo: true });

  /** The first unit of each PID with a discontinuity, and how many there are. */
  function marks(units: AccessUnit[]): number {
    return units.filter(({ discontinuity }) => discontinuity).length;
  }

  it('marks the first unit of each stream of a restarted sender', () => {
    const assembler = new FrameAssembler();
    const before = assemble(datagrams(one), assembler);
    const behind = assemble([{ kind: 'restart', epoch: 1 }, ...datagrams(other)], assembler);
    expect(marks(before)).toBe(0);
    expect(marks(behind)).toBe(2);
    expect(behind.find(({ pid }) => pid === VIDEO)).toMatchObject({
      discontinuity: true,
      damaged: false,
      dtsTicks: 450_036_000,
    });
  });

  it('marks the first unit of each stream behind a jump that the receiver tells', () => {
    const [before, behind] = [one.subarray(0, 40 * 1316), one.subarray(40 * 1316)];
    const jump = payload(behind.subarray(0, 1316), 0, true);
    expect(marks(assemble([...datagrams(before), jump, ...datagrams(behind.subarray(1316)), end]))).toBe(2);
  });

  it('marks the first unit of each stream behind a jump that the stream announces', () => {
    const jumping = Buffer.from(one);
    for (let at = jumping.length / 2 - ((jumping.length / 2) % 188); at < jumping.length; at += 188) {
      if ((jumping[at + 3]! & 0x20) === 0 || (jumping[at + 5]! & 0x10) === 0) continue;
      jumping[at + 5]! |= 0x80;
      break;
    }
    expect(marks(assemble([...datagrams(jumping), end]))).toBe(2);
  });

  it('follows a PMT that gives a PID another codec', () => {
    const carrier = new Carrier();
    const stream = Buffer.concat([
      tables(H264),
      carrier.carry(VIDEO, pes(picture(300))),
      tables(0x24, 1, 1),
      carrier.carry(VIDEO, pes(picture(300))),
    ]);
    expect(assemble([payload(stream)]).map(({ stream }) => stream.codec)).toEqual(['H.264', 'H.265']);
  });

  it('never throws, whatever it is given', () => {
    const whole = programme({ durationMs: 200, unboundedVideo: true });
    const steps: fc.Arbitrary<Released> = fc.oneof(
      fc.uint8Array({ maxLength: 1400 }).map((bytes) => payload(Buffer.from(bytes))),
      fc.nat({ max: 38 }).map((index) => payload(whole.subarray(index * 1316, (index + 1) * 1316))),
      fc
        .tuple(fc.nat({ max: 38 }), fc.nat({ max: 1315 }), fc.nat({ max: 255 }))
        .map(([index, place, value]) => {
          const copy = Buffer.from(whole.subarray(index * 1316, (index + 1) * 1316));
          copy[place] = value;
          return payload(copy);
        }),
      fc.constantFrom<Released>({ kind: 'gap', first: 0, count: 1 }, { kind: 'restart', epoch: 1 }, end),
    );
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 60 }), (steps) => {
        for (const unit of assemble(steps)) expect(unit.data.length).toBeGreaterThan(0);
      }),
      { seed: 13, numRuns: 200 },
    );
  });
});
