/** UDP in memory: what a receiver opens, and a way to let datagrams arrive. */
import type {
  ArrivalOptions,
  ArrivalQueue,
  ArrivalSink,
  ChosenInterface,
  DepartureQueue,
  Exchange,
  ExchangeOptions,
  UdpEngine,
} from '../../transport/udp.ts';
import type { Endpoint } from '../../wire/address.ts';
import { monotonicNow } from '../../transport/clock.ts';

/** The loopback interface, as chosen by hand. */
export const LOOPBACK: ChosenInterface = {
  name: 'lo',
  address: '127.0.0.1',
  family: 4,
  reason: 'asked for by --iface',
};

export class FakeEngine implements UdpEngine {
  readonly kind = 'javascript';
  /** Sockets that are open now, by port; the exchange is port 0. */
  readonly open = new Map<number, ArrivalSink>();
  /** What was asked for, in order. */
  readonly arrivals: ArrivalOptions[] = [];
  readonly exchanges: ExchangeOptions[] = [];
  /** What the exchange has sent. */
  readonly sent: { datagram: Buffer; to: Endpoint }[] = [];
  readonly #afterBatch = new Map<number, () => void>();
  /** Errors that opening a port throws. */
  readonly refusals = new Map<number, Error>();
  /** Reported by every arrival queue. */
  kernelDrops: number | undefined = 0;

  /** Lets a datagram arrive; the buffer is overwritten afterwards, as a real engine may do. */
  deliver(port: number, data: Buffer, source: Endpoint): void {
    this.deliverBatch(port, [{ data, arrivedAt: monotonicNow() }], source);
  }

  /** Hands over datagrams that have arrived before, as the native engine does. */
  deliverBatch(
    port: number,
    datagrams: readonly { data: Buffer; arrivedAt: number }[],
    source: Endpoint,
  ): void {
    for (const { data, arrivedAt } of datagrams) {
      const lent = Buffer.from(data);
      this.open.get(port)?.(lent, arrivedAt, source);
      lent.fill(0xdd);
    }
    this.#afterBatch.get(port)?.();
  }

  async openArrival(options: ArrivalOptions, sink: ArrivalSink): Promise<ArrivalQueue> {
    const { port } = options.address;
    this.arrivals.push(options);
    this.#take(port, sink);
    this.#afterBatch.set(port, () => options.afterBatch?.());
    const drops = () => this.kernelDrops;
    const close = this.#closer(port);
    return {
      local: options.address,
      stats: {
        received: 0,
        receivedBytes: 0,
        receiveBufferBytes: 4 << 20,
        rejoined: 0,
        overruns: 0,
        get kernelDrops() {
          return drops();
        },
      },
      close,
      [Symbol.asyncDispose]: close,
    };
  }

  async openExchange(options: ExchangeOptions, sink: ArrivalSink): Promise<Exchange> {
    this.exchanges.push(options);
    this.#take(0, sink);
    const close = this.#closer(0);
    return {
      local: { address: options.via.address, port: 40_000 },
      failed: 0,
      send: (datagram, to) => void (this.open.has(0) && this.sent.push({ datagram, to })),
      close,
      [Symbol.asyncDispose]: close,
    };
  }

  openDeparture(): Promise<DepartureQueue> {
    throw new Error('nothing is sent here');
  }

  #take(port: number, sink: ArrivalSink): void {
    const refusal = this.refusals.get(port);
    if (refusal) throw refusal;
    this.open.set(port, sink);
  }

  #closer(port: number): () => Promise<void> {
    return async () => void this.open.delete(port);
  }
}
