/**
 * Decides which missing datagrams to ask the sender for, and when (RFC 4585): after a short wait for those that were only
 * overtaken, once a round trip, and never when the answer could not come in time.
 *
 * It is policy over the receive window and keeps no datagrams. On multicast receivers first wait at random, so that one of them
 * asks and the repair, or word of the request, keeps the others from asking (§3.5.1).
 */
import { MAX_NACK_SEQUENCES } from '../wire/rtcp-feedback.ts';
import type { Stage } from '../wire/stage.ts';

/** What the window and its release policy know of the stream. */
export interface Expectation {
  /** The index to be released or given up next. */
  readonly next: number;
  /** One past the highest index that came, or that the sender said it sent. */
  readonly end: number;
  /** How long what is missing may take to come back by itself: by FEC. Milliseconds. */
  readonly patienceMs: number;
  /** The first index from `index` on that is held; `Infinity` when there is none. */
  heldFrom(index: number): number;
  /** Until when a missing `index` may still come; `-Infinity` when it is no longer waited for. */
  giveUpAt(index: number): number;
  /** The 16-bit sequence number of an index. */
  sequenceOf(index: number): number;
}

/** What a generator is told; of the second and the third kind at the time of their arrival, which may lie before other inputs. */
export type NackGeneratorInput =
  /** Datagrams have gone into the window, or the sender said how many there are. Once behind each batch is enough. */
  | { kind: 'arrivals' }
  /** This one came from the network, in its first copy, behind others with a higher index. */
  | { kind: 'overtaken'; index: number }
  /** A retransmission of this one came. */
  | { kind: 'repaired'; index: number }
  /** Somebody else was seen asking for this one. */
  | { kind: 'asked-by-another'; index: number };

export interface NackGeneratorOptions {
  expectation: Expectation;
  /** Others receive the same datagrams, and are to ask for none that one has asked for. */
  isMulticast: boolean;
  /** Until the first answer has been timed, milliseconds. Default 40. */
  roundTripMs?: number;
  /** Uniform in 0 to 1. */
  random: () => number;
}

const DEFAULT_ROUND_TRIP_MS = 40;
/** Asked again so long after an answer should have come. */
const RETRY_MS = 2;
const MAX_TRIES = 10;
/** Indexes that are asked for at a time: the newest. */
const MAX_MISSING = 1000;
/** Nobody asks sooner: neighbours are often turned round. */
const LEAST_WAIT_MS = 2;
/** Disorder that was seen is waited for, with a margin, for so long. */
const DISORDER_MARGIN = 1.25;
const DISORDER_KEPT_MS = 10_000;
/** Of the time that is left to repair, waiting may take this share each: for disorder, and for others to ask. */
const WAIT_SHARE = 1 / 4;
/** And so much of it FEC. */
const PATIENCE_SHARE = 1 / 2;
const BACK_OFF_SHARE = 1 / 8;
const MAX_BACK_OFF_MS = 20;
/** When so many requests over so long had no answer at all, nobody answers: then one is made now and then, lest that has changed. */
const MOST_UNANSWERED = 64;
const UNANSWERED_MS = 2000;
const PROBE_MS = 200;
/** When for so long, and so many in a row, all answers came after a second request, the round trip is longer than was thought. */
const LATE_ANSWERS_MS = 1000;
const LATE_ANSWERS = 3;

/** A missing datagram. */
interface Missing {
  readonly index: number;
  readonly foundAt: number;
  askAt: number;
  askedAt: number;
  tries: number;
  /** Another asked for it, and ours waits for the answer to that. */
  isPutOff: boolean;
}

/** Emits lists of sequence numbers, each for one NACK. */
export class NackGenerator implements Stage<NackGeneratorInput, readonly number[]> {
  /**
   * `asked`: sequence numbers asked for, each time counted; `repaired`: of those asked for, came as a retransmission; `suppressed`:
   * another asked, or a retransmission came, before it was asked for; `givenUp`: asked for no more, because of time or tries;
   * `overflow`: never asked for, because too many were missing.
   */
  readonly stats = { asked: 0, repaired: 0, suppressed: 0, givenUp: 0, overflow: 0 };

  readonly #options: NackGeneratorOptions;
  readonly #missing = new Map<number, Missing>(); // by index, in the order of the stream
  #lookedTo = 0;
  #wakeAt = Infinity;
  #disorderMs = 0;
  #disorderUntil = -Infinity;
  #answerMs: number; // smoothed time from a request to its answer
  #unrestMs = 0; // mean deviation of it
  #timedAt = -Infinity; // when the latest answer to a single request came
  #lateAnswers = 0; // in a row
  #unanswered = 0; // requests since the last answer
  #unansweredFrom = 0; // when the first of them was made
  #probeAt = -Infinity;

  constructor(options: NackGeneratorOptions) {
    this.#options = options;
    this.#answerMs = options.roundTripMs ?? DEFAULT_ROUND_TRIP_MS;
  }

  /** How long an answer takes, milliseconds, with a margin for its variation as in RFC 6298. */
  get roundTripMs(): number {
    return this.#answerMs + 2 * this.#unrestMs;
  }

  push(input: NackGeneratorInput, now: number): void {
    if (input.kind === 'arrivals') {
      this.#look(now);
      return;
    }
    const missing = this.#missing.get(input.index);
    if (!missing) return;
    if (input.kind === 'asked-by-another') {
      this.#suppress(missing, now);
      return;
    }
    this.#missing.delete(input.index);
    if (input.kind === 'overtaken') this.#learnDisorder(Math.max(0, now - missing.foundAt), now);
    else this.#answered(missing, now);
  }

  poll(now: number): readonly number[] | undefined {
    if (now < this.#wakeAt) return undefined;
    const lost: number[] = [];
    let wakeAt = Infinity;
    for (const missing of this.#missing.values()) {
      if (lost.length === MAX_NACK_SEQUENCES) {
        wakeAt = now;
        break;
      }
      if (missing.askAt <= now && this.#ask(missing, now))
        lost.push(this.#options.expectation.sequenceOf(missing.index));
      if (this.#missing.has(missing.index)) wakeAt = Math.min(wakeAt, missing.askAt);
    }
    this.#wakeAt = wakeAt;
    return lost.length > 0 ? lost : undefined;
  }

  get wakeAt(): number {
    return this.#wakeAt;
  }

  /** Finds what is missing among the indexes that were not looked at yet. */
  #look(now: number): void {
    const { expectation } = this.#options;
    const { end } = expectation;
    let index = Math.max(this.#lookedTo, expectation.next);
    while (index < end) {
      const held = Math.min(expectation.heldFrom(index), end);
      if (held > index) this.#find(index, held, now);
      index = held + 1;
    }
    this.#lookedTo = Math.max(this.#lookedTo, end);
  }

  /** These are missing, from `first` up to and not including `end`. They are asked for together. */
  #find(first: number, end: number, now: number): void {
    const askAt = now + this.#waitMs(first, now);
    const from = Math.max(first, end - MAX_MISSING);
    this.stats.overflow += from - first;
    for (let index = from; index < end; index++)
      this.#missing.set(index, { index, foundAt: now, askAt, askedAt: -Infinity, tries: 0, isPutOff: false });
    for (const [index, { tries }] of this.#missing) {
      if (this.#missing.size <= MAX_MISSING) break;
      this.#missing.delete(index);
      if (tries === 0) this.stats.overflow++;
      else this.stats.givenUp++;
    }
    this.#wakeAt = Math.min(this.#wakeAt, askAt);
  }

  /** How long to wait before asking for the first time. */
  #waitMs(index: number, now: number): number {
    const { expectation, isMulticast, random } = this.#options;
    const leftMs = Math.max(0, expectation.giveUpAt(index) - now - this.roundTripMs);
    const disorderMs = now < this.#disorderUntil ? this.#disorderMs : 0;
    const turnedRoundMs = Math.min(Math.max(disorderMs, LEAST_WAIT_MS), leftMs * WAIT_SHARE);
    const waitMs = Math.max(turnedRoundMs, Math.min(expectation.patienceMs, leftMs * PATIENCE_SHARE));
    return isMulticast ? waitMs + random() * Math.min(MAX_BACK_OFF_MS, leftMs * BACK_OFF_SHARE) : waitMs;
  }

  /** Is it worth asking for now? */
  #ask(missing: Missing, now: number): boolean {
    const { expectation } = this.#options;
    const { index } = missing;
    if (index < expectation.next || expectation.heldFrom(index) === index) {
      this.#missing.delete(index);
      return false;
    }
    const { roundTripMs } = this;
    if (missing.tries === MAX_TRIES || now + roundTripMs > expectation.giveUpAt(index)) {
      this.#missing.delete(index);
      this.stats.givenUp++;
      return false;
    }
    if (!this.#isAnswered(now)) {
      this.#missing.delete(index);
      this.stats.givenUp++;
      return false;
    }
    missing.tries++;
    missing.askedAt = now;
    if (this.#unanswered++ === 0) this.#unansweredFrom = now;
    missing.askAt = now + Math.max(roundTripMs + RETRY_MS, this.#spreadMs(missing, now));
    this.stats.asked++;
    return true;
  }

  /** May it be asked for? A sender that never answers is left alone, but for a request now and then. */
  #isAnswered(now: number): boolean {
    if (this.#unanswered < MOST_UNANSWERED || now < this.#unansweredFrom + UNANSWERED_MS) return true;
    if (now < this.#probeAt) return false;
    this.#probeAt = now + PROBE_MS;
    return true;
  }

  #answered(missing: Missing, now: number): void {
    this.#unanswered = 0;
    if (missing.tries === 0) this.stats.suppressed++;
    else this.#learnRoundTrip(missing, now);
  }

  /** Where answers are fast, tries are not used up at once: nobody might be able to answer just now. */
  #spreadMs({ index, tries }: Missing, now: number): number {
    const leftMs = this.#options.expectation.giveUpAt(index) - now;
    return leftMs === Infinity ? 0 : leftMs / (2 * Math.max(1, MAX_TRIES - tries));
  }

  /** Another's request will be answered to the group: ours waits for that, once, lest false requests put it off for ever. */
  #suppress(missing: Missing, now: number): void {
    const { isMulticast, random } = this.#options;
    if (!isMulticast || missing.isPutOff) return;
    missing.isPutOff = true;
    this.stats.suppressed++;
    missing.askAt = Math.max(missing.askAt, now + this.roundTripMs + RETRY_MS + random() * MAX_BACK_OFF_MS);
  }

  #learnDisorder(delayMs: number, now: number): void {
    const waitMs = delayMs * DISORDER_MARGIN;
    if (now < this.#disorderUntil && waitMs < this.#disorderMs / 2) return;
    this.#disorderMs = Math.max(waitMs, now < this.#disorderUntil ? this.#disorderMs : 0);
    this.#disorderUntil = now + DISORDER_KEPT_MS;
  }

  /** The answer to one of several requests tells no time: nobody knows which it was (Karn's rule). */
  #learnRoundTrip({ tries, askedAt }: Missing, now: number): void {
    this.stats.repaired++;
    if (tries > 1) {
      // One or two may be answers to the second request: the first, or its answer, was lost.
      if (++this.#lateAnswers < LATE_ANSWERS || now < this.#timedAt + LATE_ANSWERS_MS) return;
      this.#answerMs *= 1.5;
      this.#timedAt = now;
      return;
    }
    this.#lateAnswers = 0;
    const answerMs = Math.max(0, now - askedAt);
    if (this.#timedAt === -Infinity) {
      this.#answerMs = answerMs;
      this.#hasten();
    } else {
      this.#unrestMs += (Math.abs(answerMs - this.#answerMs) - this.#unrestMs) / 4;
      this.#answerMs += (answerMs - this.#answerMs) / 8;
    }
    this.#timedAt = now;
  }

  /** What waits for answers was asked before their time was known. */
  #hasten(): void {
    const { roundTripMs } = this;
    for (const missing of this.#missing.values()) {
      if (missing.tries === 0) continue;
      missing.askAt = Math.min(missing.askAt, missing.askedAt + roundTripMs + RETRY_MS);
      this.#wakeAt = Math.min(this.#wakeAt, missing.askAt);
    }
  }
}
