/** What a compound of a receiver asks of the retransmitter. */
import { parseLanc } from '../wire/lanc.ts';
import { parseRtcp, type RtcpFault, type RtcpPacket } from '../wire/rtcp.ts';
import { MAX_NACK_SEQUENCES, parseNack } from '../wire/rtcp-feedback.ts';

/** One compound about our stream. */
export interface Feedback {
  /** The receiver's SSRC. */
  ssrc: number;
  /** The cookie of a challenge that it sends back, 8 bytes, a view into the datagram; `undefined`: none. */
  echo: Buffer | undefined;
  /** It challenges us: whoever answered that by a challenge would never come to an end. */
  challenges: boolean;
  /** Sequence numbers that are missed, at most 128. */
  lost: readonly number[];
}

/** Why a datagram is no feedback. */
export type FeedbackFault = RtcpFault | 'not-ours'; // about other streams only

const NOTHING: readonly number[] = [];

/** Reads a datagram that came to the socket of the reports of the stream `ssrc`. */
export function readFeedback(datagram: Buffer, ssrc: number): Feedback | FeedbackFault {
  const packets = parseRtcp(datagram);
  if (typeof packets === 'string') return packets;
  const [first] = packets;
  if (first?.kind !== 'rr' && first?.kind !== 'sr') return 'not-compound';
  const feedback: Feedback = { ssrc: first.ssrc, echo: undefined, challenges: false, lost: NOTHING };
  // Nobody is reported on by a receiver that has had nothing yet.
  let ours = first.reports.length === 0 || first.reports.some((report) => report.ssrc === ssrc);
  for (const packet of packets) if (readPacket(packet, ssrc, feedback)) ours = true;
  return ours ? feedback : 'not-ours';
}

/** Adds what a packet says; returns whether it names our stream. */
function readPacket(packet: RtcpPacket, ssrc: number, feedback: Feedback): boolean {
  if (packet.kind === 'app') {
    const lanc = parseLanc(packet);
    if (typeof lanc === 'string') return false;
    if (lanc.kind === 'echo') feedback.echo = lanc.cookie;
    feedback.challenges ||= lanc.kind === 'challenge';
    return false;
  }
  const nack = packet.kind === 'unknown' ? parseNack(packet) : 'not-nack';
  if (typeof nack === 'string' || nack.mediaSsrc !== ssrc) return false;
  feedback.lost =
    feedback.lost.length === 0 ? nack.lost : [...feedback.lost, ...nack.lost].slice(0, MAX_NACK_SEQUENCES);
  return true;
}
