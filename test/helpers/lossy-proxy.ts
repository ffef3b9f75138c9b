/**
 * A bad network between real sockets: a relay on loopback that loses, delays, disorders and doubles UDP datagrams, both ways, out of a
 * seed. The same datagrams in the same order meet the same fate.
 *
 * Every endpoint of one side is a socket of its own on the other, as behind a full-cone NAT: whoever answers from another port than
 * the one that was sent to (feedback, repairs) is answered there.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { lossModel, randomFrom, type NetworkOptions } from './network.ts';

/** What is wrong with one direction. Default: nothing. Delays are uniform from `delayMs` to `delayMs + jitterMs`, and so reorder. */
export type Cable = Pick<
  NetworkOptions,
  'loss' | 'burstLoss' | 'delayMs' | 'jitterMs' | 'duplicates' | 'duplicateMs'
> & {
  /** What is lost besides, whatever the seed says. */
  loses?: (datagram: Buffer) => boolean;
};

export interface LossyProxyOptions {
  /** Ports of 127.0.0.1: what is sent to `listen` goes on to `target`. */
  ports: readonly { listen: number; target: number }[];
  /** Default 1. */
  seed?: number;
  /** The way to the targets. */
  there?: Cable;
  /** The way back. */
  back?: Cable;
}

/** What became of the datagrams of one direction. */
export interface CableCounters {
  /** Came to the relay. */
  taken: number;
  takenBytes: number;
  lost: number;
  doubled: number;
}

const HOST = '127.0.0.1';
/** So that the relay itself loses nothing. */
const BUFFER_BYTES = 4 * 1024 * 1024;

/** Opens the relay; close it after the test. */
export async function openLossyProxy(options: LossyProxyOptions): Promise<LossyProxy> {
  const proxy = new LossyProxy(options);
  for (const { listen, target } of options.ports) await proxy.listen(listen, target);
  return proxy;
}

export class LossyProxy implements AsyncDisposable {
  readonly there: Readonly<CableCounters>;
  readonly back: Readonly<CableCounters>;

  readonly #there: Way;
  readonly #back: Way;
  /** By the port of the endpoint that each stands for. */
  readonly #senders = new Map<number, Socket>();
  readonly #targets = new Map<number, Socket>();
  #closed = false;

  constructor({ seed = 1, there = {}, back = {} }: LossyProxyOptions) {
    this.#there = new Way(there, randomFrom(seed));
    this.#back = new Way(back, randomFrom(seed + 0x5eed));
    this.there = this.#there.counters;
    this.back = this.#back.counters;
  }

  /** Interrupts both ways, or mends them. */
  set cut(isCut: boolean) {
    this.#there.cut = isCut;
    this.#back.cut = isCut;
  }

  async listen(port: number, target: number): Promise<void> {
    await this.#open(this.#targets, target, {
      port,
      take: (data, from) => this.#takeThere(data, from, target),
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const sockets = [...this.#senders.values(), ...this.#targets.values()];
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** From a sender, to the socket that stands for `target`. */
  #takeThere(data: Buffer, from: RemoteInfo, target: number): void {
    const take = (answer: Buffer, source: RemoteInfo): void => this.#takeBack(answer, source, from.port);
    this.#relay(this.#there, data, {
      by: this.#socketOf(this.#senders, from.port, take),
      to: target,
    });
  }

  /** From a receiver, to the socket that stands for the sender at port `sender`. */
  #takeBack(data: Buffer, from: RemoteInfo, sender: number): void {
    const take = (answer: Buffer, source: RemoteInfo): void => this.#takeThere(answer, source, from.port);
    this.#relay(this.#back, data, { by: this.#socketOf(this.#targets, from.port, take), to: sender });
  }

  #relay(way: Way, data: Buffer, { by, to }: { by: Socket; to: number }): void {
    way.take(data, () => {
      if (!this.#closed) by.send(data, to, HOST, () => undefined);
    });
  }

  /** The socket that stands for an endpoint; bound, by its first send, to any free port. */
  #socketOf(sockets: Map<number, Socket>, port: number, take: Take): Socket {
    const known = sockets.get(port);
    if (known) return known;
    const socket = newSocket(take);
    sockets.set(port, socket);
    return socket;
  }

  #open(sockets: Map<number, Socket>, port: number, own: { port: number; take: Take }): Promise<void> {
    const socket = newSocket(own.take);
    sockets.set(port, socket);
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ port: own.port, address: HOST, exclusive: true }, resolve);
    });
  }
}

type Take = (data: Buffer, from: RemoteInfo) => void;

function newSocket(take: Take): Socket {
  const socket = createSocket({ type: 'udp4', recvBufferSize: BUFFER_BYTES });
  socket.on('message', take);
  socket.on('error', () => undefined); // nobody listens at the other end: that is lost, as in any network
  return socket;
}

/** One direction. */
class Way {
  readonly counters: CableCounters = { taken: 0, takenBytes: 0, lost: 0, doubled: 0 };
  cut = false;

  readonly #cable: Cable;
  readonly #random: () => number;
  readonly #isLost: () => boolean;

  constructor(cable: Cable, random: () => number) {
    this.#cable = cable;
    this.#random = random;
    this.#isLost = lossModel(cable, random);
  }

  /** Calls `send` when the datagram comes out of the cable: not at all, once or twice. */
  take(data: Buffer, send: () => void): void {
    const { delayMs = 0, jitterMs = 0, duplicates = 0, duplicateMs = 5, loses } = this.#cable;
    this.counters.taken++;
    this.counters.takenBytes += data.length;
    // Drawn for each one alike, so that what one is does not change the fate of the others.
    const lost = this.#isLost();
    const late = delayMs + this.#random() * jitterMs;
    const doubled = this.#random() < duplicates;
    const later = this.#random() * duplicateMs;
    if (lost || this.cut || loses?.(data)) {
      this.counters.lost++;
      return;
    }
    if (late > 0) setTimeout(send, late);
    else send();
    if (!doubled) return;
    this.counters.doubled++;
    setTimeout(send, late + later);
  }
}
