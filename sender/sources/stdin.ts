/** Pipes as sources: a transport stream as it comes, anything else through ffmpeg. */
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { pipeArguments } from '../../codecs/ffmpeg-args.ts';
import { exitStatus, FfmpegChild, findFfmpeg } from '../../codecs/ffmpeg.ts';
import { probeBytes } from '../../codecs/probe.ts';
import { TsSync } from '../../wire/ts-sync.ts';
import { mediaOf } from '../overview.ts';
import type { RunSink, Source } from '../source.ts';
import { ConvertedSource, describe, planned } from './converted.ts';
import { emptyInput, probeFailure } from './faults.ts';
import { MOST_LEADING_BYTES } from './transport-file.ts';
import { type ByteReader, TransportSource } from './transport-source.ts';

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
    if (!isRecognised(head)) return await openOther(pipe, name, head);
    const media = mediaOf(new TsSync().push(head));
    return new TransportSource(pipe, { name, media, transportStream: true, live: true, notes: [] });
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
  void pipeline(pipe.all(), child.stdin).catch(() => undefined);
  const conversion = {
    output: child.stdout,
    messages: child.messages,
    ended: child.exited.then(exitStatus),
    stop: async (): Promise<void> => {
      await pipe.close();
      await child.stop();
    },
  };
  return new ConvertedSource(conversion, describe(media, plan, { name, live: true }), name);
}

/** Takes a stream piece by piece, also with an eye on the clock. */
class PipeReader implements ByteReader {
  readonly #stream: Readable;
  readonly #pieces: AsyncIterator<Buffer>;
  #gathered: Buffer | undefined;
  #coming: Promise<Buffer | undefined> | undefined;

  constructor(stream: Readable) {
    this.#stream = stream;
    this.#pieces = stream[Symbol.asyncIterator]();
  }

  /** What was gathered, then piece by piece. */
  async next(take: RunSink): Promise<boolean> {
    const piece = await this.#piece();
    if (piece) take(piece);
    return piece !== undefined;
  }

  /** Looks ahead until there is enough of it to tell, too much, no more, or too long a wait. It comes again. */
  async gather(enough: (head: Buffer) => boolean): Promise<Buffer> {
    let head = (await this.#read()) ?? Buffer.alloc(0);
    const patience = new AbortController();
    const late = sleep(PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => undefined);
    while (head.length > 0 && head.length < HEAD_BYTES && !enough(head)) {
      this.#coming ??= this.#read();
      const piece = await Promise.race([this.#coming, late]);
      if (!piece) break; // whatever is still coming is kept
      this.#coming = undefined;
      head = Buffer.concat([head, piece]);
    }
    patience.abort();
    this.#gathered = head;
    return head;
  }

  /** The same, for whoever wants it as a stream. */
  async *all(): AsyncGenerator<Buffer> {
    for (let piece = await this.#piece(); piece; piece = await this.#piece()) yield piece;
  }

  close(): Promise<void> {
    this.#stream.destroy();
    return Promise.resolve();
  }

  #piece(): Promise<Buffer | undefined> {
    const ready = this.#gathered ? Promise.resolve(this.#gathered) : (this.#coming ?? this.#read());
    if (this.#gathered) this.#gathered = undefined;
    else this.#coming = undefined;
    return ready;
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
