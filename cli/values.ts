/** Kinds of values that people type on the command line: durations, rates, addresses. */
import { isIP } from 'node:net';
import { parseMediaAddress, type AddressFault, type MediaAddress } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import { parseFecSetting, type FecSetting, type FecSettingFault } from '../wire/fec/fec-setting.ts';

/** A kind of value: how its text is read, and what to say when it cannot be. */
export interface ValueType<T> {
  /** What is right, to stand behind "expected": `a duration such as 200ms, 10s or 1h`. */
  readonly expected: string;
  /** The value, or `undefined` when the text is none. Throws `LancastError` where more than that can be told. */
  parse(text: string): T | undefined;
}

/** Any text but the empty one. */
export const text: ValueType<string> = {
  expected: 'a text',
  parse: (typed) => (typed === '' ? undefined : typed),
};

/** Whole numbers from `min` to `max`, both included. */
export function integer(min: number, max: number): ValueType<number> {
  return {
    expected: `a whole number from ${min} to ${max}`,
    parse(typed) {
      const value = /^\d{1,15}$/.test(typed) ? Number(typed) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

/** One of some words. */
export function oneOf<Word extends string>(...words: readonly Word[]): ValueType<Word> {
  return { expected: words.join(' or '), parse: (typed) => words.find((word) => word === typed) };
}

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
};

/** Durations from `minMs` to `maxMs`, in milliseconds. A bare number counts seconds. */
export function duration(minMs: number, maxMs: number): ValueType<number> {
  return {
    expected: `a duration such as 200ms, 10s, 5m or 1h, from ${minMs} ms to ${maxMs / 1000} s`,
    parse(typed) {
      const [, digits, unit = 's'] = /^(\d+(?:\.\d+)?)([a-z]+)?$/i.exec(typed) ?? [];
      const ms = Number(digits) * (MS_PER_UNIT[unit.toLowerCase()] ?? Number.NaN);
      return ms >= minMs && ms <= maxMs ? ms : undefined;
    },
  };
}

const BITS_PER_UNIT: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9 };

/** Rates in bits per second: `8M`, `500k`, `1.5Mbit/s`. */
export const bitrate: ValueType<number> = {
  expected: 'a rate such as 500k, 8M or 1.5M (bits per second), from 10k to 10G',
  parse(typed) {
    const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)([kmg])?(?:b(?:it)?(?:\/s|ps)?)?$/i.exec(typed) ?? [];
    const rate = Number(digits) * (BITS_PER_UNIT[unit.toLowerCase()] ?? Number.NaN);
    return rate >= 1e4 && rate <= 1e10 ? Math.round(rate) : undefined;
  },
};

/** Hops, 1 to 255. */
export const ttl: ValueType<number> = {
  expected: 'a whole number of hops from 1 to 255',
  parse(typed) {
    if (/^0+$/.test(typed)) throw new LancastError('E106', 'TTL 0 would keep the stream inside this machine');
    return integer(1, 255).parse(typed);
  },
};

/** Differentiated services code points, 0 to 63: by number, or by the names of RFC 2474, RFC 2597 and RFC 3246. */
export const dscp: ValueType<number> = {
  expected: 'a name such as AF41, EF or CS5, or a whole number from 0 to 63',
  parse(typed) {
    const [name, selector, level, drop] = /^(?:cs([0-7])|af([1-4])([1-3])|ef)$/i.exec(typed) ?? [];
    if (name === undefined) return integer(0, 63).parse(typed);
    if (selector !== undefined) return 8 * Number(selector);
    return level === undefined ? 46 : 8 * Number(level) + 2 * Number(drop);
  },
};

/** What is wrong with an address, in words. */
export const ADDRESS_FAULTS: Readonly<Record<AddressFault, string>> = {
  empty: 'it is empty',
  'unknown-scheme': 'only rtp://, udp://, seq:// and copy:// are known, and copy:// by send and record alone',
  'source-in-address': 'the sender belongs into --from, not before the @',
  'zone-in-address': 'the network card belongs into --iface, not behind a %',
  name: 'names are not looked up; an IPv4 or IPv6 address is needed',
  'bad-address': 'that is neither an IPv4 nor an IPv6 address',
  'bad-port': 'the port must be a whole number from 1 to 65535',
  'many-receivers': 'copy:// goes to one PC, not to a group',
  'odd-port': 'RTP needs an even port, because the next one is for its reports',
};

/** Where a stream goes to or comes from. `@` before a unicast address is refused: people mean a group by it. */
export const address: ValueType<MediaAddress> = {
  expected: 'an address such as rtp://239.255.1.1:5004',
  parse(typed) {
    const parsed = parseMediaAddress(typed);
    if (typeof parsed === 'string') {
      throw new LancastError('E001', `${typed || '""'}: ${ADDRESS_FAULTS[parsed]}`);
    }
    if (parsed.scope === 'unicast' && typed.includes('@')) {
      throw new LancastError('E104', `${parsed.address} is not a multicast group`, {
        address: parsed.address,
      });
    }
    return parsed;
  },
};

/** A second path of a stream: another address, another network card, or both. What is absent is as on the first path. */
export interface PathValue {
  address: MediaAddress | undefined;
  /** By name or address. */
  iface: string | undefined;
}

/** An address and a card behind an `@`; the `@` of `rtp://@239.255.1.1` is a part of the address. */
const ADDRESS_ON_CARD = /^(.*[^/@])@([^@]+)$/;

/**
 * Second paths: `rtp://239.255.1.2:5014`, `eth1`, `rtp://239.255.1.2:5014@eth1`. What has a scheme or a port, or is a group, is an
 * address; every other text is a card.
 */
export const path2: ValueType<PathValue> = {
  expected: 'an address such as rtp://239.255.1.2:5014, a network card such as eth1, or both: ADDRESS@CARD',
  parse(typed) {
    const [, before, card] = ADDRESS_ON_CARD.exec(typed) ?? [];
    if (before !== undefined) return { address: address.parse(before), iface: card };
    if (typed === '' || typed.includes('://')) return { address: address.parse(typed), iface: undefined };
    const parsed = parseMediaAddress(typed);
    const isPlace = typeof parsed !== 'string' && (parsed.scope !== 'unicast' || isIP(typed) === 0);
    return isPlace
      ? { address: address.parse(typed), iface: undefined }
      : { address: undefined, iface: typed };
  },
};

/** A numeric IPv4 or IPv6 address. */
export const ipAddress: ValueType<string> = {
  expected: 'an IPv4 or IPv6 address',
  parse: (typed) => (isIP(typed) === 0 ? undefined : typed),
};

/** A network, or one address: whose first `prefix` bits count. */
export interface NetworkValue {
  address: string;
  prefix: number;
  family: 'ipv4' | 'ipv6';
}

/** Networks: `192.168.1.0/24`, `fd00::/8`, `10.0.0.5`. */
export const network: ValueType<NetworkValue> = {
  expected: 'a network such as 192.168.1.0/24, or one address',
  parse(typed) {
    const [, address = '', digits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(typed) ?? [];
    const bits = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0;
    const prefix = digits === undefined ? bits : Number(digits);
    if (bits === 0 || prefix > bits) return undefined;
    return { address, prefix, family: bits === 32 ? 'ipv4' : 'ipv6' };
  },
};

/** Shares: `35%` is 0.35, and so is `0.35`. */
export const share: ValueType<number> = {
  expected: 'a share such as 35% or 0.35, from 0 to 100%',
  parse(typed) {
    const [, digits, percent] = /^(\d+(?:\.\d+)?)(%)?$/.exec(typed) ?? [];
    const value = Number(digits) / (percent === undefined ? 1 : 100);
    return value <= 1 ? value : undefined;
  },
};

const FEC_FAULTS: Readonly<Record<FecSettingFault, string>> = {
  'unknown-scheme': 'it begins with neither 2022: nor rs:',
  'bad-form': 'after 2022: there are columns x rows, after rs: source packets, repair packets',
  'bad-columns': 'there are 1 to 20 columns, and 4 to 20 when rows are protected too',
  'bad-rows': 'there are 4 to 20 rows',
  'too-large': 'columns times rows are at most 100',
  'no-shards': 'a block needs at least one packet of each kind',
  'too-many-shards': 'a block has at most 255 packets',
  'too-far-apart': 'its packets lie too far apart',
};

/** How a stream is protected: `2022:10x5`, `2022:10x5+rows`, `rs:20,5`, `rs:20,5,4`, `auto`. */
export const fec: ValueType<FecSetting | 'auto'> = {
  expected:
    'auto, columns x rows such as 2022:10x5 or 2022:10x5+rows, or Reed-Solomon blocks such as rs:20,5',
  parse(typed) {
    if (typed === 'auto') return 'auto';
    const setting = parseFecSetting(typed);
    if (typeof setting !== 'string') return setting;
    throw new LancastError('E001', `${typed || '""'}: ${FEC_FAULTS[setting]}`);
  },
};

/** A local HTTP address: `127.0.0.1:1316`, `[::1]:0`, `:8080` (on 127.0.0.1). */
export const httpAddress: ValueType<{ host: string; port: number }> = {
  expected: 'an address and port of this machine, such as 127.0.0.1:1316 (port 0: any free one)',
  parse(typed) {
    const [, bracketed, plain, digits = ''] = /^(?:\[([0-9a-f:.]+)\]|([\d.]*)):(\d{1,5})$/i.exec(typed) ?? [];
    const host = bracketed ?? (plain === '' ? '127.0.0.1' : plain);
    const port = Number(digits);
    return host === undefined || digits === '' || isIP(host) === 0 || port > 65_535
      ? undefined
      : { host, port };
  },
};

/** 0 (each datagram at its own time) or 0.5 to 10 ms. */
export const quantum: ValueType<number> = {
  expected: '0, or a duration from 0.5ms to 10ms',
  parse: (typed) => (/^0(ms|s)?$/i.test(typed) ? 0 : duration(0.5, 10).parse(typed)),
};
