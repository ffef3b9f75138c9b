/**
 * What lancast senders and receivers tell each other in RTCP APP packets named `LANC`. Plain RTP programs skip them.
 *
 * Subtype 0, the sender's report, in every compound that carries its SR:
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |                    index, 64 bits, high half                  |
 *     |                           low half                            |
 *     |        sequence number        |           heal port           |
 *     |                         RTP timestamp                         |
 *     |                      pace, parts per million                  |
 *     |             receivers' report interval, milliseconds          |
 *     |F|          reserved           |         capabilities          |
 *
 * Subtypes 1 and 2, challenge and echo, carry 8 bytes: the sender hands them to a receiver's address, and the receiver proves
 * by sending them back that it can be reached there. More bytes than these may follow in later versions.
 */
import type { AppPacket } from './rtcp.ts';

/** The sender's report. */
export interface LancReport {
  /**
   * Index of the **next** datagram to be sent, which is the count of those sent so far in this epoch. Within 2^53.
   * Together with `sequence` it gives the offset between any index and its sequence number.
   */
  index: number;
  /** The 16-bit sequence number that belongs to `index`, also when no such datagram will be sent. */
  sequence: number;
  /** Nothing more will be sent: the last datagram was that of `index` - 1. */
  final: boolean;
  /** RTP timestamp of this moment, the same as in the SR before it. */
  rtpTimestamp: number;
  /** How fast the RTP clock runs against life, in millionths: 1 000 000 is life, more is faster. */
  pacePpm: number;
  /** How often receivers may report, in milliseconds. */
  reportIntervalMs: number;
  /** TCP port at which missing ranges may be asked for over HTTP; 0: none. */
  healPort: number;
  /** 16 bits, none of which means anything yet: 0. */
  capabilities: number;
}

/** One APP packet named `LANC`. A `cookie` is 8 bytes, a view into the datagram. */
export type Lanc =
  | ({ kind: 'report' } & LancReport)
  | { kind: 'challenge'; cookie: Buffer }
  | { kind: 'echo'; cookie: Buffer };

/** Why an APP packet is not one of ours. */
export type LancFault = 'not-lanc' | 'unknown-subtype' | 'too-short' | 'bad-index';

/** Bytes of a challenge and of its echo. */
const COOKIE_BYTES = 8;

const NAME = 'LANC';
const SUBTYPES = { report: 0, challenge: 1, echo: 2 } as const;
const REPORT_BYTES = 28;
const FINAL = 0x8000_0000;

/** Parses an APP packet of an RTCP compound. */
export function parseLanc({ name, subtype, data }: AppPacket): Lanc | LancFault {
  if (name !== NAME) return 'not-lanc';
  if (subtype === SUBTYPES.report) return parseReport(data);
  if (subtype !== SUBTYPES.challenge && subtype !== SUBTYPES.echo) return 'unknown-subtype';
  if (data.length < COOKIE_BYTES) return 'too-short';
  const cookie = data.subarray(0, COOKIE_BYTES);
  return { kind: subtype === SUBTYPES.challenge ? 'challenge' : 'echo', cookie };
}

/** The APP packet for a compound. `ssrc` is the sender's in a report and in a challenge, the receiver's own in an echo. */
export function writeLanc(lanc: Lanc, ssrc: number): AppPacket {
  const data = lanc.kind === 'report' ? writeReport(lanc) : lanc.cookie;
  return { kind: 'app', ssrc, name: NAME, subtype: SUBTYPES[lanc.kind], data };
}

function parseReport(data: Buffer): Lanc | LancFault {
  if (data.length < REPORT_BYTES) return 'too-short';
  const index = data.readUInt32BE(0) * 2 ** 32 + data.readUInt32BE(4);
  if (!Number.isSafeInteger(index)) return 'bad-index';
  const flags = data.readUInt32BE(24);
  return {
    kind: 'report',
    index,
    sequence: data.readUInt16BE(8),
    healPort: data.readUInt16BE(10),
    rtpTimestamp: data.readUInt32BE(12),
    pacePpm: data.readUInt32BE(16),
    reportIntervalMs: data.readUInt32BE(20),
    final: flags >= FINAL,
    capabilities: flags & 0xffff,
  };
}

function writeReport(report: LancReport): Buffer {
  const data = Buffer.allocUnsafe(REPORT_BYTES);
  data.writeUInt32BE(Math.floor(report.index / 2 ** 32), 0);
  data.writeUInt32BE(report.index % 2 ** 32, 4);
  data.writeUInt16BE(report.sequence, 8);
  data.writeUInt16BE(report.healPort, 10);
  data.writeUInt32BE(report.rtpTimestamp, 12);
  data.writeUInt32BE(report.pacePpm, 16);
  data.writeUInt32BE(report.reportIntervalMs, 20);
  data.writeUInt32BE((report.final ? FINAL : 0) + report.capabilities, 24);
  return data;
}
