/** The way into a recording: nothing is lost while its target is being opened, and nothing follows the end of the stream. */
import type { Released, Sink } from '../receiver/sink.ts';

/** Keeps copies of what comes, hands them and all that follows to the real sink, and closes when the stream has ended. */
export class Intake implements Sink {
  readonly #onEnd: () => void;
  #held: [released: Released, now: number][] = [];
  #sink: Sink | undefined;
  #ended = false;

  /** @param onEnd called once, at the end of the stream: what comes after it, of another sender, is not taken */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  push(released: Released, now: number): void {
    if (this.#ended) return;
    if (this.#sink) this.#sink.push(released, now);
    else this.#held.push([kept(released), now]);
    if (released.kind !== 'end') return;
    this.#ended = true;
    this.#onEnd();
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
