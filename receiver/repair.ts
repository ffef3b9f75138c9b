/**
 * Brings back what is missing in the receive window, by whatever there is: columns and rows of FEC, Reed-Solomon blocks, and
 * asking the sender. It is policy over the window and keeps no media of its own.
 *
 *     repair packets (P + 2, P + 4) ─► FEC decoders ─┐
 *     retransmissions (P + 6, P + 1) ────────────────┴─► recovered ─► window
 *     what is still missing ─► NACK generator ─► lists of sequence numbers
 *
 * It also learns what the network loses, whatever is done about it: for advice, and for the sender.
 *
 * A second path needs nothing of this: what comes on it is merged before (`path-merge.ts`).
 */
import type { ReceiveWindow } from '../jitter-buffer/ordering.ts';
import type { Release } from '../jitter-buffer/release.ts';
import { emptyArrival, type Arrival } from '../jitter-buffer/slab.ts';
import { repairWait, type FecSetting } from '../wire/fec/fec-setting.ts';
import { RTP_PARITY } from '../wire/fec/parity-packet.ts';
import type { RepairAdvice } from '../wire/metrics.ts';
import { RTP_MP2T } from '../wire/rtp.ts';
import type { UnknownPacket } from '../wire/rtcp.ts';
import { parseRtx, restoreOriginal, type RtxFault } from '../wire/rtx.ts';
import type { Epoch } from './epoch.ts';
import { FecBlockDecoder } from './fec-block-decoder.ts';
import { FecDecoder, type RepairedWindow } from './fec-decoder.ts';
import { LossReporter } from './loss-reporter.ts';
import { doubtOf, neighboursOf, unpaddedBytes } from './recovered-packet.ts';
import { NackGenerator, type Expectation } from './nack-generator.ts';
import { RepairAdvisor } from './repair-advisor.ts';

/** What repair has done, over all epochs of a stream. */
export interface RepairCounters {
  /** Datagrams brought back by FEC, and by retransmission. */
  fec: number;
  retransmitted: number;
  /** Sequence numbers asked for, each time counted. */
  asked: number;
  /** Repair packets and retransmissions of no use, by reason. */
  refused: Map<string, number>;
}

/** Why a retransmission is of no use: nobody can tell that it was ever sent, or it is there; or it cannot be what is missing. */
export type RefusedRetransmission = RtxFault | 'foreign-ssrc' | 'not-missing' | 'not-media' | 'not-fitting';

export interface RepairOptions {
  window: ReceiveWindow;
  release: Release;
  epoch: Epoch;
  latencyMs: number;
  /** Others receive the same datagrams and may ask for them. */
  isMulticast: boolean;
  /** Uniform in [0, 1). */
  random: () => number;
  /** Counted on. */
  counters: RepairCounters;
}

/** Released datagrams that FEC may need: three of the largest matrices; so many blocks. */
const KEPT_OF_MATRICES = 300;
const KEPT_BLOCKS = 2;
/** Of the beginning so many are kept: the first repair packets come behind what they protect. They fit into the memory there is. */
const KEPT_AT_FIRST = 200;
const MOST_KEPT = 8192;
/** Without repair packets for so long a stream is no longer protected, milliseconds. */
const UNPROTECTED_AFTER_MS = 10_000;

/** For one run of sequence numbers of one sender. */
export class Repair {
  readonly #options: RepairOptions;
  readonly #arrival: Arrival = emptyArrival();
  readonly #window: RepairedWindow;
  readonly #nacks: NackGenerator;
  readonly #advisor: RepairAdvisor;
  readonly #losses: LossReporter;
  #matrices: FecDecoder | undefined;
  #blocks: FecBlockDecoder | undefined;
  #endIndex = 0;
  /** Whether repair packets come is not known yet. */
  #isBeginning = true;
  /** When what is being looked at came, and the last repair packet. */
  #at = 0;
  #protectedAt = -Infinity;
  #askedBefore = 0;

  constructor(options: RepairOptions) {
    this.#options = options;
    this.#window = this.#repairedWindow();
    this.#advisor = new RepairAdvisor(options.latencyMs);
    this.#losses = new LossReporter(this.#advisor.pattern);
    this.#keep(KEPT_AT_FIRST);
    const { isMulticast, random } = options;
    this.#nacks = new NackGenerator({ expectation: this.#expectation(), isMulticast, random });
  }

  /** Repair packets come, or may yet come, so `arrived` has to be told of each datagram. */
  get needsAll(): boolean {
    return this.#isBeginning || this.#matrices !== undefined || this.#blocks !== undefined;
  }

  /** How the sender protects the stream, as far as its repair packets tell. */
  get setting(): FecSetting | undefined {
    if (this.#at - this.#protectedAt > UNPROTECTED_AFTER_MS) return undefined;
    return this.#blocks?.setting ?? this.#matrices?.setting;
  }

  /** How long the protection may take to bring a datagram back, milliseconds; absent where that is not longer than is waited for. */
  get tooSlowMs(): number | undefined {
    const { epoch, latencyMs } = this.#options;
    const { setting } = this;
    const waitMs = setting ? repairWait(setting) * epoch.log.spacingMs : 0;
    return waitMs > latencyMs ? waitMs : undefined;
  }

  /** When `poll` has something to ask for; `Infinity` when only another datagram can cause it. */
  get wakeAt(): number {
    return this.#nacks.wakeAt;
  }

  /** The next one to come from the network is behind others with a higher index. Before it goes into the window. */
  overtaken(index: number, arrivedAt: number): void {
    this.#nacks.push({ kind: 'overtaken', index }, arrivedAt);
  }

  /** A datagram of the media came and went into the window. */
  arrived(index: number, arrivedAt: number): void {
    this.#at = arrivedAt;
    this.#matrices?.arrived(index);
    this.#blocks?.arrived(index);
    if (this.#isBeginning && index >= KEPT_AT_FIRST) this.#beginningIsOver();
  }

  /** A datagram came on a port of repair packets. */
  takeRepairPacket(datagram: Buffer, arrivedAt: number): void {
    const { epoch, counters } = this.#options;
    const { refused } = counters;
    this.#at = this.#protectedAt = arrivedAt;
    if (((datagram[1] ?? 0) & 0x7f) === RTP_PARITY) {
      this.#blocks ??= new FecBlockDecoder(this.#window, epoch.firstSequence, { refused });
      this.#blocks.passed(this.#options.window.next);
      this.#blocks.repair(datagram);
      this.#keep(KEPT_BLOCKS * this.#blocks.reach);
    } else {
      this.#keep(KEPT_OF_MATRICES);
      this.#matrices ??= new FecDecoder(this.#window, epoch.firstSequence, refused);
      this.#matrices.repair(datagram);
    }
  }

  /** A retransmission came. One of what is not missing is of no use: nobody knows that it was ever sent. */
  takeRetransmission(datagram: Buffer, arrivedAt: number): void {
    const refusal = this.#retransmission(datagram, arrivedAt);
    const { refused } = this.#options.counters;
    if (refusal) refused.set(refusal, (refused.get(refusal) ?? 0) + 1);
  }

  /** The sender has told that all before `endIndex` were sent, and nothing behind. */
  sentUntil(endIndex: number): void {
    this.#endIndex = endIndex;
    this.#matrices?.sentUntil(endIndex);
  }

  /** These were given up. */
  gaveUp(first: number, count: number): void {
    this.#advisor.pattern.lost(first, count);
  }

  /** Settings of FEC that would have done better, see `RepairAdvisor`. */
  advice(now: number): readonly RepairAdvice[] {
    this.#advisor.pattern.knownUntil(this.#options.window.next);
    return this.#advisor.advice(now, 1000 / this.#options.epoch.log.spacingMs, this.setting);
  }

  /** What the network lost since the call before, for the sender; `undefined`: nothing is certain. @param ssrc ours */
  lossReport(ssrc: number): UnknownPacket | undefined {
    const { window, epoch } = this.#options;
    this.#advisor.pattern.knownUntil(window.next);
    const firstSequence = epoch.firstSequence & 0xffff;
    return this.#losses.report({ ssrc, mediaSsrc: epoch.ssrc, firstSequence });
  }

  /** The sequence numbers to ask for now, as many as one NACK takes. */
  poll(now: number): readonly number[] | undefined {
    this.#nacks.push({ kind: 'arrivals' }, now);
    const lost = this.#nacks.poll(now);
    this.#options.counters.asked += this.#nacks.stats.asked - this.#askedBefore;
    this.#askedBefore = this.#nacks.stats.asked;
    return lost;
  }

  #retransmission(datagram: Buffer, arrivedAt: number): RefusedRetransmission | undefined {
    const rtx = parseRtx(datagram);
    if (typeof rtx === 'string') return rtx;
    const { window, epoch, counters } = this.#options;
    if (rtx.ssrc !== epoch.ssrc) return 'foreign-ssrc';
    const index = epoch.indexOf(rtx.originalSequence);
    if (index < window.next || index >= this.#end || window.has(index)) return 'not-missing';
    const original = restoreOriginal(rtx, RTP_MP2T);
    if (!this.#fits(original, index)) return 'not-fitting';
    this.#nacks.push({ kind: 'repaired', index }, arrivedAt);
    this.#at = arrivedAt;
    if (!this.#put(index, original)) return 'not-media';
    counters.retransmitted++;
    this.arrived(index, arrivedAt);
    return undefined;
  }

  /** Whether it can be the datagram that is missing there: by its header, its time, and whole TS packets where others have them. */
  #fits(original: Buffer, index: number): boolean {
    const { window, epoch } = this.#options;
    const neighbours = neighboursOf(index, (at) => window.datagramAt(at));
    const doubt = doubtOf(original, (epoch.firstSequence + index) & 0xffff, neighbours);
    if (doubt && doubt !== 'alone') return false;
    const { datagram: witness } = neighbours.after ?? neighbours.before ?? {};
    if (!witness || unpaddedBytes(witness) !== witness.length) return true;
    return unpaddedBytes(original) === original.length;
  }

  /** One past the highest index that is known to have been sent. */
  get #end(): number {
    return Math.max(this.#options.window.end, this.#endIndex);
  }

  #beginningIsOver(): void {
    this.#isBeginning = false;
    if (!this.needsAll) this.#options.window.kept = 0;
  }

  /** More of what was released is kept from now on. */
  #keep(count: number): void {
    const { window } = this.#options;
    if (count > window.kept) window.kept = Math.min(count, MOST_KEPT, window.capacity);
  }

  /** Puts what was brought back. False: that fills no hole any more, or is no datagram of the stream. */
  #put(index: number, datagram: Buffer): boolean {
    const { window, release, epoch } = this.#options;
    const arrival = this.#arrival;
    if (epoch.restore(datagram, index, arrival)) return false;
    arrival.arrivedAt = this.#at;
    const before = window.counters.recovered;
    release.push(arrival, this.#at);
    if (window.counters.recovered === before) return false;
    this.#advisor.pattern.lost(index, 1);
    return true;
  }

  #repairedWindow(): RepairedWindow {
    const { window, counters } = this.#options;
    return {
      has: (index) => window.has(index),
      datagramAt: (index) => window.datagramAt(index),
      recover: (index, datagram) => {
        if (this.#put(index, datagram)) counters.fec++;
        return window.has(index);
      },
    };
  }

  #expectation(): Expectation {
    const { window, release, epoch } = this.#options;
    const end = (): number => this.#end;
    const patience = (): number => this.#fecMs;
    return {
      get next() {
        return window.next;
      },
      get end() {
        return end();
      },
      get patienceMs() {
        return patience();
      },
      heldFrom: (index) => window.heldFrom(index),
      giveUpAt: (index) => release.giveUpAt(index),
      sequenceOf: (index) => (epoch.firstSequence + index) & 0xffff,
    };
  }

  /** How long FEC may take for what is missing now. */
  get #fecMs(): number {
    const { setting } = this;
    return setting ? repairWait(setting) * this.#options.epoch.log.spacingMs : 0;
  }
}
