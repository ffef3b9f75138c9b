/** One stream on its way to one page: subscribes, queues, and sends as fast as the page takes it. */
import type { WebSocket } from 'ws';
import type { FeedSubscription } from '../../receiver/sinks/viewer-feed.ts';
import { monotonicNow } from '../../transport/clock.ts';
import { FEED_HEADER_BYTES, writeFeedHeader } from '../../wire/feed.ts';
import { CREDIT_WINDOW_BYTES, PageQueue, type NextRun } from './page-queue.ts';
import type { StreamEntry } from './registry.ts';

/** A channel of a page's WebSocket. */
export class Channel {
  readonly entry: StreamEntry;
  readonly #socket: WebSocket;
  readonly #number: number;
  readonly #queue: PageQueue;
  readonly #subscription: FeedSubscription;
  #ptsUs = 0;

  /**
   * Joins and begins to send.
   *
   * @param number the page's own number for the channel
   * @param onSlow called each time the page fell so far behind that its queue was emptied
   */
  constructor(
    socket: WebSocket,
    number: number,
    {
      entry,
      feed,
      onSlow,
    }: { entry: StreamEntry; feed: NonNullable<StreamEntry['feed']>; onSlow: () => void },
  ) {
    this.entry = entry;
    this.#socket = socket;
    this.#number = number;
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
    while (this.#socket.bufferedAmount < CREDIT_WINDOW_BYTES) {
      const next = this.#queue.take();
      if (next === undefined) return;
      this.#sendRun(next);
    }
  }

  /** Header and body as two fragments of one message, so that the body that all pages share is not copied. */
  #sendRun({ run, discontinuity }: NextRun): void {
    const header = Buffer.allocUnsafe(FEED_HEADER_BYTES);
    this.#ptsUs = run.ptsUs ?? this.#ptsUs;
    writeFeedHeader(
      {
        kind: 'ts',
        key: run.key,
        damaged: run.damaged,
        discontinuity,
        config: false,
        channel: this.#number,
        ptsUs: Math.round(this.#ptsUs),
        arrivalUs: Math.round(run.arrivedAtUs),
      },
      header,
    );
    this.#socket.send(header, { binary: true, fin: false });
    this.#socket.send(run.data, { binary: true, fin: true }, () => this.#send());
  }
}
