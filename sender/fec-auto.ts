/**
 * `--fec auto`: protects the stream as much as what its receivers lose calls for, and no more.
 *
 * Receivers that have proved where they are tell what they lost (RFC 3611, or at least RFC 3550). Of the last minute of each a record
 * is kept, and the setting is the cheapest Reed-Solomon one that would have repaired all of it but a thousandth, for every receiver
 * that can be helped. More protection comes with the next look, less when it was enough for half a minute, none when nothing was lost
 * for three minutes. Whoever lies can make the stream a third larger and no more, and changes are ten seconds apart.
 */
import type { Candidate } from '../wire/fec/advice.ts';
import type { FecSetting } from '../wire/fec/fec-setting.ts';
import type { Endpoint } from '../wire/address.ts';
import { LossPattern } from '../wire/loss-pattern.ts';
import { parseRtcp, type ReportBlock, type RtcpPacket } from '../wire/rtcp.ts';
import { type LossReport, parseLossReport } from '../wire/rtcp-xr.ts';
import type { Stage } from '../wire/stage.ts';
import { Trial } from '../wire/fec/trial.ts';
import { FecChoice } from './fec-choice.ts';
import { RateLimit } from './rate-limit.ts';
import type { Departures } from './reporter.ts';

/** A datagram came to the socket the reports leave from. Nothing of it is kept. */
export interface FecAutoInput {
  datagram: Buffer;
  source: Endpoint;
}

/** From now on the stream is to be protected like this; `undefined`: not at all. */
export interface FecChange {
  setting: FecSetting | undefined;
}

export interface FecAutoOptions {
  /** Of the stream. */
  ssrc: number;
  /** How far the stream is. */
  departures: Readonly<Pick<Departures, 'index' | 'sequence'>>;
  /** Which receiver a datagram is from, as `FeedbackGuard.receiverOf`; 0: nobody who has proved where he is. */
  receiverOf: (source: Endpoint, datagram: Buffer) => number;
  /** How long receivers wait for repairs, milliseconds; what takes longer is not chosen. Default 200. */
  latencyMs?: number;
}

/** Receivers whose losses are remembered, those heard lately. */
const MOST_RECEIVERS = 256;
/** So much of what a receiver lost is remembered, and looked at. */
const RECORD_MS = 60_000;
const MOST_RUNS = 1024;
/** Losses that are looked at, of all receivers together and of each. */
const LOSSES_IN_ALL = 4000;
const [FEWEST_LOSSES, MOST_LOSSES] = [64, 1000];

/** What is longer is an outage, which no FEC repairs. */
const LONGEST_BURST = 128;

const LATENCY_MS = 200;
/** Of the latency this share may go by: the network takes its time as well. */
const LATENCY_SHARE = 0.9;

const LOOK_MS = 1000;
const CHANGE_MS = 10_000;
const LESS_AFTER_MS = 30_000;
const NONE_AFTER_MS = 180_000;

/** Reports that are read: one in so many milliseconds of each receiver, and of all. */
const RECEIVER_MS = 250;
const ALL_MS = 3;
const BURST_MS = 300;

/** What is known of one receiver. */
interface Receiver {
  readonly pattern: LossPattern;
  heardAt: number;
  /** One past the highest index that it reported on in a plain report. */
  reportedUntil: number | undefined;
}

/** Chooses a setting; whoever composes the sender applies it. */
export class FecAuto implements Stage<FecAutoInput, FecChange> {
  /** Compounds: `heard` from receivers; `refused`: not RTCP, about others, or about what was not sent; `flooded`: too many. */
  readonly stats = { heard: 0, refused: 0, flooded: 0, changes: 0 };

  readonly #options: FecAutoOptions;
  readonly #receivers = new Map<number, Receiver>(); // least recently heard first
  readonly #limit = new RateLimit(BURST_MS);
  #present: Candidate | undefined;
  #lostAt = -Infinity;
  /** Since when less than the present setting would do, and the most that was needed since. */
  #lessSince: number | undefined;
  #lessNeeded: Candidate | undefined;
  #lookAt = Infinity;
  /** The last look, how far the stream was then, and how fast it went before: datagrams per millisecond. */
  #lookedAt = 0;
  #indexThen = 0;
  #perMs = 0;

  constructor(options: FecAutoOptions) {
    this.#options = options;
  }

  /** How the stream is to be protected now. */
  get setting(): FecSetting | undefined {
    return this.#present?.setting;
  }

  push({ datagram, source }: FecAutoInput, now: number): void {
    const number = this.#options.receiverOf(source, datagram);
    if (number === 0) return;
    const known = this.#receivers.get(number);
    if ((known && now < known.heardAt + RECEIVER_MS) || !this.#limit.take(ALL_MS, now)) {
      this.stats.flooded++;
      return;
    }
    const packets = parseRtcp(datagram);
    const receiver = known ?? {
      pattern: new LossPattern(0, MOST_RUNS),
      heardAt: now,
      reportedUntil: undefined,
    };
    if (typeof packets === 'string' || !this.#read(packets, receiver, now)) {
      this.stats.refused++;
      return;
    }
    this.stats.heard++;
    this.#remember(number, receiver, now);
    if (this.#lookAt === Infinity) this.#lookNext(now);
  }

  poll(now: number): FecChange | undefined {
    if (now < this.#lookAt) return undefined;
    const elapsedMs = now - this.#lookedAt;
    if (elapsedMs > 0) this.#perMs = (this.#options.departures.index - this.#indexThen) / elapsedMs;
    this.#lookNext(now);
    this.#forget(now);
    const before = this.#present;
    const next = this.#next(now);
    if (next === before) return undefined;
    this.#present = next;
    this.#lessSince = undefined;
    this.#lookAt = now + CHANGE_MS;
    this.stats.changes++;
    return { setting: next?.setting };
  }

  get wakeAt(): number {
    return this.#lookAt;
  }

  #lookNext(now: number): void {
    this.#lookedAt = now;
    this.#indexThen = this.#options.departures.index;
    this.#lookAt = now + LOOK_MS;
  }

  /** Takes what a compound says of our stream. False: nothing, or nothing that can be true. */
  #read(packets: readonly RtcpPacket[], receiver: Receiver, now: number): boolean {
    const { ssrc } = this.#options;
    for (const packet of packets) {
      const report = packet.kind === 'unknown' ? parseLossReport(packet, ssrc) : 'not-xr';
      if (typeof report !== 'string') return this.#readLosses(report, receiver, now);
    }
    const [first] = packets;
    if (first?.kind !== 'rr' && first?.kind !== 'sr') return false;
    const block = first.reports.find((candidate) => candidate.ssrc === ssrc);
    return block !== undefined && this.#readShare(block, receiver, now);
  }

  #readLosses({ firstSequence, count, lost }: LossReport, receiver: Receiver, now: number): boolean {
    const first = this.#indexOf(firstSequence);
    if (first < 0 || first + count > this.#options.departures.index) return false;
    for (const run of lost) receiver.pattern.lost(first + run.first, run.count);
    if (lost.length > 0) this.#lostAt = now;
    return true;
  }

  /** A plain report says how many were lost, not which: they are taken to have been lost one by one. */
  #readShare({ highestSequence, fractionLost }: ReportBlock, receiver: Receiver, now: number): boolean {
    const end = this.#indexOf(highestSequence & 0xffff) + 1;
    if (end < 1 || end > this.#options.departures.index) return false;
    const first = receiver.reportedUntil ?? end;
    receiver.reportedUntil = end;
    const lost = Math.min(Math.round(((end - first) * fractionLost) / 256), MOST_RUNS);
    const step = (end - first) / lost;
    for (let place = 0; place < lost; place++)
      receiver.pattern.lost(Math.floor(first + (place + scattered(place)) * step), 1);
    if (lost > 0) this.#lostAt = now;
    return true;
  }

  /** The index of a datagram that was sent lately. */
  #indexOf(sequence: number): number {
    const { index, sequence: next } = this.#options.departures;
    return index - ((next - sequence) & 0xffff);
  }

  #remember(number: number, receiver: Receiver, now: number): void {
    receiver.heardAt = now;
    this.#receivers.delete(number);
    this.#receivers.set(number, receiver);
    const [oldest] = this.#receivers.keys();
    if (this.#receivers.size > MOST_RECEIVERS && oldest !== undefined) this.#receivers.delete(oldest);
  }

  /** Forgets who is silent, and what was long ago. With nobody to listen to and nothing to take back there is nothing to look at. */
  #forget(now: number): void {
    const from = this.#options.departures.index - this.#perMs * RECORD_MS;
    for (const [number, { pattern, heardAt }] of this.#receivers) {
      if (now > heardAt + RECORD_MS) this.#receivers.delete(number);
      else pattern.forgetBefore(from);
    }
    if (this.#receivers.size === 0 && !this.#present) this.#lookAt = Infinity;
  }

  /** The setting from now on: the present one, or another. */
  #next(now: number): Candidate | undefined {
    const present = this.#present;
    const { latencyMs = LATENCY_MS } = this.#options;
    const trials = this.#trials();
    const choice = new FecChoice(trials, this.#perMs * latencyMs * LATENCY_SHARE);
    if (trials.length === 0) {
      if (!present || now >= this.#lostAt + NONE_AFTER_MS) return undefined;
      return this.#less(choice.lightest, present, now);
    }
    const { best } = choice;
    if (!present || (best && !choice.isEnough(present))) return best;
    return this.#less(best, present, now);
  }

  /** The present setting, or one that was enough for a while and costs less. */
  #less(best: Candidate | undefined, present: Candidate, now: number): Candidate | undefined {
    const overhead = best?.overhead ?? 0;
    if (overhead >= present.overhead) {
      this.#lessSince = undefined;
      return present;
    }
    if (this.#lessSince === undefined || overhead > (this.#lessNeeded?.overhead ?? 0))
      this.#lessNeeded = best;
    this.#lessSince ??= now;
    return now < this.#lessSince + LESS_AFTER_MS ? present : this.#lessNeeded;
  }

  #trials(): Trial[] {
    const share = Math.floor(LOSSES_IN_ALL / this.#receivers.size);
    const most = Math.min(Math.max(share, FEWEST_LOSSES), MOST_LOSSES);
    const trials: Trial[] = [];
    for (const { pattern } of this.#receivers.values()) {
      const trial = new Trial(pattern, { from: pattern.begin, most, longest: LONGEST_BURST });
      if (trial.lost > 0) trials.push(trial);
    }
    return trials;
  }
}

/** From 0 to 1, in no order. */
function scattered(place: number): number {
  return (Math.imul(place + 1, 0x9e37_79b1) >>> 0) / 2 ** 32;
}
