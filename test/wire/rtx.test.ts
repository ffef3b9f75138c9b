import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRtp, RTP_MP2T, writeRtp } from '../../wire/rtp.ts';
import { parseRtx, restoreOriginal, RTP_RTX, writeRtx, type RtxFault } from '../../wire/rtx.ts';
import { anyBytes, damaged, hex } from '../helpers/bytes.ts';
import { payloadOf, rtpDatagram, SEQUENCE_STARTS } from '../helpers/packets.ts';

fc.configureGlobal({ seed: 4588 });

const NUMBERS = { payloadType: RTP_RTX, sequence: 9 };

/** Datagrams as they were sent first, and as they are sent again. */
const PAIRS: [name: string, original: string, rtx: string][] = [
  ['a packet', '80 21 0102 00000003 00000004 aabb', '80 61 0009 00000003 00000004 0102 aabb'],
  ['one with a marker', '80 a1 ffff 00000003 00000004 aa', '80 e1 0009 00000003 00000004 ffff aa'],
  ['one without payload', '80 21 0102 00000003 00000004', '80 61 0009 00000003 00000004 0102'],
  [
    'one with a contributing source and an extension',
    '91 21 0102 00000003 00000004 00000005 bede 0001 10aa0000 bb',
    '91 61 0009 00000003 00000004 00000005 bede 0001 10aa0000 0102 bb',
  ],
];

describe('writeRtx', () => {
  for (const [name, original, rtx] of PAIRS)
    it(`sends ${name} again with numbers of its own`, () =>
      expect(writeRtx(hex(original), NUMBERS).toString('hex')).toBe(hex(rtx).toString('hex')));

  it('leaves out the padding, and the original alone', () => {
    const original = hex('a0 21 0102 00000003 00000004 aa 000003');
    const before = Buffer.from(original);
    expect(writeRtx(original, NUMBERS)).toEqual(hex('80 61 0009 00000003 00000004 0102 aa'));
    expect(original).toEqual(before);
  });

  for (const [name, original] of [
    ['four bytes', '80 21 0102'],
    ['bare MPEG-TS', '47 1fff 10 00000000 00000000'],
    ['lying padding', 'a0 21 0102 00000003 00000004 aa 00'],
  ] as const)
    it(`refuses ${name}, which cannot be ours`, () =>
      expect(() => writeRtx(hex(original), NUMBERS)).toThrow(RangeError));
});

describe('parseRtx', () => {
  for (const [name, original, rtx] of PAIRS)
    it(`gives ${name} back as it was`, () => {
      const packet = parseRtx(hex(rtx));
      if (typeof packet === 'string') throw new Error(packet);
      expect(packet.sequence).toBe(9);
      expect(restoreOriginal(packet, RTP_MP2T).toString('hex')).toBe(hex(original).toString('hex'));
    });

  const faults: [name: string, datagram: string, fault: RtxFault][] = [
    ['no bytes', '', 'too-short'],
    ['RTCP of another version', '40 61 0009 00000003 00000004 0102', 'bad-version'],
    ['padding beyond the payload', 'a0 61 0009 00000003 00000004 0102 09', 'bad-padding'],
    ['nothing behind the header', '80 61 0009 00000003 00000004', 'no-original'],
    ['half a sequence number', '80 61 0009 00000003 00000004 01', 'no-original'],
    ['padding and no original', 'a0 61 0009 00000003 00000004 0002', 'no-original'],
  ];
  for (const [name, datagram, fault] of faults)
    it(`refuses ${name}`, () => expect(parseRtx(hex(datagram))).toBe(fault));

  it('gives a packet or a fault for any bytes at all', () => {
    fc.assert(
      fc.property(fc.oneof(anyBytes(60), damaged(hex(PAIRS[3]?.[2] ?? ''))), (datagram) => {
        const packet = parseRtx(datagram);
        if (typeof packet !== 'string') expect(parseRtp(restoreOriginal(packet, 33))).toBeTypeOf('object');
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a retransmission', () => {
  for (const sequence of SEQUENCE_STARTS)
    it(`of a full datagram with sequence number ${sequence} is the datagram`, () => {
      const original = rtpDatagram({ sequence, timestamp: 2 ** 32 - 1, ssrc: 7, marker: true }, payloadOf(3));
      const packet = parseRtx(writeRtx(original, NUMBERS));
      if (typeof packet === 'string') throw new Error(packet);
      expect(packet.originalSequence).toBe(sequence);
      expect(restoreOriginal(packet, RTP_MP2T).equals(original)).toBe(true);
    });

  it('of any packet without padding is that packet', () => {
    const packets = fc.record({
      payloadType: fc.nat(127),
      marker: fc.boolean(),
      sequence: fc.nat(65_535),
      timestamp: fc.nat(2 ** 32 - 1),
      ssrc: fc.nat(2 ** 32 - 1),
      csrcs: fc.array(fc.nat(2 ** 32 - 1), { maxLength: 15 }),
      extension: fc.constant(undefined),
      payload: anyBytes(100),
      paddingBytes: fc.constant(0),
    });
    fc.assert(
      fc.property(packets, (packet) => {
        const original = writeRtp(packet);
        const rtx = parseRtx(writeRtx(original, NUMBERS));
        expect(typeof rtx !== 'string' && restoreOriginal(rtx, packet.payloadType).equals(original)).toBe(
          true,
        );
      }),
    );
  });
});
