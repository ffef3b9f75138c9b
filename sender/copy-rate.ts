/**
 * How fast a file is sent: as fast as the path is seen to deliver, and hardly faster (after BBR, draft-ietf-ccwg-bbr).
 *
 * Loss alone does not slow it down, as on Wi-Fi some is always lost: what counts is what comes on top of the loss that remains when
 * less is sent than the path takes, and round trips that do not get short again, because a queue stands. Every half
 * second, and more rarely when that brings nothing, it tries a quarter more for two round trips, and then less, so that the queue it
 * made is gone.
 *
 *     start ─► drain ─► calm ─► cruise ─► up ─► down ─► calm ─► cruise …
 */

/** What one round trip showed. */
export interface CopyRound {
  /** Pieces a millisecond that arrived: the best that was seen. */
  deliveredPerMs: number;
  /** Not the network but the file or the receiver's disk was what held sending up. */
  limited: boolean;
  /** Transmissions that arrived, and that were lost. */
  arrived: number;
  lost: number;
  /** The same of those that were sent while `calm`. */
  calmArrived: number;
  calmLost: number;
  /** The shortest round trip, milliseconds, of so many measured; Infinity: of none. */
  minRttMs: number;
  rtts: number;
}

export type CopyPhase = 'start' | 'drain' | 'calm' | 'cruise' | 'up' | 'down';

/** What is sent, in parts of what the path delivers. 2.77 = 4 ln 2 doubles it each round trip. */
const GAIN: Readonly<Record<CopyPhase, number>> = {
  start: 2.77,
  drain: 0.36,
  calm: 0.75,
  cruise: 1,
  up: 1.25,
  down: 0.75,
};
const FIRST_PIECES = 10;
const FIRST_RTT_MS = 1;
const LEAST_PER_RTT = 2;
const LEAST_WINDOW = 8;
/** Acknowledgements may gather for so long without anything having to wait for them. */
const ACK_SLACK_MS = 15;
/** Twice as long each time that trying more brought nothing. */
const CRUISE_MS = 500;
const LONGEST_CRUISE_MS = 2000;
const CRUISE_ROUNDS = 4;
/** A shorter round trip is forgotten after so long: the path may have changed. */
const RTT_MEMORY_MS = 10_000;
/** Growth that shows there was more to be had. */
const START_GROWTH = 1.25;
const UP_GROWTH = 1.05;
const FLAT_ROUNDS = 3;
const UP_ROUNDS = 2;
/** Loss beyond what is usual that means a full queue. */
const EXCESS_LOSS = 0.02;
const CERTAINTY = 3; // standard deviations
const MOST_USUAL_LOSS = 0.5;
const BACK_OFF = 0.85;
/** A queue stands when even the shortest of so many round trips is longer than it needs to be by so much. */
const QUEUE_RTTS = 8;
const QUEUE_RTT = 1.25;
const QUEUE_MS = 5;

/** Decides the pace of one copy. Told of each round trip; knows no time but that. */
export class CopyRate {
  #phase: CopyPhase = 'start';
  #rounds = 0; // of this phase
  #flatRounds = 0;
  #cruiseMs = CRUISE_MS;
  #cruiseUntil = 0;
  #grownFrom: number; // what the path delivered when growth was last seen
  #best = 0; // of this cycle
  #bestBefore: number; // of the one before
  #limit = Infinity; // after a full queue, until it is tried again
  #rttMs: number;
  #rttAt = -Infinity;
  #rtts = 0; // since it was last judged whether a queue stands
  #shortestMs = Infinity;
  #calmArrived = 0;
  #calmLost = 0;
  readonly #mostPerMs: number;

  /**
   * @param firstRttMs how long the first answer took
   * @param mostPerMs no more pieces a millisecond than this
   */
  constructor(firstRttMs: number, mostPerMs = Infinity) {
    this.#rttMs = Math.max(firstRttMs, FIRST_RTT_MS);
    this.#bestBefore = FIRST_PIECES / this.#rttMs / GAIN.start;
    this.#grownFrom = this.#bestBefore;
    this.#mostPerMs = mostPerMs;
  }

  get phase(): CopyPhase {
    return this.#phase;
  }

  /** Share that is lost although less is sent than the path takes, 0 to 0.5. */
  get usualLoss(): number {
    const sent = this.#calmArrived + this.#calmLost;
    return sent === 0 ? 0 : Math.min(MOST_USUAL_LOSS, this.#calmLost / sent);
  }

  /** Pieces a millisecond to be sent now. */
  get perMs(): number {
    return Math.min(this.#mostPerMs, GAIN[this.#phase] * this.#pathPerMs);
  }

  /** Transmissions that may be under way. */
  get window(): number {
    const roundTrips = this.#phase === 'start' ? GAIN.start : 2;
    const pieces = this.#pathPerMs * (roundTrips * this.#rttMs + ACK_SLACK_MS);
    return Math.max(LEAST_WINDOW, Math.ceil(pieces));
  }

  /** Takes what a round trip showed. */
  round(round: CopyRound, now: number): void {
    this.#measure(round, now);
    this.#rounds++;
    const crowded = this.#isCrowded(round);
    switch (this.#phase) {
      case 'start':
        if (this.#hasFlattened(round, crowded)) this.#enter('drain');
        break;
      case 'drain':
      case 'down':
        this.#enter('calm');
        break;
      case 'calm':
        this.#cruiseUntil = now + Math.max(this.#cruiseMs, CRUISE_ROUNDS * this.#rttMs);
        this.#enter('cruise');
        break;
      case 'cruise':
        if (crowded) this.#yield(round.deliveredPerMs);
        if (now >= this.#cruiseUntil) this.#tryMore();
        break;
      case 'up':
        this.#judgeTrial(round, crowded);
        break;
    }
  }

  /** What has to be sent for the path to be full. */
  get #pathPerMs(): number {
    const perMs = Math.min(this.#limit, this.#delivered) / (1 - this.usualLoss);
    return Math.max(LEAST_PER_RTT / this.#rttMs, perMs);
  }

  get #delivered(): number {
    return Math.max(this.#best, this.#bestBefore);
  }

  #enter(phase: CopyPhase): void {
    this.#phase = phase;
    this.#rounds = 0;
    this.#rtts = 0;
    this.#shortestMs = Infinity;
  }

  #measure(round: CopyRound, now: number): void {
    const { deliveredPerMs, limited, minRttMs, rtts, calmArrived, calmLost } = round;
    if (!limited || deliveredPerMs > this.#delivered) this.#best = Math.max(this.#best, deliveredPerMs);
    if (minRttMs < this.#rttMs || (minRttMs < Infinity && now > this.#rttAt + RTT_MEMORY_MS)) {
      this.#rttMs = minRttMs;
      this.#rttAt = now;
    }
    this.#rtts += rtts;
    this.#shortestMs = Math.min(this.#shortestMs, minRttMs);
    this.#calmArrived += calmArrived;
    this.#calmLost += calmLost;
  }

  #isCrowded({ arrived, lost }: CopyRound): boolean {
    if (this.#queueStands()) return true;
    const sent = arrived + lost;
    const usual = this.usualLoss;
    const smoothed = (usual * sent + 1) / (sent + 2);
    const chance = CERTAINTY * Math.sqrt((smoothed * (1 - smoothed)) / Math.max(1, sent));
    return lost > sent * (usual + EXCESS_LOSS + chance);
  }

  /** Judged by many round trips: one alone may be long because the network is restless. */
  #queueStands(): boolean {
    if (this.#rtts < QUEUE_RTTS) return false;
    const stands = this.#shortestMs > this.#rttMs * QUEUE_RTT + QUEUE_MS;
    this.#rtts = 0;
    this.#shortestMs = Infinity;
    return stands;
  }

  #hasGrown(by: number): boolean {
    if (this.#delivered < this.#grownFrom * by) return false;
    this.#grownFrom = this.#delivered;
    return true;
  }

  #hasFlattened({ limited }: CopyRound, crowded: boolean): boolean {
    if (this.#hasGrown(START_GROWTH)) this.#flatRounds = 0;
    else if (!limited) this.#flatRounds++;
    return this.#flatRounds >= FLAT_ROUNDS || (this.#flatRounds > 0 && crowded);
  }

  /** Others need the path as well, or it has become narrower. */
  #yield(deliveredPerMs: number): void {
    this.#limit = Math.max(BACK_OFF * Math.min(this.#limit, this.#delivered), deliveredPerMs);
  }

  /** Goes on with more as long as more arrives. */
  #judgeTrial({ deliveredPerMs, limited }: CopyRound, crowded: boolean): void {
    if (this.#rounds < UP_ROUNDS || (!crowded && this.#hasGrown(UP_GROWTH))) return;
    // More was sent than the path takes: what arrived is what it takes, also when that has become less.
    if (crowded && !limited) this.#limit = deliveredPerMs;
    const brought = this.#rounds > UP_ROUNDS;
    this.#cruiseMs = brought ? CRUISE_MS : Math.min(LONGEST_CRUISE_MS, 2 * this.#cruiseMs);
    this.#enter('down');
  }

  /** Begins the next cycle. What was seen in the one before the last is forgotten. */
  #tryMore(): void {
    this.#bestBefore = Math.min(this.#best, this.#limit);
    this.#best = 0;
    this.#limit = Infinity;
    this.#grownFrom = this.#bestBefore;
    // What is usual may change: what was seen long ago counts for less and less.
    this.#calmArrived /= 2;
    this.#calmLost /= 2;
    this.#enter('up');
  }
}
