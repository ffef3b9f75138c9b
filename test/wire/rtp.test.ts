import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  parseRtp,
  rtpBytes,
  writeRtp,
  writeRtpHeader,
  type RtpFault,
  type RtpPacket,
} from '../../wire/rtp.ts';
import { anyBytes, damaged, hex, prefixes } from '../helpers/bytes.ts';

fc.configureGlobal({ seed: 2250 });

const PLAIN: RtpPacket = {
  payloadType: 33,
  marker: false,
  sequence: 1,
  timestamp: 2,
  ssrc: 3,
  csrcs: [],
  extension: undefined,
  payload: hex('4700'),
  paddingBytes: 0,
};

/** Each packet as it stands on the wire; parsed and written. */
const PACKETS: [name: string, datagram: string, packet: RtpPacket][] = [
  ['the smallest packet', '80 21 0001 00000002 00000003', { ...PLAIN, payload: hex('') }],
  ['a payload', '80 21 0001 00000002 00000003 4700', PLAIN],
  ['the marker', '80 a1 0001 00000002 00000003 4700', { ...PLAIN, marker: true }],
  [
    'the largest numbers',
    '80 ff ffff ffffffff ffffffff 4700',
    { ...PLAIN, payloadType: 127, marker: true, sequence: 65_535, timestamp: 2 ** 32 - 1, ssrc: 2 ** 32 - 1 },
  ],
  [
    'contributing sources',
    '82 21 0001 00000002 00000003 deadbeef 00000001 4700',
    { ...PLAIN, csrcs: [0xdeadbeef, 1] },
  ],
  [
    'an extension',
    '90 21 0001 00000002 00000003 bede0001 10aa0000 4700',
    { ...PLAIN, extension: { profile: 0xbede, data: hex('10aa0000') } },
  ],
  [
    'an extension without data',
    '90 21 0001 00000002 00000003 10000000 4700',
    { ...PLAIN, extension: { profile: 0x1000, data: hex('') } },
  ],
  ['padding', 'a0 21 0001 00000002 00000003 4700 000003', { ...PLAIN, paddingBytes: 3 }],
  [
    'padding and nothing else',
    'a0 21 0001 00000002 00000003 0002',
    { ...PLAIN, payload: hex(''), paddingBytes: 2 },
  ],
  [
    'everything at once',
    'b1 a1 0001 00000002 00000003 00000004 bede0001 01020304 47 0002',
    {
      ...PLAIN,
      marker: true,
      csrcs: [4],
      extension: { profile: 0xbede, data: hex('01020304') },
      payload: hex('47'),
      paddingBytes: 2,
    },
  ],
];

describe('parseRtp', () => {
  for (const [name, datagram, packet] of PACKETS) {
    it(`reads ${name}`, () => expect(parseRtp(hex(datagram))).toEqual(packet));
  }

  const faults: [name: string, datagram: string, fault: RtpFault][] = [
    ['an empty datagram', '', 'too-short'],
    ['a header cut short', '80 21 0001 00000002 000000', 'too-short'],
    ['CSRCs past the end', '8f 21 0001 00000002 00000003', 'too-short'],
    ['an extension header past the end', '90 21 0001 00000002 00000003 bede', 'too-short'],
    ['an extension past the end', '90 21 0001 00000002 00000003 bedeffff', 'too-short'],
    ['version 0', '00 21 0001 00000002 00000003', 'bad-version'],
    ['version 1', '40 21 0001 00000002 00000003', 'bad-version'],
    ['version 3', 'c0 21 0001 00000002 00000003', 'bad-version'],
    ['zero padding', 'a0 21 0001 00000002 00000003 aa00', 'bad-padding'],
    ['more padding than payload', 'a0 21 0001 00000002 00000003 aa09', 'bad-padding'],
    ['padding that would reach into the CSRCs', 'a1 21 0001 00000002 00000003 00000004', 'bad-padding'],
  ];
  for (const [name, datagram, fault] of faults) {
    it(`refuses ${name}`, () => expect(parseRtp(hex(datagram))).toBe(fault));
  }

  it('gives views into the datagram, not copies', () => {
    const datagram = hex('90 21 0001 00000002 00000003 bede0001 01020304 4700');
    const packet = parseRtp(datagram);
    datagram.fill(0xee, 16);
    expect(packet).toMatchObject({ extension: { data: hex('eeeeeeee') }, payload: hex('eeee') });
  });

  for (const [name, datagram] of PACKETS) {
    it(`takes no beginning of a header for ${name}`, () => {
      const header = hex(datagram).length - 2;
      for (const part of prefixes(hex(datagram)).slice(0, Math.min(header, 12))) {
        expect(parseRtp(part)).toBe('too-short');
      }
      for (const part of prefixes(hex(datagram))) expect(() => parseRtp(part)).not.toThrow();
    });
  }

  it('gives a packet or a fault for any bytes at all', () => {
    fc.assert(
      fc.property(anyBytes(100), (bytes) => {
        const packet = parseRtp(bytes);
        if (typeof packet === 'string') expect(['too-short', 'bad-version', 'bad-padding']).toContain(packet);
        else expect(rtpBytes(packet)).toBe(bytes.length);
      }),
      { numRuns: 2000 },
    );
  });

  it('writes back what it read from a damaged packet, but for the filling of the padding', () => {
    const [, everything = ''] = PACKETS.at(-1) ?? [];
    fc.assert(
      fc.property(damaged(hex(everything)), (bytes) => {
        const packet = parseRtp(bytes);
        if (typeof packet === 'string') return;
        const filling = Math.max(packet.paddingBytes - 1, 0);
        const paddingStart = bytes.length - packet.paddingBytes;
        bytes.fill(0, paddingStart, paddingStart + filling);
        expect(writeRtp(packet)).toEqual(bytes);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('writeRtp', () => {
  for (const [name, datagram, packet] of PACKETS) {
    it(`writes ${name}`, () => expect(writeRtp(packet)).toEqual(hex(datagram)));
  }

  it('writes into the buffer it is given, whatever was there, and leaves the rest alone', () => {
    const into = Buffer.alloc(40, 0xee);
    const written = writeRtp({ ...PLAIN, paddingBytes: 3 }, into);
    expect(written).toEqual(hex('a0 21 0001 00000002 00000003 4700 000003'));
    expect(written.buffer).toBe(into.buffer);
    expect(into.subarray(written.length)).toEqual(Buffer.alloc(40 - written.length, 0xee));
  });

  it('throws rather than write half a packet', () => {
    expect(() => writeRtp(PLAIN, Buffer.alloc(13))).toThrow(RangeError);
    expect(() => writeRtp({ ...PLAIN, sequence: 65_536 })).toThrow(RangeError);
  });

  it('is undone by parseRtp', () => {
    const word = fc.nat(2 ** 32 - 1);
    const data = fc
      .array(word, { maxLength: 4 })
      .map((words) => Buffer.concat(words.map((value) => hex(value.toString(16).padStart(8, '0')))));
    const packets = fc.record({
      payloadType: fc.nat(127),
      marker: fc.boolean(),
      sequence: fc.nat(65_535),
      timestamp: word,
      ssrc: word,
      csrcs: fc.array(word, { maxLength: 15 }),
      extension: fc.option(fc.record({ profile: fc.nat(65_535), data }), { nil: undefined }),
      payload: anyBytes(64),
      paddingBytes: fc.nat(255),
    });
    fc.assert(
      fc.property(packets, (packet) => {
        expect(parseRtp(writeRtp(packet))).toEqual(packet);
      }),
    );
  });
});

describe('writeRtpHeader', () => {
  it('writes the fixed bytes at an offset and nothing else', () => {
    const into = Buffer.alloc(20, 0xee);
    writeRtpHeader({ ...PLAIN, marker: true }, into, 4);
    expect(into).toEqual(hex('eeeeeeee 80 a1 0001 00000002 00000003 eeeeeeee'));
  });
});
