/** The native engine's schedule, on virtual time: the rule of departure-schedule.ts on a grid. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const EVERY_MS = (1316 * 8) / 20_000; // one 20 Mbit/s programme

/** What left together: when, the due times of the datagrams, and when it was foretold for. */
type Burst = [now: number, dueTimes: number[], foretold: number];

describe("the native engine's schedule", () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'lancast-schedule-'));
    const sources = ['test/transport/schedule.c', 'transport/native/departure-schedule.c'];
    const include = ['-I', 'node_modules/node-api-headers/include'];
    execFileSync('cc', ['-O2', ...include, '-o', `${folder}/schedule`, ...sources, '-lm']);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Fails when the schedule breaks its promise. */
  function run(quantumMs: number, dueTimes: readonly number[], latenessMs: readonly number[] = [0]): Burst[] {
    const args = [quantumMs, ...latenessMs].map(String);
    const output = execFileSync(`${folder}/schedule`, args, {
      input: dueTimes.join('\n'),
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    });
    let first = 0;
    return output
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [now = 0, count = 0, foretold = 0] = line.split(' ').map(Number);
        return [now, dueTimes.slice(first, (first += count)), foretold];
      });
  }

  function evenly(count: number, everyMs: number, from = 1000): number[] {
    return Array.from({ length: count }, (_, index) => from + index * everyMs);
  }

  function largest(bursts: readonly Burst[]): number {
    return Math.max(...bursts.map(([, dueTimes]) => dueTimes.length));
  }

  it('wakes on one grid for all queues, and sends at most half a quantum early or late', () => {
    for (const quantumMs of [0.5, 1, 5, 10]) {
      // The first ones are shorter: it is not known yet how dense datagrams are.
      for (const [now, dueTimes] of run(quantumMs, evenly(3000, EVERY_MS, 1000.3)).slice(5)) {
        expect(Math.abs(now / quantumMs - Math.round(now / quantumMs))).toBeLessThan(1e-6);
        for (const due of dueTimes)
          expect(Math.abs(now - due)).toBeLessThanOrEqual(quantumMs / 2 + EVERY_MS + 1e-6);
      }
    }
  });

  it('sends at most one quantum and two datagrams together', () => {
    for (const quantumMs of [0.5, 1, 5, 10]) {
      // Most of the time a little late, now and then by more than a quantum.
      const late = [0.1, 0.03, 0.05, 0.4 * quantumMs, 0.02, 1.7 * quantumMs];
      const bursts = run(quantumMs, evenly(3000, EVERY_MS), late);
      expect(largest(bursts)).toBeLessThanOrEqual(Math.ceil(quantumMs / EVERY_MS) + 2);
    }
  });

  it('spreads what a stall made late at twice the rate', () => {
    for (const quantumMs of [1, 5]) {
      const late = [...Array(50).fill(0.05), 250, ...Array(5000).fill(0.05)];
      const dueTimes = evenly(4000, EVERY_MS);
      const bursts = run(quantumMs, dueTimes, late);
      const perQuantum = Math.ceil(quantumMs / EVERY_MS);
      expect(largest(bursts)).toBeLessThanOrEqual(perQuantum + 2);
      const after = bursts.findIndex(([now, [due = 0]]) => now - due > 200);
      const [from = 0] = bursts[after] ?? [];
      const caughtUp = bursts.slice(after).find(([now, [due = 0]]) => now - due <= quantumMs);
      expect((caughtUp?.[0] ?? Infinity) - from).toBeGreaterThan(60);
      expect((caughtUp?.[0] ?? Infinity) - from).toBeLessThan(300);
    }
  });

  it('sends each datagram at its time without a quantum', () => {
    const bursts = run(0, evenly(1000, EVERY_MS));
    expect(bursts.length).toBe(1000);
    for (const [now, [due = 0]] of bursts) expect(now).toBeCloseTo(due, 6);
  });

  it('spreads what a stall made late without a quantum too, at half the distances', () => {
    const bursts = run(0, evenly(1000, EVERY_MS), [...Array(100).fill(0.02), 100, ...Array(2000).fill(0.02)]);
    expect(largest(bursts)).toBe(1);
    const late = bursts.filter(([now, [due = 0]]) => now - due > 1);
    expect(late.length).toBeGreaterThan(250);
    expect(late.length).toBeLessThan(450);
  });

  it('sends together what is due at the same time', () => {
    for (const quantumMs of [0, 2]) {
      const bursts = run(quantumMs, Array(7).fill(1000));
      expect(bursts.map(([now, dueTimes]) => [now, dueTimes.length])).toEqual([[1000, 7]]);
    }
  });

  it('foretells when it wakes up after the next time, while datagrams come evenly', () => {
    for (const quantumMs of [0, 0.5, 1, 2])
      for (const everyMs of [EVERY_MS, 3 * EVERY_MS]) {
        const bursts = run(quantumMs, evenly(1000, everyMs)).slice(5);
        for (const [now, , foretold] of bursts) expect(foretold).toBe(now);
      }
  });

  it('keeps the pace of 1 Gbit/s, with a timer that always comes late', () => {
    for (const quantumMs of [0, 0.5, 1, 5]) {
      const bursts = run(quantumMs, evenly(100_000, EVERY_MS / 50), [0.06]);
      const [now, dueTimes] = bursts.at(-1) ?? [0, []];
      expect(now - (dueTimes.at(-1) ?? 0)).toBeLessThan(2 * Math.max(quantumMs, 0.5));
    }
  });

  it('keeps order and loses nothing, whatever comes in and however late the timer', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: 0, max: 3, noNaN: true }), { minLength: 1, maxLength: 1500 }),
        fc.constantFrom(0, 0.5, 1, 5, 10),
        fc.array(fc.float({ min: 0, max: 30, noNaN: true }), { minLength: 1, maxLength: 50 }),
        (steps, quantumMs, late) => {
          let at = 1000;
          const dueTimes = steps.map((step) => (at += step));
          expect(run(quantumMs, dueTimes, late).flatMap(([, each]) => each)).toEqual(dueTimes);
        },
      ),
      { seed: 21, numRuns: 100 },
    );
  });
});
