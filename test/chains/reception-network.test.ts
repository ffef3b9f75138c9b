/** Whole receptions behind networks of every kind: what must hold whatever happens on the way. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { network, randomFrom, type InTransit, type NetworkOptions } from '../helpers/network.ts';
import {
  indexOf,
  payloadOf,
  rtpDatagram,
  senderCompound,
  SEQUENCE_STARTS,
  sequenceDatagram,
} from '../helpers/packets.ts';
import { receive, type Output, type Sent } from '../helpers/receive.ts';

const SSRC = 0x5eed;

/** A stream of `count` numbered datagrams, `spacingMs` apart, and its end told three times. */
interface Stream {
  framing: 'rtp' | 'seq';
  count: number;
  spacingMs: number;
  sequence: number;
  timestamp: number;
}

function* departures({ framing, count, spacingMs, sequence, timestamp }: Stream): Generator<InTransit<Sent>> {
  for (let i = 0; i < count; i++) {
    const payload = payloadOf(i, 1);
    const header = {
      ssrc: SSRC,
      sequence: (sequence + i) % 65_536,
      timestamp: (timestamp + Math.round(i * spacingMs * 90)) % 2 ** 32,
    };
    const data = framing === 'rtp' ? rtpDatagram(header, payload) : sequenceDatagram(i, payload);
    yield { at: i * spacingMs, item: { data } };
  }
  const lanc = { index: count, sequence: (sequence + count) % 65_536, final: true };
  const end =
    framing === 'rtp'
      ? senderCompound({ ssrc: SSRC, lanc, bye: true })
      : sequenceDatagram(count, Buffer.alloc(0));
  for (let i = 0; i < 3; i++) {
    yield { at: count * spacingMs + 100 * i, item: { data: end, rtcp: framing === 'rtp' } };
  }
}

/** Checks that what came out covers a range of the stream exactly once; returns the first datagram of it, by its number. */
function coverage(outputs: readonly Output[]): { first: number; next: number; missing: number[] } {
  // What is missing before the first is left out.
  const begin = outputs.flatMap((output) => (output.kind === 'payload' ? [output.index] : []))[0] ?? 0;
  let next = outputs[0]?.kind === 'gap' ? outputs[0].first : begin;
  let first: number | undefined;
  const missing: number[] = [];
  for (const output of outputs) {
    if (output.kind === 'payload') {
      first ??= indexOf(output.payload) - output.index;
      expect([output.index, indexOf(output.payload)]).toEqual([next, first + next]);
      next++;
    } else if (output.kind === 'gap') {
      expect([output.first, output.count > 0]).toEqual([next, true]);
      for (let i = 0; i < output.count; i++) missing.push(next++);
    } else expect(output.kind).not.toBe('restart');
  }
  return { first: first ?? 0, next, missing };
}

const streams = fc.record({
  framing: fc.constantFrom('rtp' as const, 'seq' as const),
  count: fc.integer({ min: 3, max: 400 }),
  spacingMs: fc.constantFrom(0.5, 1, 10, 50),
  sequence: fc.oneof(fc.constantFrom(...SEQUENCE_STARTS), fc.integer({ min: 0, max: 65_535 })),
  timestamp: fc.oneof(fc.constantFrom(0, 2 ** 31, 2 ** 32 - 1), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
});

const networks = fc.record({
  seed: fc.integer(),
  loss: fc.constantFrom(0, 0, 0.01, 0.1, 0.5),
  burst: fc.constantFrom(0, 0, 0.05, 0.3),
  delayMs: fc.constantFrom(0, 30, 2000),
  jitterMs: fc.constantFrom(0, 5, 60, 150, 500),
  jitterShape: fc.constantFrom('uniform' as const, 'exponential' as const, 'spikes' as const),
  reorder: fc.boolean(),
  duplicates: fc.constantFrom(0, 0, 0.01, 0.5),
  duplicateMs: fc.constantFrom(1, 50, 150),
  cut: fc.constantFrom(undefined, { from: 100, to: 400 }, { from: 0, to: 60 }),
});

type Trial = typeof networks extends fc.Arbitrary<infer T> ? T : never;

function optionsOf({ burst, cut, ...rest }: Trial): NetworkOptions {
  return {
    ...rest,
    ...(burst > 0 && { burstLoss: { rate: burst, meanBurst: 20 } }),
    ...(cut && { cuts: [cut] }),
  };
}

const LATENCY_MS = 200;

describe('whatever the network does', () => {
  for (const release of ['in-order', 'paced'] as const) {
    it(`each datagram leaves once, in order, in time, or is named as missing (${release})`, () => {
      fc.assert(
        fc.property(streams, networks, fc.boolean(), (stream, trial, small) => {
          const arrivals = [...network(departures(stream), optionsOf(trial))];
          const giveUpAt = (arrivals.at(-1)?.at ?? 0) + 5_000;
          const capacity = small ? 64 : 1024;
          const { outputs, figures } = receive(arrivals, {
            release,
            capacity,
            latencyMs: LATENCY_MS,
            giveUpAt,
          });
          const { next, missing } = coverage(
            outputs.filter(({ kind }) => kind === 'payload' || kind === 'gap'),
          );
          expect(figures.packets + figures.lost).toBe(next);
          expect(figures.lost).toBe(missing.length);
          expect(figures.late).toBeLessThanOrEqual(figures.unrecovered);
          expect(outputs.filter(({ kind }) => kind === 'end').length).toBe(1);
          for (const output of outputs) {
            if (output.kind !== 'payload') continue;
            const recognisedAt = outputs.find(({ kind }) => kind === 'recognised')?.at ?? 0;
            expect(output.at).toBeLessThanOrEqual(
              Math.max(recognisedAt, output.arrivedAt + LATENCY_MS) + 1e-6,
            );
          }
        }),
        { seed: 20_261_122, numRuns: 300 },
      );
    });
  }

  it('nothing is lost that comes within the latency', () => {
    fc.assert(
      fc.property(streams, fc.integer(), fc.boolean(), (stream, seed, reorder) => {
        const mild = { seed, delayMs: 20, jitterMs: 190, reorder, duplicates: 0.1 };
        const arrivals = [...network(departures(stream), mild)];
        const { outputs, figures } = receive(arrivals, { latencyMs: LATENCY_MS });
        const { first, next, missing } = coverage(
          outputs.filter(({ kind }) => kind === 'payload' || kind === 'gap'),
        );
        expect([first, next, missing]).toEqual([0, stream.count, []]);
        expect(outputs.at(-1)).toMatchObject({ kind: 'end', proven: true });
        expect(figures).toMatchObject({ lost: 0, late: 0, missingBefore: 0, firstIndex: 0, refused: {} });
      }),
      { seed: 20_261_122, numRuns: 300 },
    );
  });

  it('what is lost is counted exactly, the last datagrams included', () => {
    const random = randomFrom(9);
    for (let trial = 0; trial < 200; trial++) {
      const stream: Stream = {
        framing: trial % 2 ? 'rtp' : 'seq',
        count: 200,
        spacingMs: 5,
        sequence: Math.floor(random() * 65_536),
        timestamp: Math.floor(random() * 2 ** 32),
      };
      const tail = Math.floor(random() * 20);
      const sent = [...departures(stream)];
      const kept = sent.filter((_, i) => i < 3 || i >= 200 || (i < 200 - tail && random() > 0.1));
      const { outputs, figures } = receive(kept, { latencyMs: LATENCY_MS });
      const lost = sent.length - kept.length;
      expect(figures).toMatchObject({ lost, unrecovered: lost, recovered: 0, packets: 200 - lost, late: 0 });
      const { missing } = coverage(outputs.filter(({ kind }) => kind === 'payload' || kind === 'gap'));
      const came = new Set(kept.slice(0, -3).map(({ item }) => indexOf(item.data.subarray(-188))));
      expect(missing).toEqual(Array.from({ length: 200 }, (_, i) => i).filter((i) => !came.has(i)));
      expect(outputs.at(-1)).toMatchObject({ kind: 'end', proven: true });
    }
  });

  it('five programmes of loss, disorder and duplicates are received as they should be, at 2000 datagrams a second', () => {
    const stream: Stream = {
      framing: 'rtp',
      count: 20_000,
      spacingMs: 0.5,
      sequence: 65_000,
      timestamp: 2 ** 32 - 9,
    };
    for (let seed = 1; seed <= 5; seed++) {
      const lossy = { seed, loss: 0.02, burstLoss: { rate: 0.02, meanBurst: 20 }, duplicates: 0.02 };
      const arrivals = [
        ...network(departures(stream), { ...lossy, jitterMs: 30, reorder: true, delayMs: 5 }),
      ];
      const { outputs, figures } = receive(arrivals, { latencyMs: LATENCY_MS });
      const { first, missing, next } = coverage(
        outputs.filter(({ kind }) => kind === 'payload' || kind === 'gap'),
      );
      const came = new Set(
        arrivals.filter(({ item }) => !item.rtcp).map(({ item }) => indexOf(item.data.subarray(-188))),
      );
      expect([first, first + next]).toEqual([Math.min(...came), 20_000]);
      expect(missing.length).toBe(20_000 - first - came.size);
      expect(figures).toMatchObject({ late: 0, overflow: 0, restarts: 0 });
      expect(figures.reordered).toBeGreaterThan(1_000);
      expect(figures.duplicate).toBeGreaterThan(100);
    }
  });
});
