/**
 * The stream that plays: the datagrams of one sender put in order, over all its restarts and successors.
 *
 * Who plays is decided by others (`reception.ts`). What was held of a sender before he played is taken first, as if it came now.
 */
import { InOrderRelease } from '../jitter-buffer/in-order.ts';
import { ReceiveWindow, type ReleasedPayload } from '../jitter-buffer/ordering.ts';
import { PacedRelease } from '../jitter-buffer/paced.ts';
import type { Playout, Release } from '../jitter-buffer/release.ts';
import { emptyArrival, type Arrival } from '../jitter-buffer/slab.ts';
import { formatEndpoint, type Endpoint } from '../wire/address.ts';
import type { LancReport } from '../wire/lanc.ts';
import { formatFecSetting } from '../wire/fec/fec-setting.ts';
import type { LossCounters, RepairSnapshot, StreamSnapshot } from '../wire/metrics.ts';
import type { FirstOfAll } from './beginning.ts';
import type { HeldDatagram, Sender } from './demultiplexer.ts';
import type { UnknownPacket } from '../wire/rtcp.ts';
import { Epoch } from './epoch.ts';
import type { HeaderFault, Recognition } from './recognition.ts';
import { Repair, type RepairCounters } from './repair.ts';
import type { ReportFigures } from './reporter.ts';

/** How to put in order. */
export interface PlayedStreamOptions {
  /** How long a missing datagram is waited for, milliseconds. */
  latencyMs: number;
  /** `in-order`: what is contiguous leaves at once. `paced`: each datagram leaves at its media time plus the latency. */
  release: 'in-order' | 'paced';
  /** Datagrams held at most, see `ReceiveWindow`. */
  capacity?: number;
  /** Others receive the same datagrams: who asks for what is missing waits for them to ask. Default false. */
  isMulticast?: boolean;
  /** Uniform in [0, 1). */
  random: () => number;
}

/** What became of a datagram: it is in; it is not of this stream; or it is of no use, and why. */
export type Taken = 'taken' | 'foreign' | 'before-first' | 'bad-end-mark' | HeaderFault;

/** How a sender who plays from now on follows what played before. */
export type Following = 'first' | 'goes-on' | 'restart';

/** The part of a snapshot that is known here. */
export type PlayedFigures = LossCounters &
  Pick<
    StreamSnapshot,
    | 'framing'
    | 'source'
    | 'ssrc'
    | 'silentMs'
    | 'restarts'
    | 'firstIndex'
    | 'missingBefore'
    | 'lossMayBeUnderstated'
    | 'jitterMs'
    | 'bufferMs'
    | 'repair'
  >;

export class PlayedStream {
  readonly #options: PlayedStreamOptions;
  readonly #window: ReceiveWindow;
  readonly #arrival: Arrival = emptyArrival();
  readonly #repaired: RepairCounters = { fec: 0, retransmitted: 0, asked: 0, refused: new Map() };
  #epoch: Epoch | undefined;
  /** Of the epoch; `undefined` without RTP. */
  #repair: Repair | undefined;
  #release: Release;
  #restarts = 0;

  /** Datagrams that were held and are now taken one by one. */
  #replay: readonly HeldDatagram[] = [];
  #replayed = 0;
  /** Its sender has left while they were. */
  #goodbye: { last: LancReport | undefined; at: number } | undefined;

  #wasBare = false;
  /** Missing before the first of the epoch that came; given up of these; the same of all epochs. */
  #awaitedAtStart = 0;
  #missingAtStart = 0;
  #notLost = 0;
  /** Of epochs that are over. */
  #firstIndex: number | undefined;
  #missingBefore = 0;

  constructor(options: PlayedStreamOptions) {
    this.#options = options;
    this.#window = new ReceiveWindow(options.capacity);
    this.#release = this.#newRelease();
  }

  /** Whose stream it is; `undefined` while none ever played. */
  get sender(): Sender | undefined {
    return this.#epoch?.sender;
  }

  /** True while a sender plays whose stream has not ended. */
  get goesOn(): boolean {
    return this.#epoch !== undefined && !this.#release.ended;
  }

  /** How often a sender has started anew. */
  get restarts(): number {
    return this.#restarts;
  }

  /** When the last datagram of it came; `-Infinity` before the first. */
  get lastArrivedAt(): number {
    return this.#epoch?.log.lastArrivedAt ?? -Infinity;
  }

  /** When its sender has been silent for long enough to be replaced. */
  get silentAt(): number {
    const log = this.#epoch?.log;
    return log ? log.lastArrivedAt + Math.max(this.#options.latencyMs, log.patienceMs) : -Infinity;
  }

  /** Poll before the next datagram is taken: there may be no room for it. */
  get isCrowded(): boolean {
    return this.#window.crowded;
  }

  /** Datagrams that were held wait for `nextHeld`. */
  get isReplaying(): boolean {
    return this.#replay.length > 0;
  }

  /** When `poll` may next have output; `Infinity` when only another datagram can cause it. */
  get wakeAt(): number {
    return this.#release.wakeAt;
  }

  /** When `pollMissing` has something to ask for; `Infinity` when only another datagram can cause it. */
  get asksAt(): number {
    return this.#repair?.wakeAt ?? Infinity;
  }

  /** Is this where it comes from? */
  isFrom(source: Endpoint): boolean {
    return this.#epoch?.isFrom(source) ?? false;
  }

  /** Is it this sender's, by what RTCP says of him? */
  isOf(ssrc: number, address: string): boolean {
    const epoch = this.#epoch;
    return epoch?.framing === 'rtp' && epoch.ssrc === ssrc && epoch.sender.endpoint.address === address;
  }

  /** Takes a datagram that came from its sender's address. With `mayPass` it comes back when it can leave at once. */
  take(data: Buffer, arrivedAt: number, mayPass: boolean): Taken | ReleasedPayload {
    const epoch = this.#epoch;
    if (!epoch) return 'foreign';
    const arrival = this.#arrival;
    const reading = epoch.read(data, arrivedAt, arrival);
    if (reading === 'arrival') {
      if (this.#release.ended && arrival.index >= this.#window.next) return 'foreign';
      if (arrival.index < this.#missingAtStart) return 'before-first';
      return this.#put(arrival, mayPass && !this.isReplaying);
    }
    if (reading === 'end-mark') return this.#end(arrival.index, arrivedAt);
    if (reading === 'early') return 'before-first';
    return arrivedAt >= this.silentAt ? 'foreign' : reading;
  }

  /** Takes a datagram from a port of repair packets. False: it is not of whoever sends the stream. */
  takeRepairPacket(data: Buffer, address: string, arrivedAt: number): boolean {
    if (!this.#isOfSender(address)) return false;
    this.#repair?.takeRepairPacket(data, arrivedAt);
    return true;
  }

  /** Takes a retransmission, of whoever sends the stream. */
  takeRetransmission(data: Buffer, address: string, arrivedAt: number): void {
    if (this.#isOfSender(address)) this.#repair?.takeRetransmission(data, arrivedAt);
  }

  /** The 16-bit sequence numbers to ask the sender for now, as many as one request takes. Poll behind the steps of the stream. */
  pollMissing(now: number): readonly number[] | undefined {
    return this.#repair?.poll(now);
  }

  /** The next step of the stream. What is held counts as if it came now: up to the next of it nothing is given up. */
  poll(now: number): Playout | undefined {
    const until = Math.min(this.#replay[this.#replayed]?.arrivedAt ?? now, now);
    const output = this.#release.poll(until);
    if (output?.kind !== 'gap') return output;
    const { first, count } = output;
    if (first > 0 || count > this.#awaitedAtStart) {
      this.#repair?.gaveUp(first, count);
      return output;
    }
    // Missing before the first is not lost: nobody can tell whether we were there when it was sent.
    this.#missingAtStart = count;
    this.#notLost += count;
    return this.#release.poll(until);
  }

  /** The next one of the datagrams that were held, to be taken; `undefined` behind the last. */
  nextHeld(): HeldDatagram | undefined {
    const next = this.#replay[this.#replayed++];
    if (next) return next;
    this.#replay = [];
    if (this.#goodbye) this.#endBy(this.#goodbye.last, this.#goodbye.at);
    this.#goodbye = undefined;
    return undefined;
  }

  /**
   * From now on this sender plays; what was `held` of him comes first.
   *
   * @param first `firstOf` what is held
   */
  follow(
    sender: Sender,
    recognition: Recognition,
    held: readonly HeldDatagram[],
    first: FirstOfAll,
  ): Following {
    const before = this.#epoch;
    this.#replay = held;
    this.#replayed = 0;
    if (before && this.goesOn && before.goesOnWith(recognition, held)) {
      before.sender = sender;
      return 'goes-on';
    }
    this.#wasBare ||= recognition.framing === 'udp';
    if (before) this.#startAnew(before);
    this.#epoch = new Epoch(sender, recognition, first.sequence, this.#options.latencyMs);
    this.#awaitedAtStart = first.missing;
    this.#repair = recognition.framing === 'rtp' ? this.#newRepair(this.#epoch) : undefined;
    return before ? 'restart' : 'first';
  }

  /** Its sender, or another, begins anew. */
  #startAnew(before: Epoch): void {
    const { firstIndex } = before;
    if (firstIndex !== undefined) {
      this.#firstIndex ??= firstIndex + this.#missingAtStart;
      this.#missingBefore += firstIndex + this.#missingAtStart;
    }
    this.#missingAtStart = 0;
    this.#restarts++;
    this.#window.restart();
    this.#window.kept = 0;
    this.#release = this.#newRelease();
  }

  /** Learns from its sender's own report. */
  learn(report: LancReport): void {
    this.#epoch?.learn(report);
  }

  /** Its sender has left, `at` that time. @param last his last report */
  sayGoodbye(last: LancReport | undefined, at: number): void {
    if (this.isReplaying) this.#goodbye = { last, at };
    else this.#endBy(last, at);
  }

  /** Nothing more is expected: everything is released, what is missing is given up. */
  giveUp(): void {
    this.#release.end(undefined, -Infinity);
  }

  /** What a report on it says; `undefined` before its first datagram. The fraction counts from one call to the next. */
  report(): ReportFigures | undefined {
    return this.#epoch?.log.hasBegun ? this.#epoch.log.report() : undefined;
  }

  /** What the network lost since the call before, for a report to the sender. @param ssrc ours */
  lossReport(ssrc: number): UnknownPacket | undefined {
    return this.#repair?.lossReport(ssrc);
  }

  /** Counters and gauges at `now`. */
  figures(now: number): PlayedFigures {
    const epoch = this.#epoch;
    const { counters } = this.#window;
    const figures: PlayedFigures = {
      ...counters,
      lost: counters.lost - this.#notLost + counters.recovered,
      unrecovered: counters.lost - this.#notLost,
      restarts: this.#restarts,
      lossMayBeUnderstated: this.#wasBare,
      bufferMs: this.#window.heldMs,
    };
    if (!epoch) return figures;
    figures.framing = epoch.framing;
    figures.source = formatEndpoint(epoch.sender.endpoint);
    figures.silentMs = Math.max(0, now - epoch.log.lastArrivedAt);
    if (epoch.framing === 'rtp') figures.ssrc = epoch.ssrc;
    if (this.#repair) figures.repair = this.#repairFigures(this.#repair, now);
    const { jitterMs } = epoch.log;
    if (jitterMs !== undefined) figures.jitterMs = jitterMs;
    const ownFirst = epoch.firstIndex === undefined ? undefined : epoch.firstIndex + this.#missingAtStart;
    const firstIndex = this.#firstIndex ?? ownFirst;
    if (firstIndex !== undefined) {
      figures.firstIndex = firstIndex;
      figures.missingBefore = this.#missingBefore + (ownFirst ?? 0);
    }
    return figures;
  }

  /** What repair is told of: whatever came behind others, and once there are repair packets everything. */
  #put(arrival: Arrival, mayPass: boolean): 'taken' | ReleasedPayload {
    const repair = this.#repair;
    const isNeeded = repair?.needsAll ?? false;
    const passed = mayPass && !isNeeded ? this.#release.pass(arrival) : undefined;
    if (passed) return passed;
    const { index, arrivedAt } = arrival;
    if (index < this.#window.end && index >= this.#window.next) repair?.overtaken(index, arrivedAt);
    this.#release.push(arrival, arrivedAt);
    if (isNeeded) repair?.arrived(index, arrivedAt);
    return 'taken';
  }

  /** The sender of bytes with a sequence header said how many there were. */
  #end(endIndex: number, now: number): Taken {
    if (endIndex < this.#window.end) return 'bad-end-mark';
    this.#release.end(endIndex, now + this.#options.latencyMs);
    return 'taken';
  }

  #endBy(last: LancReport | undefined, at: number): void {
    const endIndex = last && this.#epoch?.localIndex(last.index);
    this.#release.end(endIndex, Math.max(at, this.lastArrivedAt) + this.#options.latencyMs);
    if (endIndex !== undefined) this.#repair?.sentUntil(endIndex);
  }

  #isOfSender(address: string): boolean {
    return this.#epoch?.sender.endpoint.address === address;
  }

  #newRepair(epoch: Epoch): Repair {
    const { isMulticast = false, random } = this.#options;
    const counters = this.#repaired;
    const { latencyMs } = this.#options;
    return new Repair({
      window: this.#window,
      release: this.#release,
      epoch,
      latencyMs,
      isMulticast,
      random,
      counters,
    });
  }

  #repairFigures(repair: Repair, now: number): RepairSnapshot {
    const { setting, tooSlowMs } = repair;
    const { fec, retransmitted, asked, refused } = this.#repaired;
    return {
      fec,
      retransmitted,
      asked,
      ...(setting && { setting: formatFecSetting(setting) }),
      ...(tooSlowMs !== undefined && { tooSlowMs }),
      refused: Object.fromEntries(refused),
      // Worked out for those who look at it: figures are taken far more often.
      get advice() {
        return repair.advice(now);
      },
    };
  }

  #newRelease(): Release {
    const { release, latencyMs } = this.#options;
    return release === 'paced'
      ? new PacedRelease(this.#window, latencyMs)
      : new InOrderRelease(this.#window, latencyMs);
  }
}
