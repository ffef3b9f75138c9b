/** Compounds of receivers for a retransmitter. */
import { parseLanc, writeLanc } from '../../wire/lanc.ts';
import { parseRtcp, writeRtcp, type RtcpPacket } from '../../wire/rtcp.ts';
import { writeNack } from '../../wire/rtcp-feedback.ts';

/** What a receiver's compound says. */
export interface ReceiverCompound {
  /** The receiver's. */
  ssrc?: number;
  /** Whom it reports on, and asks. */
  mediaSsrc: number;
  /** A cookie to echo. */
  echo?: Buffer | undefined;
  /** Sequence numbers that it asks for. */
  lost?: readonly number[] | undefined;
}

/** An empty receiver report with name, echo and NACK. */
export function receiverCompound({ ssrc = 9, mediaSsrc, echo, lost }: ReceiverCompound): Buffer {
  const packets: RtcpPacket[] = [
    { kind: 'rr', ssrc, reports: [] },
    { kind: 'sdes', chunks: [{ ssrc, cname: 'receiver@test' }] },
  ];
  if (echo) packets.push(writeLanc({ kind: 'echo', cookie: echo }, ssrc));
  if (lost) packets.push(writeNack({ ssrc, mediaSsrc, lost }));
  return writeRtcp(packets);
}

/** The cookie of a challenge. Throws when it is none. */
export function cookieOf(challenge: Buffer): Buffer {
  const packets = parseRtcp(challenge);
  for (const packet of typeof packets === 'string' ? [] : packets) {
    const lanc = packet.kind === 'app' ? parseLanc(packet) : 'not-lanc';
    if (typeof lanc !== 'string' && lanc.kind === 'challenge') return Buffer.from(lanc.cookie);
  }
  throw new Error('no challenge');
}
