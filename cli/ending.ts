/** When does receiving end? At the sender's goodbye, at a limit, or when people say so. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReceiverSession, StreamEnd } from '../receiver/index.ts';
import type { Released, Sink } from '../receiver/sink.ts';
import { monotonicNow } from '../transport/clock.ts';
import { afterSockets } from '../transport/driver.ts';
import { pause } from './signal.ts';

/** Timers cannot wait for a month. */
const DAY_MS = 86_400_000;
/** What the receiver may take beyond the latency to release what it holds. */
const DRAIN_MS = 1000;
/** A timer that fires so late tells of a process that stood still: stopped, or busy. */
const STANDSTILL_MS = 250;

/** What may end it besides the sender. */
export interface Limits {
  /** Milliseconds after the first datagram, or after the start while none has come. */
  durationMs: number | undefined;
  /** Milliseconds of silence. */
  timeoutMs: number | undefined;
  /** How long the receiver holds what it waits for. */
  latencyMs: number;
  signal: AbortSignal;
}

/** How it ended. */
export interface Ending {
  /** `told`: the sender said goodbye. `stopped`: `signal` aborted. */
  reason: 'told' | 'duration' | 'timeout' | 'stopped';
  /** The sender named its last datagram, so a missing tail was counted. */
  proven: boolean;
  /** Milliseconds from the first datagram to the last; 0 when none came. */
  lastedMs: number;
  /** Milliseconds from the start of the wait to the end. */
  waitedMs: number;
}

/** Waits for the end and closes the session: when it resolves, everything that came has been released to the sinks. */
export async function untilEnd(session: ReceiverSession, limits: Limits): Promise<Ending> {
  const clock = new StreamClock(session);
  const told = new AbortController();
  const woken = AbortSignal.any([limits.signal, told.signal]);
  let end: StreamEnd | undefined;
  const ended = session.nextEnd().then((found) => {
    end = found;
    told.abort();
  });
  let reason: Ending['reason'] | undefined;
  while (reason === undefined) {
    const waitMs = untilLimit(clock, limits);
    const dueAt = monotonicNow() + waitMs;
    await pause(waitMs, woken);
    if (monotonicNow() > dueAt + STANDSTILL_MS) clock.countAnew();
    // What has come lies in the kernel's buffers as long as nobody reads it.
    await new Promise<void>(afterSockets);
    clock.look();
    reason = limits.signal.aborted ? 'stopped' : end ? 'told' : limitReached(clock, limits);
  }
  const now = monotonicNow();
  if (reason === 'timeout') {
    session.giveUp();
    await Promise.race([ended, sleep(limits.latencyMs + DRAIN_MS)]);
  }
  await session.close();
  const { startedAt, lastedMs } = clock;
  return { reason, proven: end?.proven ?? false, lastedMs, waitedMs: now - startedAt };
}

function limitReached(clock: StreamClock, limits: Limits): 'duration' | 'timeout' | undefined {
  const { durationMs = Infinity, timeoutMs = Infinity } = limits;
  const now = monotonicNow();
  if (now >= clock.beganAt + durationMs) return 'duration';
  return now >= clock.silentFrom + timeoutMs ? 'timeout' : undefined;
}

/** Milliseconds to the earliest moment at which a limit may be reached. */
function untilLimit({ beganAt, silentFrom }: StreamClock, limits: Limits): number {
  const { durationMs = Infinity, timeoutMs = Infinity } = limits;
  const limitAt = Math.min(beganAt + durationMs, silentFrom + timeoutMs);
  return Math.min(DAY_MS, Math.max(1, limitAt - monotonicNow()));
}

/** When the stream was first and last heard. */
class StreamClock implements Sink {
  readonly startedAt = monotonicNow();
  readonly #session: ReceiverSession;
  #firstAt: number | undefined;
  #lastAt: number | undefined;
  #anewAt = -Infinity;

  constructor(session: ReceiverSession) {
    this.#session = session;
    session.addSink(this);
  }

  /** Takes the first datagram for the beginning, and asks for no more. */
  push(released: Released): void {
    if (released.kind !== 'payload' || this.#firstAt !== undefined) return;
    this.#firstAt = released.arrivedAt;
    this.#session.removeSink(this);
  }

  /** Asks when the stream was last heard. */
  look(): void {
    const now = monotonicNow();
    const { silentMs } = this.#session.snapshot();
    if (silentMs !== undefined) this.#lastAt = now - silentMs;
  }

  /** Silence counts from now: nobody knows what would have come, had somebody made room for it. */
  countAnew(): void {
    this.#anewAt = monotonicNow();
  }

  /** When the first datagram came; the start of the wait while none has. */
  get beganAt(): number {
    return this.#firstAt ?? this.startedAt;
  }

  /** When silence began, as of the last look. */
  get silentFrom(): number {
    return Math.max(this.#lastAt ?? this.startedAt, this.#anewAt);
  }

  get lastedMs(): number {
    if (this.#firstAt === undefined || this.#lastAt === undefined) return 0;
    return Math.max(0, this.#lastAt - this.#firstAt);
  }

  async close(): Promise<void> {}
}
