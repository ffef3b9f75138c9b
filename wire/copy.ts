/**
 * Acknowledged sending, `copy://`: the datagrams by which a file goes to one receiver, whole.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |      'L'      |      'C'      |      'F'      |      '1'      |
 *     |     type      |              connection                       |
 *     |               |                                               |
 *     +-+-+-+-+-+-+-+-+           index (64 bits)                     |
 *     |               |        payload, by the type …
 *
 * A file is cut into pieces of 1316 bytes, numbered from 0: `index` is the number of one. Behind the header of a piece stands the
 * number of the transmission, counted from 0 and never used again, so that an acknowledgement always says which one arrived and
 * round trips are never mistaken (as packet numbers in RFC 9000 §12.3).
 */
import { Buffer } from 'node:buffer';
import {
  parseCopyPayload,
  PIECE_BYTES,
  readWide,
  writeCopyPayload,
  writeWide,
  type CopyBody,
  type CopyFault,
} from './copy-payload.ts';

export {
  COOKIE_BYTES,
  PIECE_BYTES,
  type CopyAck,
  type CopyBody,
  type CopyEnd,
  type CopyFault,
  type CopyWait,
} from './copy-payload.ts';

/** In front of every payload. */
const COPY_HEADER_BYTES = 17;
/** In front of the bytes of a piece: header and number of the transmission. */
export const PIECE_HEADER_BYTES = COPY_HEADER_BYTES + 4;

/** A datagram of `copy://`. */
export type CopyPacket = CopyBody & {
  /** Drawn by the sender. */
  connection: number;
  /** See each kind; 0 where nothing is said of it. */
  index: number;
};

const MAGIC = 0x4c434631;
/** In the order of their numbers on the wire, from 1. */
const KINDS = [
  'offer',
  'challenge',
  'accept',
  'wait',
  'piece',
  'ack',
  'finish',
  'done',
  'end',
  'unknown',
] as const satisfies readonly CopyBody['kind'][];
const PIECE_TYPE = 1 + KINDS.indexOf('piece');

/** Parses one datagram. Returns the fault, never throws. */
export function parseCopy(datagram: Buffer): CopyPacket | CopyFault {
  if (datagram.length < COPY_HEADER_BYTES) return 'too-short';
  if (datagram.readUInt32BE(0) !== MAGIC) return 'bad-magic';
  const kind = KINDS[datagram.readUInt8(4) - 1];
  if (kind === undefined) return 'bad-type';
  const index = readWide(datagram, 9);
  if (index === undefined) return 'bad-index';
  const payload = datagram.subarray(COPY_HEADER_BYTES);
  const connection = datagram.readUInt32BE(5);
  if (kind === 'piece') return parsePiece(payload, connection, index);
  const body = parseCopyPayload(kind, payload);
  return typeof body === 'string' ? body : { ...body, connection, index };
}

/** A datagram of any kind, new memory. Runs beyond what it holds are the caller's fault. */
export function writeCopy(packet: CopyPacket): Buffer {
  const payload = writeCopyPayload(packet);
  const datagram = Buffer.allocUnsafe(COPY_HEADER_BYTES + payload.length);
  writeHeader(datagram, 0, { ...packet, type: 1 + KINDS.indexOf(packet.kind) });
  datagram.set(payload, COPY_HEADER_BYTES);
  return datagram;
}

/** Writes what stands in front of the bytes of a piece: `PIECE_HEADER_BYTES` from `at` on. */
export function writePieceHeader(
  bytes: Buffer,
  at: number,
  { connection, index, transmission }: { connection: number; index: number; transmission: number },
): void {
  writeHeader(bytes, at, { type: PIECE_TYPE, connection, index });
  bytes.writeUInt32BE(transmission % 2 ** 32, at + COPY_HEADER_BYTES);
}

/** How many pieces a file of so many bytes has. */
export function piecesOf(bytes: number): number {
  return Math.ceil(bytes / PIECE_BYTES);
}

function parsePiece(payload: Buffer, connection: number, index: number): CopyPacket | CopyFault {
  if (payload.length < 4) return 'too-short';
  if (payload.length > 4 + PIECE_BYTES) return 'bad-length';
  const transmission = payload.readUInt32BE(0);
  return { kind: 'piece', connection, index, transmission, payload: payload.subarray(4) };
}

function writeHeader(
  bytes: Buffer,
  at: number,
  { type, connection, index }: { type: number; connection: number; index: number },
): void {
  bytes.writeUInt32BE(MAGIC, at);
  bytes.writeUInt8(type, at + 4);
  bytes.writeUInt32BE(connection, at + 5);
  writeWide(bytes, index, at + 9);
}
