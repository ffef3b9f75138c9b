/** What browser tests play on: the built page, a real Chromium, and a whole chain from a sender to the page over loopback multicast. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { Concealment } from '../../receiver/concealment.ts';
import { startReceiver } from '../../receiver/index.ts';
import { ViewerFeed } from '../../receiver/sinks/viewer-feed.ts';
import { FRAME_COUNTER, frameChecksum, readFrameCounter } from '../../sender/frame-counter.ts';
import { startSender, type SenderSession } from '../../sender/index.ts';
import type { Source } from '../../sender/source.ts';
import { chooseInterface } from '../../transport/interfaces.ts';
import { dgramEngine } from '../../transport/udp-dgram.ts';
import { startViewer, StreamRegistry, type Viewer } from '../../web-viewer/server/index.ts';
import { parseMediaAddress, type MediaAddress } from '../../wire/address.ts';

const CHROMIUM_ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** What the tests of one file play on. */
export interface Stage {
  readonly browser: Browser;
  /** The built page. */
  readonly pageFolder: string;
  /** Of the present test, empty at its start. */
  readonly registry: StreamRegistry;
  /** Shows `registry`. Closed behind the test, whichever it then is. */
  viewer: Viewer;
}

/** Opens browser and page for a file's tests, and a viewer for each of them. */
export function openStage(): Stage {
  let built: Awaited<ReturnType<typeof buildPage>>;
  let browser: Browser;
  let registry: StreamRegistry;
  let viewer: Viewer;
  beforeAll(async () => {
    built = await buildPage();
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await built.remove();
  });
  beforeEach(async () => {
    registry = new StreamRegistry();
    viewer = await openViewer(registry, built.folder);
  });
  afterEach(() => viewer.close());
  return {
    get browser() {
      return browser;
    },
    get pageFolder() {
      return built.folder;
    },
    get registry() {
      return registry;
    },
    get viewer() {
      return viewer;
    },
    set viewer(next) {
      viewer = next;
    },
  };
}

/** Builds the page into a folder of its own; `remove` takes it away again. */
async function buildPage(): Promise<{ folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'lancast-page-'));
  await build({ root: 'web-viewer/page', logLevel: 'error', build: { outDir: folder, emptyOutDir: true } });
  return { folder, remove: () => rm(folder, { recursive: true }) };
}

/** The machine's Chromium, without a window. */
function openBrowser(): Promise<Browser> {
  const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';
  return chromium.launch({ executablePath, args: CHROMIUM_ARGS });
}

/** A viewer that shows `registry`. */
export function openViewer(registry: StreamRegistry, pageFolder: string, port = 0): Promise<Viewer> {
  return startViewer({ registry, pageFolder, http: { host: '127.0.0.1', port, explicit: true } });
}

/** A stream that is received and shown. */
export interface Reception extends AsyncDisposable {
  readonly id: string;
}

/**
 * Receives `address` over loopback and shows it in `registry`.
 *
 * @param loses asked of each datagram: true loses it
 */
export async function receive(
  address: string,
  registry: StreamRegistry,
  loses: () => boolean = () => false,
  conceal: 'freeze' | 'show' = 'freeze',
): Promise<Reception> {
  const parsed = mediaAddress(address);
  const session = await startReceiver({
    address: parsed,
    engine: {
      ...dgramEngine,
      openArrival: (options, sink) =>
        dgramEngine.openArrival(options, (data, arrivedAt, source) => {
          if (!loses()) sink(data, arrivedAt, source);
        }),
    },
    via: await chooseInterface(parsed.address, '127.0.0.1'),
    latencyMs: 200,
    random: Math.random,
    cname: 'receiver@test',
    name: 'Lighthouse',
  });
  const feed = new ViewerFeed(conceal === 'freeze' ? new Concealment() : undefined);
  session.addSink(feed);
  const remove = registry.add({
    id: session.id,
    snapshot: () => ({ ...session.snapshot(), ...feed.figures }),
    lossHistory: (seconds) => session.lossHistory(seconds),
    feed,
  });
  return {
    id: session.id,
    async [Symbol.asyncDispose]() {
      remove();
      await session.close();
      await feed.close();
    },
  };
}

/** Sends `source` to `address` over loopback. */
export async function send(source: Source, address: string): Promise<SenderSession> {
  const parsed = mediaAddress(address);
  return startSender({
    source,
    addresses: [parsed],
    engine: dgramEngine,
    via: await chooseInterface(parsed.address, '127.0.0.1'),
    ttl: 1,
    random: Math.random,
    cname: 'sender@test',
  });
}

function mediaAddress(text: string): MediaAddress {
  const address = parseMediaAddress(text);
  if (typeof address === 'string') throw new Error(address);
  return address;
}

/** What is seen on the screen at one moment. */
export interface Seen {
  /** The number burned into the picture. */
  frame: number | null;
  /** Milliseconds since 1970 at which it was read. */
  atUnixMs: number;
  /** Position of the video element, seconds. */
  position: number;
}

/** Code for the page that reads the picture; it runs as text because the page's policy allows no other code. */
const LOOK = `() => {
  ${frameChecksum.toString()}
  ${readFrameCounter.toString()}
  const video = document.querySelector('video');
  const canvas = new OffscreenCanvas(640, 360);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (video === null) return { frame: null, atUnixMs: 0, position: 0 };
  context.drawImage(video, 0, 0, 640, 360);
  const { data } = context.getImageData(0, 0, 640, 360);
  const picture = { data, width: 640, height: 360, bytesPerPixel: 4 };
  const frame = readFrameCounter(picture, ${JSON.stringify(FRAME_COUNTER)}) ?? null;
  return { frame, atUnixMs: performance.timeOrigin + performance.now(), position: video.currentTime };
}`;

/** Reads the frame number off the video element. */
export function look(page: Page): Promise<Seen> {
  return page.evaluate<Seen>(`(${LOOK})()`);
}

/** Reads each of the next `pictures` pictures at the moment it is presented. */
export function watchPictures(page: Page, pictures: number): Promise<Seen[]> {
  return page.evaluate<Seen[]>(`new Promise((resolve) => {
    const look = ${LOOK};
    const seen = [];
    const video = document.querySelector('video');
    const presented = () => {
      seen.push(look());
      if (seen.length < ${pictures}) video.requestVideoFrameCallback(presented);
      else resolve(seen);
    };
    video.requestVideoFrameCallback(presented);
  })`);
}

/** Waits until a numbered picture is on the screen that is newer than `after`. */
export async function nextPicture(page: Page, after = -1): Promise<Seen> {
  const end = Date.now() + 30_000;
  for (;;) {
    const seen = await look(page);
    if (seen.frame !== null && seen.frame > after) return seen;
    if (Date.now() > end) {
      const said = await page.locator('body').innerText();
      throw new Error(`no picture after number ${after}: ${JSON.stringify(seen)}\n${said}`);
    }
    await page.waitForTimeout(50);
  }
}

/** Waits until an expression is true in the page; playwright's own way needs `eval`, which the page's policy forbids. */
export async function until(page: Page, expression: string, timeoutMs = 15_000): Promise<void> {
  for (const end = Date.now() + timeoutMs; !(await page.evaluate<boolean>(expression));) {
    if (Date.now() > end) throw new Error(`never true: ${expression}`);
    await page.waitForTimeout(50);
  }
}
