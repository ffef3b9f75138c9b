/**
 * Tells receivers where the stream is (RFC 3550 §6.4.1 and the `LANC` packet), says goodbye at its end, and keeps the table of
 * the receivers that report back.
 */
import type { Endpoint } from '../wire/address.ts';
import { compactNtp, compactToMs, ntpFromWall } from '../wire/clock.ts';
import { writeLanc } from '../wire/lanc.ts';
import { parseRtcp, writeRtcp, type ReportBlock, type RtcpPacket } from '../wire/rtcp.ts';
import { wrapDistance } from '../wire/sequence.ts';
import type { Stage } from '../wire/stage.ts';

/**
 * How far the stream is. The sender writes it with each datagram, the reporter only reads it: so reporting costs nothing per
 * datagram.
 */
export interface Departures {
  /** Datagrams sent so far, which is the index of the next. At the end it must be what has really left. */
  index: number;
  /** The 16-bit sequence number of the next datagram. */
  sequence: number;
  /** Payload bytes sent so far. */
  octets: number;
  /** The RTP timestamp, 32 bits, of the latest datagram; before the first one: that of the first. */
  rtpTimestamp: number;
  /** When that datagram is due, monotonic milliseconds; it may lie ahead. */
  dueAt: number;
  /** How fast the RTP clock runs against life, a whole number: 1 000 000 is life. */
  pacePpm: number;
}

/** What a reporter is told. */
export type SenderReporterInput =
  /** The first datagram is due now. */
  | { kind: 'start' }
  /** The last datagram has left. */
  | { kind: 'end' }
  /** A datagram came to the socket the reports leave from. Nothing of it is kept. */
  | { kind: 'rtcp'; datagram: Buffer; source: Endpoint };

/** Options of a reporter. */
export interface SenderReporterOptions {
  ssrc: number;
  /** The sender's canonical name, at most 255 bytes (RFC 7022). */
  cname: string;
  /** Ticks of the RTP clock per second: 90 000 for MPEG-TS. */
  clockRateHz: number;
  /** Where missing ranges may be asked for over HTTP; 0: nowhere. */
  healPort: number;
  departures: Readonly<Departures>;
  /** Uniform in 0 to 1. */
  random: () => number;
  /** The wall clock, milliseconds since 1970, at a monotonic time. Round trips are wrong for a moment when it is set. */
  wallAt: (now: number) => number;
}

/** What one receiver reported last. */
export interface ReceiverFigures {
  ssrc: number;
  source: Endpoint;
  /** Text from outside: escape it. */
  cname: string | undefined;
  /** Of the packets expected since its report before: 0 to 1. */
  fractionLost: number;
  /** Lost since it began, less duplicates. */
  cumulativeLost: number;
  jitterMs: number;
  /** `undefined` when it has not had a report of ours yet. */
  roundTripMs: number | undefined;
  reportedAt: number;
}

/** Between the first three reports: receivers that were there before the sender learn of it at once, even if one is lost. */
const FIRST_GAPS_MS = [100, 200];
const INTERVAL_MS = 1000;
/** Later ones leave at multiples of this, at which senders read their sources: a wake-up more costs more than the report. */
const GRID_MS = 100;
const GOODBYES = 3;
const GOODBYE_GAP_MS = 100;
/** Goodbyes said again to receivers that report on, because they heard none. */
const MOST_REPEATED = 10;
/** All receivers together may take up this share of the stream. */
const FEEDBACK_SHARE = 0.05;
const MAX_INTERVAL_MS = 600_000;
/** IPv4 and UDP headers. */
const OVERHEAD_BYTES = 28;
/** Receivers that do not know `LANC` report this often, RFC 3550 §6.2. */
const FOREIGN_INTERVAL_MS = 5000;
/** A receiver that has not reported for so many intervals is gone, §6.3.5. */
const PATIENCE = 5;
const MAX_RECEIVERS = 1024;
const MAX_ROUND_TRIP_MS = 60_000;

/** Emits compounds for the receivers' RTCP ports. */
export class SenderReporter implements Stage<SenderReporterInput, Buffer> {
  /** `reported`: compounds sent; `heard`: receivers' compounds about us; `refused`: not RTCP, or not about us. */
  readonly stats = { reported: 0, heard: 0, refused: 0 };

  readonly #options: SenderReporterOptions;
  readonly #receivers = new Map<number, ReceiverFigures>(); // least recently heard first
  #startedAt: number | undefined;
  #nextAt = Infinity;
  #goodbyes = 0; // yet to be said, once the end has come
  #repeatable = MOST_REPEATED;
  #ended = false;
  #feedbackBytes = 128; // of a receiver's compound, on average

  constructor(options: SenderReporterOptions) {
    this.#options = options;
  }

  /** The receivers that have reported lately, by their SSRC; at most 1024. */
  get receivers(): ReadonlyMap<number, ReceiverFigures> {
    return this.#receivers;
  }

  push(input: SenderReporterInput, now: number): void {
    if (input.kind === 'rtcp') this.#hear(input.datagram, input.source, now);
    else if (this.#ended) return;
    else if (input.kind === 'end') {
      this.#ended = true;
      this.#goodbyes = GOODBYES;
      this.#nextAt = now;
    } else if (this.#startedAt === undefined) {
      this.#startedAt = now;
      this.#nextAt = now;
    }
  }

  poll(now: number): Buffer | undefined {
    if (now < this.#nextAt) return undefined;
    this.#forgetSilent(now);
    if (this.#ended) {
      this.#goodbyes--;
      this.#nextAt = this.#goodbyes > 0 ? now + GOODBYE_GAP_MS : Infinity;
    } else {
      const gap = FIRST_GAPS_MS[this.stats.reported];
      this.#nextAt = now + (gap ?? INTERVAL_MS * (0.5 + this.#options.random()));
      if (gap === undefined) this.#nextAt = Math.round(this.#nextAt / GRID_MS) * GRID_MS;
    }
    this.stats.reported++;
    return this.#report(now);
  }

  get wakeAt(): number {
    return this.#nextAt;
  }

  #report(now: number): Buffer {
    const { ssrc, cname, clockRateHz, healPort, departures, wallAt } = this.#options;
    const { index, sequence, octets, dueAt, pacePpm } = departures;
    const elapsedTicks = ((now - dueAt) * clockRateHz * pacePpm) / 1e9;
    const rtpTimestamp = Math.round(departures.rtpTimestamp + elapsedTicks) >>> 0;
    const reportIntervalMs = Math.round(this.#receiversIntervalMs(now));
    const final = this.#ended;
    const lanc = {
      index,
      sequence,
      final,
      rtpTimestamp,
      pacePpm,
      reportIntervalMs,
      healPort,
      capabilities: 0,
    };
    const packets: RtcpPacket[] = [
      {
        kind: 'sr',
        ssrc,
        ntp: ntpFromWall(wallAt(now)),
        rtpTimestamp,
        packetCount: index % 2 ** 32,
        octetCount: octets % 2 ** 32,
        reports: [],
      },
      { kind: 'sdes', chunks: [{ ssrc, cname }] },
      writeLanc({ kind: 'report', ...lanc }, ssrc),
    ];
    if (final) packets.push({ kind: 'bye', ssrcs: [ssrc] });
    return writeRtcp(packets);
  }

  /** A second, or what keeps all receivers within their share of the stream. */
  #receiversIntervalMs(now: number): number {
    const { octets } = this.#options.departures;
    const elapsedMs = now - (this.#startedAt ?? now);
    if (octets === 0 || elapsedMs === 0) return INTERVAL_MS;
    const allowedBytesPerMs = (FEEDBACK_SHARE * octets) / elapsedMs;
    const neededMs = (this.#receivers.size * this.#feedbackBytes) / allowedBytesPerMs;
    return Math.min(Math.max(neededMs, INTERVAL_MS), MAX_INTERVAL_MS);
  }

  #hear(datagram: Buffer, source: Endpoint, now: number): void {
    const packets = parseRtcp(datagram);
    const block = typeof packets === 'string' ? undefined : blockAbout(this.#options.ssrc, packets[0]);
    if (typeof packets === 'string' || !block) {
      this.stats.refused++;
      return;
    }
    this.stats.heard++;
    this.#feedbackBytes += (datagram.length + OVERHEAD_BYTES - this.#feedbackBytes) / 16;
    this.#receivers.delete(block.reporter);
    if (packets.some((packet) => packet.kind === 'bye' && packet.ssrcs.includes(block.reporter))) return;
    this.#receivers.set(block.reporter, {
      ssrc: block.reporter,
      source: { address: source.address, port: source.port },
      cname: cnameOf(block.reporter, packets),
      fractionLost: block.fractionLost / 256,
      cumulativeLost: block.cumulativeLost,
      jitterMs: (block.jitter * 1000) / this.#options.clockRateHz,
      roundTripMs: this.#roundTripMs(block, now),
      reportedAt: now,
    });
    const [oldest] = this.#receivers.keys();
    if (this.#receivers.size > MAX_RECEIVERS && oldest !== undefined) this.#receivers.delete(oldest);
    if (this.#ended) this.#repeatGoodbye(now);
  }

  /** Whoever still reports when all goodbyes were said has heard none of them. */
  #repeatGoodbye(now: number): void {
    if (this.#nextAt < Infinity || this.#repeatable === 0) return;
    this.#repeatable--;
    this.#nextAt = now + GOODBYE_GAP_MS;
  }

  /** RFC 3550 §6.4.1: arrival of the report, less when its SR left, less how long the receiver held that. */
  #roundTripMs({ lastSr, delaySinceLastSr }: ReportBlock, now: number): number | undefined {
    if (lastSr === 0) return undefined;
    const arrived = compactNtp(ntpFromWall(this.#options.wallAt(now)));
    const compact = wrapDistance(lastSr + delaySinceLastSr, arrived, 32);
    // The receiver's clock has its own rounding and rate; anything beyond that is made up.
    const roundTripMs = compactToMs(compact);
    return roundTripMs >= -1 && roundTripMs < MAX_ROUND_TRIP_MS ? Math.max(roundTripMs, 0) : undefined;
  }

  #forgetSilent(now: number): void {
    const silentMs = PATIENCE * Math.max(this.#receiversIntervalMs(now), FOREIGN_INTERVAL_MS);
    for (const [ssrc, { reportedAt }] of this.#receivers) {
      if (now - reportedAt <= silentMs) return;
      this.#receivers.delete(ssrc);
    }
  }
}

/** What the report at the head of a compound says of `ssrc`, and who says it. */
function blockAbout(
  ssrc: number,
  first: RtcpPacket | undefined,
): (ReportBlock & { reporter: number }) | undefined {
  if (first?.kind !== 'rr' && first?.kind !== 'sr') return undefined;
  const block = first.reports.find((report) => report.ssrc === ssrc);
  return block && { ...block, reporter: first.ssrc };
}

function cnameOf(ssrc: number, packets: readonly RtcpPacket[]): string | undefined {
  for (const packet of packets) {
    if (packet.kind !== 'sdes') continue;
    const chunk = packet.chunks.find((candidate) => candidate.ssrc === ssrc);
    if (chunk) return chunk.cname;
  }
  return undefined;
}
