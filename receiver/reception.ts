/**
 * Everything between the sockets and the sinks, as one stage: datagrams of any sender in, the ordered stream of one sender
 * out, with the reports that go back to it.
 */
import { InOrderRelease } from '../jitter-buffer/in-order.ts';
import { ReceiveWindow } from '../jitter-buffer/ordering.ts';
import { PacedRelease } from '../jitter-buffer/paced.ts';
import type { Release } from '../jitter-buffer/release.ts';
import { emptyArrival, MAX_DATAGRAM_BYTES, type Arrival } from '../jitter-buffer/slab.ts';
import { formatEndpoint, type Endpoint, type Framing } from '../wire/address.ts';
import type { LancReport } from '../wire/lanc.ts';
import type { LossCounters, StreamSnapshot } from '../wire/metrics.ts';
import type { Stage } from '../wire/stage.ts';
import { firstSequence } from './beginning.ts';
import { Demultiplexer, type HeldDatagram, type Sender } from './demultiplexer.ts';
import { Epoch } from './epoch.ts';
import type { Recognition } from './recognition.ts';
import { ReceiverReporter } from './reporter.ts';
import type { Released } from './sink.ts';
import { chooseNext } from './succession.ts';

/** What goes in. The bytes are copied during `push`, and neither they nor the input object are kept. */
export type ReceptionInput =
  | {
      /** A datagram on the media port. */
      kind: 'media';
      data: Buffer;
      /** Monotonic milliseconds; after `now` only for what is read late (`afterReading` of the driver). */
      arrivedAt: number;
      source: Endpoint;
    }
  | {
      /** A datagram on the RTCP port. */
      kind: 'rtcp';
      data: Buffer;
      arrivedAt: number;
      source: Endpoint;
    }
  | {
      /** Nothing more is expected (the end of a timeout): what is still held is accepted and everything is released. */
      kind: 'giveUp';
    }
  | {
      /** We go away: the sender is told so. */
      kind: 'leave';
    };

/** What comes out, in order. */
export type ReceptionOutput =
  | Released
  | {
      /** A receiver report to be sent. */
      kind: 'report';
      datagram: Buffer;
      to: Endpoint;
    }
  | {
      /** A sender was recognised and plays from here on. */
      kind: 'recognised';
      framing: Framing;
      source: Endpoint;
      ssrc?: number;
    }
  | {
      /** Somebody else sends to the same place and is not played (E116). Said once for each. */
      kind: 'second-sender';
      source: Endpoint;
    };

/** How to receive. */
export interface ReceptionOptions {
  /** Fixed by the address's scheme; absent: recognised. */
  framing?: Framing;
  /** How long a missing datagram is waited for, milliseconds. */
  latencyMs: number;
  /** `in-order`: what is contiguous leaves at once. `paced`: each datagram leaves at its media time plus the latency. */
  release: 'in-order' | 'paced';
  /** Canonical name in receiver reports. */
  cname: string;
  /** Uniform in [0, 1): our SSRC and the spacing of reports. */
  random: () => number;
  /** Datagrams held at most, see `ReceiveWindow`. */
  capacity?: number;
}

/** The part of a snapshot that reception knows. */
export type ReceptionFigures = LossCounters &
  Pick<
    StreamSnapshot,
    | 'framing'
    | 'source'
    | 'ssrc'
    | 'silentMs'
    | 'restarts'
    | 'secondSender'
    | 'firstIndex'
    | 'missingBefore'
    | 'lossMayBeUnderstated'
    | 'refused'
    | 'jitterMs'
    | 'bufferMs'
  >;

/** A second sender is shown for so long after its last datagram. */
const SECOND_SENDER_MS = 5000;

/** One stream as it is received. After an `end` it goes on when a sender comes back: `restart`, then payloads. */
export class Reception implements Stage<ReceptionInput, ReceptionOutput> {
  readonly #options: ReceptionOptions;
  readonly #window: ReceiveWindow;
  readonly #demultiplexer: Demultiplexer;
  readonly #reporter: ReceiverReporter;
  readonly #arrival: Arrival = emptyArrival();
  readonly #ready: ReceptionOutput[] = [];
  #epoch: Epoch | undefined;
  #release: Release;
  #restarts = 0;

  /** Datagrams that were held and are now taken one by one. */
  #replay: readonly HeldDatagram[] = [];
  #replayed = 0;
  /** Its sender has left while they were. */
  #goodbye: { last: LancReport | undefined } | undefined;
  #givingUp = false;

  #second: Sender | undefined;
  #wasBare = false;
  /** Of epochs that are over. */
  #firstIndex: number | undefined;
  #missingBefore = 0;

  constructor(options: ReceptionOptions) {
    this.#options = options;
    this.#window = new ReceiveWindow(options.capacity);
    this.#release = this.#newRelease();
    this.#demultiplexer = new Demultiplexer(options.framing, options.latencyMs);
    this.#reporter = new ReceiverReporter({
      ssrc: Math.floor(options.random() * 2 ** 32),
      cname: options.cname,
      random: options.random,
      figures: () => (this.#epoch?.log.hasBegun ? this.#epoch.log.report() : undefined),
    });
  }

  push(input: ReceptionInput, now: number): void {
    if (input.kind === 'media') this.pushMedia(input.data, input.arrivedAt, input.source, now);
    else if (input.kind === 'rtcp') {
      const { data: datagram, source, arrivedAt } = input;
      this.#reporter.push({ kind: 'rtcp', datagram, source, arrivedAt }, now);
    } else if (input.kind === 'leave') this.#reporter.push(input, now);
    else this.#giveUp();
  }

  /**
   * Takes a datagram of the media port: the same as `push` of a `media` input, without an object for each. `data` and
   * `source` are valid during the call only.
   */
  pushMedia(data: Buffer, arrivedAt: number, source: Endpoint, now: number): void {
    if (data.length === 0) this.#demultiplexer.refuse('empty');
    else if (data.length > MAX_DATAGRAM_BYTES) this.#demultiplexer.refuse('too-long');
    else if (this.#epoch?.isFrom(source)) this.#take(this.#epoch, data, arrivedAt, now);
    else this.#hold(data, arrivedAt, source);
  }

  poll(now: number): ReceptionOutput | undefined {
    for (;;) {
      const output =
        this.#ready.shift() ?? this.#pollReporter(now) ?? this.#release.poll(this.#playedUntil(now));
      if (output) return output;
      if (this.#replay.length > 0) this.#replayNext(now);
      else if (now >= this.#succeedsAt()) this.#succeed(now);
      else if (this.#givingUp) this.#drain(now);
      else return undefined;
    }
  }

  get wakeAt(): number {
    if (this.#ready.length > 0 || this.#replay.length > 0 || this.#givingUp) return -Infinity;
    return Math.min(this.#release.wakeAt, this.#reporter.wakeAt, this.#succeedsAt());
  }

  /** Counters and gauges at `now`. */
  figures(now: number): ReceptionFigures {
    const epoch = this.#epoch;
    const { lost, ...counters } = this.#window.counters;
    const refused = Object.fromEntries(this.#demultiplexer.refused);
    const figures: ReceptionFigures = {
      ...counters,
      lost,
      recovered: 0,
      unrecovered: lost,
      restarts: this.#restarts,
      lossMayBeUnderstated: this.#wasBare,
      refused,
      bufferMs: this.#window.heldMs,
    };
    if (!epoch) {
      const [eldest] = this.#demultiplexer.waiting;
      if (eldest) figures.silentMs = Math.max(0, now - eldest.heldAt);
      return figures;
    }
    figures.framing = epoch.framing;
    figures.source = formatEndpoint(epoch.sender.endpoint);
    figures.silentMs = Math.max(0, now - epoch.log.lastArrivedAt);
    if (epoch.framing === 'rtp') figures.ssrc = epoch.ssrc;
    const { jitterMs } = epoch.log;
    if (jitterMs !== undefined) figures.jitterMs = jitterMs;
    const firstIndex = this.#firstIndex ?? epoch.firstIndex;
    if (firstIndex !== undefined) {
      figures.firstIndex = firstIndex;
      figures.missingBefore = this.#missingBefore + (epoch.firstIndex ?? 0);
    }
    if (this.#second && now - this.#second.heldAt < SECOND_SENDER_MS) {
      figures.secondSender = formatEndpoint(this.#second.endpoint);
    }
    return figures;
  }

  /** A datagram from the address that plays. */
  #take(epoch: Epoch, data: Buffer, arrivedAt: number, now: number): void {
    const arrival = this.#arrival;
    const reading = epoch.read(data, arrivedAt, arrival);
    if (reading === 'arrival') {
      const follows = this.#release.ended && arrival.index >= this.#window.next;
      if (follows) this.#hold(data, arrivedAt, epoch.sender.endpoint);
      else this.#release.push(arrival, now);
    } else if (reading === 'end-mark') this.#end(arrival.index, arrivedAt);
    else if (reading === 'early') this.#demultiplexer.refuse('before-first');
    else if (reading === 'foreign' || arrivedAt >= this.#silentAt(epoch)) {
      this.#hold(data, arrivedAt, epoch.sender.endpoint);
    } else this.#demultiplexer.refuse(reading);
  }

  /** A datagram that is not of the stream that plays is kept: it may be the beginning of the next. */
  #hold(data: Buffer, arrivedAt: number, source: Endpoint): void {
    const epoch = this.#epoch;
    const sender = this.#demultiplexer.hold(data, arrivedAt, source, epoch?.sender);
    if (!sender?.recognised) return;
    this.#inform(sender);
    if (!epoch || this.#release.ended) return;
    const overlapsUntil = epoch.log.lastArrivedAt - this.#options.latencyMs;
    this.#demultiplexer.dropBefore(sender, overlapsUntil);
    if (sender.recognisedAt >= overlapsUntil) return;
    this.#second = sender;
    if (!sender.announced) this.#ready.push({ kind: 'second-sender', source: sender.endpoint });
    sender.announced = true;
  }

  /** The sender of bytes with a sequence header said how many there were. */
  #end(endIndex: number, now: number): void {
    if (endIndex < this.#window.end) this.#demultiplexer.refuse('bad-end-mark');
    else this.#release.end(endIndex, now + this.#options.latencyMs);
  }

  #pollReporter(now: number): ReceptionOutput | undefined {
    for (;;) {
      const news = this.#reporter.poll(now);
      if (!news) return undefined;
      if (news.kind === 'rtcp') return { kind: 'report', datagram: news.datagram, to: news.destination };
      if (news.kind === 'bye') this.#sayGoodbye(news.ssrc, news.address, news.last, now);
      else this.#learn(news.ssrc, news.address, news.report);
    }
  }

  #learn(ssrc: number, address: string, report: LancReport): void {
    if (this.#isPlaying(ssrc, address)) this.#epoch?.learn(report);
    for (const { endpoint, recognised } of this.#demultiplexer.waiting) {
      if (endpoint.address === address && recognised?.ssrc === ssrc) recognised.learn(report);
    }
  }

  /** Tells the beginning of a stream what its sender reported before it was recognised. */
  #inform({ endpoint, recognised }: Sender): void {
    if (recognised?.framing !== 'rtp' || recognised.readyAt === -Infinity) return;
    const report = this.#reporter.reportOf(recognised.ssrc, endpoint.address);
    if (report) recognised.learn(report);
  }

  /** A sender has left. Held datagrams of it that proved nothing so far are its whole stream. */
  #sayGoodbye(ssrc: number, address: string, last: LancReport | undefined, now: number): void {
    if (this.#isPlaying(ssrc, address)) {
      if (this.#replay.length > 0) this.#goodbye = { last };
      else this.#endBy(last, now);
      return;
    }
    for (const sender of this.#demultiplexer.senders) {
      if (sender.endpoint.address === address && this.#demultiplexer.guess(sender, ssrc))
        this.#inform(sender);
    }
  }

  #endBy(last: LancReport | undefined, now: number): void {
    const endIndex = last && this.#epoch?.localIndex(last.index);
    const heardAt = Math.max(now, this.#epoch?.log.lastArrivedAt ?? now);
    this.#release.end(endIndex, heardAt + this.#options.latencyMs);
  }

  #isPlaying(ssrc: number, address: string): boolean {
    const epoch = this.#epoch;
    return epoch?.framing === 'rtp' && epoch.ssrc === ssrc && epoch.sender.endpoint.address === address;
  }

  /** Held datagrams are played as if they came now, so up to the arrival of the next one nothing is given up. */
  #playedUntil(now: number): number {
    return Math.min(this.#replay[this.#replayed]?.arrivedAt ?? now, now);
  }

  #replayNext(now: number): void {
    const next = this.#replay[this.#replayed++];
    if (next && this.#epoch) {
      this.#take(this.#epoch, next.data, next.arrivedAt, now);
      return;
    }
    this.#replay = [];
    if (this.#goodbye) this.#endBy(this.#goodbye.last, now);
    this.#goodbye = undefined;
  }

  /** When the present sender has been silent for long enough to be replaced. */
  #silentAt({ log }: Epoch): number {
    return log.lastArrivedAt + Math.max(this.#options.latencyMs, log.patienceMs);
  }

  /** The present sender's stream has ended, or there was none yet. */
  get #isFree(): boolean {
    return !this.#epoch || this.#release.ended;
  }

  /** When another sender takes over: not before its beginning is whole, nor while the release has anything left to do. */
  #succeedsAt(): number {
    const { waiting, readyAt } = this.#demultiplexer;
    if (waiting.size === 0) return Infinity;
    if (!this.#epoch || this.#isFree) {
      const [eldest] = waiting;
      return eldest?.recognised?.readyAt ?? Infinity;
    }
    return this.#release.wakeAt === Infinity ? Math.max(this.#silentAt(this.#epoch), readyAt) : Infinity;
  }

  #succeed(now: number): void {
    const heardSince = (this.#epoch?.log.lastArrivedAt ?? -Infinity) - this.#options.latencyMs;
    const next = chooseNext(this.#demultiplexer, { isFree: this.#isFree, heardSince, now });
    if (next?.recognised) this.#follow(next, next.recognised, now);
  }

  /** From here on this sender plays: what was held of it first. */
  #follow(sender: Sender, recognition: Recognition, now: number): void {
    const before = this.#epoch;
    const held = this.#demultiplexer.release(sender);
    if (this.#second === sender) this.#second = undefined;
    const first = firstSequence(recognition, held);
    if (first === undefined) {
      for (const { data, arrivedAt } of held) this.#hold(data, arrivedAt, sender.endpoint);
      return;
    }
    this.#replay = held;
    this.#replayed = 0;
    if (before && !this.#release.ended && before.goesOnWith(recognition, held)) before.sender = sender;
    else {
      this.#epoch = new Epoch(sender, recognition, first, this.#options.latencyMs);
      if (before) this.#restart(before);
    }
    const { framing, ssrc } = recognition;
    const { endpoint: source } = sender;
    this.#wasBare ||= framing === 'udp';
    this.#ready.push({ kind: 'recognised', framing, source, ...(framing === 'rtp' && { ssrc }) });
    if (framing === 'rtp') this.#reporter.push({ kind: 'stream', ssrc, address: source.address }, now);
  }

  #restart(before: Epoch): void {
    this.#firstIndex ??= before.firstIndex;
    this.#missingBefore += before.firstIndex ?? 0;
    this.#restarts++;
    this.#window.restart();
    this.#release = this.#newRelease();
    this.#ready.push({ kind: 'restart', epoch: this.#restarts });
  }

  #newRelease(): Release {
    const { release, latencyMs } = this.#options;
    return release === 'paced'
      ? new PacedRelease(this.#window, latencyMs)
      : new InOrderRelease(this.#window, latencyMs);
  }

  /** Nothing more will come: what is held is taken for what it most probably is. */
  #giveUp(): void {
    this.#givingUp = true;
    if (!this.#epoch && this.#demultiplexer.waiting.size === 0) this.#demultiplexer.guessAny();
    this.#demultiplexer.accept();
  }

  #drain(now: number): void {
    this.#givingUp = false;
    if (this.#epoch) this.#release.end(undefined, now);
    else this.#ready.push({ kind: 'end', proven: false });
  }
}
