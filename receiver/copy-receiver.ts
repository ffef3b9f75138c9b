/**
 * Receives files by `copy://` (`wire/copy.ts`), from several senders side by side. Whoever has not shown that he is where he says gets a
 * challenge and is forgotten; connections, their memory and what is answered are bounded.
 *
 * The stage touches no disk: it gives tasks (`receiver/copy-reception.ts`) and is told what became of them.
 */
import type { Buffer } from 'node:buffer';
import type { Endpoint } from '../wire/address.ts';
import { parseCopy, writeCopy, type CopyBody, type CopyEnd, type CopyPacket } from '../wire/copy.ts';
import type { Stage } from '../wire/stage.ts';
import { CopyGuard } from './copy-guard.ts';
import { safeName } from './copy-name.ts';
import { CopyReception, type CopyReceptionProgress, type CopyTask } from './copy-reception.ts';

/** What goes in. `transfer` is the number that came with the task. */
export type CopyReceiverInput =
  | { kind: 'datagram'; datagram: Buffer; source: Endpoint; arrivedAt: number }
  /** The file is open, has so many bytes, and this SHA-256. */
  | { kind: 'prepared'; transfer: number; bytes: number; sha256: Buffer }
  | { kind: 'written'; transfer: number }
  /** The file is safe under this name. */
  | { kind: 'completed'; transfer: number; name: string }
  /** A task could not be done. */
  | { kind: 'failed'; transfer: number; reason: CopyEnd; detail: number }
  /** This end stops. */
  | { kind: 'stop' };

/** What comes out. */
export type CopyReceiverOutput =
  | { kind: 'send'; datagram: Buffer; to: Endpoint }
  /** For the disk. Those of one transfer are to be done one after the other. */
  | { kind: 'task'; transfer: number; task: CopyTask }
  /** A copy is over: close its file. What there is of it stays. */
  | { kind: 'over'; transfer: number; progress: CopyReceptionProgress; why: CopyOver };

/** Why a copy is over. `done`: it is whole; `replaced`: its sender was silent, and the same name was offered again. */
export type CopyOver = CopyEnd | 'done' | 'replaced';

export interface CopyReceiverOptions {
  /** Of this receiver alone: at least 16 random bytes. */
  key: Buffer;
}

/** What was counted. */
export interface CopyReceiverStats {
  /** Datagrams that are none of `copy://`, or belong to no connection. */
  foreign: number;
  /** Datagrams that were not looked at, because too many of strangers came. */
  ignored: number;
}

/** Copies that are received at the same time; others are asked to wait. */
export const MOST_COPIES = 16;
/** Ended ones whose senders may still ask. */
const MOST_DONE = 64;
/** After so long a silence the same name may be offered by another connection. */
const REPLACEABLE_MS = 2000;

export class CopyReceiver implements Stage<CopyReceiverInput, CopyReceiverOutput> {
  readonly stats: CopyReceiverStats = { foreign: 0, ignored: 0 };

  readonly #guard: CopyGuard;
  readonly #copies = new Map<number, CopyReception>(); // by number of transfer
  readonly #transfers = new Map<number, number>(); // by connection
  readonly #done = new Map<number, { name: string; address: string }>(); // by connection, oldest first
  readonly #outputs: CopyReceiverOutput[] = [];
  #started = 0;

  constructor({ key }: CopyReceiverOptions) {
    this.#guard = new CopyGuard(key);
  }

  /** The copies that are being received. */
  get progress(): CopyReceptionProgress[] {
    return [...this.#copies.values()].map((copy) => copy.progress);
  }

  /** One of them. */
  progressOf(transfer: number): CopyReceptionProgress | undefined {
    return this.#copies.get(transfer)?.progress;
  }

  push(input: CopyReceiverInput, now: number): void {
    switch (input.kind) {
      case 'datagram':
        this.#hear(input, now);
        break;
      case 'prepared':
        this.#prepared(input);
        break;
      case 'written':
        this.#copies.get(input.transfer)?.wrote(now);
        break;
      case 'completed':
        this.#completed(input);
        break;
      case 'failed':
        this.#failed(input);
        break;
      case 'stop':
        for (const transfer of this.#copies.keys()) this.#failed({ transfer, reason: 'stopped', detail: 0 });
        break;
    }
  }

  poll(now: number): CopyReceiverOutput | undefined {
    const waiting = this.#outputs.shift();
    if (waiting) return waiting;
    for (const [transfer, copy] of this.#copies) {
      const task = copy.takeTask(now);
      if (task) return { kind: 'task', transfer, task };
      const datagram = copy.acknowledgement(now);
      if (datagram) return { kind: 'send', datagram, to: copy.source };
      if (now >= copy.goneAt) this.#failed({ transfer, reason: 'silent', detail: 0 });
    }
    return this.#outputs.shift();
  }

  get wakeAt(): number {
    if (this.#outputs.length > 0) return -Infinity;
    let wakeAt = Infinity;
    for (const copy of this.#copies.values()) wakeAt = Math.min(wakeAt, copy.wakeAt);
    return wakeAt;
  }

  #hear(input: CopyReceiverInput & { kind: 'datagram' }, now: number): void {
    const { datagram, source, arrivedAt } = input;
    const packet = parseCopy(datagram);
    if (typeof packet === 'string') {
      this.stats.foreign++;
      return;
    }
    const copy = this.#copyOf(packet.connection, source);
    if (copy && packet.kind === 'piece') {
      copy.heardAt = now;
      copy.take(packet, arrivedAt, now);
    } else if (packet.kind === 'offer') this.#offered(packet, source, now);
    else if (copy) this.#told(packet, copy, now);
    else this.#askedByStranger(packet, source, now);
  }

  /** A copy of this connection; only datagrams of its sender's address belong to it. */
  #copyOf(connection: number, { address }: Endpoint): CopyReception | undefined {
    const transfer = this.#transfers.get(connection);
    const copy = transfer === undefined ? undefined : this.#copies.get(transfer);
    return copy?.source.address === address ? copy : undefined;
  }

  #offered(offer: CopyPacket & { kind: 'offer' }, source: Endpoint, now: number): void {
    if (!this.#guard.admits(now)) {
      this.stats.ignored++;
      return;
    }
    const { connection, cookie } = offer;
    if (!this.#guard.knows(cookie, source, connection, now)) {
      const challenge = this.#guard.cookie(source, connection, now);
      this.#answer({ kind: 'challenge', cookie: challenge }, connection, source);
      return;
    }
    const copy = this.#copyOf(connection, source) ?? this.#begin(offer, source, now);
    if (!copy) return;
    copy.heardAt = now;
    this.#answer(copy.offered(offer, source), connection, source);
  }

  /** Begins a copy, or says why not. */
  #begin(
    { connection, name: typed, bytes, anew }: CopyPacket & { kind: 'offer' },
    source: Endpoint,
    now: number,
  ): CopyReception | undefined {
    const done = this.#done.get(connection);
    const name = safeName(typed);
    if (done?.address === source.address) this.#answer({ kind: 'done', name: done.name }, connection, source);
    else if (done || this.#transfers.has(connection)) this.#answer({ kind: 'unknown' }, connection, source);
    else if (name === undefined)
      this.#answer({ kind: 'end', reason: 'bad-name', detail: 0 }, connection, source);
    else if (!this.#makeRoom(name, now)) this.#answer({ kind: 'wait', reason: 'busy' }, connection, source);
    else {
      const copy = new CopyReception({ connection, source, name, bytes, anew }, now);
      const transfer = ++this.#started;
      this.#copies.set(transfer, copy);
      this.#transfers.set(connection, transfer);
      return copy;
    }
    return undefined;
  }

  /** May a copy of this name begin? One of the same name whose sender fell silent makes way. */
  #makeRoom(name: string, now: number): boolean {
    for (const [transfer, copy] of this.#copies) {
      if (copy.name.toLowerCase() !== name.toLowerCase()) continue;
      if (now < copy.heardAt + REPLACEABLE_MS || copy.state === 'completing') return false;
      this.#forget(transfer, copy, 'replaced');
    }
    return this.#copies.size < MOST_COPIES;
  }

  /** What the sender of a copy says besides pieces and offers. */
  #told(packet: CopyPacket, copy: CopyReception, now: number): void {
    copy.heardAt = now;
    if (packet.kind === 'finish') {
      const answer = copy.finish(packet.sha256, now);
      if (answer) this.#answer(answer, copy.connection, copy.source);
    } else if (packet.kind === 'end') {
      const transfer = this.#transfers.get(copy.connection);
      if (transfer !== undefined) this.#forget(transfer, copy, packet.reason);
    }
  }

  /** Whoever sends pieces of a copy that is not known, from before a restart, learns that; and that it is done, if it is. */
  #askedByStranger(packet: CopyPacket, source: Endpoint, now: number): void {
    this.stats.foreign++;
    if (packet.kind !== 'piece' && packet.kind !== 'finish') return;
    if (!this.#guard.admits(now)) {
      this.stats.ignored++;
      return;
    }
    const { connection } = packet;
    const done = this.#done.get(connection);
    if (packet.kind === 'finish' && done?.address === source.address)
      this.#answer({ kind: 'done', name: done.name }, connection, source);
    else if (!this.#transfers.has(connection)) this.#answer({ kind: 'unknown' }, connection, source);
  }

  #prepared({ transfer, bytes, sha256 }: CopyReceiverInput & { kind: 'prepared' }): void {
    const copy = this.#copies.get(transfer);
    if (!copy) return;
    copy.prepared(bytes, sha256);
    this.#answer(copy.offered({ anew: false }, copy.source), copy.connection, copy.source);
  }

  #completed({ transfer, name }: CopyReceiverInput & { kind: 'completed' }): void {
    const copy = this.#copies.get(transfer);
    if (!copy) return;
    copy.completed(name);
    this.#answer({ kind: 'done', name }, copy.connection, copy.source);
    this.#done.set(copy.connection, { name, address: copy.source.address });
    const [oldest] = this.#done.keys();
    if (this.#done.size > MOST_DONE && oldest !== undefined) this.#done.delete(oldest);
    this.#forget(transfer, copy, 'done');
  }

  /** Ends a copy and tells its sender why. */
  #failed({ transfer, reason, detail }: { transfer: number; reason: CopyEnd; detail: number }): void {
    const copy = this.#copies.get(transfer);
    if (!copy) return;
    this.#answer({ kind: 'end', reason, detail }, copy.connection, copy.source);
    this.#forget(transfer, copy, reason);
  }

  #forget(transfer: number, copy: CopyReception, why: CopyOver): void {
    this.#copies.delete(transfer);
    this.#transfers.delete(copy.connection);
    this.#outputs.push({ kind: 'over', transfer, progress: copy.progress, why });
  }

  #answer(body: CopyBody & { index?: number }, connection: number, source: Endpoint): void {
    const { address, port } = source;
    const datagram = writeCopy({ index: 0, ...body, connection });
    this.#outputs.push({ kind: 'send', datagram, to: { address, port } });
  }
}
