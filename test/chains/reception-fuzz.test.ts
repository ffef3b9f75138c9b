/** Hostile datagrams mixed into streams: nothing throws, nothing stalls, and what comes out is still in order. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ReceptionInput } from '../../receiver/reception.ts';
import type { Endpoint } from '../../wire/address.ts';
import { play, type Timed } from '../helpers/drive.ts';
import { randomFrom } from '../helpers/network.ts';
import { payloadOf, rtpDatagram, senderCompound, sequenceDatagram } from '../helpers/packets.ts';
import { newReception } from '../helpers/receive.ts';

const SOURCES: readonly Endpoint[] = [
  { address: '10.0.0.1', port: 1000 },
  { address: '10.0.0.1', port: 1002 },
  { address: '10.0.0.2', port: 1000 },
];

/** A valid datagram of one of few streams, around `i`; now and then with some bits or its length changed. */
function datagram(i: number, random: () => number): { data: Buffer; rtcp: boolean } {
  const around = i + Math.floor(random() * 8) - 4;
  const ssrc = random() < 0.8 ? 1 : 2;
  const kind = random();
  let data = payloadOf(i, 1 + Math.floor(random() * 3));
  const rtcp = kind > 0.9;
  if (kind < 0.6)
    data = rtpDatagram({ sequence: (65_530 + around) & 0xffff, timestamp: (around * 900) >>> 0, ssrc }, data);
  else if (kind < 0.8) data = sequenceDatagram(around >>> 0, random() < 0.1 ? Buffer.alloc(0) : data);
  else if (rtcp) {
    const lanc = {
      index: around < 0 ? 0 : around,
      sequence: (65_530 + around) & 0xffff,
      final: random() < 0.3,
    };
    data = senderCompound({ ssrc, lanc, bye: random() < 0.1 });
  }
  if (random() < 0.1) data = data.subarray(0, Math.floor(random() * data.length));
  while (random() < 0.15 && data.length > 0)
    data[Math.floor(random() * Math.min(data.length, 16))] = Math.floor(random() * 256);
  return { data, rtcp };
}

function* hostile(seed: number, count: number): Generator<Timed<ReceptionInput>> {
  const random = randomFrom(seed);
  const spacing = [0.1, 5, 60][seed % 3] ?? 5;
  let at = 0;
  for (let i = 0; i < count; i++) {
    at += random() < 0.01 ? random() * 1000 : random() * spacing;
    const source = SOURCES[random() < 0.8 ? 0 : Math.floor(random() * 3)] ?? SOURCES[0]!;
    const { data, rtcp } = datagram(i, random);
    const rare = random();
    if (rare < 0.002) yield [at, { kind: 'giveUp' }];
    else if (rare < 0.004) yield [at, { kind: 'leave' }];
    else yield [at, { kind: rtcp ? 'rtcp' : 'media', data, arrivedAt: at, source }];
  }
}

for (const release of ['in-order', 'paced'] as const) {
  for (const framing of [undefined, 'rtp', 'seq', 'udp'] as const) {
    it(`reception survives hostile datagrams (${release}, ${framing ?? 'any framing'})`, () => {
      let all = 0;
      fc.assert(
        fc.property(fc.nat(), fc.constantFrom(64, 1024), (seed, capacity) => {
          const reception = newReception({ release, capacity, ...(framing && { framing }) });
          let next: number | undefined; // what is missing before the first is left out
          let epoch = 0;
          let lost = 0;
          let packets = 0;
          for (const [, output] of play(reception, hostile(seed, 400))) {
            if (output.kind === 'restart') {
              expect(output.epoch).toBe(++epoch);
              next = undefined;
            } else if (output.kind === 'payload') {
              expect(output.index).toBe(next ?? output.index);
              next = output.index + 1;
              packets++;
            } else if (output.kind === 'gap') {
              expect(output.first).toBe(next ?? output.first);
              expect(output.count).toBeGreaterThan(0);
              next = output.first + output.count;
              lost += output.count;
            }
          }
          const figures = reception.figures(1e9);
          expect(figures).toMatchObject({ packets, lost, restarts: epoch });
          expect(figures.late).toBeLessThanOrEqual(lost);
          all += packets;
        }),
        { seed: 20_261_122, numRuns: 60 },
      );
      expect(all).toBeGreaterThan(1_000);
    });
  }
}
