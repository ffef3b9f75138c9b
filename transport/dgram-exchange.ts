/** The small two-way socket of reports and requests on `node:dgram`. */
import type { RemoteInfo, Socket } from 'node:dgram';
import type { Endpoint } from '../wire/address.ts';
import { monotonicNow } from './clock.ts';
import { boundSocket, closeSocket, localEndpoint, prepareToSend } from './dgram-socket.ts';
import { withZone } from './interfaces.ts';
import { checkTtl } from './sending-checks.ts';
import { errnoOf, portTaken, sendFailure } from './socket-errors.ts';
import type { ArrivalSink, ChosenInterface, Exchange, ExchangeOptions } from './udp.ts';

/** Opens a feedback socket. Throws as `UdpEngine.openExchange`. */
export async function openDgramExchange(options: ExchangeOptions, sink: ArrivalSink): Promise<Exchange> {
  checkTtl(options.ttl);
  const { via, port = 0, receiveBufferBytes } = options;
  const type = via.family === 6 ? 'udp6' : 'udp4';
  try {
    const buffer = receiveBufferBytes === undefined ? {} : { recvBufferSize: receiveBufferBytes };
    const socket = await boundSocket({ type, ...buffer }, { address: withZone(via.address, via), port });
    prepareToSend(socket, options);
    return new DgramExchange(socket, { via, sink });
  } catch (error) {
    if (errnoOf(error) === 'EADDRINUSE') throw portTaken(port, error);
    throw sendFailure(error, via.address, via);
  }
}

class DgramExchange implements Exchange {
  readonly local: Endpoint;

  readonly #socket: Socket;
  readonly #via: ChosenInterface;
  readonly #sent = (error: Error | null): void => {
    if (error) this.#failed++;
  };
  #failed = 0;
  #closed: Promise<void> | undefined;

  constructor(socket: Socket, { via, sink }: { via: ChosenInterface; sink: ArrivalSink }) {
    this.#socket = socket;
    this.#via = via;
    this.local = localEndpoint(socket);
    socket.on('message', (data: Buffer, from: RemoteInfo) => sink(data, monotonicNow(), from));
    socket.on('error', () => this.#failed++);
  }

  get failed(): number {
    return this.#failed;
  }

  send(datagram: Buffer, { address, port }: Endpoint): void {
    if (!this.#closed) this.#socket.send(datagram, port, withZone(address, this.#via), this.#sent);
  }

  async close(): Promise<void> {
    this.#closed ??= this.#shut();
    await this.#closed;
  }

  /** Node hands a datagram to the kernel a moment after `send`: what was sent last, a goodbye, leaves before the end. */
  async #shut(): Promise<void> {
    await new Promise(setImmediate);
    await closeSocket(this.#socket);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
