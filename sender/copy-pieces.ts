/**
 * The pieces of a file on their way over one connection: when each is sent, and sent again, paced by what the path delivers.
 *
 * They lie in the memory they leave from (`wire/departure-chunk.ts`), twice as long as what may be under way, so that nothing is
 * written over that may still have to leave.
 */
import type { CopyAck } from '../wire/copy.ts';
import { PIECE_BYTES, PIECE_HEADER_BYTES, writeCopy, writePieceHeader } from '../wire/copy.ts';
import { DepartureChunk } from '../wire/departure-chunk.ts';
import { CopyFlight, SEND_WINDOW } from './copy-flight.ts';
import { CopyRate } from './copy-rate.ts';

/** Slots of pieces that are due; or a datagram by which the receiver is asked for an acknowledgement. */
export type CopyDeparture =
  { kind: 'pieces'; first: number; end: number } | { kind: 'control'; datagram: Buffer };

export interface CopyPiecesOptions {
  connection: number;
  /** The first piece that is wanted. */
  from: number;
  /** Pieces of the file. */
  total: number;
  /** Bytes of the last one. */
  lastBytes: number;
  /** Pieces from the first on that the receiver takes for now. */
  window: number;
  /** How long the first answer took. */
  firstRttMs: number;
  /** No more pieces a millisecond than this. */
  mostPerMs: number | undefined;
}

/** What is due within this time goes to the departure queue, which is told when half of it is left. */
const AHEAD_MS = 5;
const LEAST_AHEAD_MS = 2.5;
/** Each time nothing comes back it is waited twice as long, but no longer than this. */
const MOST_PROBE_MS = 3000;

/** Sends the pieces of one connection. */
export class CopyPieces {
  /** Where they lie. */
  readonly chunk: DepartureChunk;
  readonly flight: CopyFlight;
  readonly rate: CopyRate;
  /** Pieces that are in the receiver's file. */
  written: number;
  /** Pieces that were sent, and those of them that had been sent before. */
  sent = 0;
  repeated = 0;

  readonly #options: CopyPiecesOptions;
  #fed: number; // the first piece whose bytes are not here yet
  #next: number; // the first piece never sent
  #edge: number; // the first piece the receiver has no room for
  #dueAt = -Infinity; // of the next one
  #heardAt = -Infinity;
  #sentAt = -Infinity;
  #probes = 0;

  constructor(options: CopyPiecesOptions) {
    const { from, total, window, firstRttMs, mostPerMs } = options;
    this.#options = options;
    const slots = Math.max(1, Math.min(2 * SEND_WINDOW, total));
    this.chunk = new DepartureChunk(slots, PIECE_HEADER_BYTES + PIECE_BYTES);
    this.flight = new CopyFlight(from);
    this.rate = new CopyRate(firstRttMs, mostPerMs);
    this.written = from;
    this.#fed = from;
    this.#next = from;
    this.#edge = from + window;
  }

  /** All pieces have arrived. */
  get isWhole(): boolean {
    return this.flight.base === this.#options.total;
  }

  /** Bytes that `feed` takes now. */
  get room(): number {
    const pieces = Math.min(this.flight.base + SEND_WINDOW, this.#options.total) - this.#fed;
    const endsHere = this.#fed + pieces === this.#options.total;
    return pieces <= 0 ? 0 : pieces * PIECE_BYTES - (endsHere ? PIECE_BYTES - this.#options.lastBytes : 0);
  }

  /** Takes the next bytes of the file, which are copied: whole pieces, unless it is the last. */
  feed(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const slot = this.#fed++ % this.chunk.slots;
      const end = Math.min(at + PIECE_BYTES, bytes.length);
      const start = slot * this.chunk.slotBytes + PIECE_HEADER_BYTES;
      bytes.copy(this.chunk.bytes, start, at, end);
      this.chunk.lengths[slot] = PIECE_HEADER_BYTES + end - at;
    }
  }

  /** Takes an acknowledgement. False: it tells of what was never sent. */
  acknowledge(index: number, ack: CopyAck, arrivedAt: number): boolean {
    if (!this.flight.acknowledge(index, ack, arrivedAt)) return false;
    this.#heardAt = arrivedAt;
    this.#probes = 0;
    this.#edge = Math.max(this.#edge, index + ack.window);
    this.written = Math.max(this.written, index - ack.unwritten);
    const round = this.flight.takeRound();
    if (round) this.rate.round(round, arrivedAt);
    return true;
  }

  /** What is due within the next milliseconds. */
  poll(now: number): CopyDeparture | undefined {
    if (now >= this.flight.lossAt) this.flight.detectLoss(now);
    if (now >= this.#probeAt) return this.#probe(now);
    return this.#sendRun(now);
  }

  get wakeAt(): number {
    const dueAt = this.#pick() === undefined ? Infinity : this.#dueAt - LEAST_AHEAD_MS;
    return Math.min(this.flight.lossAt, this.#probeAt, dueAt);
  }

  /** When nothing has come back for too long. */
  get #probeAt(): number {
    const waits = this.flight.inFlight > 0 || this.#next >= this.#edge;
    if (!waits || this.isWhole) return Infinity;
    const patienceMs = Math.min(MOST_PROBE_MS, this.flight.probeMs * 2 ** this.#probes);
    return Math.max(this.#heardAt, this.#sentAt) + patienceMs;
  }

  /**
   * Asks for an acknowledgement, which says what is missing, by the socket that hears the answers: a receiver that was started anew
   * answers to there that it knows nothing.
   */
  #probe(now: number): CopyDeparture {
    this.#probes++;
    this.#sentAt = now;
    const { connection } = this.#options;
    const { base } = this.flight;
    // It carries nothing that could get lost.
    const transmission = this.flight.send(base - 1, now, false);
    const payload = Buffer.alloc(0);
    const probe = { kind: 'piece' as const, connection, index: base, transmission, payload };
    return { kind: 'control', datagram: writeCopy(probe) };
  }

  /** Pieces one behind the other that are due soon. */
  #sendRun(now: number): CopyDeparture | undefined {
    let first = -1;
    let end = -1;
    while (this.#dueAt <= now + AHEAD_MS) {
      const piece = this.#pick();
      if (piece === undefined) {
        if (this.flight.inFlight < this.rate.window) this.flight.ranDry();
        break;
      }
      const slot = piece % this.chunk.slots;
      if (end !== -1 && slot !== end) break;
      if (piece === this.#next) this.#next++;
      else {
        this.flight.lost.shift();
        this.repeated++;
      }
      this.#send(piece, now);
      if (first === -1) first = slot;
      end = slot + 1;
    }
    return first === -1 ? undefined : { kind: 'pieces', first, end };
  }

  /** The piece to be sent next: a lost one before a new one. */
  #pick(): number | undefined {
    const { flight } = this;
    if (flight.inFlight >= this.rate.window) return undefined;
    for (let lost = flight.lost.at(0); lost !== undefined; lost = flight.lost.at(0)) {
      if (!flight.has(lost)) return lost;
      flight.lost.shift();
    }
    return this.#next < Math.min(this.#fed, this.#edge) ? this.#next : undefined;
  }

  #send(piece: number, now: number): void {
    const dueAt = Math.max(this.#dueAt, now);
    this.#dueAt = dueAt + 1 / this.rate.perMs;
    this.#sentAt = dueAt;
    const { chunk } = this;
    const slot = piece % chunk.slots;
    this.sent++;
    const calm = this.rate.phase === 'calm';
    const transmission = this.flight.send(piece, dueAt, calm);
    const { connection } = this.#options;
    writePieceHeader(chunk.bytes, slot * chunk.slotBytes, { connection, index: piece, transmission });
    chunk.dueAt[slot] = dueAt;
  }
}
