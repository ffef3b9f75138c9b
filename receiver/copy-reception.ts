/**
 * One copy being received: from an offer that was accepted to a file that is whole.
 *
 *     preparing ─► receiving ─► completing ─► done
 *         ▲            │
 *         └────────────┘  what was there is not the beginning of the file: anew
 */
import { Buffer } from 'node:buffer';
import type { Endpoint } from '../wire/address.ts';
import { PIECE_BYTES, piecesOf, writeCopy, type CopyBody, type CopyPacket } from '../wire/copy.ts';
import { CopyWindow } from './copy-window.ts';

export type CopyReceptionState = 'preparing' | 'receiving' | 'completing' | 'done';

/** What is asked of the disk for one copy. */
export type CopyTask =
  /** Open what there is of the file, or make it new when `anew`; answered by `prepared`. */
  | { kind: 'prepare'; name: string; bytes: number; anew: boolean }
  /** Write these bytes at `position`, where the file ends; answered by `written`. */
  | { kind: 'write'; pieces: readonly Buffer[]; position: number }
  /** The file is whole: make it safe and give it its name if it has this SHA-256; answered by `completed`. */
  | { kind: 'complete'; sha256: Buffer };

/** How far a copy is. */
export interface CopyReceptionProgress {
  name: string;
  source: Endpoint;
  state: CopyReceptionState;
  bytes: number;
  /** In the file. */
  writtenBytes: number;
  /** Of those, there before. */
  foundBytes: number;
  /** Pieces that came more than once, and pieces that were not asked for or have a wrong length. */
  repeated: number;
  refused: number;
}

/** Pieces are written in runs of so many, or when the first of them has waited for so long. */
const WRITE_PIECES = 96;
const WRITE_AFTER_MS = 20;
/** A sender that was not heard for so long has gone. */
const SILENCE_MS = 90_000;

/** The receiving end of one connection. */
export class CopyReception {
  readonly connection: number;
  readonly name: string;
  /** Where answers go: where the last offer came from. */
  source: Endpoint;
  heardAt: number;

  readonly #bytes: number;
  readonly #total: number;
  readonly #lastBytes: number;
  #state: CopyReceptionState = 'preparing';
  #anew = false;
  #window: CopyWindow | undefined;
  #accepted: { from: number; sha256: Buffer } | undefined;
  #found: number | undefined;
  #sha256: Buffer | undefined; // of the sender's file
  #finalName = '';
  #task: CopyTask | undefined;
  #writingTo: number | undefined; // the piece behind those that are being written
  #writeAt = Infinity;
  #repeated = 0;
  #refused = 0;

  constructor(
    offer: { connection: number; source: Endpoint; name: string; bytes: number; anew: boolean },
    now: number,
  ) {
    this.connection = offer.connection;
    this.source = { ...offer.source };
    this.name = offer.name;
    this.heardAt = now;
    this.#bytes = offer.bytes;
    this.#total = piecesOf(offer.bytes);
    this.#lastBytes = offer.bytes - Math.max(0, this.#total - 1) * PIECE_BYTES;
    this.#prepare(offer.anew);
  }

  get state(): CopyReceptionState {
    return this.#state;
  }

  get progress(): CopyReceptionProgress {
    return {
      name: this.#finalName || this.name,
      source: this.source,
      state: this.#state,
      bytes: this.#bytes,
      writtenBytes: this.#bytesOf(this.#window?.written ?? 0),
      foundBytes: this.#bytesOf(this.#found ?? 0),
      repeated: this.#repeated,
      refused: this.#refused,
    };
  }

  /** When `takeTask` or `acknowledgement` may have something, or the sender has gone. */
  get wakeAt(): number {
    return Math.min(this.#window?.ackAt ?? Infinity, this.#writeAt, this.goneAt);
  }

  /** When it has been silent for too long. */
  get goneAt(): number {
    return this.heardAt + SILENCE_MS;
  }

  /** Answers an offer that is known to come from this sender. */
  offered({ anew }: { anew: boolean }, source: Endpoint): CopyBody & { index?: number } {
    this.source = { ...source };
    if (anew && !this.#anew && this.#state === 'receiving') this.#prepare(true);
    if (this.#state === 'done') return { kind: 'done', name: this.#finalName };
    if (!this.#accepted) return { kind: 'wait', reason: 'preparing' };
    const { from, sha256 } = this.#accepted;
    return { kind: 'accept', index: from, window: this.#window?.room ?? 0, sha256 };
  }

  /** Takes a piece. */
  take(piece: CopyPacket & { kind: 'piece' }, arrivedAt: number, now: number): void {
    const taken = this.#window?.take(piece, arrivedAt, now);
    if (taken === 'known') this.#repeated++;
    else if (taken === 'outside' || taken === 'wrong-length') this.#refused++;
    this.#planWriting(now);
  }

  /** Answers that all was sent. */
  finish(sha256: Buffer, now: number): CopyBody | undefined {
    if (this.#state === 'done') return { kind: 'done', name: this.#finalName };
    if (!this.#window?.isWhole) {
      if (this.#window) this.#window.ackAt = now; // it is mistaken: it will hear what is missing
      return undefined;
    }
    this.#sha256 ??= Buffer.from(sha256);
    this.#complete();
    return { kind: 'wait', reason: 'writing' };
  }

  /** The file is open. It has so many bytes, with this SHA-256. */
  prepared(bytes: number, sha256: Buffer): void {
    const from = bytes === this.#bytes ? this.#total : Math.floor(bytes / PIECE_BYTES);
    this.#window = new CopyWindow(from, this.#total, this.#lastBytes);
    this.#accepted = { from, sha256 };
    this.#found = from;
    this.#state = 'receiving';
  }

  /** What was to be written is in the file. */
  wrote(now: number): void {
    if (this.#writingTo === undefined) return;
    this.#window?.wrote(this.#writingTo, now);
    this.#writingTo = undefined;
    this.#planWriting(now);
    this.#complete();
  }

  /** The file has its name. */
  completed(name: string): void {
    this.#finalName = name;
    this.#state = 'done';
  }

  /** What the disk has to do now. */
  takeTask(now: number): CopyTask | undefined {
    const task = this.#task;
    this.#task = undefined;
    if (task || now < this.#writeAt) return task;
    this.#writeAt = Infinity;
    const pieces = this.#window?.unwritten();
    if (!pieces || !this.#window) return undefined;
    this.#writingTo = this.#window.next;
    return { kind: 'write', pieces, position: this.#window.written * PIECE_BYTES };
  }

  /** The acknowledgement that is due. */
  acknowledgement(now: number): Buffer | undefined {
    const window = this.#window;
    if (!window || now < window.ackAt) return undefined;
    const ack = window.acknowledge(now);
    return writeCopy({ kind: 'ack', connection: this.connection, index: window.next, ...ack });
  }

  #prepare(anew: boolean): void {
    this.#anew = anew;
    this.#state = 'preparing';
    this.#window = undefined;
    this.#accepted = undefined;
    this.#task = { kind: 'prepare', name: this.name, bytes: this.#bytes, anew };
  }

  #planWriting(now: number): void {
    if (this.#writingTo !== undefined || !this.#window) return;
    const waiting = this.#window.next - this.#window.written;
    if (waiting === 0) return;
    const atOnce = waiting >= WRITE_PIECES || this.#window.isWhole;
    this.#writeAt = Math.min(this.#writeAt, atOnce ? now : now + WRITE_AFTER_MS);
  }

  #complete(): void {
    if (this.#state !== 'receiving' || !this.#sha256 || this.#window?.written !== this.#total) return;
    this.#state = 'completing';
    this.#task = { kind: 'complete', sha256: this.#sha256 };
  }

  #bytesOf(pieces: number): number {
    return Math.min(this.#bytes, pieces * PIECE_BYTES);
  }
}
