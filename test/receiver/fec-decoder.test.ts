import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InOrderRelease } from '../../jitter-buffer/in-order.ts';
import { ReceiveWindow } from '../../jitter-buffer/ordering.ts';
import { emptyArrival } from '../../jitter-buffer/slab.ts';
import { FecDecoder } from '../../receiver/fec-decoder.ts';
import type { FecMatrix } from '../../wire/fec/smpte2022.ts';
import { naiveProtection, naiveRepair, peel, sourcePackets, type NaivePacket } from '../helpers/fec.ts';
import { departures, play, scene, type Arrival } from '../helpers/fec-scene.ts';
import { network, randomFrom } from '../helpers/network.ts';
import { SEQUENCE_STARTS } from '../helpers/packets.ts';

fc.configureGlobal({ seed: 20_261_123 });

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

const COLUMNS_ONLY: FecMatrix = { columns: 5, rows: 4, rowPackets: false };
const BOTH: FecMatrix = { columns: 5, rows: 5, rowPackets: true };
const TEN: FecMatrix = { columns: 10, rows: 10, rowPackets: true };

describe('a FEC decoder', () => {
  for (const start of SEQUENCE_STARTS) {
    it(`recovers just what can be recovered, counting from ${start}`, () => {
      const sources = sourcePackets(200, { start, payloadBytes: 8 });
      fc.assert(
        fc.property(
          fc.constantFrom(COLUMNS_ONLY, BOTH, TEN),
          fc.integer({ min: 0, max: 40 }),
          fc.nat(),
          (matrix, percent, seed) => {
            const random = randomFrom(seed);
            const protection = naiveProtection(sources, matrix, { column: start, row: start });
            const kept = departures(sources, protection).filter(() => random() >= percent / 100);
            const seen = scene(sources);
            play(seen, kept);
            seen.decoder.sentUntil(sources.length);
            const sourcesKept = kept.filter((each) => typeof each === 'number');
            const lines = kept.filter((each) => typeof each !== 'number').map(({ indexes }) => indexes);
            const wanted = confirmed(kept, matrix) ? peel(sourcesKept, lines) : undefined;
            if (wanted) expect(seen.window.there).toEqual(wanted);
            expect(seen.decoder.refused.size).toBe(0);
          },
        ),
        { numRuns: 60 },
      );
    });
  }

  it('recovers the same in whatever order all comes, and however often', () => {
    const sources = sourcePackets(100, { start: 65_500, payloadBytes: 8 });
    const protection = naiveProtection(sources, BOTH);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.nat(), (percent, seed) => {
        const random = randomFrom(seed);
        const kept = departures(sources, protection).filter(() => random() >= percent / 100);
        const twice = shuffled([...kept, ...kept], random);
        const seen = scene(sources);
        play(seen, twice);
        seen.decoder.sentUntil(sources.length);
        const came = kept.filter((each) => typeof each === 'number');
        const lines = kept.filter((each) => typeof each !== 'number').map(({ indexes }) => indexes);
        if (confirmed(kept, BOTH)) expect(seen.window.there).toEqual(peel(came, lines));
        expect(seen.decoder.counters.duplicate).toBe(lines.length);
        expect(seen.decoder.counters.repairPackets).toBe(lines.length);
      }),
      { numRuns: 100 },
    );
  });

  it('recovers when all repair packets come first', () => {
    const sources = sourcePackets(50);
    const seen = scene(sources);
    play(seen, naiveProtection(sources, BOTH));
    play(
      seen,
      sources.map((_, index) => index).filter((index) => index % 7 !== 3),
    );
    expect(seen.window.there.size).toBe(50);
  });

  it('takes nothing for lost that is still to come', () => {
    const sources = sourcePackets(50);
    const protection = naiveProtection(sources, BOTH);
    const seen = scene(sources);
    play(seen, protection);
    play(
      seen,
      sources.map((_, index) => index),
    );
    expect(seen.window.recovered).toEqual([]);
  });

  it('recovers the last ones once it is told that they were sent', () => {
    const sources = sourcePackets(25);
    const seen = scene(sources);
    play(
      seen,
      sources.slice(0, 23).map((_, index) => index),
    );
    play(seen, naiveProtection(sources, BOTH));
    expect(seen.window.recovered).toEqual([]);
    seen.decoder.sentUntil(24);
    expect(seen.window.recovered).toEqual([23]);
    seen.decoder.sentUntil(25);
    seen.decoder.sentUntil(25);
    expect(seen.window.recovered).toEqual([23, 24]);
  });

  it('repairs a burst as long as a row, wherever it is, by columns alone', () => {
    const sources = sourcePackets(200, { payloadBytes: 8 });
    for (const matrix of [COLUMNS_ONLY, { columns: 10, rows: 10, rowPackets: false }]) {
      const all = departures(sources, naiveProtection(sources, matrix));
      for (let from = 0; from + matrix.columns <= 200; from++) {
        const lost = (each: Arrival): boolean =>
          typeof each === 'number' && each >= from && each < from + matrix.columns;
        const seen = scene(sources);
        play(
          seen,
          all.filter((each) => !lost(each)),
        );
        seen.decoder.sentUntil(200);
        expect(seen.window.there.size).toBe(200);
      }
    }
  });

  for (const percent of [1, 5, 10]) {
    it(`leaves of ${percent} % random loss what theory says, by columns alone`, () => {
      const matrix: FecMatrix = { columns: 10, rows: 10, rowPackets: false };
      const count = percent === 1 ? 1_000_000 : 100_000;
      const { lost, left } = residual(matrix, percent / 100, count);
      const p = percent / 100;
      expect(lost / count).toBeCloseTo(p, 2);
      // One is left when another one of its column or the repair packet is lost as well.
      const theory = p * (1 - (1 - p) ** matrix.rows);
      expect(left / count / theory).toBeGreaterThan(0.9);
      expect(left / count / theory).toBeLessThan(1.1);
    });
    it(`leaves of ${percent} % random loss what iteration must leave, by columns and rows`, () => {
      const { left, model } = residual(TEN, percent / 100, 20_000);
      expect(left).toBe(model);
    });
  }

  for (const matrix of [{ columns: 10, rows: 10, rowPackets: false }, TEN])
    it(`leaves of bursts what iteration must leave, by columns${matrix.rowPackets ? ' and rows' : ''}`, () => {
      const { lost, left, model } = residual(matrix, { rate: 0.05, meanBurst: 5 }, 40_000);
      expect(lost).toBeGreaterThan(1000);
      expect(left).toBe(model);
      expect(left).toBeLessThan(lost / 2);
    });

  it('learns the matrix from what comes', () => {
    const sources = sourcePackets(100);
    const seen = scene(sources);
    expect(seen.decoder.setting).toBeUndefined();
    const matrix: FecMatrix = { columns: 5, rows: 4, rowPackets: true };
    const protection = naiveProtection(sources, matrix);
    play(
      seen,
      protection.filter(({ direction }) => direction === 'row'),
    );
    expect(seen.decoder.setting).toBeUndefined();
    play(seen, protection);
    expect(seen.decoder.setting).toEqual({ kind: '2022', matrix });
  });

  it('repairs on when the sender changes the matrix or begins to count anew', () => {
    const sources = sourcePackets(400, { payloadBytes: 8 });
    const first = naiveProtection(sources.slice(0, 200), BOTH);
    const second = naiveProtection(sources.slice(200), COLUMNS_ONLY, { column: 40_000, row: 0 });
    const moved = second.map((each) => ({ ...each, leavesWith: each.leavesWith + 200 }));
    const seen = scene(sources);
    const all = departures(
      sources,
      [...first, ...moved].sort((a, b) => a.leavesWith - b.leavesWith),
    );
    play(
      seen,
      all.filter((each) => typeof each !== 'number' || each % 20 !== 11),
    );
    expect(seen.window.there.size).toBe(400);
    expect(seen.decoder.setting).toMatchObject({ matrix: { columns: 5, rows: 4 } });
  });

  it('believes columns that do not begin in one row', () => {
    const sources = sourcePackets(300, { payloadBytes: 8 });
    const packets: NaivePacket[] = [];
    const [columns, rows] = [5, 5];
    for (let sequence = 0; sequence < 50; sequence++) {
      const column = sequence % columns;
      const first = Math.floor(sequence / columns) * columns * rows + column * (columns + 1);
      const indexes = Array.from({ length: rows }, (_, row) => first + row * columns);
      const protectedOnes = indexes.map((index) => sources[index] ?? Buffer.alloc(0));
      if (indexes.some((index) => index >= 300)) continue;
      const datagram = naiveRepair(protectedOnes, { direction: 'column', sequence, offset: columns });
      packets.push({ direction: 'column', datagram, indexes, leavesWith: first + columns * rows });
    }
    const seen = scene(sources);
    const all = departures(
      sources,
      packets.sort((a, b) => a.leavesWith - b.leavesWith),
    );
    play(
      seen,
      all.filter((each) => typeof each !== 'number' || each < 100 || each % 25 !== 0),
    );
    expect(seen.window.recovered.length).toBeGreaterThan(3);
    expect(seen.decoder.refused.size).toBe(0);
  });

  it('repairs the receive window, by what was released as well', () => {
    const sources = sourcePackets(200, { start: 65_500 });
    const window = new ReceiveWindow(256);
    window.kept = 75;
    const release = new InOrderRelease(window, 1000);
    const put = (index: number, datagram: Buffer, recovered: boolean): boolean => {
      const place = { index, datagram, payloadStart: 12, payloadEnd: datagram.length, recovered };
      release.push({ ...emptyArrival(), ...place }, 0);
      return true;
    };
    const recover = (index: number, datagram: Buffer): boolean => put(index, datagram, true);
    const there = { has: window.has.bind(window), datagramAt: window.datagramAt.bind(window), recover };
    const decoder = new FecDecoder(there, 65_500);
    const out: Buffer[] = [];
    for (const each of departures(sources, naiveProtection(sources, BOTH))) {
      const isLost = typeof each === 'number' ? each % 25 >= 7 && each % 25 < 12 : each.indexes.includes(50);
      if (isLost) continue;
      if (typeof each === 'number') {
        put(each, sources[each] ?? Buffer.alloc(0), false);
        decoder.arrived(each);
      } else decoder.repair(each.datagram);
      for (let step = release.poll(0); step; step = release.poll(0))
        if (step.kind === 'payload') out.push(Buffer.from(step.payload));
    }
    expect(out).toEqual(sources.map((source) => source.subarray(12)));
    expect(window.counters).toMatchObject({ recovered: 40, needless: 0, lost: 0 });
  });

  it('counts by what it recovered', () => {
    const sources = sourcePackets(50);
    const seen = scene(sources);
    const lost = new Set([3, 27, 28]);
    const all = departures(sources, naiveProtection(sources, BOTH));
    play(
      seen,
      all.filter((each) => typeof each !== 'number' || !lost.has(each)),
    );
    seen.decoder.sentUntil(50);
    expect(seen.decoder.counters.recovered).toEqual({ row: 2, column: 1 });
  });
});

/** Whether at least two of each direction came: one alone is not believed. */
function confirmed(kept: readonly Arrival[], { rowPackets }: FecMatrix): boolean {
  const count = (direction: string): number =>
    kept.filter((each) => typeof each !== 'number' && each.direction === direction).length;
  return count('column') !== 1 && (!rowPackets || count('row') !== 1);
}

/** Loss of source and repair packets, at random or in bursts: how many are lost, left by the decoder, and left by iteration as such. */
function residual(
  matrix: FecMatrix,
  loss: number | { rate: number; meanBurst: number },
  count: number,
): { lost: number; left: number; model: number } {
  const size = matrix.columns * matrix.rows;
  const total = { lost: 0, left: 0, model: 0 };
  const sources = sourcePackets(2000, { payloadBytes: 4 });
  const all = departures(sources, naiveProtection(sources, matrix));
  const options = typeof loss === 'number' ? { loss } : { burstLoss: loss };
  for (let done = 0; done < count; done += sources.length) {
    const departing = all.map((item, at) => ({ at, item }));
    const kept = [...network(departing, { ...options, seed: done + 1 })].map(({ item }) => item);
    const seen = scene(sources);
    play(seen, kept);
    seen.decoder.sentUntil(sources.length);
    const came = kept.filter((each) => typeof each === 'number');
    const lines = kept.filter((each) => typeof each !== 'number').map(({ indexes }) => indexes);
    total.lost += sources.length - came.length;
    total.left += sources.length - seen.window.there.size;
    total.model += sources.length - peel(came, lines).size;
  }
  expect(sources.length % size).toBe(0);
  return total;
}
