import { describe, expect, it } from 'vitest';
import { type MediaInfo, parseProbe, type ProbeFault } from '../../codecs/media-info.ts';

const MP4 = `Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:film.mp4':
  Metadata:
    title           : Stream #0:9: Video: fake, 1x1
  Duration: 01:02:03.50, start: 0.000000, bitrate: 1103 kb/s
  Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(progressive), 854x480 [SAR 1:1 DAR 427:240], 906 kb/s, 23.98 fps, 24 tbr, 12288 tbn (default)
    Metadata:
      handler_name    : VideoHandler
  Stream #0:1[0x2](eng): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, 5.1, fltp, 192 kb/s (default)
  Stream #0:2[0x3](eng): Subtitle: mov_text (tx3g / 0x67337874), 0 kb/s (default)
  Stream #0:3[0x0]: Video: mjpeg (Baseline), yuvj420p(pc), 600x600, 90k tbr, 90k tbn (attached pic)
  Stream #0:4[0x4](eng): Data: none (tmcd / 0x64636D74), 0 kb/s
At least one output file must be specified
`;
/** As ffmpeg 4 and older print it, without PIDs; no duration. */
const OLD = `Input #0, matroska,webm, from 'pipe:0':
  Duration: N/A, start: 0.067000, bitrate: N/A
    Stream #0:0: Video: vp9 (Profile 0), yuv420p(tv), 642x642, 30 fps, 30 tbr, 1k tbn, 1k tbc
    Stream #0:1(und): Audio: none (lpcJ / 0x4A63706C), 48000 Hz
`;

const stream = { attachedPicture: false, tag: '' };
const understood: [name: string, text: string, info: MediaInfo][] = [
  [
    'an MP4',
    MP4,
    {
      format: 'mov,mp4,m4a,3gp,3g2,mj2',
      durationMs: 3_723_500,
      streams: [
        {
          index: 0,
          kind: 'video',
          codec: 'h264',
          tag: 'avc1',
          attachedPicture: false,
          width: 854,
          height: 480,
          framesPerSecond: 23.98,
        },
        { ...stream, index: 1, kind: 'audio', codec: 'aac', tag: 'mp4a' },
        { ...stream, index: 2, kind: 'subtitle', codec: 'mov_text', tag: 'tx3g' },
        {
          ...stream,
          index: 3,
          kind: 'video',
          codec: 'mjpeg',
          attachedPicture: true,
          width: 600,
          height: 600,
        },
        { ...stream, index: 4, kind: 'data', codec: 'none', tag: 'tmcd' },
      ],
    },
  ],
  [
    'a pipe, from an old ffmpeg',
    OLD,
    {
      format: 'matroska,webm',
      streams: [
        { ...stream, index: 0, kind: 'video', codec: 'vp9', width: 642, height: 642, framesPerSecond: 30 },
        { ...stream, index: 1, kind: 'audio', codec: 'none', tag: 'lpcJ' },
      ],
    },
  ],
];

const refused: [name: string, text: string, fault: ProbeFault][] = [
  ['text', 'file:README.md: Invalid data found when processing input', 'not-media'],
  [
    'an MP4 without index',
    '[mov,mp4 @ 0x1] moov atom not found\nfile:a.mp4: Invalid data found when processing input',
    'truncated',
  ],
  [
    'noise that is only called MP4',
    '[mov,mp4 @ 0x1] Format mov,mp4 detected only with low score of 1, misdetection possible!\n[mov,mp4 @ 0x1] moov atom not found',
    'not-media',
  ],
  ['a playlist', "[hls @ 0x1] Format not on whitelist 'mov'\nfile:a.mp4: Invalid argument", 'not-media'],
  ['nothing at all', '', 'not-media'],
];

describe('parseProbe', () => {
  for (const [name, text, info] of understood) {
    it(`understands ${name}`, () => expect(parseProbe(text)).toEqual(info));
  }
  for (const [name, text, fault] of refused) {
    it(`finds no media in ${name}`, () => expect(parseProbe(text)).toBe(fault));
  }
});
