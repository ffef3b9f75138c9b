/** Opens sockets of one engine for a test and closes them behind it. */
import { afterEach } from 'vitest';
import { monotonicNow } from '../../transport/clock.ts';
import { DepartureChunk, singleDatagram } from '../../wire/departure-chunk.ts';
import { chooseInterface } from '../../transport/interfaces.ts';
import type {
  ArrivalOptions,
  ArrivalQueue,
  DepartureOptions,
  DepartureQueue,
  Exchange,
  UdpEngine,
} from '../../transport/udp.ts';
import type { Endpoint } from '../../wire/address.ts';

/** What arrived, copied. */
export interface Heard {
  data: Buffer;
  at: number;
  source: Endpoint;
}

/** Waits until `done()`; fails after ten seconds. */
export async function until(done: () => boolean): Promise<void> {
  for (const end = monotonicNow() + 10_000; !done();) {
    if (monotonicNow() > end) throw new Error('waited ten seconds for nothing');
    await pause(5);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Queues a copy of one datagram. */
export function pushOne(queue: DepartureQueue, datagram: Uint8Array, dueAt: number): void {
  queue.push(singleDatagram(datagram, dueAt), 0, 1);
}

/** Queues copies of datagrams that lie behind each other. */
export function pushRun(
  queue: DepartureQueue,
  datagrams: readonly Uint8Array[],
  dueAt: (index: number) => number,
): void {
  const chunk = new DepartureChunk(datagrams.length, Math.max(...datagrams.map(({ length }) => length)));
  datagrams.forEach((datagram, slot) => {
    chunk.bytes.set(datagram, slot * chunk.slotBytes);
    chunk.lengths[slot] = datagram.length;
    chunk.dueAt[slot] = dueAt(slot);
  });
  queue.push(chunk, 0, datagrams.length);
}

/** What a socket heard. */
export interface Listener {
  queue: ArrivalQueue;
  heard: Heard[];
}

let nextPort = 46_000;

/** A port that no test has used yet. */
export function port(): number {
  return (nextPort += 2);
}

/** What was heard, as texts. */
export function texts({ heard }: { heard: Heard[] }): string[] {
  return heard.map(({ data }) => data.toString());
}

/** Opens sockets of `engine` on loopback; all are closed after each test. */
export function loopback(engine: UdpEngine) {
  const opened: AsyncDisposable[] = [];

  afterEach(async () => {
    for (const each of opened.splice(0)) await each[Symbol.asyncDispose]();
  });

  async function listen(address: string, on: number, more: Partial<ArrivalOptions> = {}): Promise<Listener> {
    const via = await chooseInterface(address, 'lo');
    const heard: Heard[] = [];
    const options = { address: { address, port: on }, via, ...more };
    const queue = await engine.openArrival(options, (data, at, source) => {
      heard.push({ data: Buffer.from(data), at, source: { ...source } });
    });
    opened.push(queue);
    return { queue, heard };
  }

  async function depart(
    destinations: Endpoint[],
    more: Partial<DepartureOptions> = {},
  ): Promise<DepartureQueue> {
    const via = await chooseInterface(destinations[0]?.address ?? '', 'lo');
    const queue = await engine.openDeparture({ destinations, via, ttl: 1, ...more });
    opened.push(queue);
    return queue;
  }

  async function exchange(more: { port?: number } = {}): Promise<{ socket: Exchange; heard: Heard[] }> {
    const heard: Heard[] = [];
    const via = await chooseInterface('239.255.70.1', 'lo');
    const socket = await engine.openExchange({ via, ttl: 1, ...more }, (data, at, source) => {
      heard.push({ data: Buffer.from(data), at, source: { ...source } });
    });
    opened.push(socket);
    return { socket, heard };
  }

  return { listen, depart, exchange };
}
