/** One page's WebSocket: what it asks for (`wire/feed.ts`) and the channels it watches. */
import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import {
  parseClientMessage,
  writeFeedMessage,
  type ClientMessage,
  type ServerMessage,
} from '../../wire/feed.ts';
import { Channel } from './channel.ts';
import { MediaSocket } from './media-socket.ts';
import { CREDIT_WINDOW_BYTES } from './page-queue.ts';
import type { StreamRegistry } from './registry.ts';
import type { RunMessages } from './run-messages.ts';

/** Most channels of one page: a wall of 4 × 4. */
const MAX_CHANNELS = 16;

/** Why something that a page asked for is not done: `error.code` of the protocol. */
type ErrorCode =
  | 'bad-message'
  | 'binary-message'
  | 'unknown-stream'
  | 'no-feed'
  | 'unsupported-mode'
  | 'unknown-channel'
  | 'channel-in-use'
  | 'too-many-channels'
  | 'too-slow';

/** What all pages share. */
export interface Shared {
  registry: StreamRegistry;
  messages: RunMessages;
}

/** A page that is connected. */
export class PageSession {
  readonly #socket: WebSocket;
  readonly #media: MediaSocket;
  readonly #registry: StreamRegistry;
  readonly #messages: RunMessages;
  readonly #channels = new Map<number, Channel>();
  #heard = true;

  /** @param stream what `socket` was made of */
  constructor(socket: WebSocket, stream: Duplex, { registry, messages }: Shared) {
    this.#socket = socket;
    this.#media = new MediaSocket(socket, stream);
    this.#registry = registry;
    this.#messages = messages;
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    socket.on('pong', () => (this.#heard = true));
  }

  /** Sends the snapshots of all streams, unless the page is still taking in what it has been sent. */
  sendStreams(text: string): void {
    if (this.#socket.bufferedAmount < CREDIT_WINDOW_BYTES) this.#socket.send(text);
  }

  /** Closes channels whose stream is no longer in the registry. */
  closeRemoved(): void {
    for (const [number, channel] of this.#channels) {
      if (this.#registry.find(channel.entry.id) === channel.entry) continue;
      this.#close(number, channel, 'removed');
    }
  }

  /** Asks whether the page is still there; a page that did not answer the question before is cut off. */
  ping(): void {
    if (!this.#heard) return this.#socket.terminate();
    this.#heard = false;
    this.#socket.ping();
  }

  /** Leaves all feeds. The socket is its owner's to close. */
  close(): void {
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (isBinary) return this.#fail('binary-message', 'Pages send text only.');
    const message = parseClientMessage(textOf(data));
    if (typeof message === 'string') return this.#fail('bad-message', `Not a control message: ${message}.`);
    const channel = this.#channels.get(message.channel);
    if (message.type === 'subscribe') return this.#subscribe(message);
    if (channel === undefined)
      return this.#fail('unknown-channel', 'That channel is not open.', message.channel);
    if (message.type === 'credit') channel.grant(message.bytes);
    else this.#close(message.channel, channel, 'unsubscribed');
  }

  #subscribe({ channel, stream, mode, track }: Extract<ClientMessage, { type: 'subscribe' }>): void {
    if (mode !== 'ts' || track !== undefined)
      return this.#fail('unsupported-mode', 'Only whole programmes in mode "ts" are served.', channel);
    if (this.#channels.has(channel))
      return this.#fail('channel-in-use', 'That channel is open already.', channel);
    if (this.#channels.size >= MAX_CHANNELS)
      return this.#fail('too-many-channels', `A page may open ${MAX_CHANNELS} channels.`, channel);
    const entry = this.#registry.find(stream);
    if (entry === undefined) return this.#fail('unknown-stream', 'No stream has that id.', channel);
    if (entry.feed === undefined) return this.#fail('no-feed', 'That stream is not for pages.', channel);
    this.#say({ type: 'subscribed', channel, stream, mode });
    const onSlow = (): void => this.#fail('too-slow', 'This page fell behind and skipped ahead.', channel);
    const onPicture = (frozenBy: number | undefined): void => {
      const frozen = frozenBy !== undefined;
      this.#say({ type: 'picture', channel, frozen, lostDatagrams: frozenBy ?? 0 });
    };
    const options = { entry, feed: entry.feed, messages: this.#messages, onPicture, onSlow };
    this.#channels.set(channel, new Channel(this.#media, channel, options));
  }

  #close(number: number, channel: Channel, reason: 'removed' | 'unsubscribed'): void {
    channel.close();
    this.#channels.delete(number);
    this.#say({ type: 'closed', channel: number, reason });
  }

  #fail(code: ErrorCode, message: string, channel?: number): void {
    this.#say({ type: 'error', code, message, ...(channel === undefined ? {} : { channel }) });
  }

  #say(message: ServerMessage): void {
    this.#socket.send(writeFeedMessage(message));
  }
}

function textOf(data: RawData): string {
  if (Buffer.isBuffer(data)) return data.toString();
  return Array.isArray(data) ? Buffer.concat(data).toString() : Buffer.from(data).toString();
}
