/** What a sender is given in tests: an engine that keeps what is sent, sources out of memory, addresses. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type SenderOptions, type SenderSession, startSender } from '../../sender/index.ts';
import type { RunSink, Source, SourceDescription } from '../../sender/source.ts';
import { monotonicNow } from '../../transport/clock.ts';
import type {
  ArrivalSink,
  DepartureOptions,
  DepartureQueue,
  Exchange,
  ExchangeOptions,
  UdpEngine,
} from '../../transport/udp.ts';
import type { Endpoint, Framing, MediaAddress } from '../../wire/address.ts';
import type { LancastError } from '../../wire/errors.ts';
import { parseRtcp, type RtcpPacket } from '../../wire/rtcp.ts';
import { LOOPBACK } from './fake-engine.ts';

/** One queue of an `Outlet`. */
export interface OutletQueue {
  options: DepartureOptions;
  /** Copies, in the order in which they were pushed. */
  datagrams: { datagram: Buffer; dueAt: number; pushedAt: number }[];
  /** Nothing can be sent through it. */
  fail: (reason: LancastError) => void;
}

/** What left a socket of an `Outlet` that is not paced. */
export interface OutletReport {
  datagram: Buffer;
  to: Endpoint;
  at: number;
  /** The card that it left from. */
  from: string;
}

/** An engine that copies what is sent, as the native one does, and keeps it. */
export class Outlet implements UdpEngine {
  readonly kind = 'javascript';
  /** In the order in which they were opened. */
  readonly queues: OutletQueue[] = [];
  readonly reports: OutletReport[] = [];
  readonly closed: string[] = [];
  /** What opening a queue to this port, or a socket on this card, throws. */
  readonly refusals = new Map<number | string, LancastError>();
  /** The kernel refuses what is sent. */
  refuses = false;
  readonly #hear = new Map<string, ArrivalSink>();

  /** Of the first queue. */
  get datagrams(): OutletQueue['datagrams'] {
    return this.queues[0]?.datagrams ?? [];
  }

  /** What went to a port, by any queue. */
  sentTo(port: number): Buffer[] {
    const queues = this.queues.filter(({ options }) =>
      options.destinations.some((each) => each.port === port),
    );
    return queues.flatMap(({ datagrams }) => datagrams.map(({ datagram }) => datagram));
  }

  /** A datagram comes to the socket of the reports on a card. */
  hear(datagram: Buffer, from: Endpoint, card = 'lo'): void {
    const lent = Buffer.from(datagram);
    this.#hear.get(card)?.(lent, monotonicNow(), from);
    lent.fill(0xdd);
  }

  async openDeparture(options: DepartureOptions): Promise<DepartureQueue> {
    for (const { port } of options.destinations) this.#refuse(port);
    const queue: OutletQueue = { options, datagrams: [], fail: () => undefined };
    this.queues.push(queue);
    const close = async (): Promise<void> => void this.closed.push('departure');
    const stats = { sent: 0, sentBytes: 0, failed: 0, latestMs: 0 };
    return {
      stats,
      queued: 0,
      released: Infinity,
      failure: new Promise((resolve) => (queue.fail = resolve)),
      push: (chunk, first, end) => {
        const pushedAt = monotonicNow();
        for (let slot = first; slot < end; slot++) {
          const datagram = Buffer.from(chunk.datagram(slot));
          queue.datagrams.push({ datagram, dueAt: chunk.dueAt[slot] ?? NaN, pushedAt });
          stats[this.refuses ? 'failed' : 'sent']++;
        }
      },
      room: () => undefined,
      drained: () => sleep((queue.datagrams.at(-1)?.dueAt ?? 0) - monotonicNow()),
      close,
      [Symbol.asyncDispose]: close,
    };
  }

  async openExchange({ via }: ExchangeOptions, sink: ArrivalSink): Promise<Exchange> {
    this.#refuse(via.name);
    this.#hear.set(via.name, sink);
    const close = async (): Promise<void> => void this.closed.push('exchange');
    return {
      local: { address: via.address, port: 40_000 },
      failed: 0,
      send: (datagram, to) => void this.reports.push({ datagram, to, at: monotonicNow(), from: via.name }),
      close,
      [Symbol.asyncDispose]: close,
    };
  }

  #refuse(place: number | string): void {
    const refusal = this.refusals.get(place);
    if (refusal) throw refusal;
  }

  openArrival(): Promise<never> {
    throw new Error('nothing is received here');
  }

  /** Payloads in order, end marks left out. */
  payload(headerBytes: number): Buffer {
    return Buffer.concat(this.datagrams.map(({ datagram }) => datagram.subarray(headerBytes)));
  }

  goodbyes(): { packets: RtcpPacket[]; at: number }[] {
    const compounds = this.reports.map(({ datagram, at }) => ({ packets: parseRtcp(datagram), at }));
    return compounds.flatMap(({ packets, at }) =>
      typeof packets !== 'string' && packets.some(({ kind }) => kind === 'bye') ? [{ packets, at }] : [],
    );
  }
}

/** A source out of memory: the runs, then its end, a fault, or nothing more until it is closed. */
export class Memory implements Source {
  readonly description: SourceDescription = {
    name: 'memory',
    media: '',
    transportStream: true,
    live: false,
    notes: [],
  };
  reads = 0;
  closed = false;
  readonly #runs: readonly Buffer[];
  readonly #then: 'end' | 'wait' | Error;
  #release: () => void = () => undefined;

  constructor(runs: readonly Buffer[], then: 'end' | 'wait' | Error = 'end') {
    this.#runs = runs;
    this.#then = then;
  }

  async read(take: RunSink): Promise<boolean> {
    const run = this.#runs[this.reads++];
    if (run) {
      const lent = Buffer.from(run);
      take(lent);
      lent.fill(0xdd);
      return true;
    }
    if (this.#then instanceof Error) throw this.#then;
    if (this.#then === 'wait' && !this.closed)
      await new Promise<void>((resolve) => (this.#release = resolve));
    return false;
  }

  async close(): Promise<void> {
    this.closed = true;
    this.#release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** An address of a group. */
export function address(
  framing: Framing | undefined,
  port = 5004,
  changes: Partial<MediaAddress> = {},
): MediaAddress {
  return { framing, address: '239.255.1.1', port, family: 4, scope: 'multicast', ...changes };
}

/** Starts a sender to `rtp://239.255.1.1:5004`. */
export async function send(
  source: Source,
  changes: Partial<SenderOptions> = {},
  outlet = new Outlet(),
): Promise<{ outlet: Outlet; session: SenderSession }> {
  const session = await startSender({
    source,
    addresses: [address('rtp')],
    engine: outlet,
    via: LOOPBACK,
    ttl: 1,
    random: () => 0.5,
    cname: 'test',
    ...changes,
  });
  return { outlet, session };
}
