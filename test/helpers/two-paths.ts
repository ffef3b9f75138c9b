/** What two paths carry, and where it comes from on each. */
import type { Endpoint } from '../../wire/address.ts';
import { payloadOf, rtpDatagram } from './packets.ts';

/** The sender's address on each path. */
export const SOURCES: readonly [Endpoint, Endpoint] = [
  { address: '10.0.0.1', port: 40_000 },
  { address: '10.1.0.1', port: 40_002 },
];

/** A datagram of one TS packet that carries its number, `index` times 10 ms after the beginning by its timestamp. */
export function numbered(index: number, { ssrc = 1, sequence = 0, timestamp = 0 } = {}): Buffer {
  const header = {
    ssrc,
    sequence: (sequence + index) % 65_536,
    timestamp: (timestamp + index * 900) % 2 ** 32,
  };
  return rtpDatagram(header, payloadOf(index, 1));
}
