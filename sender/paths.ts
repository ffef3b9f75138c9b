/** The paths that a stream takes: one, or two that carry the same datagrams (SMPTE ST 2022-7). */
import type {
  ArrivalSink,
  ChosenInterface,
  DepartureOptions,
  DepartureQueue,
  Exchange,
} from '../transport/udp.ts';
import {
  type Endpoint,
  formatEndpoint,
  type Framing,
  type MediaAddress,
  sameEndpoint,
} from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import type { SenderOptions, SendingPath } from './session.ts';

/** A path that is open. */
export interface OpenPath extends SendingPath {
  name: 'first' | 'second';
  queue: DepartureQueue;
  /** Of reports, requests and retransmissions; RTP only. Paths by the same card share it. */
  exchange: Exchange | undefined;
  /** Who is heard on it and not on the first one; absent where that cannot be. */
  receivers?: HeardReceivers;
}

/** Requests are not kept waiting for longer, milliseconds. */
const GATHER_MS = 5;
/** Receivers remembered, the latest. */
const MAX_RECEIVERS = 1024;

/** The receivers that were heard lately. */
export class HeardReceivers {
  readonly #keys = new Set<string>(); // least recently heard first

  add({ address, port }: Endpoint): void {
    const key = `${address} ${port}`;
    this.#keys.delete(key);
    this.#keys.add(key);
    const [oldest] = this.#keys;
    if (this.#keys.size > MAX_RECEIVERS && oldest !== undefined) this.#keys.delete(oldest);
  }

  has({ address, port }: Endpoint): boolean {
    return this.#keys.has(`${address} ${port}`);
  }
}

/** Opens the paths of a sender. Throws `LancastError` E001 for what does not fit, else as the engine. */
export async function openPaths(
  options: SenderOptions,
  hear: ArrivalSink,
): Promise<{ framing: Framing; paths: OpenPath[] }> {
  const { addresses, via, secondPath } = options;
  const framing = commonFraming([...addresses, ...(secondPath?.addresses ?? [])]);
  if (secondPath) checkSecond({ addresses, via }, secondPath, framing);
  const paths: OpenPath[] = [];
  try {
    const queue = await openQueue(options, { addresses, via });
    const first: OpenPath = { name: 'first', addresses, via, queue, exchange: undefined };
    paths.push(first);
    if (framing === 'rtp') first.exchange = await openExchange(options, via, hear);
    if (secondPath) paths.push(await openSecond(options, { ...secondPath, first, hear }));
  } catch (error) {
    await Promise.all(paths.map(closePath));
    throw error;
  }
  return { framing, paths };
}

/** Closes its sockets. */
export async function closePath({ queue, exchange }: OpenPath): Promise<void> {
  await Promise.all([queue.close(), exchange?.close()]);
}

/** How all queues of a sender send. */
export function sendingOptions(options: SenderOptions): Omit<DepartureOptions, 'destinations'> {
  const { via, ttl, broadcast = false, quantumMs, dscp, kernelPacing } = options;
  return {
    via,
    ttl,
    broadcast,
    ...(quantumMs !== undefined && { quantumMs }),
    ...(dscp !== undefined && { dscp }),
    ...(kernelPacing !== undefined && { kernelPacing }),
  };
}

async function openSecond(
  options: SenderOptions,
  { addresses, via, first, hear }: SendingPath & { first: OpenPath; hear: ArrivalSink },
): Promise<OpenPath> {
  const queue = await openQueue(options, { addresses, via });
  const path: OpenPath = { name: 'second', addresses, via, queue, exchange: first.exchange };
  if (!first.exchange || isSameCard(via, first.via)) return path;
  const receivers = new HeardReceivers();
  try {
    path.receivers = receivers;
    path.exchange = await openExchange(options, via, (data, at, source) => {
      receivers.add(source);
      hear(data, at, source);
    });
    return path;
  } catch (error) {
    await queue.close();
    throw error;
  }
}

function openQueue(options: SenderOptions, { addresses, via }: SendingPath): Promise<DepartureQueue> {
  return options.engine.openDeparture({ ...sendingOptions(options), via, destinations: addresses });
}

function openExchange(options: SenderOptions, via: ChosenInterface, hear: ArrivalSink): Promise<Exchange> {
  const { engine, ttl, broadcast = false } = options;
  return engine.openExchange({ via, ttl, broadcast, gatherMs: GATHER_MS }, hear);
}

function commonFraming(addresses: readonly MediaAddress[]): Framing {
  const [first, ...others] = addresses;
  if (!first) throw new LancastError('E001', 'no address to send to');
  const framing = first.framing ?? 'rtp';
  const odd = others.find((each) => (each.framing ?? 'rtp') !== framing || each.family !== first.family);
  if (!odd) return framing;
  throw new LancastError('E001', `${first.address} and ${odd.address} differ in framing or family`, {
    addresses: [first.address, odd.address],
    reason: 'one stream has one framing, and addresses of one family: cast the other by a command of its own',
    command: 'send',
  });
}

function checkSecond(first: SendingPath, second: SendingPath, framing: Framing): void {
  if (framing === 'udp') {
    const reason = 'receivers merge two paths by sequence numbers, which udp:// has none of';
    throw new LancastError('E001', 'a second path is for rtp:// and seq://', { reason, command: 'send' });
  }
  const same = second.addresses.find((each) => first.addresses.some((other) => sameEndpoint(each, other)));
  if (!same || !isSameCard(first.via, second.via)) return;
  const reason = 'it needs another address, another network card, or both';
  const message = `the second path to ${formatEndpoint(same)} is the first one`;
  throw new LancastError('E001', message, { reason, command: 'send' });
}

function isSameCard(a: ChosenInterface, b: ChosenInterface): boolean {
  return a.name === b.name && a.address === b.address;
}
