/**
 * Records a stream to a file, byte for byte: what came, in order, without its framing; nothing stands in for a gap.
 *
 * The stream never waits for the disk. Bytes gather in memory, go to the file at least every 100 ms, at high rates in
 * pieces of 256 KiB and more, and an fsync is begun every 500 ms. While the disk is full, failing or too slow, up to 64 MiB wait for it; then whole datagrams are
 * dropped and counted.
 */
import { monotonicNow } from '../../transport/clock.ts';
import { LancastError } from '../../wire/errors.ts';
import type { Released } from '../sink.ts';
import type { RecordingFile } from './recording-file.ts';
import type { Recording, RecordingEvents, RecordingOptions, RecordingSummary } from './recording.ts';
import { Spill, SPILL_BYTES } from './spill.ts';
import { Ticker } from './ticker.ts';

/** Within the 100 ms promised although a timer is late: each write costs as much as dozens of datagrams. */
const WRITE_EVERY_MS = 80;
const SYNC_EVERY_MS = 500;
const SYNC_TURNS = Math.floor(SYNC_EVERY_MS / WRITE_EVERY_MS);
const RETRY_AFTER_MS = 1000;
/** Bytes that wait this long say that the disk is too slow. */
const SLOW_AFTER_MS = 2000;
/** 4 MiB: the event loop comes round once for each write, and hashing them must not hold it up. */
const CHUNKS_PER_WRITE = 16;
const TS_PACKET_BYTES = 188;
const TS_SYNC_BYTE = 0x47;

/** All recorders write at the same time, which wakes the threads that do it once. */
const ticker = new Ticker(WRITE_EVERY_MS);
/** Recorders opened so far: their fsyncs come in turns, lest all at once keep the writes waiting. */
let opened = 0;

/** The recorder of one file. */
export class Recorder implements Recording {
  readonly #file: RecordingFile;
  readonly #events: RecordingEvents;
  readonly #spill: Spill;
  readonly #leaveTicker: () => void;
  #unit = TS_PACKET_BYTES;
  #gaps = 0;
  #droppedBytes = 0;
  #dropping = false;
  #trouble: LancastError | undefined;
  #behind = false; // the disk has not taken everything since the trouble began
  #retryAt = 0;
  #syncAt = 0;
  /** What was begun last, and whether it goes on. */
  #writing: Promise<void> | undefined;
  #isWriting = false;
  #syncing: Promise<void> | undefined;
  #isSyncing = false;
  #closing = false;

  constructor(
    file: RecordingFile,
    events: RecordingEvents,
    options: Pick<RecordingOptions, 'spillBytes'> = {},
  ) {
    this.#file = file;
    this.#events = events;
    this.#spill = new Spill(options.spillBytes ?? SPILL_BYTES);
    this.#syncAt = monotonicNow() + SYNC_EVERY_MS - (opened++ % SYNC_TURNS) * WRITE_EVERY_MS;
    this.#leaveTicker = ticker.join((now) => this.#tick(now));
  }

  get summary(): RecordingSummary {
    const { path, bytes, sha256 } = this.#file;
    return { path, bytes, sha256, gaps: this.#gaps, droppedBytes: this.#droppedBytes };
  }

  push(released: Released, now: number): void {
    if (this.#closing) return;
    if (released.kind === 'gap') this.#gaps++;
    if (released.kind !== 'payload') return;
    const { payload } = released;
    if (payload.length % TS_PACKET_BYTES !== 0 || payload[0] !== TS_SYNC_BYTE) this.#unit = 1;
    if (!this.#spill.add(payload, now)) this.#drop(payload.length);
    else this.#dropping = false;
    if (this.#spill.hasWhole) this.#begin(now, false);
  }

  /** Takes nothing more, writes what waits, makes it safe and closes the file. What a failing disk then refuses is dropped. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#leaveTicker();
    await this.#writing;
    await this.#syncing;
    await this.#write(true);
    await this.#sync();
    if (this.#file.unsafe) this.#drop(await this.#file.revert());
    const left = this.#spill.bytes;
    if (left > 0) this.#drop(left);
    await this.#file.close();
  }

  #tick(now: number): void {
    if (now - this.#spill.oldestAt > SLOW_AFTER_MS) this.#tooSlow();
    this.#begin(now, true);
    // The tick after this one would be too late.
    if (!this.#isSyncing && now + WRITE_EVERY_MS > this.#syncAt && !this.#file.unsafe) {
      this.#syncAt = now + SYNC_EVERY_MS;
      this.#syncing = this.#sync();
    }
  }

  /** Begins to write, unless that is going on or the disk refused just now. */
  #begin(now: number, everything: boolean): void {
    if (this.#isWriting || now < this.#retryAt) return;
    this.#writing = this.#write(everything);
  }

  /** Writes whole chunks until there are none or the disk refuses; with `everything` also, once, the one begun last. */
  async #write(everything: boolean): Promise<void> {
    this.#isWriting = true;
    try {
      if (this.#file.unsafe) this.#drop(await this.#file.revert());
      while (everything || this.#spill.hasWhole) {
        everything &&= this.#spill.hasWhole;
        const chunks = this.#spill.take(CHUNKS_PER_WRITE);
        if (chunks.length === 0) break;
        const before = this.#file.bytes;
        const pieces = chunks.map(({ memory, start, end }) => memory.subarray(start, end));
        try {
          await this.#file.append(pieces, this.#unit);
        } finally {
          this.#spill.release(this.#file.bytes - before);
        }
      }
      this.#behind = false;
    } catch (error) {
      this.#inTrouble(error);
    } finally {
      this.#isWriting = false;
    }
  }

  async #sync(): Promise<void> {
    this.#isSyncing = true;
    try {
      const proven = await this.#file.sync();
      if (proven && this.#trouble && !this.#behind) this.#wellAgain();
    } catch (error) {
      this.#inTrouble(error);
    } finally {
      this.#isSyncing = false;
    }
  }

  /** `bytes` that arrived are not in the file; one gap for each run of them. */
  #drop(bytes: number): void {
    this.#droppedBytes += bytes;
    if (!this.#dropping && bytes > 0) this.#gaps++;
    this.#dropping = true;
  }

  #tooSlow(): void {
    if (this.#trouble) return;
    this.#behind = true;
    const { path } = this.#file;
    const waitingBytes = this.#spill.bytes;
    this.#say(new LancastError('E403', `${path}: the disk is too slow`, { path, waitingBytes }));
  }

  #inTrouble(error: unknown): void {
    if (!(error instanceof LancastError)) throw error;
    this.#behind = true;
    this.#retryAt = monotonicNow() + RETRY_AFTER_MS;
    if (this.#trouble?.code !== error.code) this.#say(error);
  }

  #wellAgain(): void {
    this.#trouble = undefined;
    this.#events.onResumed();
  }

  #say(error: LancastError): void {
    this.#trouble = error;
    this.#events.onTrouble(error);
  }
}
