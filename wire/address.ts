/**
 * Addresses people type: `rtp://239.255.1.1:5004`, `udp://@239.255.1.1:1234`, `seq://[ff15::1]:5004`, `239.255.1.1`.
 *
 * Only numeric addresses: nothing here or behind it asks a name server. The interface is never part of an address
 * (it is an option of its own), so IPv6 zones are refused.
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
  /** Numeric address, without brackets; IPv6 in its shortest form, so that equal addresses are equal strings. */
  address: string;
  /** The media port, 1 to 65535; even for RTP. Default 5004. */
  port: number;
  family: 4 | 6;
  /**
   * `broadcast` is 255.255.255.255 only. Whether another address is the broadcast address of a subnet depends on the
   * interface: `transport/` knows.
   */
  scope: 'multicast' | 'broadcast' | 'unicast';
}

/** Where a file goes to, or comes to, as a whole: `copy://10.0.0.5:5004`, or `copy://:5004` for all addresses of this machine. */
export interface CopyAddress extends Endpoint {
  readonly scheme: 'copy';
  readonly family: 4 | 6;
}

/** Why a text is not an address. */
export type AddressFault =
  | 'empty'
  | 'unknown-scheme' // something other than rtp://, udp:// and seq://
  | 'source-in-address' // source@group: the source is an option of its own
  | 'zone-in-address' // fe80::1%eth0: the interface is an option of its own
  | 'name' // a host name: only numeric addresses are taken
  | 'bad-address' // neither IPv4 nor IPv6
  | 'bad-port' // not a whole number from 1 to 65535
  | 'many-receivers' // copy:// with a group or a broadcast address
  | 'odd-port'; // RTP needs an even port: RTCP has the next one

/** The port of a stream when none is written. */
export const DEFAULT_PORT = 5004;

const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;
const BRACKETED = /^\[([^\]]*)\](?::(.*))?$/s;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const WHOLE_NUMBER = /^[0-9]{1,5}$/;

/** Parses an address as people type it. A bare IPv6 address needs brackets only where a port follows. */
export function parseMediaAddress(text: string): MediaAddress | AddressFault {
  const trimmed = text.trim();
  if (trimmed === '') return 'empty';
  const scheme = SCHEME.exec(trimmed);
  const framing = scheme?.[1]?.toLowerCase();
  if (framing !== undefined && !isFraming(framing)) return 'unknown-scheme';
  const rest = trimmed.slice(scheme ? scheme[0].length : 0).replace(/^@/, '');
  if (rest.includes('@')) return 'source-in-address';

  const { host, portText } = splitHostPort(rest);
  const numeric = parseHost(host);
  if (typeof numeric === 'string') return numeric;
  const port = portText === undefined ? DEFAULT_PORT : parsePort(portText);
  if (port === undefined) return 'bad-port';
  if (framing === 'rtp' && port % 2 === 1) return 'odd-port';
  return { framing, port, ...numeric, scope: scopeOf(numeric.address) };
}

/** Parses a `copy://` address; `undefined` when it has another scheme, or none. */
export function parseCopyAddress(text: string): CopyAddress | AddressFault | undefined {
  const rest = /^copy:\/\/(.*)$/is.exec(text.trim())?.[1];
  if (rest === undefined) return undefined;
  if (rest === '') return 'empty';
  if (rest.includes('@')) return 'source-in-address';
  const { host, portText } = splitHostPort(rest);
  const numeric = parseHost(host === '' ? '0.0.0.0' : host);
  if (typeof numeric === 'string') return numeric;
  if (scopeOf(numeric.address) !== 'unicast') return 'many-receivers';
  const port = portText === undefined ? DEFAULT_PORT : parsePort(portText);
  return port === undefined ? 'bad-port' : { scheme: 'copy', port, ...numeric };
}

/** An address as one may type it, with the scheme when the framing is fixed: `rtp://239.255.1.1:5004`. */
export function formatMediaAddress(address: MediaAddress): string {
  const scheme = address.framing === undefined ? '' : `${address.framing}://`;
  return scheme + formatEndpoint(address);
}

/** `10.0.0.1:5004`, `[fe80::1]:5004`. */
export function formatEndpoint({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** True when both are the same address, written the same way, and the same port. */
export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.address === b.address;
}

/** What a numeric address means on the wire; a subnet's broadcast address counts as unicast here. */
export function scopeOf(address: string): MediaAddress['scope'] {
  if (address === '255.255.255.255') return 'broadcast';
  if (address.includes(':')) return /^ff[0-9a-f]{2}:/.test(address) ? 'multicast' : 'unicast';
  const first = Number.parseInt(address, 10);
  return first >= 224 && first <= 239 ? 'multicast' : 'unicast';
}

/** True for groups that are joined per source: 232/8 and ff3x::/32 (RFC 4607 §1). */
export function isSourceSpecific(address: string): boolean {
  // In ff3x::/32 the second 16 bits are 0: short for `ff3x:0:`, and `ff3x::` stands for at least two zero words.
  return address.startsWith('232.') || /^ff3[0-9a-f]:(?::|0:)/i.test(address);
}

/**
 * True for groups that belong to routers and the link itself and are not for media: 224.0.0.0/24 (RFC 5771 §4), and its
 * twins ff00::/16, ff01::/16 and ff02::/16 (RFC 4291 §2.7.1).
 */
export function isReservedGroup(address: string): boolean {
  return address.startsWith('224.0.0.') || /^ff0[0-2]:/i.test(address);
}

/**
 * The group that belongs to a stream of this name: always the same, in 239.255.0.0/16, the local scope of RFC 2365.
 *
 * Never in 239.255.255.0/24, where announcements go. The form x.0.0.y and x.128.0.y, which switches flood as aliases of
 * 224.0.0.y, cannot come out of this range.
 */
export function groupForName(name: string): string {
  const hash = fnv1a(new TextEncoder().encode(name.normalize('NFC')));
  const folded = (hash >>> 16) ^ (hash & 0xffff);
  return `239.255.${(folded >>> 8) % 255}.${1 + ((folded & 0xff) % 254)}`;
}

function isFraming(scheme: string): scheme is Framing {
  return scheme === 'rtp' || scheme === 'udp' || scheme === 'seq';
}

/** Host and port as written; brackets are kept off, and a bare IPv6 address is all host. */
function splitHostPort(text: string): { host: string; portText: string | undefined } {
  const bracketed = BRACKETED.exec(text);
  if (bracketed) return { host: bracketed[1] ?? '', portText: bracketed[2] };
  const colon = text.indexOf(':');
  if (colon === -1 || colon !== text.lastIndexOf(':')) return { host: text, portText: undefined };
  return { host: text.slice(0, colon), portText: text.slice(colon + 1) };
}

function parsePort(text: string): number | undefined {
  const port = WHOLE_NUMBER.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

function parseHost(host: string): { address: string; family: 4 | 6 } | AddressFault {
  if (IPV4.test(host)) return { address: host, family: 4 };
  if (!host.includes(':')) return /[a-z]/i.test(host) ? 'name' : 'bad-address';
  if (host.includes('%')) return 'zone-in-address';
  // The URL parser knows IPv6 and shortens it; the pattern keeps everything else of a URL out.
  const url = `udp://[${host}]`;
  if (!/^[0-9a-f:.]+$/i.test(host) || !URL.canParse(url)) return 'bad-address';
  return { address: new URL(url).hostname.slice(1, -1), family: 6 };
}

/** 32-bit FNV-1a. */
function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
