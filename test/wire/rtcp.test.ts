import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isRtcp,
  parseRtcp,
  writeRtcp,
  type ReportBlock,
  type RtcpFault,
  type RtcpPacket,
} from '../../wire/rtcp.ts';
import { anyBytes, damaged, hex, prefixes } from '../helpers/bytes.ts';

fc.configureGlobal({ seed: 3611 });

const BLOCK: ReportBlock = {
  ssrc: 9,
  fractionLost: 64,
  cumulativeLost: 5,
  highestSequence: 0x0001_fffe,
  jitter: 7,
  lastSr: 0xb705_2000,
  delaySinceLastSr: 0x0005_4000,
};
const BLOCK_HEX = '00000009 40 000005 0001fffe 00000007 b7052000 00054000';
const RR: RtcpPacket = { kind: 'rr', ssrc: 1, reports: [] };
const RR_HEX = '80 c9 0001 00000001';

/** Compounds as they stand on the wire; parsed and written. */
const COMPOUNDS: [name: string, datagram: string, packets: RtcpPacket[]][] = [
  ['an empty receiver report', RR_HEX, [RR]],
  ['a receiver report', `81 c9 0007 00000001 ${BLOCK_HEX}`, [{ ...RR, reports: [BLOCK] }]],
  [
    'more duplicates than losses',
    '81 c9 0007 00000001 00000009 00 ffffff 00000000 00000000 00000000 00000000',
    [
      {
        ...RR,
        reports: [
          {
            ssrc: 9,
            fractionLost: 0,
            cumulativeLost: -1,
            highestSequence: 0,
            jitter: 0,
            lastSr: 0,
            delaySinceLastSr: 0,
          },
        ],
      },
    ],
  ],
  [
    'a sender report with two blocks',
    `82 c8 0012 00000001 e0000000 80000000 0000000a 0000000b 0000000c ${BLOCK_HEX} ${BLOCK_HEX}`,
    [
      {
        kind: 'sr',
        ssrc: 1,
        ntp: { seconds: 0xe000_0000, fraction: 2 ** 31 },
        rtpTimestamp: 10,
        packetCount: 11,
        octetCount: 12,
        reports: [BLOCK, BLOCK],
      },
    ],
  ],
  [
    'a name that fills its words, so that four zeros follow',
    `${RR_HEX} 81 ca 0003 00000001 01 02 6162 00000000`,
    [RR, { kind: 'sdes', chunks: [{ ssrc: 1, cname: 'ab' }] }],
  ],
  [
    'two sources that name themselves',
    `${RR_HEX} 82 ca 0007 00000001 01 03 614062 02 01 63 06 01 64 00 00000002 01 02 c3a9 00000000`,
    [
      RR,
      {
        kind: 'sdes',
        chunks: [
          { ssrc: 1, cname: 'a@b', name: 'c', tool: 'd' },
          { ssrc: 2, cname: 'é' },
        ],
      },
    ],
  ],
  ['nobody naming himself', `${RR_HEX} 80 ca 0000`, [RR, { kind: 'sdes', chunks: [] }]],
  [
    'a source without any name',
    `${RR_HEX} 81 ca 0002 00000001 00000000`,
    [RR, { kind: 'sdes', chunks: [{ ssrc: 1 }] }],
  ],
  ['a goodbye', `${RR_HEX} 81 cb 0001 00000001`, [RR, { kind: 'bye', ssrcs: [1] }]],
  [
    'a goodbye of two, with the reason',
    `${RR_HEX} 82 cb 0004 00000001 00000002 04 66696c 6d 000000`,
    [RR, { kind: 'bye', ssrcs: [1, 2], reason: 'film' }],
  ],
  ['a goodbye of nobody', `${RR_HEX} 80 cb 0000`, [RR, { kind: 'bye', ssrcs: [] }]],
  [
    'an application packet',
    `${RR_HEX} 85 cc 0003 00000001 4c414e43 01020304`,
    [RR, { kind: 'app', ssrc: 1, name: 'LANC', subtype: 5, data: hex('01020304') }],
  ],
  [
    'an application packet without data',
    `${RR_HEX} 80 cc 0002 00000001 4c414e43`,
    [RR, { kind: 'app', ssrc: 1, name: 'LANC', subtype: 0, data: hex('') }],
  ],
  [
    'feedback, which it does not know',
    `${RR_HEX} 81 cd 0003 00000001 00000009 00010000`,
    [RR, { kind: 'unknown', packetType: 205, count: 1, body: hex('00000001 00000009 00010000') }],
  ],
];

describe('parseRtcp', () => {
  for (const [name, datagram, packets] of COMPOUNDS) {
    it(`reads ${name}`, () => expect(parseRtcp(hex(datagram))).toEqual(packets));
  }

  const tolerated: [name: string, datagram: string, packets: RtcpPacket[]][] = [
    ['padding at the end', `${RR_HEX} a1 cb 0002 00000001 00000004`, [RR, { kind: 'bye', ssrcs: [1] }]],
    ["a profile's extension of the report", '80 c9 0002 00000001 aabbccdd', [RR]],
    [
      'items it does not know',
      `${RR_HEX} 81 ca 0004 00000001 08 04 01026161 01 01 62 000000`,
      [RR, { kind: 'sdes', chunks: [{ ssrc: 1, cname: 'b' }] }],
    ],
    [
      'a text that is not UTF-8',
      `${RR_HEX} 81 ca 0002 00000001 01 01 ff 00`,
      [RR, { kind: 'sdes', chunks: [{ ssrc: 1, cname: '\ufffd' }] }],
    ],
  ];
  for (const [name, datagram, packets] of tolerated) {
    it(`puts up with ${name}`, () => expect(parseRtcp(hex(datagram))).toEqual(packets));
  }

  const faults: [name: string, datagram: string, fault: RtcpFault][] = [
    ['an empty datagram', '', 'too-short'],
    ['half a header', '80 c9', 'too-short'],
    ['a packet longer than the datagram', '80 c9 0002 00000001', 'too-short'],
    ['half a header behind a packet', `${RR_HEX} 80 cb`, 'too-short'],
    ['a second packet longer than the datagram', `${RR_HEX} 81 cb 0002 00000001`, 'too-short'],
    ['version 1', '40 c9 0001 00000001', 'bad-version'],
    ['version 3 in the second packet', `${RR_HEX} c0 c9 0001 00000001`, 'bad-version'],
    ['a lone goodbye', '81 cb 0001 00000001', 'not-compound'],
    ['lone feedback', '81 cd 0003 00000001 00000009 00010000', 'not-compound'],
    ['an RTP packet', '80 21 0001 00000002 00000003', 'not-compound'],
    ['padding in the first packet', 'a0 c9 0002 00000001 00000004', 'bad-padding'],
    ['padding before the last packet', `${RR_HEX} a0 c9 0002 00000001 00000004 ${RR_HEX}`, 'bad-padding'],
    ['padding of 0', `${RR_HEX} a0 cb 0001 00000000`, 'bad-padding'],
    ['padding that is not in words', `${RR_HEX} a0 cb 0001 00000003`, 'bad-padding'],
    ['padding longer than its packet', `${RR_HEX} a0 cb 0001 00000008`, 'bad-padding'],
    ['more packets than anybody sends', RR_HEX.repeat(33), 'too-many'],
    ['a receiver report without SSRC', '80 c9 0000', 'bad-report'],
    ['a receiver report that lacks a block', `82 c9 0007 00000001 ${BLOCK_HEX}`, 'bad-report'],
    [
      'a sender report that lacks its figures',
      '80 c8 0005 00000001 00 00000000000000 00000000 0000000a 0000000b',
      'bad-report',
    ],
    [
      'a sender report that lacks a block',
      '81 c8 0006 00000001 e0000000 80000000 0000000a 0000000b 0000000c',
      'bad-report',
    ],
    ['a source description that lacks a chunk', `${RR_HEX} 81 ca 0000`, 'bad-description'],
    ['a chunk without items and end', `${RR_HEX} 81 ca 0001 00000001`, 'bad-description'],
    ['an item past the end', `${RR_HEX} 81 ca 0002 00000001 01 09 6161`, 'bad-description'],
    ['an item without length', `${RR_HEX} 81 ca 0002 00000001 01 01 61 01`, 'bad-description'],
    ['items without an end', `${RR_HEX} 81 ca 0002 00000001 01 02 6161`, 'bad-description'],
    ['a goodbye that lacks a source', `${RR_HEX} 82 cb 0001 00000001`, 'bad-goodbye'],
    ['a reason past the end', `${RR_HEX} 81 cb 0002 00000001 04 616161`, 'bad-goodbye'],
    ['an application packet without name', `${RR_HEX} 80 cc 0001 00000001`, 'bad-app'],
  ];
  for (const [name, datagram, fault] of faults) {
    it(`refuses ${name}`, () => expect(parseRtcp(hex(datagram))).toBe(fault));
  }

  const [, long = ''] = COMPOUNDS[5] ?? [];
  it('takes a beginning of a compound only where a packet ends', () => {
    for (const part of prefixes(hex(long))) {
      const packets = parseRtcp(part);
      if (part.length === 8) expect(packets).toEqual([RR]);
      else expect(packets).toBe('too-short');
    }
  });

  it('gives packets or a fault for any bytes at all', () => {
    const bodies = anyBytes(60);
    const types = fc.constantFrom(200, 201, 202, 203, 204, 205, 77);
    const packets = fc
      .tuple(fc.integer({ min: 0x80, max: 0xbf }), types, bodies)
      .map(([first, type, body]) => {
        const words = body.length >> 2;
        return Buffer.concat([Buffer.of(first, type, 0, words), body.subarray(0, 4 * words)]);
      });
    const compounds = fc
      .array(packets, { maxLength: 4 })
      .map((parts) => Buffer.concat([hex(RR_HEX), ...parts]));
    for (const inputs of [anyBytes(100), compounds, damaged(hex(long))]) {
      fc.assert(
        fc.property(inputs, (bytes) => {
          const packets = parseRtcp(bytes);
          // Whatever was understood can be said again, and is then understood the same way.
          if (typeof packets !== 'string') expect(parseRtcp(writeRtcp(packets))).toEqual(packets);
        }),
        { numRuns: 1000 },
      );
    }
  });
});

describe('writeRtcp', () => {
  for (const [name, datagram, packets] of COMPOUNDS) {
    it(`writes ${name}`, () => expect(writeRtcp(packets)).toEqual(hex(datagram)));
  }

  const extremes: [lost: number, written: number][] = [
    [0x7fffff, 0x7fffff],
    [0x800000, 0x7fffff],
    [-0x800000, -0x800000],
    [-0x800001, -0x800000],
  ];
  for (const [cumulativeLost, written] of extremes) {
    it(`keeps ${cumulativeLost} lost within 24 bits`, () =>
      expect(parseRtcp(writeRtcp([{ ...RR, reports: [{ ...BLOCK, cumulativeLost }] }]))).toEqual([
        { ...RR, reports: [{ ...BLOCK, cumulativeLost: written }] },
      ]));
  }

  const mistakes: [name: string, packet: RtcpPacket][] = [
    ['a name of 256 bytes', { kind: 'sdes', chunks: [{ ssrc: 1, cname: 'é'.repeat(128) }] }],
    ['32 blocks', { ...RR, reports: Array.from({ length: 32 }, () => BLOCK) }],
    ['half a word', { kind: 'app', ssrc: 1, name: 'LANC', subtype: 0, data: hex('01') }],
  ];
  for (const [name, packet] of mistakes) {
    it(`throws on ${name}, which is our own mistake`, () =>
      expect(() => writeRtcp([packet])).toThrow(RangeError));
  }

  it('is undone by parseRtcp', () => {
    const word = fc.nat(2 ** 32 - 1);
    const text = fc.string({ unit: 'grapheme', maxLength: 20 });
    const block = fc.record({
      ssrc: word,
      fractionLost: fc.nat(255),
      cumulativeLost: fc.integer({ min: -0x800000, max: 0x7fffff }),
      highestSequence: word,
      jitter: word,
      lastSr: word,
      delaySinceLastSr: word,
    });
    const reports = fc.array(block, { maxLength: 31 });
    const data = fc
      .array(fc.constant(hex('01020304')), { maxLength: 9 })
      .map((words) => Buffer.concat(words));
    const report: fc.Arbitrary<RtcpPacket> = fc.oneof(
      fc.record({ kind: fc.constant('rr' as const), ssrc: word, reports }),
      fc.record({
        kind: fc.constant('sr' as const),
        ssrc: word,
        ntp: fc.record({ seconds: word, fraction: word }),
        rtpTimestamp: word,
        packetCount: word,
        octetCount: word,
        reports,
      }),
    );
    const chunk = fc.record({ ssrc: word, cname: text, name: text, tool: text }, { requiredKeys: ['ssrc'] });
    const more: fc.Arbitrary<RtcpPacket> = fc.oneof(
      fc.record({ kind: fc.constant('sdes' as const), chunks: fc.array(chunk, { maxLength: 31 }) }),
      fc.record(
        { kind: fc.constant('bye' as const), ssrcs: fc.array(word, { maxLength: 31 }), reason: text },
        { requiredKeys: ['kind', 'ssrcs'] },
      ),
      fc.record({
        kind: fc.constant('app' as const),
        ssrc: word,
        name: fc.string({ minLength: 4, maxLength: 4 }),
        subtype: fc.nat(31),
        data,
      }),
      fc.record({
        kind: fc.constant('unknown' as const),
        packetType: fc.integer({ min: 205, max: 255 }),
        count: fc.nat(31),
        body: data,
      }),
    );
    fc.assert(
      fc.property(report, fc.array(more, { maxLength: 8 }), (first, rest) => {
        expect(parseRtcp(writeRtcp([first, ...rest]))).toEqual([first, ...rest]);
      }),
    );
  });
});

describe('isRtcp', () => {
  const datagrams: [name: string, datagram: string, answer: boolean][] = [
    ['a receiver report', RR_HEX, true],
    ['feedback', '81 cd 0003 00000001 00000002 00070000', true],
    ['media', '80 21 0001 00000002 00000003', false],
    ['a retransmission', '80 61 0001 00000002 00000003 0001', false],
    ['a retransmission with a marker', '80 e1 0001 00000002 00000003 0001', false],
    ['one byte', '80', false],
  ];
  for (const [name, datagram, answer] of datagrams)
    it(`${answer ? 'takes' : 'does not take'} ${name} for RTCP`, () =>
      expect(isRtcp(hex(datagram))).toBe(answer));
});
