/** A day of a thin stream whose sender has another clock than we: 20 datagrams a second, all counters wrap. */
import { describe, expect, it } from 'vitest';
import { RTP_HEADER_BYTES, RTP_MP2T, writeRtpHeader } from '../../wire/rtp.ts';
import { randomFrom } from '../helpers/network.ts';
import { newReception, SENDER } from '../helpers/receive.ts';

const LATENCY_MS = 200;
const SPACING_MS = 50;
const DAY_MS = 24 * 3_600_000;

/** How far release - arrival ever was from the latency, when the sender's clock is so much slower than ours. */
function dayOf(ppm: number, jitterMs: number): { early: number; late: number; released: number } {
  const random = randomFrom(ppm + 1000);
  const reception = newReception({ release: 'paced', latencyMs: LATENCY_MS });
  const datagram = Buffer.alloc(RTP_HEADER_BYTES + 188, 0x47);
  const result = { early: 0, late: 0, released: 0 };
  const poll = (now: number) => {
    for (let out = reception.poll(now); out; out = reception.poll(now)) {
      if (out.kind !== 'payload') {
        expect(out.kind).toBe('recognised');
        continue;
      }
      const error = now - out.arrivedAt - LATENCY_MS;
      result.early = Math.max(result.early, -error);
      result.late = Math.max(result.late, error);
      result.released++;
    }
  };
  for (let i = 0; i * SPACING_MS < DAY_MS; i++) {
    const timestamp = (i * SPACING_MS * 90 + 2 ** 32 - 90_000) % 2 ** 32;
    writeRtpHeader(
      { payloadType: RTP_MP2T, marker: false, sequence: (i + 65_000) % 65_536, timestamp, ssrc: 1 },
      datagram,
    );
    const at = i * SPACING_MS * (1 + ppm / 1e6) + random() * jitterMs;
    while (reception.wakeAt <= at) poll(reception.wakeAt);
    reception.pushMedia(datagram, at, SENDER);
    poll(at);
  }
  while (reception.wakeAt < Infinity) poll(reception.wakeAt);
  expect(reception.figures(DAY_MS)).toMatchObject({ lost: 0, late: 0, restarts: 0, refused: {} });
  return result;
}

describe('24 hours of a clock that differs', () => {
  for (const [ppm, jitterMs, most] of [
    [500, 0, 3],
    [-500, 0, 3],
    [500, 15, 18],
    [-500, 15, 18],
  ] as const) {
    it(`by ${ppm} ppm, behind a network that varies by ${jitterMs} ms, is followed to ${most} ms`, () => {
      const { early, late, released } = dayOf(ppm, jitterMs);
      expect(released).toBe(DAY_MS / SPACING_MS);
      expect(early).toBeLessThan(most);
      expect(late).toBeLessThan(1e-3);
    });
  }
});
