/** Receiving on `node:dgram`: hands every datagram on, and joins anew when the card has been away. */
import type { RemoteInfo, Socket } from 'node:dgram';
import type { Endpoint } from '../wire/address.ts';
import { monotonicNow } from './clock.ts';
import { grantedBuffer, openListeningSocket } from './dgram-listen.ts';
import { closeSocket, localEndpoint } from './dgram-socket.ts';
import { DropCounter } from './proc-net.ts';
import { listeningCard, Rejoiner } from './rejoin.ts';
import type { ArrivalOptions, ArrivalQueue, ArrivalSink, ArrivalStats, ChosenInterface } from './udp.ts';

/** Opens a receiving socket and joins. Throws as `UdpEngine.openArrival`. */
export async function openDgramArrival(options: ArrivalOptions, sink: ArrivalSink): Promise<ArrivalQueue> {
  const { via, identity } = listeningCard(options);
  return new DgramArrival(await openListeningSocket(options, via), { options, sink, identity });
}

class DgramArrival implements ArrivalQueue {
  readonly stats: ArrivalStats;

  readonly #options: ArrivalOptions;
  readonly #sink: ArrivalSink;
  readonly #sources: ReadonlySet<string> | undefined;
  readonly #rejoiner: Rejoiner;
  readonly #drops: DropCounter;
  #socket: Socket;
  #closed: Promise<void> | undefined;

  constructor(socket: Socket, how: { options: ArrivalOptions; sink: ArrivalSink; identity: string }) {
    const { options, sink, identity } = how;
    const drops = new DropCounter();
    const rejoiner = new Rejoiner(options, identity, (via) => this.#reopen(via));
    this.#options = options;
    this.#sink = sink;
    this.#drops = drops;
    this.#rejoiner = rejoiner;
    this.#sources = options.sources?.length ? new Set(options.sources) : undefined;
    this.#socket = this.#listen(socket);
    this.stats = {
      received: 0,
      receivedBytes: 0,
      get kernelDrops() {
        return drops.total;
      },
      receiveBufferBytes: grantedBuffer(socket),
      get rejoined() {
        return rejoiner.rejoined;
      },
      overruns: 0,
    };
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
    await this.#rejoiner.close();
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
    if (this.#closed) return;
    // The kernel filters on the card that was joined, but lets others' joins on other cards through.
    if (this.#sources && !this.#sources.has(from.address.split('%', 1)[0] ?? '')) return;
    const now = monotonicNow();
    this.#rejoiner.heard(now);
    this.stats.received++;
    this.stats.receivedBytes += data.length;
    this.#sink(data, now, from);
    this.#options.afterBatch?.();
  }

  async #reopen(via: ChosenInterface): Promise<void> {
    const socket = await openListeningSocket(this.#options, via);
    const old = this.#socket;
    this.#socket = this.#listen(socket);
    await closeSocket(old);
  }
}
