import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  PARITY_HEADER_BYTES,
  type ParityFault,
  type ParityHeader,
  parseParity,
  writeParityHeader,
} from '../../../wire/fec/parity-packet.ts';
import { anyBytes, damaged, hex, prefixes } from '../../helpers/bytes.ts';
import { SEQUENCE_STARTS } from '../../helpers/packets.ts';

const RTP = { sequence: 0x1234, timestamp: 0x5566_7788, ssrc: 0xaabb_ccdd };
const HEADER: ParityHeader = {
  firstSequence: 100,
  interleave: 1,
  dataShards: 48,
  parityShards: 3,
  parityIndex: 2,
  shardBytes: 16,
};
const PARITY = Buffer.alloc(16, 0x5a);

function packetOf(changes: Partial<ParityHeader> = {}): Buffer {
  const datagram = Buffer.alloc(PARITY_HEADER_BYTES + 16, 0x5a);
  writeParityHeader(RTP, { ...HEADER, ...changes }, datagram, 0);
  return datagram;
}

/** A packet in hex, with what is not said as in an honest one. */
function wire({
  rtp = '80 7f 1234 55667788 aabbccdd',
  range = '0064 0093',
  counts = '03 02',
  lengths = '0010 0010',
  interleave = '0000',
}): Buffer {
  return Buffer.concat([hex(rtp + range + counts + lengths + interleave), PARITY]);
}

describe('repair packets', () => {
  it("are written in the operators' layout", () => expect(packetOf()).toEqual(wire({})));

  it('are parsed', () => {
    expect(parseParity(wire({}))).toEqual({ ...HEADER, ssrc: RTP.ssrc, parity: PARITY });
  });

  it('say how far apart interleaved packets are', () => {
    const datagram = packetOf({ interleave: 4 });
    expect(datagram).toEqual(wire({ range: '0064 0120', interleave: '0004' }));
    expect(parseParity(datagram)).toMatchObject({ firstSequence: 100, dataShards: 48, interleave: 4 });
  });

  for (const firstSequence of SEQUENCE_STARTS) {
    it(`protect on from sequence number ${firstSequence}`, () => {
      for (const interleave of [1, 7])
        expect(parseParity(packetOf({ firstSequence, interleave }))).toMatchObject({
          firstSequence,
          interleave,
          dataShards: 48,
        });
    });
  }

  it('may carry more than they say, and parity that is longer than what it protects', () => {
    const longer = Buffer.concat([wire({ lengths: '0010 000c' }), Buffer.alloc(9)]);
    expect(parseParity(longer)).toMatchObject({ shardBytes: 12, parity: PARITY.subarray(0, 12) });
  });

  it('may have CSRCs, an extension and padding in their RTP header', () => {
    const body = wire({}).subarray(12);
    const rtp = hex('b1 7f 1234 55667788 aabbccdd 00000001 0000 0001 00000000');
    expect(parseParity(Buffer.concat([rtp, body, hex('0002')]))).toMatchObject(HEADER);
  });

  const faults: [name: string, datagram: Buffer, fault: ParityFault][] = [
    ['no RTP', hex('47 00'), 'too-short'],
    ['another version', wire({ rtp: '40 7f 1234 55667788 aabbccdd' }), 'bad-version'],
    ['padding beyond all bytes', wire({ rtp: 'a0 7f 1234 55667788 aabbccdd' }), 'bad-padding'],
    ['another payload type', wire({ rtp: '80 60 1234 55667788 aabbccdd' }), 'not-parity'],
    ['a header cut short', wire({}).subarray(0, 23), 'too-short'],
    ['parity cut short', wire({}).subarray(0, 39), 'bad-length'],
    ['an end before the beginning', wire({ range: '0064 0063' }), 'bad-range'],
    ['a range of half the numbers', wire({ range: '0000 8000' }), 'bad-range'],
    ['an end that the interleave does not meet', wire({ interleave: '0002' }), 'bad-range'],
    ['no parity', wire({ counts: '00 00' }), 'no-shards'],
    ['more than 255 in all', wire({ counts: 'd0 00' }), 'too-many-shards'],
    ['a range of more than 254', wire({ range: '0000 00fe' }), 'too-many-shards'],
    ['an index beyond the count', wire({ counts: '03 03' }), 'bad-parity-index'],
    ['less parity than it protects', wire({ lengths: '000f 0010' }), 'bad-length'],
    ['more parity than there is', wire({ lengths: '0011 0010' }), 'bad-length'],
    ['packets without an RTP header', wire({ lengths: '0010 000b' }), 'bad-length'],
  ];
  for (const [name, datagram, fault] of faults) {
    it(`refuse ${name}: ${fault}`, () => expect(parseParity(datagram)).toBe(fault));
  }

  it('are refused wherever they are cut', () => {
    for (const part of prefixes(wire({}))) expect(typeof parseParity(part)).toBe('string');
  });

  it('never make a parser throw or tell what cannot be', () => {
    const almost = damaged(wire({})).chain((bytes) => fc.constantFrom(bytes, bytes.subarray(0, 30)));
    fc.assert(
      fc.property(fc.oneof(anyBytes(60), almost), (datagram) => {
        const packet = parseParity(datagram);
        if (typeof packet === 'string') return;
        const { dataShards, parityShards, parityIndex, interleave, shardBytes, parity } = packet;
        expect(dataShards >= 1 && parityIndex < parityShards && dataShards + parityShards <= 255).toBe(true);
        expect(interleave >= 1 && (dataShards - 1) * interleave < 32_768).toBe(true);
        expect(parity).toHaveLength(shardBytes);
      }),
      { seed: 3, numRuns: 2000 },
    );
  });
});
