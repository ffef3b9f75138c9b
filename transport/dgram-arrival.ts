/** Receiving on `node:dgram`: hands every datagram on, and joins anew when the card has been away. */
import type { RemoteInfo, Socket } from 'node:dgram';
import { isReservedGroup, scopeOf, type Endpoint } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import { monotonicNow } from './clock.ts';
import { grantedBuffer, openListeningSocket } from './dgram-listen.ts';
import { closeSocket, localEndpoint } from './dgram-socket.ts';
import { listInterfaces, presentCard, wrongInterface } from './interfaces.ts';
import { MembershipWatch } from './membership.ts';
import { DropCounter } from './proc-net.ts';
import type { ArrivalOptions, ArrivalQueue, ArrivalSink, ArrivalStats } from './udp.ts';

/** How often a membership is looked after. */
const WATCH_MS = 500;

/** Opens a receiving socket and joins. Throws as `UdpEngine.openArrival`. */
export async function openDgramArrival(options: ArrivalOptions, sink: ArrivalSink): Promise<ArrivalQueue> {
  const { address } = options.address;
  if (isReservedGroup(address)) {
    throw new LancastError('E105', `${address} is a reserved group`, { group: address });
  }
  const card = presentCard(options.via);
  if (!card) throw wrongInterface(options.via.name, listInterfaces());
  const socket = await openListeningSocket(options, card.via);
  return new DgramArrival(socket, {
    options,
    sink,
    watch: new MembershipWatch(card.identity, monotonicNow()),
  });
}

class DgramArrival implements ArrivalQueue {
  readonly stats: ArrivalStats;

  readonly #options: ArrivalOptions;
  readonly #sink: ArrivalSink;
  readonly #watch: MembershipWatch;
  readonly #sources: ReadonlySet<string> | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #drops: DropCounter;
  #socket: Socket;
  #rejoining: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(socket: Socket, how: { options: ArrivalOptions; sink: ArrivalSink; watch: MembershipWatch }) {
    const { options } = how;
    const drops = new DropCounter();
    this.#options = options;
    this.#sink = how.sink;
    this.#watch = how.watch;
    this.#drops = drops;
    this.#sources = options.sources?.length ? new Set(options.sources) : undefined;
    this.#socket = this.#listen(socket);
    this.stats = {
      received: 0,
      receivedBytes: 0,
      get kernelDrops() {
        return drops.total;
      },
      receiveBufferBytes: grantedBuffer(socket),
      rejoined: 0,
      overruns: 0,
    };
    if (scopeOf(options.address.address) !== 'multicast') return;
    this.#timer = setInterval(() => this.#look(), WATCH_MS).unref();
  }

  get local(): Endpoint {
    return localEndpoint(this.#socket);
  }

  async close(): Promise<void> {
    this.#closed ??= this.#shut();
    await this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #shut(): Promise<void> {
    clearInterval(this.#timer);
    await this.#rejoining;
    this.#drops.close();
    await closeSocket(this.#socket);
  }

  #listen(socket: Socket): Socket {
    socket.on('message', (data: Buffer, from: RemoteInfo) => this.#take(data, from));
    // A failed receive loses nothing that could be had again: the watch sees the silence.
    socket.on('error', () => undefined);
    this.#drops.follow(localEndpoint(socket).port, this.#options.via.family);
    return socket;
  }

  #take(data: Buffer, from: RemoteInfo): void {
    // The kernel filters on the card that was joined, but lets others' joins on other cards through.
    if (this.#sources && !this.#sources.has(from.address.split('%', 1)[0] ?? '')) return;
    const now = monotonicNow();
    this.#watch.heard(now);
    this.stats.received++;
    this.stats.receivedBytes += data.length;
    this.#sink(data, now, from);
    this.#options.afterBatch?.();
  }

  #look(): void {
    if (this.#rejoining || !this.#watch.isSilent(monotonicNow())) return;
    const card = presentCard(this.#options.via);
    if (!card || !this.#watch.isLost(card.identity)) return;
    this.#rejoining = this.#rejoin(card).finally(() => (this.#rejoining = undefined));
  }

  /** A new socket: the old one may be bound to the card that is gone. */
  async #rejoin(card: NonNullable<ReturnType<typeof presentCard>>): Promise<void> {
    try {
      const socket = await openListeningSocket(this.#options, card.via);
      const old = this.#socket;
      this.#socket = this.#listen(socket);
      this.#watch.rejoined(card.identity, monotonicNow());
      this.stats.rejoined++;
      await closeSocket(old);
    } catch {
      // The card is there but not ready yet: the next look tries again.
    }
  }
}
