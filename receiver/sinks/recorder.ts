/**
 * Records a stream to a file, byte for byte: what came, in order, without its framing; nothing stands in for a gap.
 *
 * The stream never waits for the disk. Bytes gather in memory, go to the file at least every 100 ms, and an fsync is
 * begun every 500 ms. While the disk is full, failing or too slow, up to 64 MiB wait for it; then whole datagrams are
 * dropped and counted.
 */
import { monotonicNow } from '../../transport/clock.ts';
import { LancastError } from '../../wire/errors.ts';
import type { Released } from '../sink.ts';
import type { RecordingFile } from './recording-file.ts';
import type { Recording, RecordingEvents, RecordingOptions, RecordingSummary } from './recording.ts';
import { Spill, SPILL_BYTES } from './spill.ts';

/** Half of the 100 ms promised, so that a late timer keeps the promise too. */
const WRITE_EVERY_MS = 50;
const SYNC_EVERY_MS = 500;
const RETRY_AFTER_MS = 1000;
/** Bytes that wait this long say that the disk is too slow. */
const SLOW_AFTER_MS = 2000;
const TS_PACKET_BYTES = 188;
const TS_SYNC_BYTE = 0x47;

/** The recorder of one file. */
export class Recorder implements Recording {
  readonly #file: RecordingFile;
  readonly #events: RecordingEvents;
  readonly #spill: Spill;
  readonly #timer: NodeJS.Timeout;
  #unit = TS_PACKET_BYTES;
  #gaps = 0;
  #droppedBytes = 0;
  #dropping = false;
  #trouble: LancastError | undefined;
  #behind = false; // the disk has not taken everything since the trouble began
  #retryAt = 0;
  #syncAt = 0;
  #writing: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;

  constructor(
    file: RecordingFile,
    events: RecordingEvents,
    options: Pick<RecordingOptions, 'spillBytes'> = {},
  ) {
    this.#file = file;
    this.#events = events;
    this.#spill = new Spill(options.spillBytes ?? SPILL_BYTES);
    this.#syncAt = monotonicNow() + SYNC_EVERY_MS;
    this.#timer = setInterval(() => this.#tick(monotonicNow()), WRITE_EVERY_MS);
  }

  get summary(): RecordingSummary {
    const { path, bytes, sha256 } = this.#file;
    return { path, bytes, sha256, gaps: this.#gaps, droppedBytes: this.#droppedBytes };
  }

  push(released: Released, now: number): void {
    if (released.kind === 'gap') this.#gaps++;
    if (released.kind !== 'payload') return;
    const { payload } = released;
    if (payload.length % TS_PACKET_BYTES !== 0 || payload[0] !== TS_SYNC_BYTE) this.#unit = 1;
    if (this.#spill.add(payload, now)) this.#dropping = false;
    else this.#drop(payload.length);
  }

  /** Writes what waits, makes it safe and closes the file. What a failing disk then still refuses is dropped. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    await this.#syncing;
    await this.#write();
    await this.#sync();
    if (this.#file.unsafe) this.#drop(await this.#file.revert());
    const left = this.#spill.bytes;
    if (left > 0) this.#drop(left);
    await this.#file.close();
  }

  #tick(now: number): void {
    if (now - this.#spill.oldestAt > SLOW_AFTER_MS) this.#tooSlow();
    if (!this.#writing && now >= this.#retryAt) {
      this.#writing = this.#write().finally(() => (this.#writing = undefined));
    }
    if (!this.#syncing && now >= this.#syncAt && !this.#file.unsafe) {
      this.#syncAt = now + SYNC_EVERY_MS;
      this.#syncing = this.#sync().finally(() => (this.#syncing = undefined));
    }
  }

  /** Writes everything that waits, until it is all written or the disk refuses. */
  async #write(): Promise<void> {
    try {
      if (this.#file.unsafe) this.#drop(await this.#file.revert());
      for (let chunk = this.#spill.take(); chunk; chunk = this.#spill.take()) {
        const before = this.#file.bytes;
        const bytes = chunk.memory.subarray(chunk.start, chunk.end);
        await this.#file.append(bytes, this.#unit).finally(() => (chunk.start += this.#file.bytes - before));
        this.#spill.release();
      }
      this.#behind = false;
    } catch (error) {
      this.#inTrouble(error);
    }
  }

  async #sync(): Promise<void> {
    try {
      const proven = await this.#file.sync();
      if (proven && this.#trouble && !this.#behind) this.#wellAgain();
    } catch (error) {
      this.#inTrouble(error);
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
