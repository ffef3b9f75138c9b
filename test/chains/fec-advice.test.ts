/**
 * Advice is what would really have happened: what a trial says of a setting is what encoder and decoder make of the same losses,
 * when each repair packet shares the fate of the datagram behind it.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BlockShape } from '../../wire/fec/block-shape.ts';
import { fecSpan, formatFecSetting, type FecSetting } from '../../wire/fec/fec-setting.ts';
import type { FecMatrix } from '../../wire/fec/smpte2022.ts';
import { Trial } from '../../wire/fec/trial.ts';
import { LossPattern } from '../../wire/loss-pattern.ts';
import { framedRuns, inOrderOfLeaving, protect, RepairedReceiver } from '../helpers/fec-blocks.ts';
import { departures, scene, play } from '../helpers/fec-scene.ts';
import { naiveProtection, sourcePackets } from '../helpers/fec.ts';
import { lossModel, randomFrom, type NetworkOptions } from '../helpers/network.ts';

fc.configureGlobal({ seed: 2022 });

/** Which of so many datagrams the network loses. Before `from` it does not: decoders first have to believe in what they get. */
function lossesOf(from: number, count: number, options: NetworkOptions, seed: number): Set<number> {
  const isLost = lossModel(options, randomFrom(seed));
  return new Set(
    Array.from({ length: count }, (_, index) => index).filter((index) => isLost() && index >= from),
  );
}

/** What of a whole stream is lost: each item, or for repair packets `undefined`, is lost with the datagram that comes next. */
function survivors<T>(
  items: readonly T[],
  indexOf: (item: T) => number | undefined,
  lost: ReadonlySet<number>,
): T[] {
  const kept: T[] = [];
  let isNextLost = false;
  for (const item of items.toReversed()) {
    const index = indexOf(item);
    if (index !== undefined) isNextLost = lost.has(index);
    if (!isNextLost) kept.push(item);
  }
  return kept.reverse();
}

/** How many Reed-Solomon leaves missing. */
function missedByBlocks(shape: BlockShape, count: number, lost: ReadonlySet<number>): number {
  const payload = (index: number): Buffer => Buffer.alloc(12).fill(`${index} ${index * 7}`);
  const stream = inOrderOfLeaving(protect(framedRuns({ count, payload }), { shape }));
  const receiver = new RepairedReceiver();
  for (const departure of survivors(
    stream,
    ({ stream: of, bytes }) => (of === 'media' ? bytes.readUInt16BE(2) : undefined),
    lost,
  ))
    receiver.receive(departure);
  return count - receiver.held.size;
}

/** How many SMPTE 2022-1 leaves missing. */
function missedByMatrix(matrix: FecMatrix, count: number, lost: ReadonlySet<number>): number {
  const sources = sourcePackets(count, { payloadBytes: 12 });
  const stream = departures(sources, naiveProtection(sources, matrix));
  const receiver = scene(sources);
  play(
    receiver,
    survivors(stream, (item) => (typeof item === 'number' ? item : undefined), lost),
  );
  receiver.decoder.sentUntil(count);
  return count - receiver.window.there.size;
}

function patternOf(lost: ReadonlySet<number>): LossPattern {
  const pattern = new LossPattern();
  for (const index of lost) pattern.lost(index, 1);
  return pattern;
}

const matrices = fc
  .record({
    columns: fc.integer({ min: 4, max: 20 }),
    rows: fc.integer({ min: 4, max: 20 }),
    rowPackets: fc.boolean(),
  })
  .filter(({ columns, rows }) => columns * rows <= 100)
  .map((matrix): FecSetting => ({ kind: '2022', matrix }));
const shapes = fc
  .record({
    dataShards: fc.integer({ min: 2, max: 48 }),
    parityShards: fc.integer({ min: 1, max: 12 }),
    interleave: fc.constantFrom(1, 2, 3, 4, 8),
  })
  .map((shape): FecSetting => ({ kind: 'rs', shape }));
const networks: fc.Arbitrary<NetworkOptions> = fc.oneof(
  fc.record({ loss: fc.constantFrom(0.01, 0.05, 0.1, 0.2, 0.4) }),
  fc.record({
    burstLoss: fc.record({
      rate: fc.constantFrom(0.01, 0.05, 0.2),
      meanBurst: fc.constantFrom(2, 5, 12, 60),
    }),
  }),
);

describe('a trial says what the codecs do', () => {
  for (const [name, settings, numRuns] of [
    ['rows and columns', matrices, 250],
    ['Reed-Solomon', shapes, 250],
  ] as const) {
    it(`of ${name}`, () => {
      fc.assert(
        fc.property(settings, networks, fc.nat(1e6), (setting, network, seed) => {
          const span = fecSpan(setting);
          const count = span * Math.max(4, Math.ceil(400 / span));
          const lost = lossesOf(2 * span, count, network, seed);
          const missed =
            setting.kind === 'rs'
              ? missedByBlocks(setting.shape, count, lost)
              : missedByMatrix(setting.matrix, count, lost);
          const trial = new Trial(patternOf(lost), { from: 0 });
          expect(`${formatFecSetting(setting)} leaves ${trial.missed(setting, 0)}`).toBe(
            `${formatFecSetting(setting)} leaves ${missed}`,
          );
        }),
        { numRuns },
      );
    });
  }
});
