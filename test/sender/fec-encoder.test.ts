import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FecEncoder, type ProtectedRun } from '../../sender/fec-encoder.ts';
import {
  CHUNK_DATAGRAMS,
  ChunkPool,
  DATAGRAM_PAYLOAD_BYTES,
  MediaChunk,
  type MediaRun,
} from '../../sender/media-chunk.ts';
import { REPAIR_HEADER_BYTES, type FecMatrix } from '../../wire/fec/smpte2022.ts';
import { RTP_HEADER_BYTES } from '../../wire/rtp.ts';
import { naiveProtection, sourcePackets } from '../helpers/fec.ts';
import { datagramsOf, type Datagram } from '../helpers/media-runs.ts';
import { SEQUENCE_STARTS } from '../helpers/packets.ts';

fc.configureGlobal({ seed: 20_261_123 });

const COLUMNS_ONLY: FecMatrix = { columns: 5, rows: 4, rowPackets: false };
const BOTH: FecMatrix = { columns: 4, rows: 6, rowPackets: true };
const TICKS = 1000;
const STEP_MS = 2;

/** Packets in runs of at most `runLength`: datagram `index` is due at 2 ms × index, its ticks 1000 × index. */
function runsOf(packets: readonly Buffer[], runLength = 7): MediaRun[] {
  const runs: MediaRun[] = [];
  let chunk = new MediaChunk(RTP_HEADER_BYTES);
  for (const [index, packet] of packets.entries()) {
    const slot = index % CHUNK_DATAGRAMS;
    if (slot === 0) chunk = new MediaChunk(RTP_HEADER_BYTES);
    chunk.firstIndex = index - slot;
    chunk.departure.bytes.fill(
      0xaa,
      slot * chunk.departure.slotBytes,
      (slot + 1) * chunk.departure.slotBytes,
    );
    packet.copy(chunk.departure.bytes, slot * chunk.departure.slotBytes);
    chunk.departure.lengths[slot] = packet.length;
    chunk.departure.dueAt[slot] = STEP_MS * index;
    chunk.transmitTicks[slot] = TICKS * index;
    chunk.rtpTimestamps[slot] = packet.readUInt32BE(4);
    const run = runs.at(-1);
    if (run?.chunk === chunk && run.end - run.first < runLength) run.end++;
    else runs.push({ chunk, first: slot, end: slot + 1 });
  }
  return runs;
}

function encoder(matrix: FecMatrix, sequences = { column: 0, row: 0 }): FecEncoder {
  return new FecEncoder({ matrix, sequences, pool: new ChunkPool(REPAIR_HEADER_BYTES) });
}

/** All that an encoder makes of runs and of the end. */
function encode(fecEncoder: FecEncoder, runs: readonly (MediaRun | undefined)[]): ProtectedRun[] {
  const out: ProtectedRun[] = [];
  for (const run of runs) {
    fecEncoder.push(run);
    for (let made = fecEncoder.poll(); made; made = fecEncoder.poll()) out.push(made);
  }
  return out;
}

function of(made: readonly ProtectedRun[], stream: ProtectedRun['stream']): Datagram[] {
  return made.filter((each) => each.stream === stream).flatMap(({ run }) => datagramsOf(run));
}

describe('a FEC encoder', () => {
  it('hands on the runs as they are', () => {
    const runs = runsOf(sourcePackets(100));
    const made = encode(encoder(BOTH), runs).filter(({ stream }) => stream === 'media');
    expect(made.map(({ run }) => run)).toEqual(runs);
    expect(made.every(({ run }, at) => run === runs[at])).toBe(true);
  });

  for (const matrix of [COLUMNS_ONLY, BOTH, { columns: 1, rows: 20, rowPackets: false }]) {
    const { columns, rows, rowPackets } = matrix;
    for (const start of SEQUENCE_STARTS) {
      it(`makes of ${columns}×${rows}${rowPackets ? ' with rows' : ''} from ${start} what others make`, () => {
        const sources = sourcePackets(110, { start });
        const sequences = { column: start, row: 65_535 - start };
        const made = encode(encoder(matrix, sequences), runsOf(sources));
        const expected = naiveProtection(sources, matrix, sequences).filter(
          ({ leavesWith }) => leavesWith < 110,
        );
        for (const direction of ['column', 'row'] as const) {
          const wanted = expected.filter((each) => each.direction === direction);
          expect(of(made, direction).map(({ bytes }) => bytes)).toEqual(
            wanted.map(({ datagram }) => datagram),
          );
        }
        expect(of(made, 'row').length > 0).toBe(rowPackets);
      });
    }
  }

  it('sends each with the datagram that it leaves with', () => {
    const sources = sourcePackets(200);
    const made = encode(encoder(BOTH), runsOf(sources));
    const expected = naiveProtection(sources, BOTH).filter(({ leavesWith }) => leavesWith < 200);
    for (const direction of ['column', 'row'] as const) {
      const leave = expected
        .filter((each) => each.direction === direction)
        .map(({ leavesWith }) => leavesWith);
      const repairs = of(made, direction);
      expect(repairs.map(({ dueAt }) => dueAt)).toEqual(leave.map((index) => STEP_MS * index));
      expect(repairs.map(({ transmitTicks }) => transmitTicks)).toEqual(leave.map((index) => TICKS * index));
      expect(repairs.map(({ rtpTimestamp }) => rtpTimestamp)).toEqual(leave.map((index) => 90 * index));
      expect(repairs.map(({ index }) => index)).toEqual(repairs.map((_, index) => index));
    }
  });

  it('makes the same however its input is cut', () => {
    const sources = sourcePackets(150);
    const whole = encode(encoder(BOTH), runsOf(sources, 48));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 48 }), (runLength) => {
        const made = encode(encoder(BOTH), runsOf(sources, runLength));
        for (const stream of ['media', 'column', 'row'] as const)
          expect(of(made, stream)).toEqual(of(whole, stream));
      }),
      { numRuns: 20 },
    );
  });

  it('protects full datagrams, and at the end one of any length', () => {
    for (const last of [1316, 188, 1315, 5, 2]) {
      const sources = [
        ...sourcePackets(19, { payloadBytes: DATAGRAM_PAYLOAD_BYTES }),
        ...sourcePackets(20, { payloadBytes: last }).slice(19),
      ];
      const made = encode(encoder(COLUMNS_ONLY), [...runsOf(sources), undefined]);
      const wanted = naiveProtection(sources, COLUMNS_ONLY).map(({ datagram }) => datagram.subarray(12));
      expect(of(made, 'column').map(({ bytes }) => bytes.subarray(12))).toEqual(wanted);
    }
  });

  it('sends what is left at the end, as far apart as before', () => {
    const { rows } = COLUMNS_ONLY;
    for (const count of [20, 21, 24, 25, 39, 40]) {
      const made = encode(encoder(COLUMNS_ONLY), [...runsOf(sourcePackets(count)), undefined]);
      const full = Math.floor(count / 20);
      const due = of(made, 'column').map(({ dueAt }) => dueAt);
      expect(due).toHaveLength(5 * full);
      const left = due.filter((each) => each > STEP_MS * (count - 1));
      const from = STEP_MS * (count - 1);
      expect(left).toEqual(left.map((_, place) => from + (place + 1) * rows * STEP_MS));
      expect(of(made, 'column').map(({ transmitTicks }) => transmitTicks)).toEqual(
        due.map((each) => (each / STEP_MS) * TICKS),
      );
    }
  });

  it('has nothing to send at the end of what fills no matrix', () => {
    const made = encode(encoder(COLUMNS_ONLY), [...runsOf(sourcePackets(19)), undefined]);
    expect(of(made, 'column')).toEqual([]);
    expect(encode(encoder(BOTH), [undefined])).toEqual([]);
  });

  it('never sends more than one of a direction with a datagram', () => {
    for (const matrix of [BOTH, { columns: 20, rows: 5, rowPackets: true }]) {
      const made = encode(encoder(matrix), runsOf(sourcePackets(500)));
      for (const direction of ['column', 'row'] as const) {
        const due = of(made, direction).map(({ dueAt }) => dueAt);
        expect(new Set(due).size).toBe(due.length);
        expect(due).toEqual([...due].sort((a, b) => a - b));
      }
    }
  });

  it('numbers chunks of repair packets as the queue counts what it releases', () => {
    const pool = new ChunkPool(REPAIR_HEADER_BYTES);
    const fecEncoder = new FecEncoder({ matrix: BOTH, sequences: { column: 0, row: 0 }, pool });
    const made = encode(fecEncoder, runsOf(sourcePackets(1000)));
    const chunks = new Set(made.filter(({ stream }) => stream === 'row').map(({ run }) => run.chunk));
    expect([...chunks].map(({ firstIndex }) => firstIndex)).toEqual([0, 48, 96, 144, 192, 240]);
  });

  it('makes the same in memory that was used before', () => {
    const pool = new ChunkPool(REPAIR_HEADER_BYTES);
    const sources = sourcePackets(100, { payloadBytes: 188 });
    const made = [0, 1].map((round) => {
      const used = sourcePackets(400, { payloadBytes: round === 0 ? 1316 : 188, seed: 7 });
      const sequences = { column: 0, row: 0 };
      const before = encode(new FecEncoder({ matrix: BOTH, sequences, pool }), runsOf(used));
      for (const chunk of new Set(
        before.filter(({ stream }) => stream !== 'media').map(({ run }) => run.chunk),
      )) {
        chunk.discontinuities.fill(1);
        pool.give(chunk);
      }
      const after = encode(new FecEncoder({ matrix: BOTH, sequences, pool }), runsOf(sources));
      return of(after, 'column').map((each) => ({ ...each, bytes: Buffer.from(each.bytes) }));
    });
    expect(made[0]).toEqual(made[1]);
    expect(made[0]?.some(({ discontinuity }) => discontinuity)).toBe(false);
  });

  for (const matrix of [
    { columns: 0, rows: 5, rowPackets: false },
    { columns: 3, rows: 5, rowPackets: true },
    { columns: 11, rows: 10, rowPackets: false },
  ])
    it(`refuses ${matrix.columns}×${matrix.rows}`, () => expect(() => encoder(matrix)).toThrow(RangeError));
});
