/** Stands in for a sink that is still being opened, so that nothing is lost meanwhile. */
import type { Released, Sink } from '../receiver/sink.ts';

/** Keeps copies of what comes, then hands them and all that follows to the real sink. */
export class HeldSink implements Sink {
  #held: [released: Released, now: number][] = [];
  #sink: Sink | undefined;

  push(released: Released, now: number): void {
    if (this.#sink) this.#sink.push(released, now);
    else this.#held.push([kept(released), now]);
  }

  /** From now on `sink` gets everything, from the first datagram on. */
  handTo(sink: Sink): void {
    for (const [released, now] of this.#held) sink.push(released, now);
    this.#held = [];
    this.#sink = sink;
  }

  async close(): Promise<void> {
    await this.#sink?.close();
  }
}

function kept(released: Released): Released {
  return released.kind === 'payload' ? { ...released, payload: Buffer.from(released.payload) } : released;
}
