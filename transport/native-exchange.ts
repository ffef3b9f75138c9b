/** The small two-way socket of reports and requests: sends at once, receives by the native engine's thread. */
import type { Endpoint } from '../wire/address.ts';
import { withZone } from './interfaces.ts';
import type { NativeAddon } from './native-addon.ts';
import { Handover, type Taker } from './native-handover.ts';
import { openExchanging } from './native-socket.ts';
import { checkTtl } from './sending-checks.ts';
import type { ArrivalSink, ChosenInterface, Exchange, ExchangeOptions } from './udp.ts';

/** Opens a feedback socket. Throws as `UdpEngine.openExchange`. */
export async function openNativeExchange(
  addon: NativeAddon,
  options: ExchangeOptions,
  sink: ArrivalSink,
): Promise<Exchange> {
  checkTtl(options.ttl);
  return new NativeExchange(addon, options, sink);
}

class NativeExchange implements Exchange, Taker {
  readonly local: Endpoint;
  failed = 0;

  readonly take: ArrivalSink;

  readonly #addon: NativeAddon;
  readonly #via: ChosenInterface;
  readonly #handover: Handover;
  readonly #descriptor: number;
  readonly #socket: number;
  #closed = false;

  constructor(addon: NativeAddon, options: ExchangeOptions, sink: ArrivalSink) {
    this.#descriptor = openExchanging(addon, options);
    const [address, port] = addon.localEndpoint(this.#descriptor);
    this.local = { address, port };
    this.take = sink;
    this.#addon = addon;
    this.#via = options.via;
    this.#handover = Handover.of(addon);
    this.#socket = this.#handover.open(this.#descriptor, this, options.gatherMs ?? Infinity);
  }

  afterRun(): void {
    // Nothing waits for the end of a run.
  }

  send(datagram: Buffer, { address, port }: Endpoint): void {
    if (this.#closed) return;
    const fault = this.#addon.sendTo(this.#descriptor, datagram, withZone(address, this.#via), port);
    if (fault !== '') this.failed++;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#handover.close(this.#socket);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
