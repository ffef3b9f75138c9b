/**
 * What one page has not been sent yet. Bounded in bytes and in age: a page that cannot keep up loses pictures of its own, never
 * anybody else's. Pure: time comes in as `now`, monotonic milliseconds.
 *
 * When the bound is passed everything queued is dropped and the page goes on at the next key frame, marked as a discontinuity.
 */
import type { FeedRun } from '../../receiver/sinks/viewer-feed.ts';

/** Most live bytes queued. At 8 Mbit/s this is two seconds. */
export const MAX_QUEUED_BYTES = 2 * 1024 * 1024;
/** Most milliseconds a live run waits. */
export const MAX_QUEUED_MS = 3000;
/** Bytes under way to a page that it has not yet said it used up. */
export const CREDIT_WINDOW_BYTES = 1024 * 1024;

/** A run and how it is to be marked for this page. */
export interface NextRun {
  run: FeedRun;
  /** The run does not follow the one that this page had before it. */
  discontinuity: boolean;
}

/** The queue of one channel of one page. Runs are shared with other pages: none is copied or written into. */
export class PageQueue {
  /** `drops` counts how often the queue was emptied; the others what was in it then, or came before the next key frame. */
  readonly stats = { sentRuns: 0, drops: 0, droppedRuns: 0, droppedBytes: 0 };

  #backlog: readonly FeedRun[];
  #backlogAt = 0;
  #live: { run: FeedRun; queuedAt: number }[] = [];
  #liveBytes = 0;
  #credit = CREDIT_WINDOW_BYTES;
  #dropping = false;
  #jumped = false;

  /** @param backlog runs since the last key frame; they do not count towards the bound: the feed holds them anyway */
  constructor(backlog: readonly FeedRun[]) {
    this.#backlog = backlog;
  }

  /** Takes the feed's next run. False when the bound was passed and the queue has just been emptied. */
  push(run: FeedRun, now: number): boolean {
    const oldest = this.#live[0];
    const full =
      this.#liveBytes + run.data.length > MAX_QUEUED_BYTES ||
      (oldest !== undefined && now - oldest.queuedAt > MAX_QUEUED_MS);
    if (full) this.#drop();
    if (this.#dropping && !run.key) {
      this.#count(run);
      return !full;
    }
    this.#dropping = false;
    this.#live.push({ run, queuedAt: now });
    this.#liveBytes += run.data.length;
    return !full;
  }

  /** The next run to send, while the page has credit. */
  take(): NextRun | undefined {
    if (this.#credit <= 0) return undefined;
    const run = this.#next();
    if (run === undefined) return undefined;
    this.#credit -= run.data.length;
    this.stats.sentRuns++;
    const discontinuity = run.discontinuity || this.#jumped;
    this.#jumped = false;
    return { run, discontinuity };
  }

  /** The page has used up `bytes` of what it was sent. */
  grant(bytes: number): void {
    this.#credit = Math.min(CREDIT_WINDOW_BYTES, this.#credit + bytes);
  }

  #next(): FeedRun | undefined {
    const old = this.#backlog[this.#backlogAt];
    if (old !== undefined) {
      this.#backlogAt++;
      return old;
    }
    this.#backlog = [];
    const run = this.#live.shift()?.run;
    this.#liveBytes -= run?.data.length ?? 0;
    return run;
  }

  #drop(): void {
    for (const run of this.#backlog.slice(this.#backlogAt)) this.#count(run);
    for (const { run } of this.#live) this.#count(run);
    this.#backlog = [];
    this.#live = [];
    this.#liveBytes = 0;
    this.stats.drops++;
    this.#dropping = true;
    this.#jumped = true;
  }

  #count(run: FeedRun): void {
    this.stats.droppedRuns++;
    this.stats.droppedBytes += run.data.length;
  }
}
