/** `/api/v1/feed`: the one WebSocket of each page. Snapshots once a second, media as the page subscribes to it. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { writeFeedMessage } from '../../wire/feed.ts';
import { PageSession, type Shared } from './page-session.ts';
import { refuseUpgrade } from './problem.ts';
import type { StreamRegistry } from './registry.ts';
import { RunMessages } from './run-messages.ts';

/** Where the WebSocket lives. */
export const FEED_PATH = '/api/v1/feed';
/** Most pages at a time. */
export const MAX_PAGES = 256;

/** Control messages are short; a longer one ends the connection. */
const MAX_MESSAGE_BYTES = 16 * 1024;
const SNAPSHOT_INTERVAL_MS = 1000;
/** A page that vanished without a word (a laptop put to sleep) is let go after two of these. */
const PINGS_EVERY_TICKS = 15;

/** Serves pages until it is closed. Upgrades must have passed the guard. */
export class FeedServer {
  readonly #shared: Shared;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    clientTracking: false,
  });
  readonly #pages = new Map<WebSocket, PageSession>();
  readonly #timer: NodeJS.Timeout;
  #ticks = 0;

  constructor(registry: StreamRegistry) {
    this.#shared = { registry, messages: new RunMessages() };
    this.#timer = setInterval(() => this.#tick(), SNAPSHOT_INTERVAL_MS);
    this.#timer.unref();
  }

  /** Pages connected now. */
  get pages(): number {
    return this.#pages.size;
  }

  /** Takes a guarded upgrade of this server's path; others are refused. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (request.url !== FEED_PATH) return refuseUpgrade(socket, { status: 404, detail: 'No such feed.' });
    if (this.#pages.size >= MAX_PAGES)
      return refuseUpgrade(socket, { status: 503, detail: `${MAX_PAGES} pages are open already.` });
    this.#sockets.handleUpgrade(request, socket, head, (page) => this.#open(page, socket));
  }

  close(): void {
    clearInterval(this.#timer);
    for (const [socket, page] of this.#pages) {
      page.close();
      socket.terminate();
    }
    this.#pages.clear();
  }

  #open(socket: WebSocket, stream: Duplex): void {
    const page = new PageSession(socket, stream, this.#shared);
    this.#pages.set(socket, page);
    // A page that breaks the protocol (an oversized message, bad UTF-8) is closed by `ws`; there is nothing to add.
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      page.close();
      this.#pages.delete(socket);
    });
    page.sendStreams(this.#snapshots());
  }

  #tick(): void {
    if (this.#pages.size === 0) return;
    const text = this.#snapshots();
    const pinging = ++this.#ticks % PINGS_EVERY_TICKS === 0;
    for (const page of this.#pages.values()) {
      page.closeRemoved();
      page.sendStreams(text);
      if (pinging) page.ping();
    }
  }

  #snapshots(): string {
    return writeFeedMessage({ type: 'streams', streams: this.#shared.registry.snapshots() });
  }
}
