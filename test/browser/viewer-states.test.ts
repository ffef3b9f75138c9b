/** What the page says in each state, to whom it is readable, and what it keeps out. No media: the snapshots are made up. */
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import type { StreamSnapshot } from '../../wire/metrics.ts';
import { addStream, eventually, runOf } from '../web-viewer/page-client.ts';
import { H264, MP2, MPEG2, snapshotOf } from '../helpers/snapshots.ts';
import { accessibilityFaults } from './accessibility.ts';
import { openStage } from './stage.ts';

const stage = openStage();

/** Shows streams whose datagrams are counted on, but bring nothing to play. */
function show(...streams: Partial<StreamSnapshot>[]): void {
  for (const [at, changes] of streams.entries()) {
    const stream = snapshotOf({ id: `stream-${at}`, name: `Stream ${at}`, ...changes });
    const snapshot = (): StreamSnapshot => {
      if (stream.state === 'playing') stream.packets += 100;
      return { ...stream };
    };
    stage.registry.add({
      id: stream.id,
      snapshot,
      feed: { subscribe: () => ({ backlog: [], close: () => undefined }) },
    });
  }
}

async function openPage(options: Parameters<Browser['newPage']>[0] = {}, path = ''): Promise<Page> {
  const page = await stage.browser.newPage(options);
  await page.goto(stage.viewer.url + path);
  await page.locator('main h1').waitFor();
  return page;
}

const STATES: [name: string, streams: Partial<StreamSnapshot>[], words: string[]][] = [
  ['no stream', [], ['No stream yet', 'lancast send film.mp4']],
  [
    'nothing has arrived',
    [{ state: 'waiting', packets: 0, programmes: [] }],
    ['Nothing has arrived yet.', 'firewall'],
  ],
  [
    'nothing has arrived on loopback',
    [{ state: 'waiting', packets: 0, interface: { name: 'lo', address: '127.0.0.1', reason: 'asked for' } }],
    ['Only senders on this computer can be heard there.'],
  ],
  [
    'unknown data',
    [{ state: 'waiting', packets: 0, refused: { 'bad-version': 12 } }],
    ['lancast does not understand', '12 datagrams', 'bad-version'],
  ],
  ['silence', [{ state: 'silent', silentMs: 72_000 }], ['No data since', '72 s', 'IGMP querier']],
  ['the end', [{ state: 'ended' }], ['The sender has ended the stream.']],
  ['a second sender', [{ secondSender: '192.168.1.77:5000' }], ['A second sender', '192.168.1.77:5000']],
  ['our own drops', [{ kernelDrops: 212 }], ['This computer dropped data itself.', '212', 'sysctl']],
  [
    'bare MPEG-TS',
    [{ framing: 'udp', lossMayBeUnderstated: true, unrecovered: 3, lost: 3 }],
    ['Loss may be higher than shown.', 'at least'],
  ],
  [
    'a picture that no browser plays',
    [{ programmes: [{ number: 1, pcrPid: 258, streams: [MPEG2, MP2] }] }],
    ['this browser cannot play MPEG-2 video', 'vlc rtp://@239.255.13.16:5004'],
  ],
  [
    'a sound that no browser plays',
    [{ programmes: [{ number: 1, pcrPid: 256, streams: [H264, MP2] }] }],
    ['No sound: this browser cannot play MP2.', 'vlc rtp://@239.255.13.16:5004'],
  ],
];

describe('words', () => {
  for (const [name, streams, words] of STATES) {
    it(`says what is wrong: ${name}`, async () => {
      show(...streams);
      const page = await openPage();
      const said = await page.locator('main').innerText();
      for (const word of words) expect(said).toContain(word);
      await page.close();
    });
  }

  it('tells those who do not see the page, too', async () => {
    show({ state: 'ended' });
    const page = await openPage();
    expect(await page.locator('[role=status]').innerText()).toBe('The sender has ended the stream.');
    await page.close();
  });

  it('says that data comes without a key frame', async () => {
    show({});
    const page = await openPage();
    await page.locator('.trouble', { hasText: 'no picture can start yet' }).waitFor({ timeout: 15_000 });
    await page.close();
  });

  it('counts losses into chart, sentence and table', async () => {
    const stream = snapshotOf();
    stage.registry.add({
      id: stream.id,
      snapshot() {
        stream.packets += 99;
        stream.unrecovered += 1;
        stream.lost += 2;
        stream.recovered += 1;
        return { ...stream };
      },
    });
    const page = await openPage();
    await page
      .locator('.summary', { hasText: /^\d of \d+ datagrams lost \(1 %\), in \d seconds?\. \d more were/ })
      .waitFor();
    await page.locator('summary').click();
    expect(await page.locator('tbody td').nth(1).innerText()).toMatch(/^\d+ \(1 %\)$/);
    expect(await page.locator('.title .health').innerText()).toBe('Heavy loss');
    await page.close();
  });

  it('has no row for what is not known', async () => {
    const { jitterMs: _jitter, source: _source, ...known } = snapshotOf();
    stage.registry.add({ id: known.id, snapshot: () => known });
    const page = await openPage();
    const labels = await page.locator('.numbers dt').allInnerTexts();
    expect(labels).toContain('Bitrate');
    for (const unknown of [
      'Jitter',
      'Sender',
      'Dropped by this computer',
      'Sent before we joined',
      'Picture delay',
    ])
      expect(labels).not.toContain(unknown);
    await page.close();
  });
});

describe('several streams', () => {
  it('are listed, and each has an address of its own', async () => {
    show({ name: 'One' }, { name: 'Two', state: 'silent', silentMs: 9000 });
    const page = await openPage();
    expect(await page.locator('.tile').allInnerTexts()).toEqual([
      expect.stringMatching(/^One\s+Good\s+Video · 2\.0 Mbit\/s$/),
      expect.stringMatching(/^Two\s+No data\s+Video$/),
    ]);
    await page.locator('.tile', { hasText: 'Two' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('h1', { hasText: 'Two' }).waitFor();
    expect(new URL(page.url()).pathname).toBe('/stream-1');
    await page.goBack();
    await page.locator('h1', { hasText: 'One' }).waitFor();
    await page.goto(`${stage.viewer.url}stream-1`);
    await page.locator('h1', { hasText: 'Two' }).waitFor();
    expect(await page.locator('.trouble', { hasText: 'no stream called' }).count()).toBe(0);
    await page.close();
  });

  it('are not mixed up without a word', async () => {
    show({ name: 'One' });
    const page = await openPage();
    await page.goto(`${stage.viewer.url}stream-7`);
    await page.locator('.trouble', { hasText: 'There is no stream called "stream-7" here.' }).waitFor();
    await page.locator('.tile', { hasText: 'One' }).click();
    await page.locator('.trouble').waitFor({ state: 'detached' });
    expect(new URL(page.url()).pathname).toBe('/stream-0');
    await page.close();
  });
});

describe('for everybody', () => {
  const widths: [name: string, width: number, height: number][] = [
    ['phone', 360, 740],
    ['tablet', 820, 1180],
    ['desktop', 1440, 900],
  ];
  const all: Partial<StreamSnapshot>[] = [
    {
      name: 'A name that is much longer than any tile is wide, and-has-parts-that-do-not-break-anywhere-at-all',
      state: 'silent',
      silentMs: 72_000,
      kernelDrops: 3,
      secondSender: '192.168.1.77:5000',
      lossMayBeUnderstated: true,
      programmes: [{ number: 1, pcrPid: 258, streams: [MPEG2, MP2] }],
    },
    {},
    { unrecovered: 5, lost: 5, state: 'ended' },
    { state: 'waiting', packets: 0, programmes: [] },
  ];
  for (const [name, width, height] of widths) {
    for (const colorScheme of ['light', 'dark'] as const) {
      it(`is readable and reachable on a ${name}, ${colorScheme}`, async () => {
        show(...all);
        const page = await openPage({ viewport: { width, height }, colorScheme });
        await page.locator('summary').click();
        expect(await accessibilityFaults(page)).toEqual([]);
        await page.keyboard.press('?');
        await page.locator('dialog[open]').waitFor();
        expect(await accessibilityFaults(page)).toEqual([]);
        await page.close();
      });
    }
  }

  it('keeps the colours that were chosen', async () => {
    show({});
    const page = await openPage({ colorScheme: 'light' });
    const ground = (): Promise<string> =>
      page.evaluate<string>('getComputedStyle(document.documentElement).backgroundColor');
    const light = await ground();
    await page.locator('button[aria-label="Colours: Automatic"]').click();
    expect(await ground()).toBe(light);
    await page.locator('button[aria-label="Colours: Light"]').click();
    expect(await ground()).not.toBe(light);
    await page.reload();
    await page.locator('button[aria-label="Colours: Dark"]').waitFor();
    expect(await ground()).not.toBe(light);
    await page.close();
  });

  it('is small: at most 120 kB of code, packed, beside the demuxer', async () => {
    const assets = await readdir(join(stage.pageFolder, 'assets'));
    const scripts = assets.filter((file) => file.endsWith('.js') && !file.startsWith('demuxer'));
    const packed = await Promise.all(
      scripts.map(async (file) => gzipSync(await readFile(join(stage.pageFolder, 'assets', file))).length),
    );
    expect(assets.some((file) => file.startsWith('demuxer'))).toBe(true);
    expect(packed.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(120_000);
  });
});

describe('kept out', () => {
  it('runs nothing that a sender writes into a name', async () => {
    const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
    show({
      name: hostile,
      address: `rtp://${hostile}`,
      source: hostile,
      secondSender: hostile,
      refused: { [hostile]: 1 },
    });
    const page = await openPage();
    expect(await page.locator('h1').innerText()).toBe(hostile);
    expect(await page.evaluate<number>(`document.querySelectorAll('img[src=x]').length`)).toBe(0);
    expect(await page.title()).not.toBe('owned');
    await page.close();
  });

  it('lets a page of another site neither read nor watch', async () => {
    show({});
    const foreign = createServer((_request, response) => response.end('<h1>elsewhere</h1>'));
    await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve));
    try {
      const address = foreign.address();
      const port = typeof address === 'object' ? address?.port : undefined;
      const page = await stage.browser.newPage();
      for (const name of ['127.0.0.1', 'localhost']) {
        await page.goto(`http://${name}:${port}/`);
        const found = await page.evaluate<string[]>(`(async () => {
          const viewer = ${JSON.stringify(stage.viewer.url)};
          const outcome = (promise) => promise.then((text) => 'got ' + text, () => 'nothing');
          const loads = (tag, path) => new Promise((resolve, reject) => {
            const element = Object.assign(document.createElement(tag), { onload: () => resolve(tag), onloadeddata: () => resolve(tag), onerror: reject, src: viewer + path });
            document.body.append(element);
          });
          return Promise.all([
            outcome(fetch(viewer + 'api/v1/streams').then((response) => response.text())),
            outcome(fetch(viewer + 'api/v1/streams', { mode: 'no-cors' }).then((response) => response.text()).then((text) => text || Promise.reject())),
            outcome(fetch(viewer + 'api/v1/streams', { method: 'POST', body: '{}' }).then((response) => response.text())),
            outcome(new Promise((resolve, reject) => {
              const socket = new WebSocket(viewer.replace('http', 'ws') + 'api/v1/feed');
              socket.onopen = () => resolve('socket');
              socket.onerror = reject;
            })),
            outcome(loads('img', 'icon.svg')),
            outcome(loads('script', 'api/v1/streams')),
          ]);
        })()`);
        expect(found).toEqual(found.map(() => 'nothing'));
      }
      await page.close();
    } finally {
      foreign.close();
    }
  });

  it('says so when the page is too slow, and goes on', async () => {
    const stream = addStream(stage.registry);
    const page = await openPage();
    await eventually(() => stream.listeners.size > 0);
    for (let at = 0; at < 200; at++) stream.send(runOf(188 * 300, { key: at === 0 }));
    await page.locator('.trouble', { hasText: 'This page could not keep up.' }).waitFor();
    await page.close();
  });
});
