/** The one list of streams in this process: what receives puts them in, what shows looks them up. */
import type { ViewerFeed } from '../../receiver/sinks/viewer-feed.ts';
import { monotonicNow } from '../../transport/clock.ts';
import type { LossSecond, StreamSnapshot } from '../../wire/metrics.ts';

/** One stream that can be looked at. */
export interface StreamEntry {
  /** Stable within the process; safe in a URL. The same as in its snapshots. */
  readonly id: string;
  /** What is known now. */
  snapshot(): StreamSnapshot;
  /** As of `ReceiverSession`; absent for streams whose losses are not told apart. */
  lossHistory?(seconds: number): LossSecond[];
  /** Pictures and sound for pages; absent for streams that are only counted. */
  readonly feed?: Pick<ViewerFeed, 'subscribe'>;
}

/** Streams by id, in the order in which they were added. */
export class StreamRegistry {
  readonly #entries = new Map<string, StreamEntry>();
  readonly #addedAt = new WeakMap<StreamEntry, number>();

  /** Adds a stream; one with the same id takes the other's place. Returns how to take it out again. */
  add(entry: StreamEntry): () => void {
    this.#entries.set(entry.id, entry);
    this.#addedAt.set(entry, monotonicNow());
    return () => {
      if (this.#entries.get(entry.id) === entry) this.#entries.delete(entry.id);
    };
  }

  find(id: string): StreamEntry | undefined {
    return this.#entries.get(id);
  }

  /** Milliseconds since it was added; 0 for one that never was. */
  ageMs(entry: StreamEntry): number {
    const now = monotonicNow();
    return now - (this.#addedAt.get(entry) ?? now);
  }

  /** What is known of all streams now. */
  snapshots(): StreamSnapshot[] {
    return [...this.#entries.values()].map((entry) => entry.snapshot());
  }
}
