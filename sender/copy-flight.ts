/**
 * What is under way of a copy: which transmissions, which of them arrived or are lost, how long round trips take (RFC 6298), and how
 * fast the path delivers.
 *
 * A transmission is lost when one that was sent enough later has arrived (RFC 8985, RACK); how much later grows when one arrives
 * after all.
 */
import { Bitmap } from '../jitter-buffer/bitmap.ts';
import type { CopyAck } from '../wire/copy.ts';
import { wrapDistance } from '../wire/sequence.ts';
import type { CopyRound } from './copy-rate.ts';
import { Fifo } from './fifo.ts';

/** Pieces behind the first that has not arrived that may be sent. */
export const SEND_WINDOW = 4096;

/** Transmissions remembered; more than four for each piece that may be under way. */
const REMEMBERED = 16_384;
/** States of a transmission; 0: none of these. */
const UNDER_WAY = 1;
const ARRIVED = 2;
const LOST = 3;

const FIRST_RTT_MS = 250;
/** A receiver may take so long to acknowledge. */
const ACK_DELAY_MS = 25;
/** What a clock, a wake-up or a queue in this machine may be wrong by. */
const GRAIN_MS = 2;
const LEAST_RTT_MS = 0.05;
/** Rates are not measured over less. */
const LEAST_INTERVAL_MS = 1;
const MOST_REORDERING_MS = 100;

/** The transmissions of one connection. */
export class CopyFlight {
  /** Pieces that were lost and have not arrived since; look at `has` before sending one again. */
  readonly lost = new Fifo<number>();
  /** The first piece that is not known to have arrived. */
  base: number;
  /** Transmissions under way. */
  inFlight = 0;
  /** Transmissions so far. */
  sent = 0;
  /** Smoothed round trip, milliseconds; `undefined` before the first. */
  rttMs: number | undefined;

  readonly #arrived = new Bitmap(2 * SEND_WINDOW); // by piece
  // By transmission:
  readonly #state = new Uint8Array(REMEMBERED);
  readonly #calm = new Uint8Array(REMEMBERED);
  readonly #limited = new Uint8Array(REMEMBERED);
  readonly #piece = new Float64Array(REMEMBERED);
  readonly #sentAt = new Float64Array(REMEMBERED);
  readonly #deliveredThen = new Float64Array(REMEMBERED);
  readonly #deliveredAtThen = new Float64Array(REMEMBERED);
  readonly #firstSentAt = new Float64Array(REMEMBERED);

  #end: number; // the first piece never sent
  #oldest = 0; // no older transmission is under way
  #newestArrived = -1;
  #newestSentAt = -Infinity; // of those that arrived
  #rttVarMs = 0;
  #latestRttMs = 0;
  #reorderingMs = 0;
  #delivered = 0;
  #deliveredAt = 0;
  #sampleFrom = 0; // when the transmission was sent that the last rate was taken of
  #limitedUntil = -1;
  #roundEndsAt = 0; // when so many were delivered as the round began
  #round = emptyRound();
  #whole: CopyRound | undefined;

  /** @param base the first piece to be sent */
  constructor(base: number) {
    this.base = base;
    this.#end = base;
  }

  /** Has it arrived? Only for pieces up to `SEND_WINDOW` behind `base`. */
  has(piece: number): boolean {
    return piece < this.base || this.#arrived.has(piece);
  }

  /** How long nothing may come before something is sent to learn why, milliseconds (RFC 9002 §6.2.1). */
  get probeMs(): number {
    return (this.rttMs ?? FIRST_RTT_MS) + Math.max(4 * this.#rttVarMs, GRAIN_MS) + ACK_DELAY_MS;
  }

  /** When `detectLoss` will find the next one; Infinity: not before another arrives. */
  get lossAt(): number {
    if (this.#oldest >= this.#newestArrived) return Infinity;
    return this.#at(this.#sentAt, this.#oldest) + this.#latestRttMs + this.#reordering;
  }

  /** Counts a piece as sent, and gives the number of its transmission. `calm`: see `CopyRate`. */
  send(piece: number, at: number, calm: boolean): number {
    const transmission = this.sent;
    const slot = transmission % REMEMBERED;
    if (this.#state[slot] === UNDER_WAY) this.#lose(this.#oldest);
    this.#skipSettled();
    this.sent++;
    if (this.inFlight === 0) {
      this.#deliveredAt = at;
      this.#sampleFrom = at;
    }
    this.#state[slot] = UNDER_WAY;
    this.#calm[slot] = calm ? 1 : 0;
    this.#limited[slot] = this.#delivered < this.#limitedUntil ? 1 : 0;
    this.#piece[slot] = piece;
    this.#sentAt[slot] = at;
    this.#deliveredThen[slot] = this.#delivered;
    this.#deliveredAtThen[slot] = this.#deliveredAt;
    this.#firstSentAt[slot] = this.#sampleFrom;
    this.inFlight++;
    this.#end = Math.max(this.#end, piece + 1);
    return transmission;
  }

  /** There was nothing to send although more might have been: what arrives says little of the path. */
  ranDry(): void {
    this.#limitedUntil = this.#delivered + Math.max(1, this.inFlight);
  }

  /** Takes an acknowledgement. False: it tells of what was never sent. */
  acknowledge(index: number, ack: CopyAck, arrivedAt: number): boolean {
    let transmission = this.sent + wrapDistance(this.sent, ack.oldest, 32);
    let total = 0;
    for (const run of ack.runs) total += run;
    if (index > this.#end || transmission < 0 || transmission + total > this.sent) return false;
    let newest = -1;
    for (let each = 0; each < ack.runs.length; each++) {
      const end = transmission + (ack.runs[each] ?? 0);
      if (each % 2 === 0) newest = Math.max(newest, this.#arrive(transmission, end));
      transmission = end;
    }
    if (newest >= 0) this.#measure(newest, arrivedAt, ack.delayUs / 1000);
    this.#advance(index);
    this.detectLoss(arrivedAt);
    return true;
  }

  /** Puts the pieces of transmissions that are lost by now into `lost`. */
  detectLoss(now: number): void {
    const before = this.#newestSentAt - this.#reordering;
    for (; this.#oldest < this.#newestArrived; this.#oldest++) {
      if (this.#at(this.#state, this.#oldest) !== UNDER_WAY) continue;
      const sentAt = this.#at(this.#sentAt, this.#oldest);
      // The very sum of `lossAt`: a rounding error must not keep it from its word.
      if (sentAt > before && now < sentAt + this.#latestRttMs + this.#reordering) return;
      this.#lose(this.#oldest);
    }
    this.#skipSettled();
  }

  /** What the last round trip showed, once. */
  takeRound(): CopyRound | undefined {
    const round = this.#whole;
    this.#whole = undefined;
    return round;
  }

  get #reordering(): number {
    return Math.max(this.#reorderingMs, this.#latestRttMs / 8, GRAIN_MS);
  }

  #at(column: Float64Array | Uint8Array, transmission: number): number {
    return column[transmission % REMEMBERED] ?? 0;
  }

  #skipSettled(): void {
    while (this.#oldest < this.sent && this.#at(this.#state, this.#oldest) !== UNDER_WAY) this.#oldest++;
  }

  /** Transmissions `from` to before `end` have arrived. The newest of which that is news; -1: of none. */
  #arrive(from: number, end: number): number {
    let newest = -1;
    for (let each = Math.max(from, this.sent - REMEMBERED, 0); each < end; each++) {
      const slot = each % REMEMBERED;
      const state = this.#state[slot];
      if (state !== UNDER_WAY && state !== LOST) continue;
      if (state === LOST) this.#cameLate(each);
      else this.inFlight--;
      this.#state[slot] = ARRIVED;
      this.#delivered++;
      this.#round.arrived++;
      this.#round.calmArrived += this.#calm[slot] ?? 0;
      const piece = this.#piece[slot] ?? 0;
      if (piece >= this.base) this.#arrived.set(piece);
      if (state === UNDER_WAY) newest = each;
    }
    return newest;
  }

  /** It was not lost but overtaken: later ones must be waited for as long. */
  #cameLate(transmission: number): void {
    const overtakenMs = this.#newestSentAt - this.#at(this.#sentAt, transmission);
    this.#reorderingMs = Math.min(MOST_REORDERING_MS, Math.max(this.#reorderingMs, 1.25 * overtakenMs));
    this.#round.lost = Math.max(0, this.#round.lost - 1);
    this.#round.calmLost = Math.max(0, this.#round.calmLost - this.#at(this.#calm, transmission));
  }

  #lose(transmission: number): void {
    const slot = transmission % REMEMBERED;
    this.#state[slot] = LOST;
    this.inFlight--;
    this.#round.lost++;
    this.#round.calmLost += this.#calm[slot] ?? 0;
    const piece = this.#piece[slot] ?? 0;
    if (!this.has(piece)) this.lost.push(piece);
  }

  #advance(index: number): void {
    const known = Math.max(this.base, index);
    this.#arrived.clear(this.base, known);
    const first = Math.min(this.#arrived.firstClear(known, known + SEND_WINDOW), this.#end);
    this.#arrived.clear(known, first);
    this.base = first;
  }

  #measure(newest: number, arrivedAt: number, delayMs: number): void {
    const sentAt = this.#at(this.#sentAt, newest);
    if (newest > this.#newestArrived) {
      this.#newestArrived = newest;
      this.#newestSentAt = sentAt;
      this.#measureRtt(arrivedAt - sentAt - Math.min(delayMs, ACK_DELAY_MS));
    }
    const interval = Math.max(
      arrivedAt - this.#at(this.#deliveredAtThen, newest),
      sentAt - this.#at(this.#firstSentAt, newest),
      LEAST_INTERVAL_MS,
    );
    const deliveredThen = this.#at(this.#deliveredThen, newest);
    const perMs = (this.#delivered - deliveredThen) / interval;
    const limited = this.#at(this.#limited, newest) === 1;
    if (perMs > this.#round.deliveredPerMs) {
      this.#round.deliveredPerMs = perMs;
      this.#round.limited = limited;
    }
    this.#deliveredAt = arrivedAt;
    this.#sampleFrom = sentAt;
    if (deliveredThen < this.#roundEndsAt) return;
    this.#roundEndsAt = this.#delivered;
    this.#whole = this.#round;
    this.#round = emptyRound();
  }

  #measureRtt(measuredMs: number): void {
    const rttMs = Math.max(LEAST_RTT_MS, measuredMs);
    this.#latestRttMs = rttMs;
    this.#round.rtts++;
    this.#round.minRttMs = Math.min(this.#round.minRttMs, rttMs);
    if (this.rttMs === undefined) {
      this.rttMs = rttMs;
      this.#rttVarMs = rttMs / 2;
      return;
    }
    this.#rttVarMs += (Math.abs(this.rttMs - rttMs) - this.#rttVarMs) / 4;
    this.rttMs += (rttMs - this.rttMs) / 8;
  }
}

function emptyRound(): CopyRound {
  return {
    deliveredPerMs: 0,
    limited: true,
    arrived: 0,
    lost: 0,
    calmArrived: 0,
    calmLost: 0,
    minRttMs: Infinity,
    rtts: 0,
  };
}
