import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ClockUnwrapper,
  PCR_CYCLE,
  PTS_CYCLE,
  compactFromMs,
  compactNtp,
  compactToMs,
  cycleDistance,
  ntpFromWall,
  pcrToMs,
  pcrToTicks,
  type NtpTime,
} from '../../wire/clock.ts';

fc.configureGlobal({ seed: 13818 });

const CLOCKS: [name: string, cycle: number][] = [
  ['PTS', PTS_CYCLE],
  ['PCR', PCR_CYCLE],
];

for (const [name, cycle] of CLOCKS) {
  describe(`ClockUnwrapper of ${name}`, () => {
    for (const start of [0, 1, cycle / 2 - 1, cycle / 2, cycle - 2, cycle - 1]) {
      it(`runs on from ${start} through three wraps, by steps of just under half a cycle`, () => {
        const unwrapper = new ClockUnwrapper(cycle);
        const step = cycle / 2 - 1;
        for (let time = start; time < start + 3 * cycle; time += step) {
          expect(unwrapper.unwrap(time % cycle)).toBe(time);
        }
      });

      it(`puts what is late and what is early around ${start} in its place`, () => {
        const unwrapper = new ClockUnwrapper(cycle);
        for (const offset of [0, 9000, 3600, 7200, -1, -3600, 5, 4, -3, 9001]) {
          expect(unwrapper.unwrap((start + offset + cycle) % cycle)).toBe(start + offset);
        }
      });
    }

    it('takes exactly half a cycle as earlier', () => {
      expect(cycleDistance(0, cycle / 2, cycle)).toBe(-cycle / 2);
      expect(cycleDistance(cycle / 2, 0, cycle)).toBe(-cycle / 2);
      expect(cycleDistance(1, cycle / 2, cycle)).toBe(cycle / 2 - 1);
    });

    it('stays exact after a hundred wraps', () => {
      const unwrapper = new ClockUnwrapper(cycle);
      let time = 7;
      for (; time < 100 * cycle; time += cycle / 2 - 1) unwrapper.unwrap(time % cycle);
      expect(unwrapper.unwrap(time % cycle)).toBe(time);
    });

    it('measures any distance within half a cycle', () => {
      const distances = fc.integer({ min: -cycle / 2, max: cycle / 2 - 1 });
      fc.assert(
        fc.property(fc.maxSafeNat(), distances, (at, distance) => {
          const from = at % (2000 * cycle);
          const to = (((from + distance) % cycle) + cycle) % cycle;
          expect(cycleDistance(from, to, cycle) + 0).toBe(distance);
        }),
      );
    });
  });
}

describe('media clocks', () => {
  it('convert from 27 MHz to milliseconds and to whole ticks of 90 kHz', () => {
    expect(pcrToMs(27_000_000)).toBe(1000);
    expect(pcrToTicks(899)).toBe(2);
    expect(pcrToTicks(900)).toBe(3);
  });

  it('start over together', () => {
    expect(pcrToTicks(PCR_CYCLE)).toBe(PTS_CYCLE);
    expect(pcrToMs(PCR_CYCLE) / 3_600_000).toBeCloseTo(26.51, 2);
  });
});

describe('NTP time', () => {
  const moments: [name: string, iso: string, ntp: NtpTime][] = [
    ['the beginning of Unix time', '1970-01-01T00:00:00Z', { seconds: 2_208_988_800, fraction: 0 }],
    ['half a second later', '1970-01-01T00:00:00.500Z', { seconds: 2_208_988_800, fraction: 2 ** 31 }],
    ['the last second of the first era', '2036-02-07T06:28:15Z', { seconds: 2 ** 32 - 1, fraction: 0 }],
    ['the first second of the second era', '2036-02-07T06:28:16Z', { seconds: 0, fraction: 0 }],
    ['a day of the second era', '2040-01-01T00:00:00.250Z', { seconds: 123_010_304, fraction: 2 ** 30 }],
  ];
  for (const [name, iso, ntp] of moments) {
    it(`of ${name} is that of the wall clock`, () => expect(ntpFromWall(Date.parse(iso))).toEqual(ntp));
  }

  it('keeps a wall clock to a microsecond, always in 32 bits', () => {
    const walls = fc.double({ min: Date.UTC(1970), max: Date.UTC(2036), noNaN: true });
    fc.assert(
      fc.property(walls, (wallMs) => {
        const { seconds, fraction } = ntpFromWall(wallMs);
        expect((seconds - 2_208_988_800 + fraction / 2 ** 32) * 1000).toBeCloseTo(wallMs, 3);
        for (const half of [seconds, fraction]) expect(half).toBe(half >>> 0);
      }),
    );
  });

  it('is told compactly by its middle bits', () => {
    expect(compactNtp({ seconds: 0xb44d_b705, fraction: 0x2000_0000 })).toBe(0xb705_2000);
    expect(compactNtp({ seconds: 0xffff_ffff, fraction: 0xffff_ffff })).toBe(0xffff_ffff);
  });

  const spans: [ms: number, compact: number][] = [
    [0, 0],
    [5250, 0x0005_4000], // the example of RFC 3550 §6.4.1
    [-1, 0],
    [18.2 * 3_600_000, 0xfff0_0000],
    [19 * 3_600_000, 0xffff_ffff],
    [Infinity, 0xffff_ffff],
  ];
  for (const [ms, compact] of spans) {
    it(`tells a span of ${ms} ms as ${compact}`, () => expect(compactFromMs(ms)).toBe(compact));
  }

  it('gives spans back to 8 µs', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 65_000_000, noNaN: true }), (ms) => {
        expect(Math.abs(compactToMs(compactFromMs(ms)) - ms)).toBeLessThan(0.0077);
      }),
    );
  });
});
