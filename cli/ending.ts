/** When does receiving end? At the sender's goodbye, at a limit, or when people say so. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReceiverSession, StreamEnd } from '../receiver/index.ts';
import { monotonicNow } from '../transport/clock.ts';
import { pause } from './signal.ts';

/** How often it is looked whether the first datagram has come. */
const LOOK_EVERY_MS = 50;
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
  const clock = new StreamClock(session, monotonicNow());
  const told = new AbortController();
  const woken = AbortSignal.any([limits.signal, told.signal]);
  let end: StreamEnd | undefined;
  const ended = session.nextEnd().then((found) => {
    end = found;
    told.abort();
  });
  let reason: Ending['reason'] | undefined;
  while (reason === undefined) {
    const now = monotonicNow();
    clock.look(now);
    reason = limits.signal.aborted ? 'stopped' : end ? 'told' : limitReached(clock, limits, now);
    if (reason === undefined) await pause(untilLook(clock, limits, now), woken);
  }
  const now = monotonicNow();
  if (reason === 'timeout') {
    session.giveUp();
    await Promise.race([ended, sleep(limits.latencyMs + DRAIN_MS)]);
  }
  await session.close();
  return {
    reason,
    proven: end?.proven ?? false,
    lastedMs: clock.lastedMs,
    waitedMs: now - clock.startedAt,
  };
}

function limitReached(clock: StreamClock, limits: Limits, now: number): 'duration' | 'timeout' | undefined {
  const { durationMs = Infinity, timeoutMs = Infinity } = limits;
  if (now - (clock.firstAt ?? clock.startedAt) >= durationMs) return 'duration';
  return clock.silentMs(now) >= timeoutMs ? 'timeout' : undefined;
}

/** Milliseconds to the earliest moment at which a limit may be reached. */
function untilLook({ firstAt, lastAt = 0 }: StreamClock, limits: Limits, now: number): number {
  if (firstAt === undefined) return LOOK_EVERY_MS;
  const { durationMs = Infinity, timeoutMs = Infinity } = limits;
  return Math.min(DAY_MS, Math.max(1, Math.min(firstAt + durationMs, lastAt + timeoutMs) - now));
}

/** When the stream was first and last heard. */
class StreamClock {
  readonly startedAt: number;
  firstAt: number | undefined;
  lastAt: number | undefined;
  readonly #session: ReceiverSession;

  constructor(session: ReceiverSession, startedAt: number) {
    this.#session = session;
    this.startedAt = startedAt;
  }

  look(now: number): void {
    const { silentMs } = this.#session.snapshot();
    if (silentMs === undefined) return;
    this.lastAt = now - silentMs;
    this.firstAt ??= this.lastAt;
  }

  get lastedMs(): number {
    return this.firstAt === undefined || this.lastAt === undefined ? 0 : this.lastAt - this.firstAt;
  }

  silentMs(now: number): number {
    return now - (this.lastAt ?? this.startedAt);
  }
}
