/** A page as the viewer's server sees it, and streams for it to watch. */
import { createHash } from 'node:crypto';
import { WebSocket } from 'ws';
import type { FeedListener, FeedRun } from '../../receiver/sinks/viewer-feed.ts';
import type { StreamRegistry } from '../../web-viewer/server/index.ts';
import { CREDIT_STEP_BYTES, parseFeedFrame, parseServerMessage, writeFeedMessage } from '../../wire/feed.ts';
import type { ClientMessage, FeedHeader, ServerMessage } from '../../wire/feed.ts';
import { snapshotOf } from '../helpers/snapshots.ts';

/** A page as the server sees it. */
export class Page {
  readonly frames: (FeedHeader & { bytes: number })[] = [];
  readonly messages: ServerMessage[] = [];
  readonly closed: Promise<number>;
  readonly #socket: WebSocket;
  readonly #bodies = createHash('sha256');
  #bytes = 0;
  #watched: number | undefined;
  #unspokenBytes = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('message', (data, isBinary) => {
      if (!Buffer.isBuffer(data)) throw new Error('one buffer expected');
      if (isBinary) {
        const frame = parseFeedFrame(data);
        if (typeof frame === 'string') throw new Error(frame);
        // Without the body: the memory of the whole process is measured.
        const { body, ...header } = frame;
        this.frames.push({ ...header, bytes: body.length });
        this.#bodies.update(body);
        this.#bytes += body.length;
        if (this.#watched === header.channel) this.#useUp(body.length);
        return;
      }
      const message = parseServerMessage(data.toString());
      if (typeof message === 'string') throw new Error(message);
      this.messages.push(message);
    });
  }

  static async open(host: string): Promise<Page> {
    const socket = new WebSocket(`ws://${host}/api/v1/feed`, { origin: `http://${host}` });
    const page = new Page(socket);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return page;
  }

  say(message: ClientMessage): void {
    this.sayText(writeFeedMessage(message));
  }

  /** Subscribes, and then says what it has used up, as the page does. */
  watch(channel: number, stream: string): void {
    this.#watched = channel;
    this.say({ type: 'subscribe', channel, stream, mode: 'ts' });
  }

  /** Bytes of all frames so far, without headers. */
  get bytes(): number {
    return this.#bytes;
  }

  /** SHA-256 of these bytes, hexadecimal. */
  get sha256(): string {
    return this.#bodies.copy().digest('hex');
  }

  sayText(text: string | Buffer): void {
    this.#socket.send(text);
  }

  /** Stops and goes on reading from the socket. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** The first message, from now or before, of a kind. */
  async hear<Type extends ServerMessage['type']>(
    type: Type,
  ): Promise<Extract<ServerMessage, { type: Type }>> {
    const isIt = (message: ServerMessage): message is Extract<ServerMessage, { type: Type }> =>
      message.type === type;
    return await eventually(() => this.messages.find(isIt));
  }

  leave(): void {
    this.#socket.terminate();
  }

  #useUp(bytes: number): void {
    this.#unspokenBytes += bytes;
    if (this.#watched === undefined || this.#unspokenBytes < CREDIT_STEP_BYTES) return;
    this.say({ type: 'credit', channel: this.#watched, bytes: this.#unspokenBytes });
    this.#unspokenBytes = 0;
  }
}

/** What `look` finds, as soon as it finds something; ten seconds at most. */
export async function eventually<Value>(look: () => Value | undefined | false): Promise<Value> {
  for (const end = Date.now() + 10_000; Date.now() < end;) {
    const value = look();
    if (value !== undefined && value !== false) return value;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('it never came');
}

/** A run of `bytes` that nothing is special about, but for `changes`. */
export function runOf(bytes: number, changes: Partial<FeedRun> = {}): FeedRun {
  const data = Buffer.alloc(bytes, 0x47);
  return {
    data,
    ptsUs: undefined,
    arrivedAtUs: 5e6,
    key: false,
    damaged: false,
    discontinuity: false,
    frozenBy: undefined,
    ...changes,
  };
}

/** A stream in the registry whose runs the test makes. */
export function addStream(
  registry: StreamRegistry,
  id = 'film',
  backlog: FeedRun[] = [],
): { send(run: FeedRun): void; listeners: Set<FeedListener>; remove(): void } {
  const listeners = new Set<FeedListener>();
  const feed = {
    subscribe(listener: FeedListener) {
      listeners.add(listener);
      return { backlog, close: () => void listeners.delete(listener) };
    },
  };
  const remove = registry.add({ id, snapshot: () => snapshotOf({ id }), feed });
  return { send: (run) => listeners.forEach((listener) => listener(run)), listeners, remove };
}

/** The status that an upgrade is answered with; 101 is closed at once. */
export function upgrade(host: string, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const { origin, ...others } = headers;
    const socket = new WebSocket(`ws://${host}${path}`, {
      headers: { host, ...others },
      ...(origin === undefined ? {} : { origin }),
    });
    socket.once('open', () => {
      socket.terminate();
      resolve(101);
    });
    socket.once('unexpected-response', (_request, response) => {
      socket.terminate();
      resolve(response.statusCode ?? 0);
    });
    socket.on('error', reject);
  });
}
