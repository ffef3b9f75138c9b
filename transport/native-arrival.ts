/** Receiving by the native engine's thread: arrival times and drops are the kernel's; joins anew as the other engine does. */
import type { Endpoint } from '../wire/address.ts';
import { Unwrapper } from '../wire/sequence.ts';
import type { NativeAddon } from './native-addon.ts';
import { Handover, type ArrivalAddon, type Taker } from './native-handover.ts';
import { openListening } from './native-socket.ts';
import { listeningCard, Rejoiner } from './rejoin.ts';
import type { ArrivalOptions, ArrivalQueue, ArrivalSink, ArrivalStats, ChosenInterface } from './udp.ts';

export type { ArrivalAddon } from './native-handover.ts';

const DEFAULT_GATHER_MS = 5;

/** Opens a receiving socket and joins. Throws as `UdpEngine.openArrival`. */
export async function openNativeArrival(
  addon: NativeAddon,
  options: ArrivalOptions,
  sink: ArrivalSink,
): Promise<ArrivalQueue> {
  const { via, identity } = listeningCard(options);
  return new NativeArrival(addon, { options, sink, via, identity });
}

class NativeArrival implements ArrivalQueue, Taker {
  readonly stats: NativeStats;

  readonly #addon: NativeAddon;
  readonly #handover: Handover;
  readonly #options: ArrivalOptions;
  readonly #gatherMs: number;
  readonly #sink: ArrivalSink;
  readonly #sources: ReadonlySet<string> | undefined;
  readonly #rejoiner: Rejoiner;
  readonly #drops: NativeDrops;
  #socket: number;
  #local: Endpoint;
  #source: Endpoint | undefined; // of the last datagram, and whether it is one that was asked for
  #accepted = false;
  #closed: Promise<void> | undefined;

  constructor(
    addon: NativeAddon,
    how: { options: ArrivalOptions; sink: ArrivalSink; via: ChosenInterface; identity: string },
  ) {
    const { options, sink, via, identity } = how;
    const descriptor = openListening(addon, options, via);
    this.#addon = addon;
    this.#options = options;
    this.#gatherMs = options.gatherMs ?? DEFAULT_GATHER_MS;
    this.#sink = sink;
    this.#sources = options.sources?.length ? new Set(options.sources) : undefined;
    const receiveBufferBytes = addon.receiveBuffer(descriptor);
    this.#local = localEndpoint(addon, descriptor);
    this.#handover = Handover.of(addon);
    this.#socket = this.#handover.open(descriptor, this, this.#gatherMs);
    const drops = new NativeDrops(addon, this.#socket);
    const rejoiner = new Rejoiner(options, identity, (on) => this.#reopen(on));
    this.#drops = drops;
    this.#rejoiner = rejoiner;
    this.stats = new NativeStats(addon, drops, rejoiner, receiveBufferBytes);
  }

  get local(): Endpoint {
    return this.#local;
  }

  take(data: Buffer, arrivedAt: number, source: Endpoint): void {
    if (source !== this.#source) {
      this.#source = source;
      // The kernel filters on the card that was joined, but lets others' joins on other cards through.
      this.#accepted = this.#sources?.has(source.address.split('%', 1)[0] ?? '') ?? true;
    }
    if (!this.#accepted) return;
    this.#rejoiner.heard(arrivedAt);
    this.stats.received++;
    this.stats.receivedBytes += data.length;
    this.#sink(data, arrivedAt, source);
  }

  afterRun(): void {
    this.#options.afterBatch?.();
  }

  async close(): Promise<void> {
    this.#closed ??= this.#shut();
    await this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #shut(): Promise<void> {
    const stopped = this.#rejoiner.close();
    this.#drops.close();
    this.#handover.close(this.#socket);
    await stopped;
  }

  async #reopen(via: ChosenInterface): Promise<void> {
    const descriptor = openListening(this.#addon, this.#options, via);
    const old = this.#socket;
    this.#local = localEndpoint(this.#addon, descriptor);
    this.#socket = this.#handover.open(descriptor, this, this.#gatherMs);
    this.#drops.follow(this.#socket);
    this.#handover.close(old);
  }
}

/** A class, so that all have one shape: an object with getters of its own is slow to count in. */
class NativeStats implements ArrivalStats {
  received = 0;
  receivedBytes = 0;
  receiveBufferBytes: number;
  readonly #addon: ArrivalAddon;
  readonly #drops: NativeDrops;
  readonly #rejoiner: Rejoiner;
  readonly #overrunsBefore: number;

  constructor(addon: ArrivalAddon, drops: NativeDrops, rejoiner: Rejoiner, receiveBufferBytes: number) {
    this.receiveBufferBytes = receiveBufferBytes;
    this.#addon = addon;
    this.#drops = drops;
    this.#rejoiner = rejoiner;
    this.#overrunsBefore = addon.arrivalOverruns();
  }

  get kernelDrops(): number {
    return this.#drops.total;
  }

  get rejoined(): number {
    return this.#rejoiner.rejoined;
  }

  get overruns(): number {
    return this.#addon.arrivalOverruns() - this.#overrunsBefore;
  }
}

/** Counts what the kernel dropped at one socket, and at those that take its place. */
class NativeDrops {
  readonly #addon: ArrivalAddon;
  #socket: number | undefined;
  #unwrapper = new Unwrapper(32);
  #before = 0;
  #last = 0;

  constructor(addon: ArrivalAddon, socket: number) {
    this.#addon = addon;
    this.#socket = socket;
  }

  /** Datagrams dropped since the first socket was opened. */
  get total(): number {
    if (this.#socket !== undefined) {
      this.#last = this.#before + this.#unwrapper.unwrap(this.#addon.arrivalDrops(this.#socket));
    }
    return this.#last;
  }

  /** Goes on with a new socket; the one before must still be open. */
  follow(socket: number): void {
    this.#before = this.total;
    this.#unwrapper = new Unwrapper(32);
    this.#socket = socket;
  }

  /** Lets go of the socket, which must still be open. What was counted stays. */
  close(): void {
    this.#last = this.total;
    this.#socket = undefined;
  }
}

/** The address and port a socket is bound to. */
function localEndpoint(addon: NativeAddon, descriptor: number): Endpoint {
  const [address, port] = addon.localEndpoint(descriptor);
  return { address, port };
}
