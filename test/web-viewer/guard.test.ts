import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Guard, MAX_HEADERS, type Questioned } from '../../web-viewer/server/guard.ts';

/** A request as Node hands it over, from `name: value` lines. */
function request(lines: string[], { method = 'GET', url = '/' } = {}): Questioned {
  const rawHeaders = lines.flatMap((line) => line.split(/: ?(.*)/, 2));
  const headers: Record<string, string> = {};
  for (let at = 0; at < rawHeaders.length; at += 2)
    headers[rawHeaders[at]!.toLowerCase()] ??= rawHeaders[at + 1]!;
  return { headers, rawHeaders, method, url };
}

const OWN = 'Host: 127.0.0.1:1316';

describe('Guard', () => {
  const guard = new Guard('127.0.0.1', 1316);

  const hosts: [name: string, lines: string[], status: number | undefined][] = [
    ['the bound address', [OWN], undefined],
    ['localhost', ['Host: localhost:1316'], undefined],
    ['the IPv6 loopback', ['Host: [::1]:1316'], undefined],
    ['a foreign name', ['Host: evil.example'], 421],
    ['a foreign name with our port', ['Host: evil.example:1316'], 421],
    ['a name that begins as ours', ['Host: localhost.evil.example:1316'], 421],
    ['another address of this machine', ['Host: 192.168.1.20:1316'], 421],
    ['our name with another port', ['Host: 127.0.0.1:80'], 421],
    ['our name without port', ['Host: 127.0.0.1'], 421],
    ['capitals', ['Host: LOCALHOST:1316'], 421],
    ['a dot at the end', ['Host: localhost.:1316'], 421],
    ['a user name', ['Host: localhost:1316@evil.example'], 421],
    ['an empty name', ['Host: '], 421],
    ['no name', ['Accept: */*'], 421],
    ['two names', [OWN, 'Host: evil.example'], 421],
    ['the same name twice', [OWN, OWN], 421],
    ['an address in other clothes', ['Host: 2130706433:1316'], 421],
  ];
  for (const [name, lines, status] of hosts) {
    it(`${status === undefined ? 'answers to' : 'refuses'} ${name}`, () => {
      expect(guard.refuseRequest(request(lines))?.status).toBe(status);
      const upgrade = request([...lines, 'Origin: http://127.0.0.1:1316']);
      expect(guard.refuseUpgrade(upgrade)?.status).toBe(status);
    });
  }

  const origins: [origin: string | undefined, plain: number | undefined, upgrade: number | undefined][] = [
    [undefined, undefined, 403],
    ['http://127.0.0.1:1316', undefined, undefined],
    ['http://localhost:1316', undefined, undefined],
    ['null', 403, 403],
    ['', 403, 403],
    ['https://127.0.0.1:1316', 403, 403],
    ['http://127.0.0.1:8080', 403, 403],
    ['http://127.0.0.1', 403, 403],
    ['https://evil.example', 403, 403],
    ['http://127.0.0.1:1316.evil.example', 403, 403],
    ['file://', 403, 403],
  ];
  for (const [origin, plain, upgrade] of origins) {
    it(`knows what to do with the origin ${origin ?? '(none)'}`, () => {
      const asked = request(origin === undefined ? [OWN] : [OWN, `Origin: ${origin}`]);
      expect(guard.refuseRequest(asked)?.status).toBe(plain);
      expect(guard.refuseUpgrade(asked)?.status).toBe(upgrade);
    });
  }

  const sites: [name: string, lines: string[], status: number | undefined][] = [
    ['its own page', ['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Mode: cors'], undefined],
    ['the address bar', ['Sec-Fetch-Site: none', 'Sec-Fetch-Mode: navigate'], undefined],
    [
      'a link on another site',
      ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'],
      undefined,
    ],
    [
      'a frame on another site',
      ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: iframe'],
      403,
    ],
    [
      'a picture on another site',
      ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: no-cors', 'Sec-Fetch-Dest: image'],
      403,
    ],
    ['another port of this machine', ['Sec-Fetch-Site: same-site', 'Sec-Fetch-Mode: cors'], 403],
  ];
  for (const [name, lines, status] of sites) {
    it(`${status === undefined ? 'serves' : 'refuses'} ${name}`, () => {
      expect(guard.refuseRequest(request([OWN, ...lines]))?.status).toBe(status);
    });
  }

  it('refuses a form that another site posts by navigating', () => {
    const lines = [OWN, 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'];
    expect(guard.refuseRequest(request(lines, { method: 'POST' }))?.status).toBe(403);
  });

  it('refuses more headers than it may have', () => {
    const many = Array.from({ length: MAX_HEADERS }, (_, at) => `X-${at}: 1`);
    expect(guard.refuseRequest(request([OWN, ...many.slice(1)]))).toBeUndefined();
    expect(guard.refuseRequest(request([OWN, ...many]))?.status).toBe(431);
  });

  it('refuses a whole URL instead of a path', () => {
    expect(guard.refuseRequest(request([OWN], { url: 'http://evil.example/' }))?.status).toBe(400);
  });

  it('knows that browsers leave port 80 out, and only that one', () => {
    expect(new Guard('127.0.0.1', 80).refuseRequest(request(['Host: 127.0.0.1']))).toBeUndefined();
  });

  it('takes the bound address for one of its names', () => {
    expect(new Guard('127.0.0.9', 1316).refuseRequest(request(['Host: 127.0.0.9:1316']))).toBeUndefined();
  });

  it('lets no other name pass, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), (host) => {
        const ours = /^(localhost|127\.0\.0\.1|\[::1\]):1316$/.test(host);
        const asked = { headers: { host }, rawHeaders: ['Host', host], method: 'GET', url: '/' };
        return (guard.refuseRequest(asked) === undefined) === ours;
      }),
      { seed: 5, numRuns: 2000 },
    );
  });
});
