/**
 * Listens to the senders' RTCP and answers with receiver reports (RFC 3550 §6.4.2), unicast to where they come from.
 *
 * Anybody can send RTCP: what is heard counts for a stream only when SSRC and address are those of its media. Senders that
 * are not received (yet) are remembered for a while, because their first report may come before their first datagram.
 */
import { sameEndpoint, type Endpoint } from '../wire/address.ts';
import { compactFromMs, compactNtp } from '../wire/clock.ts';
import { parseLanc, writeLanc, type LancReport } from '../wire/lanc.ts';
import { writeNack } from '../wire/rtcp-feedback.ts';
import {
  parseRtcp,
  writeRtcp,
  type AppPacket,
  type ReportBlock,
  type RtcpPacket,
  type UnknownPacket,
} from '../wire/rtcp.ts';
import type { Stage } from '../wire/stage.ts';

/** What the receive log knows of the current stream, in the wire's units (see `ReportBlock`). */
export type ReportFigures = Pick<
  ReportBlock,
  'fractionLost' | 'cumulativeLost' | 'highestSequence' | 'jitter'
>;

/** What a reporter is told. */
export type ReceiverReporterInput =
  /**
   * A datagram came to the RTCP port or to the socket the reports leave from. Nothing of it is kept. `address` is where the media
   * of its sender comes from; default: the same as this.
   */
  | { kind: 'rtcp'; datagram: Buffer; source: Endpoint; address?: string; arrivedAt: number }
  /**
   * From now on this is the stream that is received: a new sender, or a new epoch of the same one, of which everything
   * heard before is then forgotten. `address` is where its media comes from.
   */
  | { kind: 'stream'; ssrc: number; address: string }
  /**
   * These 16-bit sequence numbers of the current stream are missing: at most 128, not none. Pushed only while it `canAsk`. `nearest`
   * is the sender's address on the path that works; default: where its latest report came from.
   */
  | { kind: 'missing'; lost: readonly number[]; nearest?: string | undefined }
  /** The receiver goes away: says goodbye to the sender and falls silent. */
  | { kind: 'leave' };

/** What a reporter has to say: a compound for the socket, or news of a sender for the receiver itself. */
export type ReceiverReporterOutput =
  | { kind: 'rtcp'; datagram: Buffer; destination: Endpoint }
  /** A lancast sender reported: with each of its compounds, and again when its stream is settled on. */
  | { kind: 'learned'; ssrc: number; address: string; report: LancReport }
  /** A sender said goodbye: once, and again when its stream is settled on. `last` is its final report, when it made one. */
  | { kind: 'bye'; ssrc: number; address: string; last: LancReport | undefined };

/** Options of a reporter. */
export interface ReceiverReporterOptions {
  /** This receiver's own SSRC, 32 random bits. */
  ssrc: number;
  /** This receiver's canonical name, at most 255 bytes (RFC 7022). */
  cname: string;
  /** Uniform in 0 to 1. */
  random: () => number;
  /** The figures of the current stream, with the fraction lost since the call before. Called once for each report. */
  figures: () => ReportFigures | undefined;
  /** What the network lost of it since the call before, for lancast senders. @param ssrc ours */
  losses?: (ssrc: number) => UnknownPacket | undefined;
}

/** Where a sender's reports come from, and what is to be echoed there. */
interface Place {
  readonly endpoint: Endpoint;
  cookie: Buffer | undefined;
}

/** What is remembered of one sender. */
interface Sender {
  readonly ssrc: number;
  readonly address: string;
  /** Where it hears, the one that was heard last first: on two paths there are two of them. */
  places: readonly Place[];
  lastSr: number;
  lastSrAt: number;
  lanc: LancReport | undefined;
  gone: boolean;
}

/** For senders that do not name an interval, RFC 3550 §6.2. */
const DEFAULT_INTERVAL_MS = 5000;
const MIN_INTERVAL_MS = 1000;
const MAX_INTERVAL_MS = 600_000;
/** Reports leave at multiples of this: those of all streams of a process share their wake-ups, which cost more than they do. */
const GRID_MS = 100;
/** A sender that has not reported for so many intervals is no longer answered. */
const PATIENCE = 5;
const MAX_PLACES = 2;
/** Senders remembered that are not received. */
const MAX_OTHERS = 16;

/** Emits compounds for the current sender, and news of every sender heard. */
export class ReceiverReporter implements Stage<ReceiverReporterInput, ReceiverReporterOutput> {
  /** `heard`: senders' compounds; `refused`: not RTCP; `foreign`: not from a sender known; `reported`, `asked`: reports and requests made. */
  readonly stats = { heard: 0, refused: 0, foreign: 0, reported: 0, asked: 0 };

  readonly #options: ReceiverReporterOptions;
  readonly #others = new Map<string, Sender>(); // least recently heard first
  readonly #ready: ReceiverReporterOutput[] = [];
  #current: Sender | undefined;
  #reportAt = Infinity;
  #known = false; // the current sender has had a report from us

  constructor(options: ReceiverReporterOptions) {
    this.#options = options;
  }

  /** The latest report of a sender that is known; `undefined` when it made none. */
  reportOf(ssrc: number, address: string): LancReport | undefined {
    const current = this.#current;
    if (current?.ssrc === ssrc && current.address === address) return current.lanc;
    return this.#others.get(keyOf(ssrc, address))?.lanc;
  }

  /** The sender of the current stream has told where it hears. */
  get canAsk(): boolean {
    return this.#current?.places[0] !== undefined;
  }

  push(input: ReceiverReporterInput, now: number): void {
    if (input.kind === 'rtcp') this.#hear(input);
    else if (input.kind === 'stream') this.#settle(input.ssrc, input.address);
    else if (input.kind === 'missing') this.#ask(input.lost, input.nearest);
    else this.#leave(now);
    if (this.#reportAt === Infinity && this.#answers()) this.#reportAt = now;
  }

  poll(now: number): ReceiverReporterOutput | undefined {
    if (this.#ready.length > 0) return this.#ready.shift();
    if (now < this.#reportAt) return undefined;
    const sender = this.#current;
    this.#reportAt = Infinity;
    if (!sender || !this.canAsk) return undefined;
    const intervalMs = intervalOf(sender);
    if (now - sender.lastSrAt > PATIENCE * Math.max(intervalMs, DEFAULT_INTERVAL_MS)) return undefined;
    const dueAt = now + intervalMs * (0.5 + this.#options.random());
    this.#reportAt = Math.round(dueAt / GRID_MS) * GRID_MS;
    this.#report(sender, now);
    return this.#ready.shift();
  }

  get wakeAt(): number {
    return this.#ready.length > 0 ? -Infinity : this.#reportAt;
  }

  #hear(heard: ReceiverReporterInput & { kind: 'rtcp' }): void {
    const packets = parseRtcp(heard.datagram);
    if (typeof packets === 'string') {
      this.stats.refused++;
      return;
    }
    const sender = this.#speaker(packets[0], heard);
    if (!sender) {
      this.stats.foreign++;
      return;
    }
    this.stats.heard++;
    if (!sender.gone) this.#learn(sender, packets, heard.source);
  }

  #learn(sender: Sender, packets: readonly RtcpPacket[], source: Endpoint): void {
    const { ssrc, lanc } = sender;
    for (const packet of packets) {
      if (packet.kind === 'app' && packet.ssrc === ssrc) hearApp(sender, packet, source);
      else if (packet.kind === 'bye') sender.gone ||= packet.ssrcs.includes(ssrc);
    }
    if (sender.lanc && sender.lanc !== lanc) this.#tellLearned(sender.lanc, sender);
    if (sender.gone) this.#tellGone(sender);
    if (sender.gone && sender === this.#current) this.#reportAt = Infinity;
  }

  /** Whose compound it is, by its report: a sender's, or that of one known before which has stopped sending. */
  #speaker(
    first: RtcpPacket | undefined,
    { source, address = source.address, arrivedAt }: ReceiverReporterInput & { kind: 'rtcp' },
  ): Sender | undefined {
    if (first?.kind !== 'sr' && first?.kind !== 'rr') return undefined;
    const known = this.#find(first.ssrc, address);
    if (first.kind === 'rr') return known;
    const sender = known ?? this.#remember(newSender(first.ssrc, address));
    hearFrom(sender, source);
    sender.lastSr = compactNtp(first.ntp);
    sender.lastSrAt = arrivedAt;
    return sender;
  }

  #tellLearned(report: LancReport, { ssrc, address }: Sender): void {
    this.#ready.push({ kind: 'learned', ssrc, address, report });
  }

  #tellGone({ ssrc, address, lanc }: Sender): void {
    this.#ready.push({ kind: 'bye', ssrc, address, last: lanc?.final ? lanc : undefined });
  }

  #settle(ssrc: number, address: string): void {
    const before = this.#current;
    if (before?.ssrc === ssrc && before.address === address) {
      before.lanc = undefined;
      before.gone = false;
      return;
    }
    const sender = this.#others.get(keyOf(ssrc, address)) ?? newSender(ssrc, address);
    this.#others.delete(keyOf(ssrc, address));
    this.#current = sender;
    this.#known = false;
    this.#reportAt = Infinity;
    if (sender.lanc) this.#tellLearned(sender.lanc, sender);
    if (sender.gone) this.#tellGone(sender);
  }

  /** A compound of its own, whose report is empty: the fraction lost counts from one report to the next. */
  #ask(lost: readonly number[], nearest: string | undefined): void {
    const sender = this.#current;
    const place = sender?.places.find(({ endpoint }) => endpoint.address === nearest) ?? sender?.places[0];
    if (!sender || !place) return;
    const { ssrc } = this.#options;
    const nack = writeNack({ ssrc, mediaSsrc: sender.ssrc, lost });
    this.stats.asked++;
    this.#known = true;
    this.#say(place, [...this.#opening(place, []), nack]);
  }

  #leave(now: number): void {
    const sender = this.#current;
    this.#current = undefined;
    this.#reportAt = Infinity;
    // Who was never heard of need not be said goodbye to (RFC 3550 §6.3.7).
    if (!sender || !this.#known) return;
    this.#report(sender, now, [{ kind: 'bye', ssrcs: [this.#options.ssrc] }]);
  }

  #answers(): boolean {
    return this.canAsk && !this.#current?.gone;
  }

  /** To the first place; and to the other one while it is yet to challenge us, so that it answers when it is asked. */
  #report(sender: Sender, now: number, more: readonly RtcpPacket[] = []): void {
    const figures = this.#options.figures();
    const { lastSr, lanc, places } = sender;
    const delaySinceLastSr = compactFromMs(now - sender.lastSrAt);
    const block = figures && { ...figures, ssrc: sender.ssrc, lastSr, delaySinceLastSr };
    const losses = lanc && this.#options.losses?.(this.#options.ssrc);
    const rest = losses ? [losses, ...more] : more;
    this.stats.reported++;
    this.#known = true;
    for (const [number, place] of places.entries())
      if (number === 0 || (lanc && !place.cookie))
        this.#say(place, [...this.#opening(place, block ? [block] : []), ...rest]);
  }

  #say({ endpoint: destination }: Place, packets: readonly RtcpPacket[]): void {
    this.#ready.push({ kind: 'rtcp', datagram: writeRtcp(packets), destination });
  }

  /** What every compound begins with: who we are, and that we can be reached where it comes from. */
  #opening({ cookie }: Place, reports: ReportBlock[]): RtcpPacket[] {
    const { ssrc, cname } = this.#options;
    const packets: RtcpPacket[] = [
      { kind: 'rr', ssrc, reports },
      { kind: 'sdes', chunks: [{ ssrc, cname }] },
    ];
    if (cookie) packets.push(writeLanc({ kind: 'echo', cookie }, ssrc));
    return packets;
  }

  #find(ssrc: number, address: string): Sender | undefined {
    const current = this.#current;
    if (current?.ssrc === ssrc && current.address === address) return current;
    const other = this.#others.get(keyOf(ssrc, address));
    return other && this.#remember(other);
  }

  /** Keeps a sender that is not received, at the cost of the one not heard for longest. */
  #remember(sender: Sender): Sender {
    const key = keyOf(sender.ssrc, sender.address);
    this.#others.delete(key);
    this.#others.set(key, sender);
    const [oldest] = this.#others.keys();
    if (this.#others.size > MAX_OTHERS && oldest !== undefined) this.#others.delete(oldest);
    return sender;
  }
}

function hearApp(sender: Sender, packet: AppPacket, source: Endpoint): void {
  const lanc = parseLanc(packet);
  if (typeof lanc === 'string') return;
  if (lanc.kind === 'report') sender.lanc = lanc;
  else if (lanc.kind === 'challenge') {
    // Good for the place that it comes from only: the sender sees us at another address on each path.
    const place = sender.places.find(({ endpoint }) => sameEndpoint(endpoint, source)) ?? sender.places[0];
    if (place) place.cookie = Buffer.from(lanc.cookie);
  }
}

/** A report came from there. */
function hearFrom(sender: Sender, source: Endpoint): void {
  const { address, port } = source;
  const known = sender.places.find(({ endpoint }) => sameEndpoint(endpoint, source));
  const place = known ?? { endpoint: { address, port }, cookie: undefined };
  if (sender.places[0] === place) return;
  sender.places = [place, ...sender.places.filter((each) => each !== place)].slice(0, MAX_PLACES);
}

function newSender(ssrc: number, address: string): Sender {
  return {
    ssrc,
    address,
    places: [],
    lastSr: 0,
    lastSrAt: 0,
    lanc: undefined,
    gone: false,
  };
}

function keyOf(ssrc: number, address: string): string {
  return `${ssrc} ${address}`;
}

/** What the sender named, within reason: a forged report must not make us flood. */
function intervalOf({ lanc }: Sender): number {
  if (!lanc) return DEFAULT_INTERVAL_MS;
  return Math.min(Math.max(lanc.reportIntervalMs, MIN_INTERVAL_MS), MAX_INTERVAL_MS);
}
