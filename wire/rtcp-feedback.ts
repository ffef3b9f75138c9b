/**
 * Generic NACK, RFC 4585 §6.2.1: a receiver names the RTP packets that it misses, in an RTCP compound.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |V=2|P| FMT = 1 |    PT = 205   |     length in words - 1       |
 *     |                    SSRC of whoever asks                       |
 *     |                 SSRC of the stream asked of                   |
 *     |       first (PID)             |       bitmask (BLP)           |  once or more
 *
 * The lowest bit of a bitmask stands for the sequence number behind `first`, the highest for the 16th behind it.
 */
import type { UnknownPacket } from './rtcp.ts';

/** What is asked for again. */
export interface Nack {
  /** Who asks. */
  ssrc: number;
  /** Whose packets are missing. */
  mediaSsrc: number;
  /** 16-bit sequence numbers, at most `MAX_NACK_SEQUENCES`. */
  lost: readonly number[];
}

/** Why a packet of a compound is not a generic NACK. */
export type NackFault = 'not-nack' | 'too-short'; // it names nothing

/** One NACK asks for so much at most: whoever asks for more may flood somebody else. */
export const MAX_NACK_SEQUENCES = 128;

const TRANSPORT_FEEDBACK = 205;
const GENERIC_NACK = 1;
const SSRC_BYTES = 8;
const ENTRY_BYTES = 4;
const MASK_BITS = 16;

/** Parses a packet of an RTCP compound. What it names beyond the first 128 sequence numbers is left out. */
export function parseNack({ packetType, count, body }: UnknownPacket): Nack | NackFault {
  if (packetType !== TRANSPORT_FEEDBACK || count !== GENERIC_NACK) return 'not-nack';
  if (body.length < SSRC_BYTES + ENTRY_BYTES) return 'too-short';
  const lost: number[] = [];
  for (let at = SSRC_BYTES; at + ENTRY_BYTES <= body.length; at += ENTRY_BYTES) {
    if (lost.length === MAX_NACK_SEQUENCES) break;
    readEntry(body.readUInt16BE(at), body.readUInt16BE(at + 2), lost);
  }
  return { ssrc: body.readUInt32BE(0), mediaSsrc: body.readUInt32BE(4), lost };
}

/** The packet for a compound. Sequence numbers that follow each other in the list share their entries. */
export function writeNack({ ssrc, mediaSsrc, lost }: Nack): UnknownPacket {
  if (lost.length === 0 || lost.length > MAX_NACK_SEQUENCES)
    throw new RangeError(`a NACK of ${lost.length} sequence numbers: expected 1 to ${MAX_NACK_SEQUENCES}`);
  const body = Buffer.alloc(SSRC_BYTES + ENTRY_BYTES * lost.length);
  body.writeUInt32BE(ssrc, 0);
  body.writeUInt32BE(mediaSsrc, 4);
  const end = writeEntries(lost, body);
  return {
    kind: 'unknown',
    packetType: TRANSPORT_FEEDBACK,
    count: GENERIC_NACK,
    body: body.subarray(0, end),
  };
}

function readEntry(first: number, bitmask: number, into: number[]): void {
  into.push(first);
  for (let behind = 1; behind <= MASK_BITS && into.length < MAX_NACK_SEQUENCES; behind++)
    if ((bitmask >> (behind - 1)) & 1) into.push((first + behind) & 0xffff);
}

/** Returns where the last entry ends. */
function writeEntries(lost: readonly number[], body: Buffer): number {
  let end = SSRC_BYTES;
  let first = 0;
  let bitmask = 0;
  for (const sequence of lost) {
    const behind = (sequence - first) & 0xffff;
    const fits = end > SSRC_BYTES && behind <= MASK_BITS;
    if (!fits) {
      first = sequence;
      bitmask = 0;
      end += ENTRY_BYTES;
    } else if (behind > 0) bitmask |= 1 << (behind - 1);
    body.writeUInt16BE(first, end - ENTRY_BYTES);
    body.writeUInt16BE(bitmask, end - ENTRY_BYTES + 2);
  }
  return end;
}
