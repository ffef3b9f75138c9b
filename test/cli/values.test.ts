import { describe, expect, it } from 'vitest';
import {
  address,
  bitrate,
  dscp,
  duration,
  fec,
  httpAddress,
  integer,
  ipAddress,
  network,
  path2,
  quantum,
  share,
  text,
  ttl,
  type ValueType,
} from '../../cli/values.ts';
import type { MediaAddress } from '../../wire/address.ts';
import { LancastError } from '../../wire/errors.ts';

/** An address that carries RTP. */
function rtp(host: string, port: number, scope: 'multicast' | 'unicast'): MediaAddress {
  return { framing: 'rtp', address: host, port, family: host.includes(':') ? 6 : 4, scope };
}

const group = rtp('239.255.1.2', 5014, 'multicast');

const aDay = duration(0, 86_400_000);

const accepted: [name: string, type: ValueType<unknown>, typed: string, value: unknown][] = [
  ['milliseconds', aDay, '200ms', 200],
  ['seconds', aDay, '10s', 10_000],
  ['minutes', aDay, '1.5m', 90_000],
  ['minutes in full', aDay, '2min', 120_000],
  ['hours', aDay, '1h', 3_600_000],
  ['a bare number as seconds', aDay, '5', 5000],
  ['capital units', aDay, '10S', 10_000],
  ['megabits', bitrate, '8M', 8_000_000],
  ['kilobits', bitrate, '500k', 500_000],
  ['bits', bitrate, '64000', 64_000],
  ['a rate with its unit', bitrate, '1.5Mbit/s', 1_500_000],
  ['a rate as others write it', bitrate, '2Mbps', 2_000_000],
  ['the lowest integer', integer(1, 9), '1', 1],
  ['the highest integer', integer(1, 9), '9', 9],
  ['one hop', ttl, '1', 1],
  ['all hops', ttl, '255', 255],
  ['an IPv4 address', ipAddress, '10.0.0.1', '10.0.0.1'],
  ['an IPv6 address', ipAddress, 'fe80::1', 'fe80::1'],
  ['a local HTTP address', httpAddress, '127.0.0.1:1316', { host: '127.0.0.1', port: 1316 }],
  ['any free HTTP port', httpAddress, '127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
  ['an HTTP port alone', httpAddress, ':8080', { host: '127.0.0.1', port: 8080 }],
  ['a local HTTP address of IPv6', httpAddress, '[::1]:80', { host: '::1', port: 80 }],
  ['no quantum', quantum, '0', 0],
  ['no quantum with a unit', quantum, '0ms', 0],
  ['a quantum', quantum, '5ms', 5],
  ['a class by its number', dscp, '63', 63],
  ['no class', dscp, '0', 0],
  ['the class of video', dscp, 'AF41', 34],
  ['the lowest assured class', dscp, 'af11', 10],
  ['the highest assured class', dscp, 'AF43', 38],
  ['the class of voice', dscp, 'ef', 46],
  ['a class selector', dscp, 'CS5', 40],
  ['the default class selector', dscp, 'cs0', 0],
  ['a text', text, 'Lobby', 'Lobby'],
  ['a share in percent', share, '35%', 0.35],
  ['a share', share, '0.5', 0.5],
  ['all', share, '100%', 1],
  ['nothing', share, '0', 0],
  ['a network', network, '192.168.1.0/24', { address: '192.168.1.0', prefix: 24, family: 'ipv4' }],
  ['a network of IPv6', network, 'fd00::/8', { address: 'fd00::', prefix: 8, family: 'ipv6' }],
  ['a network of one', network, '10.0.0.5', { address: '10.0.0.5', prefix: 32, family: 'ipv4' }],
  ['FEC by columns', fec, '2022:10x5', { kind: '2022', matrix: { columns: 10, rows: 5, rowPackets: false } }],
  [
    'FEC by blocks',
    fec,
    'rs:20,5,4',
    { kind: 'rs', shape: { dataShards: 20, parityShards: 5, interleave: 4 } },
  ],
  ['FEC that adapts', fec, 'auto', 'auto'],
  ['a path by its group', path2, 'rtp://239.255.1.2:5014', { address: group, iface: undefined }],
  ['a path by its group with an @', path2, 'rtp://@239.255.1.2:5014', { address: group, iface: undefined }],
  ['a path by its card', path2, 'eth1', { address: undefined, iface: 'eth1' }],
  ['a path by its own address', path2, '10.0.0.5', { address: undefined, iface: '10.0.0.5' }],
  ['a path by its own address of IPv6', path2, 'fe80::1', { address: undefined, iface: 'fe80::1' }],
  ['a path by group and card', path2, 'rtp://239.255.1.2:5014@eth1', { address: group, iface: 'eth1' }],
  [
    'a path by group, with an @, and address of the card',
    path2,
    'rtp://@239.255.1.2:5014@10.0.0.5',
    { address: group, iface: '10.0.0.5' },
  ],
  [
    'a path to a PC by a card',
    path2,
    'rtp://[fd00::7]:5004@eth1',
    { address: rtp('fd00::7', 5004, 'unicast'), iface: 'eth1' },
  ],
  [
    'a path by a bare group',
    path2,
    '239.255.1.2',
    { address: { ...group, framing: undefined, port: 5004 }, iface: undefined },
  ],
  [
    'a path by host and port',
    path2,
    '10.0.0.5:5014',
    { address: { ...rtp('10.0.0.5', 5014, 'unicast'), framing: undefined }, iface: undefined },
  ],
];
const refused: [name: string, type: ValueType<unknown>, typed: string][] = [
  ['a duration without digits', aDay, 'soon'],
  ['a unit that is none', aDay, '5x'],
  ['a negative duration', aDay, '-5s'],
  ['a duration that is too long', aDay, '25h'],
  ['an empty duration', aDay, ''],
  ['a rate of nothing', bitrate, '0'],
  ['a rate below 10k', bitrate, '9k'],
  ['a rate above 10G', bitrate, '11G'],
  ['a rate with two units', bitrate, '8MM'],
  ['an integer below', integer(1, 9), '0'],
  ['an integer above', integer(1, 9), '10'],
  ['a fraction', integer(1, 9), '1.5'],
  ['256 hops', ttl, '256'],
  ['a host name', ipAddress, 'localhost'],
  ['an HTTP address without a port', httpAddress, '127.0.0.1'],
  ['an HTTP name', httpAddress, 'localhost:80'],
  ['an HTTP port above 65535', httpAddress, '127.0.0.1:65536'],
  ['a quantum below 0.5 ms', quantum, '0.4ms'],
  ['a quantum above 10 ms', quantum, '11ms'],
  ['a class above 63', dscp, '64'],
  ['an assured class of no drop precedence', dscp, 'AF44'],
  ['an assured class that is none', dscp, 'AF51'],
  ['a class selector above 7', dscp, 'CS8'],
  ['a class with more behind it', dscp, 'EF1'],
  ['an empty text', text, ''],
  ['a share above all', share, '101%'],
  ['a share that is no number', share, 'half'],
  ['a network by its name', network, 'home/24'],
  ['a network of IPv4 with 33 bits', network, '10.0.0.0/33'],
  ['a network without bits behind its slash', network, '10.0.0.0/'],
];
const thrown: [name: string, type: ValueType<unknown>, typed: string, code: string][] = [
  ['TTL 0', ttl, '0', 'E106'],
  ['TTL 00', ttl, '00', 'E106'],
  ['@ before a unicast address', address, 'udp://@10.0.0.5:5004', 'E104'],
  ['a foreign scheme', address, 'http://239.1.1.1:5004', 'E001'],
  ['a host name as address', address, 'rtp://example.org:5004', 'E001'],
  ['an odd RTP port', address, 'rtp://239.1.1.1:5005', 'E001'],
  ['an empty address', address, '', 'E001'],
  ['FEC that is not known', fec, 'ldpc:3,4', 'E001'],
  ['FEC of three rows', fec, '2022:10x3', 'E001'],
  ['FEC of a matrix that is too large', fec, '2022:20x20', 'E001'],
  ['FEC of rows with three columns', fec, '2022:3x5+rows', 'E001'],
  ['FEC of blocks that are too large', fec, 'rs:250,6', 'E001'],
  ['FEC of blocks without repair packets', fec, 'rs:10,0', 'E001'],
  ['FEC of blocks without a comma', fec, 'rs:10', 'E001'],
  ['no FEC at all', fec, '', 'E001'],
  ['an empty path', path2, '', 'E001'],
  ['a path by a foreign scheme', path2, 'http://239.1.1.1:5004', 'E001'],
  ['a path by a group without a card behind its @', path2, 'rtp://239.1.1.1:5004@', 'E001'],
  ['a path with @ before a unicast address', path2, 'rtp://@10.0.0.5:5004', 'E104'],
];

describe('values', () => {
  for (const [name, type, typed, value] of accepted) {
    it(`reads ${name}`, () => expect(type.parse(typed)).toEqual(value));
  }
  for (const [name, type, typed] of refused) {
    it(`refuses ${name}`, () => expect(type.parse(typed)).toBeUndefined());
  }
  for (const [name, type, typed, code] of thrown) {
    it(`says what is wrong with ${name}`, () => {
      expect(() => type.parse(typed)).toThrow(expect.objectContaining({ name: LancastError.name, code }));
    });
  }
  it('takes an @ before a group as if it were not there', () => {
    expect(address.parse('udp://@239.1.1.1:1234')).toEqual(address.parse('udp://239.1.1.1:1234'));
  });
});
