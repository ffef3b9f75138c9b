/**
 * Feeds a stream to any number of pages: runs of whole TS packets, shared by all listeners.
 *
 * A late joiner starts at a key frame: the feed keeps the current group of pictures and hands it over on joining.
 */
import type { Released, Sink } from '../sink.ts';

/** Whole TS packets that follow each other. Nobody writes into one: all listeners share it. */
export interface FeedRun {
  /** n × 188 bytes. */
  readonly data: Buffer;
  /** Presentation time of the first picture (or sound) that starts in the run, µs; `undefined` when none does. */
  readonly ptsUs: number | undefined;
  /** When the first packet arrived, monotonic µs. */
  readonly arrivedAtUs: number;
  /** A decoder may start here: the first packet begins a key frame, or the stream has no video. */
  readonly key: boolean;
  /** Datagrams before this run were lost. */
  readonly damaged: boolean;
  /** The clock jumps at the start of this run, or the sender started anew. */
  readonly discontinuity: boolean;
}

/** Takes the runs in order. Never throws and never waits: a slow page is the listener's own affair. */
export type FeedListener = (run: FeedRun) => void;

/** One listener's place in the feed. */
export interface FeedSubscription {
  /**
   * The current group of pictures from its key frame on, the first run led by PAT and PMT. Empty while no key frame is
   * held: then the listener's first run is the next key frame, led by PAT and PMT.
   */
  readonly backlog: readonly FeedRun[];
  /** Ends the subscription; the listener is not called again. */
  close(): void;
}

/** The sink behind the pages of one stream. */
export class ViewerFeed implements Sink {
  /** `waiting`: nothing came yet. `not-ts`: the payload is not MPEG-TS, so there is nothing to feed. */
  get state(): 'waiting' | 'feeding' | 'not-ts' {
    return 'waiting';
  }

  /** Joins: the backlog at once, then every run as it is closed. */
  subscribe(_listener: FeedListener): FeedSubscription {
    return { backlog: [], close: () => undefined };
  }

  push(_released: Released, _now: number): void {}

  async close(): Promise<void> {}
}
