/** Files and pipes that ffmpeg turns into a transport stream. */
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { convertFile, type RunningConversion } from '../../codecs/conversion.ts';
import { type Conversion, fileArguments, planConversion } from '../../codecs/ffmpeg-args.ts';
import { ffmpegStopped, findFfmpeg } from '../../codecs/ffmpeg.ts';
import type { MediaInfo } from '../../codecs/media-info.ts';
import { probeFile } from '../../codecs/probe.ts';
import { TS_PACKET_BYTES } from '../../wire/mpeg-ts.ts';
import type { RunSink, Source, SourceDescription } from '../source.ts';
import { notMedia, probeFailure, unknownCodec } from './faults.ts';

/** Opens a file that is not a transport stream. Throws E202, E203, E204, E206. @param head its first bytes */
export async function openConverted(
  path: string,
  head: Buffer,
  { loop, signal }: { loop: boolean; signal: AbortSignal | undefined },
): Promise<Source> {
  const ffmpeg = await findFfmpeg();
  const media = await probeFile(ffmpeg, path, signal);
  if (typeof media === 'string') throw probeFailure(media, path, head);
  const plan = planned(media, path);
  const name = basename(path);
  const conversion = convertFile(ffmpeg, path, fileArguments(plan, name, loop));
  return new ConvertedSource(conversion, describe(media, plan, { name, live: false }), path);
}

/** The plan for what was found. Throws E202 without film and sound, E203 for a codec that nobody knows. */
export function planned(media: MediaInfo, path: string): Conversion {
  const unknown = media.streams.find(
    ({ kind, codec }) => (kind === 'video' || kind === 'audio') && codec === 'none',
  );
  if (unknown)
    throw unknownCodec(
      path,
      `the ${unknown.kind} codec ${unknown.tag === '' ? 'of unknown name' : `"${unknown.tag}"`}`,
      'ffmpeg does not know it',
    );
  const plan = planConversion(media);
  if (plan.streams.some(({ kind }) => kind === 'video' || kind === 'audio')) return plan;
  throw notMedia(path, `it holds neither film nor sound (${media.format})`);
}

/** What a converted input is, for people. */
export function describe(
  media: MediaInfo,
  plan: Conversion,
  { name, live }: { name: string; live: boolean },
): SourceDescription {
  const description = { name, media: line(media, plan), transportStream: true, live, notes: [...plan.notes] };
  const { durationMs } = media;
  return durationMs === undefined ? description : { ...description, durationMs };
}

const NAMES: Readonly<Record<string, string>> = {
  h264: 'H.264',
  hevc: 'H.265',
  mpeg2video: 'MPEG-2',
  vp9: 'VP9',
  vp8: 'VP8',
  av1: 'AV1',
  aac: 'AAC',
  opus: 'Opus',
  ac3: 'AC-3',
  eac3: 'E-AC-3',
};
const TARGETS: Readonly<Record<string, string>> = { video: 'H.264', audio: 'AAC' };

/** `480p24 H.264 + Vorbis→AAC`. */
function line({ streams }: MediaInfo, plan: Conversion): string {
  const film = streams.find(
    ({ index, kind }) => kind === 'video' && plan.streams.some((sent) => sent.index === index),
  );
  const size = film?.height === undefined ? '' : `${film.height}p${film.framesPerSecond ?? ''} `;
  const codecs = plan.streams.map(({ codec, copied, kind }) => {
    const name = NAMES[codec] ?? codec;
    return copied ? name : `${name}→${TARGETS[kind] ?? ''}`;
  });
  return size + codecs.join(' + ');
}

/** The output of ffmpeg as runs of whole packets. */
export class ConvertedSource implements Source {
  readonly description: SourceDescription;
  readonly #conversion: RunningConversion;
  readonly #packets: AsyncIterator<Buffer>;
  readonly #path: string;
  #closed = false;

  constructor(conversion: RunningConversion, description: SourceDescription, path: string) {
    this.description = description;
    this.#conversion = conversion;
    this.#packets = wholePackets(conversion.output);
    this.#path = path;
  }

  async read(take: RunSink): Promise<boolean> {
    const run = await nextOf(this.#packets);
    if (this.#closed) return false;
    if (run) {
      take(run);
      return true;
    }
    const status = await this.#conversion.ended;
    if (status !== undefined) throw this.#failure(status);
    if (/partial file|truncat/i.test(this.#conversion.messages.text))
      this.description.notes.push('the file is cut off: it ends sooner than it says');
    return false;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#conversion.stop();
    while (await nextOf(this.#packets)); // the rest is thrown away
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #failure(status: string): unknown {
    const { messages } = this.#conversion;
    const codec = /(?:Decoder \(codec (\S+?)\)|Unknown encoder '(\S+?)')/.exec(messages.text);
    if (!codec) return ffmpegStopped(status, messages);
    return unknownCodec(
      this.#path,
      `the codec "${codec[1] ?? codec[2] ?? ''}"`,
      'this ffmpeg was built without it',
    );
  }
}

/** The next item; `undefined` at the end, and when the stream was torn down. */
async function nextOf(packets: AsyncIterator<Buffer>): Promise<Buffer | undefined> {
  const { done, value } = await packets.next();
  return done === true ? undefined : value;
}

/** Cuts a stream of packets at their borders. What is left over at the end is no packet. Ends quietly when it is destroyed. */
export async function* wholePackets(stream: Readable): AsyncGenerator<Buffer, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const piece of stream) {
      const bytes: Buffer = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
      const whole = bytes.length - (bytes.length % TS_PACKET_BYTES);
      rest = bytes.subarray(whole);
      if (whole > 0) yield bytes.subarray(0, whole);
    }
  } catch {
    return undefined; // destroyed by `close`, or the child is gone: whoever reads asks it how it ended
  }
  return undefined;
}
