/** Parsers and stages in this process: how many datagrams a second of processor time, how many bytes of heap for each. */
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { InOrderRelease } from '../../jitter-buffer/in-order.ts';
import { ReceiveWindow } from '../../jitter-buffer/ordering.ts';
import { emptyArrival } from '../../jitter-buffer/slab.ts';
import { RTP_HEADER_BYTES, RTP_MP2T, parseRtp, writeRtpHeader } from '../../wire/rtp.ts';
import { openReceiveChain } from './receive-chain.ts';
import { sendFeeder } from './send-chain.ts';
import { median, type Row } from './table.ts';

const PAYLOAD_BYTES = 1316;
const TICKS_PER_DATAGRAM = 47; // 20 Mbit/s
/** Each round, of which the median counts; the first one warms up. */
const DATAGRAMS = 300_000;
const ROUNDS = 5;
/** Of one turn of the event loop: 5 ms of 1.3 Gbit/s. */
const PER_TURN = 640;
/** The native engine hands over no more at once. */
const BATCH = 64;

/** What one datagram cost. */
interface Cost {
  ns: number;
  /** Bytes of heap allocated, and still held after a collection. */
  allocated: number;
  retained: number;
}

/** Takes one datagram. */
type Take = (datagram: Buffer, index: number) => void;

/** Rows on parsing, the receive window and the whole receive chain. `film` is a whole number of TS packets. */
export async function benchStages(film: Buffer): Promise<Row[]> {
  const datagrams = rtpDatagrams(film);
  const send = await cost(sendFeeder(film));
  const parse = await cost(feeder(datagrams, (datagram) => void parseRtp(datagram)));
  const window = await cost(feeder(datagrams, windowTaker()));
  const single = await costOfChain(datagrams, 1);
  const chain = await costOfChain(datagrams, BATCH);
  return [
    throughput('send chain, file to queue', send, 2),
    { work: 'the same: heap a datagram', lancast: `${send.allocated.toFixed(0)} B allocated` },
    { work: 'parse one RTP datagram', lancast: `${parse.ns.toFixed(0)} ns` },
    throughput('jitter buffer, in order', window, 2),
    throughput('receive chain to an unhashed recorder that writes nowhere, in batches of 64', chain, 1),
    { work: 'the same, datagram by datagram', lancast: perSecond(single) },
    {
      work: 'the same, in batches of 64: heap a datagram',
      lancast: `${chain.allocated.toFixed(0)} B allocated, ${chain.retained.toFixed(1)} B retained`,
      goal: '≤ 400 and ≤ 64 B',
      met: chain.allocated <= 400 && chain.retained <= 64,
    },
  ];
}

function throughput(work: string, { ns }: Pick<Cost, 'ns'>, millions: number): Row {
  return { work, lancast: perSecond({ ns }), goal: `≥ ${millions} M/s`, met: 1000 / ns >= millions };
}

function perSecond({ ns }: Pick<Cost, 'ns'>): string {
  return `${(1000 / ns).toFixed(2)} M/s`;
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

/** What feeds `take` so many datagrams more, numbered on. @param afterBatch called behind each `batch` of them */
function feeder(
  datagrams: readonly Buffer[],
  take: Take,
  { batch, afterBatch }: { batch: number; afterBatch?: () => void } = { batch: PER_TURN },
): (count: number) => void {
  let index = 0;
  return (count) => {
    for (const end = index + count; index < end;) {
      const datagram = datagrams[index % datagrams.length] ?? Buffer.alloc(0);
      datagram.writeUInt16BE(index & 0xffff, 2);
      datagram.writeUInt32BE((index * TICKS_PER_DATAGRAM) >>> 0, 4);
      take(datagram, index++);
      if (index % batch === 0) afterBatch?.();
    }
  };
}

/** Feeds datagrams for some rounds, with turns of the event loop between, in which what was begun goes on. */
async function cost(feed: (count: number) => void): Promise<Cost> {
  const round = async (): Promise<number> => {
    const before = process.cpuUsage();
    for (let fed = 0; fed < DATAGRAMS; fed += PER_TURN) {
      feed(PER_TURN);
      await turn();
    }
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1000) / DATAGRAMS;
  };
  await round();
  const held = collected();
  const rounds: number[] = [];
  for (let count = 0; count < ROUNDS; count++) rounds.push(await round());
  const retained = Math.max(0, collected() - held) / (ROUNDS * DATAGRAMS);
  return { ns: median(rounds), retained, allocated: await allocatedBy(feed) };
}

/** Bytes of heap that a datagram allocates, from runs so short that mostly nothing is collected meanwhile. */
async function allocatedBy(feed: (count: number) => void): Promise<number> {
  const figures: number[] = [];
  for (let count = 0; count < 50; count++) {
    const before = process.memoryUsage().heapUsed;
    feed(PER_TURN);
    figures.push((process.memoryUsage().heapUsed - before) / PER_TURN);
    await turn();
  }
  return Math.max(0, median(figures));
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

function windowTaker(): Take {
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

/** Datagrams as an engine hands them over: views that are there already, so many in a row. */
async function costOfChain(datagrams: readonly Buffer[], batch: number): Promise<Cost> {
  await using chain = await openReceiveChain();
  const { afterBatch } = chain;
  return await cost(feeder(datagrams, chain.take, { batch, afterBatch }));
}
