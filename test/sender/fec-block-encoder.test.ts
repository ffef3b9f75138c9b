import { describe, expect, it } from 'vitest';
import { FecBlockEncoder, PARITY_HEADROOM_BYTES } from '../../sender/fec-block-encoder.ts';
import { CHUNK_DATAGRAMS, ChunkPool } from '../../sender/media-chunk.ts';
import { javascriptKernel } from '../../wire/fec/gf256-kernel.ts';
import { type ParityPacket, parseParity } from '../../wire/fec/parity-packet.ts';
import { parseRtp } from '../../wire/rtp.ts';
import { type Departure, framedRuns, inOrderOfLeaving, protect, STEP_TICKS } from '../helpers/fec-blocks.ts';
import { datagramsOf } from '../helpers/media-runs.ts';
import { payloadOf, SEQUENCE_STARTS } from '../helpers/packets.ts';
import { slowParity } from '../helpers/slow-reed-solomon.ts';

const SHAPE = { dataShards: 10, parityShards: 3, interleave: 1 };

function mediaOf(departures: readonly Departure[]): Departure[] {
  return departures.filter(({ stream }) => stream === 'media');
}

function repairOf(departures: readonly Departure[]): Departure[] {
  return departures.filter(({ stream }) => stream === 'repair');
}

function parityOf(departures: readonly Departure[]): ParityPacket[] {
  return repairOf(departures).map(({ bytes }) => {
    const packet = parseParity(bytes);
    if (typeof packet === 'string') throw new Error(packet);
    return packet;
  });
}

/** What each repair packet protects: `100+10 of 3, 0`. */
function shapesOf(departures: readonly Departure[]): string[] {
  return parityOf(departures).map(
    ({ firstSequence, dataShards, interleave, parityShards, parityIndex }) =>
      `${firstSequence}+${dataShards}${interleave > 1 ? `x${interleave}` : ''} ${parityIndex}/${parityShards}`,
  );
}

describe('FecBlockEncoder', () => {
  it('hands the stream on as it is', () => {
    const runs = framedRuns({ count: 100 });
    const before = mediaOf(protect(runs, { shape: SHAPE }));
    expect(before.map(({ bytes }) => bytes.readUInt16BE(2))).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
    expect(before[99]?.bytes.subarray(12)).toEqual(payloadOf(99));
  });

  it('protects whole RTP packets, block by block', () => {
    const departures = protect(framedRuns({ count: 20 }), { shape: SHAPE });
    const media = mediaOf(departures).map(({ bytes }) => bytes.subarray(0, 40));
    const parity = parityOf(departures);
    expect(shapesOf(departures)).toEqual([
      '0+10 0/3',
      '0+10 1/3',
      '0+10 2/3',
      '10+10 0/3',
      '10+10 1/3',
      '10+10 2/3',
    ]);
    for (const [block, first] of [0, 10].entries()) {
      const expected = slowParity(media.slice(first, first + 10), 3).map((shard) => Buffer.from(shard));
      expect(parity.slice(3 * block, 3 * block + 3).map(({ parity }) => parity.subarray(0, 40))).toEqual(
        expected,
      );
    }
  });

  it('works out the same with either kernel', () => {
    const runs = framedRuns({ count: 47 });
    const shape = { dataShards: 7, parityShards: 5, interleave: 2 };
    expect(protect(runs, { shape, kernel: javascriptKernel })).toEqual(protect(runs, { shape }));
  });

  it('numbers repair packets on their own, and gives them the SSRC of the stream', () => {
    const departures = protect(framedRuns({ count: 20, ssrc: 0xfeed }), { shape: SHAPE, sequence: 65_534 });
    const headers = repairOf(departures).map(({ bytes }) => parseRtp(bytes));
    expect(headers).toMatchObject(
      [65_534, 65_535, 0, 1, 2, 3].map((sequence) => ({
        sequence,
        payloadType: 127,
        ssrc: 0xfeed,
        marker: false,
      })),
    );
  });

  for (const sequence of SEQUENCE_STARTS) {
    it(`protects on from sequence number ${sequence}`, () => {
      const departures = protect(framedRuns({ count: 10, sequence }), { shape: SHAPE });
      expect(parityOf(departures)).toMatchObject(
        [0, 1, 2].map((parityIndex) => ({ firstSequence: sequence, dataShards: 10, parityIndex })),
      );
    });
  }

  it('puts every I-th datagram into a block, and sends the parity of these blocks in turn', () => {
    const shape = { dataShards: 3, parityShards: 2, interleave: 4 };
    expect(shapesOf(protect(framedRuns({ count: 12 }), { shape }))).toEqual([
      ...[0, 1, 2, 3].map((first) => `${first}+3x4 0/2`),
      ...[0, 1, 2, 3].map((first) => `${first}+3x4 1/2`),
    ]);
  });

  it('spreads the parity of a block evenly over the time of the next', () => {
    const shape = { dataShards: 10, parityShards: 4, interleave: 1 };
    const times = repairOf(protect(framedRuns({ count: 48 }), { shape })).map(
      ({ transmitTicks }) => transmitTicks / STEP_TICKS,
    );
    expect(times.slice(0, 8)).toEqual([10, 12.5, 15, 17.5, 20, 22.5, 25, 27.5]);
  });

  it('spreads more parity than data as evenly', () => {
    const shape = { dataShards: 2, parityShards: 4, interleave: 1 };
    const times = repairOf(protect(framedRuns({ count: 48 }), { shape })).map(
      ({ transmitTicks }) => transmitTicks / STEP_TICKS,
    );
    expect(times.slice(0, 8)).toEqual([2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5]);
  });

  it('keeps the due times of what it leaves with, when it is behind the pacer', () => {
    const departures = protect(framedRuns({ count: 48 }), { shape: SHAPE });
    for (const { transmitTicks, dueAt } of repairOf(departures).slice(0, 6))
      expect(dueAt).toBeCloseTo(1000 + transmitTicks / STEP_TICKS / 2, 9);
  });

  it('never sends a repair packet before one that it made earlier', () => {
    const runs = framedRuns({ count: 480 });
    for (const { chunk } of runs)
      chunk.transmitTicks.forEach((ticks, slot) => (chunk.transmitTicks[slot] = ticks - (ticks % 90_000)));
    const times = repairOf(protect(runs, { shape: SHAPE })).map(({ transmitTicks }) => transmitTicks);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('protects what is left at the end, each block with all its parity, soon', () => {
    const shape = { dataShards: 5, parityShards: 2, interleave: 3 };
    const departures = protect(framedRuns({ count: 22 }), { shape });
    expect(shapesOf(departures).slice(6)).toEqual([
      '15+3x3 0/2',
      '16+2x3 0/2',
      '17+2x3 0/2',
      '15+3x3 1/2',
      '16+2x3 1/2',
      '17+2x3 1/2',
    ]);
    const times = inOrderOfLeaving(departures).map(({ transmitTicks }) => transmitTicks / STEP_TICKS);
    expect(times.at(-1)).toBeLessThan(22 + 10);
  });

  it('protects a last datagram that is shorter in a block of its own, so that its length is known', () => {
    const payload = (index: number): Buffer => payloadOf(index, index === 13 ? 3 : 7);
    const departures = protect(framedRuns({ count: 14, payload }), { shape: SHAPE });
    expect(shapesOf(departures).slice(3)).toEqual([
      '10+3 0/3',
      '10+3 1/3',
      '10+3 2/3',
      '13+1 0/3',
      '13+1 1/3',
      '13+1 2/3',
    ]);
    expect(parityOf(departures).map(({ shardBytes }) => shardBytes)).toEqual([
      1328, 1328, 1328, 1328, 1328, 1328, 576, 576, 576,
    ]);
  });

  it('sends nothing for a stream without datagrams', () => {
    expect(protect([], { shape: SHAPE })).toEqual([]);
  });

  it('fills chunk after chunk, each slot once', () => {
    const pool = new ChunkPool(PARITY_HEADROOM_BYTES);
    const encoder = new FecBlockEncoder({ shape: { ...SHAPE, dataShards: 3 }, sequence: 0, pool });
    const places: number[] = [];
    for (const run of framedRuns({ count: 480 })) {
      encoder.push(run);
      for (let out = encoder.poll(); out; out = encoder.poll()) {
        if (out.stream === 'media') continue;
        const { chunk, end } = out.run;
        places.push(...datagramsOf(out.run).map(({ index }) => index));
        if (end === CHUNK_DATAGRAMS) pool.give(chunk);
      }
    }
    expect(places).toEqual(places.map((_, index) => index));
    expect(encoder.counters).toEqual({ blocks: 160, repairPackets: places.length });
    expect(places).toHaveLength(477);
  });

  const impossible = [
    { dataShards: 0, parityShards: 1, interleave: 1 },
    { dataShards: 250, parityShards: 6, interleave: 1 },
    { dataShards: 10, parityShards: 3, interleave: 0 },
    { dataShards: 200, parityShards: 3, interleave: 200 },
  ];
  for (const shape of impossible) {
    it(`refuses blocks of ${Object.values(shape).join()}`, () => {
      const pool = new ChunkPool(PARITY_HEADROOM_BYTES);
      expect(() => new FecBlockEncoder({ shape, sequence: 0, pool })).toThrow(RangeError);
    });
  }
});
