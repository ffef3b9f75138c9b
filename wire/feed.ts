/**
 * What the page and the server say to each other over the page's one WebSocket. Used by both, so nothing here is Node's.
 *
 * Binary messages carry media, from server to page: this header, little-endian, and one frame.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |   version 1   |     type      |C|I|D|K|       reserved        |
 *     |                            channel                            |
 *     |             presentation time, signed, microseconds           |
 *     |                                                               |
 *     |               arrival time, signed, microseconds              |
 *     |                                                               |
 *
 * Flags, from the lowest bit: K key frame, D damaged, I discontinuity, C config. Text messages are JSON control.
 */
import type { StreamSnapshot } from './metrics.ts';

/** What a binary message carries: an access unit, an Opus packet, a PCM block or a run of TS packets. */
export type FeedKind = 'au' | 'opus' | 'pcm' | 'ts';

/** The header of a binary message. */
export interface FeedHeader {
  kind: FeedKind;
  /** Decoding can start here. */
  key: boolean;
  /** Something in it, or between it and the frame before, was lost. */
  damaged: boolean;
  /** The media clock jumps here. */
  discontinuity: boolean;
  /** It carries what a decoder must know first (SPS and PPS, OpusHead, PAT and PMT). */
  config: boolean;
  /** The channel of the page's `subscribe`, 32 bits. */
  channel: number;
  /** Presentation time by the programme clock, unwrapped, in whole microseconds (within ±2^53). */
  ptsUs: number;
  /** When its last datagram arrived: the server's monotonic clock in whole microseconds (within ±2^53). */
  arrivalUs: number;
}

/** A binary message. `body` is a view into the message. */
export interface FeedFrame extends FeedHeader {
  body: Uint8Array;
}

/** Why a binary message is not one of ours. */
export type FeedFault = 'too-short' | 'bad-version' | 'bad-type' | 'bad-time';

/** Bytes before the frame. */
export const FEED_HEADER_BYTES = 24;

const VERSION = 1;
const KINDS: readonly (FeedKind | undefined)[] = [undefined, 'au', 'opus', 'pcm', 'ts'];
const KEY = 1;
const DAMAGED = 2;
const DISCONTINUITY = 4;
const CONFIG = 8;

/** Writes the header into the first 24 bytes of `into`; the frame follows behind it. */
export function writeFeedHeader(header: FeedHeader, into: Uint8Array): void {
  const view = new DataView(into.buffer, into.byteOffset, FEED_HEADER_BYTES);
  const flags =
    (header.key ? KEY : 0) |
    (header.damaged ? DAMAGED : 0) |
    (header.discontinuity ? DISCONTINUITY : 0) |
    (header.config ? CONFIG : 0);
  view.setUint8(0, VERSION);
  view.setUint8(1, KINDS.indexOf(header.kind));
  view.setUint16(2, flags, true);
  view.setUint32(4, header.channel, true);
  writeInt64(view, 8, header.ptsUs);
  writeInt64(view, 16, header.arrivalUs);
}

/** Parses a binary message. Flags that are not known yet are ignored. */
export function parseFeedFrame(message: Uint8Array): FeedFrame | FeedFault {
  if (message.length < FEED_HEADER_BYTES) return 'too-short';
  const view = new DataView(message.buffer, message.byteOffset, FEED_HEADER_BYTES);
  if (view.getUint8(0) !== VERSION) return 'bad-version';
  const kind = KINDS[view.getUint8(1)];
  if (kind === undefined) return 'bad-type';
  const ptsUs = readInt64(view, 8);
  const arrivalUs = readInt64(view, 16);
  if (!Number.isSafeInteger(ptsUs) || !Number.isSafeInteger(arrivalUs)) return 'bad-time';
  const flags = view.getUint16(2, true);
  return {
    kind,
    key: (flags & KEY) !== 0,
    damaged: (flags & DAMAGED) !== 0,
    discontinuity: (flags & DISCONTINUITY) !== 0,
    config: (flags & CONFIG) !== 0,
    channel: view.getUint32(4, true),
    ptsUs,
    arrivalUs,
    body: message.subarray(FEED_HEADER_BYTES),
  };
}

// Two halves instead of BigInt: exact within ±2^53, and nothing is allocated.
function writeInt64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % 2 ** 32, true);
  view.setInt32(offset + 4, Math.floor(value / 2 ** 32), true);
}

function readInt64(view: DataView, offset: number): number {
  return view.getInt32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
}

/** What a page uses up before it says so (`credit`): a quarter of what may be under way to it. */
export const CREDIT_STEP_BYTES = 256 * 1024;

/** How a stream is delivered: as runs of TS, as access units, or as key frames only, at most one a second. */
export type FeedMode = 'ts' | 'au' | 'keyframes';

/** What a channel delivers. */
export interface Subscription {
  /** `id` of the stream's snapshot. */
  stream: string;
  mode: FeedMode;
  /** PID of one elementary stream; absent: the whole programme, or its video in `keyframes` mode. */
  track?: number;
}

/** What the page says. */
export type ClientMessage =
  /** The page numbers its channels itself, 0 to 2^32-1; one that is in use is refused. */
  | ({ type: 'subscribe'; channel: number } & Subscription)
  | { type: 'unsubscribe'; channel: number }
  /** The page has used up so many bytes of the channel: the server may send as many more. */
  | { type: 'credit'; channel: number; bytes: number };

/** Why a channel is over: its stream ended, left the server's list, or the page asked for it. */
export type CloseReason = 'ended' | 'removed' | 'unsubscribed';

/** What the server says. */
export type ServerMessage =
  /** The answer to `subscribe`, before the channel's first frame. */
  | ({ type: 'subscribed'; channel: number } & Subscription)
  /** `code` is stable and for programs, `message` is for people; `channel` when it is about one. */
  | { type: 'error'; code: string; message: string; channel?: number }
  /**
   * The channel's picture stands still from the next frame on, or moves again. `lostDatagrams`: since it stands still; 0 when the hole
   * was in the stream already, and when it moves.
   */
  | { type: 'picture'; channel: number; frozen: boolean; lostDatagrams: number }
  /** All streams, once a second. */
  | { type: 'streams'; streams: StreamSnapshot[] }
  /** The channel's last message. */
  | { type: 'closed'; channel: number; reason: CloseReason };

/** Why a text message is not one of ours; `bad-…` names the field. */
export type FeedMessageFault =
  | 'not-json'
  | 'not-an-object'
  | 'unknown-type'
  | 'bad-channel'
  | 'bad-stream'
  | 'bad-mode'
  | 'bad-track'
  | 'bad-bytes'
  | 'bad-code'
  | 'bad-message'
  | 'bad-streams'
  | 'bad-reason'
  | 'bad-picture';

/** A control message as text. */
export function writeFeedMessage(message: ClientMessage | ServerMessage): string {
  return JSON.stringify(message);
}

/** Parses what a page sent: anybody's text. Fields that are not known are left out. */
export function parseClientMessage(text: string): ClientMessage | FeedMessageFault {
  const fields = parseFields(text);
  if (typeof fields === 'string') return fields;
  const { type, channel, bytes } = fields;
  if (type !== 'subscribe' && type !== 'unsubscribe' && type !== 'credit') return 'unknown-type';
  if (!isUint32(channel)) return 'bad-channel';
  if (type === 'subscribe') {
    const subscription = parseSubscription(fields);
    return typeof subscription === 'string' ? subscription : { type, channel, ...subscription };
  }
  if (type === 'unsubscribe') return { type, channel };
  if (!isUint32(bytes) || bytes === 0) return 'bad-bytes';
  return { type, channel, bytes };
}

/** Parses what the server sent. Snapshots are trusted to be whole: they come from the server that sent the page. */
export function parseServerMessage(text: string): ServerMessage | FeedMessageFault {
  const fields = parseFields(text);
  if (typeof fields === 'string') return fields;
  const { type, channel, reason, streams } = fields;
  if (type === 'error') return serverError(fields);
  if (type === 'streams') return isSnapshots(streams) ? { type, streams } : 'bad-streams';
  if (type !== 'subscribed' && type !== 'closed' && type !== 'picture') return 'unknown-type';
  if (!isUint32(channel)) return 'bad-channel';
  if (type === 'picture') return serverPicture(channel, fields);
  if (type === 'subscribed') {
    const subscription = parseSubscription(fields);
    return typeof subscription === 'string' ? subscription : { type, channel, ...subscription };
  }
  return isCloseReason(reason) ? { type, channel, reason } : 'bad-reason';
}

type Fields = Readonly<Record<string, unknown>>;

function parseFields(text: string): Fields | FeedMessageFault {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'not-json';
  }
  return isFields(value) ? value : 'not-an-object';
}

function parseSubscription({ stream, mode, track }: Fields): Subscription | FeedMessageFault {
  if (typeof stream !== 'string' || stream === '') return 'bad-stream';
  if (!isMode(mode)) return 'bad-mode';
  if (track === undefined) return { stream, mode };
  return isPid(track) ? { stream, mode, track } : 'bad-track';
}

function serverPicture(channel: number, { frozen, lostDatagrams }: Fields): ServerMessage | FeedMessageFault {
  if (typeof frozen !== 'boolean' || !isUint32(lostDatagrams)) return 'bad-picture';
  return { type: 'picture', channel, frozen, lostDatagrams };
}

function serverError({ code, message, channel }: Fields): ServerMessage | FeedMessageFault {
  if (typeof code !== 'string') return 'bad-code';
  if (typeof message !== 'string') return 'bad-message';
  if (channel === undefined) return { type: 'error', code, message };
  return isUint32(channel) ? { type: 'error', code, message, channel } : 'bad-channel';
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isUint32(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 32;
}

function isPid(value: unknown): value is number {
  return isUint32(value) && value < 0x2000;
}

function isMode(value: unknown): value is FeedMode {
  return value === 'ts' || value === 'au' || value === 'keyframes';
}

function isCloseReason(value: unknown): value is CloseReason {
  return value === 'ended' || value === 'removed' || value === 'unsubscribed';
}

function isSnapshots(value: unknown): value is StreamSnapshot[] {
  return Array.isArray(value) && value.every((item) => isFields(item) && typeof item['id'] === 'string');
}
