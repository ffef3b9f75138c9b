/**
 * ffmpeg at the other end, both ways: what the one sends, the other receives, frame by frame.
 *
 * By RTP ffmpeg itself drops something: its sender what it still gathers at the end (sound, and the rest of a picture),
 * its receiver the first datagram, by which it finds out what the stream is, and with it the first group of pictures.
 */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Program, freshPort, lancast, temporaryFolder } from './program.ts';

const CLIP = path.resolve('fixtures/clip.ts');
const STREAMS = ['0:v', '0:a'] as const;
/** Frames a second: pictures, and 48 000 / 1024 of sound. */
const RATES = { '0:v': 25, '0:a': 46.875 };
const CLIP_SECONDS = 10.24;
const SENT_SECONDS = 4;

/** Length and MD5 of each frame of a stream, as ffmpeg finds them in a file. */
function frames(file: string, stream: string): string[] {
  const words = ['-v', 'error', '-nostdin', '-i', file, '-map', stream, '-c', 'copy', '-f', 'framemd5', '-'];
  const lines = execFileSync('ffmpeg', words).toString().split('\n');
  return lines.filter((line) => /^\d/.test(line)).map((line) => line.split(',').slice(4, 6).join().trim());
}

/** What of the clip is in a recording: the number of its first frame, and how many follow it without a difference; the last `cut` are left out. */
function partOfClip(file: string, stream: string, cut = 0): { first: number; count: number } {
  const whole = frames(CLIP, stream);
  const all = frames(file, stream);
  const part = all.slice(0, all.length - cut);
  const first = whole.indexOf(part[0] ?? '');
  expect(part).toEqual(whole.slice(first, first + part.length));
  return { first, count: part.length };
}

function ffmpeg(...words: string[]): Program {
  return new Program('ffmpeg', ['-v', 'error', '-nostdin', ...words]);
}

describe('what ffmpeg sends', () => {
  const muxers: [name: string, scheme: string, muxer: string, query: string, gathered: number][] = [
    ['as bare MPEG-TS', 'udp', 'mpegts', '?pkt_size=1316', 0],
    ['by RTP', 'rtp', 'rtp_mpegts', '', 20],
  ];
  for (const [name, scheme, muxer, query, gathered] of muxers) {
    it(`${name} is recorded frame by frame`, async () => {
      const address = `${scheme}://127.0.0.1:${freshPort()}`;
      const out = path.join(temporaryFolder(), 'out.ts');
      const recorder = lancast('record', address, out, '--timeout', '3s', '--json');
      await recorder.event('recording');
      const cut = ['-t', String(SENT_SECONDS), '-map', '0', '-c', 'copy'];
      const sender = ffmpeg('-re', '-i', CLIP, ...cut, '-f', muxer, address + query);
      expect(await sender.ended).toMatchObject({ code: 0 });
      expect(await recorder.ended).toMatchObject({ code: 0 });
      expect(recorder.events.at(-1)).toMatchObject({ lost: 0, continuityErrors: 0 });
      for (const stream of STREAMS) {
        const { first, count } = partOfClip(out, stream, gathered === 0 ? 0 : 1);
        expect(first).toBe(0);
        expect(count).toBeGreaterThanOrEqual(Math.floor(SENT_SECONDS * RATES[stream]) - gathered);
      }
    });
  }
});

describe('what lancast sends', () => {
  const cases: [scheme: string, query: string, missing: number][] = [
    ['udp', '?timeout=2000000&fifo_size=100000', 0],
    ['rtp', '?timeout=2000000', 50],
  ];
  for (const [scheme, query, missing] of cases) {
    it(`by ${scheme}:// is received by ffmpeg frame by frame`, async () => {
      const address = `${scheme}://127.0.0.1:${freshPort()}`;
      const out = path.join(temporaryFolder(), 'out.ts');
      const receiver = ffmpeg('-i', address + query, '-map', '0', '-c', 'copy', '-y', out);
      await sleep(1000); // ffmpeg does not say when it listens
      const sender = lancast('send', CLIP, '--to', address, '--iface', 'lo', '--bitrate', '3M');
      expect(await sender.ended).toMatchObject({ code: 0 });
      await receiver.ended; // after two seconds of silence
      for (const stream of STREAMS) {
        const { first, count } = partOfClip(out, stream);
        expect(first).toBeLessThanOrEqual(missing);
        expect(count).toBeGreaterThanOrEqual(CLIP_SECONDS * RATES[stream] - first - (missing === 0 ? 0 : 2));
      }
    });
  }
});
