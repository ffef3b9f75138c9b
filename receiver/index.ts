/**
 * The receiver: sockets at one end, sinks at the other, one pure chain between them.
 *
 *     sockets of path 1 ─┐                                          ┌─► TS monitor ─► snapshot
 *                        ├─► merge ─► reception (pure) ─► released ─┼─► sinks: recorder, viewer feed, pipe
 *     sockets of path 2 ─┘              └─► reports, requests       └─► nextEnd
 */
import type { ReleasedPayload } from '../jitter-buffer/ordering.ts';
import { monotonicNow } from '../transport/clock.ts';
import { afterSockets, Driver } from '../transport/driver.ts';
import type { ChosenInterface, UdpEngine } from '../transport/udp.ts';
import { formatMediaAddress, type Endpoint, type MediaAddress } from '../wire/address.ts';
import type { LossSecond, StreamSnapshot } from '../wire/metrics.ts';
import { LossCauses } from './loss-causes.ts';
import { PathMerge, type Path } from './path-merge.ts';
import { RateMeter } from './rate-meter.ts';
import {
  Reception,
  type BesideMedia,
  type ReceptionFigures,
  type ReceptionInput,
  type ReceptionOutput,
} from './reception.ts';
import type { Released, Sink } from './sink.ts';
import { PathSockets } from './sockets/path-sockets.ts';
import { TsMonitor } from './ts-monitor.ts';

/** What a receiver listens to and how. */
export interface ReceiverOptions {
  /** The group, or the local address for unicast. A `framing` fixes it; without one it is recognised. */
  address: MediaAddress;
  engine: UdpEngine;
  /** The card to join on. */
  via: ChosenInterface;
  /** The same stream once more, by other routers and cables (SMPTE ST 2022-7): RTP or `seq://`. */
  secondPath?: { address: MediaAddress; via: ChosenInterface };
  /** Source-specific multicast: accept only these senders. Absent: any. */
  sources?: readonly string[];
  /** How long a missing datagram is waited for, milliseconds. */
  latencyMs: number;
  /** What people call it; default: the address. */
  name?: string;
  /** Kernel buffer to ask for, bytes. Default: the engine's. */
  receiveBufferBytes?: number;
  /** See `ArrivalOptions`. */
  gatherMs?: number;
  /** Uniform in [0, 1): identifiers and the spacing of reports. */
  random: () => number;
  /** Canonical name in receiver reports, such as `lancast@host`. */
  cname: string;
  /** Monotonic milliseconds; default: the machine's. */
  now?: () => number;
}

/** How a stream ended. */
export interface StreamEnd {
  /** `told`: the sender said so. `given-up`: `giveUp` was called. `closed`: the session was closed first. */
  reason: 'told' | 'given-up' | 'closed';
  /** The sender named its last index, so a missing tail was counted. */
  proven: boolean;
}

/** One stream being received. It goes on after an end: a sender may come back. */
export interface ReceiverSession extends AsyncDisposable {
  /** The same whenever this address is received; safe in a URL. */
  readonly id: string;
  readonly name: string;
  readonly address: MediaAddress;
  /** What a careful user should be told, a sentence each. */
  readonly notes: readonly string[];
  snapshot(): StreamSnapshot;
  /** The seconds in which something was lost, by cause, the latest last. @param seconds look back so far; default ten minutes */
  lossHistory(seconds?: number): LossSecond[];
  /** Feeds `sink` from the next datagram on. Closing the session does not close its sinks: they stay the caller's. */
  addSink(sink: Sink): void;
  removeSink(sink: Sink): void;
  /** Nothing more is expected (a timeout): takes what is still held for recognition and drains the window. */
  giveUp(): void;
  /** The next end of the stream from now on; at once when the session is closed. */
  nextEnd(): Promise<StreamEnd>;
  /** Leaves the group. What is still held goes to the sinks first. */
  close(): Promise<void>;
}

/** Opens the sockets and starts to receive. Throws `LancastError` as the engine does. */
export async function startReceiver(options: ReceiverOptions): Promise<ReceiverSession> {
  const session = new Session(options);
  try {
    await session.open();
  } catch (error) {
    await session.close();
    throw error;
  }
  return session;
}

/** A stream that says nothing for so long is silent. */
const SILENT_AFTER_MS = 1000;
/** What the kernel may count as one drop: a run that came together (GRO). */
const MOST_DATAGRAMS_OF_RUN = 64;

class Session implements ReceiverSession {
  readonly id: string;
  readonly name: string;
  readonly address: MediaAddress;

  readonly #options: ReceiverOptions;
  readonly #now: () => number;
  readonly #reception: Reception;
  readonly #driver: Driver<ReceptionInput, ReceptionOutput>;
  readonly #rate = new RateMeter();
  readonly #monitor = new TsMonitor();
  readonly #causes: LossCauses;
  #hasGap = false; // that no cause was looked for
  #sinks: readonly Sink[] = [];
  #lookedAt = 0; // the time it was last: soon enough for the sinks
  #isInBatch = false;
  #waiting: ((end: StreamEnd) => void)[] = [];
  #state: 'waiting' | 'playing' | 'ended' = 'waiting';
  #reason: StreamEnd['reason'] = 'told';
  readonly #paths: readonly PathSockets[];
  readonly #merge: PathMerge | undefined;
  #secondSpeaker: string | undefined; // whose RTCP came last on the second path
  #closing: Promise<void> | undefined;

  constructor(options: ReceiverOptions) {
    const { address, secondPath, latencyMs, cname, random, now = monotonicNow } = options;
    const { framing } = address;
    this.#options = options;
    this.#now = () => (this.#lookedAt = now());
    this.address = address;
    this.name = options.name ?? formatMediaAddress(address);
    this.id = `${address.address}-${address.port}`.replaceAll(':', '-');
    this.#reception = new Reception({
      ...(framing && { framing }),
      latencyMs,
      release: 'in-order',
      isMulticast: address.scope !== 'unicast',
      cname,
      random,
    });
    const datagramsPerDrop = options.engine.kind === 'native' ? MOST_DATAGRAMS_OF_RUN : 1;
    this.#causes = new LossCauses({ latencyMs, datagramsPerDrop });
    this.#driver = new Driver(this.#reception, (output) => this.#route(output), {
      now: this.#now,
      afterReading: afterSockets,
      // Only the native engine knows when a datagram came, the other one when it read it.
      ...(options.engine.kind === 'native' && { newestInputAt: () => this.#reception.heardAt }),
      lacksInput: (now) => this.#reception.lacksInput(now),
    });
    if (secondPath) this.#merge = new PathMerge(framing === 'seq' ? 'seq' : 'rtp');
    this.#paths = [this.#path(0, options), ...(secondPath ? [this.#path(1, secondPath)] : [])];
  }

  get notes(): readonly string[] {
    return this.#paths.flatMap((path) => path.notes);
  }

  /** Opens the sockets of all paths. */
  async open(): Promise<void> {
    for (const path of this.#paths) await path.open();
  }

  snapshot(): StreamSnapshot {
    const now = this.#now();
    const figures = this.#findCauses(now);
    const { name, address, reason } = this.#options.via;
    const { kernelDrops, overruns } = this.#ownDrops();
    const silent = this.#state === 'playing' && (figures.silentMs ?? 0) > SILENT_AFTER_MS;
    return {
      id: this.id,
      name: this.name,
      address: formatMediaAddress(this.address),
      interface: { name, address, reason },
      state: silent ? 'silent' : this.#state,
      ...figures,
      ...this.#monitor.counters,
      programmes: [...this.#monitor.programmes],
      bitsPerSecond: this.#rate.bitsPerSecond(now),
      ...(kernelDrops !== undefined && { kernelDrops }),
      ...(overruns !== undefined && { overruns }),
      causes: this.#causes.totals,
      ...(this.#merge && { paths: this.#merge.figures(now) }),
    };
  }

  lossHistory(seconds?: number): LossSecond[] {
    const now = this.#now();
    this.#findCauses(now);
    return this.#causes.history(now, seconds);
  }

  addSink(sink: Sink): void {
    this.#sinks = [...this.#sinks, sink];
  }

  removeSink(sink: Sink): void {
    this.#sinks = this.#sinks.filter((other) => other !== sink);
  }

  giveUp(): void {
    this.#giveUp('given-up');
  }

  nextEnd(): Promise<StreamEnd> {
    if (this.#closing) return Promise.resolve({ reason: 'closed', proven: false });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    this.#closing ??= this.#shut();
    await this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #shut(): Promise<void> {
    await Promise.all(this.#paths.map((path) => path.leave()));
    this.#giveUp('closed');
    this.#driver.push({ kind: 'leave' });
    this.#driver.close();
    await Promise.all(this.#paths.map((path) => path.close()));
  }

  #path(path: Path, { address, via }: { address: MediaAddress; via: ChosenInterface }): PathSockets {
    const { engine, sources, receiveBufferBytes, gatherMs } = this.#options;
    return new PathSockets(
      { address, via, engine, sources, receiveBufferBytes, gatherMs },
      {
        media: (data, arrivedAt, source) => this.#take(path, data, arrivedAt, source),
        beside: (heard) => this.#hear(path, heard),
        afterBatch: () => this.#endBatch(),
      },
    );
  }

  /** The arguments are as they come from a socket, without an object for each. */
  // oxlint-disable-next-line max-params
  #take(path: Path, data: Buffer, arrivedAt: number, from: Endpoint): void {
    if (!this.#isInBatch) this.#now();
    this.#isInBatch = true;
    const source = this.#merge ? this.#merge.take(path, data, arrivedAt, from) : from;
    if (this.#merge) this.#reception.nearest = from.address;
    if (!source) return;
    const passed = this.#reception.passMedia(data, arrivedAt, source);
    if (passed) this.#play(passed);
    else if (this.#reception.isPressing) this.#driver.drain();
  }

  #hear(path: Path, heard: BesideMedia): void {
    const { source } = heard;
    if (path === 1 && heard.kind === 'rtcp') this.#secondSpeaker = source.address;
    const address = this.#merge?.addressOf(path, source) ?? source.address;
    this.#driver.push({ ...heard, address });
  }

  #send(datagram: Buffer, to: Endpoint): void {
    const isOnSecond = to.address === this.#secondSpeaker && this.#paths.length > 1;
    this.#paths[isOnSecond ? 1 : 0]?.send(datagram, to);
  }

  /** What this PC itself dropped, on all paths. */
  #ownDrops(): { kernelDrops: number | undefined; overruns: number | undefined } {
    let kernelDrops: number | undefined;
    let overruns: number | undefined;
    for (const { stats } of this.#paths) {
      if (stats?.kernelDrops !== undefined) kernelDrops = (kernelDrops ?? 0) + stats.kernelDrops;
      if (stats) overruns = Math.max(overruns ?? 0, stats.overruns); // the engine counts for all its sockets
    }
    return { kernelDrops, overruns };
  }

  #endBatch(): void {
    this.#isInBatch = false;
    this.#driver.drain();
    if (this.#hasGap) this.#findCauses(this.#lookedAt);
  }

  /** Puts what was lost since the last look under its causes. */
  #findCauses(now: number): ReceptionFigures {
    const figures = this.#reception.figures(now);
    const { kernelDrops, overruns = 0 } = this.#ownDrops();
    const { sourceBreaks } = this.#monitor;
    const isNumbered = figures.framing !== 'udp';
    this.#causes.count({ ...figures, sourceBreaks, kernelDrops, overruns, isNumbered }, now);
    this.#hasGap = false;
    return figures;
  }

  #route(output: ReceptionOutput): void {
    switch (output.kind) {
      case 'report':
        this.#send(output.datagram, output.to);
        return;
      case 'recognised':
        this.#merge?.follow(output.ssrc ?? 0, output.source);
        return;
      case 'second-sender':
        return; // stands in the figures
      case 'payload':
        this.#play(output);
        return;
      case 'gap':
        this.#monitor.gap();
        this.#hasGap = true;
        break;
      case 'restart':
        this.#monitor.restart();
        break;
      case 'end':
        break;
    }
    this.#feed(output);
    if (output.kind === 'end') this.#end({ reason: this.#reason, proven: output.proven });
  }

  #play(released: ReleasedPayload): void {
    this.#state = 'playing';
    this.#rate.add(released.payload.length, released.arrivedAt);
    this.#monitor.push(released.payload, released.arrivedAt);
    this.#feed(released);
  }

  #feed(released: Released): void {
    for (const sink of this.#sinks) sink.push(released, this.#lookedAt);
  }

  /** Whatever is held is released now; the stream has ended even if nothing was. */
  #giveUp(reason: StreamEnd['reason']): void {
    this.#reason = reason;
    this.#driver.push({ kind: 'giveUp' });
    this.#reason = 'told';
    if (this.#waiting.length > 0) this.#end({ reason, proven: false });
  }

  #end(end: StreamEnd): void {
    if (this.#state === 'playing') this.#state = 'ended';
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve(end);
  }
}
