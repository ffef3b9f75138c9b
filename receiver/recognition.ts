/**
 * Tells from a sender's first datagrams what they are, and reads their headers afterwards.
 *
 * In this order: reliable transfer by its magic; TS by its sync bytes; RTP by two headers of one SSRC that are near each other
 * (which is the probation of RFC 3550 A.1, but for disorder and loss); the sequence header, which has no mark of its own, by three numbers in a row
 * or by one with its end mark behind it, told twice.
 */
import type { Framing } from '../wire/address.ts';
import { RTP_HEADER_BYTES, rtpPaddingBytes, rtpPayloadStart, type RtpFault } from '../wire/rtp.ts';
import { parseSequence, SEQUENCE_HEADER_BYTES, type SequenceFault } from '../wire/sequence-header.ts';
import { wrapDistance } from '../wire/sequence.ts';
import type { SequenceStamp } from './receive-log.ts';

/** What a datagram says of itself. Filled anew for each datagram. */
export interface Header extends SequenceStamp {
  /** 0 for framings without one. */
  ssrc: number;
  /** Where the payload lies. */
  payloadStart: number;
  payloadEnd: number;
}

/** Whose datagrams these are. */
export interface Recognition {
  framing: Framing;
  /** 0 for framings without one. */
  ssrc: number;
  /** The sequence number of one of them; 0 for bare TS. */
  sequence: number;
}

/** Why a datagram has no header of its framing. `rtcp`: it belongs on the port above. */
export type HeaderFault = RtpFault | SequenceFault | 'rtcp';

const RELIABLE_TRANSFER_MAGIC = Buffer.from('LCF1');
/** First byte of an RTP packet without CSRCs, extension and padding. */
const PLAIN_RTP = 0x80;
const TS_PACKET_BYTES = 188;
const SYNC_BYTE = 0x47;
/** So many sync bytes in place are no accident: one in 2^24. */
const ENOUGH_SYNC_BYTES = 3;
/** Two RTP packets of one stream are not further apart than this, or more will come (MAX_MISORDER of RFC 3550 A.1). */
const NEAR_SEQUENCES = 100;
/** Sequence headers count from 0: a lone one that is far on is taken for garbage. */
const PLAUSIBLE_SEQUENCE = 65_536;

/** A header to be filled by `readHeader`. */
export function emptyHeader(): Header {
  return { ssrc: 0, sequence: 0, timestamp: undefined, marker: false, payloadStart: 0, payloadEnd: 0 };
}

/** Reads the header that a datagram has by its framing. */
export function readHeader(framing: Framing, datagram: Buffer, into: Header): HeaderFault | undefined {
  if (framing === 'rtp') return readRtp(datagram, into);
  into.ssrc = into.sequence = into.payloadStart = 0;
  into.timestamp = undefined;
  into.marker = false;
  into.payloadEnd = datagram.length;
  if (framing === 'udp') return undefined;
  const packet = parseSequence(datagram);
  if (typeof packet === 'string') return packet;
  into.sequence = packet.sequence;
  into.payloadStart = SEQUENCE_HEADER_BYTES;
  return undefined;
}

/** A datagram of `copy://`, which is somebody else's business. */
export function isReliableTransfer(datagram: Buffer): boolean {
  return datagram.subarray(0, RELIABLE_TRANSFER_MAGIC.length).equals(RELIABLE_TRANSFER_MAGIC);
}

/**
 * Whose stream the last of these datagrams belongs to, as far as they prove it.
 *
 * @param fixed the only framing that is considered, when one was asked for
 */
export function recognise(held: readonly Buffer[], fixed: Framing | undefined): Recognition | undefined {
  const last = held.at(-1);
  if (!last) return undefined;
  if ((fixed ?? 'udp') === 'udp' && syncBytes(held) >= ENOUGH_SYNC_BYTES) {
    return { framing: 'udp', ssrc: 0, sequence: 0 };
  }
  return (
    ((fixed ?? 'rtp') === 'rtp' ? recogniseRtp(held, last) : undefined) ??
    ((fixed ?? 'seq') === 'seq' ? recogniseSequence(held, last) : undefined)
  );
}

/**
 * What datagrams most probably are that prove nothing: for streams that ended before they could.
 *
 * @param ssrc known from RTCP, when it is
 */
export function guess(
  held: readonly Buffer[],
  fixed: Framing | undefined,
  ssrc?: number,
): Recognition | undefined {
  const header = emptyHeader();
  for (const datagram of held) {
    for (const framing of ['udp', 'rtp', 'seq'] as const) {
      if ((fixed ?? framing) !== framing || readHeader(framing, datagram, header)) continue;
      if (ssrc !== undefined && (framing !== 'rtp' || header.ssrc !== ssrc)) continue;
      if (framing === 'udp' && datagram[0] !== SYNC_BYTE) continue;
      if (framing === 'seq' && header.sequence >= PLAUSIBLE_SEQUENCE) continue;
      return { framing, ssrc: header.ssrc, sequence: header.sequence };
    }
  }
  return undefined;
}

/** The fixed header of RFC 3550 §5.1, read without making an object and byte by byte: every datagram passes here. */
function readRtp(datagram: Buffer, into: Header): HeaderFault | undefined {
  const isPlain = datagram[0] === PLAIN_RTP && datagram.length >= RTP_HEADER_BYTES;
  const start = isPlain ? RTP_HEADER_BYTES : rtpPayloadStart(datagram);
  if (typeof start === 'string') return start;
  const paddingBytes = isPlain ? 0 : rtpPaddingBytes(datagram, start);
  if (typeof paddingBytes === 'string') return paddingBytes;
  const second = datagram[1] ?? 0;
  // Packet types 200 to 207 of RTCP look like these (RFC 5761 §4).
  if ((second & 0x78) === 0x48) return 'rtcp';
  into.marker = second >= 0x80;
  into.sequence = ((datagram[2] ?? 0) << 8) | (datagram[3] ?? 0);
  into.timestamp = wordAt(datagram, 4);
  into.ssrc = wordAt(datagram, 8);
  into.payloadStart = start;
  into.payloadEnd = datagram.length - paddingBytes;
  return undefined;
}

/** 32 bits, the highest byte first. */
function wordAt(bytes: Buffer, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)) >>>
    0
  );
}

/** Sync bytes in place in datagrams that begin with one. Senders that cut packets apart begin with one now and then. */
function syncBytes(held: readonly Buffer[]): number {
  let found = 0;
  for (const datagram of held) {
    let inPlace = 0;
    for (let at = 0; at < datagram.length; at += TS_PACKET_BYTES) {
      if (datagram[at] !== SYNC_BYTE) {
        inPlace = 0;
        break;
      }
      inPlace++;
    }
    found += inPlace;
  }
  return found;
}

function recogniseRtp(held: readonly Buffer[], last: Buffer): Recognition | undefined {
  const own = emptyHeader();
  if (readRtp(last, own)) return undefined;
  const other = emptyHeader();
  for (const datagram of held) {
    if (readRtp(datagram, other) || other.ssrc !== own.ssrc) continue;
    const distance = Math.abs(wrapDistance(own.sequence, other.sequence, 16));
    if (distance > 0 && distance <= NEAR_SEQUENCES) {
      return { framing: 'rtp', ssrc: own.ssrc, sequence: own.sequence };
    }
  }
  return undefined;
}

function recogniseSequence(held: readonly Buffer[], last: Buffer): Recognition | undefined {
  const own = emptyHeader();
  if (readHeader('seq', last, own)) return undefined;
  const near = [false, false, false, false, false]; // own - 2 to own + 2
  let endMarks = 0;
  const other = emptyHeader();
  for (const datagram of held) {
    if (readHeader('seq', datagram, other)) continue;
    const distance = wrapDistance(own.sequence, other.sequence, 32);
    if (Math.abs(distance) <= 2) near[distance + 2] = true;
    if (distance === 0 && last.length === datagram.length) endMarks++;
  }
  const inARow = [0, 1, 2].some((from) => near[from] && near[from + 1] && near[from + 2]);
  const isEnd = last.length === SEQUENCE_HEADER_BYTES && endMarks >= 2 && near[1];
  return inARow || isEnd ? { framing: 'seq', ssrc: 0, sequence: own.sequence } : undefined;
}
