/** One stream on its way to one page: subscribes, queues, and sends as fast as the page takes it. */
import type { FeedSubscription } from '../../receiver/sinks/viewer-feed.ts';
import { monotonicNow } from '../../transport/clock.ts';
import type { MediaSocket } from './media-socket.ts';
import { CREDIT_WINDOW_BYTES, PageQueue, type NextRun } from './page-queue.ts';
import type { StreamEntry } from './registry.ts';
import type { RunMessages } from './run-messages.ts';

/** What a channel is made of. */
export interface ChannelOptions {
  entry: StreamEntry;
  feed: NonNullable<StreamEntry['feed']>;
  /** Shared by all channels of all pages. */
  messages: RunMessages;
  /** Called before the run from which on the picture stands still, or moves again: see `FeedRun.frozenBy`. */
  onPicture: (frozenBy: number | undefined) => void;
  /** Called each time the page fell so far behind that its queue was emptied. */
  onSlow: () => void;
}

/** A channel of a page's WebSocket. */
export class Channel {
  readonly entry: StreamEntry;
  readonly #socket: MediaSocket;
  readonly #number: number;
  readonly #messages: RunMessages;
  readonly #queue: PageQueue;
  readonly #subscription: FeedSubscription;
  readonly #goOn = (): void => this.#send();
  readonly #onPicture: ChannelOptions['onPicture'];
  #ptsUs = 0;
  #frozenBy: number | undefined;

  /** Joins and begins to send. @param number the page's own number for the channel */
  constructor(socket: MediaSocket, number: number, options: ChannelOptions) {
    const { entry, feed, messages, onPicture, onSlow } = options;
    this.entry = entry;
    this.#socket = socket;
    this.#number = number;
    this.#messages = messages;
    this.#onPicture = onPicture;
    this.#subscription = feed.subscribe((run) => {
      const kept = this.#queue.push(run, monotonicNow());
      if (!kept) onSlow();
      this.#send();
    });
    this.#queue = new PageQueue(this.#subscription.backlog);
    this.#send();
  }

  /** What was sent and dropped. */
  get stats(): Readonly<PageQueue['stats']> {
    return this.#queue.stats;
  }

  /** The page has used up `bytes`. */
  grant(bytes: number): void {
    this.#queue.grant(bytes);
    this.#send();
  }

  close(): void {
    this.#subscription.close();
  }

  #send(): void {
    while (this.#socket.waitingBytes < CREDIT_WINDOW_BYTES) {
      const next = this.#queue.take();
      if (next === undefined) return;
      this.#sendRun(next);
    }
  }

  #sendRun({ run, discontinuity }: NextRun): void {
    if (run.frozenBy !== this.#frozenBy) this.#onPicture(run.frozenBy);
    this.#frozenBy = run.frozenBy;
    this.#ptsUs = run.ptsUs ?? this.#ptsUs;
    const form = { channel: this.#number, discontinuity, ptsUs: this.#ptsUs };
    this.#socket.send(this.#messages.messageOf(run, form), this.#goOn);
  }
}
