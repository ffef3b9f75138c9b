/**
 * The sender as a whole: a source is read, cut, timed, framed and paced into a departure queue; reports go out beside it.
 *
 * Memory stays bounded because the source is read only while less than 200 ms lie ahead.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { monotonicNow, wallNow } from '../transport/clock.ts';
import { singleDatagram } from '../wire/departure-chunk.ts';
import { Driver } from '../transport/driver.ts';
import type { DepartureQueue, Exchange } from '../transport/udp.ts';
import type { Endpoint, Framing, MediaAddress } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import { PTS_HZ } from '../wire/pes.ts';
import { pcrToMs } from '../wire/clock.ts';
import { chain } from '../wire/stage.ts';
import { Fifo } from './fifo.ts';
import { Framer, HEADER_BYTES, sequenceEndMark } from './framer.ts';
import {
  CHUNK_DATAGRAMS,
  ChunkPool,
  DATAGRAM_PAYLOAD_BYTES,
  type MediaChunk,
  type MediaRun,
} from './media-chunk.ts';
import { Pacer } from './pacer.ts';
import { type ClockSource, Packetizer } from './packetizer.ts';
import { type Departures, SenderReporter, type SenderReporterInput } from './reporter.ts';
import type { SenderOptions, SenderProgress, SenderSession, SenderSummary } from './session.ts';
import type { SourceDescription } from './source.ts';

export type { SenderOptions, SenderProgress, SenderSession, SenderSummary } from './session.ts';

/** A live source whose clock stamps stay away is not held up longer, milliseconds. */
const LIVE_HOLD_MS = 1000;
const END_MARKS = 3;
const END_MARK_GAP_MS = 100;

/** Opens the sockets and begins to send. Throws `LancastError` E001 for mixed addresses, else as the engine. */
export async function startSender(options: SenderOptions): Promise<SenderSession> {
  const { engine, via, ttl, addresses, broadcast = false, quantumMs, dscp, kernelPacing } = options;
  const framing = commonFraming(addresses);
  const queue = await engine.openDeparture({
    destinations: addresses,
    via,
    ttl,
    broadcast,
    ...(quantumMs !== undefined && { quantumMs }),
    ...(dscp !== undefined && { dscp }),
    ...(kernelPacing !== undefined && { kernelPacing }),
  });
  try {
    const heard: { by?: Sender } = {};
    const hear = (data: Buffer, _at: number, from: Endpoint): void => heard.by?.hear(data, from);
    const exchange = framing === 'rtp' ? await engine.openExchange({ via, ttl, broadcast }, hear) : undefined;
    options.source.description.notes.push(...(queue.notes ?? []));
    heard.by = new Sender(options, { framing, queue, exchange });
    return heard.by;
  } catch (error) {
    await queue.close();
    throw error;
  }
}

function commonFraming(addresses: readonly MediaAddress[]): Framing {
  const [first, ...others] = addresses;
  if (!first) throw new LancastError('E001', 'no address to send to');
  const framing = first.framing ?? 'rtp';
  const odd = others.find((each) => (each.framing ?? 'rtp') !== framing || each.family !== first.family);
  if (!odd) return framing;
  throw new LancastError('E001', `${first.address} and ${odd.address} differ in framing or family`, {
    addresses: [first.address, odd.address],
  });
}

/** What a sender sends through. */
interface Outlets {
  framing: Framing;
  queue: DepartureQueue;
  /** For reports; RTP only. */
  exchange: Exchange | undefined;
}

/** What is said of a stream that is not paced by a PCR. */
const CLOCKLESS_PACE: Partial<Record<ClockSource, string>> = {
  dts: 'the stream has no usable clock (PCR) and is paced by its decoding times',
  rate: 'the stream has no clock of its own and is paced at 4 Mbit/s',
};

/** The memory of all senders of the process. */
const POOLS: Readonly<Record<Framing, ChunkPool>> = {
  rtp: new ChunkPool(HEADER_BYTES.rtp),
  seq: new ChunkPool(HEADER_BYTES.seq),
  udp: new ChunkPool(HEADER_BYTES.udp),
};

/** Counts what has gone into the queue. */
class PacedDepartures implements Departures {
  index = 0;
  octets = 0;
  dueAt = monotonicNow();
  sequence: number;
  rtpTimestamp: number;
  /** Position in the programme. */
  mediaMs = 0;
  readonly #pacer: Pacer;
  readonly #firstSequence: number;

  constructor(pacer: Pacer, { sequence, rtpTimestamp }: Pick<Departures, 'sequence' | 'rtpTimestamp'>) {
    this.#pacer = pacer;
    this.#firstSequence = sequence;
    this.sequence = sequence;
    this.rtpTimestamp = rtpTimestamp;
  }

  get pacePpm(): number {
    return this.#pacer.pace.ppm;
  }

  add({ chunk, first, end }: MediaRun): void {
    const last = end - 1;
    this.index = chunk.firstIndex + end;
    this.sequence = (this.#firstSequence + this.index) & 0xffff;
    this.octets += (last - first) * DATAGRAM_PAYLOAD_BYTES + chunk.payloadBytes(last);
    this.rtpTimestamp = chunk.rtpTimestamps[last] ?? 0;
    this.dueAt = chunk.departure.dueAt[last] ?? 0;
    this.mediaMs = pcrToMs(chunk.transmitTicks[last] ?? 0);
  }
}

class Sender implements SenderSession {
  readonly framing: Framing;
  readonly ssrc: number;
  readonly ended: Promise<SenderSummary>;

  readonly #options: SenderOptions;
  readonly #outlets: Outlets;
  readonly #pool: ChunkPool;
  readonly #lent = new Fifo<MediaChunk>(); // to the queue, all of each
  readonly #packetizer: Packetizer;
  readonly #pacer: Pacer;
  readonly #media: Driver<Buffer | undefined, MediaRun>;
  readonly #reporter: SenderReporter;
  readonly #reports: Driver<SenderReporterInput, Buffer>;
  readonly #departures: PacedDepartures;
  readonly #startedAt = monotonicNow();
  #stopped = false;
  #rouse: () => void = () => undefined; // ends the present wait of the pump
  #closing: Promise<void> | undefined;

  constructor(options: SenderOptions, outlets: Outlets) {
    const { source, random, bitsPerSecond } = options;
    const { live, transportStream } = source.description;
    const draw = (bits: number): number => Math.floor(random() * 2 ** bits);
    const [ssrc, sequence, timestamp] = [draw(32), draw(16), draw(32)];
    this.#options = options;
    this.#outlets = outlets;
    this.framing = outlets.framing;
    this.ssrc = ssrc;
    this.#pool = POOLS[outlets.framing];
    const holdMs = live ? LIVE_HOLD_MS : Infinity;
    this.#packetizer = new Packetizer({ transportStream, holdMs, pool: this.#pool });
    this.#pacer = new Pacer({ bitsPerSecond, live });
    const framer = new Framer({ framing: outlets.framing, sequence, timestamp, ssrc });
    const stages = chain(chain(this.#packetizer, framer), this.#pacer);
    this.#media = new Driver(stages, (run) => this.#depart(run));
    this.#departures = new PacedDepartures(this.#pacer, { sequence, rtpTimestamp: timestamp });
    this.#reporter = this.#makeReporter();
    this.#reports = new Driver(this.#reporter, (report) => this.#report(report));
    this.ended = this.#run();
    this.ended.catch(() => undefined); // whoever only closes need not listen
  }

  get source(): SourceDescription {
    return this.#options.source.description;
  }

  /** A datagram came to the socket of the reports. */
  hear(datagram: Buffer, source: Endpoint): void {
    this.#reports.push({ kind: 'rtcp', datagram, source });
  }

  progress(): SenderProgress {
    const { queue } = this.#outlets;
    const { index, octets, dueAt, mediaMs } = this.#departures;
    const { ppm, bitsPerSecond } = this.#pacer.pace;
    const aheadMs = (Math.max(0, dueAt - monotonicNow()) * ppm) / 1e6;
    // What the kernel refused has not left, though it is no longer queued.
    const sentDatagrams = Math.max(0, Math.min(index - queue.queued, queue.stats.sent));
    return {
      sentDatagrams,
      sentBytes: Math.max(0, octets - (index - sentDatagrams) * DATAGRAM_PAYLOAD_BYTES),
      mediaMs: Math.max(0, mediaMs - aheadMs),
      bitsPerSecond,
      pacePpm: ppm,
      clock: this.#packetizer.clock,
      discontinuities: this.#packetizer.stats.discontinuities,
      slippedMs: this.#pacer.stats.slippedMs,
      failedSends: queue.stats.failed,
      latestMs: queue.stats.latestMs,
      receivers: [...this.#reporter.receivers.values()],
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#halt();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #halt(): Promise<void> {
    this.#stopped = true;
    this.#rouse();
    await this.#options.source.close();
    await this.ended.catch(() => undefined);
  }

  async #run(): Promise<SenderSummary> {
    const failures: unknown[] = [];
    const note = (reason: unknown): void => void failures.push(reason);
    const { queue } = this.#outlets;
    void queue.failure.then((reason) => {
      note(reason);
      return this.close();
    });
    await this.#pump().catch(note);
    const complete = failures.length === 0 && !this.#stopped;
    await this.#flush().catch(note);
    const summary = { ...this.progress(), elapsedMs: monotonicNow() - this.#startedAt, complete };
    await this.#shut();
    if (failures.length > 0) throw failures[0];
    return summary;
  }

  /** Reads the source to its end, never more than 200 ms ahead. */
  async #pump(): Promise<void> {
    const { source } = this.#options;
    const take = (run: Buffer): void => {
      if (!this.#stopped) this.#media.push(run);
    };
    const read = (): Promise<boolean> => source.read(take, this.#pacer.wantedBytes(monotonicNow()));
    while (!this.#stopped && (await read())) {
      const { roomAt } = this.#pacer;
      // Also when there is room: reading may never wait, and others want to have a turn.
      await (roomAt > monotonicNow() ? this.#until(roomAt) : nextTurn());
      await this.#outlets.queue.room();
      this.#takeBack();
    }
  }

  /** Sends what was read (after `close` only what is queued already), then tells the end. */
  async #flush(): Promise<void> {
    if (!this.#stopped) this.#media.push(undefined);
    while (this.#pacer.wakeAt < Infinity && !this.#stopped)
      await this.#until(Math.max(this.#pacer.wakeAt, monotonicNow() + 1));
    this.#media.close();
    await this.#outlets.queue.drained();
    await (this.framing === 'rtp' ? this.#sayGoodbye() : this.#markEnd());
  }

  async #sayGoodbye(): Promise<void> {
    this.#reports.push({ kind: 'end' });
    while (this.#reporter.wakeAt < Infinity) await sleep(Math.max(1, this.#reporter.wakeAt - monotonicNow()));
  }

  async #markEnd(): Promise<void> {
    if (this.framing !== 'seq') return;
    const { queue } = this.#outlets;
    for (let told = 0; told < END_MARKS; told++) {
      if (told > 0) await sleep(END_MARK_GAP_MS);
      const { index, dueAt } = this.#departures;
      queue.push(singleDatagram(sequenceEndMark(index), Math.max(dueAt, monotonicNow())), 0, 1);
    }
    await queue.drained();
  }

  async #shut(): Promise<void> {
    this.#media.close();
    this.#reports.close();
    await Promise.all([
      this.#outlets.queue.close(),
      this.#outlets.exchange?.close(),
      this.#options.source.close(),
    ]);
  }

  /** Waits for a moment, or for `close`. */
  #until(at: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#stopped) return resolve();
      const timer = setTimeout(resolve, Math.ceil(at - monotonicNow()));
      this.#rouse = (): void => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #depart(run: MediaRun): void {
    const { chunk, first, end } = run;
    const begins = this.#departures.index === 0;
    this.#outlets.queue.push(chunk.departure, first, end);
    this.#departures.add(run);
    if (end === CHUNK_DATAGRAMS) this.#lent.push(chunk);
    if (begins) this.#begun();
  }

  /** What the queue has released is used again. */
  #takeBack(): void {
    const { released } = this.#outlets.queue;
    for (let oldest = this.#lent.at(0); oldest; oldest = this.#lent.at(0)) {
      if (oldest.firstIndex + CHUNK_DATAGRAMS > released) break;
      this.#lent.shift();
      this.#pool.give(oldest);
    }
  }

  #begun(): void {
    if (this.framing === 'rtp') this.#reports.push({ kind: 'start' });
    const { source, bitsPerSecond } = this.#options;
    const pace = CLOCKLESS_PACE[this.#packetizer.clock];
    if (pace !== undefined && bitsPerSecond === undefined) source.description.notes.push(pace);
  }

  #report(report: Buffer): void {
    for (const { address, port } of this.#options.addresses)
      this.#outlets.exchange?.send(report, { address, port: port + 1 });
  }

  #makeReporter(): SenderReporter {
    const { cname, random } = this.#options;
    return new SenderReporter({
      ssrc: this.ssrc,
      cname,
      clockRateHz: PTS_HZ,
      healPort: 0,
      departures: this.#departures,
      random,
      wallAt: (now) => wallNow() + now - monotonicNow(),
    });
  }
}
