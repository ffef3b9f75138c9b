/** A whole reception behind two paths: what comes out is what either of them delivered. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PathMerge, type Path } from '../../receiver/path-merge.ts';
import type { ReceptionInput, ReceptionOptions, ReceptionOutput } from '../../receiver/reception.ts';
import type { Stage } from '../../wire/stage.ts';
import { play } from '../helpers/drive.ts';
import { network, randomFrom, type InTransit, type NetworkOptions } from '../helpers/network.ts';
import { indexOf, payloadOf, SEQUENCE_STARTS } from '../helpers/packets.ts';
import { newReception } from '../helpers/receive.ts';
import { numbered, SOURCES } from '../helpers/two-paths.ts';

/** A whole reception behind two paths, put together as a receiver does. */
class TwoPaths implements Stage<{ path: Path; data: Buffer } | { giveUp: true }, ReceptionOutput> {
  readonly merge = new PathMerge();
  readonly reception;

  constructor(options: Partial<ReceptionOptions>) {
    this.reception = newReception(options);
  }

  push(input: { path: Path; data: Buffer } | { giveUp: true }, now: number): void {
    if ('giveUp' in input) return this.reception.push({ kind: 'giveUp' }, now);
    const source = this.merge.take(input.path, input.data, now, SOURCES[input.path]);
    if (!source) return;
    const media: ReceptionInput = { kind: 'media', data: input.data, arrivedAt: now, source };
    this.reception.push(media, now);
  }

  poll(now: number): ReceptionOutput | undefined {
    const output = this.reception.poll(now);
    if (output?.kind === 'recognised') this.merge.follow(output.ssrc ?? 0, output.source);
    return output;
  }

  get wakeAt(): number {
    return this.reception.wakeAt;
  }
}

type OnPath = InTransit<{ path: Path; data: Buffer }>;

/** Both paths' datagrams as they arrive. */
function merged(paths: readonly [readonly InTransit<Buffer>[], readonly InTransit<Buffer>[]]): OnPath[] {
  return paths
    .flatMap((arrivals, path) =>
      arrivals.map(({ at, item }): OnPath => ({ at, item: { path: path === 0 ? 0 : 1, data: item } })),
    )
    .sort((a, b) => a.at - b.at);
}

/** What comes out: the numbers of the payloads, checked byte by byte, and the counts of gaps, negative. */
function receive(arrivals: readonly OnPath[], options: Partial<ReceptionOptions> = {}) {
  const stage = new TwoPaths({ latencyMs: 600, ...options });
  const end = (arrivals.at(-1)?.at ?? 0) + 5000;
  const numbers: number[] = [];
  const words: string[] = [];
  const timed = [...arrivals.map(({ at, item }) => [at, item] as const), [end, { giveUp: true }] as const];
  for (const [, output] of play(stage, timed)) {
    if (output.kind === 'payload') {
      const number = indexOf(output.payload);
      if (!output.payload.equals(payloadOf(number, 1))) throw new Error(`${number} differs`);
      numbers.push(number);
    } else if (output.kind === 'gap') numbers.push(-output.count);
    else if (output.kind !== 'recognised' && output.kind !== 'report') words.push(output.kind);
  }
  return { numbers, words, figures: stage.reception.figures(end), paths: stage.merge.figures(end) };
}

/** So many datagrams, one every `spacingMs`. */
function sent(
  count: number,
  spacingMs: number,
  options: Parameters<typeof numbered>[1],
): InTransit<Buffer>[] {
  return Array.from({ length: count }, (_, i) => ({ at: i * spacingMs, item: numbered(i, options) }));
}

const numbersOf = (arrivals: readonly InTransit<Buffer>[]) =>
  new Set(arrivals.map(({ item }) => indexOf(item.subarray(12))));

/** What must come out when these come on the two paths, and what must be counted. */
function truth(paths: readonly [readonly InTransit<Buffer>[], readonly InTransit<Buffer>[]], count: number) {
  const came = paths.map(numbersOf);
  const [a = new Set<number>(), b = new Set<number>()] = came;
  const union: number[] = [];
  const from = Math.max(Math.min(...a), Math.min(...b));
  const until = Math.max(...a, ...b);
  const counts = { both: 0, neither: 0, saved: [0, 0], lost: [0, 0] };
  for (let i = 0; i < count; i++) {
    const [first, second] = [a.has(i), b.has(i)];
    if (first || second) union.push(i);
    if (i < from || i > until) continue;
    if (first && second) counts.both++;
    if (!first && !second) counts.neither++;
    [first, second].forEach((has, path) => {
      if (!has) counts.lost[path]!++;
      if (has && !(first && second)) counts.saved[path]!++;
    });
  }
  return { union, ...counts };
}

describe('a stream on two paths', () => {
  const skews = fc.integer({ min: 0, max: 450 });
  const trials = fc.record({
    seed: fc.integer(),
    sequence: fc.oneof(fc.constantFrom(...SEQUENCE_STARTS), fc.integer({ min: 0, max: 65_535 })),
    timestamp: fc.constantFrom(0, 2 ** 31, 2 ** 32 - 5_000),
    skews: fc.tuple(skews, skews),
    spacingMs: fc.constantFrom(1, 10),
    jitterMs: fc.constantFrom(0, 5, 50),
    reorder: fc.boolean(),
  });

  it('is exactly the union of what both deliver when each loses 5 % by itself', () => {
    fc.assert(
      fc.property(trials, ({ seed, skews, spacingMs, jitterMs, reorder, ...start }) => {
        const count = 600;
        const all = sent(count, spacingMs, start);
        const on = (path: Path): InTransit<Buffer>[] => {
          const options = { seed: seed + path, loss: 0.05, delayMs: skews[path], jitterMs, reorder };
          return [...network(all, options)];
        };
        const paths = [on(0), on(1)] as const;
        const { union, ...counts } = truth(paths, count);
        const { numbers, figures, paths: counted, words } = receive(merged(paths));
        expect(numbers.filter((number) => number >= 0)).toEqual(union);
        expect(figures).toMatchObject({ packets: union.length, duplicate: 0, late: 0, refused: {} });
        expect(words).toEqual(['end']);
        const { both, neither, paths: each } = counted;
        expect({
          both,
          neither,
          saved: each.map(({ saved }) => saved),
          lost: each.map(({ lost }) => lost),
        }).toEqual(counts);
        expect(each.map(({ received, foreign }) => [received, foreign])).toEqual(
          paths.map(({ length }) => [length, 0]),
        );
      }),
      { seed: 2022, numRuns: 60 },
    );
  });

  it('differs in not one byte when a path is pulled for 30 s, at 200 seeded moments', () => {
    const count = 1000;
    const spacingMs = 50;
    const streams = SEQUENCE_STARTS.map((sequence) => sent(count, spacingMs, { sequence }));
    for (let seed = 0; seed < 200; seed++) {
      const random = randomFrom(seed);
      const all = streams[seed % streams.length] ?? [];
      const from = random() * (count * spacingMs - 32_000);
      const pulled = { loss: 0.05, cuts: [{ from, to: from + 30_000 }] };
      const delays = { delayMs: random() * 450, jitterMs: 20 };
      const whole = { delayMs: random() * 450, jitterMs: 20, reorder: true };
      const on = (options: NetworkOptions) => [...network(all, { ...options, seed })];
      const { numbers, figures, words, paths } = receive(merged([on({ ...pulled, ...delays }), on(whole)]));
      expect(numbers.length, `seed ${seed}`).toBe(count);
      expect(numbers.every((number, i) => number === i)).toBe(true);
      expect([figures.lost, figures.late, figures.restarts, words]).toEqual([0, 0, 0, ['end']]);
      expect([paths.neither, paths.paths[1].lost, paths.paths[0].saved]).toEqual([0, 0, 0]);
      expect(paths.paths[1].saved).toBe(paths.paths[0].lost);
      expect(paths.paths[0].lost).toBeGreaterThanOrEqual(600);
    }
  });

  const both = (all: InTransit<Buffer>[], first: NetworkOptions, second: NetworkOptions) =>
    [[...network(all, first)], [...network(all, second)]] as const;
  const all = sent(3000, 10, { sequence: 64_000 });

  const disturbances: [name: string, first: NetworkOptions, second: NetworkOptions, paths: object][] = [
    [
      'one path starts late',
      { loss: 0.05 },
      { cuts: [{ from: 0, to: 10_000 }], delayMs: 450 },
      { paths: [{ saved: 0 }, { lost: 0, behindMs: expect.closeTo(450, 0) }] },
    ],
    [
      'the other one does',
      { cuts: [{ from: 0, to: 10_000 }] },
      { delayMs: 450 },
      {
        neither: 0,
        both: 2000,
        paths: [
          { lost: 0, behindMs: 0 },
          { lost: 0, saved: 0 },
        ],
      },
    ],
    [
      'one path is away for a while',
      {},
      { cuts: [{ from: 10_000, to: 20_000 }], delayMs: 450 },
      {
        both: 2000,
        paths: [
          { saved: 1000, lost: 0 },
          { saved: 0, lost: 1000 },
        ],
      },
    ],
    [
      'the faster path is away for a while',
      { cuts: [{ from: 10_000, to: 20_000 }] },
      { delayMs: 450 },
      {
        both: 2000,
        paths: [
          { saved: 0, lost: 1000 },
          { saved: 1000, lost: 0 },
        ],
      },
    ],
    [
      'the paths take turns',
      {
        cuts: [
          { from: 1000, to: 10_000 },
          { from: 20_000, to: 30_000 },
        ],
        delayMs: 30,
      },
      { cuts: [{ from: 10_000, to: 20_000 }] },
      {
        both: 100,
        neither: 0,
        paths: [
          { saved: 1000, lost: 1900 },
          { saved: 1900, lost: 1000 },
        ],
      },
    ],
  ];
  for (const [name, first, second, paths] of disturbances) {
    it(`is whole when ${name}`, () => {
      const received = receive(merged(both(all, first, second)));
      const { union } = truth(both(all, first, second), 3000);
      expect(received.numbers.filter((number) => number >= 0)).toEqual(union);
      expect(received.figures).toMatchObject({ restarts: 0, duplicate: 0, late: 0 });
      expect(received.paths).toMatchObject(paths);
    });
  }

  it('leaves alone another stream on the second path, and says that it is there', () => {
    const foreign = sent(2000, 10, { ssrc: 2, sequence: 63_990 });
    const { numbers, paths, words } = receive(merged([all, foreign]));
    expect(numbers).toEqual(all.map((_, i) => i));
    expect(paths).toMatchObject({
      both: 0,
      paths: [
        { received: 3000, foreign: 0 },
        { received: 0, foreign: 2000 },
      ],
    });
    expect(words).toContain('second-sender');
  });

  const restarts: [name: string, again: { ssrc?: number; sequence: number; timestamp: number }][] = [
    ['under another SSRC', { ssrc: 2, sequence: 7, timestamp: 99 }],
    ['under the same SSRC, ahead', { sequence: 20_000, timestamp: 2 ** 31 }],
    ['under the same SSRC, behind', { sequence: 40_000, timestamp: 2 ** 31 }],
  ];
  for (const [name, again] of restarts) {
    it(`is merged again when its sender starts anew ${name}`, () => {
      const runs = [
        { at: 0, datagrams: sent(1000, 10, { sequence: 64_000 }) },
        { at: 13_000, datagrams: sent(1000, 10, again) },
      ];
      const departures = runs.flatMap(({ at: from, datagrams }) =>
        datagrams.map(({ at, item }) => ({ at: from + at, item })),
      );
      // The beginning of each run is loss-free: until its sender is recognised a new stream has one path.
      const lossy = (seed: number, delayMs: number) => {
        const lost = randomFrom(seed);
        return departures.flatMap(({ at, item }, i) =>
          i % 1000 > 150 && lost() < 0.05 ? [] : [{ at: at + delayMs, item }],
        );
      };
      const paths = [lossy(1, 0), lossy(2, 400)] as const;
      const { numbers, words, figures, paths: counted } = receive(merged(paths));
      const union = runs.flatMap((_, run) => {
        const [a, b] = paths.map((arrivals) =>
          numbersOf(arrivals.filter(({ at }) => at > 12_000 === (run === 1))),
        );
        return Array.from({ length: 1000 }, (_, i) => i).filter((i) => a?.has(i) || b?.has(i));
      });
      expect(numbers.filter((number) => number >= 0)).toEqual(union);
      expect(words).toEqual(['restart', 'end']);
      expect(figures.restarts).toBe(1);
      for (const { lost } of counted.paths) expect(lost).toBeLessThan(200);
      expect(counted.both).toBeGreaterThan(1500);
    });
  }
});
