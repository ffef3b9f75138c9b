/**
 * What stands behind the header of the datagrams of `copy://` (`wire/copy.ts`), kind by kind. Numbers are big-endian.
 *
 *     offer      bytes 8, flags 1 (1: begin anew), length of the cookie 1 (0 or 16), cookie, name (UTF-8, the rest)
 *     challenge  cookie 16
 *     accept     window 4, SHA-256 32
 *     wait       reason 1
 *     ack        window 4, unwritten 4, delay 4, oldest 4, runs (LEB128 each, the rest)
 *     finish     SHA-256 32
 *     done       name (UTF-8)
 *     end        reason 1, detail 8
 *     unknown    nothing
 */
import { Buffer } from 'node:buffer';
/** Why a receiver asks for patience: it looks at what it has, is busy with the same name or too many others, or writes the end. */
export type CopyWait = 'preparing' | 'busy' | 'writing';

/** Why a copy ends without the file. The first three are also said when the other end just stops. */
export type CopyEnd =
  | 'stopped' // by the person at that end
  | 'failed' // by a mistake of that end's program
  | 'silent' // the other end was not heard for too long
  | 'no-space' // `detail`: bytes that are free
  | 'not-writable' // the folder or file may not be written
  | 'disk-failed' // writing or reading failed
  | 'bad-name' // no file can have that name there
  | 'differs'; // what arrived is not what was sent: thrown away

/** What one datagram says. Views into it are valid as long as it is. */
export type CopyBody =
  /** Sender: may a file come? Without a cookie it is answered by a challenge. */
  | { kind: 'offer'; cookie: Buffer; anew: boolean; bytes: number; name: string }
  /** Receiver: 16 bytes to be put into the offer, which show that the sender is where it says. Nothing is remembered. */
  | { kind: 'challenge'; cookie: Buffer }
  /** Receiver: pieces from `index` on are wanted, up to `window` of them. The SHA-256 is that of all bytes before. */
  | { kind: 'accept'; window: number; sha256: Buffer }
  /** Receiver: not yet; ask again. */
  | { kind: 'wait'; reason: CopyWait }
  /** Sender: a piece; an empty one only asks for an acknowledgement. */
  | { kind: 'piece'; transmission: number; payload: Buffer }
  /** Receiver: all pieces before `index` are there. See `CopyAck`. */
  | ({ kind: 'ack' } & CopyAck)
  /** Sender: all is acknowledged; this is the SHA-256 of the file. `index` is the number of pieces. */
  | { kind: 'finish'; sha256: Buffer }
  /** Receiver: the file is whole, safe on the disk, and has this name. */
  | { kind: 'done'; name: string }
  /** Either: this comes to no good end. */
  | { kind: 'end'; reason: CopyEnd; detail: number }
  /** Receiver: it knows of no such connection (any more): offer again. */
  | { kind: 'unknown' };

/** What an acknowledgement tells. */
export interface CopyAck {
  /** So many pieces from `index` on may be sent. */
  window: number;
  /** So many of the pieces before `index` are not yet in the file. */
  unwritten: number;
  /** Microseconds since the newest transmission came. */
  delayUs: number;
  /** Number of a transmission, 32 bits: the runs begin there. */
  oldest: number;
  /** How many transmissions in a row came, did not come, came …; the first may be 0, and the last is of those that came. */
  runs: readonly number[];
}

/** Why a datagram is none of these. */
export type CopyFault =
  | 'too-short'
  | 'bad-magic'
  | 'bad-type'
  | 'bad-index' // more than 2^53 − 1
  | 'bad-length' // too long, or cut off
  | 'bad-name' // not UTF-8, empty, or longer than 255 bytes
  | 'bad-reason'
  | 'bad-runs';

/** Bytes of a file in one datagram; the last piece may be shorter. */
export const PIECE_BYTES = 1316;
export const COOKIE_BYTES = 16;
const SHA256_BYTES = 32;
const OFFER_BYTES = 10;
const ACCEPT_BYTES = 4 + SHA256_BYTES;
const ACK_BYTES = 16;
const END_BYTES = 9;
const MAX_NAME_BYTES = 255;
/** Most bytes of a run's number: 35 bits. */
const MAX_RUN_BYTES = 5;

/** In the order of their numbers on the wire, from 1. */
const WAITS: readonly CopyWait[] = ['preparing', 'busy', 'writing'];
const ENDS: readonly CopyEnd[] = [
  'stopped',
  'failed',
  'silent',
  'no-space',
  'not-writable',
  'disk-failed',
  'bad-name',
  'differs',
];

const decoder = new TextDecoder('utf-8', { fatal: true });

type Kind = Exclude<CopyBody['kind'], 'piece'>;
type Parse = (payload: Buffer) => CopyBody | CopyFault;

const PARSERS: Readonly<Record<Kind, Parse>> = {
  offer: parseOffer,
  challenge: (cookie) => (cookie.length === COOKIE_BYTES ? { kind: 'challenge', cookie } : 'bad-length'),
  accept(payload) {
    if (payload.length !== ACCEPT_BYTES) return 'bad-length';
    return { kind: 'accept', window: payload.readUInt32BE(0), sha256: payload.subarray(4) };
  },
  wait(payload) {
    if (payload.length !== 1) return 'bad-length';
    const reason = WAITS[payload.readUInt8(0) - 1];
    return reason === undefined ? 'bad-reason' : { kind: 'wait', reason };
  },
  ack: parseAck,
  finish: (sha256) => (sha256.length === SHA256_BYTES ? { kind: 'finish', sha256 } : 'bad-length'),
  done(payload) {
    const name = readName(payload);
    return name === undefined ? 'bad-name' : { kind: 'done', name };
  },
  end(payload) {
    if (payload.length !== END_BYTES) return 'bad-length';
    const reason = ENDS[payload.readUInt8(0) - 1];
    const detail = readWide(payload, 1);
    if (detail === undefined) return 'bad-length';
    return reason === undefined ? 'bad-reason' : { kind: 'end', reason, detail };
  },
  unknown: (payload) => (payload.length === 0 ? { kind: 'unknown' } : 'bad-length'),
};

/** Parses what stands behind the header. Views into it are valid as long as it is. */
export function parseCopyPayload(kind: Kind, payload: Buffer): CopyBody | CopyFault {
  if (payload.length > PIECE_BYTES) return 'bad-length';
  return PARSERS[kind](payload);
}

/** Writes what stands behind the header. */
export function writeCopyPayload(body: CopyBody): Buffer {
  switch (body.kind) {
    case 'offer':
      return writeOffer(body);
    case 'challenge':
      return body.cookie;
    case 'accept':
      return Buffer.concat([words(body.window), body.sha256]);
    case 'wait':
      return Buffer.from([1 + WAITS.indexOf(body.reason)]);
    case 'piece':
      return Buffer.concat([words(body.transmission % 2 ** 32), body.payload]);
    case 'ack':
      return writeAck(body);
    case 'finish':
      return body.sha256;
    case 'done':
      return Buffer.from(body.name);
    case 'end':
      return writeEnd(body);
    case 'unknown':
      break;
  }
  return Buffer.alloc(0);
}

/** Reads 64 bits; `undefined` for more than 2^53 − 1. */
export function readWide(bytes: Buffer, at: number): number | undefined {
  const value = bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Writes 64 bits. */
export function writeWide(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  bytes.writeUInt32BE(value % 2 ** 32, at + 4);
}

function parseOffer(payload: Buffer): CopyBody | CopyFault {
  if (payload.length < OFFER_BYTES) return 'too-short';
  const bytes = readWide(payload, 0);
  if (bytes === undefined) return 'bad-index';
  const end = OFFER_BYTES + payload.readUInt8(9);
  const cookie = payload.subarray(OFFER_BYTES, end);
  if (payload.length < end || (cookie.length !== 0 && cookie.length !== COOKIE_BYTES)) return 'bad-length';
  const name = readName(payload.subarray(end));
  if (name === undefined) return 'bad-name';
  return { kind: 'offer', cookie, anew: (payload.readUInt8(8) & 1) !== 0, bytes, name };
}

function writeOffer({ cookie, anew, bytes, name }: Extract<CopyBody, { kind: 'offer' }>): Buffer {
  const head = Buffer.alloc(OFFER_BYTES);
  writeWide(head, bytes, 0);
  head.writeUInt8(anew ? 1 : 0, 8);
  head.writeUInt8(cookie.length, 9);
  return Buffer.concat([head, cookie, Buffer.from(name)]);
}

function parseAck(payload: Buffer): CopyBody | CopyFault {
  if (payload.length < ACK_BYTES) return 'too-short';
  const runs = readRuns(payload);
  if (runs === undefined) return 'bad-runs';
  return {
    kind: 'ack',
    window: payload.readUInt32BE(0),
    unwritten: payload.readUInt32BE(4),
    delayUs: payload.readUInt32BE(8),
    oldest: payload.readUInt32BE(12),
    runs,
  };
}

function writeAck({ window, unwritten, delayUs, oldest, runs }: Extract<CopyBody, { kind: 'ack' }>): Buffer {
  const payload = Buffer.allocUnsafe(ACK_BYTES + runs.length * MAX_RUN_BYTES);
  payload.writeUInt32BE(window, 0);
  payload.writeUInt32BE(unwritten, 4);
  payload.writeUInt32BE(Math.min(delayUs, 2 ** 32 - 1), 8);
  payload.writeUInt32BE(oldest % 2 ** 32, 12);
  let at = ACK_BYTES;
  for (const run of runs) {
    let left = run;
    for (; left > 0x7f; left >>>= 7) payload[at++] = (left & 0x7f) | 0x80;
    payload[at++] = left;
  }
  return payload.subarray(0, at);
}

function writeEnd({ reason, detail }: Extract<CopyBody, { kind: 'end' }>): Buffer {
  const payload = Buffer.alloc(END_BYTES);
  payload.writeUInt8(1 + ENDS.indexOf(reason), 0);
  writeWide(payload, detail, 1);
  return payload;
}

/** The numbers behind the head of an acknowledgement; `undefined` when one is cut off or longer than 32 bits. */
function readRuns(payload: Buffer): number[] | undefined {
  const runs: number[] = [];
  let [run, digits] = [0, 0];
  for (let at = ACK_BYTES; at < payload.length; at++) {
    const byte = payload[at] ?? 0;
    run += (byte & 0x7f) * 2 ** (7 * digits++);
    if (run >= 2 ** 32 || digits > MAX_RUN_BYTES) return undefined;
    if (byte & 0x80) continue;
    runs.push(run);
    [run, digits] = [0, 0];
  }
  return digits === 0 ? runs : undefined;
}

function readName(bytes: Buffer): string | undefined {
  if (bytes.length === 0 || bytes.length > MAX_NAME_BYTES) return undefined;
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined; // not UTF-8
  }
}

function words(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value, 0);
  return bytes;
}
