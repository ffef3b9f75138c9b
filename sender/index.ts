/**
 * The sender as a whole: a source is read, cut, timed, framed and paced into a departure queue; reports go out beside it.
 *
 * Memory stays bounded because the source is read only while less than 200 ms lie ahead.
 */
import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { monotonicNow, wallNow } from '../transport/clock.ts';
import { Driver } from '../transport/driver.ts';
import type { Endpoint, Framing } from '../wire/address.ts';
import { singleDatagram } from '../wire/departure-chunk.ts';
import { LancastError } from '../wire/errors.ts';
import type { FecSetting } from '../wire/fec/fec-setting.ts';
import { chain } from '../wire/stage.ts';
import { Conversation } from './conversation.ts';
import { FecProtection, streamsOf } from './fec-protection.ts';
import { Framer, HEADER_BYTES, sequenceEndMark } from './framer.ts';
import { LentChunks } from './lent-chunks.ts';
import { ChunkPool, DATAGRAM_PAYLOAD_BYTES, type MediaRun } from './media-chunk.ts';
import { Outlets } from './outlets.ts';
import { PacedDepartures } from './paced-departures.ts';
import { Pacer } from './pacer.ts';
import { type ClockSource, Packetizer } from './packetizer.ts';
import type { SenderOptions, SenderProgress, SenderSession, SenderSummary } from './session.ts';
import type { SourceDescription } from './source.ts';

export type { SenderOptions, SenderProgress, SenderSession, SenderSummary, SendingPath } from './session.ts';

/** A live source whose clock stamps stay away is not held up longer, milliseconds. */
const LIVE_HOLD_MS = 1000;
/** Of the key of challenges. */
const GUARD_KEY_BYTES = 32;
const END_MARKS = 3;
const END_MARK_GAP_MS = 100;
/** How often it is looked whether somebody may still ask for what he misses. */
const LINGER_STEP_MS = 20;

/** Opens the sockets and begins to send. Throws `LancastError` E001 for what does not fit together, else as the engine. */
export async function startSender(options: SenderOptions): Promise<SenderSession> {
  const heard: { by?: Sender } = {};
  const hear = (data: Buffer, _at: number, from: Endpoint): void => heard.by?.hear(data, from);
  const outlets = await Outlets.open(options, hear);
  try {
    await openProtection(options, outlets);
  } catch (error) {
    await outlets.close();
    throw error;
  }
  heard.by = new Sender(options, outlets);
  return heard.by;
}

async function openProtection({ fec }: SenderOptions, outlets: Outlets): Promise<void> {
  if (fec === undefined) return;
  if (outlets.framing !== 'rtp') {
    const reason = `${outlets.framing}:// has no place for repair packets`;
    throw new LancastError('E001', 'FEC protects rtp:// only', { reason, command: 'send' });
  }
  if (fec !== 'auto') for (const stream of streamsOf(fec)) await outlets.openRepairs(stream);
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
  readonly #lent: LentChunks; // to the queues of the media, and to whoever sends again
  readonly #packetizer: Packetizer;
  readonly #pacer: Pacer;
  readonly #media: Driver<Buffer | undefined, MediaRun>;
  /** RTP only. */
  readonly #conversation: Conversation | undefined;
  readonly #protection: FecProtection | undefined;
  readonly #departures: PacedDepartures;
  readonly #startedAt = monotonicNow();
  #stopped = false;
  #rouse: () => void = () => undefined; // ends the present wait of the pump
  #closing: Promise<void> | undefined;

  constructor(options: SenderOptions, outlets: Outlets) {
    const { source, random, bitsPerSecond, quantumMs, fec } = options;
    const { live, transportStream } = source.description;
    const draw = (bits: number): number => Math.floor(random() * 2 ** bits);
    const [ssrc, sequence, timestamp] = [draw(32), draw(16), draw(32)];
    this.#options = options;
    this.#outlets = outlets;
    this.framing = outlets.framing;
    this.ssrc = ssrc;
    const pool = POOLS[outlets.framing];
    this.#lent = new LentChunks(pool);
    const holdMs = live ? LIVE_HOLD_MS : Infinity;
    this.#packetizer = new Packetizer({ transportStream, holdMs, pool });
    this.#pacer = new Pacer({ bitsPerSecond, live });
    const framer = new Framer({ framing: outlets.framing, sequence, timestamp, ssrc });
    const stages = chain(chain(this.#packetizer, framer), this.#pacer);
    this.#media = new Driver(stages, (run) => this.#depart(run));
    const departures = new PacedDepartures(this.#pacer, {
      sequence,
      rtpTimestamp: timestamp,
      dueAt: monotonicNow(),
    });
    this.#departures = departures;
    if (outlets.framing === 'rtp') {
      const wallAt = (now: number): number => wallNow() + now - monotonicNow();
      const [rtxSequence, guardKey] = [draw(16), randomBytes(GUARD_KEY_BYTES)];
      this.#conversation = new Conversation(options, outlets, {
        ssrc,
        departures,
        rtxSequence,
        guardKey,
        wallAt,
        protect: (setting) =>
          void this.protect(setting).catch((reason: unknown) => this.#noteUnprotected(reason)),
      });
    }
    if (fec !== undefined)
      this.#protection = new FecProtection({ column: draw(16), row: draw(16) }, quantumMs);
    if (fec !== 'auto') this.#protection?.change(fec);
    this.ended = this.#run();
    this.ended.catch(() => undefined); // whoever only closes need not listen
  }

  get source(): SourceDescription {
    return this.#options.source.description;
  }

  /** A datagram came to the socket of the reports. */
  hear(datagram: Buffer, source: Endpoint): void {
    this.#conversation?.hear(datagram, source);
  }

  async protect(setting: FecSetting | undefined): Promise<void> {
    for (const stream of setting ? streamsOf(setting) : []) await this.#outlets.openRepairs(stream);
    this.#protection?.change(setting);
    this.#sendRepairs();
  }

  progress(): SenderProgress {
    const { index, octets, dueAt, mediaMs } = this.#departures;
    const { ppm, bitsPerSecond } = this.#pacer.pace;
    const aheadMs = (Math.max(0, dueAt - monotonicNow()) * ppm) / 1e6;
    const { sent, failed, latestMs } = this.#outlets.figures(index);
    const retransmission = this.#conversation?.retransmission;
    return {
      sentDatagrams: sent,
      sentBytes: Math.max(0, octets - (index - sent) * DATAGRAM_PAYLOAD_BYTES),
      mediaMs: Math.max(0, mediaMs - aheadMs),
      bitsPerSecond,
      pacePpm: ppm,
      clock: this.#packetizer.clock,
      discontinuities: this.#packetizer.stats.discontinuities,
      slippedMs: this.#pacer.stats.slippedMs,
      failedSends: failed,
      latestMs,
      receivers: [...(this.#conversation?.receivers.values() ?? [])],
      ...(this.#protection && { fec: this.#protection.figures }),
      ...(retransmission && { retransmission }),
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#halt();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #noteUnprotected(reason: unknown): void {
    this.source.notes.push(
      `FEC is not as receivers need it: ${reason instanceof Error ? reason.message : String(reason)}`,
    );
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
    void this.#outlets.failure.then((reason) => {
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
      await this.#outlets.room();
      this.#takeBack();
    }
  }

  /** Sends what was read (after `close` only what is queued already), then tells the end. */
  async #flush(): Promise<void> {
    if (!this.#stopped) this.#media.push(undefined);
    while (this.#pacer.wakeAt < Infinity && !this.#stopped)
      await this.#until(Math.max(this.#pacer.wakeAt, monotonicNow() + 1));
    this.#media.close();
    if (!this.#stopped) this.#protection?.push(undefined);
    this.#sendRepairs();
    await this.#outlets.drained();
    await (this.framing === 'seq' ? this.#markEnd() : this.#sayGoodbye());
  }

  async #sayGoodbye(): Promise<void> {
    const conversation = this.#conversation;
    if (!conversation) return;
    conversation.end();
    while (conversation.reportsAt < Infinity)
      await sleep(Math.max(1, conversation.reportsAt - monotonicNow()));
  }

  /** Until the last repair packets have left, and nobody asks for the end of the stream any more. `close` hurries it. */
  async #linger(): Promise<void> {
    const wasStopped = this.#stopped;
    const toldAt = monotonicNow();
    const isAwaited = (): boolean => {
      if (this.#stopped && !wasStopped) return false;
      if (!wasStopped && this.#outlets.queuedRepairs > 0) return true;
      const manner = wasStopped ? 'hurried' : 'patient';
      return this.#conversation?.isAwaited(monotonicNow(), toldAt, manner) ?? false;
    };
    while (isAwaited()) await sleep(LINGER_STEP_MS);
  }

  async #markEnd(): Promise<void> {
    for (let told = 0; told < END_MARKS; told++) {
      if (told > 0) await sleep(END_MARK_GAP_MS);
      const { index, dueAt } = this.#departures;
      const mark = singleDatagram(sequenceEndMark(index), Math.max(dueAt, monotonicNow()));
      this.#outlets.push(mark, 0, 1);
    }
    await this.#outlets.drained();
  }

  async #shut(): Promise<void> {
    this.#media.close();
    this.#conversation?.close();
    await Promise.all([this.#outlets.close(), this.#options.source.close()]);
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
    this.#outlets.push(chunk.departure, first, end);
    this.#departures.add(run);
    this.#lent.lend(run);
    this.#conversation?.departed(run);
    if (this.#protection) {
      this.#protection.push(run);
      this.#sendRepairs();
    }
    if (begins) this.#begun();
  }

  #sendRepairs(): void {
    for (let repairs = this.#protection?.poll(); repairs; repairs = this.#protection?.poll())
      this.#outlets.pushRepairs(repairs);
  }

  /** What has left, and nobody may ask for, is used again. */
  #takeBack(): void {
    this.#lent.takeBack(Math.min(this.#outlets.released, this.#conversation?.releasedUpTo ?? Infinity));
  }

  #begun(): void {
    this.#conversation?.start();
    const { source, bitsPerSecond } = this.#options;
    const pace = CLOCKLESS_PACE[this.#packetizer.clock];
    if (pace !== undefined && bitsPerSecond === undefined) source.description.notes.push(pace);
  }
}
