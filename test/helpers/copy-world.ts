/** A file on its way by `copy://`, on virtual time: a sender, a receiver with a disk, and a seeded network between them. */
import { createHash } from 'node:crypto';
import { PART_SUFFIX } from '../../receiver/copy-name.ts';
import { CopyReceiver, type CopyOver, type CopyReceiverOutput } from '../../receiver/copy-receiver.ts';
import type { CopyTask } from '../../receiver/copy-reception.ts';
import { CopySender, type CopyOutcome, type CopySenderOutput } from '../../sender/copy-sender.ts';
import { parseCopy, PIECE_BYTES } from '../../wire/copy.ts';
import type { Endpoint } from '../../wire/address.ts';
import { lossModel, randomFrom, type NetworkOptions } from './network.ts';

/** One direction. */
export interface CopyCable extends Pick<
  NetworkOptions,
  'loss' | 'delayMs' | 'jitterMs' | 'duplicates' | 'cuts'
> {
  /** What a link takes, bytes a millisecond, and what waits in front of it at most; more is lost. */
  bottleneck?: { bytesPerMs: number; queueBytes: number };
}

export interface CopyWorldOptions {
  seed: number;
  file: Buffer;
  name?: string;
  there?: CopyCable;
  back?: CopyCable;
  /** Bytes a millisecond that the receiver's disk takes. Default: 200 000. */
  diskPerMs?: number;
  /** No more pieces a millisecond than this. */
  mostPerMs?: number;
}

export const SENDER: Endpoint = { address: '10.0.0.1', port: 40_000 };
const IP_UDP_BYTES = 28;

/** Bytes out of a seed. */
export function bytesFrom(seed: number, length: number): Buffer {
  const random = randomFrom(seed);
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(Math.floor(random() * 2 ** 32), at);
  return bytes;
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

/** A direction of the network. */
export class CopyLink {
  /** Datagrams and bytes that entered, and what was lost in the queue; the longest and the mean wait there. */
  readonly counters = { taken: 0, takenBytes: 0, overflow: 0, waitedMs: 0, longestMs: 0 };
  readonly #cable: CopyCable;
  readonly #random: () => number;
  readonly #isLost: () => boolean;
  #freeAt = 0;

  constructor(cable: CopyCable, random: () => number) {
    this.#cable = cable;
    this.#random = random;
    this.#isLost = lossModel(cable, random);
  }

  /** When a datagram arrives: not at all, once or twice. */
  arrivals(bytes: number, now: number): number[] {
    const { delayMs = 0, jitterMs = 0, duplicates = 0, cuts = [] } = this.#cable;
    this.counters.taken++;
    this.counters.takenBytes += bytes;
    const lost = this.#isLost();
    const late = this.#random() * jitterMs;
    const doubled = this.#random() < duplicates;
    const through = this.#throughBottleneck(bytes + IP_UDP_BYTES, now);
    if (through === undefined || lost || cuts.some(({ from, to }) => now >= from && now < to)) return [];
    const at = through + delayMs + late;
    return doubled ? [at, at + this.#random() * 5] : [at];
  }

  #throughBottleneck(bytes: number, now: number): number | undefined {
    const { bottleneck } = this.#cable;
    if (!bottleneck) return now;
    const waitMs = Math.max(0, this.#freeAt - now);
    if (waitMs * bottleneck.bytesPerMs + bytes > bottleneck.queueBytes) {
      this.counters.overflow++;
      return undefined;
    }
    this.counters.waitedMs += waitMs;
    this.counters.longestMs = Math.max(this.counters.longestMs, waitMs);
    this.#freeAt = Math.max(this.#freeAt, now) + bytes / bottleneck.bytesPerMs;
    return this.#freeAt;
  }
}

interface Planned {
  at: number;
  order: number;
  run: () => void;
}

export class CopyWorld {
  now = 0;
  sender: CopySender | undefined;
  receiver: CopyReceiver | undefined;
  /** Files of the receiver's folder by name; parts as well. */
  readonly disk = new Map<string, Buffer>();
  readonly there: CopyLink;
  readonly back: CopyLink;
  outcome: CopyOutcome | undefined;
  readonly over: CopyOver[] = [];
  /** Pieces with bytes that set out. */
  piecesSent = 0;

  readonly #options: CopyWorldOptions;
  readonly #random: () => number;
  readonly #plans: Planned[] = [];
  #order = 0;
  #read = 0; // bytes of the file handed to the sender
  #lives = 0; // of the receiver
  #diskFreeAt = 0;

  constructor(options: CopyWorldOptions) {
    this.#options = options;
    this.#random = randomFrom(options.seed);
    this.there = new CopyLink(options.there ?? {}, randomFrom(options.seed + 1));
    this.back = new CopyLink(options.back ?? {}, randomFrom(options.seed + 2));
  }

  get name(): string {
    return this.#options.name ?? 'film.bin';
  }

  /** Does something at a time of its own. */
  at(time: number, run: () => void): void {
    const plan = { at: Math.max(time, this.now), order: this.#order++, run };
    let place = this.#plans.length;
    while (place > 0 && (this.#plans[place - 1]?.at ?? 0) > plan.at) place--;
    this.#plans.splice(place, 0, plan);
  }

  startSender(): void {
    const { file, mostPerMs } = this.#options;
    this.outcome = undefined;
    this.sender = new CopySender({ name: this.name, bytes: file.length, random: this.#random, mostPerMs });
  }

  killSender(): void {
    this.sender = undefined;
  }

  startReceiver(): void {
    this.#lives++;
    const key = Buffer.alloc(16, this.#lives);
    this.receiver = new CopyReceiver({ key });
  }

  killReceiver(): void {
    this.#lives++;
    this.receiver = undefined;
  }

  /** Runs until the copy has ended, or `until`. Fails when nothing more would ever happen. */
  run(until = 3_600_000): void {
    while (this.outcome === undefined) {
      const next = this.#nextAt;
      if (next === Infinity) throw new Error(`nothing happens any more at ${this.now}`);
      if (next >= until) break;
      this.now = Math.max(this.now, next);
      for (let plan = this.#plans[0]; plan && plan.at <= this.now; plan = this.#plans[0]) {
        this.#plans.shift();
        plan.run();
      }
      this.#drain();
    }
  }

  get #nextAt(): number {
    const { sender, receiver } = this;
    return Math.min(this.#plans[0]?.at ?? Infinity, sender?.wakeAt ?? Infinity, receiver?.wakeAt ?? Infinity);
  }

  /** Hands a datagram to the receiver, as from the network. */
  toReceiver(datagram: Buffer, source: Endpoint): void {
    this.receiver?.push({ kind: 'datagram', datagram, source, arrivedAt: this.now }, this.now);
    this.#drain();
  }

  #drain(): void {
    const { sender, receiver } = this;
    for (let out = sender?.poll(this.now); out; out = sender?.poll(this.now)) this.#fromSender(out);
    this.#feed();
    for (let out = receiver?.poll(this.now); out; out = receiver?.poll(this.now)) this.#fromReceiver(out);
  }

  #feed(): void {
    const { sender } = this;
    const room = sender?.room ?? 0;
    if (!sender || room === 0) return;
    const { file } = this.#options;
    const end = Math.min(file.length, this.#read + Math.min(room, 100 * PIECE_BYTES));
    sender.push({ kind: 'bytes', bytes: file.subarray(this.#read, end) }, this.now);
    this.#read = end;
    if (end === file.length) sender.push({ kind: 'whole', sha256: sha256(file) }, this.now);
    this.at(this.now, () => undefined);
  }

  #fromSender(output: CopySenderOutput): void {
    const { sender } = this;
    switch (output.kind) {
      case 'control':
        this.#send(output.datagram, this.now);
        break;
      case 'pieces':
        for (let slot = output.first; slot < output.end; slot++)
          this.#send(Buffer.from(output.chunk.datagram(slot)), output.chunk.dueAt[slot] ?? 0);
        break;
      case 'compare': {
        const { file } = this.#options;
        this.at(this.now + 2, () => {
          this.#read = output.bytes;
          const sum = sha256(file.subarray(0, output.bytes));
          sender?.push({ kind: 'prefix', bytes: output.bytes, sha256: sum }, this.now);
          if (output.bytes === file.length) sender?.push({ kind: 'whole', sha256: sha256(file) }, this.now);
        });
        break;
      }
      case 'ended':
        this.outcome = output.outcome;
        break;
    }
  }

  #send(datagram: Buffer, at: number): void {
    this.at(at, () => {
      if (parseCopyKind(datagram) === 'piece') this.piecesSent++;
      for (const arrival of this.there.arrivals(datagram.length, this.now))
        this.at(arrival, () => {
          const { now } = this;
          this.receiver?.push({ kind: 'datagram', datagram, source: SENDER, arrivedAt: now }, now);
        });
    });
  }

  #fromReceiver(output: CopyReceiverOutput): void {
    if (output.kind === 'over') this.over.push(output.why);
    if (output.kind === 'task') this.#work(output.transfer, output.task);
    if (output.kind !== 'send') return;
    const { datagram } = output;
    for (const arrival of this.back.arrivals(datagram.length, this.now))
      this.at(arrival, () =>
        this.sender?.push({ kind: 'datagram', datagram, arrivedAt: this.now }, this.now),
      );
  }

  /** The disk: one thing after the other, and what is asked of it when the receiver is killed may or may not be done. */
  #work(transfer: number, task: CopyTask): void {
    const life = this.#lives;
    const part = this.name + PART_SUFFIX;
    const tell = (work: () => void): void =>
      this.at(this.#diskFreeAt, () => {
        if (life === this.#lives) work();
      });
    const { receiver } = this;
    this.#diskFreeAt = Math.max(this.#diskFreeAt, this.now) + 1;
    if (task.kind === 'write') {
      const bytes = Buffer.concat(task.pieces);
      this.#diskFreeAt += bytes.length / (this.#options.diskPerMs ?? 200_000);
      tell(() => {
        const before = this.disk.get(part) ?? Buffer.alloc(0);
        this.disk.set(part, Buffer.concat([before.subarray(0, task.position), bytes]));
        receiver?.push({ kind: 'written', transfer }, this.now);
      });
    } else if (task.kind === 'prepare') {
      tell(() => {
        const whole = this.disk.get(this.name);
        const same = !task.anew && whole?.length === task.bytes ? whole : undefined;
        const had = same ?? (task.anew ? Buffer.alloc(0) : (this.disk.get(part) ?? Buffer.alloc(0)));
        const kept = same ?? had.subarray(0, had.length - (had.length % PIECE_BYTES));
        if (!same) this.disk.set(part, kept);
        receiver?.push({ kind: 'prepared', transfer, bytes: kept.length, sha256: sha256(kept) }, this.now);
      });
    } else tell(() => this.#complete(transfer, task.sha256));
  }

  #complete(transfer: number, expected: Buffer): void {
    const part = this.disk.get(this.name + PART_SUFFIX) ?? this.disk.get(this.name) ?? Buffer.alloc(0);
    this.disk.delete(this.name + PART_SUFFIX);
    if (sha256(part).equals(expected)) {
      this.disk.set(this.name, part);
      this.receiver?.push({ kind: 'completed', transfer, name: this.name }, this.now);
    } else this.receiver?.push({ kind: 'failed', transfer, reason: 'differs', detail: 0 }, this.now);
  }
}

function parseCopyKind(datagram: Buffer): string {
  const packet = parseCopy(datagram);
  return typeof packet === 'string' ? packet : packet.kind;
}
