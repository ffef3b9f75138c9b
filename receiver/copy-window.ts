/**
 * The pieces of one copy that have come and are not yet in the file, and what is acknowledged.
 *
 * Pieces wait in a ring of memory until all before them are there; then they go to the file in order, so that the file is at any time
 * the beginning of what is sent, and its length all that has to be remembered of it.
 */
import { Buffer } from 'node:buffer';
import { Bitmap } from '../jitter-buffer/bitmap.ts';
import { PIECE_BYTES, type CopyAck } from '../wire/copy.ts';
import { Unwrapper } from '../wire/sequence.ts';

/** Pieces behind the last one written that are taken: 5.4 MB. */
const RECEIVE_WINDOW = 4096;

/** The newest transmissions that are told of. Even when every other one is lost, an acknowledgement holds them. */
const TOLD = 1024;
/** Half of them: an acknowledgement that is lost loses nothing. */
const TELL_AFTER = TOLD / 2;
/** Acknowledgements wait for more to tell: so long, or for so many, but not longer apart than `LEAST_APART_MS` then. */
const ACK_DELAY_MS = 5;
const ACK_AFTER = 16;
const LEAST_APART_MS = 1;

/** How one piece was taken. */
export type Taken =
  | 'new'
  | 'known' // it had come before
  | 'outside' // of what was asked for
  | 'wrong-length';

export class CopyWindow {
  /** All pieces before this one have come. */
  next: number;
  /** All pieces before this one are in the file. */
  written: number;
  /** When an acknowledgement is due; Infinity: there is nothing to tell. */
  ackAt = Infinity;

  readonly #total: number;
  readonly #lastBytes: number;
  readonly #slots: number;
  readonly #memory: Buffer;
  readonly #come = new Bitmap(RECEIVE_WINDOW); // by piece
  readonly #heard = new Bitmap(TOLD); // by transmission
  readonly #unwrapper = new Unwrapper(32);
  #oldest = 0; // transmission that is told of
  #newest = -1;
  #newestAt = 0;
  #told = -1; // the newest transmission of the last acknowledgement
  #toldAt = -Infinity;
  #toldEdge = 0;

  /**
   * @param from the first piece that is wanted
   * @param total pieces of the file
   * @param lastBytes of the last one
   */
  constructor(from: number, total: number, lastBytes: number) {
    this.next = from;
    this.written = from;
    this.#total = total;
    this.#lastBytes = lastBytes;
    this.#slots = Math.max(1, Math.min(RECEIVE_WINDOW, total));
    this.#memory = Buffer.allocUnsafeSlow(this.#slots * PIECE_BYTES);
  }

  /** All pieces have come. */
  get isWhole(): boolean {
    return this.next === this.#total;
  }

  /** Pieces that may be sent from `next` on. */
  get room(): number {
    return this.#edge - this.next;
  }

  /** Takes a piece, which is copied. An empty one only asks for an acknowledgement. */
  take(
    piece: { index: number; transmission: number; payload: Buffer },
    arrivedAt: number,
    now: number,
  ): Taken {
    const taken = piece.payload.length === 0 ? 'known' : this.#keep(piece.index, piece.payload);
    if (taken === 'outside' || taken === 'wrong-length') return taken;
    this.#note(this.#unwrapper.unwrap(piece.transmission), arrivedAt, now);
    if (piece.payload.length === 0) this.ackAt = now;
    return taken;
  }

  /** The bytes that may be written next, in order; `undefined` when there are none. They stay as they are until `wrote`. */
  unwritten(): Buffer[] | undefined {
    if (this.written === this.next) return undefined;
    const first = this.written % this.#slots;
    const pieces = this.next - this.written;
    const untilEnd = Math.min(pieces, this.#slots - first);
    const views = [this.#view(first, untilEnd)];
    if (untilEnd < pieces) views.push(this.#view(0, pieces - untilEnd));
    const last = views.at(-1);
    if (this.isWhole && last)
      views[views.length - 1] = last.subarray(0, last.length - PIECE_BYTES + this.#lastBytes);
    return views;
  }

  /** All pieces before this one are in the file. */
  wrote(piece: number, now: number): void {
    this.written = piece;
    // A sender that had no more room is told at once.
    if (this.#edge - this.#toldEdge >= this.#slots / 4) this.#tellBy(now);
  }

  /** What there is to acknowledge. */
  acknowledge(now: number): CopyAck {
    const runs: number[] = [];
    const end = this.#newest + 1;
    for (let at = this.#oldest, come = true; at < end; come = !come) {
      const next = come ? this.#heard.firstClear(at, end) : this.#heard.firstSet(at, end);
      runs.push(Math.min(next, end) - at);
      at = Math.min(next, end);
    }
    this.ackAt = Infinity;
    this.#told = this.#newest;
    this.#toldAt = now;
    this.#toldEdge = this.#edge;
    return {
      window: this.room,
      unwritten: this.next - this.written,
      delayUs: Math.max(0, Math.round((now - this.#newestAt) * 1000)),
      oldest: this.#oldest,
      runs,
    };
  }

  get #edge(): number {
    return Math.min(this.#total, this.written + this.#slots);
  }

  #keep(index: number, payload: Buffer): Taken {
    if (index >= this.#edge) return 'outside';
    const isLast = index === this.#total - 1;
    if (payload.length !== (isLast ? this.#lastBytes : PIECE_BYTES)) return 'wrong-length';
    if (index < this.next || this.#come.has(index)) return 'known';
    payload.copy(this.#memory, (index % this.#slots) * PIECE_BYTES);
    this.#come.set(index);
    if (index !== this.next) return 'new';
    const end = Math.min(this.#come.firstClear(index, index + RECEIVE_WINDOW), this.#edge);
    this.#come.clear(index, end);
    this.next = end;
    return 'new';
  }

  /** Remembers a transmission and when it has to be acknowledged. */
  #note(transmission: number, arrivedAt: number, now: number): void {
    if (this.#newest === -1) this.#oldest = transmission;
    if (transmission < this.#oldest) return;
    const overtook = transmission > this.#newest + 1 && this.#newest !== -1;
    if (transmission > this.#newest) {
      // What lies between may still come.
      this.#heard.clear(Math.max(this.#newest + 1, transmission - TOLD + 1), transmission + 1);
      this.#oldest = Math.max(this.#oldest, transmission - TOLD + 1);
      this.#newest = transmission;
      this.#newestAt = arrivedAt;
    }
    this.#heard.set(transmission);
    const untold = this.#newest - this.#told;
    if (untold >= TELL_AFTER) this.ackAt = now;
    else if (overtook || untold >= ACK_AFTER) this.#tellBy(Math.max(now, this.#toldAt + LEAST_APART_MS));
    else this.#tellBy(now + ACK_DELAY_MS);
  }

  #tellBy(at: number): void {
    this.ackAt = Math.min(this.ackAt, at);
  }

  #view(slot: number, pieces: number): Buffer {
    return this.#memory.subarray(slot * PIECE_BYTES, (slot + pieces) * PIECE_BYTES);
  }
}
