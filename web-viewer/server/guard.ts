/**
 * Who may talk to the viewer: this machine's browser, on our own page, by one of our own names.
 *
 * Any web page can make a browser on this machine send requests here, and DNS rebinding can make it believe that we are that
 * page's own server. So every route and every WebSocket upgrade is checked: `Host` is one of our names with our port, `Origin`
 * is our own page, and `Sec-Fetch-Site`, where a browser sends it, is not another site's.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** Why a request is refused. */
export interface Refusal {
  status: 400 | 403 | 421 | 431;
  /** One sentence for people. */
  detail: string;
}

/** Most headers a request may have. */
export const MAX_HEADERS = 64;

/** What the guard looks at; `IncomingMessage` has it. */
export type Questioned = Pick<IncomingMessage, 'headers' | 'rawHeaders' | 'method' | 'url'>;

/** Checks requests to a server that is bound to `address`:`port`. */
export class Guard {
  readonly #hosts: ReadonlySet<string>;

  constructor(address: string, port: number) {
    this.#hosts = new Set(ownNames(address).flatMap((name) => withPort(name, port)));
  }

  /** `undefined` when a plain request may pass. */
  refuseRequest(request: Questioned): Refusal | undefined {
    const { origin } = request.headers;
    const refusal = this.#refuseHost(request);
    if (refusal !== undefined) return refusal;
    if (origin !== undefined && !this.#isOurs(origin)) return foreign(origin);
    if (crossSite(request.headers, request.method)) return foreign('another site');
    return undefined;
  }

  /** `undefined` when a WebSocket may be opened. Browsers always send `Origin` here, so it must be there. */
  refuseUpgrade(request: Questioned): Refusal | undefined {
    const { origin } = request.headers;
    const refusal = this.#refuseHost(request);
    if (refusal !== undefined) return refusal;
    return origin !== undefined && this.#isOurs(origin)
      ? undefined
      : foreign(origin ?? 'a page without origin');
  }

  #refuseHost({ rawHeaders, headers, url }: Questioned): Refusal | undefined {
    if (rawHeaders.length > 2 * MAX_HEADERS)
      return { status: 431, detail: `More than ${MAX_HEADERS} headers.` };
    if (url === undefined || !url.startsWith('/'))
      return { status: 400, detail: 'The path must begin with a slash.' };
    const hosts = rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host').length;
    if (hosts === 1 && headers.host !== undefined && this.#hosts.has(headers.host)) return undefined;
    return {
      status: 421,
      detail: 'This server does not answer to that name. Use the address that lancast printed.',
    };
  }

  #isOurs(origin: string): boolean {
    return origin.startsWith('http://') && this.#hosts.has(origin.slice('http://'.length));
  }
}

function foreign(origin: string): Refusal {
  return { status: 403, detail: `Blocked a request from ${origin} to the local viewer.` };
}

/** True for what another site's page loads or sends. Following a link to the page is not that. */
function crossSite(headers: IncomingHttpHeaders, method: string | undefined): boolean {
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return false;
  return !(
    method === 'GET' &&
    headers['sec-fetch-mode'] === 'navigate' &&
    headers['sec-fetch-dest'] === 'document'
  );
}

function ownNames(address: string): string[] {
  const literal = address.includes(':') ? `[${address}]` : address;
  return [...new Set(['localhost', '127.0.0.1', '[::1]', literal])];
}

/** The name as browsers write it in `Host`: the port is left out when it is 80. */
function withPort(name: string, port: number): string[] {
  return port === 80 ? [name, `${name}:80`] : [`${name}:${port}`];
}
