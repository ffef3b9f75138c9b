/** The viewer's server: listens, guards, serves the page, the API and the feeds. */
import { createServer, type RequestListener, type Server } from 'node:http';
import { isIPv4, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { LancastError } from '../../wire/errors.ts';
import { refusedError, viewerApp } from './app.ts';
import { FeedServer } from './feed.ts';
import { Guard, MAX_HEADERS } from './guard.ts';
import { refuseUpgrade } from './problem.ts';
import type { StreamRegistry } from './registry.ts';

export { StreamRegistry, type StreamEntry } from './registry.ts';

/** The port of the viewer: the bytes of a datagram. */
export const DEFAULT_HTTP_PORT = 1316;

/** Where to listen. */
export interface HttpAddress {
  /** Numeric address. Only this machine's loopback is accepted: 127.0.0.0/8 and ::1. */
  host: string;
  /** 0 to 65535; 0 is any free one. */
  port: number;
  /** True when a person asked for this very port: then it is not replaced by the next free one. */
  explicit: boolean;
}

/** Options of `startViewer`. */
export interface ViewerOptions {
  registry: StreamRegistry;
  http: HttpAddress;
  /** Told of each request that a foreign page or name sent (E503). Default: nobody. */
  onRefused?: (error: LancastError) => void;
  /** Folder of the built page. Default: `dist/page` of this installation. */
  pageFolder?: string;
}

/** A running viewer. */
export interface Viewer extends AsyncDisposable {
  /** The page's address, such as `http://127.0.0.1:1316/`. */
  readonly url: string;
  readonly port: number;
  /** The port that was taken, when the next free one is used instead. */
  readonly movedFrom?: number;
  close(): Promise<void>;
}

/** Starts the viewer. Throws `LancastError` E112 (port taken) and E502 (not a loopback address). */
export async function startViewer(options: ViewerOptions): Promise<Viewer> {
  const { http, registry } = options;
  if (!isLoopback(http.host))
    throw new LancastError('E502', `refused to open the viewer on ${http.host}`, { host: http.host });
  const onRefused = options.onRefused ?? (() => undefined);
  let guard = new Guard(http.host, http.port);
  const app = viewerApp({
    registry,
    guard: () => guard,
    pageFolder: options.pageFolder ?? builtPage(),
    onRefused,
  });
  const server = patientServer(app);
  const feeds = new FeedServer(registry);
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    const refusal = guard.refuseUpgrade(request);
    if (refusal === undefined) return feeds.upgrade(request, socket, head);
    onRefused(refusedError(refusal, request));
    refuseUpgrade(socket, refusal);
  });
  const close = async (): Promise<void> => {
    feeds.close();
    server.closeAllConnections();
    if (server.listening) await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  const port = await listen(server, http).catch(async (cause: unknown) => {
    await close();
    throw cause;
  });
  guard = new Guard(http.host, port);
  return {
    url: `http://${isIPv4(http.host) ? http.host : `[${http.host}]`}:${port}/`,
    port,
    ...(http.port !== 0 && port !== http.port ? { movedFrom: http.port } : {}),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A server that bounds what one client can hold: headers, time to send them, connections. */
function patientServer(app: RequestListener): Server {
  const server = createServer(
    // The guard answers requests without `Host`; Node would otherwise do so without our headers.
    { requireHostHeader: false, headersTimeout: 10_000, requestTimeout: 20_000 },
    app,
  );
  server.maxHeadersCount = MAX_HEADERS + 1;
  server.maxConnections = 512;
  return server;
}

function isLoopback(host: string): boolean {
  return host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/** Beside the compiled server, wherever it is run from: `dist/web-viewer/server/` and `dist/page/`. */
function builtPage(): string {
  const compiled = import.meta.url.endsWith('.js');
  return fileURLToPath(new URL(compiled ? '../../page' : '../../dist/page', import.meta.url));
}

/** Binds and tells the port. Moves on to the next one while the port is taken, unless it was asked for. */
async function listen(server: Server, { host, port, explicit }: HttpAddress): Promise<number> {
  const last = explicit || port === 0 ? port : Math.min(port + 99, 65_535);
  for (let candidate = port; ; candidate++) {
    try {
      return await tryListen(server, host, candidate);
    } catch (cause) {
      if (!isTaken(cause)) throw cause;
      if (candidate < last) continue;
      throw new LancastError('E112', `${host}:${port} is in use`, { host, port }, { cause });
    }
  }
}

function tryListen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      server.removeListener('error', reject);
      resolve(portOf(server.address()));
    });
  });
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}

function isTaken(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
}
