/**
 * Says when each datagram is due: by the pacing clock of the programme, or at a bit rate that was asked for.
 *
 * Datagrams leave up to 200 ms ahead, so that whoever sends them is not disturbed by a stall of ours. The first one anchors the
 * clock. A source that falls behind moves the anchor: what was missed is never made up for in a burst.
 */
import { PCR_HZ } from '../wire/mpeg-ts.ts';
import type { Stage } from '../wire/stage.ts';
import type { FramedDatagram } from './framer.ts';

/** A datagram and when it is due, monotonic milliseconds; never before the one that left before it. */
export interface PacedDatagram extends FramedDatagram {
  dueAt: number;
}

export interface PacerOptions {
  /** Payload bits per second instead of the programme's own pace. Time stamps stay the programme's. */
  bitsPerSecond?: number | undefined;
}

/** Datagrams leave at most so long before they are due, milliseconds. */
export const AHEAD_MS = 200;
/** Woken when the next one is due in so many milliseconds: 50 ms of datagrams leave at a time. */
const REFILL_MS = 150;
const TICKS_PER_MS = PCR_HZ / 1000;
const LIFE_PPM = 1_000_000;
const MAX_PPM = 0xffffffff;
/** The pace is measured over so long, milliseconds. */
const PACE_WINDOW_MS = 1000;

/** Puts due times on datagrams. */
export class Pacer implements Stage<FramedDatagram, PacedDatagram> {
  /** `slips`: how often the source fell behind; `slippedMs`: by how much in all. */
  readonly stats = { slips: 0, slippedMs: 0 };

  readonly #bytesPerMs: number | undefined;
  #queue: PacedDatagram[] = [];
  #left = 0; // of `#queue`, by `poll`
  #bytes = 0;
  #originAt: number | undefined; // when stream time 0 is due
  #newestDueAt = -Infinity;
  #paceSince: { ticks: number; dueAt: number } | undefined;
  #newestTicks = 0;
  #pacePpm: number | undefined;

  constructor(options: PacerOptions = {}) {
    this.#bytesPerMs = options.bitsPerSecond && options.bitsPerSecond / 8000;
  }

  /** From when on the source may be read again: less than 200 ms lie ahead then. `-Infinity` before the first datagram. */
  get roomAt(): number {
    return this.#newestDueAt - AHEAD_MS;
  }

  /** How fast the programme runs against life, in millionths: measured over a second, 1 000 000 at its own pace. */
  get pacePpm(): number {
    return this.#bytesPerMs === undefined ? LIFE_PPM : (this.#pacePpm ?? this.#paceNow());
  }

  push(framed: FramedDatagram, now: number): void {
    const streamMs = this.#bytesPerMs ? this.#bytes / this.#bytesPerMs : framed.transmitTicks / TICKS_PER_MS;
    this.#originAt ??= now - streamMs;
    const behindMs = now - (this.#originAt + streamMs);
    if (behindMs > 0) {
      this.#originAt += behindMs;
      this.stats.slips++;
      this.stats.slippedMs += behindMs;
    }
    const dueAt = Math.max(this.#newestDueAt, this.#originAt + streamMs);
    this.#newestDueAt = dueAt;
    this.#bytes += framed.payloadBytes;
    this.#measure(framed.transmitTicks, dueAt);
    const { datagram, payloadBytes, transmitTicks, rtpTimestamp } = framed;
    this.#queue.push({ datagram, payloadBytes, transmitTicks, rtpTimestamp, dueAt });
  }

  poll(now: number): PacedDatagram | undefined {
    const next = this.#queue[this.#left];
    if (next && next.dueAt <= now + AHEAD_MS) {
      this.#left++;
      return next;
    }
    if (this.#left > 0) this.#queue = this.#queue.slice(this.#left);
    this.#left = 0;
    return undefined;
  }

  get wakeAt(): number {
    const next = this.#queue[this.#left];
    return next ? next.dueAt - REFILL_MS : Infinity;
  }

  #measure(ticks: number, dueAt: number): void {
    this.#newestTicks = ticks;
    this.#paceSince ??= { ticks, dueAt };
    if (dueAt - this.#paceSince.dueAt < PACE_WINDOW_MS) return;
    this.#pacePpm = this.#paceNow();
    this.#paceSince = { ticks, dueAt };
  }

  #paceNow(): number {
    if (!this.#paceSince || this.#newestDueAt <= this.#paceSince.dueAt) return LIFE_PPM;
    const mediaMs = (this.#newestTicks - this.#paceSince.ticks) / TICKS_PER_MS;
    const ppm = (mediaMs / (this.#newestDueAt - this.#paceSince.dueAt)) * LIFE_PPM;
    return Math.min(MAX_PPM, Math.max(1, Math.round(ppm)));
  }
}
