/** The pages' WebSocket over real sockets: what it delivers, what it refuses, and what a slow page cannot do. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startViewer, StreamRegistry, type Viewer } from '../../web-viewer/server/index.ts';
import { addStream, eventually, Page, runOf, upgrade } from '../web-viewer/page-client.ts';
import { snapshotOf } from '../helpers/snapshots.ts';

let registry: StreamRegistry;
let viewer: Viewer;
let host: string;

beforeEach(async () => {
  registry = new StreamRegistry();
  viewer = await startViewer({ registry, http: { host: '127.0.0.1', port: 0, explicit: true } });
  host = `127.0.0.1:${viewer.port}`;
});

afterEach(() => viewer.close());

describe('the feed', () => {
  it('pushes the snapshots at once and then every second', async () => {
    addStream(registry);
    const page = await Page.open(host);
    const { streams } = await page.hear('streams');
    expect(streams).toEqual([snapshotOf()]);
    await eventually(() => page.messages.length >= 3);
    page.leave();
  });

  it('delivers the backlog and then what comes, under the number that the page chose', async () => {
    const stream = addStream(registry, 'film', [runOf(376, { key: true, ptsUs: 1234.6 })]);
    const page = await Page.open(host);
    page.say({ type: 'subscribe', channel: 77, stream: 'film', mode: 'ts' });
    await page.hear('subscribed');
    stream.send(runOf(188 * 400, { damaged: true }));
    await eventually(() => page.frames.length === 2);
    expect(page.frames).toMatchObject([
      { kind: 'ts', channel: 77, key: true, damaged: false, ptsUs: 1235, arrivalUs: 5e6 },
      { kind: 'ts', channel: 77, key: false, damaged: true, ptsUs: 1235 },
    ]);
    expect(page.frames.map(({ bytes }) => bytes)).toEqual([376, 188 * 400]);
    page.leave();
  });

  it('says when the picture stands still, once for each change, before the pictures themselves', async () => {
    const film = addStream(registry);
    const page = await Page.open(host);
    page.watch(3, 'film');
    await page.hear('subscribed');
    for (const frozenBy of [undefined, 2, 2, 5, undefined, undefined]) film.send(runOf(188, { frozenBy }));
    await eventually(() => page.frames.length === 6);
    expect(page.messages.filter(({ type }) => type === 'picture')).toEqual([
      { type: 'picture', channel: 3, frozen: true, lostDatagrams: 2 },
      { type: 'picture', channel: 3, frozen: true, lostDatagrams: 5 },
      { type: 'picture', channel: 3, frozen: false, lostDatagrams: 0 },
    ]);
    page.leave();
  });

  it('leaves the stream when the page says so, goes away, or the stream is gone', async () => {
    const stream = addStream(registry);
    const page = await Page.open(host);
    page.say({ type: 'subscribe', channel: 1, stream: 'film', mode: 'ts' });
    await eventually(() => stream.listeners.size === 1);
    page.say({ type: 'unsubscribe', channel: 1 });
    expect(await page.hear('closed')).toEqual({ type: 'closed', channel: 1, reason: 'unsubscribed' });
    expect(stream.listeners.size).toBe(0);
    page.say({ type: 'subscribe', channel: 2, stream: 'film', mode: 'ts' });
    await eventually(() => stream.listeners.size === 1);
    stream.remove();
    await eventually(() => page.messages.some((said) => said.type === 'closed' && said.reason === 'removed'));
    expect(stream.listeners.size).toBe(0);
    const again = addStream(registry);
    page.say({ type: 'subscribe', channel: 3, stream: 'film', mode: 'ts' });
    await eventually(() => again.listeners.size === 1);
    page.leave();
    await eventually(() => again.listeners.size === 0);
  });

  const mistakes: [name: string, said: string, code: string][] = [
    ['no JSON', '{', 'bad-message'],
    ['no object', '[1]', 'bad-message'],
    ['an unknown kind', '{"type":"format-disk"}', 'bad-message'],
    ['a bad channel', '{"type":"unsubscribe","channel":-1}', 'bad-message'],
    ['a prototype', '{"__proto__":{"type":"credit"}}', 'bad-message'],
    ['an unknown stream', '{"type":"subscribe","channel":1,"stream":"none","mode":"ts"}', 'unknown-stream'],
    [
      'a stream that is only counted',
      '{"type":"subscribe","channel":1,"stream":"bare","mode":"ts"}',
      'no-feed',
    ],
    [
      'a mode not served yet',
      '{"type":"subscribe","channel":1,"stream":"film","mode":"au"}',
      'unsupported-mode',
    ],
    [
      'one track',
      '{"type":"subscribe","channel":1,"stream":"film","mode":"ts","track":5}',
      'unsupported-mode',
    ],
    ['credit for nothing', '{"type":"credit","channel":9,"bytes":5}', 'unknown-channel'],
    ['a channel in use', '{"type":"subscribe","channel":5,"stream":"film","mode":"ts"}', 'channel-in-use'],
  ];
  for (const [name, said, code] of mistakes) {
    it(`answers ${name} with an error and goes on`, async () => {
      const stream = addStream(registry);
      registry.add({ id: 'bare', snapshot: () => snapshotOf({ id: 'bare' }) });
      const page = await Page.open(host);
      page.say({ type: 'subscribe', channel: 5, stream: 'film', mode: 'ts' });
      page.sayText(said);
      expect(await page.hear('error')).toMatchObject({ code });
      stream.send(runOf(188, { key: true }));
      await eventually(() => page.frames.length === 1);
      page.leave();
    });
  }

  it('answers binary messages with an error', async () => {
    const page = await Page.open(host);
    page.sayText(Buffer.alloc(100));
    expect(await page.hear('error')).toMatchObject({ code: 'binary-message' });
    page.leave();
  });

  it('cuts off a page that says more than 16 KiB at once', async () => {
    const page = await Page.open(host);
    page.sayText('x'.repeat(16 * 1024 + 1));
    expect(await page.closed).toBe(1009);
  });

  it('opens sixteen channels for a page and no more', async () => {
    addStream(registry);
    const page = await Page.open(host);
    for (let channel = 0; channel < 17; channel++)
      page.say({ type: 'subscribe', channel, stream: 'film', mode: 'ts' });
    expect(await page.hear('error')).toMatchObject({ code: 'too-many-channels', channel: 16 });
    page.leave();
  });

  it('serves 256 pages and tells the next one why not', async () => {
    const pages = await Promise.all(Array.from({ length: 256 }, () => Page.open(host)));
    expect(await upgrade(host, '/api/v1/feed', { origin: `http://${host}` })).toBe(503);
    pages[0]!.leave();
    await eventually(() => true);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await upgrade(host, '/api/v1/feed', { origin: `http://${host}` })).toBe(101);
    for (const page of pages) page.leave();
  });
});

/** Bytes in buffers, with the garbage taken out first. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().arrayBuffers;
}

describe('a slow page', () => {
  it('is bounded, skips to a key frame, and disturbs nobody', async () => {
    const stream = addStream(registry);
    const slow = await Page.open(host);
    const quick = await Page.open(host);
    for (const page of [slow, quick]) page.say({ type: 'subscribe', channel: 1, stream: 'film', mode: 'ts' });
    await eventually(() => stream.listeners.size === 2);
    await slow.hear('subscribed');
    slow.pause();

    // 40 MiB, a key frame each MiB; only the quick page says what it has used up. It is at most 16 runs behind: what is on its
    // way to it is memory of this process, too.
    const runBytes = 188 * 300;
    const pushed = Math.ceil((40 * 2 ** 20) / runBytes);
    const before = heldBytes();
    const shared = runOf(runBytes).data;
    let slowestPushMs = 0;
    for (let sent = 0; sent < pushed; sent++) {
      const began = performance.now();
      stream.send({ ...runOf(0), data: shared, key: sent % 18 === 0 });
      slowestPushMs = Math.max(slowestPushMs, performance.now() - began);
      quick.say({ type: 'credit', channel: 1, bytes: runBytes });
      await new Promise(setImmediate);
      if (sent % 8 === 0) await eventually(() => quick.frames.length >= sent - 8);
    }
    // Garbage is given back in the background: what is held stays, the rest goes away.
    await eventually(() => heldBytes() - before < 4 * 2 ** 20);
    expect(slowestPushMs).toBeLessThan(200);
    await eventually(() => quick.frames.length === pushed);
    expect(quick.frames.some(({ discontinuity }) => discontinuity)).toBe(false);

    slow.resume();
    await eventually(() => slow.frames.length > 0);
    slow.say({ type: 'credit', channel: 1, bytes: 2 ** 20 });
    expect(await slow.hear('error')).toMatchObject({ code: 'too-slow', channel: 1 });
    stream.send({ ...runOf(188), key: true });
    const jump = await eventually(() => slow.frames.find(({ discontinuity }) => discontinuity));
    expect(jump.key).toBe(true);
    expect(slow.frames.length).toBeLessThan(pushed / 4);
    slow.leave();
    quick.leave();
  });

  it('that never answers holds no more than its credit', async () => {
    const stream = addStream(registry);
    const mute = await Page.open(host);
    mute.say({ type: 'subscribe', channel: 1, stream: 'film', mode: 'ts' });
    await eventually(() => stream.listeners.size === 1);
    for (let at = 0; at < 100; at++) stream.send(runOf(188 * 300, { key: at === 0 }));
    await mute.hear('error');
    const bytes = mute.frames.reduce((sum, frame) => sum + frame.bytes, 0);
    expect(bytes).toBeLessThanOrEqual(2 ** 20 + 188 * 300);
    mute.leave();
  });
});
