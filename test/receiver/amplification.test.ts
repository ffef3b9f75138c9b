/** What anybody can make a receiver send to somebody whose address he writes on a stream. */
import { expect, it } from 'vitest';
import type { ReceptionInput } from '../../receiver/reception.ts';
import { play, type Timed } from '../helpers/drive.ts';
import { randomFrom } from '../helpers/network.ts';
import { rtpDatagram, senderCompound } from '../helpers/packets.ts';
import { newReception, SENDER } from '../helpers/receive.ts';

const SECONDS = 60;

/** A stream of next to nothing, with holes as wide as they can be, and reports that ask for reports. */
function* impostor(seed: number, payloadBytes: number, perSecond: number): Generator<Timed<ReceptionInput>> {
  const random = randomFrom(seed);
  let sequence = 65_000;
  const rtcp = { ...SENDER, port: SENDER.port + 1 };
  for (let each = 0; each < SECONDS * perSecond; each++) {
    const at = (each * 1000) / perSecond;
    sequence += each < 4 ? 1 : Math.floor(random() * 1500);
    const header = { ssrc: 7, sequence: sequence & 0xffff, timestamp: (at * 90) >>> 0 };
    const data = rtpDatagram(header, Buffer.alloc(payloadBytes, 0x47));
    yield [at, { kind: 'media', data, arrivedAt: at, source: SENDER }];
    if (each % 20 !== 3) continue;
    const lanc = { index: 4, sequence: 65_004, reportIntervalMs: 0 };
    yield [at, { kind: 'rtcp', data: senderCompound({ ssrc: 7, lanc }), arrivedAt: at, source: rtcp }];
  }
}

for (const payloadBytes of [1, 20, 1316])
  for (const perSecond of [2, 50])
    it(`${perSecond} datagrams of ${payloadBytes} bytes a second, with holes, are answered by at most three times as much`, () => {
      const sums = { came: 0, went: 0, reports: 0 };
      const inputs = [...impostor(payloadBytes + perSecond, payloadBytes, perSecond)];
      for (const [, input] of inputs) if ('data' in input) sums.came += input.data.length;
      for (const [, output] of play(newReception({ framing: 'rtp' }), inputs, SECONDS * 2000)) {
        if (output.kind !== 'report') continue;
        sums.went += output.datagram.length + 28;
        sums.reports++;
      }
      console.log(`seed ${payloadBytes + perSecond}: ${(sums.went / sums.came).toFixed(2)} times as much`);
      expect(sums.reports).toBeGreaterThan(5);
      expect(sums.went).toBeLessThanOrEqual(3 * sums.came);
    });
