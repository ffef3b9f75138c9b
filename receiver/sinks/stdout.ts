/**
 * Pipes a stream on: standard output, a FIFO.
 *
 * A slow reader never slows the stream: up to 64 MiB wait for it, then whole datagrams are dropped and counted. A
 * reader that goes away ends the sink quietly.
 */
import { createHash, type Hash } from 'node:crypto';
import type { Writable } from 'node:stream';
import { LancastError } from '../../wire/errors.ts';
import type { Released } from '../sink.ts';
import type { Recording, RecordingEvents, RecordingOptions, RecordingSummary } from './recording.ts';
import { Spill, SPILL_BYTES } from './spill.ts';

/** How long `close` waits for a reader that does not read. */
const PATIENCE_MS = 2000;

/** The recording that goes into a pipe. */
export class PipeSink implements Recording {
  readonly #path: string;
  readonly #stream: Writable;
  readonly #events: RecordingEvents;
  readonly #spill: Spill;
  readonly #hash: Hash | undefined;
  #bytes = 0;
  #gaps = 0;
  #droppedBytes = 0;
  #slow = false;
  #writing: Promise<void> | undefined;
  #open = true;
  #giveUp = () => {};

  /**
   * @param path what to call it in the summary
   * @param stream written to without blocking; ended by `close`
   */
  constructor(path: string, stream: Writable, events: RecordingEvents, options: RecordingOptions = {}) {
    this.#path = path;
    this.#stream = stream;
    this.#events = events;
    this.#spill = new Spill(options.spillBytes ?? SPILL_BYTES);
    this.#hash = options.unhashed ? undefined : createHash('sha256');
    stream.on('error', () => this.#readerGone());
    stream.on('close', () => this.#giveUp());
  }

  get summary(): RecordingSummary {
    const sha256 = this.#hash?.copy().digest('hex');
    return {
      path: this.#path,
      bytes: this.#bytes,
      sha256,
      gaps: this.#gaps,
      droppedBytes: this.#droppedBytes,
    };
  }

  push(released: Released, now: number): void {
    if (!this.#open) return;
    if (released.kind === 'gap') this.#gaps++;
    if (released.kind !== 'payload') return;
    if (this.#spill.add(released.payload, now)) {
      this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
    } else {
      this.#drop(released.payload.length);
    }
  }

  /** Writes what waits, while somebody reads it, and ends the stream. */
  async close(): Promise<void> {
    const patience = setTimeout(() => this.#stream.destroy(), PATIENCE_MS);
    await this.#writing;
    this.#droppedBytes += this.#spill.bytes;
    if (!this.#stream.destroyed) await new Promise<unknown>((resolve) => this.#stream.end(resolve));
    this.#open = false;
    clearTimeout(patience);
  }

  /** One chunk at a time: what comes meanwhile gathers into the next. */
  async #write(): Promise<void> {
    await new Promise(setImmediate); // what arrived together leaves together
    for (let [chunk] = this.#spill.take(1); chunk; [chunk] = this.#spill.take(1)) {
      const bytes = chunk.memory.subarray(chunk.start, chunk.end);
      if (!(await this.#send(bytes))) return;
      this.#hash?.update(bytes);
      this.#bytes += bytes.length;
      this.#spill.release(bytes.length);
    }
    if (this.#slow) this.#events.onResumed();
    this.#slow = false;
  }

  /** Resolves when the kernel has taken all of `bytes`; to false when it never will. */
  #send(bytes: Buffer): Promise<boolean> {
    return new Promise((resolve) => {
      this.#giveUp = () => resolve(false);
      this.#stream.write(bytes, (error) => resolve(!error));
    });
  }

  #drop(bytes: number): void {
    this.#droppedBytes += bytes;
    if (this.#slow) return;
    this.#slow = true;
    this.#gaps++;
    const details = { path: this.#path, waitingBytes: this.#spill.bytes };
    this.#events.onTrouble(new LancastError('E403', `${this.#path}: the reader is too slow`, details));
  }

  #readerGone(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#events.onReaderGone();
  }
}
