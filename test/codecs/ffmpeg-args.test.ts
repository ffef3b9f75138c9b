import { describe, expect, it } from 'vitest';
import {
  fileArguments,
  pipeArguments,
  planConversion,
  probeArguments,
  rawLiveArguments,
} from '../../codecs/ffmpeg-args.ts';
import type { MediaStream } from '../../codecs/media-info.ts';

function media(...streams: [kind: MediaStream['kind'], codec: string, attachedPicture?: boolean][]) {
  return {
    format: 'matroska,webm',
    streams: streams.map(([kind, codec, attachedPicture = false], index) => ({
      index,
      kind,
      codec,
      tag: '',
      attachedPicture,
    })),
  };
}

/** What follows each `-c…` option. */
function codecs(args: readonly string[]): string[] {
  return args.flatMap((arg, at) => (/^-c(:|$)/.test(arg) ? [`${arg} ${args[at + 1]}`] : []));
}

/** What follows each `name`. */
function valuesOf(args: readonly string[], name: string): (string | undefined)[] {
  return args.flatMap((arg, at) => (arg === name ? [args[at + 1]] : []));
}

describe('planConversion', () => {
  const carried: [kind: MediaStream['kind'], codecs: string[]][] = [
    ['video', ['h264', 'hevc', 'mpeg1video', 'mpeg2video', 'mpeg4']],
    ['audio', ['aac', 'aac_latm', 'mp1', 'mp2', 'mp3', 'ac3', 'eac3', 'dts', 'opus']],
    ['subtitle', ['dvb_subtitle', 'dvb_teletext']],
  ];
  for (const [kind, names] of carried) {
    for (const codec of names) {
      it(`copies ${kind} in ${codec}`, () =>
        expect(planConversion(media([kind, codec])).streams).toEqual([
          { index: 0, kind, codec, copied: true },
        ]));
    }
  }

  for (const [kind, codec] of [
    ['video', 'vp9'],
    ['video', 'av1'],
    ['video', 'prores'],
    ['audio', 'vorbis'],
    ['audio', 'flac'],
  ] as const) {
    it(`converts ${kind} in ${codec}`, () =>
      expect(planConversion(media([kind, codec])).streams).toEqual([
        { index: 0, kind, codec, copied: false },
      ]));
  }

  it('leaves out cover pictures and data, and names the subtitles that it leaves out', () => {
    const plan = planConversion(
      media(['data', 'none'], ['video', 'mjpeg', true], ['subtitle', 'subrip'], ['audio', 'aac']),
    );
    expect(plan.streams.map(({ index }) => index)).toEqual([3]);
    expect(plan.notes).toEqual(['subtitles (subrip) are not sent: MPEG-TS carries none of this kind']);
  });
});

describe('fileArguments', () => {
  it('copies everything when MPEG-TS carries it', () => {
    const { output } = fileArguments(
      planConversion(media(['video', 'h264'], ['audio', 'aac'])),
      'film',
      false,
    );
    expect(codecs(output)).toEqual(['-c:v copy', '-c:a copy', '-c:0 copy', '-c:1 copy']);
    expect(valuesOf(output, '-map')).toEqual(['0:0', '0:1']);
    expect(valuesOf(output, '-f')).toEqual(['mpegts']);
  });

  it('converts what has to be, and copies what need not', () => {
    const plan = planConversion(media(['video', 'vp9'], ['audio', 'vorbis'], ['audio', 'ac3']));
    const { output } = fileArguments(plan, 'film', false);
    expect(codecs(output)).toEqual(['-c:v libx264', '-c:a aac', '-c:2 copy']);
  });

  it('loops within one run, so that clocks and counters go on', () => {
    const plan = planConversion(media(['video', 'h264']));
    expect(valuesOf(fileArguments(plan, 'film', true).input, '-stream_loop')).toEqual(['-1']);
    expect(valuesOf(fileArguments(plan, 'film', false).input, '-stream_loop')).toEqual([]);
  });

  it('hands names on as one argument, whatever they look like', () => {
    const { output } = fileArguments(planConversion(media(['audio', 'mp3'])), '-f; rm "x"', false);
    expect(output).toContain('service_name=-f; rm "x"');
  });
});

describe('what strangers made', () => {
  const plan = planConversion(media(['video', 'h264']));
  const all: [name: string, args: string[]][] = [
    ['probing', probeArguments('file:a b.mp4')],
    ['converting a file', fileArguments(plan, 'film', true).input],
    ['converting a pipe', pipeArguments(plan, 'film')],
  ];
  for (const [name, args] of all) {
    it(`opens nothing but files and pipes of media when ${name}`, () => {
      expect(valuesOf(args, '-protocol_whitelist')).toEqual(['file,pipe']);
      const formats = valuesOf(args, '-format_whitelist')[0]?.split(',');
      expect(formats).toContain('matroska');
      for (const playlist of ['hls', 'concat', 'dash', 'tty', 'image2', 'lavfi', 'sdp', 'rtsp'])
        expect(formats).not.toContain(playlist);
      expect(args).toContain('-nostdin');
      const input = args.indexOf('-i');
      expect(args.indexOf('-protocol_whitelist') < (input === -1 ? Infinity : input)).toBe(true);
    });
  }
});

describe('rawLiveArguments', () => {
  const options = {
    width: 640,
    height: 360,
    framesPerSecond: 25,
    sampleRateHz: 48_000,
    name: 'test',
  } as const;
  it('takes pictures and sound from two pipes', () => {
    expect(valuesOf(rawLiveArguments({ ...options, audioCodec: 'aac' }), '-i')).toEqual(['pipe:0', 'pipe:3']);
  });
  it('encodes AAC or Opus', () => {
    expect(codecs(rawLiveArguments({ ...options, audioCodec: 'aac' }))).toEqual(['-c:v libx264', '-c:a aac']);
    expect(codecs(rawLiveArguments({ ...options, audioCodec: 'opus' }))).toEqual([
      '-c:v libx264',
      '-c:a libopus',
    ]);
  });
});
