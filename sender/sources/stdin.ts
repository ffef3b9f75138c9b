/** Pipes as sources: a transport stream as it comes, anything else through ffmpeg. */
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { pipeArguments } from '../../codecs/ffmpeg-args.ts';
import { exitStatus, FfmpegChild, findFfmpeg } from '../../codecs/ffmpeg.ts';
import { probeBytes } from '../../codecs/probe.ts';
import { TsSync } from '../../wire/ts-sync.ts';
import { mediaOf } from '../overview.ts';
import type { Source, SourceDescription } from '../source.ts';
import { ConvertedSource, describe, planned } from './converted.ts';
import { emptyInput, probeFailure } from './faults.ts';
import { MOST_LEADING_BYTES, syncNotes } from './transport-file.ts';

/** So much is looked at to tell what comes, and no longer than this after the first byte. */
const HEAD_BYTES = 256 * 1024;
const PATIENCE_MS = 1000;

/**
 * Opens a pipe, `process.stdin` for one, and waits for its first bytes. Throws E202, E203, E204, E206, E207.
 *
 * @param name what people call it
 */
export async function openPipe(stream: Readable, name = 'standard input'): Promise<Source> {
  const pipe = new PipeReader(stream);
  try {
    const head = await pipe.gather(isRecognised);
    if (head.length === 0) throw emptyInput(name);
    return isRecognised(head) ? new TransportPipe(pipe, name, head) : await openOther(pipe, name, head);
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

/** True when the bytes are a transport stream. */
function isRecognised(head: Buffer): boolean {
  const sync = new TsSync();
  sync.push(head);
  return sync.layout !== undefined && sync.stats.skippedBytes <= MOST_LEADING_BYTES;
}

async function openOther(pipe: PipeReader, name: string, head: Buffer): Promise<Source> {
  const ffmpeg = await findFfmpeg();
  const media = await probeBytes(ffmpeg, head);
  if (typeof media === 'string') throw probeFailure(media, name, head);
  const plan = planned(media, name);
  const child = new FfmpegChild(ffmpeg, pipeArguments(plan, name));
  // When the child is gone it says so itself; when the pipe ends the child finishes what it has.
  void pipeline(pipe.all(head), child.stdin).catch(() => undefined);
  const conversion = {
    output: child.stdout,
    messages: child.messages,
    ended: child.exited.then(exitStatus),
    stop: async (): Promise<void> => {
      pipe.close();
      await child.stop();
    },
  };
  return new ConvertedSource(conversion, describe(media, plan, { name, live: true }), name);
}

/** Takes a stream piece by piece, also with an eye on the clock. */
class PipeReader {
  readonly #stream: Readable;
  readonly #pieces: AsyncIterator<Buffer>;
  #coming: Promise<Buffer | undefined> | undefined;

  constructor(stream: Readable) {
    this.#stream = stream;
    this.#pieces = stream[Symbol.asyncIterator]();
  }

  /** The next piece; `undefined` at the end and once closed. */
  async next(): Promise<Buffer | undefined> {
    const coming = this.#coming ?? this.#read();
    this.#coming = undefined;
    return coming;
  }

  /** Collects until there is enough of it to tell, too much, no more, or too long a wait. */
  async gather(enough: (head: Buffer) => boolean): Promise<Buffer> {
    let head = (await this.next()) ?? Buffer.alloc(0);
    const patience = new AbortController();
    const late = sleep(PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => undefined);
    while (head.length > 0 && head.length < HEAD_BYTES && !enough(head)) {
      this.#coming ??= this.#read();
      const piece = await Promise.race([this.#coming, late]);
      if (!piece) break; // whatever is still coming is kept for `next`
      this.#coming = undefined;
      head = Buffer.concat([head, piece]);
    }
    patience.abort();
    return head;
  }

  /** Everything: what was gathered, then the rest. */
  async *all(head: Buffer): AsyncGenerator<Buffer> {
    yield head;
    for (let piece = await this.next(); piece; piece = await this.next()) yield piece;
  }

  close(): void {
    this.#stream.destroy();
  }

  async #read(): Promise<Buffer | undefined> {
    try {
      const { done, value } = await this.#pieces.next();
      return done === true ? undefined : value;
    } catch {
      return undefined; // torn down, or whoever wrote is gone: either way there is no more
    }
  }
}

/** A transport stream that comes through a pipe. */
class TransportPipe implements Source {
  readonly description: SourceDescription;
  readonly #pipe: PipeReader;
  readonly #sync = new TsSync();
  #head: Buffer | undefined;
  #ended = false;

  constructor(pipe: PipeReader, name: string, head: Buffer) {
    this.#pipe = pipe;
    this.#head = head;
    const media = mediaOf(new TsSync().push(head));
    this.description = { name, media, transportStream: true, live: true, notes: [] };
  }

  async read(): Promise<Buffer | undefined> {
    while (!this.#ended) {
      const piece = this.#head ?? (await this.#pipe.next());
      this.#head = undefined;
      const run = piece ? this.#sync.push(piece) : this.#finish();
      if (run.length > 0) return run;
    }
    return undefined;
  }

  async close(): Promise<void> {
    this.#pipe.close();
    return Promise.resolve();
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
