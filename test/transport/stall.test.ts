/** A process that is busy for half a second loses nothing that its sockets have room for. */
import { createSocket, type Socket } from 'node:dgram';
import { afterEach, expect, it } from 'vitest';
import { startReceiver, type ReceiverSession } from '../../receiver/index.ts';
import type { Released } from '../../receiver/sink.ts';
import { monotonicNow } from '../../transport/clock.ts';
import { chooseInterface } from '../../transport/interfaces.ts';
import { dgramEngine } from '../../transport/udp-dgram.ts';
import { parseMediaAddress, type Framing } from '../../wire/address.ts';
import { indexOf, payloadOf, rtpDatagram, sequenceDatagram } from '../helpers/packets.ts';
import { port, until } from './engine-fixture.ts';

const LATENCY_MS = 300;
const STALL_MS = 500;
/** More than the event loop reads of a socket in one turn, less than its buffer holds. */
const COUNT = 150;

let session: ReceiverSession | undefined;
let socket: Socket | undefined;
afterEach(async () => {
  await session?.close();
  socket?.close();
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

for (const framing of ['rtp', 'seq'] as const) {
  for (const place of ['first', 'last'] as const) {
    it(`gives nothing up that was read late, being ${place} in the socket (${framing})`, async () => {
      const on = port();
      const address = parseMediaAddress(`${framing}://127.0.0.1:${on}`);
      if (typeof address === 'string') throw new Error(address);
      const via = await chooseInterface('127.0.0.1', 'lo');
      const options = { address, via, engine: dgramEngine, latencyMs: LATENCY_MS, cname: 'test' };
      const receiving = await startReceiver({ ...options, random: () => 0.5 });
      session = receiving;
      const out: number[] = [];
      const push = (released: Released) => {
        out.push(released.kind === 'payload' ? indexOf(released.payload) : -1);
      };
      receiving.addSink({ push, close: async () => undefined });
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
