import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DepartureSchedule } from '../../transport/departure-schedule.ts';

/** What left together: when, and the numbers of the datagrams. */
type Burst = [now: number, numbers: number[]];

/** Numbers datagrams in their first four bytes. */
function numbered(index: number): Buffer {
  const datagram = Buffer.alloc(4);
  datagram.writeUInt32BE(index);
  return datagram;
}

/** Pushes one datagram for each due time and polls at every `wakeAt`, as late as `lateness` says. */
function run(
  quantumMs: number,
  dueTimes: readonly number[],
  lateness = (_wakeAt: number): number => 0,
): Burst[] {
  const schedule = new DepartureSchedule(quantumMs);
  dueTimes.forEach((dueAt, index) => schedule.push(numbered(index), dueAt));
  const bursts: Burst[] = [];
  let now = -Infinity;
  while (schedule.wakeAt < Infinity) {
    const { wakeAt } = schedule;
    expect(wakeAt).toBeGreaterThan(now); // else it would spin
    now = wakeAt + lateness(wakeAt);
    const numbers: number[] = [];
    for (let next = schedule.poll(now); next; next = schedule.poll(now)) numbers.push(next.readUInt32BE());
    expect(numbers.length).toBeGreaterThan(0); // else wakeAt broke its promise
    bursts.push([now, numbers]);
  }
  return bursts;
}

/** Due times of `count` datagrams of a constant rate. */
function evenly(count: number, everyMs: number, from = 1000): number[] {
  return Array.from({ length: count }, (_, index) => from + index * everyMs);
}

const EVERY_MS = (1316 * 8) / 20_000; // one 20 Mbit/s programme

describe('DepartureSchedule', () => {
  const cases: [name: string, quantumMs: number, dueTimes: number[], bursts: string[]][] = [
    ['sends a single datagram half a quantum early', 2, [1000], ['999: 0']],
    [
      'sends what is due within a quantum together',
      2,
      evenly(9, 0.5),
      ['999: 0', '1000.5: 1 2 3', '1002: 4 5 6', '1003.5: 7 8'],
    ],
    ['keeps quanta apart', 1, [1000, 1000.4, 1000.8, 1001.2], ['999.5: 0', '1000.25: 1', '1001: 2 3']],
    ['sleeps through a pause', 1, [1000, 5000], ['999.5: 0', '4999.5: 1']],
    ['sends together what is due at the same time', 2, Array(7).fill(1000), ['999: 0 1 2 3 4 5 6']],
  ];
  for (const [name, quantumMs, dueTimes, bursts] of cases) {
    it(name, () => {
      const said = run(quantumMs, dueTimes).map(([now, numbers]) => `${now}: ${numbers.join(' ')}`);
      expect(said).toEqual(bursts);
    });
  }

  it('sends nothing more than half a quantum early, and nothing late with a timer that is exact', () => {
    for (const quantumMs of [1, 2, 5, 10]) {
      const dueTimes = evenly(2000, EVERY_MS);
      for (const [now, numbers] of run(quantumMs, dueTimes)) {
        for (const number of numbers) {
          const late = now - (dueTimes[number] ?? 0);
          expect(late).toBeGreaterThanOrEqual(-quantumMs / 2 - 1e-9);
          expect(late).toBeLessThanOrEqual(quantumMs);
        }
      }
    }
  });

  it('keeps the pace of 1 Gbit/s with a timer that always comes late', () => {
    const dueTimes = evenly(100_000, EVERY_MS / 50);
    const bursts = run(1, dueTimes, () => 0.4);
    const [now, numbers] = bursts.at(-1) ?? [0, []];
    expect(now - (dueTimes[numbers.at(-1) ?? 0] ?? 0)).toBeLessThan(2);
  });

  it('spreads what a stall made late: no burst beyond two quanta and two datagrams, and catches up', () => {
    const quantumMs = 2;
    const perQuantum = Math.ceil(quantumMs / EVERY_MS);
    const dueTimes = evenly(4000, EVERY_MS);
    let stalled = false;
    const bursts = run(quantumMs, dueTimes, (wakeAt) => {
      if (stalled || wakeAt < 1500) return 0.1;
      stalled = true;
      return 250;
    });
    const largest = Math.max(...bursts.map(([, numbers]) => numbers.length));
    expect(largest).toBeLessThanOrEqual(2 * perQuantum + 2);
    expect(largest).toBeLessThanOrEqual(12); // what is promised for a programme of 20 Mbit/s

    const lateness = bursts.map(([now, numbers]): [number, number] => [
      now,
      now - (dueTimes[numbers[0] ?? 0] ?? 0),
    ]);
    const onTimeAgain = lateness.find(([now, late]) => now > 1760 && late < quantumMs);
    expect(onTimeAgain?.[0]).toBeLessThan(1900);
  });

  it('tells how late the latest one was', () => {
    const schedule = new DepartureSchedule(1);
    schedule.push(numbered(0), 1000);
    schedule.poll(1003.5);
    schedule.push(numbered(1), 1005);
    schedule.poll(1005);
    expect(schedule.latestMs).toBe(3.5);
  });

  it('gives nothing before its time, and says when', () => {
    const schedule = new DepartureSchedule(2);
    expect(schedule.wakeAt).toBe(Infinity);
    expect(schedule.poll(1000)).toBeUndefined();
    schedule.push(numbered(0), 1010);
    expect(schedule.poll(1000)).toBeUndefined();
    expect(schedule.wakeAt).toBe(1009);
    expect(schedule.queued).toBe(1);
  });

  it('drops what is queued when cleared', () => {
    const schedule = new DepartureSchedule(2);
    for (let index = 0; index < 10; index++) schedule.push(numbered(index), 1000);
    schedule.clear();
    expect(schedule.queued).toBe(0);
    expect(schedule.wakeAt).toBe(Infinity);
    schedule.push(numbered(99), 1000);
    expect(schedule.poll(1000)?.readUInt32BE()).toBe(99);
  });

  it('keeps order and loses nothing, whatever comes in and however late the timer', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: 0, max: 3, noNaN: true }), { maxLength: 1500 }),
        fc.constantFrom(1, 2, 5, 10),
        fc.array(fc.float({ min: 0, max: 30, noNaN: true }), { minLength: 1, maxLength: 50 }),
        (steps, quantumMs, late) => {
          let at = 1000;
          const dueTimes = steps.map((step) => (at += step));
          let turn = 0;
          const bursts = run(quantumMs, dueTimes, () => late[turn++ % late.length] ?? 0);
          const numbers = bursts.flatMap(([, each]) => each);
          expect(numbers).toEqual(dueTimes.map((_, index) => index));
        },
      ),
      { seed: 20, numRuns: 200 },
    );
  });

  it('takes datagrams while others leave, far beyond its first size', () => {
    const schedule = new DepartureSchedule(1);
    let pushed = 0;
    let taken = 0;
    for (let now = 0; now < 300; now++) {
      for (let each = 0; each < 20; each++) schedule.push(numbered(pushed++), now);
      for (let next = schedule.poll(now); next; next = schedule.poll(now))
        expect(next.readUInt32BE()).toBe(taken++);
    }
    expect(pushed - taken).toBe(schedule.queued);
    expect(taken).toBeGreaterThan(5000);
  });
});
