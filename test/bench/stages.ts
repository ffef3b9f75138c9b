/** Parsers and stages in this process: how many datagrams a second, how many bytes of heap for each. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { InOrderRelease } from '../../jitter-buffer/in-order.ts';
import { ReceiveWindow } from '../../jitter-buffer/ordering.ts';
import { emptyArrival } from '../../jitter-buffer/slab.ts';
import { startReceiver } from '../../receiver/index.ts';
import { monotonicNow } from '../../transport/clock.ts';
import type { ArrivalSink, ChosenInterface, UdpEngine } from '../../transport/udp.ts';
import { RTP_HEADER_BYTES, RTP_MP2T, parseRtp, writeRtpHeader } from '../../wire/rtp.ts';
import type { Row } from './table.ts';

const PAYLOAD_BYTES = 1316;
const TICKS_PER_DATAGRAM = 47; // 20 Mbit/s
const DATAGRAMS = 1_000_000;
const LOOPBACK: ChosenInterface = { name: 'lo', address: '127.0.0.1', family: 4, reason: '' };

/** What one datagram cost. */
interface Cost {
  ns: number;
  /** Bytes of heap allocated, and still held after a collection. */
  allocated: number;
  retained: number;
}

/** Rows on parsing, the receive window and the whole receive chain. `film` is a whole number of TS packets. */
export async function benchStages(film: Buffer): Promise<Row[]> {
  const datagrams = rtpDatagrams(film);
  const parse = cost(datagrams, (datagram) => void parseRtp(datagram));
  const window = cost(datagrams, windowTaker());
  const chain = cost(datagrams, await chainTaker());
  return [
    { work: 'parse one RTP datagram', lancast: `${parse.ns.toFixed(0)} ns` },
    throughput('jitter buffer, in order', window, 2),
    throughput('receive chain, datagram to sink', chain, 1),
    {
      work: 'receive chain: heap a datagram',
      lancast: `${chain.allocated.toFixed(0)} B allocated, ${chain.retained.toFixed(1)} B retained`,
      goal: '≤ 400 and ≤ 64 B',
      met: chain.allocated <= 400 && chain.retained <= 64,
    },
  ];
}

function throughput(work: string, { ns }: Cost, millions: number): Row {
  const rate = 1000 / ns;
  return { work, lancast: `${rate.toFixed(2)} M/s`, goal: `≥ ${millions} M/s`, met: rate >= millions };
}

/** The film as datagrams; sequence and timestamp are written when they are used. */
function rtpDatagrams(film: Buffer): Buffer[] {
  const count = Math.min(16_384, Math.floor(film.length / PAYLOAD_BYTES));
  return Array.from({ length: count }, (_, index) => {
    const datagram = Buffer.alloc(RTP_HEADER_BYTES + PAYLOAD_BYTES);
    writeRtpHeader({ payloadType: RTP_MP2T, marker: false, sequence: 0, timestamp: 0, ssrc: 1 }, datagram);
    film.copy(datagram, RTP_HEADER_BYTES, index * PAYLOAD_BYTES, (index + 1) * PAYLOAD_BYTES);
    return datagram;
  });
}

/** Feeds a million datagrams, after as many to warm up. */
function cost(datagrams: readonly Buffer[], take: (datagram: Buffer, index: number) => void): Cost {
  let index = 0;
  const feed = (count: number): void => {
    for (const end = index + count; index < end; index++) {
      const datagram = datagrams[index % datagrams.length] ?? Buffer.alloc(0);
      datagram.writeUInt16BE(index & 0xffff, 2);
      datagram.writeUInt32BE((index * TICKS_PER_DATAGRAM) >>> 0, 4);
      take(datagram, index);
    }
  };
  feed(DATAGRAMS);
  const held = collected();
  const started = monotonicNow();
  feed(DATAGRAMS);
  const ns = ((monotonicNow() - started) * 1e6) / DATAGRAMS;
  const retained = Math.max(0, collected() - held) / DATAGRAMS;
  return { ns, retained, allocated: allocatedBy(feed) };
}

/** Bytes of heap that a datagram allocates, from runs so short that nothing is collected meanwhile. */
function allocatedBy(feed: (count: number) => void): number {
  const figures: number[] = [];
  for (let round = 0; round < 50; round++) {
    const before = process.memoryUsage().heapUsed;
    feed(1000);
    figures.push((process.memoryUsage().heapUsed - before) / 1000);
  }
  return Math.max(0, figures.sort((a, b) => a - b)[figures.length >> 1] ?? 0);
}

let collect: (() => void) | undefined;

/** Heap in use after a collection. */
function collected(): number {
  if (!collect) {
    setFlagsFromString('--expose-gc');
    const gc: () => void = runInNewContext('gc');
    collect = gc;
  }
  collect();
  return process.memoryUsage().heapUsed;
}

function windowTaker(): (datagram: Buffer, index: number) => void {
  const release = new InOrderRelease(new ReceiveWindow(), 200);
  const arrival = { ...emptyArrival(), payloadStart: RTP_HEADER_BYTES };
  return (datagram, index) => {
    arrival.index = index;
    arrival.datagram = datagram;
    arrival.payloadEnd = datagram.length;
    arrival.arrivedAt = index / 2;
    release.push(arrival, index / 2);
    while (release.poll(index / 2) !== undefined);
  };
}

/** The receiver as it runs, with an engine that is handed the datagrams, and a sink that only looks at them. */
async function chainTaker(): Promise<(datagram: Buffer) => void> {
  const sinks: ArrivalSink[] = [];
  const session = await startReceiver({
    address: { framing: 'rtp', address: '239.255.13.79', port: 5004, family: 4, scope: 'multicast' },
    engine: handEngine(sinks),
    via: LOOPBACK,
    latencyMs: 200,
    random: () => 0.5,
    cname: 'bench',
  });
  let bytes = 0;
  session.addSink({
    push(released) {
      if (released.kind === 'payload') bytes += released.payload.length;
    },
    close: () => Promise.resolve(),
  });
  const [media] = sinks;
  const source = { address: '127.0.0.1', port: 40_000 };
  return (datagram) => media?.(datagram, monotonicNow(), source);
}

/** An engine without sockets: what arrives is handed to the sinks it was opened with, the media port's first. */
function handEngine(sinks: ArrivalSink[]): UdpEngine {
  const close = (): Promise<void> => Promise.resolve();
  const local = { address: '127.0.0.1', port: 5004 };
  const stats = { received: 0, receivedBytes: 0, kernelDrops: 0, receiveBufferBytes: 4 << 20, rejoined: 0, overruns: 0 };
  return {
    kind: 'javascript',
    openDeparture: () => Promise.reject(new Error('nothing is sent here')),
    openArrival(_options, sink) {
      sinks.push(sink);
      return Promise.resolve({ local, stats, close, [Symbol.asyncDispose]: close });
    },
    openExchange: () =>
      Promise.resolve({ local, failed: 0, send: () => undefined, close, [Symbol.asyncDispose]: close }),
  };
}
