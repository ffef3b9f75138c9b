/**
 * A whole sender on virtual time: the pure stages of `sender/`, put together as `sender/index.ts` does, with a queue for the
 * socket.
 */
import { Framer, HEADER_BYTES, sequenceEndMark } from '../../sender/framer.ts';
import { ChunkPool, type MediaRun } from '../../sender/media-chunk.ts';
import { Pacer } from '../../sender/pacer.ts';
import { Packetizer } from '../../sender/packetizer.ts';
import { SenderReporter, type Departures, type ReceiverFigures } from '../../sender/reporter.ts';
import type { Endpoint, Framing } from '../../wire/address.ts';
import { chain, type Stage } from '../../wire/stage.ts';
import { type Datagram, datagramsOf } from './media-runs.ts';

/** What leaves a socket of the sender. */
export interface Departure {
  port: 'media' | 'rtcp';
  datagram: Buffer;
}

/** Feedback for the sender. */
export interface Feedback {
  datagram: Buffer;
  source: Endpoint;
}

export interface VirtualSenderOptions {
  framing: Framing;
  /** The programme in runs of whole packets; each run is given away. Read as the pacing asks for it. */
  runs: Iterable<Buffer>;
  /** Where the numbers of the RTP stream begin. Default: 1. */
  first?: { sequence: number; timestamp: number; ssrc: number };
  /** Payload bits per second instead of the programme's own pace. */
  bitsPerSecond?: number;
  /** Uniform in 0 to 1. */
  random: () => number;
  /** False: falls silent after the last datagram, as if it had crashed. Default true. */
  saysGoodbye?: boolean;
  /** Told of each run that goes into the queue, as whoever protects the stream is. */
  departed?: (run: MediaRun, now: number) => void;
}

const WALL_AT_ZERO_MS = Date.UTC(2026, 0, 1);
const END_MARKS = 3;
const END_MARK_GAP_MS = 100;

/** The sender as a stage: feedback in, datagrams out at the moment they are due. */
export class VirtualSender implements Stage<Feedback, Departure> {
  /** What has been sent so far. */
  readonly departures: Departures;

  readonly #options: VirtualSenderOptions;
  readonly #first: { sequence: number; timestamp: number; ssrc: number };
  readonly #runs: Iterator<Buffer>;
  readonly #pacer: Pacer;
  readonly #media: Stage<Buffer | undefined, MediaRun>;
  readonly #reporter: SenderReporter;
  #queue: Datagram[] = [];
  #head = 0;
  #read: 'more' | 'all' = 'more';
  #marksLeft = END_MARKS;
  #markAt = Infinity;
  #ended = false;

  constructor(options: VirtualSenderOptions) {
    const { framing, runs, first = { sequence: 1, timestamp: 1, ssrc: 1 }, random } = options;
    this.#options = options;
    this.#first = first;
    this.#runs = runs[Symbol.iterator]();
    this.#pacer = new Pacer({ bitsPerSecond: options.bitsPerSecond });
    const pool = new ChunkPool(HEADER_BYTES[framing]);
    const packetizer = new Packetizer({ transportStream: true, holdMs: Infinity, pool });
    this.#media = chain(chain(packetizer, new Framer({ framing, ...first })), this.#pacer);
    this.departures = {
      index: 0,
      sequence: first.sequence,
      octets: 0,
      rtpTimestamp: first.timestamp,
      dueAt: 0,
      pacePpm: 1_000_000,
    };
    this.#reporter = new SenderReporter({
      ssrc: first.ssrc,
      cname: 'sender@virtual',
      clockRateHz: 90_000,
      healPort: 0,
      departures: this.departures,
      random,
      wallAt: (now) => WALL_AT_ZERO_MS + now,
    });
  }

  /** Who reports back. */
  get receivers(): ReceiverFigures[] {
    return [...this.reports.values()];
  }

  /** The same by SSRC, as it goes on. */
  get reports(): ReadonlyMap<number, ReceiverFigures> {
    return this.#reporter.receivers;
  }

  /** All media has left, and the end has been told for the first time. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  push({ datagram, source }: Feedback, now: number): void {
    this.#reporter.push({ kind: 'rtcp', datagram, source }, now);
  }

  poll(now: number): Departure | undefined {
    if (this.#crashed) return undefined;
    const next = this.#due(now);
    if (next) return next;
    this.#feed(now);
    return this.#due(now) ?? this.#end(now);
  }

  get wakeAt(): number {
    if (this.#crashed) return Infinity;
    const head = this.#queue[this.#head];
    const readAt = this.#read === 'more' ? this.#pacer.roomAt : Infinity;
    return Math.min(head?.dueAt ?? Infinity, readAt, this.#media.wakeAt, this.#reporter.wakeAt, this.#markAt);
  }

  get #crashed(): boolean {
    return this.#ended && this.#options.saysGoodbye === false;
  }

  /** What the sockets are to send now. */
  #due(now: number): Departure | undefined {
    const head = this.#queue[this.#head];
    if (head && head.dueAt <= now) {
      if (++this.#head === this.#queue.length) {
        this.#queue = [];
        this.#head = 0;
      }
      return this.#depart(head, now);
    }
    const report = this.#options.framing === 'rtp' ? this.#reporter.poll(now) : undefined;
    return report && { port: 'rtcp', datagram: report };
  }

  #depart({ bytes, payloadBytes, rtpTimestamp, dueAt }: Datagram, now: number): Departure {
    const { departures } = this;
    departures.index++;
    departures.sequence = (this.#first.sequence + departures.index) & 0xffff;
    departures.octets += payloadBytes;
    departures.rtpTimestamp = rtpTimestamp;
    departures.dueAt = dueAt;
    departures.pacePpm = this.#pacer.pace.ppm;
    if (departures.index === 1 && this.#options.framing === 'rtp')
      this.#reporter.push({ kind: 'start' }, now);
    return { port: 'media', datagram: bytes };
  }

  /** Reads the programme while less than 200 ms lie ahead. */
  #feed(now: number): void {
    this.#drain(now);
    while (this.#read === 'more' && now >= this.#pacer.roomAt) {
      const { value, done } = this.#runs.next();
      if (done) this.#read = 'all';
      this.#media.push(done ? undefined : value, now);
      this.#drain(now);
    }
  }

  #drain(now: number): void {
    for (let paced = this.#media.poll(now); paced; paced = this.#media.poll(now)) {
      this.#queue.push(...datagramsOf(paced));
      this.#options.departed?.(paced, now);
    }
  }

  /** Tells the end, once everything has left. */
  #end(now: number): Departure | undefined {
    if (this.#read === 'more' || this.#head < this.#queue.length || this.#media.wakeAt < Infinity)
      return undefined;
    if (!this.#ended) {
      this.#ended = true;
      if (this.#crashed) return undefined;
      if (this.#options.framing === 'rtp') this.#reporter.push({ kind: 'end' }, now);
      if (this.#options.framing === 'seq') this.#markAt = now;
      return this.#due(now);
    }
    if (now < this.#markAt) return undefined;
    this.#markAt = --this.#marksLeft > 0 ? now + END_MARK_GAP_MS : Infinity;
    return { port: 'media', datagram: sequenceEndMark(this.departures.index) };
  }
}
