/** Files that are sent without ffmpeg: transport streams as they are, and any bytes with `--as-is`. */
import type { FileHandle } from 'node:fs/promises';
import { TS_PACKET_BYTES } from '../../wire/mpeg-ts.ts';
import { type TsLayout, TsSync } from '../../wire/ts-sync.ts';
import { durationOf, mediaOf } from '../overview.ts';
import type { Source, SourceDescription } from '../source.ts';
import { inputFailure } from './faults.ts';

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

/** Bytes that are handed out at a time: a whole number of datagrams, about 64 KiB. More would hold up the departures. */
const CHUNK_BYTES = 48 * 7 * TS_PACKET_BYTES;
/** Bytes that are read at a time, but for the first ones: each read wakes another thread. */
const READ_BYTES = 8 * CHUNK_BYTES;
/** Bytes at the end of a file that are looked at for its last clock stamp. */
const TAIL_BYTES = 1024 * 1024;
/** Bytes before the first packet that are put up with. More of them, and it is something else. */
export const MOST_LEADING_BYTES = 4096;

/** The distance of the packets when a file is a transport stream, by what is in it. */
export function transportLayout({ head, bytes }: InputFile): TsLayout | undefined {
  const sync = new TsSync();
  sync.push(head);
  if (head.length === bytes) sync.finish();
  return sync.stats.skippedBytes <= MOST_LEADING_BYTES ? sync.layout : undefined;
}

/** What a transport stream file is. */
export async function describeTransport(file: InputFile, layout: TsLayout): Promise<SourceDescription> {
  const { handle, name, bytes } = file;
  const tail = await readAt(handle, Math.max(0, bytes - TAIL_BYTES), Math.min(bytes, TAIL_BYTES));
  const [first, last] = [packetsOf(file.head), packetsOf(tail)];
  const totalBytes = Math.floor(bytes / layout) * TS_PACKET_BYTES;
  const description = {
    name,
    media: mediaOf(first),
    totalBytes,
    transportStream: true,
    live: false,
    notes: [],
  };
  const durationMs = durationOf(first, last, totalBytes);
  return durationMs === undefined ? description : { ...description, durationMs };
}

function packetsOf(bytes: Buffer): Buffer {
  const sync = new TsSync();
  return Buffer.concat([sync.push(bytes), sync.finish()]);
}

/** Reads `length` bytes at `position`; fewer only at the end of the file. */
export async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

/** Reads a file from front to back. */
export class FileReader {
  readonly #file: InputFile;
  #position = 0;
  #ahead: Buffer = Buffer.alloc(0); // read and not handed out
  #closed: Promise<void> | undefined;

  constructor(file: InputFile) {
    this.#file = file;
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** The next bytes; `undefined` at the end and once closed. */
  async next(): Promise<Buffer | undefined> {
    if (this.#closed) return undefined;
    if (this.#ahead.length === 0) await this.#readOn();
    if (this.#ahead.length === 0) return undefined;
    const chunk = this.#ahead.subarray(0, CHUNK_BYTES);
    this.#ahead = this.#ahead.subarray(CHUNK_BYTES);
    return chunk;
  }

  rewind(): void {
    this.#position = 0;
    this.#ahead = this.#ahead.subarray(0, 0);
  }

  close(): Promise<void> {
    this.#closed ??= this.#file.handle.close();
    return this.#closed;
  }

  async #readOn(): Promise<void> {
    const { handle, path } = this.#file;
    try {
      this.#ahead = await readAt(handle, this.#position, this.#position === 0 ? CHUNK_BYTES : READ_BYTES);
      this.#position += this.#ahead.length;
    } catch (error) {
      if (!this.#closed) throw inputFailure(error, path);
    }
  }
}

/** The whole packets of a transport stream file, bit for bit. */
export class TransportFile implements Source {
  readonly description: SourceDescription;
  readonly #reader: FileReader;
  readonly #sync = new TsSync();
  #ended = false;

  constructor(file: InputFile, description: SourceDescription) {
    this.description = description;
    this.#reader = new FileReader(file);
  }

  async read(): Promise<Buffer | undefined> {
    while (!this.#ended) {
      const chunk = await this.#reader.next();
      const run = chunk ? this.#sync.push(chunk) : this.#finish();
      if (run.length > 0) return run;
    }
    return undefined;
  }

  close(): Promise<void> {
    return this.#reader.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #finish(): Buffer {
    this.#ended = true;
    const run = this.#sync.finish();
    this.description.notes.push(...syncNotes(this.#sync));
    return run;
  }
}

/** What was not sent of a stream that is read to its end, a sentence each. */
export function syncNotes({ bytesLeft, stats }: TsSync): string[] {
  const notes: string[] = [];
  if (bytesLeft > 0) notes.push(`the last packet is cut (${bytesLeft} bytes) and is not sent`);
  if (stats.skippedBytes > 0) notes.push(`${stats.skippedBytes} bytes belong to no packet and are not sent`);
  if (stats.syncByteErrors > 0)
    notes.push(`${stats.syncByteErrors} packets do not begin with 0x47; they are sent as they are`);
  return notes;
}

/** The bytes of a file, whatever they are. */
export class RawFile implements Source {
  readonly description: SourceDescription;
  readonly #reader: FileReader;
  readonly #loop: boolean;

  constructor(file: InputFile, description: SourceDescription, loop: boolean) {
    this.description = description;
    this.#reader = new FileReader(file);
    this.#loop = loop;
  }

  async read(): Promise<Buffer | undefined> {
    const chunk = await this.#reader.next();
    if (chunk || !this.#loop) return chunk;
    this.#reader.rewind();
    return this.#reader.next();
  }

  close(): Promise<void> {
    return this.#reader.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
