/** Reed-Solomon in this process: how much a second of processor time encodes, and what protecting a fast stream costs. */
import { FecBlockEncoder, PARITY_HEADROOM_BYTES } from '../../sender/fec-block-encoder.ts';
import { HEADER_BYTES } from '../../sender/framer.ts';
import { CHUNK_DATAGRAMS, ChunkPool, MediaChunk } from '../../sender/media-chunk.ts';
import { fastestKernel, type Gf256Kernel, javascriptKernel } from '../../wire/fec/gf256-kernel.ts';
import { ReedSolomonEncoder } from '../../wire/fec/reed-solomon.ts';
import { writeRtpHeader } from '../../wire/rtp.ts';
import { DATAGRAM_BYTES, PAYLOAD_BYTES } from './bench.ts';
import { limitRow, type Row } from './table.ts';

/** Each round; the quickest counts, for other work on the machine only ever takes away. */
const ROUNDS = 15;
const GIGABIT_DATAGRAMS = 1e9 / 8 / PAYLOAD_BYTES;

/** Rows on the kernels and on the stage of a sender. */
export function benchFec(): Row[] {
  const { name } = fastestKernel();
  return [
    limitRow({
      work: `Reed-Solomon encode, k=10 m=3 (${name})`,
      unit: 'GB/s',
      ours: encodeRate(10, 3, fastestKernel()),
      goal: { least: 4 },
    }),
    limitRow({
      work: `Reed-Solomon encode, k=20 m=5 (${name})`,
      unit: 'GB/s',
      ours: encodeRate(20, 5, fastestKernel()),
      goal: { least: 3 },
    }),
    { work: 'the same in JavaScript', lancast: `${encodeRate(20, 5, javascriptKernel).toFixed(2)} GB/s` },
    limitRow({
      work: 'protect 1 Gbit/s by rs:20,4 (FEC 20 %), stage of a sender',
      unit: '% of a core',
      ours: stageShare(),
      goal: { most: 15 },
    }),
  ];
}

/** Gigabytes of data encoded in a second, copies included. */
function encodeRate(dataShards: number, parityShards: number, kernel: Gf256Kernel): number {
  const data = Array.from({ length: dataShards }, (_, place) =>
    Buffer.alloc(DATAGRAM_BYTES, 37 * place + 11),
  );
  const parity = Array.from({ length: parityShards }, () => Buffer.alloc(DATAGRAM_BYTES));
  const encoder = new ReedSolomonEncoder(dataShards, parityShards, kernel);
  const blocks = Math.ceil(20_000 / dataShards);
  const microseconds = quickest(() => {
    for (let block = 0; block < blocks; block++) encoder.encode(data, parity);
  });
  return (blocks * dataShards * DATAGRAM_BYTES) / microseconds / 1000;
}

/** What a gigabit of payload a second costs the encoder's stage, percent of a core. */
function stageShare(): number {
  const shape = { dataShards: 20, parityShards: 4, interleave: 1 };
  const pool = new ChunkPool(PARITY_HEADROOM_BYTES);
  const encoder = new FecBlockEncoder({ shape, sequence: 0, pool });
  const chunk = new MediaChunk(HEADER_BYTES.rtp);
  const { bytes, lengths, slotBytes } = chunk.departure;
  lengths.fill(DATAGRAM_BYTES);
  const chunks = 400;
  let sequence = 0;
  const microseconds = quickest(() => {
    for (let fed = 0; fed < chunks; fed++) {
      for (let slot = 0; slot < CHUNK_DATAGRAMS; slot++, sequence++)
        writeRtpHeader(
          { payloadType: 33, marker: false, sequence: sequence & 0xffff, timestamp: sequence * 9, ssrc: 1 },
          bytes,
          slot * slotBytes,
        );
      encoder.push({ chunk, first: 0, end: CHUNK_DATAGRAMS });
      for (let out = encoder.poll(); out; out = encoder.poll())
        if (out.stream === 'repair' && out.run.end === CHUNK_DATAGRAMS) pool.give(out.run.chunk);
    }
  });
  return ((GIGABIT_DATAGRAMS * microseconds) / (chunks * CHUNK_DATAGRAMS) / 1e6) * 100;
}

/** Processor time of the quickest of some rounds, microseconds. */
function quickest(round: () => void): number {
  let least = Infinity;
  for (let count = 0; count < ROUNDS; count++) {
    const before = process.cpuUsage();
    round();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, user + system);
  }
  return least;
}
