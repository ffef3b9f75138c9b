/** A process that is busy for a while loses nothing that its sockets, or its engine's memory, have room for. */
import { createSocket, type Socket } from 'node:dgram';
import { afterEach, expect, it } from 'vitest';
import { untilEnd } from '../../cli/ending.ts';
import { startReceiver, type ReceiverSession } from '../../receiver/index.ts';
import type { Released } from '../../receiver/sink.ts';
import { monotonicNow } from '../../transport/clock.ts';
import { chooseInterface } from '../../transport/interfaces.ts';
import type { UdpEngine } from '../../transport/udp.ts';
import { parseMediaAddress, type Framing } from '../../wire/address.ts';
import { indexOf, payloadOf, rtpDatagram, sequenceDatagram } from '../helpers/packets.ts';
import { port, until, pushOne } from './engine-fixture.ts';
import { ENGINES, native } from './engines.ts';

const LATENCY_MS = 300;
const STALL_MS = 500;
/** More than the event loop reads of a socket in one turn, less than its buffer holds. */
const COUNT = 150;
/** Of datagrams with 1316 bytes each, at 20 Mbit/s. */
const INTERVAL_MS = (1316 * 8) / 20_000;

let session: ReceiverSession | undefined;
let socket: Socket | undefined;
afterEach(async () => {
  await session?.close();
  socket?.close();
  session = socket = undefined;
});

/** Sends at once: on a connected socket a send is a system call. */
async function sendingTo(address: string, on: number): Promise<(datagram: Buffer) => void> {
  const sending = createSocket('udp4');
  socket = sending;
  await new Promise<void>((resolve) => sending.connect(on, address, resolve));
  return (datagram) => sending.send(datagram);
}

function block(ms: number): void {
  for (const end = monotonicNow() + ms; monotonicNow() < end;);
}

function datagramOf(framing: Framing, index: number): Buffer {
  const payload = payloadOf(index, 1);
  const timestamp = index * 9 + (index > 13 ? STALL_MS * 90 : 0);
  return framing === 'rtp'
    ? rtpDatagram({ sequence: (65_530 + index) % 65_536, timestamp, ssrc: 1 }, payload)
    : sequenceDatagram(index, payload);
}

/** Receives `framing` on loopback; `take` is given what is released. */
async function receive(engine: UdpEngine, framing: Framing, take: (released: Released) => void) {
  const on = port();
  const address = parseMediaAddress(`${framing}://127.0.0.1:${on}`);
  if (typeof address === 'string') throw new Error(address);
  const via = await chooseInterface('127.0.0.1', 'lo');
  const options = { address, via, engine, latencyMs: LATENCY_MS, cname: 'test' };
  const receiving = await startReceiver({ ...options, random: () => 0.5 });
  session = receiving;
  receiving.addSink({ push: take, close: async () => undefined });
  return { receiving, on, via };
}

for (const engine of ENGINES) {
  for (const framing of ['rtp', 'seq'] as const) {
    for (const place of ['first', 'last'] as const) {
      it(`gives nothing up that was read late, being ${place} in the socket (${framing}, ${engine.kind})`, async () => {
        const out: number[] = [];
        const { receiving, on } = await receive(engine, framing, (released) => {
          out.push(released.kind === 'payload' ? indexOf(released.payload) : -1);
        });
        const send = await sendingTo('127.0.0.1', on);

        for (let index = 0; index < 10; index++) send(datagramOf(framing, index));
        await until(() => out.length === 10);
        for (const index of [12, 13]) send(datagramOf(framing, index));
        await until(() => receiving.snapshot().bufferMs > 0);
        // From here on 10 and 11 are missed, for the latency; they and the rest come while nobody reads.
        const rest = Array.from({ length: COUNT - 14 }, (_, i) => 14 + i);
        for (const index of place === 'first' ? [10, 11, ...rest] : [...rest, 11, 10]) {
          send(datagramOf(framing, index));
        }
        block(STALL_MS);
        await until(() => out.length === COUNT);
        expect(out).toEqual(Array.from({ length: COUNT }, (_, index) => index));
        expect(receiving.snapshot()).toMatchObject({ packets: COUNT, lost: 0, late: 0, restarts: 0 });
      });
    }
  }
}

for (const engine of ENGINES) {
  it(`reads what has come before it takes a busy time for silence (${engine.kind})`, async () => {
    const out: number[] = [];
    const { receiving, on } = await receive(engine, 'rtp', (released) => {
      if (released.kind === 'payload') out.push(indexOf(released.payload));
    });
    const send = await sendingTo('127.0.0.1', on);
    for (let index = 0; index < 10; index++) send(datagramOf('rtp', index));
    await until(() => out.length === 10);

    const [timeoutMs, sentMs] = [STALL_MS - 100, STALL_MS - 200];
    const { signal } = new AbortController();
    const ending = untilEnd(receiving, { durationMs: undefined, timeoutMs, latencyMs: LATENCY_MS, signal });
    // Behind this turn of the event loop timers come before sockets.
    setImmediate(() => {
      block(sentMs);
      send(datagramOf('rtp', 10));
      block(STALL_MS - sentMs);
    });
    const { reason, waitedMs } = await ending;
    expect(reason).toBe('timeout');
    expect(waitedMs).toBeGreaterThanOrEqual(sentMs + timeoutMs);
    expect(out).toHaveLength(11);
  });
}

it('loses nothing of 20 Mbit/s in two busy seconds, and knows when each came (native)', async () => {
  const late: number[] = [];
  let start = 0;
  const { receiving, on, via } = await receive(native, 'rtp', (released) => {
    if (released.kind === 'payload') late.push(released.arrivedAt - start - late.length * INTERVAL_MS);
  });
  const destinations = [{ address: '127.0.0.1', port: on }];
  const out = await native.openDeparture({ destinations, via, ttl: 1 });
  start = monotonicNow() + 50;
  const count = Math.ceil(2500 / INTERVAL_MS);
  for (let index = 0; index < count; index++) {
    const fields = { sequence: index % 65_536, timestamp: Math.round(index * INTERVAL_MS * 90), ssrc: 1 };
    pushOne(out, rtpDatagram(fields, payloadOf(index, 7)), start + index * INTERVAL_MS);
  }
  await until(() => late.length > 100);
  block(2000); // its threads send and receive meanwhile
  await until(() => late.length === count);
  await out.close();
  expect(receiving.snapshot()).toMatchObject({
    packets: count,
    lost: 0,
    late: 0,
    kernelDrops: 0,
    overruns: 0,
  });
  // A few for the quantum; the rest for a machine that has other things to do.
  expect(Math.min(...late)).toBeGreaterThan(-10);
  expect(Math.max(...late)).toBeLessThan(200);
});
