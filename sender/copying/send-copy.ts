/** Sends a file by `copy://`: the file, the sockets and the clock of `sender/copy-sender.ts`. */
import { createHash, type Hash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { Driver } from '../../transport/driver.ts';
import type { ChosenInterface, DepartureQueue, Exchange, UdpEngine } from '../../transport/udp.ts';
import type { Endpoint } from '../../wire/address.ts';
import { PIECE_BYTES, PIECE_HEADER_BYTES } from '../../wire/copy.ts';
import { LancastError } from '../../wire/errors.ts';
import {
  CopySender,
  type CopyOutcome,
  type CopyProgress,
  type CopySenderInput,
  type CopySenderOutput,
} from '../copy-sender.ts';
import { inputFailure, notMedia } from '../sources/faults.ts';

export interface SendCopyOptions {
  /** The file. */
  path: string;
  /** What it is to be called there. */
  name: string;
  destination: Endpoint;
  engine: UdpEngine;
  via: ChosenInterface;
  ttl: number;
  /** No faster than this. */
  bitsPerSecond?: number | undefined;
  /** See `DepartureOptions`. */
  quantumMs?: number | undefined;
  dscp?: number | undefined;
  kernelPacing?: boolean | undefined;
  random: () => number;
}

/** A copy on its way. */
export interface CopySession {
  /** Bytes of the file. */
  readonly bytes: number;
  readonly progress: CopyProgress;
  /** Resolves with how it ended, and the SHA-256 when all was read. Rejects with `LancastError` when this end cannot go on. */
  readonly ended: Promise<{ outcome: CopyOutcome; sha256: string | undefined }>;
  /** Tells the receiver that it is given up. */
  stop(): void;
}

const QUANTUM_MS = 1;
const GATHER_MS = 2;
const READ_BYTES = 398 * PIECE_BYTES; // half a megabyte of whole pieces
/** With less room than this it is not worth reading. */
const LEAST_READ_BYTES = 50 * PIECE_BYTES;

/** Opens the file and begins. Throws E102 to E115, E201, E202, E208. */
export async function sendCopy(options: SendCopyOptions): Promise<CopySession> {
  const file = await openFile(options.path);
  try {
    const { engine, via, ttl, destination, quantumMs = QUANTUM_MS, dscp, kernelPacing = false } = options;
    const queue = await engine.openDeparture({
      destinations: [destination],
      via,
      ttl,
      quantumMs,
      kernelPacing,
      ...(dscp === undefined ? {} : { dscp }),
    });
    const heard: { by?: Session } = {};
    try {
      const exchange = await engine.openExchange({ via, ttl, gatherMs: GATHER_MS }, (datagram, arrivedAt) =>
        heard.by?.hear(datagram, arrivedAt),
      );
      return (heard.by = new Session(options, { file, queue, exchange }));
    } catch (error) {
      await queue.close();
      throw error;
    }
  } catch (error) {
    await file.handle.close();
    throw error;
  }
}

/** The file as it was when it was opened. */
interface OpenFile {
  handle: FileHandle;
  bytes: number;
  modifiedMs: number;
}

async function openFile(path: string): Promise<OpenFile> {
  try {
    const handle = await open(path);
    const found = await handle.stat();
    if (found.isFile()) return { handle, bytes: found.size, modifiedMs: found.mtimeMs };
    await handle.close();
  } catch (error) {
    throw inputFailure(error, path);
  }
  throw notMedia(path, 'copy:// sends files only');
}

class Session implements CopySession {
  readonly bytes: number;
  readonly ended: Promise<{ outcome: CopyOutcome; sha256: string | undefined }>;

  readonly #options: SendCopyOptions;
  readonly #file: OpenFile;
  readonly #queue: DepartureQueue;
  readonly #exchange: Exchange;
  readonly #sender: CopySender;
  readonly #driver: Driver<CopySenderInput, CopySenderOutput>;
  readonly #buffer = Buffer.allocUnsafe(READ_BYTES);
  #settle: { resolve: (outcome: CopyOutcome) => void; reject: (reason: unknown) => void } | undefined;
  #hash: Hash = createHash('sha256');
  #position = 0;
  #reading = 0; // which of the readings, of which a new connection begins one, is the present
  #isReading = false;
  #sha256: string | undefined;

  constructor(
    options: SendCopyOptions,
    parts: { file: OpenFile; queue: DepartureQueue; exchange: Exchange },
  ) {
    const { name, bitsPerSecond, random } = options;
    this.#options = options;
    this.#file = parts.file;
    this.#queue = parts.queue;
    this.#exchange = parts.exchange;
    this.bytes = parts.file.bytes;
    const mostPerMs = bitsPerSecond && bitsPerSecond / 8000 / (PIECE_HEADER_BYTES + PIECE_BYTES);
    this.#sender = new CopySender({ name, bytes: this.bytes, random, mostPerMs });
    this.#driver = new Driver(this.#sender, (output) => this.#emit(output));
    this.ended = this.#run();
  }

  get progress(): CopyProgress {
    return this.#sender.progress;
  }

  stop(): void {
    this.#driver.push({ kind: 'stop', reason: 'stopped' });
  }

  hear(datagram: Buffer, arrivedAt: number): void {
    this.#driver.push({ kind: 'datagram', datagram, arrivedAt });
    this.#readOn();
  }

  async #run(): Promise<{ outcome: CopyOutcome; sha256: string | undefined }> {
    try {
      const over = new Promise<CopyOutcome>((resolve, reject) => (this.#settle = { resolve, reject }));
      void this.#queue.failure.then((error) => this.#fail(error));
      this.#driver.drain();
      const outcome = await over;
      return { outcome, sha256: this.#sha256 };
    } finally {
      this.#reading++;
      this.#driver.close();
      await Promise.all([this.#queue.close(), this.#exchange.close(), this.#file.handle.close()]);
    }
  }

  /** This end cannot go on: the receiver hears it, and so does whoever waits for the end. */
  #fail(error: unknown): void {
    this.#settle?.reject(error);
    this.#driver.push({ kind: 'stop', reason: 'failed' });
  }

  #emit(output: CopySenderOutput): void {
    switch (output.kind) {
      case 'control':
        this.#exchange.send(output.datagram, this.#options.destination);
        break;
      case 'pieces':
        this.#queue.push(output.chunk, output.first, output.end);
        break;
      case 'compare':
        void this.#compare(output.bytes).catch((error: unknown) => this.#fail(error));
        break;
      case 'ended':
        this.#settle?.resolve(output.outcome);
        break;
    }
  }

  /** Begins to read, and works out the SHA-256 of the first bytes, which the receiver has. */
  async #compare(bytes: number): Promise<void> {
    const reading = ++this.#reading;
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    const hash = createHash('sha256');
    for (let at = 0; at < bytes && reading === this.#reading;) {
      const read = await this.#read(buffer, at, Math.min(buffer.length, bytes - at));
      hash.update(buffer.subarray(0, read));
      at += read;
    }
    if (reading !== this.#reading) return;
    this.#hash = hash;
    this.#position = bytes;
    this.#driver.push({ kind: 'prefix', bytes, sha256: hash.copy().digest() });
    if (bytes === this.bytes) await this.#end();
    this.#readOn();
  }

  /** Reads while the stage has room. */
  #readOn(): void {
    if (this.#isReading || !this.#isRoom) return;
    this.#isReading = true;
    void this.#readAhead(this.#reading)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#isReading = false;
        this.#readOn(); // a new connection may have begun meanwhile
      });
  }

  get #isRoom(): boolean {
    const left = this.bytes - this.#position;
    return left > 0 && this.#sender.room >= Math.min(left, LEAST_READ_BYTES);
  }

  async #readAhead(reading: number): Promise<void> {
    while (reading === this.#reading && this.#isRoom) {
      const wanted = Math.min(this.#sender.room, this.#buffer.length);
      const read = await this.#readFully(wanted);
      if (reading !== this.#reading) return;
      const bytes = this.#buffer.subarray(0, read);
      this.#position += read;
      this.#hash.update(bytes);
      this.#driver.push({ kind: 'bytes', bytes });
      if (this.#position === this.bytes) await this.#end();
    }
  }

  /** Reads so much, as only whole pieces may go in. */
  async #readFully(wanted: number): Promise<number> {
    let read = 0;
    while (read < wanted) {
      read += await this.#read(this.#buffer.subarray(read), this.#position + read, wanted - read);
    }
    return read;
  }

  async #read(into: Buffer, position: number, wanted: number): Promise<number> {
    const { bytesRead } = await this.#file.handle.read(into, 0, wanted, position).catch((error: unknown) => {
      throw inputFailure(error, this.#options.path);
    });
    if (bytesRead === 0) throw this.#changed();
    return bytesRead;
  }

  async #end(): Promise<void> {
    const { size, mtimeMs } = await this.#file.handle.stat();
    if (size !== this.bytes || mtimeMs !== this.#file.modifiedMs) throw this.#changed();
    const sha256 = this.#hash.copy().digest();
    this.#sha256 = sha256.toString('hex');
    this.#driver.push({ kind: 'whole', sha256 });
  }

  #changed(): LancastError {
    const { path } = this.#options;
    return new LancastError('E119', `${path} changed while it was sent`, { path, reason: 'changed' });
  }
}
