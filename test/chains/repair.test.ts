/**
 * Repair as a whole: a sender that protects and answers, a network that loses on all ways, and a reception that repairs. What is
 * released is what was sent, and what is counted is what the network did.
 */
import { describe, expect, it } from 'vitest';
import { parseParity } from '../../wire/fec/parity-packet.ts';
import { parseRepair } from '../../wire/fec/smpte2022.ts';
import { peel } from '../helpers/fec.ts';
import type { NetworkOptions } from '../helpers/network.ts';
import { SEQUENCE_STARTS } from '../helpers/packets.ts';
import { programme } from '../helpers/programme.ts';
import { LEAST_LOST, pulledPath } from '../helpers/pulled-path.ts';
import { runWorld, type PathWeather, type WorldOptions, type WorldResult } from '../helpers/repair-world.ts';

const FILM = programme({ durationMs: 10_000, bitsPerSecond: 4_000_000, seed: 3 });
const SEQUENCE = 65_000;
const SEEDS = [1, 2, 3];

/** A path of 20 ms there and back. */
function path(there: NetworkOptions, more: PathWeather = {}): PathWeather {
  return { there: { delayMs: 10, ...there }, ...more, back: { delayMs: 10, ...more.back } };
}

/** Runs a world, prints what came of it, and holds its counters against the truth. */
function run(options: Omit<WorldOptions, 'films' | 'sequence'> & Partial<WorldOptions>): WorldResult {
  const result = runWorld({ films: [FILM], sequence: SEQUENCE, ...options });
  const { figures, missing, wrong, expected, lost, answered } = result;
  const { fec = 0, retransmitted = 0, asked = 0 } = figures.repair ?? {};
  const { seed, fec: setting = 'no FEC' } = options;
  console.log(
    `seed ${seed}, ${setting}: of ${expected} lost ${lost}, by FEC ${fec}, retransmitted ${retransmitted}, asked ${asked},` +
      ` sent again ${answered?.repaired ?? 0}, never had ${missing.length}`,
  );
  expect(wrong).toBe(0);
  expect(figures.recovered).toBe(fec + retransmitted);
  expect(figures.unrecovered).toBe(missing.length);
  expect(figures.lost - figures.needless - figures.late).toBe(lost);
  expect(figures.packets + figures.unrecovered).toBe(expected);
  return result;
}

function whole(result: WorldResult): void {
  expect(result.missing).toEqual([]);
  expect(result.steps).toEqual(['end proven']);
}

/** The last: the share of the stream that may be sent again, 1.3 p / (1 - p). */
const losses: [name: string, network: NetworkOptions, most: number][] = [
  ['10 % loss', { loss: 0.1 }, (1.3 * 0.1) / 0.9],
  ['20 % loss', { loss: 0.2 }, (1.3 * 0.2) / 0.8],
  ['5 % loss in bursts of 20', { burstLoss: { rate: 0.05, meanBurst: 20 } }, (1.3 * 0.05) / 0.95],
];

/** Until the receiver has proved where it is. */
const calmMs = 700;

describe('a stream whose receiver asks', () => {
  const fast = programme({ durationMs: 10_000, bitsPerSecond: 20_000_000, seed: 5 });
  for (const [name, network, most] of losses)
    for (const multicast of [false, true])
      it(`is whole at 20 Mbit/s behind ${name}, also of what is sent again and said (${multicast ? 'multicast' : 'unicast'})`, () => {
        const result = run({ seed: 11, films: [fast], calmMs, multicast, paths: [path(network)] });
        whole(result);
        expect(result.lost).toBeGreaterThan(500);
        expect((result.answered?.repaired ?? 0) / result.sent).toBeLessThanOrEqual(most);
      });

  for (const sequence of SEQUENCE_STARTS)
    it(`is whole from sequence number ${sequence}`, () =>
      whole(run({ seed: sequence, sequence, calmMs, paths: [path({ loss: 0.1 })] })));

  it('is all but whole when what it asks is lost as well', () => {
    for (const seed of SEEDS) {
      const lossy = path({ loss: 0.1 }, { back: { loss: 0.3 } });
      const { missing, expected } = run({ seed, calmMs, paths: [lossy] });
      expect(missing.length / expected).toBeLessThan(1e-3);
    }
  });

  it('misses exactly what the network lost when nothing comes back', () => {
    const { missing, lost } = run({ seed: 4, paths: [path({ loss: 0.1 }, { back: { loss: 1 } })] });
    expect(missing.length).toBe(lost);
  });

  it('asks for the end of the stream', () => {
    const tail = FILM.length / 1316 - 40;
    const result = run({ seed: 5, paths: [path({})], loses: (index) => index > tail });
    whole(result);
    expect(result.lost).toBeGreaterThanOrEqual(39);
    expect(result.figures.repair?.retransmitted).toBe(result.lost);
  });

  it('is whole when everything comes twice', () => {
    const twice = { duplicates: 1, duplicateMs: 30 };
    const result = run({ seed: 6, calmMs, paths: [path({ loss: 0.1, ...twice }, { back: twice })] });
    whole(result);
    expect(result.figures.duplicate).toBe(result.expected - result.lost);
  });

  it('asks for next to nothing that was only overtaken', () => {
    const result = run({ seed: 7, paths: [path({ jitterMs: 15, reorder: true })] });
    whole(result);
    expect(result.figures.reordered).toBeGreaterThan(500);
    expect(result.figures.repair?.asked).toBeLessThan(0.02 * result.expected);
  });

  it('is whole behind loss, disorder and duplicates together', () => {
    for (const seed of SEEDS) {
      const bad = { loss: 0.05, jitterMs: 15, reorder: true, duplicates: 0.05 };
      whole(run({ seed, latencyMs: 400, calmMs, paths: [path(bad)] }));
    }
  });

  for (const crash of [false, true])
    it(`is whole when its sender ${crash ? 'crashes' : 'ends'} and another begins`, () => {
      const films = [FILM, programme({ durationMs: 5000, bitsPerSecond: 4_000_000, seed: 9 })];
      const result = run({ seed: 8, films, crash, calmMs, paths: [path({ loss: 0.1 })] });
      expect(result.missing).toEqual([]);
      expect(result.figures.restarts).toBe(1);
      expect(result.steps.filter((step) => step === 'restart')).toHaveLength(1);
    });
});

/** What FEC can bring back of what was lost, by the repair packets that came: a person's reckoning. */
function withinReach({ came, sent, repairPackets }: WorldResult): Set<number> {
  const lines: number[][] = [];
  const blocks = new Map<number, { members: number[]; parities: Set<number> }>();
  for (const datagram of repairPackets) {
    const parity = parseParity(datagram);
    if (typeof parity !== 'string') {
      const { firstSequence, dataShards, interleave, parityIndex } = parity;
      const members = line(firstSequence, interleave, dataShards);
      const block = blocks.get(firstSequence) ?? { members, parities: new Set() };
      blocks.set(firstSequence, block);
      block.parities.add(parityIndex);
      continue;
    }
    const repair = parseRepair(datagram);
    if (typeof repair === 'string') throw new Error(repair);
    lines.push(line(repair.snBase, repair.offset, repair.na));
  }
  const there = peel(came, lines);
  for (const { members, parities } of blocks.values()) {
    const missing = members.filter((index) => !came.has(index));
    if (missing.length <= parities.size) for (const index of missing) there.add(index);
  }
  return new Set([...there].filter((index) => index < sent));
}

function line(first: number, step: number, count: number): number[] {
  return Array.from({ length: count }, (_, place) => ((first - SEQUENCE) & 0xffff) + place * step);
}

describe('a stream that is protected, without a way back', () => {
  for (const fec of ['2022:5x5', '2022:10x10+rows', 'rs:10,3', 'rs:20,5', 'rs:10,2,4'])
    for (const [name, network] of losses)
      it(`has by ${fec} exactly what can be brought back behind ${name}`, () => {
        for (const seed of SEEDS) {
          const result = run({
            seed,
            fec,
            retransmits: false,
            latencyMs: 1500,
            paths: [path(network, { rtcp: {} })],
          });
          const there = withinReach(result);
          const { missing, sent, came } = result;
          const first = Math.min(...came);
          const expected = Array.from({ length: sent - first }, (_, at) => first + at);
          expect(missing.map(({ index }) => index)).toEqual(expected.filter((index) => !there.has(index)));
          expect(result.figures.repair?.refused).toEqual({});
        }
      });

  it('is whole when no more is lost than can be repaired', () => {
    const burst = (index: number): boolean => index % 200 >= 60 && index % 200 < 70;
    for (const fec of ['2022:10x5', 'rs:20,5,4']) {
      const result = run({
        seed: 1,
        fec,
        retransmits: false,
        latencyMs: 1000,
        paths: [path({})],
        loses: burst,
      });
      whole(result);
      expect(result.figures.repair?.setting).toBe(fec);
      expect(result.figures.repair?.tooSlowMs).toBeUndefined();
    }
  });

  it('tells how long repairs may take where nobody waits for so long', () => {
    const result = run({ seed: 1, fec: 'rs:20,5,4', retransmits: false, latencyMs: 50, paths: [path({})] });
    // From the first of 80 datagrams of 1316 bytes at 4 Mbit/s to the last repair packet, which comes among as many behind them.
    const blockMs = (80 * 1316 * 8) / 4000;
    const { tooSlowMs = 0 } = result.figures.repair ?? {};
    expect(tooSlowMs / blockMs).toBeGreaterThan(1);
    expect(tooSlowMs / blockMs).toBeLessThan(2);
  });

  it('has nothing of repair packets that come too late, and no harm', () => {
    const late = path({ loss: 0.1 }, { fec: { delayMs: 1500 } });
    for (const fec of ['2022:5x5+rows', 'rs:10,3']) {
      const { figures, missing, lost } = run({ seed: 2, fec, retransmits: false, paths: [late] });
      expect([figures.repair?.fec, missing.length]).toEqual([0, lost]);
    }
  });

  it('is repaired by packets that come twice and out of order', () => {
    const bad = { duplicates: 1, duplicateMs: 60, jitterMs: 40, reorder: true };
    const loses = (index: number): boolean => index % 25 === 7;
    for (const fec of ['2022:5x5+rows', 'rs:10,3'])
      whole(run({ seed: 3, fec, retransmits: false, latencyMs: 1000, paths: [path(bad)], loses }));
  });
});

describe('a stream that is protected and asked for', () => {
  for (const fec of ['2022:5x5+rows', 'rs:10,3'])
    for (const [name, network] of losses)
      it(`is whole by ${fec} behind ${name}, and less is sent again than without`, () => {
        for (const seed of SEEDS) {
          // Three goodbyes of which none comes end nothing.
          const paths = [path(network, { rtcp: { delayMs: 10 } })];
          const both = run({ seed, fec, latencyMs: 500, calmMs, paths });
          whole(both);
          const alone = run({ seed, latencyMs: 500, calmMs, paths });
          expect(both.figures.repair?.fec).toBeGreaterThan(10);
          expect(both.figures.repair?.retransmitted).toBeLessThan(alone.figures.repair?.retransmitted ?? 0);
        }
      });
});

describe('two paths', () => {
  for (const other of ['whole', 'asking'] as const)
    it(`differ in not one byte when one is pulled for 30 s at 200 seeded moments (the other one ${other})`, () => {
      const sums = { lost: 0, asked: 0, retransmitted: 0 };
      for (let seed = 1; seed <= 200; seed++) {
        const result = runWorld(pulledPath(seed, other));
        const { wrong, missing, expected, sent, steps, figures, paths } = result;
        expect({ seed, wrong, missing, steps }).toEqual({
          seed,
          wrong: 0,
          missing: [],
          steps: ['end proven'],
        });
        expect(expected).toBeGreaterThanOrEqual(sent - 3);
        expect(figures).toMatchObject({ unrecovered: 0, late: 0, restarts: 0 });
        expect(paths?.paths[0].lost).toBeGreaterThanOrEqual(LEAST_LOST);
        sums.lost += result.lost;
        sums.asked += figures.repair?.asked ?? 0;
        sums.retransmitted += figures.repair?.retransmitted ?? 0;
      }
      console.log(`seeds 1 to 200, the other path ${other}: lost on both ${sums.lost}, asked ${sums.asked}`);
      expect(sums.retransmitted).toBe(sums.lost);
      expect(sums.lost > 1000).toBe(other === 'asking');
    });

  it('that both lose 5 % are the union of what both brought, and whole when what is missing is asked for', () => {
    const paths = [path({ loss: 0.05 }), path({ loss: 0.05, delayMs: 60, jitterMs: 20 })];
    for (const seed of SEEDS) {
      const { missing, lost } = run({ seed, retransmits: false, latencyMs: 600, paths });
      expect(missing.length).toBe(lost);
      whole(run({ seed, latencyMs: 600, paths }));
    }
  });

  it('are whole with FEC on the first one', () => {
    for (const seed of SEEDS) {
      const paths = [path({ loss: 0.05 }), path({ loss: 0.05, delayMs: 60 })];
      const { missing, figures } = run({ seed, fec: 'rs:10,3', retransmits: false, latencyMs: 600, paths });
      expect(missing).toEqual([]);
      expect(figures.repair?.fec).toBeGreaterThan(0);
    }
  });
});
