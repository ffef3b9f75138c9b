/** Paced sending on `node:dgram`: one connected socket per destination, all queues driven by one timer. */
import type { Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { scopeOf, type Endpoint } from '../wire/address.ts';
import type { LancastError } from '../wire/errors.ts';
import { monotonicNow } from './clock.ts';
import { DepartureSchedule } from './departure-schedule.ts';
import type { DepartureChunk } from '../wire/departure-chunk.ts';
import { addDeparting, removeDeparting, wakeDeparting, type Departing } from './departure-timer.ts';
import { boundSocket, closeSocket, connectSocket, prepareToSend } from './dgram-socket.ts';
import { isBroadcast, withZone } from './interfaces.ts';
import { Refusals } from './refusals.ts';
import { checkDestination, checkTtl } from './sending-checks.ts';
import { errnoOf, sendFailure } from './socket-errors.ts';
import type { ChosenInterface, DepartureOptions, DepartureQueue, DepartureStats } from './udp.ts';

/** What a timer of JavaScript can keep. */
const FINEST_QUANTUM_MS = 1;
/** A wake-up of Node costs as much as seven sends: at 1 ms one 20 Mbit/s programme costs half as much again as at 2 ms. */
const DEFAULT_QUANTUM_MS = 2;
/** Datagrams that may wait before a source is held up: 200 ms of 1 Gbit/s. */
const MOST_QUEUED = 16_384;

/** Opens the sockets of one queue. Throws as `UdpEngine.openDeparture`. */
export async function openDgramDeparture(options: DepartureOptions): Promise<DepartureQueue> {
  checkTtl(options.ttl);
  for (const destination of options.destinations) checkDestination(destination, options.broadcast ?? false);
  return new DgramDeparture(await openSockets(options, options.via), options);
}

async function openSockets(options: DepartureOptions, via: ChosenInterface): Promise<Socket[]> {
  const sockets: Socket[] = [];
  try {
    for (const destination of options.destinations) {
      sockets.push(await openSocket(destination, { ...options, via }));
    }
    return sockets;
  } catch (error) {
    await Promise.all(sockets.map(closeSocket));
    throw error;
  }
}

async function openSocket(destination: Endpoint, options: DepartureOptions): Promise<Socket> {
  const { via } = options;
  const unicast = scopeOf(destination.address) === 'unicast' && !isBroadcast(destination.address);
  const type = isIPv6(destination.address) ? 'udp6' : 'udp4';
  try {
    // Bound to the card, so that groups and broadcasts leave by it; for unicast the kernel knows the way.
    const socket = await boundSocket(
      { type },
      { address: unicast ? '' : withZone(via.address, via), port: 0 },
    );
    try {
      prepareToSend(socket, options);
      await connectSocket(socket, { address: withZone(destination.address, via), port: destination.port });
      return socket;
    } catch (error) {
      await closeSocket(socket);
      throw error;
    }
  } catch (error) {
    throw sendFailure(error, destination.address, via);
  }
}

class DgramDeparture implements DepartureQueue, Departing {
  readonly stats: DepartureStats = { sent: 0, sentBytes: 0, failed: 0, latestMs: 0 };

  #sockets: readonly Socket[] = [];
  readonly #schedule: DepartureSchedule;
  readonly #options: DepartureOptions;
  readonly #refusals: Refusals;
  readonly #sent = (error: Error | null, bytes: number): void => this.#answered(error, bytes);
  #waiting: { pushed: number; resolve: () => void; reject: (reason: LancastError) => void }[] = [];
  #pushed = 0;
  #reopening: Promise<void> | undefined;
  #unanswered = 0; // handed to a socket whose answer is not yet there
  #closed: Promise<unknown> | undefined;

  constructor(sockets: readonly Socket[], options: DepartureOptions) {
    this.#options = options;
    this.#schedule = new DepartureSchedule(
      Math.max(FINEST_QUANTUM_MS, options.quantumMs ?? DEFAULT_QUANTUM_MS),
    );
    this.#refusals = new Refusals(options);
    this.#use(sockets);
    addDeparting(this);
  }

  get failure(): Promise<LancastError> {
    return this.#refusals.failure;
  }

  get queued(): number {
    return this.#schedule.queued + Math.ceil(this.#unanswered / this.#sockets.length);
  }

  get released(): number {
    return this.#pushed - this.#schedule.queued - this.#unanswered;
  }

  get wakeAt(): number {
    return this.#schedule.wakeAt;
  }

  push(chunk: DepartureChunk, first: number, end: number): void {
    if (this.#closed) return;
    const idle = this.#schedule.queued === 0;
    for (let slot = first; slot < end; slot++)
      this.#schedule.push(chunk.datagram(slot), chunk.dueAt[slot] ?? 0);
    this.#pushed += end - first;
    if (idle && end > first) wakeDeparting(this.#schedule.wakeAt);
  }

  depart(now: number): void {
    for (let next = this.#schedule.poll(now); next !== undefined; next = this.#schedule.poll(now)) {
      for (const socket of this.#sockets) {
        this.#unanswered++;
        socket.send(next, this.#sent);
      }
    }
    this.stats.latestMs = this.#schedule.latestMs;
  }

  room(): Promise<void> | undefined {
    if (this.#schedule.queued < MOST_QUEUED) return undefined;
    return new Promise((resolve) =>
      this.#waiting.push({ pushed: this.#pushed - MOST_QUEUED / 2, resolve, reject: () => resolve() }),
    );
  }

  drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ pushed: this.#pushed, resolve, reject });
      this.#settle();
    });
  }

  async close(): Promise<void> {
    this.#closed ??= this.#shut();
    await this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #shut(): Promise<void> {
    removeDeparting(this);
    this.#schedule.clear();
    await this.#reopening;
    await Promise.all(this.#sockets.map(closeSocket));
    this.#unanswered = 0;
    this.#settle();
  }

  #answered(error: Error | null, bytes: number): void {
    this.#unanswered--;
    if (error) this.#refused(error);
    else {
      this.stats.sent++;
      this.stats.sentBytes += bytes;
    }
    if (this.#unanswered === 0 && this.#waiting.length > 0) this.#settle();
  }

  #refused(error: Error): void {
    this.stats.failed++;
    if (this.stats.sent > 0) this.#reopen(errnoOf(error));
    else this.#refusals.add(error, this.stats);
  }

  #reopen(errno: string): void {
    if (this.#reopening || this.#closed) return;
    const card = this.#refusals.cardMadeAnew(errno, monotonicNow());
    if (!card) return;
    this.#reopening = openSockets(this.#options, card)
      .then((sockets) => this.#use(sockets))
      .catch(() => undefined) // not ready yet: the next refusal tries again
      .finally(() => (this.#reopening = undefined));
  }

  #use(sockets: readonly Socket[]): void {
    // The ICMP answer of a peer that does not listen comes as an error of the socket.
    for (const socket of sockets) socket.on('error', (error) => this.#refused(error));
    for (const old of this.#sockets) old.close();
    this.#sockets = sockets;
  }

  /** Answers those whose datagrams have all left. */
  #settle(): void {
    if (this.#unanswered > 0) return;
    const left = this.#pushed - this.#schedule.queued;
    const done = this.#waiting.filter((each) => each.pushed <= left);
    this.#waiting = this.#waiting.filter((each) => each.pushed > left);
    const refusal = this.stats.sent === 0 ? this.#refusals.reason : undefined;
    for (const { resolve, reject } of done) {
      if (refusal) reject(refusal);
      else resolve();
    }
  }
}
