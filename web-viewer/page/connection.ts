/** The page's one WebSocket (`wire/feed.ts`): connects, comes back when it is lost, and hands frames to their channels. */
import { signal, type ReadonlySignal } from '@preact/signals';
import {
  CREDIT_STEP_BYTES,
  parseFeedFrame,
  parseServerMessage,
  writeFeedMessage,
  type ClientMessage,
  type FeedFrame,
  type ServerMessage,
} from '../../wire/feed.ts';
import type { StreamSnapshot } from '../../wire/metrics.ts';

/** Where the connection stands. `lost` names when the next try is, milliseconds since 1970. */
export type ConnectionState = { kind: 'connecting' } | { kind: 'open' } | { kind: 'lost'; retryAt: number };

/** What a channel is told. */
export interface ChannelListener {
  /** A frame; its body is valid during the call only. */
  frame(frame: FeedFrame): void;
  /** The picture stands still because so many datagrams were lost; `undefined`: it moves. */
  frozen(lostDatagrams: number | undefined): void;
  /** The server skipped ahead because the page was too slow. */
  skipped(): void;
  /** Nothing more comes: the connection or the stream is gone, or the server refused. */
  closed(reason: string): void;
}

/** Waiting before the first, second … try. */
const RETRY_MS = [1000, 2000, 3000, 5000];
/** A connection on which not even the once-a-second numbers come is dead, whatever TCP believes. */
const SILENCE_MS = 5000;

interface Channel {
  listener: ChannelListener;
  unspokenBytes: number;
}

/** The page's connection to its server. */
export class Connection {
  readonly #state = signal<ConnectionState>({ kind: 'connecting' });
  readonly #streams = signal<readonly StreamSnapshot[] | undefined>(undefined);
  readonly #url: string;
  readonly #channels = new Map<number, Channel>();
  #socket: WebSocket | undefined;
  #nextChannel = 1;
  #tries = 0;
  #retry = 0;
  #silence = 0;

  /** @param url address of the WebSocket */
  constructor(url: string) {
    this.#url = url;
    this.connect();
  }

  get state(): ReadonlySignal<ConnectionState> {
    return this.#state;
  }

  /** The newest snapshots of all streams; `undefined` until the first have come. They stay when the connection is lost. */
  get streams(): ReadonlySignal<readonly StreamSnapshot[] | undefined> {
    return this.#streams;
  }

  /** Connects now, rather than when the countdown is over. */
  connect(): void {
    clearTimeout(this.#retry);
    this.#socket?.close();
    const socket = new WebSocket(this.#url);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    socket.addEventListener('open', () => this.#watchSilence());
    socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (socket === this.#socket) this.#receive(data);
    });
    socket.addEventListener('close', () => {
      if (socket === this.#socket) this.#lose();
    });
  }

  /** Watches a stream as runs of MPEG-TS. Returns how to leave it; the listener is not told of that. */
  subscribe(stream: string, listener: ChannelListener): () => void {
    const channel = this.#nextChannel++;
    this.#channels.set(channel, { listener, unspokenBytes: 0 });
    this.#send({ type: 'subscribe', channel, stream, mode: 'ts' });
    return () => {
      if (this.#channels.delete(channel)) this.#send({ type: 'unsubscribe', channel });
    };
  }

  #send(message: ClientMessage): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(writeFeedMessage(message));
  }

  #receive(data: unknown): void {
    this.#watchSilence();
    if (data instanceof ArrayBuffer) return this.#receiveFrame(new Uint8Array(data));
    const message = parseServerMessage(String(data));
    if (typeof message !== 'string') this.#receiveMessage(message);
  }

  #receiveFrame(message: Uint8Array): void {
    const frame = parseFeedFrame(message);
    if (typeof frame === 'string') return;
    const channel = this.#channels.get(frame.channel);
    if (channel === undefined) return;
    channel.listener.frame(frame);
    channel.unspokenBytes += frame.body.length;
    if (channel.unspokenBytes < CREDIT_STEP_BYTES) return;
    this.#send({ type: 'credit', channel: frame.channel, bytes: channel.unspokenBytes });
    channel.unspokenBytes = 0;
  }

  #receiveMessage(message: ServerMessage): void {
    if (message.type === 'streams') {
      this.#streams.value = message.streams;
      // Only now: whoever waits for the connection finds the streams there.
      if (this.#state.value.kind !== 'open') this.#state.value = { kind: 'open' };
      this.#tries = 0;
    } else if (message.type === 'picture') {
      const { channel, frozen, lostDatagrams } = message;
      this.#channels.get(channel)?.listener.frozen(frozen ? lostDatagrams : undefined);
    } else if (message.type === 'closed') this.#close(message.channel, message.reason);
    else if (message.type === 'error' && message.channel !== undefined) {
      if (message.code === 'too-slow') this.#channels.get(message.channel)?.listener.skipped();
      else this.#close(message.channel, message.message);
    }
  }

  #close(number: number, reason: string): void {
    const channel = this.#channels.get(number);
    this.#channels.delete(number);
    channel?.listener.closed(reason);
  }

  #watchSilence(): void {
    clearTimeout(this.#silence);
    this.#silence = window.setTimeout(() => this.#lose(), SILENCE_MS);
  }

  #lose(): void {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
    const waitMs = RETRY_MS[Math.min(this.#tries++, RETRY_MS.length - 1)] ?? 0;
    this.#state.value = { kind: 'lost', retryAt: Date.now() + waitMs };
    this.#retry = window.setTimeout(() => this.connect(), waitMs);
    for (const number of this.#channels.keys()) this.#close(number, 'connection lost');
  }
}
