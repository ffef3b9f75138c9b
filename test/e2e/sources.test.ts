/** What is not a transport stream yet: films through ffmpeg, pipes, the test pattern; and the demo. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { cast, fileOf, freshGroup, lancast, temporaryFolder } from './program.ts';

const SOURCES = [
  '-f',
  'lavfi',
  '-i',
  'testsrc=duration=2:size=320x180:rate=25',
  '-f',
  'lavfi',
  '-i',
  'sine=d=2',
];
const H264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-c:a', 'aac'];

/** A film of two seconds, made by ffmpeg. */
function film(name: string, codecs: readonly string[]): string {
  const file = path.join(temporaryFolder(), name);
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', ...SOURCES, ...codecs, file]);
  return file;
}

/** MD5s of the pictures of a film, decoded. */
function pictures(file: string): string[] {
  const words = ['-v', 'error', '-nostdin', '-i', file, '-map', '0:v', '-f', 'framemd5', '-'];
  const lines = execFileSync('ffmpeg', words).toString().split('\n');
  return lines.filter((line) => /^\d/.test(line)).map((line) => line.split(',').at(-1)?.trim() ?? '');
}

describe('a film that is not a transport stream', () => {
  const copied: [name: string, codecs: string[]][] = [
    ['film.mp4', H264],
    ['film.mkv', H264],
    ['film.mov', H264],
    ['film.flv', H264],
  ];
  for (const [name, codecs] of copied) {
    it(`such as ${name} arrives with every picture as it is`, async () => {
      const source = film(name, codecs);
      const { sent, file, summary } = await cast(`rtp://${freshGroup()}`, source, {
        send: ['--bitrate', '20M'],
      });
      expect(sent).toMatchObject({ code: 0 });
      expect(summary).toMatchObject({ lost: 0, continuityErrors: 0 });
      expect(pictures(fileOf('out.ts', file))).toEqual(pictures(source));
    });
  }
  it('such as film.webm is converted to what MPEG-TS carries', async () => {
    const source = film('film.webm', ['-c:v', 'libvpx', '-deadline', 'realtime', '-c:a', 'libvorbis']);
    const { sent, file } = await cast(`rtp://${freshGroup()}`, source, { send: ['--bitrate', '20M'] });
    expect(sent).toMatchObject({ code: 0 });
    expect(sent.stderr).toMatch(/VP8→H\.264/);
    expect(pictures(fileOf('out.ts', file)).length).toBeGreaterThanOrEqual(49);
  });
  it('may come through a pipe', async () => {
    const url = `rtp://${freshGroup()}`;
    const out = path.join(temporaryFolder(), 'out.ts');
    const recorder = lancast('record', url, out, '--iface', 'lo', '--json');
    await recorder.event('recording');
    const sender = lancast('send', '-', '--to', url, '--iface', 'lo');
    const source = film('film.mkv', H264);
    sender.type(readFileSync(source), true);
    expect(await sender.ended).toMatchObject({ code: 0 });
    expect(await recorder.ended).toMatchObject({ code: 0 });
    expect(pictures(out)).toEqual(pictures(source));
  });
});

describe('the test pattern', () => {
  it('is a healthy stream of picture and sound', async () => {
    const url = `rtp://${freshGroup()}`;
    const sender = lancast('send', 'test', '--to', url, '--iface', 'lo', '--json');
    await sender.event('sending');
    await sleep(1000); // ffmpeg takes a moment to begin
    const probe = lancast('probe', url, '--iface', 'lo', '--duration', '3s', '--json');
    const report = await probe.event('report');
    expect(report).toMatchObject({ problems: [], healthy: true });
    expect(report.programmes).toMatchObject([{ streams: [{ codec: 'H.264' }, { kind: 'audio' }] }]);
    sender.kill('SIGTERM');
    expect((await sender.ended).code).toBe(143);
  });
});

describe('the demo', () => {
  it('casts, receives and shows its film without an error over the seam of the loop', async () => {
    const env = ['--to', `rtp://${freshGroup()}`, '--http', '127.0.0.1:0', '--json'];
    const demo = lancast('demo', ...env);
    const { url, address } = await demo.event('listening');
    expect(demo.stderr).toContain(`➜ watch here   ${String(url)}`);
    expect(demo.stderr).toContain(`watch ${String(address)}`);
    expect(demo.stderr).toMatch(/➜ VLC {10}vlc rtp:\/\/@239\./);
    await sleep(11_500); // the film takes 10.24 s
    const answer = await fetch(new URL('/api/v1/streams', String(url)));
    expect(await answer.json()).toMatchObject({
      streams: [
        {
          interface: { name: 'lo', reason: 'the demo stays on this PC' },
          state: 'playing',
          lost: 0,
          continuityErrors: 0,
          pcrErrors: 0,
          patErrors: 0,
          restarts: 0,
        },
      ],
    });
    demo.kill('SIGINT');
    expect((await demo.ended).code).toBe(130);
  });
});
