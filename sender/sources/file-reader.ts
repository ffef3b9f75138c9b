/** Files from front to back, as much at a time as is wanted. */
import type { FileHandle } from 'node:fs/promises';
import { readCached } from '../../transport/cached-read.ts';
import { DATAGRAM_PAYLOAD_BYTES } from '../media-chunk.ts';
import type { RunSink } from '../source.ts';
import { inputFailure } from './faults.ts';
import { borrowPiece, PIECE_BYTES, returnPiece } from './reading-memory.ts';

/** A file that is open and has been looked at. */
export interface InputFile {
  handle: FileHandle;
  path: string;
  /** What people call it. */
  name: string;
  bytes: number;
  /** Its first bytes; all of them when it is small. */
  head: Buffer;
}

/** At least so much is read at a time: whole datagrams, about 32 KiB. */
const LEAST_BYTES = PIECE_BYTES / 16;

/** Reads `length` bytes at `position`; fewer only at the end of the file. */
export function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  return fill(handle, position, Buffer.allocUnsafeSlow(length));
}

/** Reads a file piece by piece. */
export class FileReader {
  readonly #handle: FileHandle;
  readonly #path: string;
  #position = 0;
  #closed: Promise<void> | undefined;

  constructor({ handle, path }: Pick<InputFile, 'handle' | 'path'>) {
    this.#handle = handle;
    this.#path = path;
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** See `ByteReader`. @param wantedBytes about so many, from 32 KiB to half a megabyte */
  async next(take: RunSink, wantedBytes = 0): Promise<boolean> {
    const piece = await borrowPiece();
    try {
      const datagrams = Math.ceil(wantedBytes / DATAGRAM_PAYLOAD_BYTES);
      const length = Math.min(PIECE_BYTES, Math.max(LEAST_BYTES, datagrams * DATAGRAM_PAYLOAD_BYTES));
      const bytes = await this.#readOn(piece.subarray(0, length));
      if (bytes.length > 0) take(bytes);
      return bytes.length > 0;
    } finally {
      returnPiece(piece);
    }
  }

  rewind(): void {
    this.#position = 0;
  }

  close(): Promise<void> {
    this.#closed ??= this.#handle.close();
    return this.#closed;
  }

  async #readOn(memory: Buffer): Promise<Buffer> {
    try {
      const bytes = this.closed ? NOTHING : await fill(this.#handle, this.#position, memory);
      this.#position += bytes.length;
      return this.closed ? NOTHING : bytes;
    } catch (error) {
      if (this.closed) return NOTHING;
      throw inputFailure(error, this.#path);
    }
  }
}

const NOTHING = Buffer.alloc(0);

/** Reads into `memory` until it is full or the file ends; gives the part that was read. */
async function fill(handle: FileHandle, position: number, memory: Buffer): Promise<Buffer> {
  let filled = 0;
  while (filled < memory.length) {
    let bytesRead = readCached(handle.fd, memory.subarray(filled), position + filled);
    if (bytesRead < 0)
      ({ bytesRead } = await handle.read(memory, filled, memory.length - filled, position + filled));
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return memory.subarray(0, filled);
}
