import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MediaRun } from '../../sender/media-chunk.ts';
import { AHEAD_MS, Pacer } from '../../sender/pacer.ts';
import { drive, play, type Timed } from '../helpers/drive.ts';
import { datagramsOf, runOf } from '../helpers/media-runs.ts';

/** A datagram that belongs to a moment of the stream, in milliseconds. */
function at(streamMs: number, payloadBytes = 1316): MediaRun {
  return runOf({ payloadBytes, transmitTicks: streamMs * 27_000 });
}

/** When it is due. */
function dueOf(run: MediaRun): number {
  return datagramsOf(run)[0]?.dueAt ?? NaN;
}

/** All datagrams pushed at once at `now`, and when each left the pacer and was due. */
function paced(pacer: Pacer, streamMs: readonly number[], now = 0): [left: number, due: number][] {
  for (const each of streamMs) pacer.push(at(each), now);
  return [...drive(pacer, now)].map(([left, run]) => [Math.round(left), Math.round(dueOf(run))]);
}

describe('Pacer', () => {
  it('puts the stream on the clock of the first datagram', () => {
    expect(paced(new Pacer(), [5, 6, 8], 1000)).toEqual([
      [1000, 1000],
      [1000, 1001],
      [1000, 1003],
    ]);
  });

  it('lets datagrams leave at most 200 ms ahead', () => {
    for (const [left, due] of paced(
      new Pacer(),
      Array.from({ length: 200 }, (_, index) => index * 7),
    ))
      expect(due - left).toBeLessThanOrEqual(AHEAD_MS);
  });

  it('wakes for 100 ms of datagrams at a time', () => {
    const left = paced(
      new Pacer(),
      Array.from({ length: 1000 }, (_, index) => index),
    ).map(([time]) => time);
    expect(new Set(left).size).toBe(9); // at once up to 200 ms, then the other 800 ms
  });

  it('says when the source may be read again: when less than 200 ms lie ahead', () => {
    const pacer = new Pacer();
    expect(pacer.roomAt).toBe(-Infinity);
    paced(pacer, [0, 500], 1000);
    expect(pacer.roomAt).toBe(1300);
  });

  it('says how much to read for 200 ms ahead', () => {
    const pacer = new Pacer();
    expect(pacer.wantedBytes(1000)).toBe(0);
    const stream = Array.from({ length: 200 }, (_, index) => index * 10);
    paced(pacer, stream, 1000); // the last one is due at 2990
    expect(pacer.wantedBytes(2990)).toBeCloseTo(20 * 1316);
    expect(pacer.wantedBytes(3060)).toBeCloseTo(27 * 1316);
    expect(pacer.wantedBytes(2700)).toBe(0);
  });

  it('wakes and wants to be fed at the same moments as all others', () => {
    const pacer = new Pacer();
    for (const [left] of paced(
      pacer,
      Array.from({ length: 100 }, (_, index) => index * 7),
      1013,
    ).filter(([time]) => time > 1013))
      expect(left % 100).toBe(0);
    expect(pacer.roomAt % 100).toBe(0);
  });

  it('moves the anchor when the source falls behind, instead of a burst', () => {
    const pacer = new Pacer();
    const inputs: Timed<MediaRun>[] = [
      [0, at(0)],
      [10, at(10)],
      [3000, at(20)],
      [3000, at(30)],
      [3005, at(40)],
    ];
    const due = [...play(pacer, inputs)].map(([, run]) => dueOf(run));
    expect(due).toEqual([0, 10, 3000, 3010, 3020]);
    expect(pacer.stats).toEqual({ slips: 1, slippedMs: 2980, regainedMs: 0 });
  });

  it('takes a delay of less than a millisecond for none', () => {
    const pacer = new Pacer();
    expect(
      [...play(pacer, [[0, at(0)] as const, [10.5, at(10)] as const])].map(([, run]) => dueOf(run)),
    ).toEqual([0, 10]);
    expect(pacer.stats.slips).toBe(0);
  });

  it('paces by a bit rate that was asked for, and tells by how much the programme runs faster', () => {
    const pacer = new Pacer({ bitsPerSecond: 8 * 1316 * 1000 });
    const due = paced(
      pacer,
      Array.from({ length: 3000 }, (_, index) => index * 4),
    ).map(([, time]) => time);
    expect(due.slice(0, 4)).toEqual([0, 1, 2, 3]);
    expect(pacer.pace).toEqual({ ppm: 4_000_000, bitsPerSecond: 8 * 1316 * 1000 });
  });

  it('knows its pace from the second datagram on', () => {
    const pacer = new Pacer({ bitsPerSecond: 8 * 1316 * 1000 });
    paced(pacer, [0]);
    expect(pacer.pace.ppm).toBe(1_000_000);
    paced(pacer, [2]);
    expect(pacer.pace.ppm).toBe(2_000_000);
  });

  it('runs at its own pace otherwise, and measures the rate', () => {
    const pacer = new Pacer();
    paced(
      pacer,
      Array.from({ length: 2100 }, (_, index) => index),
    );
    expect(pacer.pace.ppm).toBe(1_000_000);
    expect(pacer.pace.bitsPerSecond).toBeCloseTo(8 * 1316 * 1000);
  });

  it('keeps due times in order and on time, whatever comes when', () => {
    const steps = fc.array(fc.tuple(fc.nat(300), fc.integer({ min: 0, max: 300 })), { maxLength: 60 });
    fc.assert(
      fc.property(steps, fc.constantFrom(undefined, 1_000_000), (list, bitsPerSecond) => {
        let [now, streamMs] = [0, 0];
        const inputs = list.map(([wait, step]): Timed<MediaRun> => {
          now += wait;
          streamMs += step;
          return [now, at(streamMs)];
        });
        let newest = -Infinity;
        let count = 0;
        for (const [left, run] of play(new Pacer({ bitsPerSecond }), inputs)) {
          const dueAt = dueOf(run);
          expect(dueAt).toBeGreaterThanOrEqual(newest);
          expect(dueAt).toBeGreaterThanOrEqual(left - 1); // what is late by less is sent at once
          newest = dueAt;
          count++;
        }
        expect(count).toBe(list.length);
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  describe('of a live source that stalled for a second and delivers what piled up', () => {
    /** 20 ms steps; those of the second from 1000 on come together at 2000, all others as they are made. */
    const inputs = Array.from({ length: 2000 }, (_, index): Timed<MediaRun> => {
      const made = index * 20;
      return [made >= 1000 && made < 2000 ? 2000 : made, at(made)];
    });
    const delays = (pacer: Pacer): number[] =>
      [...play(pacer, inputs)].flatMap(([, run]) =>
        datagramsOf(run).map(({ dueAt, transmitTicks }) => dueAt - transmitTicks / 27_000),
      );

    it('makes up for the delay, by no more than a twentieth of life', () => {
      const pacer = new Pacer({ live: true });
      const delay = delays(pacer);
      expect(Math.max(...delay)).toBeCloseTo(1000, -1);
      expect(delay.at(-1)).toBeLessThanOrEqual(101);
      expect(pacer.stats.regainedMs).toBeGreaterThan(890);
      delay.forEach((each, index) => expect((delay[index - 1] ?? each) - each).toBeLessThanOrEqual(1.001));
    });

    it('tells the pace while it does', () => {
      const pacer = new Pacer({ live: true });
      for (const [now, input] of inputs.slice(0, 400)) {
        pacer.push(input, now);
        while (pacer.poll(now));
      }
      expect(pacer.pace.ppm).toBeGreaterThan(1_040_000);
    });

    it('leaves a file at its own pace', () => {
      const pacer = new Pacer();
      expect(delays(pacer).at(-1)).toBeCloseTo(1000, -1);
      expect(pacer.pace.ppm).toBe(1_000_000);
    });
  });
});
