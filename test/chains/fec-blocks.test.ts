/**
 * Reed-Solomon without a back channel: a stream with its repair packets through a network that loses, and what of it is recovered.
 * Exactly those blocks in which no more than M of K + M are lost; so the residual loss is that of an ideal code.
 */
import { describe, expect, it } from 'vitest';
import type { BlockShape } from '../../wire/fec/block-shape.ts';
import {
  type Departure,
  framedRuns,
  inOrderOfLeaving,
  protect,
  RepairedReceiver,
} from '../helpers/fec-blocks.ts';
import { network, type NetworkOptions, randomFrom } from '../helpers/network.ts';

/** Small packets: what is counted are packets. */
const PAYLOAD_BYTES = 12;

/** A stream that is sent again and again. */
interface Cycle {
  departures: Departure[];
  /** By departure: which block it is of. */
  blocks: number[];
  media: Buffer[];
}

function cycleOf(shape: BlockShape, atLeast: number): Cycle {
  const span = shape.dataShards * shape.interleave;
  const count = span * Math.ceil(atLeast / span);
  const payload = (index: number): Buffer => Buffer.alloc(PAYLOAD_BYTES).fill(`${index} ${index * 7}`);
  const departures = inOrderOfLeaving(protect(framedRuns({ count, payload }), { shape }));
  const blocks = departures.map(({ stream, bytes }) =>
    blockOf(bytes.readUInt16BE(stream === 'media' ? 2 : 12), shape),
  );
  return {
    departures,
    blocks,
    media: departures.filter(({ stream }) => stream === 'media').map(({ bytes }) => bytes),
  };
}

/** What became of a cycle. */
interface Outcome {
  media: number;
  missing: number;
}

/** Sends a cycle through a network: each block has to be recovered if it can be, and not else. */
function send({ departures, blocks, media }: Cycle, shape: BlockShape, options: NetworkOptions): Outcome {
  const receiver = new RepairedReceiver();
  const lost = new Map<number, number>();
  const arrived = new Set<number>();
  for (const { item } of network(
    departures.map((_, at) => ({ at, item: at })),
    options,
  ))
    arrived.add(item);
  let missing = 0;
  for (const [at, departure] of departures.entries()) {
    const block = blocks[at] ?? 0;
    if (arrived.has(at)) receiver.receive(departure);
    else lost.set(block, (lost.get(block) ?? 0) + 1);
  }
  for (const [index, bytes] of media.entries()) {
    const held = receiver.held.get(index);
    const isWhole = (lost.get(blockOf(index, shape)) ?? 0) <= shape.parityShards;
    judge({ index, sent: bytes, held, isWhole, wasRecovered: receiver.recovered.has(index) });
    if (!held) missing++;
  }
  return { media: media.length, missing };
}

interface Verdict {
  index: number;
  sent: Buffer;
  held: Buffer | undefined;
  isWhole: boolean;
  wasRecovered: boolean;
}

function judge({ index, sent, held, isWhole, wasRecovered }: Verdict): void {
  if (held && !held.equals(sent)) throw new Error(`a wrong byte in ${index}`);
  if (isWhole && !held) throw new Error(`${index} should have been recovered`);
  if (!isWhole && wasRecovered) throw new Error(`${index} cannot have been recovered`);
}

/** The number of the block that protects a datagram. */
function blockOf(sequence: number, { dataShards, interleave }: BlockShape): number {
  const span = dataShards * interleave;
  return Math.floor(sequence / span) * interleave + ((sequence % span) % interleave);
}

/** Residual loss over so many packets. */
function residual(shape: BlockShape, options: NetworkOptions, packets: number): number {
  const cycle = cycleOf(shape, 4000);
  const total: Outcome = { media: 0, missing: 0 };
  for (let seed = options.seed ?? 1; total.media < packets; seed++) {
    const { media, missing } = send(cycle, shape, { ...options, seed });
    total.media += media;
    total.missing += missing;
  }
  return total.missing / total.media;
}

/** The residual loss of an ideal code with independent losses: lost itself, and at least M of the n - 1 others. */
function idealResidual(n: number, k: number, p: number): number {
  let [few, term] = [0, (1 - p) ** (n - 1)];
  for (let lost = 0; lost < n - k; lost++) {
    few += term;
    term *= ((n - 1 - lost) / (lost + 1)) * (p / (1 - p));
  }
  return p * Math.max(0, 1 - few);
}

describe('Reed-Solomon against anything', () => {
  const networks: NetworkOptions[] = [
    ...[0.01, 0.05, 0.1, 0.2, 0.4].map((loss) => ({ loss })),
    ...[2, 5, 12, 40].map((meanBurst) => ({ burstLoss: { rate: 0.05, meanBurst } })),
  ];
  for (const [place, options] of networks.entries()) {
    it(`recovers exactly what can be: ${JSON.stringify(options)}, blocks of all shapes, from seed ${place + 1} on`, () => {
      const random = randomFrom(place + 1);
      let missing = 0;
      for (let seed = place + 1; seed < 400; seed += networks.length) {
        const shape = {
          dataShards: 1 + Math.floor(random() * 48),
          parityShards: 1 + Math.floor(random() * 12),
          interleave: 1 + Math.floor(random() * 8),
        };
        const atLeast = 4 * shape.dataShards * shape.interleave;
        missing += send(cycleOf(shape, Math.max(400, atLeast)), shape, { ...options, seed }).missing;
      }
      expect(missing).toBeGreaterThan(0); // some blocks lost too much
    });
  }
});

/** n, k, and the residual loss in percent at 1, 5, 10, 20 and 30 % of independent loss, where it is at least 0.01 %. */
const INDEPENDENT: [n: number, k: number, ...residuals: (number | undefined)[]][] = [
  [2, 1, 0.01, 0.25, 1, 4, 9],
  [6, 4, undefined, 0.11, 0.82, 5.3, 14],
  [12, 10, undefined, 0.51, 3.0, 14, 27],
  [15, 10, undefined, undefined, 0.09, 2.6, 12.5],
  [20, 10, undefined, undefined, undefined, 0.03, 0.98],
  [28, 18, undefined, undefined, undefined, 0.61, 8.2],
  [24, 20, undefined, 0.13, 1.9, 14, 28],
  [30, 20, undefined, undefined, undefined, 0.99, 11],
  [100, 80, undefined, undefined, 0.017, 10, 30],
  [100, 67, undefined, undefined, undefined, 0.026, 8.0],
];
const LOSSES = [0.01, 0.05, 0.1, 0.2, 0.3];

describe('Reed-Solomon against independent loss', () => {
  for (const [n, k, ...residuals] of INDEPENDENT) {
    const shape = { dataShards: k, parityShards: n - k, interleave: 1 };
    for (const [column, percent] of residuals.entries()) {
      const loss = LOSSES[column] ?? 0;
      if (percent === undefined) continue;
      it(`(${n},${k}) leaves ${percent} % of ${loss * 100} %, from seed 1 on`, () => {
        const ideal = idealResidual(n, k, loss);
        const packets = Math.min(400_000, Math.max(20_000, 400 / ideal));
        const measured = residual(shape, { loss, seed: 1 }, packets);
        // Losses come in blocks, so the figure is that of about as many events as there are failed blocks.
        const events = (packets * ideal) / Math.max(1, n * loss);
        const tolerance = Math.max(0.05, 3.5 / Math.sqrt(events));
        expect(Math.abs(measured / ideal - 1)).toBeLessThan(tolerance);
        expect(Math.abs((100 * ideal) / percent - 1)).toBeLessThan(0.07);
      });
    }
  }
});

/** n, k, interleave, and the residual loss in percent at 5, 10 and 20 % of loss in bursts of 3. */
const BURSTS: [n: number, k: number, interleave: number, ...residuals: (number | undefined)[]][] = [
  [15, 10, 1, 1.7, 3.7, 9.8],
  [15, 10, 4, 0.07, 0.41, 3.6],
  [28, 18, 1, 0.46, 1.43, 5.8],
  [28, 18, 4, undefined, 0.026, 1.15],
  [30, 20, 1, 0.51, 1.64, 6.6],
  [30, 20, 4, undefined, 0.018, 1.6],
  [20, 10, 1, 0.33, 0.86, 3.0],
  [20, 10, 4, undefined, undefined, 0.15],
  [10, 8, 1, 3.6, 7.3, 16],
  [10, 8, 4, 1.05, 3.4, 12],
];

describe('Reed-Solomon against bursts', () => {
  for (const [n, k, interleave, ...residuals] of BURSTS) {
    const shape = { dataShards: k, parityShards: n - k, interleave };
    for (const [column, percent] of residuals.entries()) {
      const rate = [0.05, 0.1, 0.2][column] ?? 0;
      if (percent === undefined) continue;
      it(`(${n},${k}) interleaved by ${interleave} leaves at most ${percent} % of ${rate * 100} %, from seed 1 on`, () => {
        const packets = Math.min(200_000, Math.max(40_000, 40_000 / percent));
        const measured = 100 * residual(shape, { burstLoss: { rate, meanBurst: 3 }, seed: 1 }, packets);
        expect(measured / percent).toBeLessThan(percent < 0.1 ? 1.6 : 1.15);
      });
    }
  }
});
