/**
 * The memory that files are read into: a few pieces for all files of the process, so that hundreds of channels cost no more
 * than one, and what was read is still in the processor's cache when it is cut into datagrams.
 */
import { DATAGRAM_PAYLOAD_BYTES } from '../media-chunk.ts';

/** Bytes of a piece: whole datagrams, about half a megabyte. Beyond that a read costs no less per byte. */
export const PIECE_BYTES = 384 * DATAGRAM_PAYLOAD_BYTES;
/** As many reads as Node runs at a time. */
const PIECES = 4;

const free: Buffer[] = [];
let made = 0;
const waiting: ((piece: Buffer) => void)[] = [];

/** A piece, once there is one: it is given back after use. */
export async function borrowPiece(): Promise<Buffer> {
  const piece = free.pop();
  if (piece) return piece;
  if (made === PIECES) return new Promise((resolve) => waiting.push(resolve));
  made++;
  return Buffer.allocUnsafeSlow(PIECE_BYTES);
}

/** Ends the use of a piece. */
export function returnPiece(piece: Buffer): void {
  const next = waiting.shift();
  if (next) next(piece);
  else free.push(piece);
}
