/**
 * Extended reports, RFC 3611: which packets were lost, one by one, as run lengths and bits (Loss RLE, §4.1).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |V=2|P|reserved |    PT = 207   |     length in words - 1       |
 *     |                     SSRC of whoever reports                   |
 *     |    BT = 1     | rsvd. |thin. T|     block length in words - 1 |
 *     |                    SSRC of the stream                         |
 *     |       first sequence          |   one past the last           |
 *     |          chunk 1              |             chunk 2           |  and so on
 *
 *     |0|R|    run length     |  so many came (R = 1) or were lost (R = 0)
 *     |1|     15 bits         |  one for each: 1 came, 0 was lost; the highest is the first
 *     |0                      |  the end, where an odd number of chunks is to be filled up
 *
 * Blocks of other types are skipped.
 */
import type { LossRun } from './loss-pattern.ts';
import type { UnknownPacket } from './rtcp.ts';

/** What a receiver says of each packet of a stretch. */
export interface LossReport {
  /** Who reports. */
  ssrc: number;
  /** Whose packets. */
  mediaSsrc: number;
  /** 16 bits: the first sequence number of the stretch. */
  firstSequence: number;
  /** How many packets it is about: 1 to 65534. */
  count: number;
  /** What did not come, in order; counted from the first one, which is 0. Runs do not touch each other. */
  lost: readonly LossRun[];
}

/** Why a packet of a compound tells nothing of the losses of a stream. */
export type XrFault =
  | 'not-xr'
  | 'too-short'
  | 'no-loss-report' // none about that stream
  | 'thinned' // only every so many packets are told of
  | 'bad-range' // nothing, or more than 65534
  | 'too-long' // more chunks than anybody sends
  | 'bad-chunks'; // they tell of less than the range

/** Most packets that one report is about: what is beyond cannot be told from what was before. */
export const MAX_REPORTED = 65_534;
/** Longest packet that is written. */
export const MAX_XR_BYTES = 400;

const EXTENDED_REPORT = 207;
const LOSS_RLE = 1;
const SSRC_BYTES = 4;
const BLOCK_HEADER_BYTES = 4;
const RANGE_BYTES = 8;
const CHUNK_BYTES = 2;
const MOST_WRITTEN = (MAX_XR_BYTES - 4 - SSRC_BYTES - BLOCK_HEADER_BYTES - RANGE_BYTES) / CHUNK_BYTES;
const MOST_READ = 700; // in a datagram of 1400 bytes
const BITS = 0x8000;
const VECTOR_BITS = 15;
const CAME = 0x4000;
const MOST_RUN = 0x3fff;

/** Finds the first Loss RLE block about a stream in a packet of an RTCP compound. */
export function parseLossReport(
  { packetType, body }: UnknownPacket,
  mediaSsrc: number,
): LossReport | XrFault {
  if (packetType !== EXTENDED_REPORT) return 'not-xr';
  if (body.length < SSRC_BYTES) return 'too-short';
  for (let at = SSRC_BYTES; at + BLOCK_HEADER_BYTES <= body.length;) {
    const end = at + BLOCK_HEADER_BYTES + 4 * body.readUInt16BE(at + 2);
    if (end > body.length) return 'too-short';
    const block = body.subarray(at, end);
    at = end;
    if (block[0] !== LOSS_RLE) continue;
    if (block.length < BLOCK_HEADER_BYTES + RANGE_BYTES) return 'too-short';
    if (block.readUInt32BE(4) === mediaSsrc) return parseBlock(block, body.readUInt32BE(0), mediaSsrc);
  }
  return 'no-loss-report';
}

/** The packet for a compound. What does not fit into `MAX_XR_BYTES` is left out: the earliest of it. */
export function writeLossReport({ ssrc, mediaSsrc, firstSequence, count, lost }: LossReport): UnknownPacket {
  if (count < 1 || count > MAX_REPORTED) throw new RangeError(`a loss report of ${count} packets`);
  const chunks = chunksOf(lost, count);
  const kept = chunks.slice(-MOST_WRITTEN);
  const first = kept[0]?.at ?? 0;
  const words = Math.ceil(kept.length / 2);
  const body = Buffer.alloc(SSRC_BYTES + BLOCK_HEADER_BYTES + RANGE_BYTES + 4 * words);
  body.writeUInt32BE(ssrc, 0);
  body.writeUInt8(LOSS_RLE, 4);
  body.writeUInt16BE(RANGE_BYTES / 4 + words, 6);
  body.writeUInt32BE(mediaSsrc, 8);
  body.writeUInt16BE((firstSequence + first) & 0xffff, 12);
  body.writeUInt16BE((firstSequence + count) & 0xffff, 14);
  for (const [place, { chunk }] of kept.entries()) body.writeUInt16BE(chunk, 16 + CHUNK_BYTES * place);
  return { kind: 'unknown', packetType: EXTENDED_REPORT, count: 0, body };
}

function parseBlock(block: Buffer, ssrc: number, mediaSsrc: number): LossReport | XrFault {
  if ((block.readUInt8(1) & 0x0f) !== 0) return 'thinned';
  const firstSequence = block.readUInt16BE(8);
  const count = (block.readUInt16BE(10) - firstSequence) & 0xffff;
  if (count < 1 || count > MAX_REPORTED) return 'bad-range';
  const chunksAt = BLOCK_HEADER_BYTES + RANGE_BYTES;
  if (block.length > chunksAt + MOST_READ * CHUNK_BYTES) return 'too-long';
  const lost: LossRun[] = [];
  let told = 0;
  for (let at = chunksAt; at < block.length && told < count; at += CHUNK_BYTES)
    told += readChunk(block.readUInt16BE(at), told, lost);
  if (told < count) return 'bad-chunks';
  cut(lost, count);
  return { ssrc, mediaSsrc, firstSequence, count, lost };
}

/** Adds what a chunk says is lost; returns of how many packets it tells. */
function readChunk(chunk: number, at: number, into: LossRun[]): number {
  if (chunk < BITS) {
    const count = chunk & MOST_RUN;
    if ((chunk & CAME) === 0) lose(at, count, into);
    return count;
  }
  for (let bit = 0; bit < VECTOR_BITS; bit++)
    if (((chunk >> (VECTOR_BITS - 1 - bit)) & 1) === 0) lose(at + bit, 1, into);
  return VECTOR_BITS;
}

function lose(first: number, count: number, into: LossRun[]): void {
  const last = into.at(-1);
  if (count === 0) return;
  if (last && last.first + last.count === first) last.count += count;
  else into.push({ first, count });
}

/** The last chunk may tell of packets behind the range. */
function cut(lost: LossRun[], end: number): void {
  for (let last = lost.at(-1); last && last.first >= end; last = lost.at(-1)) lost.pop();
  const last = lost.at(-1);
  if (last) last.count = Math.min(last.count, end - last.first);
}

/** A chunk and the first packet that it tells of. */
interface Chunk {
  at: number;
  chunk: number;
}

function chunksOf(lost: readonly LossRun[], count: number): Chunk[] {
  const chunks: Chunk[] = [];
  let run = 0; // the first that ends behind `at`
  for (let at = 0; at < count;) {
    while (run < lost.length && endOf(lost[run]) <= at) run++;
    const next = lost[run];
    const isLost = next !== undefined && next.first <= at;
    const end = Math.min(count, isLost ? endOf(next) : (next?.first ?? count));
    const length = Math.min(end - at, MOST_RUN);
    const isRun = length >= VECTOR_BITS || end === count;
    chunks.push({ at, chunk: isRun ? (isLost ? 0 : CAME) | length : vectorOf(lost, run, at) });
    at += isRun ? length : VECTOR_BITS;
  }
  return chunks;
}

/** 15 packets, one bit each. @param run the first that ends behind `at` */
function vectorOf(lost: readonly LossRun[], run: number, at: number): number {
  let bits = BITS | (BITS - 1);
  for (let place = run; place < lost.length; place++) {
    const { first, count } = lost[place] ?? { first: Infinity, count: 0 };
    if (first >= at + VECTOR_BITS) break;
    const end = Math.min(first + count, at + VECTOR_BITS);
    for (let packet = Math.max(first, at); packet < end; packet++)
      bits &= ~(1 << (VECTOR_BITS - 1 - (packet - at)));
  }
  return bits;
}

function endOf(run: LossRun | undefined): number {
  return run ? run.first + run.count : 0;
}
