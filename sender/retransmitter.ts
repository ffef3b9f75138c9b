/**
 * Answers the receivers' NACKs with retransmissions (RFC 4585, RFC 4588) out of a bounded history, and challenges receivers to
 * prove where they are before they get any. Never an amplifier (`feedback-guard.ts`), and never more than a share of the stream.
 *
 * A repair goes to the group when two receivers asked for it, else to where the request came from. One that was sent is not sent
 * again before its receiver can have known: for a round trip.
 */
import { sameEndpoint, type Endpoint } from '../wire/address.ts';
import { writeLanc } from '../wire/lanc.ts';
import { writeRtcp } from '../wire/rtcp.ts';
import { RTP_RTX, writeRtx } from '../wire/rtx.ts';
import type { Stage } from '../wire/stage.ts';
import { MAX_RECEIVERS, type FeedbackGuard, type Standing } from './feedback-guard.ts';
import { readFeedback, type Feedback } from './feedback.ts';
import { Fifo } from './fifo.ts';
import { History, type HistoryOptions } from './history.ts';
import type { MediaRun } from './media-chunk.ts';
import { RateLimit } from './rate-limit.ts';

/** What a retransmitter is told. */
export type RetransmitterInput =
  /** A run of RTP datagrams has gone into the departure queue. While somebody is awaited its chunk is kept until `releasedUpTo` passes it. */
  | { kind: 'departed'; run: MediaRun }
  /** A datagram came to the socket the reports leave from. Nothing of it is kept. */
  | { kind: 'rtcp'; datagram: Buffer; source: Endpoint };

/** What it sends, all of it from the socket the reports leave from. */
export type RetransmitterOutput =
  /** A retransmission; `group`: to every group of the stream, on the port of the retransmission session. */
  | { kind: 'repair'; datagram: Buffer; destination: Endpoint | 'group' }
  /** A compound that asks a receiver to echo. */
  | { kind: 'challenge'; datagram: Buffer; destination: Endpoint };

export interface RetransmitterOptions extends HistoryOptions {
  /** Of the stream. */
  ssrc: number;
  /** As in the sender's reports. */
  cname: string;
  guard: FeedbackGuard;
  /** The receivers that report, by their SSRC: `SenderReporter.receivers`. */
  receivers: ReadonlyMap<number, { readonly roundTripMs: number | undefined }>;
  /** Whether any address of the stream is a group. */
  toGroup: boolean;
  /** How many addresses each datagram goes to. */
  destinations: number;
  /** Where receivers at an address that do not echo expect repairs: the port of their media + 6. */
  repairPortOf: (address: string) => number;
  /** 16 random bits: the sequence number of the first retransmission. */
  rtxSequence: number;
  /** Share of the stream that repairs may take, 0 to 1. */
  repairBudget: number;
}

/** Share of the stream that repairs may take when nobody says otherwise. */
export const REPAIR_BUDGET = 0.35;
/** How long is kept when nobody says otherwise, and how much, by all senders of a process: a second of 1 Gbit/s. */
export const HISTORY_MS = 3000;
export const HISTORY_BYTES = 128 * 1024 * 1024;
/** Receivers that are there from the beginning report within this time: the reports they answer leave at 0, 100 and 300 ms. */
const FIRST_MS = 500;
/** After a compound its receiver is awaited for so long, should it never report. */
const AWAITED_MS = 10_000;

/** With several receivers, requests are gathered for so long: the group is served once. Receivers wait as long in addition. */
const GATHER_MS = 2;
/** No two repairs of a datagram within this time to a receiver whose round trip is not known. */
const COOLDOWN_MS = 25;
const MAX_COOLDOWN_MS = 1000;
/** Repairs of the last second that were not needed may be made up for at once. */
const BUDGET_BURST_MS = 1000;
/** Repairs leave at the stream's own rate, and of so much time at once; those of a slow stream need not wait for each other. */
const SPACING_BURST_MS = 5;
const MOST_SPACING_MS = 5;
/** What a retransmission is longer by. */
const RTX_MORE_BYTES = 2;
/** A repair is forgotten so long after it was asked for. */
const FORGET_MS = 2 * MAX_COOLDOWN_MS;

/** A datagram that is sent again, or was lately. */
interface Repair {
  readonly key: number;
  readonly index: number;
  readonly askedAt: number;
  destination: Endpoint | 'group';
  /** `undefined`: it waits. */
  sentAt: number | undefined;
}

/** Who asks. */
interface Asker extends Standing {
  destination: Endpoint;
  cooldownMs: number;
}

/** What a retransmitter has done; see `Retransmitter.stats`. */
export type RetransmitterStats = Retransmitter['stats'];

export class Retransmitter implements Stage<RetransmitterInput, RetransmitterOutput> {
  /**
   * Compounds: `heard`; `refused`: not RTCP, or not about the stream; `flooded`: more than are looked at; `challenged`: answered by a
   * challenge. Datagrams: `asked` for; `repaired`; `groupRepairs`: of these, to the group. Why not: `repeated`: on its way already;
   * `unavailable`: not sent yet, or kept no more; `unproven`: the receiver has not proved where it is; `overBudget`.
   */
  readonly stats = {
    heard: 0,
    refused: 0,
    flooded: 0,
    challenged: 0,
    asked: 0,
    repaired: 0,
    repairedBytes: 0,
    groupRepairs: 0,
    repeated: 0,
    unavailable: 0,
    unproven: 0,
    overBudget: 0,
  };

  readonly #options: RetransmitterOptions;
  readonly #history: History;
  readonly #repairs = new Map<number, Repair>(); // by key, in the order they were asked for
  readonly #waiting = new Fifo<Repair>();
  readonly #challenges = new Fifo<RetransmitterOutput>();
  readonly #budget = new RateLimit(BUDGET_BURST_MS);
  readonly #spacing = new RateLimit(SPACING_BURST_MS);
  #rtxSequence: number;
  /** Until then somebody may ask, even if nobody reports; `undefined` before the first datagram. */
  #awaitedUntil: number | undefined;
  #isAwaited = true;
  #askedAt = -Infinity;

  constructor(options: RetransmitterOptions) {
    this.#options = options;
    this.#history = new History(options);
    this.#rtxSequence = options.rtxSequence;
  }

  /** Datagrams before this index are not needed here any more: their slots may be written to. */
  get releasedUpTo(): number {
    return this.#history.releasedUpTo;
  }

  /**
   * Behind the first moments nothing is kept while nobody is there who could ask: hundreds of channels would else run through memory
   * that is in no processor's cache. Until a compound comes, runs need not be pushed then.
   */
  get isAwaited(): boolean {
    return this.#isAwaited;
  }

  /** When a receiver that has proved where it is, or is trusted, last asked for anything; `-Infinity`: never. */
  get askedAt(): number {
    return this.#askedAt;
  }

  push(input: RetransmitterInput, now: number): void {
    if (input.kind === 'departed') this.#keep(input.run, now);
    else this.#hear(input.datagram, input.source, now);
  }

  poll(now: number): RetransmitterOutput | undefined {
    if (this.#challenges.length > 0) return this.#challenges.shift();
    while (now >= this.wakeAt) {
      const repair = this.#waiting.shift();
      if (!repair) return undefined;
      const original = this.#history.datagram(repair.index);
      if (original) return this.#repair(repair, original, now);
      this.#repairs.delete(repair.key);
    }
    return undefined;
  }

  get wakeAt(): number {
    if (this.#challenges.length > 0) return -Infinity;
    const next = this.#waiting.at(0);
    return next ? Math.max(next.askedAt + this.#gatherMs, this.#spacing.readyAt) : Infinity;
  }

  /** A single receiver need not wait for others. */
  get #gatherMs(): number {
    const { toGroup, receivers } = this.#options;
    return toGroup && receivers.size > 1 ? GATHER_MS : 0;
  }

  #keep(run: MediaRun, now: number): void {
    this.#awaitedUntil ??= now + FIRST_MS;
    this.#isAwaited = this.#options.receivers.size > 0 || now < this.#awaitedUntil;
    if (this.#isAwaited) this.#history.add(run, now);
    else this.#history.skip(run);
  }

  #hear(datagram: Buffer, source: Endpoint, now: number): void {
    const { guard, ssrc } = this.#options;
    if (!guard.admits(source, datagram, now)) {
      this.stats.flooded++;
      return;
    }
    const feedback = readFeedback(datagram, ssrc);
    if (typeof feedback === 'string') {
      this.stats.refused++;
      return;
    }
    this.stats.heard++;
    this.#awaitedUntil = Math.max(this.#awaitedUntil ?? 0, now + AWAITED_MS);
    const standing = guard.judge(source, datagram.length, feedback.echo, now);
    if (standing.unchallenged && !feedback.challenges) this.#challenge(source, now);
    if (feedback.lost.length === 0) return;
    if (standing.free) this.#askedAt = now;
    this.#history.letGo(now);
    this.#forget(now);
    const asker = this.#askerOf(feedback, standing, source);
    this.stats.asked += feedback.lost.length;
    for (const [place, sequence] of feedback.lost.entries()) {
      const refusal = this.#ask(sequence, asker, now);
      if (refusal === undefined) continue;
      this.stats[refusal] += feedback.lost.length - place;
      return;
    }
  }

  #challenge({ address, port }: Endpoint, now: number): void {
    const { guard, ssrc, cname } = this.#options;
    const datagram = writeRtcp([
      { kind: 'rr', ssrc, reports: [] },
      { kind: 'sdes', chunks: [{ ssrc, cname }] },
      writeLanc({ kind: 'challenge', cookie: guard.challenge({ address, port }, now) }, ssrc),
    ]);
    if (!guard.spend(address, datagram.length)) return;
    this.stats.challenged++;
    this.#challenges.push({ kind: 'challenge', datagram, destination: { address, port } });
  }

  #askerOf({ ssrc }: Feedback, standing: Standing, { address, port }: Endpoint): Asker {
    const { receivers, repairPortOf } = this.#options;
    const roundTripMs = receivers.get(ssrc)?.roundTripMs;
    const cooldownMs = roundTripMs === undefined ? COOLDOWN_MS : Math.min(roundTripMs, MAX_COOLDOWN_MS);
    return {
      ...standing,
      cooldownMs,
      destination: { address, port: standing.echoed ? port : repairPortOf(address) },
    };
  }

  /** Takes care of one datagram; or says what is used up, which holds for all others at this moment. */
  #ask(sequence: number, asker: Asker, now: number): 'unproven' | 'overBudget' | undefined {
    const index = this.#history.indexOf(sequence, now);
    if (index === undefined) {
      this.stats.unavailable++;
      return undefined;
    }
    // Receivers of their own copies of the stream lose independently, so each of them has its own repairs.
    const key = this.#options.toGroup ? index : index * (MAX_RECEIVERS + 1) + asker.receiver;
    const destination = this.#destinationFor(asker, this.#repairs.get(key), now);
    if (destination === undefined) {
      this.stats.repeated++;
      return undefined;
    }
    const bytes = (this.#history.datagram(index)?.length ?? 0) + RTX_MORE_BYTES;
    if (!asker.free && !this.#options.guard.spend(asker.destination.address, bytes)) return 'unproven';
    if (!this.#budget.take(this.#costMs(bytes) / this.#options.repairBudget, now)) return 'overBudget';
    const repair: Repair = { key, index, askedAt: now, destination, sentAt: undefined };
    this.#repairs.delete(key); // so that it comes last
    this.#repairs.set(key, repair);
    this.#waiting.push(repair);
    return undefined;
  }

  /** Where to send a repair that is asked for behind `last`; `undefined`: that one will do. */
  #destinationFor(asker: Asker, last: Repair | undefined, now: number): Repair['destination'] | undefined {
    const { destination, cooldownMs, free } = asker;
    if (!last) return destination;
    const isAnothers = last.destination !== 'group' && !sameEndpoint(last.destination, destination);
    const isShared = isAnothers && free && this.#options.toGroup;
    if (last.sentAt === undefined) {
      if (isShared) last.destination = 'group';
      return undefined;
    }
    if (now >= last.sentAt + cooldownMs) return destination;
    return isShared ? 'group' : undefined;
  }

  /** How long so many bytes take at the rate of the stream. */
  #costMs(bytes: number): number {
    return bytes / (this.#history.bytesPerMs * this.#options.destinations);
  }

  #repair(repair: Repair, original: Buffer, now: number): RetransmitterOutput {
    const sequence = this.#rtxSequence;
    this.#rtxSequence = (sequence + 1) & 0xffff;
    const datagram = writeRtx(original, { payloadType: RTP_RTX, sequence });
    repair.sentAt = now;
    this.#spacing.take(Math.min(this.#costMs(datagram.length), MOST_SPACING_MS), now);
    this.stats.repaired++;
    this.stats.repairedBytes += datagram.length;
    if (repair.destination === 'group') this.stats.groupRepairs++;
    return { kind: 'repair', datagram, destination: repair.destination };
  }

  /** Repairs are remembered while somebody might ask for them again too soon: as many as the budget allows in that time. */
  #forget(now: number): void {
    for (const [key, { askedAt, sentAt }] of this.#repairs) {
      if (sentAt === undefined || askedAt > now - FORGET_MS) return;
      this.#repairs.delete(key);
    }
  }
}
