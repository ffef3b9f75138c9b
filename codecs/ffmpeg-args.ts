/**
 * What ffmpeg is told: pure functions from a wish to an argument array. No shell ever sees these.
 */
import type { MediaInfo, MediaStream } from './media-info.ts';

/**
 * Files of strangers: no protocol but files and pipes, and only formats that are media. A playlist that calls itself film.mp4
 * could otherwise make ffmpeg read other files (CVE-2016-1897, CVE-2016-1898).
 */
const TRUSTED_FORMATS =
  'mov,matroska,avi,flv,mpeg,mpegts,mpegvideo,m4v,asf,ogg,wav,w64,mp3,aac,ac3,eac3,dts,flac,mxf,nut,dv,h264,hevc,obu,rm,ivf,' +
  'caf,aiff,amr,au,gif,wtv,yuv4mpegpipe';
const SAFELY = ['-protocol_whitelist', 'file,pipe', '-format_whitelist', TRUSTED_FORMATS];
const QUIETLY = ['-hide_banner', '-nostdin', '-nostats'];

/** PCR at least every 20 ms, each audio frame in a PES packet of its own, PES lengths written: what live viewers need. */
const MULTIPLEX = '-f mpegts -pcr_period 20 -pes_payload_size 0 -omit_video_pes_length 0'.split(' ');
/** Films are sent this much before they are decoded: decoders that go by the PCR want it. */
const FILM_LEAD = '-muxdelay 0.2 -muxpreload 0.2'.split(' ');
const LIVE_LEAD = '-muxdelay 0 -muxpreload 0 -flush_packets 1'.split(' ');

const VIDEO_IN_TS = new Set(['h264', 'hevc', 'mpeg1video', 'mpeg2video', 'mpeg4']);
const AUDIO_IN_TS = new Set(['aac', 'aac_latm', 'mp1', 'mp2', 'mp3', 'ac3', 'eac3', 'dts', 'opus']);
const SUBTITLES_IN_TS = new Set(['dvb_subtitle', 'dvb_teletext']);
/** H.264 needs even sizes; a key frame every two seconds lets viewers join. */
const TO_H264 = '-c:v libx264 -preset veryfast -crf 21 -maxrate 8M -bufsize 4M -pix_fmt yuv420p'.split(' ');
const EVEN_SIZE = ['-vf', 'pad=ceil(iw/2)*2:ceil(ih/2)*2', '-force_key_frames', 'expr:gte(t,n_forced*2)'];
const TO_AAC = '-c:a aac -b:a 160k -ar 48000'.split(' ');

/** Prints what an input consists of. */
export function probeArguments(input: string): string[] {
  return [...QUIETLY, ...SAFELY, '-i', input];
}

/** What becomes of the streams of a file. */
export interface Conversion {
  /** In the order of the output. */
  streams: { index: number; codec: string; copied: boolean; kind: MediaStream['kind'] }[];
  /** What is left out, a sentence each. */
  notes: string[];
}

/** Which streams are sent: those that MPEG-TS carries as they are, other video as H.264, other audio as AAC. */
export function planConversion(media: MediaInfo): Conversion {
  const plan: Conversion = { streams: [], notes: [] };
  for (const { index, kind, codec, attachedPicture } of media.streams) {
    const copied = VIDEO_IN_TS.has(codec) || AUDIO_IN_TS.has(codec) || SUBTITLES_IN_TS.has(codec);
    const sent =
      (kind === 'video' && !attachedPicture) || kind === 'audio' || (kind === 'subtitle' && copied);
    if (sent) plan.streams.push({ index, codec, copied, kind });
    else if (kind === 'subtitle')
      plan.notes.push(`subtitles (${codec}) are not sent: MPEG-TS carries none of this kind`);
  }
  return plan;
}

/** Options before and after the input of a file that is to become MPEG-TS. */
export interface ConversionArguments {
  input: string[];
  output: string[];
}

/** A file to MPEG-TS on standard output. @param name what the service is called */
export function fileArguments(plan: Conversion, name: string, loop: boolean): ConversionArguments {
  return {
    input: [...QUIETLY, ...SAFELY, '-fflags', '+genpts', ...(loop ? ['-stream_loop', '-1'] : [])],
    output: [...streamArguments(plan), ...FILM_LEAD, ...MULTIPLEX, ...service(name)],
  };
}

/** Whatever comes on standard input to MPEG-TS on standard output, as it comes. */
export function pipeArguments(plan: Conversion, name: string): string[] {
  const input = [...QUIETLY, ...SAFELY, '-fflags', '+genpts', '-i', 'pipe:0'];
  return [...input, ...streamArguments(plan), ...LIVE_LEAD, ...MULTIPLEX, ...service(name), 'pipe:1'];
}

/** Raw pictures on standard input and sound on descriptor 3, in real time, to MPEG-TS with as little delay as can be. */
export function rawLiveArguments(options: RawLiveOptions): string[] {
  const { width, height, framesPerSecond, sampleRateHz, audioCodec, name } = options;
  const rate = String(framesPerSecond);
  const pictures = ['-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-s', `${width}x${height}`, '-framerate', rate];
  const sound = ['-f', 's16le', '-ar', String(sampleRateHz), '-ac', '1'];
  const inputs = [...UNPROBED, ...pictures, '-i', 'pipe:0', ...UNPROBED, ...sound, '-i', 'pipe:3'];
  const codecs = [...TO_LIVE_H264, '-g', rate, ...(audioCodec === 'opus' ? TO_LIVE_OPUS : TO_LIVE_AAC)];
  const output = [...LIVE_LEAD, ...MULTIPLEX, ...service(name), 'pipe:1'];
  return [...QUIETLY, ...inputs, '-map', '0:v', '-map', '1:a', ...codecs, ...output];
}

/** What a live pipeline is fed with. */
export interface RawLiveOptions {
  width: number;
  height: number;
  framesPerSecond: number;
  /** One channel of signed 16-bit samples. */
  sampleRateHz: number;
  audioCodec: 'aac' | 'opus';
  /** What the service is called. */
  name: string;
}

/** Without probing: the formats are told, and every byte read ahead is delay. */
const UNPROBED = '-probesize 32 -analyzeduration 0 -thread_queue_size 8'.split(' ');
const TO_LIVE_H264 =
  '-c:v libx264 -preset ultrafast -tune zerolatency -crf 23 -maxrate 4M -bufsize 400k -pix_fmt yuv420p'.split(
    ' ',
  );
const TO_LIVE_AAC = '-c:a aac -b:a 96k'.split(' ');
const TO_LIVE_OPUS = '-c:a libopus -b:a 64k -application lowdelay -frame_duration 20'.split(' ');

function streamArguments({ streams }: Conversion): string[] {
  const recodes = (kind: MediaStream['kind']): boolean =>
    streams.some((each) => each.kind === kind && !each.copied);
  const maps = streams.flatMap(({ index }) => ['-map', `0:${index}`]);
  const video = recodes('video') ? [...TO_H264, ...EVEN_SIZE] : ['-c:v', 'copy'];
  const audio = recodes('audio') ? TO_AAC : ['-c:a', 'copy'];
  // What is copied although another of its kind is converted is told so by its number.
  const copies = streams.flatMap(({ copied }, number) => (copied ? [`-c:${number}`, 'copy'] : []));
  return [...maps, ...video, ...audio, ...copies];
}

function service(name: string): string[] {
  return ['-metadata', `service_name=${name}`, '-metadata', 'service_provider=lancast'];
}
