/**
 * What a file or a pipe is made of, read from what `ffmpeg -i` prints: `ffmpeg-static` ships no ffprobe.
 */

/** One stream of a file. */
export interface MediaStream {
  /** ffmpeg's number of it, from 0. */
  index: number;
  kind: 'video' | 'audio' | 'subtitle' | 'data';
  /** ffmpeg's name of the codec: `h264`, `aac`, `vp9`; `none` when it knows it not. */
  codec: string;
  /** The container's tag of the codec, such as `avc1`; empty when it names none. */
  tag: string;
  /** A cover picture, not a film. */
  attachedPicture: boolean;
  width?: number;
  height?: number;
  framesPerSecond?: number;
}

/** What a file is made of. */
export interface MediaInfo {
  /** ffmpeg's name of the container: `matroska,webm`. */
  format: string;
  durationMs?: number;
  streams: MediaStream[];
}

/** Why there is no `MediaInfo`. */
export type ProbeFault =
  | 'truncated' // an MP4 whose index is missing: recording or copying was interrupted
  | 'not-media'; // none of the formats that may be opened

/** Understands the text that `ffmpeg -i` prints. */
export function parseProbe(text: string): MediaInfo | ProbeFault {
  const format = /^Input #0, (.+), from '/m.exec(text)?.[1];
  if (format === undefined) {
    // A score this low means that only the name of the file spoke for MP4.
    const isMp4 = text.includes('moov atom not found') && !text.includes('low score');
    return isMp4 ? 'truncated' : 'not-media';
  }
  const streams: MediaStream[] = [];
  for (const [, index = '', kind = '', details = ''] of text.matchAll(STREAM_LINE))
    streams.push(streamOf(Number(index), kind, details));
  const durationMs = durationOf(text);
  return durationMs === undefined ? { format, streams } : { format, durationMs, streams };
}

/** `  Stream #0:1[0x2](eng): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, …` */
const STREAM_LINE = /^ +Stream #0:(\d+)\S*: (\w+): (.*)$/gm;
const KINDS: Readonly<Record<string, MediaStream['kind']>> = {
  Video: 'video',
  Audio: 'audio',
  Subtitle: 'subtitle',
};

function streamOf(index: number, kind: string, details: string): MediaStream {
  const stream: MediaStream = {
    index,
    kind: KINDS[kind] ?? 'data',
    codec: /^\w+/.exec(details)?.[0] ?? 'none',
    tag: /\((\S{4}) \/ 0x[0-9A-F]+\)/i.exec(details)?.[1] ?? '',
    attachedPicture: details.includes('(attached pic)'),
  };
  const size = /, (\d+)x(\d+)/.exec(details);
  if (size) Object.assign(stream, { width: Number(size[1]), height: Number(size[2]) });
  const rate = /, (\d+(?:\.\d+)?) fps/.exec(details);
  if (rate) stream.framesPerSecond = Number(rate[1]);
  return stream;
}

function durationOf(text: string): number | undefined {
  const parts = /^ +Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)/m.exec(text);
  if (!parts) return undefined;
  const [, hours, minutes, seconds] = parts.map(Number);
  return Math.round(((hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0)) * 1000);
}
