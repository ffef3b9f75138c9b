import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSequence, writeSequenceHeader } from '../../wire/sequence-header.ts';
import { anyBytes, hex, prefixes } from '../helpers/bytes.ts';

fc.configureGlobal({ seed: 1316 });

describe('parseSequence', () => {
  for (const sequence of [0, 1, 32_767, 32_768, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
    it(`reads and writes number ${sequence}`, () => {
      const datagram = Buffer.alloc(6, 0x47);
      writeSequenceHeader(sequence, datagram);
      expect(parseSequence(datagram)).toEqual({ sequence, payload: hex('4747') });
    });
  }

  it('reads the number big endian', () =>
    expect(parseSequence(hex('01020304 47'))).toEqual({ sequence: 0x01020304, payload: hex('47') }));

  it('reads a header alone, the end mark, as an empty payload', () =>
    expect(parseSequence(hex('00000009'))).toEqual({ sequence: 9, payload: hex('') }));

  it('takes seven TS packets and not a byte more', () => {
    expect(parseSequence(Buffer.alloc(1320))).toEqual({ sequence: 0, payload: Buffer.alloc(1316) });
    expect(parseSequence(Buffer.alloc(1321))).toBe('too-long');
  });

  it('refuses what is shorter than the header', () => {
    for (const part of prefixes(hex('00000001'))) expect(parseSequence(part)).toBe('too-short');
  });

  it('gives a view into the datagram, not a copy', () => {
    const datagram = hex('00000001 47');
    const packet = parseSequence(datagram);
    datagram.fill(0xee);
    expect(packet).toMatchObject({ payload: hex('ee') });
  });

  it('gives a packet or a fault for any bytes at all, and writes back what it read', () => {
    fc.assert(
      fc.property(anyBytes(1400), (bytes) => {
        const packet = parseSequence(bytes);
        if (typeof packet === 'string') {
          expect(bytes.length < 4 || bytes.length > 1320).toBe(true);
          return;
        }
        const again = Buffer.alloc(4);
        writeSequenceHeader(packet.sequence, again);
        expect(Buffer.concat([again, packet.payload])).toEqual(bytes);
      }),
    );
  });
});

describe('writeSequenceHeader', () => {
  it('writes at an offset and nothing else', () => {
    const into = Buffer.alloc(8, 0xee);
    writeSequenceHeader(1, into, 2);
    expect(into).toEqual(hex('eeee 00000001 eeee'));
  });
});
