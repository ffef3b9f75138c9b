/**
 * Other people's programs at the other end, both ways: `npm run interop`, which runs this as root in a network namespace of
 * its own whose loopback carries multicast.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Program, freshGroup, lancast, temporaryFolder } from '../e2e/program.ts';

const CLIP = path.resolve('fixtures/clip.ts');
const clip = readFileSync(CLIP);
const DATAGRAM_BYTES = 1316;
/** None of them says when it listens. */
const START_MS = 2000;

type Scheme = 'rtp' | 'udp';
const SCHEMES: Scheme[] = ['rtp', 'udp'];

/** A folder that every user may write to. */
function openFolder(): string {
  const folder = temporaryFolder();
  chmodSync(folder, 0o777);
  return folder;
}

/** Lets a program receive the clip into `out`; `end` is the signal at which it closes its file. */
async function receive(receiver: Program, url: string, end: NodeJS.Signals): Promise<void> {
  await sleep(START_MS);
  const sender = lancast('send', CLIP, '--to', url, '--iface', 'lo');
  expect(await sender.ended).toMatchObject({ code: 0 });
  await sleep(500);
  receiver.kill(end);
  await receiver.ended;
}

/** Records what a program sends; the file. */
async function record(url: string, start: () => Program): Promise<Buffer> {
  const out = path.join(temporaryFolder(), 'out.ts');
  const recorder = lancast('record', url, out, '--iface', 'lo', '--timeout', '3s', '--json');
  await recorder.event('recording');
  const sender = start();
  expect((await recorder.ended).code).toBe(0);
  await sender.ended;
  expect(recorder.events.at(-1)).toMatchObject({ lost: 0, unrecovered: 0, continuityErrors: 0 });
  return readFileSync(out);
}

/** Without the null packets that some programs fill their last datagrams with. */
function withoutStuffing(file: Buffer): Buffer {
  const packets: Buffer[] = [];
  for (let at = 0; at < file.length; at += 188) {
    const isNull = (file.readUInt16BE(at + 1) & 0x1fff) === 0x1fff;
    if (!isNull) packets.push(file.subarray(at, at + 188));
  }
  return Buffer.concat(packets);
}

/** Expects the clip byte for byte, but for the last two datagrams, which some programs keep. */
function expectClip(file: Buffer): void {
  const film = withoutStuffing(file);
  expect(film.length).toBeGreaterThan(clip.length - 2 * DATAGRAM_BYTES);
  expect(film.equals(clip.subarray(0, film.length))).toBe(true);
}

/** Hashes of the pictures, decoded: a player multiplexes anew, and may split access units in other ways. */
function pictures(file: string): string[] {
  const words = ['-v', 'quiet', '-nostdin', '-i', file, '-map', '0:v', '-f', 'framemd5', '-'];
  const lines = execFileSync('ffmpeg', words).toString().split('\n');
  return lines.filter((line) => /^\d/.test(line)).map((line) => line.split(',').at(-1)?.trim() ?? '');
}

/**
 * Expects at least `least` of the clip's 256 pictures, in their order. VLC's multiplexer now and then joins two pictures
 * into one access unit, so a few may be missing or damaged on their way through it.
 */
function expectPictures(file: string, least: number): void {
  const whole = pictures(CLIP);
  const places = pictures(file).map((picture) => whole.indexOf(picture));
  const found = places.filter((place) => place >= 0);
  expect(found.length).toBeGreaterThanOrEqual(least);
  expect(found).toEqual([...found].sort((a, b) => a - b));
  expect(found.length).toBeGreaterThanOrEqual(0.95 * places.length);
}

describe('VLC', () => {
  /** VLC refuses to run as root. */
  function vlc(home: string, ...words: string[]): Program {
    const quiet = ['-q', '-I', 'dummy', '--no-audio', '--no-video', '--ttl', '1'];
    return new Program('runuser', ['-u', 'nobody', '--', 'env', `HOME=${home}`, 'cvlc', ...quiet, ...words]);
  }

  for (const scheme of SCHEMES) {
    it(`receives what lancast sends by ${scheme}://`, async () => {
      const [group, folder] = [freshGroup(), openFolder()];
      const out = path.join(folder, 'out.ts');
      const receiver = vlc(folder, `${scheme}://@${group}`, '--sout', `#std{access=file,mux=ts,dst=${out}}`);
      await receive(receiver, `${scheme}://${group}`, 'SIGTERM');
      expectPictures(out, 200);
    });
    it(`sends by ${scheme}:// what lancast records`, async () => {
      const [group, folder] = [freshGroup(), openFolder()];
      const [host, port] = group.split(':');
      const rtp = `#rtp{dst=${host},port=${port},mux=ts}`;
      const sout = scheme === 'rtp' ? rtp : `#std{access=udp,mux=ts,dst=${group}}`;
      copyFileSync(CLIP, path.join(folder, 'clip.ts'));
      const file = await record(`${scheme}://${group}`, () =>
        vlc(folder, path.join(folder, 'clip.ts'), '--sout', sout, 'vlc://quit'),
      );
      const out = path.join(folder, 'recorded.ts');
      writeFileSync(out, file);
      expectPictures(out, 150); // VLC keeps its last second and a half to itself when it quits
    });
  }
});

describe('GStreamer', () => {
  const CAPS = 'application/x-rtp,media=video,clock-rate=90000,encoding-name=MP2T,payload=33';

  function gst(pipeline: string): Program {
    return new Program('gst-launch-1.0', ['-q', '-e', ...pipeline.split(' ')]);
  }

  for (const scheme of SCHEMES) {
    it(`receives what lancast sends by ${scheme}://, byte for byte`, async () => {
      const group = freshGroup();
      const [host, port] = group.split(':');
      const out = path.join(temporaryFolder(), 'out.ts');
      const unpack = scheme === 'rtp' ? `caps=${CAPS} ! rtpjitterbuffer ! rtpmp2tdepay !` : '!';
      const receiver = gst(
        `udpsrc address=${host} port=${port} multicast-iface=lo ${unpack} filesink location=${out}`,
      );
      await receive(receiver, `${scheme}://${group}`, 'SIGINT');
      expect(readFileSync(out).equals(clip)).toBe(true);
    });
    it(`sends by ${scheme}:// what lancast records`, async () => {
      const group = freshGroup();
      const [host, port] = group.split(':');
      const pack = scheme === 'rtp' ? '! rtpmp2tpay ' : '';
      const source = `filesrc location=${CLIP} ! tsparse set-timestamps=true alignment=7 ${pack}`;
      const sink = `! udpsink host=${host} port=${port} auto-multicast=true multicast-iface=lo`;
      expectClip(await record(`${scheme}://${group}`, () => gst(source + sink)));
    });
  }
});

describe('multicat', () => {
  for (const scheme of SCHEMES) {
    const raw = scheme === 'udp';
    it(`receives what lancast sends by ${scheme}://`, async () => {
      const group = freshGroup();
      const out = path.join(temporaryFolder(), 'out.ts');
      const receiver = new Program('multicat', [...(raw ? ['-u'] : []), `@${group}`, out]);
      await receive(receiver, `${scheme}://${group}`, 'SIGINT');
      expectClip(readFileSync(out));
    });
    it(`sends by ${scheme}:// what lancast records`, async () => {
      const group = freshGroup();
      const file = path.join(temporaryFolder(), 'clip.ts');
      copyFileSync(CLIP, file);
      execFileSync('ingests', ['-p', '256', file], { stdio: 'ignore' });
      const start = () => new Program('multicat', [...(raw ? ['-U'] : []), file, group]);
      expectClip(await record(`${scheme}://${group}`, start));
    });
  }
});
