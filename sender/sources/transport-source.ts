/** Transport streams that are sent without ffmpeg, bit for bit: the whole packets of whatever is read. */
import { TsSync } from '../../wire/ts-sync.ts';
import type { RunSink, Source, SourceDescription } from '../source.ts';

/** Where bytes come from: a file, a pipe. */
export interface ByteReader {
  /** Hands the next bytes to `take` and resolves with true; with false at the end and once closed. */
  next(take: RunSink, wantedBytes?: number): Promise<boolean>;
  close(): Promise<void>;
}

/** Hands runs on, but not the empty ones: there may be no whole packet yet in what was read. */
export class RunOutlet {
  /** A run has been handed on. */
  used = false;
  readonly #take: RunSink;

  constructor(take: RunSink) {
    this.#take = take;
  }

  give(run: Buffer): void {
    if (run.length === 0) return;
    this.used = true;
    this.#take(run);
  }
}

/** The whole packets of what a reader gives. */
export class TransportSource implements Source {
  readonly description: SourceDescription;
  readonly #reader: ByteReader;
  readonly #sync = new TsSync();
  #ended = false;

  constructor(reader: ByteReader, description: SourceDescription) {
    this.description = description;
    this.#reader = reader;
  }

  async read(take: RunSink, wantedBytes?: number): Promise<boolean> {
    const outlet = new RunOutlet(take);
    const sync = (bytes: Buffer): void => outlet.give(this.#sync.push(bytes));
    while (!this.#ended && !outlet.used)
      if (!(await this.#reader.next(sync, wantedBytes))) outlet.give(this.#finish());
    return outlet.used;
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
