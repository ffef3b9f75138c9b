/**
 * The sender as a whole: a source is read, cut, timed, framed and paced into a departure queue; reports go out beside it.
 *
 * Memory stays bounded because the source is read only while less than 200 ms lie ahead.
 */
import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { monotonicNow, wallNow } from '../transport/clock.ts';
import { singleDatagram } from '../wire/departure-chunk.ts';
import { Driver } from '../transport/driver.ts';
import type { Endpoint, Framing } from '../wire/address.ts';
import { PTS_HZ } from '../wire/pes.ts';
import { chain } from '../wire/stage.ts';
import { FeedbackGuard } from './feedback-guard.ts';
import { Fifo } from './fifo.ts';
import { Framer, HEADER_BYTES, sequenceEndMark } from './framer.ts';
import {
  CHUNK_DATAGRAMS,
  ChunkPool,
  DATAGRAM_PAYLOAD_BYTES,
  type MediaChunk,
  type MediaRun,
} from './media-chunk.ts';
import { LAST_PORT, openOutlets, type Outlets, REPORT_PORT, RETRANSMISSION_PORT } from './outlets.ts';
import { PacedDepartures } from './paced-departures.ts';
import { Pacer } from './pacer.ts';
import { type ClockSource, Packetizer } from './packetizer.ts';
import { SenderReporter, type SenderReporterInput } from './reporter.ts';
import {
  HISTORY_BYTES,
  HISTORY_MS,
  REPAIR_BUDGET,
  Retransmitter,
  type RetransmitterInput,
  type RetransmitterOutput,
} from './retransmitter.ts';
import type { SenderOptions, SenderProgress, SenderSession, SenderSummary } from './session.ts';
import type { SourceDescription } from './source.ts';

export type { SenderOptions, SenderProgress, SenderSession, SenderSummary } from './session.ts';

/** A live source whose clock stamps stay away is not held up longer, milliseconds. */
const LIVE_HOLD_MS = 1000;
const END_MARKS = 3;
const END_MARK_GAP_MS = 100;
/** Who misses the end of a stream may ask for so long, milliseconds; longer than `HISTORY_MS` nothing is kept. */
const LINGER_MS = 2000;
const LINGER_STEP_MS = 20;

/** Opens the sockets and begins to send. Throws `LancastError` E001 for mixed addresses, else as the engine. */
export async function startSender(options: SenderOptions): Promise<SenderSession> {
  const heard: { by?: Sender } = {};
  const hear = (data: Buffer, _at: number, from: Endpoint): void => heard.by?.hear(data, from);
  const outlets = await openOutlets(options, hear);
  options.source.description.notes.push(...(outlets.queue.notes ?? []));
  heard.by = new Sender(options, outlets);
  return heard.by;
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
  /** Sends again what receivers ask for; absent when nothing is. */
  readonly #retransmitter: Retransmitter | undefined;
  readonly #repairs: Driver<RetransmitterInput, RetransmitterOutput> | undefined;
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
    const first = { sequence, rtpTimestamp: timestamp, dueAt: monotonicNow() };
    this.#departures = new PacedDepartures(this.#pacer, first);
    this.#reporter = this.#makeReporter();
    this.#reports = new Driver(this.#reporter, (report) => this.#report(report));
    this.#retransmitter = this.#makeRetransmitter(draw(16));
    if (this.#retransmitter)
      this.#repairs = new Driver(this.#retransmitter, (repair) => this.#answer(repair));
    this.ended = this.#run();
    this.ended.catch(() => undefined); // whoever only closes need not listen
  }

  get source(): SourceDescription {
    return this.#options.source.description;
  }

  /** A datagram came to the socket of the reports. */
  hear(datagram: Buffer, source: Endpoint): void {
    // The reporter first: it knows the round trip by which the other one judges.
    this.#reports.push({ kind: 'rtcp', datagram, source });
    this.#repairs?.push({ kind: 'rtcp', datagram, source });
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
      ...(this.#retransmitter && { retransmission: { ...this.#retransmitter.stats } }),
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
    const elapsedMs = monotonicNow() - this.#startedAt;
    if (failures.length === 0) await this.#linger();
    const summary = { ...this.progress(), elapsedMs, complete };
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

  /**
   * Answers those who miss the end of the stream, while there is somebody who could; after `close` only those who have lately
   * asked. A `close` meanwhile ends it.
   */
  async #linger(): Promise<void> {
    const retransmitter = this.#retransmitter;
    if (!retransmitter) return;
    const isHurried = this.#stopped;
    const toldAt = monotonicNow();
    const isAwaited = (now: number): boolean => {
      if (this.#stopped !== isHurried || now > toldAt + Math.max(HISTORY_MS, LINGER_MS)) return false;
      if (now < retransmitter.askedAt + LINGER_MS) return true;
      return !isHurried && this.#reporter.receivers.size > 0 && now < toldAt + LINGER_MS;
    };
    while (isAwaited(monotonicNow())) await sleep(LINGER_STEP_MS);
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
    this.#repairs?.close();
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
    this.#repairs?.push({ kind: 'departed', run });
    if (end === CHUNK_DATAGRAMS) this.#lent.push(chunk);
    if (begins) this.#begun();
  }

  /** What the queue has released, and nobody may ask for, is used again. */
  #takeBack(): void {
    const released = Math.min(this.#outlets.queue.released, this.#retransmitter?.releasedUpTo ?? Infinity);
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
      this.#outlets.exchange?.send(report, { address, port: port + REPORT_PORT });
  }

  #answer({ datagram, destination }: RetransmitterOutput): void {
    const { exchange } = this.#outlets;
    if (destination !== 'group') {
      exchange?.send(datagram, destination);
      return;
    }
    for (const { address, port, scope } of this.#options.addresses)
      if (scope !== 'unicast') exchange?.send(datagram, { address, port: port + RETRANSMISSION_PORT });
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

  /** @param rtxSequence 16 random bits */
  #makeRetransmitter(rtxSequence: number): Retransmitter | undefined {
    const { addresses, cname, repairBudget = REPAIR_BUDGET, historyBytes = HISTORY_BYTES } = this.#options;
    const [first] = addresses;
    if (!this.#outlets.exchange || !first || repairBudget === 0) return undefined;
    const repairPort = first.port + RETRANSMISSION_PORT;
    if (repairPort > LAST_PORT) {
      this.source.notes.push(`nothing is sent again: port ${repairPort} would be needed for it`);
      return undefined;
    }
    const trusted = this.#options.trustFeedback;
    return new Retransmitter({
      ssrc: this.ssrc,
      cname,
      guard: new FeedbackGuard({ key: randomBytes(32), ...(trusted && { trusted }) }),
      receivers: this.#reporter.receivers,
      toGroup: addresses.some(({ scope }) => scope !== 'unicast'),
      destinations: addresses.length,
      repairPort,
      rtxSequence,
      repairBudget,
      historyMs: HISTORY_MS,
      historyBytes,
    });
  }
}
