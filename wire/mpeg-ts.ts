/**
 * MPEG transport stream packets, ISO/IEC 13818-1 §2.4.3.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |  sync 0x47    |E|U|P|          PID            |TSC|AFC|  CC   |
 *     | adaptation field (AFC 2 and 3), then payload (AFC 1 and 3) …  |
 *
 * The adaptation field: `length:8`, flags `discontinuity, random access, priority, PCR, OPCR, splice, private data, extension`,
 * then what the flags announce, then stuffing.
 *
 * Two ways in: the functions that end in `At` read one field of the packet that starts at `at`, without allocating, for the
 * paths that every packet takes; `parseTs` and `writeTs` know the whole packet. The former ask for a whole packet in `bytes`.
 */
import { PCR_CYCLE } from './clock.ts';

/** Size of a transport packet. */
export const TS_PACKET_BYTES = 188;
/** First byte of every transport packet. */
export const SYNC_BYTE = 0x47;
/** Number of PIDs. */
export const PID_COUNT = 0x2000;
/** PID of stuffing packets. */
export const NULL_PID = 0x1fff;
/** Programme clock in ticks per second. */
export const PCR_HZ = 27_000_000;

const HEADER_BYTES = 4;

/** transport_error_indicator: a demodulator knows the packet to be broken. */
export function transportErrorAt(bytes: Buffer, at: number): boolean {
  return ((bytes[at + 1] ?? 0) & 0x80) !== 0;
}

/** payload_unit_start_indicator: a PES packet, or the pointer to a section, begins here. */
export function unitStartAt(bytes: Buffer, at: number): boolean {
  return ((bytes[at + 1] ?? 0) & 0x40) !== 0;
}

/** PID, 0 to 0x1fff. */
export function pidAt(bytes: Buffer, at: number): number {
  return (((bytes[at + 1] ?? 0) & 0x1f) << 8) | (bytes[at + 2] ?? 0);
}

/** True when the payload is scrambled. */
export function scrambledAt(bytes: Buffer, at: number): boolean {
  return ((bytes[at + 3] ?? 0) & 0xc0) !== 0;
}

/** True when the packet has an adaptation field, which may be empty. */
export function hasAdaptationAt(bytes: Buffer, at: number): boolean {
  return ((bytes[at + 3] ?? 0) & 0x20) !== 0;
}

/** True when the packet carries payload: only then does the continuity counter step. */
export function hasPayloadAt(bytes: Buffer, at: number): boolean {
  return ((bytes[at + 3] ?? 0) & 0x10) !== 0;
}

/** continuity_counter, 0 to 15. */
export function continuityAt(bytes: Buffer, at: number): number {
  return (bytes[at + 3] ?? 0) & 0x0f;
}

/** Bytes from `at` to the payload, 4 to 188; 188 when there is none or the adaptation field leaves no room for it. */
export function payloadOffsetAt(bytes: Buffer, at: number): number {
  const control = (bytes[at + 3] ?? 0) & 0x30;
  if (control === 0x10) return HEADER_BYTES;
  if (control !== 0x30) return TS_PACKET_BYTES;
  return Math.min(TS_PACKET_BYTES, HEADER_BYTES + 1 + (bytes[at + 4] ?? 0));
}

/** Flags of the adaptation field; 0 when there is none. */
function adaptationFlagsAt(bytes: Buffer, at: number): number {
  return hasAdaptationAt(bytes, at) && (bytes[at + 4] ?? 0) > 0 ? (bytes[at + 5] ?? 0) : 0;
}

/** discontinuity_indicator: continuity and PCR may jump here. */
export function discontinuityAt(bytes: Buffer, at: number): boolean {
  return (adaptationFlagsAt(bytes, at) & 0x80) !== 0;
}

/** random_access_indicator: decoding may begin here. */
export function randomAccessAt(bytes: Buffer, at: number): boolean {
  return (adaptationFlagsAt(bytes, at) & 0x40) !== 0;
}

/** True when the packet carries a PCR. */
export function hasPcrAt(bytes: Buffer, at: number): boolean {
  return (adaptationFlagsAt(bytes, at) & 0x10) !== 0 && (bytes[at + 4] ?? 0) >= 7;
}

/** The PCR in 27 MHz ticks, 0 to `PCR_CYCLE - 1`; `undefined` when the packet has none. */
export function pcrAt(bytes: Buffer, at: number): number | undefined {
  return hasPcrAt(bytes, at) ? readClock(bytes, at + 6) : undefined;
}

/** Overwrites the continuity counter with the low four bits of `counter`. */
export function setContinuityAt(bytes: Buffer, at: number, counter: number): void {
  bytes[at + 3] = ((bytes[at + 3] ?? 0) & 0xf0) | (counter & 0x0f);
}

/** Overwrites the PCR of a packet that has one; others stay as they are. @param ticks 27 MHz, wrapped here */
export function setPcrAt(bytes: Buffer, at: number, ticks: number): void {
  if (hasPcrAt(bytes, at)) writeClock(bytes, at + 6, ticks);
}

/** Moves the original PCR by `ticks` (27 MHz, wrapped here); packets without one stay as they are. */
export function shiftOpcrAt(bytes: Buffer, at: number, ticks: number): void {
  const flags = adaptationFlagsAt(bytes, at);
  if ((flags & 0x08) === 0) return;
  const start = (flags & 0x10) !== 0 ? 8 : 2; // counted from adaptation_field_length
  if ((bytes[at + 4] ?? 0) + 1 < start + CLOCK_BYTES) return;
  const opcrAt = at + HEADER_BYTES + start;
  writeClock(bytes, opcrAt, readClock(bytes, opcrAt) + ticks);
}

/** Clears discontinuity_indicator; packets without an adaptation field stay as they are. */
export function clearDiscontinuityAt(bytes: Buffer, at: number): void {
  if (discontinuityAt(bytes, at)) bytes[at + 5] = (bytes[at + 5] ?? 0) & 0x7f;
}

const CLOCK_BYTES = 6;

/** Reads `base:33 reserved:6 extension:9` as base · 300 + extension. */
function readClock(bytes: Buffer, at: number): number {
  const low = bytes.readUInt16BE(at + 4);
  return (bytes.readUInt32BE(at) * 2 + (low >> 15)) * 300 + (low & 0x1ff);
}

function writeClock(bytes: Buffer, at: number, ticks: number): void {
  const wrapped = ((ticks % PCR_CYCLE) + PCR_CYCLE) % PCR_CYCLE;
  const base = Math.floor(wrapped / 300);
  bytes.writeUInt32BE(Math.floor(base / 2), at);
  bytes.writeUInt16BE(((base % 2) << 15) | 0x7e00 | (wrapped % 300), at + 4);
}

/** What an adaptation field says, §2.4.3.4. Absent fields were not announced by its flags. */
export interface AdaptationField {
  discontinuity: boolean;
  randomAccess: boolean;
  /** elementary_stream_priority_indicator. */
  priority: boolean;
  /** 27 MHz ticks. */
  pcr?: number;
  /** PCR of the stream that this one was made from, 27 MHz ticks. */
  opcr?: number;
  /** Packets of this PID until a splice point, -128 to 127. */
  spliceCountdown?: number;
  /** transport_private_data, a view. */
  privateData?: Buffer;
  /** The body of the adaptation field extension, uninterpreted, a view. */
  extension?: Buffer;
}

/** A transport packet. Buffers are views into the bytes it was parsed from. */
export interface TsPacket {
  transportError: boolean;
  payloadUnitStart: boolean;
  priority: boolean;
  pid: number;
  /** transport_scrambling_control: 0 is in the clear. */
  scrambling: number;
  continuityCounter: number;
  adaptationField?: AdaptationField;
  /** Absent when the packet carries none. What is shorter than the room left is preceded by stuffing. */
  payload?: Buffer;
}

/** Why 188 bytes are not a transport packet. */
export type TsFault =
  | 'wrong-length' // not 188 bytes
  | 'bad-sync' // does not begin with 0x47
  | 'reserved-control' // adaptation_field_control 00
  | 'bad-adaptation'; // the adaptation field does not end where it must, or its parts overrun it

/** Parses one transport packet. */
export function parseTs(packet: Buffer): TsPacket | TsFault {
  if (packet.length !== TS_PACKET_BYTES) return 'wrong-length';
  if (packet[0] !== SYNC_BYTE) return 'bad-sync';
  const adapted = hasAdaptationAt(packet, 0);
  const loaded = hasPayloadAt(packet, 0);
  if (!adapted && !loaded) return 'reserved-control';

  const parsed: TsPacket = {
    transportError: transportErrorAt(packet, 0),
    payloadUnitStart: unitStartAt(packet, 0),
    priority: ((packet[1] ?? 0) & 0x20) !== 0,
    pid: pidAt(packet, 0),
    scrambling: (packet[3] ?? 0) >> 6,
    continuityCounter: continuityAt(packet, 0),
  };
  if (adapted) {
    const length = packet[4] ?? 0;
    if (loaded ? length > 182 : length !== 183) return 'bad-adaptation';
    const field = parseAdaptation(packet.subarray(5, 5 + length));
    if (!field) return 'bad-adaptation';
    parsed.adaptationField = field;
  }
  if (loaded) parsed.payload = packet.subarray(payloadOffsetAt(packet, 0));
  return parsed;
}

/** Parses what follows adaptation_field_length; `undefined` when the announced parts overrun it. */
function parseAdaptation(body: Buffer): AdaptationField | undefined {
  const flags = body[0] ?? 0;
  const field: AdaptationField = {
    discontinuity: (flags & 0x80) !== 0,
    randomAccess: (flags & 0x40) !== 0,
    priority: (flags & 0x20) !== 0,
  };
  let at = 1;
  // Each part is read only when it lies wholly within the body; `at` then shows the overrun.
  const part = (bytes: number): Buffer | undefined => {
    at += bytes;
    return at <= body.length ? body.subarray(at - bytes, at) : undefined;
  };
  const counted = (): Buffer | undefined => {
    const length = part(1)?.[0];
    return length === undefined ? undefined : part(length);
  };
  const clock = (): number => {
    const bytes = part(CLOCK_BYTES);
    return bytes ? readClock(bytes, 0) : 0;
  };
  if (flags & 0x10) field.pcr = clock();
  if (flags & 0x08) field.opcr = clock();
  if (flags & 0x04) field.spliceCountdown = part(1)?.readInt8(0) ?? 0;
  if (flags & 0x02) field.privateData = counted() ?? body.subarray(0, 0);
  if (flags & 0x01) field.extension = counted() ?? body.subarray(0, 0);
  return at <= Math.max(body.length, 1) ? field : undefined;
}

/**
 * Writes one transport packet. A payload shorter than the room left is preceded by stuffing, as PES needs it; sections fill up
 * by themselves. Asserts that everything fits.
 */
export function writeTs(packet: TsPacket): Buffer {
  const { adaptationField, payload } = packet;
  const bytes = Buffer.alloc(TS_PACKET_BYTES, 0xff);
  const room = TS_PACKET_BYTES - HEADER_BYTES - (payload?.length ?? 0);
  const adapted = adaptationField !== undefined || room > 0;
  bytes[0] = SYNC_BYTE;
  bytes.writeUInt16BE(
    (packet.transportError ? 0x8000 : 0) |
      (packet.payloadUnitStart ? 0x4000 : 0) |
      (packet.priority ? 0x2000 : 0) |
      packet.pid,
    1,
  );
  bytes[3] =
    (packet.scrambling << 6) | (adapted ? 0x20 : 0) | (payload ? 0x10 : 0) | packet.continuityCounter;
  if (adapted) {
    const body = adaptationField ? writeAdaptation(adaptationField) : Buffer.alloc(room > 1 ? 1 : 0);
    if (1 + body.length > room)
      throw new RangeError(
        `adaptation field and payload exceed the packet by ${1 + body.length - room} bytes`,
      );
    bytes[4] = room - 1;
    body.copy(bytes, 5);
  }
  payload?.copy(bytes, TS_PACKET_BYTES - payload.length);
  return bytes;
}

function writeAdaptation(field: AdaptationField): Buffer {
  const { pcr, opcr, spliceCountdown, privateData, extension } = field;
  const flags =
    (field.discontinuity ? 0x80 : 0) |
    (field.randomAccess ? 0x40 : 0) |
    (field.priority ? 0x20 : 0) |
    (pcr !== undefined ? 0x10 : 0) |
    (opcr !== undefined ? 0x08 : 0) |
    (spliceCountdown !== undefined ? 0x04 : 0) |
    (privateData ? 0x02 : 0) |
    (extension ? 0x01 : 0);
  const parts: Buffer[] = [Buffer.of(flags)];
  for (const ticks of [pcr, opcr]) {
    if (ticks === undefined) continue;
    const clock = Buffer.alloc(CLOCK_BYTES);
    writeClock(clock, 0, ticks);
    parts.push(clock);
  }
  if (spliceCountdown !== undefined) parts.push(Buffer.of(spliceCountdown & 0xff));
  for (const body of [privateData, extension]) if (body) parts.push(Buffer.of(body.length), body);
  return Buffer.concat(parts);
}
