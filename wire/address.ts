/**
 * Addresses people type: `rtp://239.255.1.1:5004`, `udp://@239.255.1.1:1234`, `seq://[ff15::1]:5004`, `239.255.1.1`.
 */

/** One end of a UDP flow: a numeric IPv4 or IPv6 address and a port. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** How datagrams carry the programme: RTP, bare MPEG-TS, or the 4-byte sequence header. */
export type Framing = 'rtp' | 'udp' | 'seq';

/** Where a stream goes to or comes from. */
export interface MediaAddress {
  /** Fixed by the scheme; `undefined` when none was written: a receiver then recognises it by itself. */
  framing: Framing | undefined;
  /** Numeric address, without brackets. */
  address: string;
  /** The media port, 1 to 65535; even for RTP. Default 5004. */
  port: number;
  family: 4 | 6;
  scope: 'multicast' | 'broadcast' | 'unicast';
}
