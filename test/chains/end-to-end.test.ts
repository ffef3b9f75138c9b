/**
 * A whole sender, a network that does its worst, and a whole receiver, on virtual time: what is recorded is what was sent,
 * less exactly what the receiver says is missing; and every counter is what the network really did.
 */
import { describe, expect, it } from 'vitest';
import { Reception, type ReceptionFigures } from '../../receiver/reception.ts';
import { TsMonitor } from '../../receiver/ts-monitor.ts';
import type { Framing } from '../../wire/address.ts';
import type { TransportStreamCounters } from '../../wire/metrics.ts';
import { drive, play, type Timed } from '../helpers/drive.ts';
import { network, randomFrom, type InTransit, type NetworkOptions } from '../helpers/network.ts';
import { SEQUENCE_STARTS } from '../helpers/packets.ts';
import { programme } from '../helpers/programme.ts';
import { VirtualSender, type VirtualSenderOptions } from '../helpers/virtual-sender.ts';

const LATENCY_MS = 200;
const DATAGRAM_BYTES = 1316;
const MEDIA = { address: '10.0.0.1', port: 41_000 };
const REPORTS = { address: '10.0.0.1', port: 41_001 };
const FILM = programme({ durationMs: 6000, seed: 3 });
const COUNT = Math.ceil(FILM.length / DATAGRAM_BYTES);

/** A datagram under way: `index` counts those with media; the end marks of `seq://` have none. */
interface Sent {
  port: 'media' | 'rtcp';
  datagram: Buffer;
  index: number;
}

const payloadAt = (index: number) => FILM.subarray(index * DATAGRAM_BYTES, (index + 1) * DATAGRAM_BYTES);

/** Everything that a sender of the film sends, in order of time. */
function* sent(options: Omit<VirtualSenderOptions, 'runs' | 'random'>): Generator<InTransit<Sent>> {
  const sender = new VirtualSender({ ...options, runs: [Buffer.from(FILM)], random: randomFrom(1) });
  let index = 0;
  for (const [at, { port, datagram }] of drive(sender)) {
    const media = port === 'media' && index < COUNT;
    yield { at, item: { port, datagram, index: media ? index++ : -1 } };
  }
}

/** What a receiver made of it. */
interface Received {
  recorded: Buffer;
  /** The counts of its gaps, each with the index of the datagram behind it. */
  gaps: { first: number; count: number }[];
  /** The index of the first payload: what is missing before it is left out. */
  begin: number;
  /** `end proven`, `end`, `restart`, in order. */
  steps: string[];
  figures: ReceptionFigures;
  counters: TransportStreamCounters;
}

function receive(
  arrivals: Iterable<InTransit<Sent>>,
  options: { framing?: Framing; latencyMs?: number; giveUpAt?: number } = {},
): Received {
  const { framing, latencyMs = LATENCY_MS, giveUpAt } = options;
  const reception = new Reception({
    ...(framing && { framing }),
    latencyMs,
    release: 'in-order',
    cname: 'receiver@test',
    random: randomFrom(2),
  });
  const monitor = new TsMonitor();
  const parts: Buffer[] = [];
  const gaps: Received['gaps'] = [];
  const steps: string[] = [];
  let at = 0;
  let begin: number | undefined;
  for (const [now, output] of play(reception, inputs(arrivals, giveUpAt))) {
    at = now;
    if (output.kind === 'payload') {
      begin ??= output.index;
      parts.push(Buffer.from(output.payload));
      monitor.push(output.payload, output.arrivedAt);
    } else if (output.kind === 'gap') {
      gaps.push({ first: output.first, count: output.count });
      monitor.gap();
    } else if (output.kind === 'restart') {
      steps.push('restart');
      monitor.restart();
    } else if (output.kind === 'end') steps.push(output.proven ? 'end proven' : 'end');
  }
  const { counters } = monitor;
  const figures = reception.figures(at);
  return { recorded: Buffer.concat(parts), gaps, begin: begin ?? 0, steps, figures, counters };
}

/** Media and RTCP as they come to the sockets; at `giveUpAt`, if at all, the end of a timeout. */
function* inputs(
  arrivals: Iterable<InTransit<Sent>>,
  giveUpAt?: number,
): Generator<Timed<Parameters<Reception['push']>[0]>> {
  for (const { at, item } of arrivals) {
    const source = item.port === 'media' ? MEDIA : REPORTS;
    yield [at, { kind: item.port, data: Buffer.from(item.datagram), arrivedAt: at, source }];
  }
  if (giveUpAt !== undefined) yield [giveUpAt, { kind: 'giveUp' }];
}

/** What the network really did to the media, from the first datagram on of those that came within the latency. */
function truth(arrivals: readonly InTransit<Sent>[]) {
  const came = new Set<number>();
  const counts = { duplicate: 0, reordered: 0 };
  const media = arrivals.filter(({ item }) => item.index >= 0);
  const until = (media[0]?.at ?? NaN) + LATENCY_MS;
  const first = Math.min(...media.flatMap(({ at, item }) => (at <= until ? [item.index] : [])));
  let highest = -1;
  for (const { item } of media) {
    expect(item.index).toBeGreaterThanOrEqual(first); // no network here delays by more than the latency
    if (came.has(item.index)) counts.duplicate++;
    else if (item.index < highest) counts.reordered++;
    came.add(item.index);
    highest = Math.max(highest, item.index);
  }
  const sent = Array.from({ length: COUNT - first }, (_, step) => first + step);
  const missing = sent.filter((index) => !came.has(index));
  const bytes = Buffer.concat(sent.filter((index) => came.has(index)).map(payloadAt));
  return { ...counts, first, packets: came.size, missing, bytes };
}

/** The indexes that gaps cover, by the sender's count. */
function indexesOf(gaps: Received['gaps'], first: number): number[] {
  return gaps.flatMap((gap) => Array.from({ length: gap.count }, (_, step) => first + gap.first + step));
}

const conditions: [name: string, network: NetworkOptions][] = [
  ['a perfect network', { delayMs: 1 }],
  ['1 % loss', { loss: 0.01 }],
  ['5 % loss', { loss: 0.05 }],
  ['20 % loss', { loss: 0.2 }],
  ['bursts of 20 lost', { burstLoss: { rate: 0.05, meanBurst: 20 } }],
  ['an outage of half a second', { cuts: [{ from: 2000, to: 2500 }] }],
  ['an outage of two seconds', { cuts: [{ from: 2000, to: 4000 }] }],
  ['jitter', { delayMs: 20, jitterMs: 80 }],
  ['spikes of 150 ms', { jitterMs: 150, jitterShape: 'spikes' }],
  ['disorder', { jitterMs: 150, reorder: true }],
  ['rare long disorder', { jitterMs: 15, jitterShape: 'exponential', reorder: true }],
  ['duplicates', { duplicates: 0.2, duplicateMs: 50 }],
  ['every datagram twice', { duplicates: 1, duplicateMs: 20 }],
  [
    'all of it',
    {
      loss: 0.03,
      burstLoss: { rate: 0.02, meanBurst: 5 },
      delayMs: 30,
      jitterMs: 100,
      reorder: true,
      duplicates: 0.1,
    },
  ],
];

for (const framing of ['rtp', 'seq'] as const) {
  describe(`a film over ${framing}://`, () => {
    for (const [name, options] of conditions) {
      for (const seed of [1, 2, 3]) {
        it(`is recorded but for what is named missing, through ${name} (seed ${seed})`, () => {
          const arrivals = [...network(sent({ framing }), { ...options, seed })];
          const { recorded, gaps, begin, steps, figures, counters } = receive(arrivals);
          const { missing, bytes, first, ...counts } = truth(arrivals);
          expect(indexesOf(gaps, first - begin)).toEqual(missing);
          expect(recorded.equals(bytes)).toBe(true);
          expect(figures).toMatchObject({
            ...counts,
            framing,
            bytes: bytes.length,
            lost: missing.length,
            recovered: 0,
            unrecovered: missing.length,
            late: 0,
            overflow: 0,
            restarts: 0,
            firstIndex: first,
            missingBefore: first,
            lossMayBeUnderstated: false,
            refused: {},
          });
          expect(steps).toEqual(['end proven']);
          if (missing.length === 0) expect(counters).toEqual(new TsMonitor().counters);
          else expect(counters.continuityErrors).toBeGreaterThan(0);
        });
      }
    }

    it('counts the last datagrams as lost and names them, when they are', () => {
      const tail = COUNT - 7;
      const arrivals = [...sent({ framing })].filter(({ item }) => item.index < tail);
      const { figures, gaps, steps, recorded } = receive(arrivals);
      expect(gaps).toEqual([{ first: tail, count: 7 }]);
      expect(figures).toMatchObject({ lost: 7, unrecovered: 7 });
      expect(steps).toEqual(['end proven']);
      expect(recorded.equals(FILM.subarray(0, tail * DATAGRAM_BYTES))).toBe(true);
    });

    it('takes the end from any one of the three times that it is told', () => {
      for (const told of [0, 1, 2]) {
        const all = [...sent({ framing })];
        const lastAt = all.findLast(({ item }) => item.index === COUNT - 1)?.at ?? NaN;
        const endings = all.filter(({ at, item }) => item.index < 0 && at >= lastAt).slice(-3);
        const lost = new Set(endings.filter((_, which) => which !== told));
        const { steps, figures } = receive(all.filter((each) => !lost.has(each)));
        expect([told, steps, figures.lost]).toEqual([told, ['end proven'], 0]);
      }
    });

    it('proves nothing when the sender has crashed', () => {
      const arrivals = [...sent({ framing, saysGoodbye: false })];
      const { steps, figures, recorded } = receive(arrivals, { giveUpAt: 20_000 });
      expect(steps).toEqual(['end']);
      expect(figures.lost).toBe(0);
      expect(recorded.equals(FILM)).toBe(true);
    });

    it('is late, and then lost and late, when it takes longer than the latency', () => {
      const all = [...sent({ framing })];
      const delayed = all.map((each) =>
        each.item.index === 500 ? { ...each, at: each.at + LATENCY_MS + 50 } : each,
      );
      delayed.sort((a, b) => a.at - b.at);
      const { figures, gaps } = receive(delayed);
      expect(gaps).toEqual([{ first: 500, count: 1 }]);
      expect(figures).toMatchObject({ lost: 1, late: 1, unrecovered: 1, duplicate: 0, packets: COUNT - 1 });
    });
  });
}

describe('a film over rtp://', () => {
  it('says where it was joined: what went before is not lost', () => {
    const arrivals = [...sent({ framing: 'rtp' })].filter(({ at }) => at > 3000);
    const first = arrivals.find(({ item }) => item.index >= 0)?.item.index ?? NaN;
    const { figures, recorded } = receive(arrivals);
    expect(figures).toMatchObject({ lost: 0, firstIndex: first, missingBefore: first });
    expect(recorded.equals(FILM.subarray(first * DATAGRAM_BYTES))).toBe(true);
  });

  it('is recorded as fast as it is sent, when that is ten times faster than life', () => {
    const { recorded, figures, steps, counters } = receive(
      network(sent({ framing: 'rtp', bitsPerSecond: 20_000_000 }), { jitterMs: 40, reorder: true }),
    );
    expect(recorded.equals(FILM)).toBe(true);
    expect(figures).toMatchObject({ lost: 0, late: 0, restarts: 0 });
    expect(figures).not.toHaveProperty('jitterMs');
    expect(counters.continuityErrors).toBe(0);
    expect(steps).toEqual(['end proven']);
  });

  for (const sequence of SEQUENCE_STARTS) {
    it(`crosses every wrap when it starts from sequence ${sequence}`, () => {
      const first = { sequence, timestamp: 2 ** 32 - 1, ssrc: 0xffffffff };
      const arrivals = network(sent({ framing: 'rtp', first }), {
        jitterMs: 100,
        reorder: true,
        duplicates: 0.1,
      });
      const { recorded, figures } = receive(arrivals);
      expect(recorded.equals(FILM)).toBe(true);
      expect(figures).toMatchObject({ lost: 0, late: 0, restarts: 0, firstIndex: 0, missingBefore: 0 });
    });
  }

  it('is followed into a restart, and nothing of either is lost', () => {
    const before = [...sent({ framing: 'rtp', first: { sequence: 65_000, timestamp: 5, ssrc: 1 } })];
    const lastAt = before.at(-1)?.at ?? NaN;
    const after = [...sent({ framing: 'rtp', first: { sequence: 9, timestamp: 77, ssrc: 2 } })];
    const shifted = after.map((each) => ({ ...each, at: each.at + lastAt + 50 }));
    const { recorded, steps, figures, counters } = receive([...before, ...shifted]);
    expect(recorded.equals(Buffer.concat([FILM, FILM]))).toBe(true);
    expect(steps).toEqual(['end proven', 'restart', 'end proven']);
    expect(figures).toMatchObject({ restarts: 1, lost: 0, ssrc: 2, packets: 2 * COUNT });
    expect(counters.continuityErrors).toBe(0);
  });

  it('is followed into a restart after a crash', () => {
    const before = [
      ...sent({ framing: 'rtp', first: { sequence: 65_000, timestamp: 5, ssrc: 1 }, saysGoodbye: false }),
    ];
    const lastAt = before.at(-1)?.at ?? NaN;
    const after = [...sent({ framing: 'rtp', first: { sequence: 9, timestamp: 77, ssrc: 2 } })];
    const shifted = after.map((each) => ({ ...each, at: each.at + lastAt + 1000 }));
    const { recorded, steps, figures } = receive([...before, ...shifted]);
    expect(recorded.equals(Buffer.concat([FILM, FILM]))).toBe(true);
    expect(steps.filter((step) => step === 'restart')).toHaveLength(1);
    expect(figures).toMatchObject({ restarts: 1, lost: 0, packets: 2 * COUNT });
  });

  it('gives the sender true figures of its receiver', () => {
    const sender = new VirtualSender({ framing: 'rtp', runs: [Buffer.from(FILM)], random: randomFrom(1) });
    const reception = new Reception({
      latencyMs: LATENCY_MS,
      release: 'in-order',
      cname: 'receiver@test',
      random: randomFrom(2),
    });
    const random = randomFrom(5);
    let lost = 0;
    for (let now = 0; now < 5000; now = Math.min(sender.wakeAt, Math.max(now, reception.wakeAt))) {
      for (let out = sender.poll(now); out; out = sender.poll(now)) {
        if (out.port === 'media' && random() < 0.05) lost++;
        else {
          const source = out.port === 'media' ? MEDIA : REPORTS;
          reception.push({ kind: out.port, data: out.datagram, arrivedAt: now, source }, now);
        }
      }
      for (let out = reception.poll(now); out; out = reception.poll(now)) {
        if (out.kind !== 'report') continue;
        expect(out.to).toEqual(REPORTS);
        sender.push({ datagram: out.datagram, source: { address: '10.0.0.2', port: 42_000 } }, now);
      }
    }
    const [figures] = sender.receivers;
    expect(sender.receivers).toHaveLength(1);
    expect(figures).toMatchObject({ cname: 'receiver@test', roundTripMs: 0 });
    expect(figures?.cumulativeLost).toBeGreaterThan(lost * 0.7);
    expect(figures?.cumulativeLost).toBeLessThanOrEqual(lost);
  });
});

describe('a film over udp://', () => {
  for (const [name, options] of conditions) {
    it(`is recorded as it arrives, through ${name}`, () => {
      const arrivals = [...network(sent({ framing: 'udp' }), options)];
      const { missing, reordered, duplicate } = truth(arrivals);
      const { recorded, figures, counters, steps } = receive(arrivals, { giveUpAt: 20_000 });
      const arrived = arrivals.flatMap(({ item }) => (item.index < 0 ? [] : [payloadAt(item.index)]));
      expect(recorded.equals(Buffer.concat(arrived))).toBe(true);
      expect(figures).toMatchObject({ framing: 'udp', lost: 0, lossMayBeUnderstated: true });
      expect(steps).toEqual(['end']);
      if (missing.length + reordered + duplicate === 0) expect(counters.continuityErrors).toBe(0);
      else expect(counters.continuityErrors).toBeGreaterThan(0);
    });
  }
});
