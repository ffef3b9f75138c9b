/**
 * Says when each datagram is due: by the pacing clock of the programme, or at a bit rate that was asked for.
 *
 * Datagrams leave up to 200 ms ahead, so that whoever sends them is not disturbed by a stall of ours. The first one anchors the
 * clock. A source that falls behind moves the anchor: what was missed is never made up for in a burst.
 */
import { pcrToMs } from '../wire/clock.ts';
import type { Stage } from '../wire/stage.ts';
import { Fifo } from './fifo.ts';
import type { MediaChunk, MediaRun } from './media-chunk.ts';

/** How fast a programme goes out. */
export interface Pace {
  /** Against life, in millionths: 1 000 000 is its own pace, more is faster. At most 2³² − 1. */
  ppm: number;
  /** Payload. 0 while not known. */
  bitsPerSecond: number;
}

export interface PacerOptions {
  /** Payload bits per second instead of the programme's own pace. Time stamps stay the programme's. */
  bitsPerSecond?: number | undefined;
  /**
   * The bytes come as they are made. What such a source fell behind is made up for, at most by one part in twenty: else each
   * stall would add to the delay for good. Default false: a file that was late has nothing to catch up with.
   */
  live?: boolean;
}

/** Datagrams leave at most so long before they are due, milliseconds. */
export const AHEAD_MS = 200;
/**
 * Datagrams of so much time leave at a time, and always at multiples of it, milliseconds: what costs is waking up, and so all
 * senders of a process share their wake-ups.
 */
const REFILL_MS = 100;
/** A source may be so late, milliseconds, without moving the anchor. */
const TOLERANCE_MS = 1;
const LIFE_PPM = 1_000_000;
const MAX_PPM = 0xffffffff;
/** A live source that lies so far ahead has a backlog, milliseconds: it could not be ahead of life otherwise. */
const BACKLOG_MS = 100;
/** By how much a live source is hurried on while it has a backlog. */
const HURRY = 1 / 20;
/** The pace is measured over so long, milliseconds. */
const WINDOW_MS = 1000;

/** Puts due times on datagrams. */
export class Pacer implements Stage<MediaRun, MediaRun> {
  /** `slips`: how often the source fell behind; `slippedMs`: by how much in all; `regainedMs`: of it made up for. */
  readonly stats = { slips: 0, slippedMs: 0, regainedMs: 0 };

  readonly #bytesPerMs: number | undefined;
  readonly #live: boolean;
  readonly #queue = new Fifo<MediaRun>();
  #bytes = 0;
  #originAt: number | undefined; // when stream time 0 is due
  #newestDueAt = -Infinity;
  #newestTicks = NaN;
  #windowStart: { ticks: number; bytes: number; dueAt: number; regainedMs: number } | undefined;
  #measured: Pace | undefined; // over the last whole window

  constructor(options: PacerOptions = {}) {
    this.#bytesPerMs = options.bitsPerSecond && options.bitsPerSecond / 8000;
    this.#live = options.live ?? false;
  }

  /**
   * When the source is to be read again: at the first refill that less than 200 ms lie ahead of. `-Infinity` before the first
   * datagram.
   */
  get roomAt(): number {
    return Math.ceil((this.#newestDueAt - AHEAD_MS) / REFILL_MS) * REFILL_MS;
  }

  /** About so much payload is to be read for 200 ms ahead of `now`, bytes. 0 while the pace is not known. */
  wantedBytes(now: number): number {
    const { bitsPerSecond } = this.pace;
    const missingMs = Math.max(0, now + AHEAD_MS - this.#newestDueAt);
    return bitsPerSecond > 0 ? (missingMs * bitsPerSecond) / 8000 : 0;
  }

  /** The pace of the last second. */
  get pace(): Pace {
    return this.#measured ?? this.#measure();
  }

  push(run: MediaRun, now: number): void {
    for (let slot = run.first; slot < run.end; slot++) this.#pace(run.chunk, slot, now);
    this.#queue.push(run);
  }

  poll(now: number): MediaRun | undefined {
    const next = this.#queue.at(0);
    if (!next) return undefined;
    const { chunk, first, end } = next;
    const { dueAt } = chunk.departure;
    const limit = now + AHEAD_MS;
    if ((dueAt[end - 1] ?? 0) <= limit) return this.#queue.shift();
    next.first += dueAt.subarray(first, end).findIndex((due) => due > limit);
    return next.first > first ? { chunk, first, end: next.first } : undefined;
  }

  get wakeAt(): number {
    const next = this.#queue.at(0);
    const dueAt = next?.chunk.departure.dueAt[next.first] ?? Infinity;
    return dueAt < Infinity ? (Math.floor((dueAt - AHEAD_MS) / REFILL_MS) + 1) * REFILL_MS : Infinity;
  }

  /** Puts the due time on a datagram. */
  #pace(chunk: MediaChunk, slot: number, now: number): void {
    const ticks = chunk.transmitTicks[slot] ?? 0;
    const streamMs = this.#bytesPerMs ? this.#bytes / this.#bytesPerMs : pcrToMs(ticks);
    this.#originAt ??= now - streamMs;
    const behindMs = now - (this.#originAt + streamMs);
    if (behindMs > TOLERANCE_MS) {
      this.#originAt += behindMs;
      this.stats.slips++;
      this.stats.slippedMs += behindMs;
    } else if (this.#live && -behindMs > BACKLOG_MS) this.#hurry(this.#originAt + streamMs);
    const dueAt = Math.max(this.#newestDueAt, this.#originAt + streamMs);
    this.#newestDueAt = dueAt;
    this.#newestTicks = ticks;
    this.#turnWindow();
    this.#bytes += chunk.payloadBytes(slot);
    chunk.departure.dueAt[slot] = dueAt;
  }

  /** Moves the anchor back by a part of the step to the datagram that would be due at `dueAt`. */
  #hurry(dueAt: number): void {
    const stepMs = Math.max(0, dueAt - this.#newestDueAt);
    const regainedMs = Math.min(stepMs * HURRY, this.stats.slippedMs - this.stats.regainedMs);
    this.#originAt = (this.#originAt ?? 0) - regainedMs;
    this.stats.regainedMs += regainedMs;
  }

  #turnWindow(): void {
    const dueAt = this.#newestDueAt;
    if (this.#windowStart && dueAt - this.#windowStart.dueAt < WINDOW_MS) return;
    if (this.#windowStart) this.#measured = this.#measure();
    const { regainedMs } = this.stats;
    this.#windowStart = { ticks: this.#newestTicks, bytes: this.#bytes, dueAt, regainedMs };
  }

  #measure(): Pace {
    const start = this.#windowStart;
    const elapsedMs = this.#newestDueAt - (start?.dueAt ?? 0);
    if (!start || elapsedMs <= 0) return { ppm: LIFE_PPM, bitsPerSecond: 0 };
    const bitsPerSecond = ((this.#bytes - start.bytes) * 8000) / elapsedMs;
    const hurried = this.stats.regainedMs > start.regainedMs;
    if (this.#bytesPerMs === undefined && !hurried) return { ppm: LIFE_PPM, bitsPerSecond };
    const mediaMs = pcrToMs(this.#newestTicks - start.ticks);
    const ppm = Math.round((mediaMs / elapsedMs) * LIFE_PPM);
    return { ppm: Math.min(MAX_PPM, Math.max(1, ppm)), bitsPerSecond };
  }
}
