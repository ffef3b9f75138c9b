/**
 * Column and row FEC, SMPTE 2022-1 (Pro-MPEG Code of Practice 3): source packets stand in a matrix of L columns and D rows, and a
 * repair packet is the XOR of one column or of one row. Any one that is missing of these is the XOR of all others.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |V=2|P|X|  CC   |M|     PT      |       sequence number         |  P, X, CC and M are recovery fields too
 *     |                           timestamp                           |
 *     |                             SSRC                              |
 *     |           SNBase              |       length recovery         |  of what lies behind the 12 fixed bytes
 *     |E| PT recovery |                     mask                      |  E = 1, mask = 0
 *     |                           TS recovery                         |
 *     |N|D|type |index|    offset     |      NA       | SNBase ext    |  N, type, index, ext = 0; D = 1: a row
 *     |                    XOR of all behind the 12 fixed bytes       |  shorter ones as if zeros followed
 *
 * It protects the NA packets SNBase, SNBase + offset, SNBase + 2 × offset … Repair packets have ports of their own and count
 * on their own. Sequence number and SSRC of a source packet follow from where it was missing.
 */
import { RTP_HEADER_BYTES, rtpPayloadStart } from '../rtp.ts';
import { MAX_PARITY_BYTES, Parity } from './xor.ts';

/** What a repair packet is the XOR of. */
export type FecDirection = 'column' | 'row';

/** How a stream is protected. */
export interface FecMatrix {
  /** L: neighbours, each in a column of its own. A burst of so many losses is repaired. 1 to 20; 4 to 20 with `rowPackets`. */
  columns: number;
  /** D: packets of a column, 4 to 20. One repair packet for so many. Columns × rows is at most 100. */
  rows: number;
  /** Rows are protected too, not only columns: one more repair packet for each `columns`. */
  rowPackets: boolean;
}

/** What a repair packet says of itself. Numbers are the unsigned wire values. */
export interface RepairHeader {
  direction: FecDirection;
  /** 16 bits, one up for each repair packet of its direction. */
  sequence: number;
  /** 32 bits: the RTP time at which it leaves. */
  timestamp: number;
  /** 16 bits: the first sequence number that it protects. */
  snBase: number;
  /** From one that it protects to the next: L for a column, 1 for a row. */
  offset: number;
  /** How many it protects: D for a column, L for a row. */
  na: number;
}

/** A repair packet that was received. */
export interface RepairPacket extends RepairHeader {
  /** 32 bits: 0 by the standard, but not with all senders. */
  ssrc: number;
  /** All of it: a view. Copy it if you keep it. */
  datagram: Buffer;
}

/** Why a datagram is no repair packet. Also the value of the `reason` label in the metrics. */
export type RepairFault =
  | 'too-short'
  | 'too-long'
  | 'bad-version'
  | 'bad-payload-type' // not dynamic, or that of Reed-Solomon
  | 'bad-header-form' // E or N: not the header of this standard
  | 'bad-mask'
  | 'bad-type' // not XOR
  | 'bad-index'
  | 'bad-base' // more than 16 bits
  | 'bad-offset'
  | 'bad-count' // NA
  | 'bad-matrix'; // more than 100 packets

/** Why what comes out of the arithmetic cannot be what was sent: the repair packet is not of these source packets. */
export type RecoveryFault =
  | 'recovers-length' // longer than the repair packet, shorter than its content, or others are longer than it
  | 'recovers-header'; // not RTP, or not such as its neighbours are

/** Why `--fec 2022:…` means nothing. */
export type MatrixFault = 'bad-form' | 'bad-columns' | 'bad-rows' | 'too-large';

/** Bytes before the XOR of a repair packet. */
export const REPAIR_HEADER_BYTES = RTP_HEADER_BYTES + 16;
/** A repair packet is so much longer than the longest one that it protects. */
export const REPAIR_EXTRA_BYTES = 16;
/** Longest repair packet that is read. */
export const MAX_REPAIR_BYTES = MAX_PARITY_BYTES;

const VERSION = 0x80;
const MARKER = 0x80;
const REPAIR_PAYLOAD_TYPE = 96;
const REED_SOLOMON_PAYLOAD_TYPE = 127;
const ROW = 0x40;
const MOST = 20;
const FEWEST = 4;
const MOST_PACKETS = 100;

/** Reads `5x10` (columns × rows, only columns are protected) or `5x10+rows`. */
export function parseMatrix(text: string): FecMatrix | MatrixFault {
  const match = /^(\d{1,3})x(\d{1,3})(\+rows)?$/.exec(text);
  if (!match) return 'bad-form';
  const [, columns, rows, suffix] = match;
  const matrix = { columns: Number(columns), rows: Number(rows), rowPackets: suffix !== undefined };
  return matrixFault(matrix) ?? matrix;
}

/** What is wrong with a matrix; `undefined` when nothing is. */
export function matrixFault({ columns, rows, rowPackets }: FecMatrix): MatrixFault | undefined {
  if (columns < (rowPackets ? FEWEST : 1) || columns > MOST) return 'bad-columns';
  if (rows < FEWEST || rows > MOST) return 'bad-rows';
  return columns * rows > MOST_PACKETS ? 'too-large' : undefined;
}

/** Parses one datagram. Returns the fault, never throws: anybody can send us bytes. */
export function parseRepair(datagram: Buffer): RepairPacket | RepairFault {
  if (datagram.length < REPAIR_HEADER_BYTES) return 'too-short';
  if (datagram.length > MAX_REPAIR_BYTES) return 'too-long';
  if (datagram.readUInt8(0) >> 6 !== 2) return 'bad-version';
  const payloadType = datagram.readUInt8(1) & 0x7f;
  if (payloadType < REPAIR_PAYLOAD_TYPE || payloadType === REED_SOLOMON_PAYLOAD_TYPE)
    return 'bad-payload-type';
  const packet: RepairPacket = {
    direction: (datagram.readUInt8(24) & ROW) === 0 ? 'column' : 'row',
    sequence: datagram.readUInt16BE(2),
    timestamp: datagram.readUInt32BE(4),
    ssrc: datagram.readUInt32BE(8),
    snBase: datagram.readUInt16BE(12),
    offset: datagram.readUInt8(25),
    na: datagram.readUInt8(26),
    datagram,
  };
  return formFault(datagram) ?? shapeFault(packet) ?? packet;
}

/** Whether a repair packet protects the one that lies `distance` behind SNBase. */
export function protects({ offset, na }: RepairHeader, distance: number): boolean {
  return distance >= 0 && distance < offset * na && distance % offset === 0;
}

/**
 * Writes a repair packet to `offset`, with the SSRC 0; its length. For paths where every packet counts.
 *
 * @param into with room for `REPAIR_EXTRA_BYTES` more than the longest packet
 */
export function writeRepair(header: RepairHeader, parity: Parity, into: Buffer, offset = 0): number {
  const { bytes, lengthRecovery, end } = parity;
  const { direction, sequence, timestamp, snBase } = header;
  into.fill(0, offset, offset + REPAIR_HEADER_BYTES);
  into[offset] = VERSION | ((bytes[0] ?? 0) & 0x3f);
  into[offset + 1] = ((bytes[1] ?? 0) & MARKER) | REPAIR_PAYLOAD_TYPE;
  into.writeUInt16BE(sequence, offset + 2);
  into.writeUInt32BE(timestamp, offset + 4);
  into.writeUInt16BE(snBase, offset + 12);
  into.writeUInt16BE(lengthRecovery, offset + 14);
  into[offset + 16] = 0x80 | (bytes[1] ?? 0);
  bytes.copy(into, offset + 20, 4, 8);
  into[offset + 24] = direction === 'row' ? ROW : 0;
  into[offset + 25] = header.offset;
  into[offset + 26] = header.na;
  bytes.copy(into, offset + REPAIR_HEADER_BYTES, RTP_HEADER_BYTES, end);
  return end + REPAIR_EXTRA_BYTES;
}

/** Recovers one source packet at a time: `begin`, `add` all others that are protected, `finish`. */
export class Recovery {
  readonly #parity = new Parity(MAX_REPAIR_BYTES);
  #fault: RecoveryFault | undefined;
  #ssrc = 0;
  /** P, X, CC and payload type, if all have the same. */
  #kind: number | undefined;
  #isUniform = true;

  begin({ datagram }: RepairPacket): void {
    const parity = this.#parity;
    const { bytes } = parity;
    parity.clear();
    bytes[0] = datagram.readUInt8(0) & 0x3f;
    bytes[1] = (datagram.readUInt8(1) & MARKER) | (datagram.readUInt8(16) & 0x7f);
    datagram.copy(bytes, 4, 20, 24);
    datagram.copy(bytes, RTP_HEADER_BYTES, REPAIR_HEADER_BYTES);
    parity.lengthRecovery = datagram.readUInt16BE(14);
    parity.end = datagram.length - REPAIR_EXTRA_BYTES;
    this.#fault = undefined;
    this.#kind = undefined;
    this.#isUniform = true;
  }

  /** @param source RTP, as it came */
  add(source: Buffer): void {
    if (source.length > this.#parity.end) {
      this.#fault = 'recovers-length';
      return;
    }
    const kind = kindOf(source);
    this.#isUniform &&= kind === (this.#kind ?? kind);
    this.#kind = kind;
    this.#ssrc = source.readUInt32BE(8);
    this.#parity.add(source);
  }

  /** All were added, none was missing, and the repair packet is the XOR of them: nothing is left. */
  get isNothing(): boolean {
    const { bytes, lengthRecovery, end } = this.#parity;
    // Some senders stamp packets anew behind the encoder: time and marker do not count.
    if (this.#fault || lengthRecovery !== 0 || ((bytes[1] ?? 0) & 0x7f) !== 0) return false;
    return !hasContent(bytes, RTP_HEADER_BYTES, end);
  }

  /** The one that was missing, which has this sequence number: a view, good until the next `begin`. */
  finish(sequence: number): Buffer | RecoveryFault {
    if (this.#fault) return this.#fault;
    const { bytes, lengthRecovery, end } = this.#parity;
    const length = RTP_HEADER_BYTES + lengthRecovery;
    if (length > end || hasContent(bytes, length, end)) return 'recovers-length';
    bytes[0] = VERSION | ((bytes[0] ?? 0) & 0x3f);
    bytes.writeUInt16BE(sequence, 2);
    bytes.writeUInt32BE(this.#ssrc, 8);
    const datagram = bytes.subarray(0, length);
    if (typeof rtpPayloadStart(datagram) === 'string') return 'recovers-header';
    return this.#isUniform && kindOf(datagram) !== this.#kind ? 'recovers-header' : datagram;
  }
}

/** P, X, CC and payload type of an RTP packet, as a number. */
function kindOf(datagram: Buffer): number {
  return ((datagram.readUInt8(0) & 0x3f) << 7) | (datagram.readUInt8(1) & 0x7f);
}

function hasContent(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return true;
  return false;
}

function formFault(datagram: Buffer): RepairFault | undefined {
  const kinds = datagram.readUInt8(24);
  if (datagram.readUInt8(16) < 0x80 || kinds >= 0x80) return 'bad-header-form';
  if (datagram.readUIntBE(17, 3) !== 0) return 'bad-mask';
  if ((kinds & 0x38) !== 0) return 'bad-type';
  if ((kinds & 0x07) !== 0) return 'bad-index';
  return datagram.readUInt8(27) === 0 ? undefined : 'bad-base';
}

function shapeFault({ direction, offset, na }: RepairPacket): RepairFault | undefined {
  if (direction === 'row' ? offset !== 1 : offset < 1 || offset > MOST) return 'bad-offset';
  if (na < FEWEST || na > MOST) return 'bad-count';
  return offset * na > MOST_PACKETS ? 'bad-matrix' : undefined;
}
