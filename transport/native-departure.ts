/**
 * Paced sending by the native engine's thread.
 *
 * JavaScript tells ahead of time where datagrams lie, a run of them at a time, and the thread sends them from there. What
 * became of them is looked up now and then; who waits for datagrams to leave has that done when the last of them is due.
 */
import type { LancastError } from '../wire/errors.ts';
import { monotonicNow } from './clock.ts';
import type { DepartureChunk } from '../wire/departure-chunk.ts';
import { addDeparting, removeDeparting, wakeDeparting, type Departing } from './departure-timer.ts';
import { findKernelPacing, type KernelPacing } from './kernel-pacing.ts';
import type { NativeAddon } from './native-addon.ts';
import { openSending } from './native-socket.ts';
import { Refusals } from './refusals.ts';
import { checkDestination, checkTtl } from './sending-checks.ts';
import type { ChosenInterface, DepartureOptions, DepartureQueue, DepartureStats } from './udp.ts';

/** A queue of the thread. */
export type DepartureHandle = object & { readonly departures: unique symbol };

/** What `native/departure.c` offers. */
export interface DepartureAddon {
  /**
   * Opens a queue to connected sockets, which are the queue's from then on. Quantum 0: each datagram at its time. With `fq` or
   * `etf` datagrams bear their times and are given to the card's queue of that kind a little ahead of them.
   */
  openDepartures(sockets: readonly number[], quantumMs: number, cardQueue?: string): DepartureHandle;
  /** The kind of a card's queue; empty when the kernel does not tell. */
  cardQueue(card: string): string;
  /** Lets datagrams of a socket bear their times, for a queue `fq` or `etf`. */
  allowTransmitTimes(socket: number, cardQueue: string): void;
  /** Queues the datagrams of a `DepartureChunk` from slot `first` to before `end`, which stay as they are until they have departed. */
  pushDepartures(queue: DepartureHandle, chunk: ArrayBuffer, slots: number, first: number, end: number): void;
  /** Writes `COUNTERS` numbers. */
  departureCounters(queue: DepartureHandle, into: Float64Array): void;
  /** The errno's name of the last send that failed. */
  departureRefusal(queue: DepartureHandle): string;
  /** Sends by new sockets from now on and closes the old ones. */
  exchangeSockets(queue: DepartureHandle, sockets: readonly number[]): void;
  /** Drops what is queued and closes the sockets. */
  closeDepartures(queue: DepartureHandle): void;
}

/** Numbers that tell of a queue: those of `DepartureStats`, datagrams that have left, 1 when its memory is full. */
const COUNTERS = 6;
/** Everything due within so much leaves together: a wake-up costs as much as ten sends. A PCR keeps within 2.5 ms. */
const DEFAULT_QUANTUM_MS = 4.5;
/** How often it is looked up how sending goes, by all queues together. */
const LOOK_MS = 200;
/** The same while somebody waits for what is due. */
const LOOK_SOON_MS = 3;

/** Opens the sockets of one queue. Throws as `UdpEngine.openDeparture`. */
export async function openNativeDeparture(
  addon: NativeAddon,
  options: DepartureOptions,
): Promise<DepartureQueue> {
  checkTtl(options.ttl);
  for (const destination of options.destinations) checkDestination(destination, options.broadcast ?? false);
  const { via, kernelPacing = false, quantumMs = DEFAULT_QUANTUM_MS } = options;
  const pacing = kernelPacing ? findKernelPacing(addon, via) : { cardQueue: '' };
  const prepare = (card: ChosenInterface): number[] => openSockets(addon, options, { card, pacing });
  const sockets = prepare(via);
  // A kernel that keeps the times needs nobody who does.
  const quantum = pacing.cardQueue === '' ? quantumMs : DEFAULT_QUANTUM_MS;
  try {
    const queue = addon.openDepartures(sockets, quantum, pacing.cardQueue);
    return new NativeDeparture(queue, { addon, options, prepare, pacing });
  } catch (error) {
    sockets.forEach((socket) => addon.closeSocket(socket));
    throw error;
  }
}

function openSockets(
  addon: NativeAddon,
  options: DepartureOptions,
  { card, pacing }: { card: ChosenInterface; pacing: KernelPacing },
): number[] {
  const sockets: number[] = [];
  try {
    for (const destination of options.destinations) {
      const socket = openSending(addon, destination, { ...options, via: card });
      sockets.push(socket);
      if (pacing.cardQueue !== '') addon.allowTransmitTimes(socket, pacing.cardQueue);
    }
    return sockets;
  } catch (error) {
    sockets.forEach((socket) => addon.closeSocket(socket));
    throw error;
  }
}

/** What a queue is made of. */
interface Parts {
  addon: NativeAddon;
  options: DepartureOptions;
  /** Opens the sockets. */
  prepare: (card: ChosenInterface) => number[];
  pacing: KernelPacing;
}

/** A chunk that the thread may still read: the garbage collector must not have it. */
interface Lent {
  chunk: DepartureChunk;
  /** Until so many datagrams have left. */
  pushed: number;
}

interface Waiting {
  /** Until so many datagrams have left; or, without it, until there is room. */
  pushed?: number;
  resolve: () => void;
  reject: (reason: LancastError) => void;
}

class NativeDeparture implements DepartureQueue, Departing {
  readonly notes: readonly string[];

  readonly #addon: NativeAddon;
  readonly #queue: DepartureHandle;
  readonly #refusals: Refusals;
  readonly #prepare: (card: ChosenInterface) => number[];
  readonly #counters = new Float64Array(COUNTERS);
  #lent: Lent[] = []; // oldest first
  #waiting: Waiting[] = [];
  #pushed = 0;
  #lastDueAt = -Infinity;
  #lookAt = 0;
  #failed = 0; // as far as they have been looked at
  #closed = false;

  constructor(queue: DepartureHandle, { addon, options, prepare, pacing }: Parts) {
    this.#addon = addon;
    this.#queue = queue;
    this.#prepare = prepare;
    this.notes = pacing.note === undefined ? [] : [pacing.note];
    this.#refusals = new Refusals(options);
    addDeparting(this);
    this.#lookAgain(monotonicNow());
  }

  get failure(): Promise<LancastError> {
    return this.#refusals.failure;
  }

  get stats(): DepartureStats {
    const [sent = 0, sentBytes = 0, failed = 0, latestMs = 0] = this.#count();
    return { sent, sentBytes, failed, latestMs };
  }

  get queued(): number {
    const [, , , , departed = 0] = this.#count();
    return this.#closed ? 0 : this.#pushed - departed;
  }

  get released(): number {
    const [, , , , departed = 0] = this.#count();
    return this.#closed ? this.#pushed : departed;
  }

  /** When it next looks how sending goes. */
  get wakeAt(): number {
    return this.#lookAt;
  }

  push(chunk: DepartureChunk, first: number, end: number): void {
    if (this.#closed || first === end) return;
    this.#pushed += end - first;
    this.#lastDueAt = chunk.dueAt[end - 1] ?? 0;
    this.#lend(chunk);
    this.#addon.pushDepartures(this.#queue, chunk.memory, chunk.slots, first, end);
  }

  room(): Promise<void> | undefined {
    const [, , , , , full] = this.#count();
    if (full !== 1 || this.#closed) return undefined;
    return new Promise((resolve) => this.#wait({ resolve, reject: () => resolve() }));
  }

  drained(): Promise<void> {
    return new Promise((resolve, reject) => this.#wait({ pushed: this.#pushed, resolve, reject }));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    removeDeparting(this);
    this.#addon.closeDepartures(this.#queue);
    this.#lent = [];
    this.#settle();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Looks how sending goes. */
  depart(now: number): void {
    const [sent = 0, , failed = 0] = this.#count();
    this.#takeBack();
    if (failed > this.#failed) this.#refused(sent, failed, now);
    this.#settle();
    this.#lookAgain(now);
  }

  #count(): Float64Array {
    this.#addon.departureCounters(this.#queue, this.#counters);
    return this.#counters;
  }

  #lend(chunk: DepartureChunk): void {
    const newest = this.#lent.at(-1);
    if (newest?.chunk === chunk) newest.pushed = this.#pushed;
    else this.#lent.push({ chunk, pushed: this.#pushed });
  }

  #takeBack(): void {
    const [, , , , departed = 0] = this.#counters;
    const left = this.#lent.findIndex(({ pushed }) => pushed > departed);
    this.#lent.splice(0, left < 0 ? this.#lent.length : left);
  }

  #wait(waiting: Waiting): void {
    this.#waiting.push(waiting);
    this.depart(monotonicNow());
  }

  /** All queues look at the same time, those that are waited for when that may be over. */
  #lookAgain(now: number): void {
    const regular = (Math.floor(now / LOOK_MS) + 1) * LOOK_MS;
    const soon = Math.max(now + LOOK_SOON_MS, this.#lastDueAt);
    this.#lookAt = this.#waiting.length > 0 ? Math.min(regular, soon) : regular;
    if (!this.#closed) wakeDeparting(this.#lookAt);
  }

  #refused(sent: number, failed: number, now: number): void {
    const errno = this.#addon.departureRefusal(this.#queue);
    this.#failed = failed;
    if (sent > 0) return this.#reopen(errno, now);
    this.#refusals.add(Object.assign(new Error(`send ${errno}`), { code: errno }), { failed });
  }

  #reopen(errno: string, now: number): void {
    const card = this.#refusals.cardMadeAnew(errno, now);
    if (!card) return;
    try {
      this.#addon.exchangeSockets(this.#queue, this.#prepare(card));
    } catch {
      // The card is not ready yet: the next refusal tries again.
    }
  }

  /** Answers those whose datagrams have all left, and those who wait for room. */
  #settle(): void {
    if (this.#waiting.length === 0) return;
    const [sent = 0, , , , departed = 0, full] = this.#count();
    const refusal = sent === 0 ? this.#refusals.reason : undefined;
    this.#waiting = this.#waiting.filter(({ pushed, resolve, reject }) => {
      const over = pushed === undefined ? full !== 1 : pushed <= departed;
      if (!over && !this.#closed) return true;
      if (refusal) reject(refusal);
      else resolve();
      return false;
    });
  }
}
