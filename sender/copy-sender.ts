/**
 * Sends one file to one receiver, whole (`wire/copy.ts`): offers it, goes on where the receiver's copy ends, sends its pieces, and has
 * the whole compared.
 *
 *     offering ─► comparing ─► sending ─► finishing ─► ended
 *        ▲            │           │           │
 *        └────────────┴───────────┴───────────┘   the receiver has started anew
 *
 * The stage reads no file: `compare` asks for the SHA-256 of the first bytes, after which they are handed in one after the other while
 * there is `room`.
 */
import {
  parseCopy,
  PIECE_BYTES,
  piecesOf,
  writeCopy,
  type CopyBody,
  type CopyEnd,
  type CopyPacket,
} from '../wire/copy.ts';
import type { DepartureChunk } from '../wire/departure-chunk.ts';
import type { Stage } from '../wire/stage.ts';
import { CopyPieces } from './copy-pieces.ts';
import { Fifo } from './fifo.ts';

export interface CopySenderOptions {
  /** What the file is to be called there; a base name. */
  name: string;
  /** Bytes of the file. */
  bytes: number;
  /** Uniform in 0 to 1, not to be guessed: connections are drawn from it. */
  random: () => number;
  /** No more pieces a millisecond than this. */
  mostPerMs?: number | undefined;
}

/** What goes in. */
export type CopySenderInput =
  /** A datagram of the receiver. */
  | { kind: 'datagram'; datagram: Buffer; arrivedAt: number }
  /** What `compare` asked for. */
  | { kind: 'prefix'; bytes: number; sha256: Buffer }
  /** The next bytes of the file, no more than there is `room` for. Whole pieces, unless they are the last. They are copied. */
  | { kind: 'bytes'; bytes: Buffer }
  /** The SHA-256 of the file, behind its last bytes. */
  | { kind: 'whole'; sha256: Buffer }
  /** This end gives up. */
  | { kind: 'stop'; reason: CopyEnd };

/** What comes out. */
export type CopySenderOutput =
  /** To be sent at once. */
  | { kind: 'control'; datagram: Buffer }
  /** To be sent when they are due, from where they lie: slots of `chunk`. */
  | { kind: 'pieces'; first: number; end: number; chunk: DepartureChunk }
  /** Push `prefix` of the first `bytes`; what is read after that begins behind them. */
  | { kind: 'compare'; bytes: number }
  /** The last output. */
  | { kind: 'ended'; outcome: CopyOutcome };

/** How it ended. */
export type CopyOutcome =
  /** The file is there, under this name. */
  | { kind: 'done'; name: string }
  /** The receiver said why not. */
  | { kind: 'refused'; reason: CopyEnd; detail: number }
  /** Nobody ever answered. */
  | { kind: 'unanswered' }
  /** The receiver was not heard any more. */
  | { kind: 'silent' }
  /** By `stop`. */
  | { kind: 'stopped' };

/** Where a copy is, for people. */
export type CopyState = 'offering' | 'waiting' | 'comparing' | 'sending' | 'finishing' | 'ended';

/** How far it is. */
export interface CopyProgress {
  state: CopyState;
  /** Bytes that are in the receiver's file. */
  writtenBytes: number;
  /** Bytes of those that were there before. */
  foundBytes: number;
  /** Datagrams with bytes of the file that were sent, and those of them that had been sent before. */
  sentDatagrams: number;
  repeatedDatagrams: number;
  /** Smoothed round trip, milliseconds. */
  rttMs: number | undefined;
  /** How often the receiver had to be asked anew. */
  reconnected: number;
}

/** Nobody is there when so many offers were not answered. */
const MOST_OFFERS = 8;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 2000;
/** The same once the receiver has been heard: it may be started again, or the network may come back. */
const PATIENCE_MS = 60_000;
/** How often a receiver that asked for patience is asked again. */
const ASK_AGAIN_MS = 500;
/** An end is said so often: it is not acknowledged. */
const ENDS = 3;
const NO_COOKIE = Buffer.alloc(0);

export class CopySender implements Stage<CopySenderInput, CopySenderOutput> {
  readonly #options: CopySenderOptions;
  readonly #total: number;
  readonly #outputs = new Fifo<CopySenderOutput>();
  #state: CopyState = 'offering';
  #connection: number;
  #cookie: Buffer = NO_COOKIE;
  #anew = false;
  #accepted: { from: number; window: number; sha256: Buffer } | undefined;
  #pieces: CopyPieces | undefined;
  #whole: Buffer | undefined;
  #askAt = -Infinity; // when to say again what was not answered
  #asked = 0; // since something was heard
  #offeredAt = 0;
  #firstRttMs: number | undefined;
  #heardAt: number | undefined;
  #found: number | undefined; // by the first connection
  #written = 0;
  #sent = 0; // over connections before this one
  #repeated = 0;
  #reconnected = 0;

  constructor(options: CopySenderOptions) {
    this.#options = options;
    this.#total = piecesOf(options.bytes);
    this.#connection = this.#draw();
  }

  /** Bytes of the file that are wanted now. */
  get room(): number {
    return this.#state === 'sending' ? (this.#pieces?.room ?? 0) : 0;
  }

  get progress(): CopyProgress {
    return {
      state: this.#state,
      writtenBytes: this.#bytesOf(Math.max(this.#written, this.#pieces?.written ?? 0)),
      foundBytes: this.#bytesOf(this.#found ?? 0),
      sentDatagrams: this.#sent + (this.#pieces?.sent ?? 0),
      repeatedDatagrams: this.#repeated + (this.#pieces?.repeated ?? 0),
      rttMs: this.#pieces?.flight.rttMs,
      reconnected: this.#reconnected,
    };
  }

  push(input: CopySenderInput, now: number): void {
    if (this.#state === 'ended') return;
    switch (input.kind) {
      case 'datagram':
        this.#hear(input, now);
        break;
      case 'prefix':
        this.#compare(input);
        break;
      case 'bytes':
        if (this.#state === 'sending') this.#pieces?.feed(input.bytes);
        break;
      case 'whole':
        this.#whole = input.sha256;
        this.#finishIfWhole();
        break;
      case 'stop':
        for (let each = 0; each < ENDS; each++) this.#say({ kind: 'end', reason: input.reason, detail: 0 });
        this.#end({ kind: 'stopped' });
        break;
    }
  }

  poll(now: number): CopySenderOutput | undefined {
    const waiting = this.#outputs.shift();
    if (waiting || this.#state === 'ended') return waiting;
    this.#giveUp(now);
    if (now >= this.#askAt) this.#ask(now);
    if (this.#outputs.length > 0) return this.#outputs.shift();
    const due = this.#state === 'sending' ? this.#pieces?.poll(now) : undefined;
    if (due?.kind !== 'pieces' || !this.#pieces) return due?.kind === 'control' ? due : undefined;
    return { ...due, chunk: this.#pieces.chunk };
  }

  get wakeAt(): number {
    if (this.#outputs.length > 0) return -Infinity;
    if (this.#state === 'ended') return Infinity;
    const dueAt = this.#state === 'sending' ? (this.#pieces?.wakeAt ?? Infinity) : Infinity;
    return Math.min(dueAt, this.#askAt, this.#givesUpAt);
  }

  get #givesUpAt(): number {
    return this.#heardAt === undefined ? Infinity : this.#heardAt + PATIENCE_MS;
  }

  #giveUp(now: number): void {
    if (this.#heardAt === undefined && this.#asked >= MOST_OFFERS && now >= this.#askAt)
      this.#end({ kind: 'unanswered' });
    else if (now >= this.#givesUpAt) this.#end({ kind: 'silent' });
  }

  /** Says again what has to be answered: an offer, or the end of the file. While pieces are sent these are asked with. */
  #ask(now: number): void {
    if (this.#state === 'ended') return;
    if (this.#state === 'sending') {
      this.#askAt = Infinity;
      return;
    }
    if (this.#state === 'finishing' && this.#whole)
      this.#say({ kind: 'finish', sha256: this.#whole }, this.#total);
    else this.#offer(now);
    this.#askAt = now + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#asked++);
  }

  #offer(now: number): void {
    const { bytes, name } = this.#options;
    this.#offeredAt = now;
    this.#say({ kind: 'offer', cookie: this.#cookie, anew: this.#anew, bytes, name });
  }

  #hear({ datagram, arrivedAt }: { datagram: Buffer; arrivedAt: number }, now: number): void {
    const packet = parseCopy(datagram);
    if (typeof packet === 'string' || packet.connection !== this.#connection) return;
    if (packet.kind === 'ack') this.#acknowledge(packet, arrivedAt);
    else this.#take(packet, now);
  }

  #take(packet: CopyPacket, now: number): void {
    switch (packet.kind) {
      case 'challenge':
        this.#answer(packet.cookie, now);
        return;
      case 'accept':
        this.#accept(packet, now);
        return;
      case 'wait':
        this.#wait(now);
        return;
      case 'done':
        this.#done(packet.name);
        return;
      case 'end':
        this.#end({ kind: 'refused', reason: packet.reason, detail: packet.detail });
        return;
      case 'unknown':
        this.#reconnect(now);
        return;
      case 'ack':
      case 'offer':
      case 'piece':
      case 'finish': // only senders say these three
    }
  }

  #heard(now: number): void {
    this.#heardAt = now;
    this.#asked = 0;
  }

  #wait(now: number): void {
    this.#heard(now);
    this.#askAt = now + ASK_AGAIN_MS;
    if (this.#state === 'offering') this.#state = 'waiting';
  }

  #done(name: string): void {
    if (this.#state !== 'finishing') return;
    this.#written = this.#total;
    this.#end({ kind: 'done', name });
  }

  /** A new challenge goes into the offer at once; an old one has been answered. */
  #answer(cookie: Buffer, now: number): void {
    if (!this.#isOffering() || cookie.equals(this.#cookie)) return;
    this.#heard(now);
    this.#cookie = Buffer.from(cookie);
    this.#firstRttMs ??= now - this.#offeredAt;
    this.#offer(now);
  }

  #accept(packet: CopyPacket & { kind: 'accept' }, now: number): void {
    if (packet.index > this.#total) return;
    this.#heard(now);
    if (!this.#isOffering()) return;
    const { index: from, window, sha256 } = packet;
    this.#accepted = { from, window, sha256: Buffer.from(sha256) };
    this.#state = 'comparing';
    this.#whole = undefined;
    // The receiver waits: it has to hear something now and then.
    this.#askAt = now + ASK_AGAIN_MS;
    this.#outputs.push({ kind: 'compare', bytes: this.#bytesOf(from) });
  }

  /** Is what the receiver has the beginning of this file? If not, it is to begin anew. */
  #compare({ bytes, sha256 }: { bytes: number; sha256: Buffer }): void {
    const accepted = this.#accepted;
    if (this.#state !== 'comparing' || !accepted || bytes !== this.#bytesOf(accepted.from)) return;
    this.#accepted = undefined;
    this.#askAt = -Infinity;
    if (!accepted.sha256.equals(sha256)) {
      this.#anew = true;
      this.#state = 'offering';
      return;
    }
    this.#found ??= accepted.from;
    this.#written = accepted.from;
    this.#pieces = new CopyPieces({
      connection: this.#connection,
      from: accepted.from,
      total: this.#total,
      lastBytes: this.#options.bytes - Math.max(0, this.#total - 1) * PIECE_BYTES,
      window: accepted.window,
      firstRttMs: this.#firstRttMs ?? 0,
      mostPerMs: this.#options.mostPerMs,
    });
    this.#state = 'sending';
  }

  #acknowledge(packet: CopyPacket & { kind: 'ack' }, arrivedAt: number): void {
    if (!this.#pieces?.acknowledge(packet.index, packet, arrivedAt)) return;
    this.#heard(arrivedAt);
    this.#finishIfWhole();
  }

  #finishIfWhole(): void {
    if (this.#state !== 'sending' || !this.#whole || !this.#pieces?.isWhole) return;
    this.#state = 'finishing';
    this.#asked = 0;
    this.#askAt = -Infinity;
  }

  /** The receiver knows nothing of this connection: it was started anew, or another sender drew the same number. */
  #reconnect(now: number): void {
    if (this.#isOffering() && this.#cookie.length === 0) return;
    if (this.#pieces) {
      this.#sent += this.#pieces.sent;
      this.#repeated += this.#pieces.repeated;
    }
    this.#pieces = undefined;
    this.#connection = this.#draw();
    this.#cookie = NO_COOKIE;
    this.#anew = false;
    this.#state = 'offering';
    this.#reconnected++;
    this.#askAt = now;
  }

  #isOffering(): boolean {
    return this.#state === 'offering' || this.#state === 'waiting';
  }

  #say(body: CopyBody, index = 0): void {
    const datagram = writeCopy({ ...body, connection: this.#connection, index });
    this.#outputs.push({ kind: 'control', datagram });
  }

  #end(outcome: CopyOutcome): void {
    this.#written = Math.max(this.#written, this.#pieces?.written ?? 0);
    this.#state = 'ended';
    this.#outputs.push({ kind: 'ended', outcome });
  }

  #draw(): number {
    return Math.floor(this.#options.random() * 2 ** 32);
  }

  #bytesOf(pieces: number): number {
    return Math.min(this.#options.bytes, pieces * PIECE_BYTES);
  }
}
