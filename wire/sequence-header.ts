/**
 * The oldest framing: a sequence number before the payload (`seq://`). One way only; counts from 0.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |                        sequence number                        |
 *     |                    payload, 1 to 1316 bytes                   |
 *
 * Without payload it is the end mark: the stream is over, and its sequence number says how many datagrams there were.
 */

/** A datagram with a sequence header. */
export interface SequencePacket {
  /** 32 bits, not unwrapped; in the end mark the count of all datagrams. */
  sequence: number;
  /** A view into the datagram; empty in the end mark. Copy it if you keep it. */
  payload: Buffer;
}

/** Why a datagram has no sequence header. */
export type SequenceFault = 'too-short' | 'too-long';

/** Bytes before the payload. */
export const SEQUENCE_HEADER_BYTES = 4;

/** Most payload bytes: seven TS packets. */
const MAX_PAYLOAD_BYTES = 1316;

/** Parses one datagram. There is no magic number: any 4 to 1320 bytes pass. */
export function parseSequence(datagram: Buffer): SequencePacket | SequenceFault {
  if (datagram.length < SEQUENCE_HEADER_BYTES) return 'too-short';
  if (datagram.length > SEQUENCE_HEADER_BYTES + MAX_PAYLOAD_BYTES) return 'too-long';
  return { sequence: datagram.readUInt32BE(0), payload: datagram.subarray(SEQUENCE_HEADER_BYTES) };
}

/** Writes the header at `offset`: the payload belongs right behind it. */
export function writeSequenceHeader(sequence: number, into: Buffer, offset = 0): void {
  into.writeUInt32BE(sequence, offset);
}
