/** When does receiving end? At the sender's goodbye, at a limit, or when people say so. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReceiverSession, StreamEnd } from '../receiver/index.ts';
import type { Released, Sink } from '../receiver/sink.ts';
import { monotonicNow } from '../transport/clock.ts';
import { pause } from './signal.ts';

/** Timers cannot wait for a month. */
const DAY_MS = 86_400_000;
/** What the receiver may take beyond the latency to release what it holds. */
const DRAIN_MS = 1000;

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
    const now = clock.look();
    reason = limits.signal.aborted ? 'stopped' : end ? 'told' : limitReached(clock, limits, now);
    if (reason === undefined) await pause(untilLimit(clock, limits, now), woken);
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

function limitReached(clock: StreamClock, limits: Limits, now: number): 'duration' | 'timeout' | undefined {
  const { durationMs = Infinity, timeoutMs = Infinity } = limits;
  if (now >= clock.beganAt + durationMs) return 'duration';
  return now >= clock.heardAt + timeoutMs ? 'timeout' : undefined;
}

/** Milliseconds to the earliest moment at which a limit may be reached. */
function untilLimit({ beganAt, heardAt }: StreamClock, limits: Limits, now: number): number {
  const { durationMs = Infinity, timeoutMs = Infinity } = limits;
  const limitAt = Math.min(beganAt + durationMs, heardAt + timeoutMs);
  return Math.min(DAY_MS, Math.max(1, limitAt - now));
}

/** When the stream was first and last heard. */
class StreamClock implements Sink {
  readonly startedAt = monotonicNow();
  readonly #session: ReceiverSession;
  #firstAt: number | undefined;
  #lastAt: number | undefined;

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

  /** Asks when the stream was last heard; the time. */
  look(): number {
    const now = monotonicNow();
    const { silentMs } = this.#session.snapshot();
    if (silentMs !== undefined) this.#lastAt = now - silentMs;
    return now;
  }

  /** When the first datagram came; the start of the wait while none has. */
  get beganAt(): number {
    return this.#firstAt ?? this.startedAt;
  }

  /** When the last one came, as of the last look. */
  get heardAt(): number {
    return this.#lastAt ?? this.startedAt;
  }

  get lastedMs(): number {
    return this.#firstAt === undefined ? 0 : Math.max(0, this.heardAt - this.#firstAt);
  }

  async close(): Promise<void> {}
}
