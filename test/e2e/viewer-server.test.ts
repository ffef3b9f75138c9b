/** The viewer's HTTP server over real sockets: who is let in, what is served, where it listens. */
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { request, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startViewer, StreamRegistry, type Viewer } from '../../web-viewer/server/index.ts';
import type { LossSecond } from '../../wire/metrics.ts';
import { Page, upgrade } from '../web-viewer/page-client.ts';
import { snapshotOf } from '../helpers/snapshots.ts';

const SECRET = 'outside of the page';

let folder: string;
let registry: StreamRegistry;
let viewer: Viewer;
let host: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lancast-viewer-'));
  await mkdir(join(folder, 'page/assets'), { recursive: true });
  await writeFile(join(folder, 'secret.txt'), SECRET);
  await writeFile(join(folder, 'page/index.html'), '<title>lancast</title>');
  await writeFile(join(folder, 'page/assets/index-abc.js'), 'export {};');
  await writeFile(join(folder, 'page/.hidden'), SECRET);
  registry = new StreamRegistry();
  viewer = await start({ port: 0, explicit: true });
  host = `127.0.0.1:${viewer.port}`;
});

afterEach(async () => {
  await viewer.close();
  await rm(folder, { recursive: true });
});

function start(http: { port: number; explicit: boolean; host?: string }): Promise<Viewer> {
  return startViewer({
    registry,
    http: { host: '127.0.0.1', ...http },
    pageFolder: join(folder, 'page'),
  });
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** A request whose path and headers go out exactly as given. */
function ask(path: string, headers: Record<string, string | string[]> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: viewer.port, path, method, headers: { host, ...headers } };
    request(options, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => (body += text));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    })
      .on('error', reject)
      .end();
  });
}

/** The status line that raw bytes are answered with. */
function sendRaw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(viewer.port, '127.0.0.1', () => socket.write(text));
    socket.setTimeout(5000, () => socket.destroy(new Error('no answer')));
    socket.once('data', (data) => {
      resolve(data.toString().split('\r\n')[0] ?? '');
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

const ROUTES = [
  '/',
  '/film',
  '/assets/index-abc.js',
  '/assets/none.js',
  '/api/v1/streams',
  '/api/v1/streams/film',
  '/api/v1/streams/film/losses',
  '/api/v1/nothing',
  '/api/v1/feed',
];

describe('who is let in', () => {
  const names = [
    'evil.example',
    'evil.example:PORT',
    'localhost',
    'LOCALHOST:PORT',
    'localhost.:PORT',
    '192.168.1.20:PORT',
  ];
  for (const route of ROUTES) {
    it(`refuses ${route} under any name that is not ours`, async () => {
      for (const name of names) {
        const foreign = name.replace('PORT', String(viewer.port));
        const { status, body } = await ask(route, { host: foreign });
        expect([foreign, status]).toEqual([foreign, 421]);
        expect(JSON.parse(body)).toMatchObject({ status: 421, title: 'Misdirected Request' });
      }
    });

    it(`refuses ${route} to foreign pages and says nothing to them`, async () => {
      for (const origin of ['https://evil.example', 'null', `http://127.0.0.1:${viewer.port + 1}`]) {
        const { status, headers } = await ask(route, { origin });
        expect([origin, status]).toEqual([origin, 403]);
        expect(headers).not.toHaveProperty('access-control-allow-origin');
      }
    });
  }

  const malformed: [name: string, lines: string, status: number][] = [
    ['no name at all', 'GET / HTTP/1.1\r\n', 421],
    ['HTTP/1.0 without a name', 'GET / HTTP/1.0\r\n', 421],
    ['two names', 'GET / HTTP/1.1\r\nHost: OURS\r\nHost: evil.example\r\n', 421],
    ['a whole URL', 'GET http://evil.example/ HTTP/1.1\r\nHost: OURS\r\n', 400],
    ['an asterisk', 'OPTIONS * HTTP/1.1\r\nHost: OURS\r\n', 400],
    ['too many headers', `GET / HTTP/1.1\r\nHost: OURS\r\n${'X: 1\r\n'.repeat(64)}`, 431],
    ['2000 headers', `GET / HTTP/1.1\r\nHost: OURS\r\n${'X: 1\r\n'.repeat(2000)}`, 431],
    ['garbage', '\x16\x03\x01\x02\r\n', 400],
  ];
  for (const [name, lines, status] of malformed) {
    it(`answers ${name} with ${status}`, async () => {
      const answer = await sendRaw(`${lines.replaceAll('OURS', host)}\r\n`);
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    });
  }

  it('tells about each refused request once', async () => {
    const refused: string[] = [];
    await viewer.close();
    viewer = await startViewer({
      registry,
      http: { host: '127.0.0.1', port: 0, explicit: true },
      pageFolder: join(folder, 'page'),
      onRefused: ({ code, details }) => refused.push(`${code} ${String(details['origin'])}`),
    });
    host = `127.0.0.1:${viewer.port}`;
    await ask('/', { origin: 'https://evil.example' });
    await upgrade(host, '/api/v1/feed', { origin: 'https://evil.example' });
    expect(refused).toEqual(['E503 https://evil.example', 'E503 https://evil.example']);
  });

  const upgrades: [
    name: string,
    path: string,
    headers: (own: string) => Record<string, string>,
    status: number,
  ][] = [
    ['its own page', '/api/v1/feed', (own) => ({ origin: `http://${own}` }), 101],
    ['no origin', '/api/v1/feed', () => ({}), 403],
    ['the origin null', '/api/v1/feed', () => ({ origin: 'null' }), 403],
    ['a foreign page', '/api/v1/feed', () => ({ origin: 'https://evil.example' }), 403],
    ['a foreign page under our name', '/api/v1/feed', () => ({ origin: 'https://127.0.0.1' }), 403],
    ['a rebound name', '/api/v1/feed', () => ({ host: 'evil.example', origin: 'http://evil.example' }), 421],
    ['another path', '/api/v1/streams', (own) => ({ origin: `http://${own}` }), 404],
  ];
  for (const [name, path, headers, status] of upgrades) {
    it(`answers an upgrade from ${name} with ${status}`, async () => {
      expect(await upgrade(host, path, headers(host))).toBe(status);
    });
  }
});

describe('what is served', () => {
  it('lists the streams and each of them, with the counters of record --json', async () => {
    registry.add({ id: 'film', snapshot: () => snapshotOf({ lost: 4, unrecovered: 1, recovered: 3 }) });
    const list = await ask('/api/v1/streams');
    expect(list.headers).toMatchObject({ 'content-type': /^application\/json/, 'cache-control': 'no-store' });
    expect(JSON.parse(list.body)).toEqual({
      streams: [snapshotOf({ lost: 4, unrecovered: 1, recovered: 3 })],
    });
    const film = await ask('/api/v1/streams/film');
    expect(JSON.parse(film.body)).toMatchObject({
      packets: 1000,
      lost: 4,
      recovered: 3,
      unrecovered: 1,
      late: 0,
    });
  });

  it('tells the causes of losses and what repair did, as far as they are known', async () => {
    const causes = { network: 3, ownBuffer: 1, late: 0, overflow: 0, source: 2 };
    const advice = [{ setting: '2022:10x5', repairedShare: 1, overheadShare: 0.2, delayMs: 640 }];
    const repair = { fec: 3, retransmitted: 1, asked: 1, refused: {}, advice };
    registry.add({ id: 'film', snapshot: () => snapshotOf({ causes, repair }) });
    registry.add({ id: 'bare', snapshot: () => snapshotOf({ id: 'bare' }) });
    const { streams } = JSON.parse((await ask('/api/v1/streams')).body);
    expect(streams[0]).toMatchObject({ causes, repair });
    expect(streams[1]).not.toHaveProperty('causes');
    expect(streams[1]).not.toHaveProperty('repair');
  });

  it('tells what was lost in each second, as far back as it is asked for', async () => {
    const row = { network: 2, ownBuffer: 0, late: 1, overflow: 0, source: 0, recovered: 7, overruns: 0 };
    const asked: number[] = [];
    const lossHistory = (seconds: number): LossSecond[] => {
      asked.push(seconds);
      return [
        { secondsAgo: 4, ...row },
        { secondsAgo: 0, ...row },
      ];
    };
    registry.add({ id: 'film', snapshot: () => snapshotOf(), lossHistory });
    const before = Date.now();
    const { status, headers, body } = await ask('/api/v1/streams/film/losses');
    expect(status).toBe(200);
    expect(headers).toMatchObject({ 'content-type': /^application\/json/, 'cache-control': 'no-store' });
    const report = JSON.parse(body);
    expect(report.losses).toEqual(lossHistory(600));
    expect(report.watchedSeconds).toBe(1);
    expect(Date.parse(report.at)).toBeGreaterThan(before - 1100);
    expect(Date.parse(report.at)).toBeLessThanOrEqual(Date.now());
    await ask('/api/v1/streams/film/losses?seconds=5');
    expect(asked).toEqual([600, 600, 5]);
  });

  it('numbers the seconds so that those of two reports are the same', async () => {
    registry.add({ id: 'film', snapshot: () => snapshotOf(), lossHistory: () => [] });
    const reports: { second: number; at: string }[] = [];
    for (let tries = 0; tries < 12; tries++) {
      reports.push(JSON.parse((await ask('/api/v1/streams/film/losses')).body));
      await new Promise((resolve) => setTimeout(resolve, 130));
    }
    const starts = reports.map(({ second, at }) => Date.parse(at) - second * 1000);
    expect(Math.max(...starts) - Math.min(...starts)).toBeLessThan(50);
    expect(new Set(reports.map(({ second }) => second)).size).toBeGreaterThan(1);
  });

  it('names what is wrong with a question about losses', async () => {
    registry.add({ id: 'film', snapshot: () => snapshotOf(), lossHistory: () => [] });
    registry.add({ id: 'counted', snapshot: () => snapshotOf() });
    const bad = ['0', '601', '1000', '-1', '1.5', '1e2', '', 'ten', '٣', ' 5', '5&seconds=6'];
    const paths: [path: string, status: number][] = [
      ...bad.map((seconds): [string, number] => [
        `/api/v1/streams/film/losses?seconds=${encodeURI(seconds)}`,
        400,
      ]),
      ['/api/v1/streams/none/losses', 404],
      ['/api/v1/streams/counted/losses', 404],
      ['/api/v1/streams/film/losses/more', 404],
    ];
    for (const [path, expected] of paths) {
      const { status, headers, body } = await ask(path);
      expect([path, status]).toEqual([path, expected]);
      expect(headers['content-type']).toMatch(/^application\/problem\+json/);
      expect(JSON.parse(body)).toMatchObject({ status: expected, detail: expect.any(String) });
    }
    expect((await ask('/api/v1/streams/film/losses?seconds=600')).status).toBe(200);
  });

  it('forgets a stream that was taken out', async () => {
    const remove = registry.add({ id: 'film', snapshot: () => snapshotOf() });
    remove();
    expect((await ask('/api/v1/streams/film')).status).toBe(404);
  });

  it('names what is wrong as problem+json', async () => {
    for (const path of ['/api/v1/streams/none', '/api/v1/none', '/api', '/assets/none.js']) {
      const { status, headers, body } = await ask(path);
      expect([path, status]).toEqual([path, 404]);
      expect(headers['content-type']).toMatch(/^application\/problem\+json/);
      expect(JSON.parse(body)).toMatchObject({ status: 404, detail: expect.any(String) });
    }
  });

  it('answers reading only', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])
      expect([method, (await ask('/api/v1/streams', {}, method)).status]).toEqual([method, 405]);
    expect((await ask('/', {}, 'HEAD')).status).toBe(200);
  });

  it('serves the page at / and at the address of any stream, and never lets it grow stale', async () => {
    for (const path of ['/', '/film', '/a-stream.with~signs_']) {
      const { status, headers, body } = await ask(path);
      expect([path, status, body]).toEqual([path, 200, '<title>lancast</title>']);
      expect(headers['cache-control']).toBe('no-cache');
    }
  });

  it('lets browsers keep files that are named after their content', async () => {
    expect((await ask('/assets/index-abc.js')).headers['cache-control']).toContain('immutable');
  });

  it('says how to build the page when it is not there', async () => {
    await rm(join(folder, 'page'), { recursive: true });
    const { status, body } = await ask('/');
    expect(status).toBe(503);
    expect(body).toContain('npm run build');
  });

  it('sends the security headers with every answer', async () => {
    for (const [path, headers] of [
      ...ROUTES.map((route) => [route, {}] as const),
      ['/', { origin: 'null' }] as const,
    ]) {
      const answer = await ask(path, headers);
      expect(answer.headers).toMatchObject({
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-embedder-policy': 'require-corp',
        'cross-origin-resource-policy': 'same-origin',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
      });
      const policy = answer.headers['content-security-policy'];
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain('unsafe');
      expect(answer.headers).not.toHaveProperty('x-powered-by');
    }
  });

  it('gives out nothing from outside the page, whatever the path', async () => {
    const ups = ['..', '%2e%2e', '%2E.', '..%00', '....', '..;', '%252e%252e', '%c0%ae%c0%ae', '．．'];
    const slashes = ['/', '%2f', '%5c', '\\', '//', '%252f', '/./'];
    const paths = ups.flatMap((up) =>
      slashes.flatMap((slash) =>
        [1, 2, 4].flatMap((depth) => {
          const climb = `${up}${slash}`.repeat(depth);
          return [
            `/${climb}secret.txt`,
            `/assets${slash}${climb}secret.txt`,
            `/assets/${climb}etc${slash}passwd`,
          ];
        }),
      ),
    );
    const others = [
      '/.hidden',
      '/.hidden/',
      '/C:/secret.txt',
      '//etc/passwd',
      '/file:///etc/passwd',
      `/${'a'.repeat(5000)}`,
      '/%',
      '/%zz',
      '/%00',
      '/\u00e4',
    ];
    for (const path of [...paths, ...others]) {
      const { status, body } = await ask(encodeURI(path).replaceAll('%25', '%'));
      expect([path, body.includes(SECRET) || body.includes('root:')]).toEqual([path, false]);
      expect([path, status < 500]).toEqual([path, true]);
    }
    expect(paths.length).toBeGreaterThan(500);
  }, 60_000);
});

describe('where it listens', () => {
  it('refuses an address of the network: E502', async () => {
    for (const address of ['0.0.0.0', '::', '192.168.1.20', 'example.org', ''])
      await expect(start({ host: address, port: 0, explicit: true })).rejects.toMatchObject({ code: 'E502' });
  });

  it('moves on to the next free port, and tells', async () => {
    const second = await start({ port: viewer.port, explicit: false });
    expect(second.port).toBeGreaterThan(viewer.port);
    expect(second.movedFrom).toBe(viewer.port);
    expect(second.url).toBe(`http://127.0.0.1:${second.port}/`);
    await second.close();
  });

  it('insists on a port that was asked for: E112', async () => {
    await expect(start({ port: viewer.port, explicit: true })).rejects.toMatchObject({
      code: 'E112',
      details: { host: '127.0.0.1', port: viewer.port },
    });
  });

  it('frees its port when it is closed, with pages connected', async () => {
    const { port } = viewer;
    const page = await Page.open(host);
    await viewer.close();
    await page.closed;
    viewer = await start({ port, explicit: true });
    expect(viewer.port).toBe(port);
  });
});
