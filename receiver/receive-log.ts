/**
 * What is known of one run of sequence numbers: which place each datagram has, how many should have come, how unevenly they
 * came. RFC 3550 A.1, A.3 and A.8, with a rule of our own for what does not belong to the run.
 *
 * RFC 3550 takes a sequence number 100 behind or 3000 ahead for a new beginning, which a fast programme reaches by plain
 * disorder or a pulled cable. Here a datagram clashes with the run only if its sequence number does not follow *and* its
 * timestamp steps by a second more or less than time did. Without timestamps: if it jumps ahead further than its rate explains,
 * or had come before the latency and comes again while the run stands still.
 */
import type { Arrival } from '../jitter-buffer/slab.ts';
import { wrapDistance } from '../wire/sequence.ts';
import type { ReportFigures } from './reporter.ts';

/** Numbers of one datagram, as on the wire. */
export interface SequenceStamp {
  /** 16 bits with a timestamp, 32 bits without. */
  sequence: number;
  /** 32 bits of 90 kHz; `undefined` for framings without one. */
  timestamp: number | undefined;
  /** The sender says that its timestamp jumps here (RFC 2250 §2). */
  marker: boolean;
}

/** `placed`: it has an index. `early`: it comes before the first datagram of the run. `clash`: it is not of this run. */
export type Placement = 'placed' | 'early' | 'clash';

/** The sender's clock runs as fast as life: only then can it pace anything, and jitter is known. Contracts, "Time". */
export function isLifePace(pacePpm: number): boolean {
  return Math.abs(pacePpm - LIFE_PPM) <= 1000;
}

const LIFE_PPM = 1_000_000;
const TICKS_PER_MS = 90;
/** A timestamp that is off by this much does not belong. */
const CLASH_MS = 1000;
/** A jump that the sender announced counts from here on. */
const MARKED_JUMP_MS = 100;
/** So near the highest no other run begins by accident, when its timestamp is near as well. */
const NEAR_STEPS = 100;
/** Sequence numbers remembered with time and timestamp. */
const HISTORY = 8192;
/** Without timestamps: how far ahead a sequence number may always be. */
const MAX_JUMP = 32_768;
/** How long the least delay is kept, at least. */
const LEAST_DELAY_MS = 10_000;

/** From here on media time is this far ahead of the timestamps. */
interface Anchor {
  index: number;
  ticks: number;
  mediaMs: number;
}

export class ReceiveLog {
  readonly #bits: 16 | 32;
  readonly #latencyMs: number;
  readonly #base: number;
  #highest: number;
  #received = 0;
  #firstArrivedAt = 0;
  /** Of the highest, and of the last one that was no copy. */
  #highestArrivedAt = -Infinity;
  #lastArrivedAt = -Infinity;

  /** Of the highest: its unwrapped timestamp, and arrival - media time. */
  #ticks = 0;
  #delayMs = 0;
  /** Least delay since `#leastFrom`, and of the period before: outlives a stall of our own machine. */
  #leastMs = Infinity;
  #leastBeforeMs = Infinity;
  #leastFrom = 0;
  #anchor: Anchor = { index: 0, ticks: 0, mediaMs: 0 };
  #anchorBefore: Anchor = this.#anchor;
  #pacePpm = LIFE_PPM;

  /** By sequence number modulo their length: timestamp, and time of arrival; of those that did not come `Infinity`. */
  readonly #stamps = new Uint32Array(HISTORY);
  readonly #cameAt = new Float64Array(HISTORY);

  #transitMs = Number.NaN;
  #jitterMs = Number.NaN;
  #expectedBefore = 0;
  #receivedBefore = 0;

  /**
   * @param bits width of the sequence number
   * @param first the sequence number that has index 0
   * @param latencyMs how much disorder is tolerated without timestamps
   */
  constructor(bits: 16 | 32, first: number, latencyMs: number) {
    this.#bits = bits;
    this.#base = first;
    this.#highest = first - 1;
    this.#latencyMs = latencyMs;
  }

  get hasBegun(): boolean {
    return this.#received > 0;
  }

  /** When the last datagram came that was no copy of an earlier one; `-Infinity` before the first. */
  get lastArrivedAt(): number {
    return this.#lastArrivedAt;
  }

  /** From one datagram to the next, on average since the beginning: milliseconds. */
  get spacingMs(): number {
    const count = this.#highest - this.#base;
    return count > 0 ? (this.#highestArrivedAt - this.#firstArrivedAt) / count : 0;
  }

  /** For how long nothing new may come while nothing is wrong, milliseconds. */
  get patienceMs(): number {
    return 2 * this.spacingMs;
  }

  /** RFC 3550 A.8 in milliseconds; `undefined` when not known. */
  get jitterMs(): number | undefined {
    return Number.isNaN(this.#jitterMs) ? undefined : this.#jitterMs;
  }

  /** The sender's clock against life, in millionths: 1 000 000 is life, more is faster. */
  set pacePpm(pacePpm: number) {
    if (pacePpm === this.#pacePpm) return;
    this.#reanchor(this.#highest - this.#base, this.#ticks, this.#mediaMs(this.#anchor, this.#ticks));
    this.#pacePpm = pacePpm;
    if (!isLifePace(pacePpm)) this.#transitMs = this.#jitterMs = Number.NaN;
  }

  /** The index that belongs to a sequence number near the highest. */
  indexOf(sequence: number): number {
    return this.#highest + wrapDistance(this.#highest, sequence, this.#bits) - this.#base;
  }

  /** Finds the place of a datagram; when it has one, writes index and times into `arrival`, whose `arrivedAt` is set. */
  place(stamp: SequenceStamp, arrival: Arrival): Placement {
    const { arrivedAt } = arrival;
    const { timestamp } = stamp;
    const ticks = timestamp === undefined ? 0 : this.#unwrap(timestamp);
    let step = wrapDistance(this.#highest, stamp.sequence, this.#bits);
    if (this.hasBegun && step !== 1) {
      if (!this.belongs(stamp, arrivedAt)) return 'clash';
      if (timestamp !== undefined) step = this.#withCycles(step, ticks, arrivedAt);
    }
    const extended = this.#highest + step;
    const index = extended - this.#base;
    if (index < 0) return 'early';

    arrival.index = index;
    arrival.discontinuity = false;
    arrival.timestampTicks = arrival.mediaMs = Number.NaN;
    if (timestamp !== undefined) this.#time(stamp, ticks, step, arrival);
    if (step > 0) this.#advance(step, timestamp ?? 0, arrivedAt);
    else if (step > -HISTORY) this.#fill(extended & (HISTORY - 1), arrivedAt);
    this.#received++;
    return 'placed';
  }

  /** Writes index and times of a datagram that repair brought back. It tells nothing of the network, and nothing is learnt from it. */
  restore({ timestamp }: SequenceStamp, index: number, arrival: Arrival): void {
    arrival.index = index;
    arrival.recovered = true;
    arrival.discontinuity = false;
    arrival.timestampTicks = arrival.mediaMs = Number.NaN;
    if (timestamp === undefined) return;
    const ticks = this.#unwrap(timestamp);
    arrival.timestampTicks = ticks;
    if (isLifePace(this.#pacePpm)) arrival.mediaMs = this.#mediaMs(this.#anchorOf(index), ticks);
  }

  /** Whether a datagram of this run could look like this. */
  belongs({ sequence, timestamp }: SequenceStamp, arrivedAt: number): boolean {
    const step = wrapDistance(this.#highest, sequence, this.#bits);
    if (!this.hasBegun || step === 1) return true;
    if (timestamp === undefined) return !this.#jumps(step, arrivedAt);
    return !this.#misfits(step, this.#unwrap(timestamp), arrivedAt);
  }

  /** The figures of RFC 3550 A.3 and A.8 for a report; the fraction counts from one call to the next. */
  report(): ReportFigures {
    const expected = this.#highest - this.#base + 1;
    const expectedNow = expected - this.#expectedBefore;
    const lostNow = expectedNow - (this.#received - this.#receivedBefore);
    this.#expectedBefore = expected;
    this.#receivedBefore = this.#received;
    return {
      fractionLost: lostNow > 0 ? Math.min(Math.floor((lostNow * 256) / expectedNow), 255) : 0,
      cumulativeLost: expected - this.#received,
      highestSequence: this.#highest % 2 ** 32,
      jitter: Math.round((this.jitterMs ?? 0) * TICKS_PER_MS),
    };
  }

  /** Media time of a timestamp, milliseconds. */
  #mediaMs(anchor: Anchor, ticks: number): number {
    return anchor.mediaMs + ((ticks - anchor.ticks) / TICKS_PER_MS) * (LIFE_PPM / this.#pacePpm);
  }

  #unwrap(timestamp: number): number {
    return this.hasBegun ? this.#ticks + wrapDistance(this.#ticks, timestamp, 32) : timestamp;
  }

  /** Does the timestamp contradict both the datagrams before it and the place that the sequence number claims? */
  #misfits(step: number, ticks: number, arrivedAt: number): boolean {
    const delayMs = arrivedAt - this.#mediaMs(this.#anchor, ticks);
    const least = Math.min(this.#leastMs, this.#leastBeforeMs);
    const limitMs = CLASH_MS * this.#haste();
    if (Math.abs(delayMs - this.#delayMs) <= limitMs || Math.abs(delayMs - least) <= limitMs) return false;
    if (this.#goesOn(step, ticks)) return false;
    if (step > 0 || step <= -HISTORY) return true;
    const claimed = this.#stamps[(this.#highest + step) & (HISTORY - 1)] ?? 0;
    return Math.abs(wrapDistance(claimed, ticks, 32)) > CLASH_MS * TICKS_PER_MS;
  }

  /** Next to the highest by both counters: whatever the arrival says, which a stall of our own machine puts off. */
  #goesOn(step: number, ticks: number): boolean {
    const ahead = ticks - this.#ticks;
    return step > 0 && step <= NEAR_STEPS && ahead >= 0 && ahead <= CLASH_MS * TICKS_PER_MS;
  }

  /** How many times faster than time the media clock ran, at least 1: a sender may hurry without telling its pace. */
  #haste(): number {
    const lasted = this.#highestArrivedAt - this.#firstArrivedAt;
    return lasted > 0 ? Math.max(1, 1 - this.#delayMs / lasted) : 1;
  }

  /** Without timestamps: does it jump out of all proportion, or begin anew while the run stands still? */
  #jumps(step: number, arrivedAt: number): boolean {
    const silentMs = arrivedAt - this.#lastArrivedAt;
    if (step > 0) return step > MAX_JUMP && step > 2 * this.#expectedIn(silentMs);
    if (silentMs < this.#latencyMs) return false;
    const cameAt = step > -HISTORY ? this.#cameAt[(this.#highest + step) & (HISTORY - 1)] : undefined;
    return cameAt === undefined || arrivedAt - cameAt > this.#latencyMs;
  }

  /** A silence may have swallowed whole cycles of 16-bit numbers: as many as the rate so far calls for. */
  #withCycles(step: number, ticks: number, arrivedAt: number): number {
    if (ticks - this.#ticks <= CLASH_MS * TICKS_PER_MS) return step;
    const cycle = 2 ** this.#bits;
    const least = step > 0 ? 0 : 1;
    const expected = this.#expectedIn(arrivedAt - this.#highestArrivedAt);
    return step + cycle * Math.max(least, Math.round((expected - step) / cycle));
  }

  /** How many datagrams come in such a time at the rate since the beginning. */
  #expectedIn(ms: number): number {
    const lasted = this.#highestArrivedAt - this.#firstArrivedAt;
    return lasted > 0 ? ((this.#highest - this.#base) * ms) / lasted : 0;
  }

  /** Writes the times of a datagram that has its index, and learns from them. */
  #time(stamp: SequenceStamp, ticks: number, step: number, arrival: Arrival): void {
    const { arrivedAt, index } = arrival;
    if (!this.hasBegun) this.#begin(ticks, arrivedAt);
    else if ((step === 1 || (step > 1 && stamp.marker)) && this.#isDiscontinuity(stamp, ticks, arrivedAt)) {
      const mediaMs = this.#mediaMs(this.#anchor, this.#ticks) + (arrivedAt - this.#highestArrivedAt);
      this.#reanchor(index, ticks, mediaMs);
      arrival.discontinuity = true;
    }
    const mediaMs = this.#mediaMs(this.#anchorOf(index), ticks);
    arrival.timestampTicks = ticks;
    const delayMs = arrivedAt - mediaMs;
    if (step > 0) {
      this.#ticks = ticks;
      this.#delayMs = delayMs;
    }
    this.#learnDelay(delayMs, arrivedAt);
    if (!isLifePace(this.#pacePpm)) return;
    arrival.mediaMs = mediaMs;
    this.#learnJitter(delayMs);
  }

  #anchorOf(index: number): Anchor {
    return index >= this.#anchor.index ? this.#anchor : this.#anchorBefore;
  }

  #begin(ticks: number, arrivedAt: number): void {
    this.#ticks = ticks;
    this.#anchor = this.#anchorBefore = { index: 0, ticks, mediaMs: arrivedAt };
    this.#leastFrom = arrivedAt;
  }

  /**
   * The timestamp jumps. A stall is no jump: then only the arrival does. Nor is a marker alone: some senders set it on
   * every packet.
   */
  #isDiscontinuity({ marker }: SequenceStamp, ticks: number, arrivedAt: number): boolean {
    const limitMs = marker ? MARKED_JUMP_MS : CLASH_MS;
    const stepMs = ((ticks - this.#ticks) / TICKS_PER_MS) * (LIFE_PPM / this.#pacePpm);
    return Math.abs(stepMs) > limitMs && Math.abs(stepMs - (arrivedAt - this.#highestArrivedAt)) > limitMs;
  }

  #reanchor(index: number, ticks: number, mediaMs: number): void {
    this.#anchorBefore = this.#anchor;
    this.#anchor = { index, ticks, mediaMs };
  }

  #learnDelay(delayMs: number, arrivedAt: number): void {
    if (arrivedAt - this.#leastFrom > LEAST_DELAY_MS) {
      this.#leastBeforeMs = this.#leastMs;
      this.#leastMs = Infinity;
      this.#leastFrom = arrivedAt;
    }
    if (delayMs < this.#leastMs) this.#leastMs = delayMs;
  }

  /** J += (|D| - J) / 16, where D is the difference of transit times from one datagram to the next. */
  #learnJitter(transitMs: number): void {
    const difference = Math.abs(transitMs - this.#transitMs);
    this.#transitMs = transitMs;
    if (Number.isNaN(difference)) return;
    const before = Number.isNaN(this.#jitterMs) ? 0 : this.#jitterMs;
    this.#jitterMs = before + (difference - before) / 16;
  }

  /** One of those that did not come has come. Copies change nothing. */
  #fill(at: number, arrivedAt: number): void {
    if (this.#cameAt[at] !== Infinity) return;
    this.#cameAt[at] = arrivedAt;
    this.#lastArrivedAt = arrivedAt;
  }

  /** The highest sequence number moves on by `step`. */
  #advance(step: number, timestamp: number, arrivedAt: number): void {
    const isFirst = !this.hasBegun;
    if (step > 1) this.#passOver(step, timestamp);
    this.#highest += step;
    this.#stamps[this.#highest & (HISTORY - 1)] = timestamp;
    this.#cameAt[this.#highest & (HISTORY - 1)] = arrivedAt;
    this.#highestArrivedAt = this.#lastArrivedAt = arrivedAt;
    if (isFirst) this.#firstArrivedAt = arrivedAt;
  }

  /** Those before the new highest are remembered as if evenly spaced. */
  #passOver(step: number, timestamp: number): void {
    const stampBefore = !this.hasBegun ? timestamp : (this.#stamps[this.#highest & (HISTORY - 1)] ?? 0);
    const stampStep = wrapDistance(stampBefore, timestamp, 32);
    for (let i = Math.max(1, step - HISTORY + 1); i < step; i++) {
      const at = (this.#highest + i) & (HISTORY - 1);
      this.#stamps[at] = stampBefore + Math.round((stampStep * i) / step);
      this.#cameAt[at] = Infinity;
    }
  }
}
