/** The page really plays: from a sender over loopback multicast to the pixels of a real browser. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findFfmpeg } from '../../codecs/ffmpeg.ts';
import { openFile } from '../../sender/sources/file.ts';
import { openTestPattern } from '../../sender/sources/test-pattern.ts';
import { look, nextPicture, openStage, openViewer, receive, send, until, watchPictures } from './stage.ts';

const CLIP_FRAMES = 256;
const FRAME_MS = 40;
const SCREENSHOTS = join(process.env['LANCAST_SCREENSHOTS'] ?? tmpdir(), 'lancast-viewer');

const stage = openStage();
let page: Page;
/** What went wrong in the page: uncaught errors, refused code, requests to anywhere else. */
let complaints: string[];
let port = 24_000 + (process.pid % 1000) * 10;
let address: string;

beforeEach(async () => {
  address = `rtp://239.255.13.17:${(port += 10)}`;
  page = await stage.browser.newPage({ viewport: { width: 1440, height: 1080 } });
  complaints = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('request', (asked) => {
    if (!asked.url().startsWith(stage.viewer.url) && !/^(blob|data):/.test(asked.url()))
      complaints.push(asked.url());
  });
});

afterEach(() => page.close());

/** The line of the numbers panel under `label`. */
function number(label: string): Promise<string> {
  return page
    .locator('.numbers dl > div', { has: page.locator(`dt:text-is("${label}")`) })
    .locator('dd')
    .innerText();
}

it('plays the film of the demo without end, and shows what arrives', async () => {
  await using _reception = await receive(address, stage.registry);
  await using _sender = await send(await openFile('fixtures/clip.ts', { loop: true }), address);
  await page.goto(stage.viewer.url);
  await nextPicture(page);
  // Playback begins with the last key frame and a jump to the newest picture.
  await page.waitForTimeout(2000);
  const first = await look(page);
  await page.waitForTimeout(4000);
  const second = await look(page);
  const shown = ((second.frame ?? 0) - (first.frame ?? 0) + CLIP_FRAMES) % CLIP_FRAMES;
  const passed = (second.atUnixMs - first.atUnixMs) / FRAME_MS;
  expect(shown / passed).toBeGreaterThan(0.9);
  expect(shown / passed).toBeLessThan(1.1);

  // Over the seam: the clip is 10.24 s long, the position goes on.
  await until(page, 'document.querySelector("video").currentTime > 14', 30_000);
  expect(await page.evaluate<boolean>('document.querySelector("canvas").hidden')).toBe(true);
  await page.waitForTimeout(1200);

  expect(await page.title()).toBe('Lighthouse · lancast');
  expect(await page.locator('.title .health').innerText()).toBe('Good');
  expect(await number('Loss')).toMatch(/^0 %\n0 of /);
  expect(await number('Bitrate')).toMatch(/^\d+ kbit\/s$|^\d\.\d Mbit\/s$/);
  expect(await number('Jitter')).toMatch(/ ms$/);
  expect(await number('Late')).toBe('0');
  expect(await number('Recovered')).toBe('0');
  expect(await number('Media')).toBe('H.264 + AAC');
  expect(await number('Sender')).toMatch(/^127\.0\.0\.1:\d+$/);
  expect(await number('Received on')).toContain('lo (127.0.0.1)');
  expect(await page.locator('.strip .summary').innerText()).toMatch(/datagrams received, none lost\.$/);
  expect(await page.locator('.troubles').count()).toBe(0);

  await page.screenshot({ path: `${SCREENSHOTS}.png` });
  expect((await stat(`${SCREENSHOTS}.png`)).size).toBeGreaterThan(50_000);
  console.log(`screenshot of the viewer: ${SCREENSHOTS}.png`);
  expect(complaints).toEqual([]);
});

for (const [audioCodec, mostMs] of [
  ['aac', 1500],
  ['opus', 1200],
] as const) {
  it(`shows the live test pattern with a small and steady delay from glass to glass (${audioCodec})`, async () => {
    await using _reception = await receive(address, stage.registry);
    const source = await openTestPattern({ audioCodec });
    await using _sender = await send(source, address);
    await page.goto(stage.viewer.url);
    await nextPicture(page);
    await page.waitForTimeout(6000);
    const seen = await watchPictures(page, 100);
    const zeroAt = source.frameZeroAtUnixMs;
    if (zeroAt === undefined) throw new Error('the pattern has not begun');
    const delays = seen.flatMap(({ frame, atUnixMs }) =>
      frame === null ? [] : [atUnixMs - zeroAt - frame * FRAME_MS],
    );
    delays.sort((a, b) => a - b);
    const at = (share: number): number => Math.round(delays[Math.floor(share * (delays.length - 1))] ?? NaN);
    console.log(
      `glass to glass, H.264 + ${audioCodec} by MSE: median ${at(0.5)} ms, least ${at(0)} ms, p95 ${at(0.95)} ms`,
    );
    expect(delays.length).toBeGreaterThan(95);
    expect(at(0)).toBeGreaterThan(0);
    expect(at(0.5)).toBeLessThan(mostMs);
    expect(complaints).toEqual([]);
  });
}

it('plays on through loss, and tells of it', async () => {
  let state = 7;
  const seeded = (): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32;
  let clean = false;
  // A framing that goes one way: what is lost by RTP is asked for and sent again.
  const oneWay = address.replace('rtp:', 'seq:');
  await using _reception = await receive(oneWay, stage.registry, () => !clean && seeded() < 0.01);
  const source = await openTestPattern();
  await using _sender = await send(source, oneWay);
  await page.goto(stage.viewer.url);
  await nextPicture(page);
  await page.waitForTimeout(15_000);
  expect(await page.locator('.title .health').innerText()).toBe('Heavy loss');
  expect(await number('Loss')).toMatch(/^\d(\.\d+)? %\n\d+ of /);
  clean = true;
  await page.waitForTimeout(4000);
  const { frame, atUnixMs } = await nextPicture(page);
  const delayMs = atUnixMs - (source.frameZeroAtUnixMs ?? 0) - (frame ?? 0) * FRAME_MS;
  console.log(`glass to glass after 15 s of 1 % loss: ${Math.round(delayMs)} ms`);
  expect(delayMs).toBeLessThan(2000);
  await page.locator('.summary', { hasText: /datagrams lost/ }).waitFor();
  expect(complaints).toEqual([]);
});

it('shows the picture without the sound that no browser can play', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lancast-mp2-'));
  const film = join(folder, 'mp2.ts');
  const { path: ffmpeg } = await findFfmpeg();
  const encode = '-c:v copy -c:a mp2 -b:a 128k -f mpegts -y'.split(' ');
  execFileSync(ffmpeg, ['-v', 'error', '-nostdin', '-i', 'fixtures/clip.ts', ...encode, film]);
  await using _reception = await receive(address, stage.registry);
  await using _sender = await send(await openFile(film, { loop: true }), address);
  await page.goto(stage.viewer.url);
  const { frame } = await nextPicture(page);
  await page.waitForTimeout(1500);
  expect((await look(page)).frame).not.toBe(frame);
  await page.locator('.trouble', { hasText: 'No sound: this browser cannot play' }).waitFor();
  expect(await page.locator('.sound-off').count()).toBe(0);
  expect(complaints).toEqual([]);
  await rm(folder, { recursive: true });
});

it('begins by itself when the sender starts after the page was opened', async () => {
  await using _reception = await receive(address, stage.registry);
  await page.goto(stage.viewer.url);
  await page.locator('.trouble', { hasText: 'Nothing has arrived yet.' }).waitFor();
  await using _sender = await send(await openTestPattern(), address);
  await nextPicture(page);
  await page.locator('.troubles').waitFor({ state: 'detached' });
  expect(complaints).toEqual([]);
});

it('is worked by keys alone', async () => {
  await using _reception = await receive(address, stage.registry);
  await using _sender = await send(await openTestPattern(), address);
  await page.goto(stage.viewer.url);
  const { frame } = await nextPicture(page);
  await nextPicture(page, frame ?? 0);

  await page.keyboard.press('k');
  await page.locator('.controls button[aria-label="Play"]').waitFor();
  await page.waitForTimeout(1500);
  expect(await page.evaluate<boolean>('document.querySelector("canvas").hidden')).toBe(false);
  await page.keyboard.press(' ');
  await nextPicture(page, (frame ?? 0) + 40);

  expect(await page.evaluate<boolean>('document.querySelector("video").muted')).toBe(true);
  await page.keyboard.press('m');
  expect(await page.evaluate<boolean>('document.querySelector("video").muted')).toBe(false);
  // Arrows scroll the page unless the player has the focus.
  await page.keyboard.press('ArrowDown');
  expect(await page.evaluate<number>('document.querySelector("video").volume')).toBe(1);
  await page.locator('#player').focus();
  await page.keyboard.press('ArrowDown');
  expect(await page.evaluate<number>('document.querySelector("video").volume')).toBeCloseTo(0.95);

  await page.keyboard.press('f');
  await until(page, 'document.fullscreenElement !== null');
  await page.keyboard.press('f');
  await until(page, 'document.fullscreenElement === null');

  await page.keyboard.press('i');
  expect(await page.locator('.numbers').count()).toBe(0);
  await page.keyboard.press('i');
  expect(await page.locator('.numbers').count()).toBe(1);

  await page.keyboard.press('?');
  await page.locator('dialog[open]').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('dialog').waitFor({ state: 'hidden' });
  // Asked for again before the page has heard that it was closed.
  await page.evaluate(`
    const dialog = document.querySelector('dialog');
    const ask = () => document.dispatchEvent(new KeyboardEvent('keydown', { key: '?' }));
    ask();
    dialog.close();
    ask();
  `);
  await page.waitForTimeout(100);
  expect(await page.evaluate<boolean>('document.querySelector("dialog").open')).toBe(true);
  await page.keyboard.press('Escape');
  await page.locator('dialog').waitFor({ state: 'hidden' });

  // Shortcuts can be turned off; the buttons stay.
  await page.keyboard.press('?');
  await page.locator('dialog[open] input').focus();
  await page.keyboard.press(' ');
  await page.keyboard.press('Escape');
  await page.locator('dialog').waitFor({ state: 'hidden' });
  await page.keyboard.press('m');
  expect(await page.evaluate<boolean>('document.querySelector("video").muted')).toBe(false);
  const reached = new Set<string>();
  for (let presses = 0; presses < 20; presses++) {
    await page.keyboard.press('Tab');
    reached.add(await page.evaluate<string>('document.activeElement.getAttribute("aria-label") ?? ""'));
  }
  expect([...reached]).toEqual(
    expect.arrayContaining(['Pause', 'Mute', 'Volume', 'Numbers', 'Full screen', 'Keyboard help']),
  );
  await page.locator('button[aria-label="Mute"]').focus();
  await page.keyboard.press('Enter');
  expect(await page.evaluate<boolean>('document.querySelector("video").muted')).toBe(true);
  expect(complaints).toEqual([]);
});

it('counts down, comes back by itself and plays on when the server was gone', async () => {
  await using _reception = await receive(address, stage.registry);
  await using _sender = await send(await openTestPattern(), address);
  await page.goto(stage.viewer.url);
  const before = await nextPicture(page);
  const { port } = stage.viewer;
  await stage.viewer.close();
  await page.locator('.banner').waitFor();
  expect(await page.locator('.banner').innerText()).toMatch(/The connection to lancast is lost/);
  await page.locator('.countdown', { hasText: /Next try in \d s/ }).waitFor();
  // The last picture stays.
  expect(await page.evaluate<boolean>('document.querySelector("canvas").hidden')).toBe(false);
  stage.viewer = await openViewer(stage.registry, stage.pageFolder, port);
  await nextPicture(page, (before.frame ?? 0) + 50);
  await page.locator('.banner').waitFor({ state: 'detached' });
  await until(page, 'document.querySelector("canvas").hidden');
});

it('says that the sender has ended, and plays again when it comes back', async () => {
  await using _reception = await receive(address, stage.registry);
  const sender = await send(await openTestPattern(), address);
  await page.goto(stage.viewer.url);
  await nextPicture(page, 25);
  await sender.close();
  await page.locator('.trouble', { hasText: 'The sender has ended the stream.' }).waitFor();
  expect(await page.locator('.title .health').innerText()).toBe('Ended');
  await using _again = await send(await openTestPattern(), address);
  // The new one counts from nought: a small number proves that it is the new picture.
  await page.locator('.title .health', { hasText: 'Good' }).waitFor();
  await until(page, `document.querySelector('canvas').hidden && !document.querySelector('video').paused`);
  const { frame } = await nextPicture(page);
  const { frame: later } = await nextPicture(page, frame ?? 0);
  expect(later).toBeGreaterThan(frame ?? 0);
});
