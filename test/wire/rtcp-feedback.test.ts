import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  MAX_NACK_SEQUENCES,
  parseNack,
  writeNack,
  type Nack,
  type NackFault,
} from '../../wire/rtcp-feedback.ts';
import { parseRtcp, writeRtcp, type RtcpPacket, type UnknownPacket } from '../../wire/rtcp.ts';
import { anyBytes, hex } from '../helpers/bytes.ts';
import { SEQUENCE_STARTS } from '../helpers/packets.ts';

fc.configureGlobal({ seed: 4585 });

const RR: RtcpPacket = { kind: 'rr', ssrc: 1, reports: [] };
const SSRCS = '00000001 00000002';

function packet(body: string, packetType = 205, count = 1): UnknownPacket {
  return { kind: 'unknown', packetType, count, body: hex(body) };
}

function lostIn(nack: Nack | NackFault): readonly number[] | NackFault {
  return typeof nack === 'string' ? nack : nack.lost;
}

const LISTS: [name: string, entries: string, lost: number[]][] = [
  ['one packet', '0007 0000', [7]],
  ['its neighbours on both ends of the bitmask', '0007 8001', [7, 8, 23]],
  ['one that the bitmask does not reach', '0007 0000 0018 0000', [7, 24]],
  ['a burst of 17', '0007 ffff', Array.from({ length: 17 }, (_, i) => 7 + i)],
  ['a burst of 18', '0007 ffff 0018 0000', Array.from({ length: 18 }, (_, i) => 7 + i)],
  ['those around the wrap', 'fffe 0003', [65_534, 65_535, 0]],
  ['a burst over the wrap', 'ffff ffff', Array.from({ length: 17 }, (_, i) => (65_535 + i) & 0xffff)],
];

describe('parseNack', () => {
  for (const [name, entries, lost] of LISTS)
    it(`reads ${name}`, () =>
      expect(parseNack(packet(`${SSRCS} ${entries}`))).toEqual({ ssrc: 1, mediaSsrc: 2, lost }));

  it('reads no more than the first 128 sequence numbers, however many are named', () => {
    const entries = Array.from({ length: 300 }, (_, i) => `${(17 * i).toString(16).padStart(4, '0')} ffff`);
    const lost = lostIn(parseNack(packet(`${SSRCS} ${entries.join(' ')}`)));
    expect(lost).toEqual(Array.from({ length: MAX_NACK_SEQUENCES }, (_, i) => i));
  });

  const faults: [name: string, packet: UnknownPacket, fault: NackFault][] = [
    ['another type of packet', packet(`${SSRCS} 0007 0000`, 206), 'not-nack'],
    ['other feedback', packet(`${SSRCS} 0007 0000`, 205, 15), 'not-nack'],
    ['nobody and nothing', packet(''), 'too-short'],
    ['an SSRC cut off', packet('00000001'), 'too-short'],
    ['a list of nothing', packet(SSRCS), 'too-short'],
  ];
  for (const [name, bad, fault] of faults) it(`refuses ${name}`, () => expect(parseNack(bad)).toBe(fault));

  it('gives a NACK or a fault for any bytes at all', () => {
    fc.assert(
      fc.property(anyBytes(64), (body) => {
        const lost = lostIn(parseNack({ ...packet(''), body }));
        if (typeof lost !== 'string') expect(lost.length).toBeLessThanOrEqual(MAX_NACK_SEQUENCES);
      }),
    );
  });
});

describe('writeNack', () => {
  for (const [name, entries, lost] of LISTS)
    it(`writes ${name}`, () =>
      expect(writeNack({ ssrc: 1, mediaSsrc: 2, lost })).toEqual(packet(`${SSRCS} ${entries}`)));

  it('names one twice only once', () =>
    expect(lostIn(parseNack(writeNack({ ssrc: 1, mediaSsrc: 2, lost: [5, 5, 6] })))).toEqual([5, 6]));

  for (const length of [0, MAX_NACK_SEQUENCES + 1])
    it(`refuses a list of ${length}`, () =>
      expect(() => writeNack({ ssrc: 1, mediaSsrc: 2, lost: Array.from({ length }, (_, i) => i) })).toThrow(
        RangeError,
      ));

  for (const start of SEQUENCE_STARTS)
    it(`is undone by parseNack through a compound, from sequence number ${start} on`, () => {
      const steps = fc.array(fc.integer({ min: 1, max: 40 }), {
        minLength: 1,
        maxLength: MAX_NACK_SEQUENCES,
      });
      fc.assert(
        fc.property(steps, (gaps) => {
          let sequence = start;
          const lost = gaps.map((gap) => (sequence = (sequence + gap) & 0xffff));
          const compound = parseRtcp(writeRtcp([RR, writeNack({ ssrc: 1, mediaSsrc: 2, lost })]));
          const nack = typeof compound === 'string' ? undefined : compound[1];
          expect(nack?.kind === 'unknown' && lostIn(parseNack(nack))).toEqual(lost);
        }),
      );
    });
});
