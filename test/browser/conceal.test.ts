/** What a viewer sees and hears of losses that nobody repairs: no smear, no click, no stall, and words. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findFfmpeg } from '../../codecs/ffmpeg.ts';
import { FRAME_COUNTER, frameChecksum, readFrameCounter } from '../../sender/frame-counter.ts';
import { openFile } from '../../sender/sources/file.ts';
import { nextPicture, openStage, receive, send, until } from './stage.ts';

const SCREENSHOTS = join(process.env['LANCAST_SCREENSHOTS'] ?? tmpdir(), 'lancast-conceal');
/** Key frames of the clip are so far apart. */
const GROUP_MS = 1000;
const PICTURES = 256;
/** Playback begins with a jump and a search for the right delay. */
const SETTLED_MS = 6000;
const WATCHED_MS = 12_000;
/** -30 dBFS: a larger step from one sample to the next is heard as a click. */
const CLICK = 10 ** (-30 / 20);

const stage = openStage();
let page: Page;
let folder: string;
/** The numbered pictures of the clip, 30 s of them, with a tone. */
let film: string;
let port = 25_000 + (process.pid % 1000) * 10;
let address: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lancast-conceal-'));
  film = join(folder, 'film.ts');
  const { path: ffmpeg } = await findFfmpeg();
  const pictures = '-stream_loop 2 -i fixtures/clip.ts';
  const tone = '-f lavfi -i sine=frequency=220:sample_rate=48000:duration=30,volume=15dB';
  const streams = '-map 0:v -c:v copy -map 1:a -c:a aac -ac 2 -f mpegts';
  const args = `-v error -nostdin ${pictures} ${tone} ${streams}`.split(' ');
  execFileSync(ffmpeg, [...args, film]);
});

afterAll(() => rm(folder, { recursive: true }));

beforeEach(async () => {
  // Without repair: what is lost stays lost.
  address = `seq://239.255.13.18:${(port += 10)}`;
  // The page's policy would refuse the worklet that listens.
  page = await stage.browser.newPage({ viewport: { width: 1280, height: 900 }, bypassCSP: true });
});

afterEach(() => page.close());

/** Runs in the audio thread of the page: the largest step and the largest sample of each 200 ms. */
const LISTENER = `registerProcessor('listener', class extends AudioWorkletProcessor {
  last = 0;
  blocks = 0;
  heard = { step: 0, loudest: 0 };
  process([[samples = []]]) {
    for (const sample of samples) {
      this.heard.step = Math.max(this.heard.step, Math.abs(sample - this.last));
      this.heard.loudest = Math.max(this.heard.loudest, Math.abs(sample));
      this.last = sample;
    }
    if (++this.blocks % 75 === 0) {
      this.port.postMessage(this.heard);
      this.heard = { step: 0, loudest: 0 };
    }
    return true;
  }
})`;

/** A picture as it was drawn. */
interface Drawn {
  /** The number that is burned in; null when it cannot be read. */
  frame: number | null;
  /** Checksum of all of its pixels. */
  sum: number;
}

/** What was seen and heard of a page. */
interface Watched {
  drawn: Drawn[];
  /** Longest time without a new picture, and without a step of the position of playback. */
  longestPictureMs: number;
  longestStallMs: number;
  /** What was said of a frozen picture, without repetitions. */
  words: string[];
  /** Of the sound, while it is played at its own speed. */
  largestStep: number;
  loudest: number;
}

/** Watches the page for so long. */
function watch(ms: number): Promise<Watched> {
  return page.evaluate<Watched>(`new Promise((resolve) => {
    ${frameChecksum.toString()}
    ${readFrameCounter.toString()}
    const video = document.querySelector('video');
    const canvas = new OffscreenCanvas(640, 360);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    const seen = { drawn: [], longestPictureMs: 0, longestStallMs: 0, words: [], largestStep: 0, loudest: 0 };
    let drawnAt = performance.now();
    let movedAt = performance.now();
    let position = 0;
    let rate = 0;
    const draw = () => {
      seen.longestPictureMs = Math.max(seen.longestPictureMs, performance.now() - drawnAt);
      drawnAt = performance.now();
      context.drawImage(video, 0, 0, 640, 360);
      const { data } = context.getImageData(0, 0, 640, 360);
      let sum = 0;
      for (const pixel of new Int32Array(data.buffer)) sum = (Math.imul(sum, 31) + pixel) | 0;
      const picture = { data, width: 640, height: 360, bytesPerPixel: 4 };
      seen.drawn.push({ frame: readFrameCounter(picture, ${JSON.stringify(FRAME_COUNTER)}) ?? null, sum });
      video.requestVideoFrameCallback(draw);
    };
    const look = () => {
      const now = performance.now();
      if (video.currentTime !== position) movedAt = now;
      position = video.currentTime;
      seen.longestStallMs = Math.max(seen.longestStallMs, now - movedAt);
      const words = document.querySelector('.frozen').textContent;
      if (words !== (seen.words.at(-1) ?? '')) seen.words.push(words);
    };
    // The browser changes the speed by cutting the sound, which is not what is to be heard here.
    window.heard = ({ data }) => {
      const steady = video.playbackRate === 1 && rate === 1;
      rate = video.playbackRate;
      if (!steady) return;
      seen.largestStep = Math.max(seen.largestStep, data.step);
      seen.loudest = Math.max(seen.loudest, data.loudest);
    };
    video.requestVideoFrameCallback(draw);
    const timer = setInterval(look, 50);
    setTimeout(() => { clearInterval(timer); resolve(seen); }, ${ms});
  })`);
}

/** Turns the sound on and listens to it: `window.heard` is told. */
function listen(): Promise<void> {
  return page.evaluate(`(async () => {
    const video = document.querySelector('video');
    video.muted = false;
    const audio = new AudioContext();
    const module = new Blob([${JSON.stringify(LISTENER)}], { type: 'text/javascript' });
    await audio.audioWorklet.addModule(URL.createObjectURL(module));
    const listener = new AudioWorkletNode(audio, 'listener');
    listener.port.onmessage = (message) => window.heard?.(message);
    const source = audio.createMediaElementSource(video);
    for (const place of [listener, audio.destination]) source.connect(place);
  })()`);
}

/** Loses four datagrams in a row, every now and then, once it is told to. */
function bursts(): { on: boolean; loses: () => boolean } {
  let count = 0;
  const losses = { on: false, loses: () => losses.on && ++count % 131 < 4 };
  return losses;
}

/** Plays the film with losses, and watches it once it has settled. */
async function play(conceal: 'freeze' | 'show', losing = true): Promise<Watched> {
  const losses = bursts();
  await using _reception = await receive(address, stage.registry, losses.loses, conceal);
  await using _sender = await send(await openFile(film), address);
  await page.goto(stage.viewer.url);
  await nextPicture(page);
  await listen();
  await page.waitForTimeout(SETTLED_MS);
  losses.on = losing;
  const watching = watch(WATCHED_MS);
  if (losing && conceal === 'freeze') {
    await until(page, `document.querySelector('.frozen').textContent !== ''`);
    await page.screenshot({ path: `${SCREENSHOTS}.png` });
  }
  const watched = await watching;
  await page.waitForTimeout(1200);
  return watched;
}

describe('a viewer of a lossy stream', () => {
  /** The checksum of each picture of the clip, from a stream that is whole. */
  const clean = new Map<number, number>();
  const smeared = (drawn: readonly Drawn[]): Drawn[] =>
    drawn.filter(({ frame, sum }) => frame === null || (clean.get(frame) ?? sum) !== sum);

  it('is compared with one of a whole stream', async () => {
    const { drawn, words, largestStep, loudest } = await play('freeze', false);
    for (const { frame, sum } of drawn) if (frame !== null) clean.set(frame, sum);
    expect(smeared(drawn)).toEqual([]);
    expect(clean.size).toBeGreaterThan(0.9 * PICTURES);
    expect(words).toEqual([]);
    expect(loudest).toBeGreaterThan(0.4);
    expect(largestStep).toBeLessThan(CLICK);
    expect(await page.locator('.facts', { hasText: 'Picture frozen' }).count()).toBe(0);
  });

  it('sees smear with --conceal show', async () => {
    const { drawn, words } = await play('show');
    expect(smeared(drawn).length).toBeGreaterThan(0);
    expect(words).toEqual([]);
  });

  it('sees clean pictures only, and hears no click, while playback goes on', async () => {
    const { drawn, words, ...measured } = await play('freeze');
    const stepDb = 20 * Math.log10(measured.largestStep);
    console.log(
      `${drawn.length} pictures, the longest ${Math.round(measured.longestPictureMs)} ms; longest stall ` +
        `${Math.round(measured.longestStallMs)} ms; largest step of the sound ${stepDb.toFixed(1)} dBFS; ${SCREENSHOTS}.png`,
    );
    expect(smeared(drawn)).toEqual([]);
    expect(measured.longestPictureMs).toBeLessThan(GROUP_MS + 1000);
    expect(measured.longestStallMs).toBeLessThan(GROUP_MS);
    expect(measured.largestStep).toBeLessThan(CLICK);
    // It moves again after each freeze: many different pictures, and the words go away.
    expect(new Set(drawn.map(({ frame }) => frame)).size).toBeGreaterThan(50);
    const said = words.filter((each) => each !== '');
    expect(said.length).toBeGreaterThan(3);
    expect(words.length).toBeGreaterThan(said.length);
    for (const each of said)
      expect(each).toMatch(/^Picture frozen: \d+ datagrams lost, waiting for the next key frame$/);
    const facts = await page.locator('.facts').innerText();
    expect(facts).toMatch(/Picture frozen\n\d+ times, \d+\.\d s in all/);
    expect(facts).toMatch(/Sound faded over holes\n\d+ times, \d+\.\d s in all/);
  });
});
