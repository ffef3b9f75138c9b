/**
 * Everything between the sockets and the sinks, as one stage: datagrams of any sender in, the ordered stream of one sender
 * out, with the reports that go back to it.
 */
import type { ReleasedPayload } from '../jitter-buffer/ordering.ts';
import { MAX_DATAGRAM_BYTES } from '../jitter-buffer/slab.ts';
import { formatEndpoint, type Endpoint, type Framing } from '../wire/address.ts';
import type { LancReport } from '../wire/lanc.ts';
import type { StreamSnapshot } from '../wire/metrics.ts';
import type { Stage } from '../wire/stage.ts';
import { firstOf, type Beginning } from './beginning.ts';
import { Demultiplexer, type Sender } from './demultiplexer.ts';
import { HeldRepairs } from './held-repairs.ts';
import { PlayedStream, type PlayedFigures, type PlayedStreamOptions } from './played-stream.ts';
import { ReceiverReporter } from './reporter.ts';
import type { Released } from './sink.ts';
import { chooseNext } from './succession.ts';

/** What goes in. The bytes are copied during `push`, and neither they nor the input object are kept. */
export type ReceptionInput =
  | {
      /** A datagram on the media port. */
      kind: 'media';
      data: Buffer;
      /** Monotonic milliseconds; long before `now` when this process was busy, after it while the driver reads first. */
      arrivedAt: number;
      source: Endpoint;
    }
  | BesideMedia
  | {
      /** Nothing more is expected (the end of a timeout): what is still held is accepted and everything is released. */
      kind: 'giveUp';
    }
  | {
      /** We go away: the sender is told so. */
      kind: 'leave';
    };

/**
 * A datagram beside the media: on the RTCP port; on P + 2 or P + 4, the ports of repair packets; a retransmission, on P + 6 or
 * where our reports leave from.
 */
export interface BesideMedia {
  kind: 'rtcp' | 'repair-packet' | 'retransmission';
  data: Buffer;
  arrivedAt: number;
  source: Endpoint;
  /** Where the media of the same sender comes from. Default: the same address. */
  address?: string;
}

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
export interface ReceptionOptions extends PlayedStreamOptions {
  /** Fixed by the address's scheme; absent: recognised. */
  framing?: Framing;
  /** Canonical name in receiver reports. */
  cname: string;
}

/** The part of a snapshot that reception knows. */
export type ReceptionFigures = PlayedFigures & Pick<StreamSnapshot, 'secondSender' | 'refused'>;

/** Whoever is played is sent at most so many times as many bytes as came from him: anybody can write another's address on a stream. */
const GAIN = 3;
/** IPv4 and UDP headers. They count for what we send only. */
const OVERHEAD_BYTES = 28;
/** A second sender is shown for so long after its last datagram. */
const SECOND_SENDER_MS = 5000;

/**
 * One stream as it is received. After an `end` it goes on when a sender comes back: `restart`, then payloads.
 *
 * What is missing is given up by the times of arrival: polled behind datagrams that lay unread for a while, it judges by the
 * newest of them, for more may follow. Polled when its time has come it judges by that.
 */
export class Reception implements Stage<ReceptionInput, ReceptionOutput> {
  /** Of two paths: the sender's address on the one that brought the latest datagram. Requests go there, for it works. */
  nearest: string | undefined;
  readonly #stream: PlayedStream;
  readonly #demultiplexer: Demultiplexer;
  /** Of senders that do not play yet. */
  readonly #repairs = new HeldRepairs();
  readonly #reporter: ReceiverReporter;
  readonly #latencyMs: number;
  readonly #ready: ReceptionOutput[] = [];
  /** When the newest datagram arrived, and whether one came since the last poll. */
  #heardAt = -Infinity;
  #isFresh = false;
  /** When the newest on the RTCP port did: later than `now` while the driver reads first. */
  #reportedAt = -Infinity;
  /** A held beginning is whole, so its sender may take over. */
  #isHeldWhole = false;
  #givingUp = false;
  #second: Sender | undefined;
  /** Bytes that may be sent to the sender who is played. */
  #credit = 0;

  constructor(options: ReceptionOptions) {
    const { framing, latencyMs, cname, random } = options;
    this.#latencyMs = latencyMs;
    this.#stream = new PlayedStream(options);
    this.#demultiplexer = new Demultiplexer(framing, latencyMs);
    this.#reporter = new ReceiverReporter({
      ssrc: Math.floor(random() * 2 ** 32),
      cname,
      random,
      figures: () => this.#stream.report(),
      losses: (own) => this.#stream.lossReport(own),
    });
  }

  push(input: ReceptionInput, now: number): void {
    if (input.kind === 'media') this.pushMedia(input.data, input.arrivedAt, input.source);
    else if (input.kind === 'leave') this.#reporter.push(input, now);
    else if (input.kind === 'giveUp') this.#giveUp();
    else this.#pushBeside(input, now);
  }

  get #asksAt(): number {
    return this.#reporter.canAsk ? this.#stream.asksAt : Infinity;
  }

  #pushBeside(input: BesideMedia, now: number): void {
    const { kind, data, arrivedAt, source, address = source.address } = input;
    if (kind === 'rtcp') {
      this.#reportedAt = Math.max(this.#reportedAt, arrivedAt);
      this.#reporter.push({ kind, datagram: data, source, address, arrivedAt }, now);
      return;
    }
    // What else lies unread may be as old: nothing is given up that this does not prove late.
    if (arrivedAt > this.#heardAt) this.#heardAt = arrivedAt;
    this.#isFresh = true;
    if (kind === 'retransmission') this.#stream.takeRetransmission(data, address, arrivedAt);
    else if (!this.#stream.takeRepairPacket(data, address, arrivedAt))
      this.#repairs.hold(data, address, arrivedAt);
  }

  /**
   * Takes a datagram of the media port: the same as `push` of a `media` input, without an object for each. `data` and
   * `source` are valid during the call only. Unless `isPressing`, several may be pushed before the next poll.
   */
  pushMedia(data: Buffer, arrivedAt: number, source: Endpoint): void {
    this.#accept(data, arrivedAt, source, false);
  }

  /**
   * As `pushMedia`, but what would be the next output comes back instead, as nearly every datagram does: in order, and nothing is
   * held. It is never held itself then, so it stays in the processor's cache on its way to the sinks.
   */
  passMedia(data: Buffer, arrivedAt: number, source: Endpoint): ReleasedPayload | undefined {
    return this.#accept(data, arrivedAt, source, this.#ready.length === 0);
  }

  /** Poll before the next `pushMedia` or `passMedia`: the room for it, or its place, has to be made first. */
  get isPressing(): boolean {
    return this.#isHeldWhole || this.#stream.isCrowded;
  }

  poll(now: number): ReceptionOutput | undefined {
    const readUntil = this.#readUntil(now);
    for (;;) {
      const output = this.#pollNews(now) ?? this.#stream.poll(readUntil);
      if (output) return output;
      if (this.#stream.isReplaying) this.#replayNext();
      else if (readUntil >= this.#succeedsAt()) this.#succeed(readUntil);
      else if (this.#givingUp) this.#drain();
      else if (!this.#ask(now)) break;
    }
    this.#isFresh = this.#isHeldWhole = false;
    return undefined;
  }

  get wakeAt(): number {
    if (this.#ready.length > 0 || this.#stream.isReplaying || this.#givingUp) return -Infinity;
    return Math.min(this.#stream.wakeAt, this.#succeedsAt(), this.#reporter.wakeAt, this.#asksAt);
  }

  /** When the newest datagram of media, or of what repairs it, came. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** Something is given up, asked for or taken over at `now` because nothing came: unlike what came, and a report that is due. */
  lacksInput(now: number): boolean {
    const dueAt = Math.min(this.#stream.wakeAt, this.#succeedsAt(), this.#asksAt);
    return dueAt > -Infinity && now >= dueAt;
  }

  /** Counters and gauges at `now`. */
  figures(now: number): ReceptionFigures {
    const refused = Object.fromEntries(this.#demultiplexer.refused);
    const figures: ReceptionFigures = { ...this.#stream.figures(now), refused };
    if (!this.#stream.sender) {
      const [eldest] = this.#demultiplexer.waiting;
      if (eldest) figures.silentMs = Math.max(0, now - eldest.heldAt);
    } else if (this.#second && now - this.#second.heldAt < SECOND_SENDER_MS) {
      figures.secondSender = formatEndpoint(this.#second.endpoint);
    }
    return figures;
  }

  #accept(data: Buffer, arrivedAt: number, source: Endpoint, mayPass: boolean): ReleasedPayload | undefined {
    if (arrivedAt > this.#heardAt) this.#heardAt = arrivedAt;
    this.#isFresh = true;
    if (data.length === 0) this.#demultiplexer.refuse('empty');
    else if (data.length > MAX_DATAGRAM_BYTES) this.#demultiplexer.refuse('too-long');
    else if (this.#stream.isFrom(source)) {
      this.#credit += GAIN * data.length;
      return this.#take(data, arrivedAt, source, mayPass);
    } else this.#hold(data, arrivedAt, source);
    return undefined;
  }

  /** A datagram from the address that plays. */
  #take(data: Buffer, arrivedAt: number, source: Endpoint, mayPass: boolean): ReleasedPayload | undefined {
    const taken = this.#stream.take(data, arrivedAt, mayPass);
    if (typeof taken === 'object') return taken;
    if (taken === 'foreign') this.#hold(data, arrivedAt, source);
    else if (taken !== 'taken') this.#demultiplexer.refuse(taken);
    return undefined;
  }

  /** A datagram that is not of the stream that plays is kept: it may be the beginning of the next. */
  #hold(data: Buffer, arrivedAt: number, source: Endpoint): void {
    const sender = this.#demultiplexer.hold(data, arrivedAt, source, this.#stream.sender);
    if (!sender?.recognised) return;
    this.#inform(sender);
    this.#isHeldWhole = sender.recognised.readyAt === -Infinity;
    if (!this.#stream.goesOn) return;
    const overlapsUntil = this.#stream.lastArrivedAt - this.#latencyMs;
    this.#demultiplexer.dropBefore(sender, overlapsUntil);
    if (sender.recognisedAt >= overlapsUntil) return;
    this.#second = sender;
    if (!sender.announced) this.#ready.push({ kind: 'second-sender', source: sender.endpoint });
    sender.announced = true;
  }

  #pollNews(now: number): ReceptionOutput | undefined {
    if (this.#ready.length > 0) return this.#ready.shift();
    for (;;) {
      const news = this.#reporter.poll(now);
      if (!news) return undefined;
      if (news.kind === 'rtcp') {
        if (this.#affords(news.datagram))
          return { kind: 'report', datagram: news.datagram, to: news.destination };
        continue;
      }
      if (news.kind === 'bye') {
        this.#sayGoodbye(news.ssrc, news.address, news.last, Math.max(now, this.#reportedAt));
      } else this.#learn(news.ssrc, news.address, news.report);
    }
  }

  #affords({ length }: Buffer): boolean {
    const left = this.#credit - length - OVERHEAD_BYTES;
    if (left < 0) return false;
    this.#credit = left;
    return true;
  }

  /** Asks the sender for what is missing. False: nothing is, or nobody to ask. */
  #ask(now: number): boolean {
    const lost = this.#reporter.canAsk ? this.#stream.pollMissing(now) : undefined;
    if (lost) this.#reporter.push({ kind: 'missing', lost, nearest: this.nearest }, now);
    return lost !== undefined;
  }

  #learn(ssrc: number, address: string, report: LancReport): void {
    if (this.#stream.isOf(ssrc, address)) this.#stream.learn(report);
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
  #sayGoodbye(ssrc: number, address: string, last: LancReport | undefined, at: number): void {
    if (this.#stream.isOf(ssrc, address)) {
      this.#stream.sayGoodbye(last, at);
      return;
    }
    for (const sender of this.#demultiplexer.senders) {
      if (sender.endpoint.address === address && this.#demultiplexer.guess(sender, ssrc))
        this.#inform(sender);
    }
  }

  #replayNext(): void {
    const next = this.#stream.nextHeld();
    const source = this.#stream.sender?.endpoint;
    if (!source) return;
    const until = next?.arrivedAt ?? Infinity;
    const { address } = source;
    for (let each = this.#repairs.next(address, until); each; each = this.#repairs.next(address, until))
      this.#stream.takeRepairPacket(each.data, address, each.arrivedAt);
    if (next) this.#take(next.data, next.arrivedAt, source, false);
  }

  /** What has arrived until then is in, as far as can be known. */
  #readUntil(now: number): number {
    return this.#isFresh ? Math.min(now, this.#heardAt) : now;
  }

  /** When another sender takes over: not before its beginning is whole, nor while the stream has anything left to do. */
  #succeedsAt(): number {
    const { waiting, readyAt } = this.#demultiplexer;
    if (waiting.size === 0) return Infinity;
    if (!this.#stream.goesOn) {
      const [eldest] = waiting;
      return eldest?.recognised?.readyAt ?? Infinity;
    }
    return this.#stream.wakeAt === Infinity ? Math.max(this.#stream.silentAt, readyAt) : Infinity;
  }

  #succeed(now: number): void {
    const heardSince = this.#stream.lastArrivedAt - this.#latencyMs;
    const next = chooseNext(this.#demultiplexer, { isFree: !this.#stream.goesOn, heardSince, now });
    if (next?.recognised) this.#follow(next, next.recognised, now);
  }

  /** From here on this sender plays: what was held of it first. */
  #follow(sender: Sender, recognition: Beginning, now: number): void {
    const { endpoint: source } = sender;
    const held = this.#demultiplexer.release(sender);
    if (this.#second === sender) this.#second = undefined;
    this.#credit = GAIN * held.reduce((sum, { data }) => sum + data.length, 0);
    const first = firstOf(recognition, held);
    if (first === undefined) {
      for (const { data, arrivedAt } of held) this.#hold(data, arrivedAt, source);
      return;
    }
    const following = this.#stream.follow(sender, recognition, held, first);
    if (following === 'restart') this.#ready.push({ kind: 'restart', epoch: this.#stream.restarts });
    const { framing, ssrc } = recognition;
    this.#ready.push({ kind: 'recognised', framing, source, ...(framing === 'rtp' && { ssrc }) });
    if (framing === 'rtp') this.#reporter.push({ kind: 'stream', ssrc, address: source.address }, now);
  }

  /** Nothing more will come: what is held is taken for what it most probably is. */
  #giveUp(): void {
    this.#givingUp = true;
    if (!this.#stream.sender && this.#demultiplexer.waiting.size === 0) this.#demultiplexer.guessAny();
    this.#demultiplexer.accept();
  }

  #drain(): void {
    this.#givingUp = false;
    if (this.#stream.sender) this.#stream.giveUp();
    else this.#ready.push({ kind: 'end', proven: false });
  }
}
