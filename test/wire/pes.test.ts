/** PES headers: fields, faults, times around the wrap of 33 bits, and times moved in place. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PTS_CYCLE } from '../../wire/clock.ts';
import {
  parsePes,
  shiftPesTimes,
  writePes,
  type PesFault,
  type PesHeader,
  type PesOptions,
} from '../../wire/pes.ts';

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

function header(bytes: Buffer, at = 0): PesHeader {
  const result = parsePes(bytes, at);
  if (typeof result === 'string') throw new Error(`refused: ${result}`);
  return result;
}

describe('parsePes', () => {
  const heads: [name: string, bytes: string, header: PesHeader][] = [
    [
      'no times',
      '000001e0 0000 8000 00',
      { streamId: 0xe0, packetLength: 0, dataAlignment: false, headerBytes: 9 },
    ],
    [
      'a PTS of 0',
      '000001c0 0123 8480 05 2100010001',
      { streamId: 0xc0, packetLength: 0x123, dataAlignment: true, headerBytes: 14, pts: 0 },
    ],
    [
      'the greatest PTS and the DTS before it',
      '000001e0 0000 80c0 0a 3fffffffff 1ffffffffd',
      {
        streamId: 0xe0,
        packetLength: 0,
        dataAlignment: false,
        headerBytes: 19,
        pts: 2 ** 33 - 1,
        dts: 2 ** 33 - 2,
      },
    ],
    [
      'one bit of the PTS in each of its parts',
      '000001bd 0000 8080 05 2300030003',
      { streamId: 0xbd, packetLength: 0, dataAlignment: false, headerBytes: 14, pts: 2 ** 30 + 2 ** 15 + 1 },
    ],
    [
      'stuffing behind the times',
      '000001e0 0000 8080 08 2100010001 ffffff',
      { streamId: 0xe0, packetLength: 0, dataAlignment: false, headerBytes: 17, pts: 0 },
    ],
    [
      'padding, which has no times',
      '000001be 0005 ffffffffff',
      { streamId: 0xbe, packetLength: 5, dataAlignment: false, headerBytes: 6 },
    ],
    [
      'a program stream map, which has none either',
      '000001bc 0002 e1ff',
      { streamId: 0xbc, packetLength: 2, dataAlignment: false, headerBytes: 6 },
    ],
  ];
  for (const [name, bytes, fields] of heads) {
    it(`reads ${name}`, () => expect(parsePes(hex(bytes))).toEqual(fields));
  }

  it('reads a header anywhere in the bytes', () => {
    const bytes = Buffer.concat([Buffer.alloc(77, 1), hex('000001c0 0008 8080 05 2100010003')]);
    expect(header(bytes, 77).pts).toBe(1);
  });

  const faults: [name: string, bytes: string, fault: PesFault][] = [
    ['nothing', '', 'too-short'],
    ['a start code alone', '000001e0', 'too-short'],
    ['a header without its flags', '000001e0 0000 80', 'too-short'],
    ['a header cut in the PTS', '000001e0 0000 8080 05 21000100', 'too-short'],
    ['a header cut in its stuffing', '000001e0 0000 8080 07 2100010001 ff', 'too-short'],
    ['another prefix', '000002e0 0000 8000 00', 'bad-start-code'],
    ['a picture start code', '00000100 0000 8000 00', 'bad-start-code'],
    ['a stream id below the PES ones', '000001bb 0000 8000 00', 'bad-start-code'],
    ['MPEG-1 flags', '000001e0 0000 4000 00', 'bad-header'],
    ['a PTS that the header has no room for', '000001e0 0000 8080 04 2100010001', 'bad-header'],
    ['a DTS that the header has no room for', '000001e0 0000 80c0 09 3100010001 1100010001', 'bad-header'],
  ];
  for (const [name, bytes, fault] of faults)
    it(`refuses ${name}`, () => expect(parsePes(hex(bytes))).toBe(fault));

  it('never throws, whatever bytes it gets', () => {
    const starts = fc.constantFrom(
      Buffer.alloc(0),
      hex('000001'),
      hex('000001e0 0000 80'),
      hex('000001e0 0000 80c0'),
    );
    fc.assert(
      fc.property(starts, fc.uint8Array({ maxLength: 40 }), fc.nat({ max: 45 }), (start, rest, at) => {
        const bytes = Buffer.concat([start, rest]);
        const result = parsePes(bytes, at);
        expect(['string', 'object']).toContain(typeof result);
        const before = Buffer.from(bytes);
        shiftPesTimes(bytes, at, bytes.length, 0);
        expect(bytes.length).toBe(before.length);
      }),
      { seed: 33, numRuns: 2000 },
    );
  });
});

const ticks = fc.oneof(
  fc.constantFrom(0, 1, 2 ** 15 - 1, 2 ** 15, 2 ** 30 - 1, 2 ** 30, 2 ** 32, PTS_CYCLE - 1),
  fc.integer({ min: 0, max: PTS_CYCLE - 1 }),
);
const options: fc.Arbitrary<PesOptions> = fc.oneof(
  fc.record({ streamId: fc.integer({ min: 0xc0, max: 0xef }), dataAlignment: fc.boolean() }),
  fc.record({ streamId: fc.integer({ min: 0xc0, max: 0xef }), dataAlignment: fc.boolean(), pts: ticks }),
  fc.record({
    streamId: fc.integer({ min: 0xc0, max: 0xef }),
    dataAlignment: fc.boolean(),
    pts: ticks,
    dts: ticks,
  }),
);
const payloads = fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes));

describe('writePes', () => {
  it('writes what parsePes reads', () => {
    fc.assert(
      fc.property(options, payloads, fc.boolean(), (options, payload, unbounded) => {
        const bytes = writePes({ ...options, unbounded }, payload);
        const { headerBytes, packetLength, ...rest } = header(bytes);
        expect(rest).toEqual(options);
        expect(packetLength).toBe(unbounded ? 0 : bytes.length - 6);
        expect(bytes.subarray(headerBytes).equals(payload)).toBe(true);
      }),
      { seed: 90, numRuns: 500 },
    );
  });

  it('leaves the length open where 16 bits do not do', () => {
    expect(header(writePes({ streamId: 0xe0 }, Buffer.alloc(65_532))).packetLength).toBe(65_535);
    expect(header(writePes({ streamId: 0xe0 }, Buffer.alloc(65_533))).packetLength).toBe(0);
  });

  it('wraps times that do not fit 33 bits', () => {
    const { pts, dts } = header(writePes({ streamId: 0xe0, pts: PTS_CYCLE + 3, dts: -1 }, Buffer.alloc(0)));
    expect([pts, dts]).toEqual([3, PTS_CYCLE - 1]);
  });
});

describe('shiftPesTimes', () => {
  it('moves PTS and DTS over the wrap and changes nothing else', () => {
    const shifts = fc.integer({ min: -PTS_CYCLE, max: PTS_CYCLE });
    fc.assert(
      fc.property(options, payloads, shifts, (options, payload, shift) => {
        const bytes = writePes(options, payload);
        shiftPesTimes(bytes, 0, bytes.length, shift);
        const moved = { ...options };
        for (const time of ['pts', 'dts'] as const) {
          const before = options[time];
          if (before !== undefined) moved[time] = (((before + shift) % PTS_CYCLE) + PTS_CYCLE) % PTS_CYCLE;
        }
        expect(bytes.equals(writePes(moved, payload))).toBe(true);
      }),
      { seed: 91, numRuns: 500 },
    );
  });

  it('moves there and back to the same bytes', () => {
    const bytes = writePes({ streamId: 0xe0, pts: PTS_CYCLE - 5, dts: PTS_CYCLE - 9 }, Buffer.alloc(9, 7));
    const before = Buffer.from(bytes);
    shiftPesTimes(bytes, 0, bytes.length, 7);
    expect(header(bytes)).toMatchObject({ pts: 2, dts: PTS_CYCLE - 2 });
    shiftPesTimes(bytes, 0, bytes.length, -7);
    expect(bytes.equals(before)).toBe(true);
  });

  const untouched: [name: string, bytes: Buffer, end?: number][] = [
    ['bytes that are no PES packet', hex('000002e0 0000 8080 05 2100010001')],
    ['padding', hex('000001be 0010 8080 05 2100010001')],
    ['MPEG-1 flags', hex('000001e0 0000 4080 05 2100010001')],
    ['a time that lies behind the end', hex('000001e0 0000 8080 05 2100010001'), 13],
    ['a time that the header has no room for', hex('000001e0 0000 8080 04 2100010001')],
    ['too few bytes for a header', hex('000001e0 0000')],
  ];
  for (const [name, bytes, end = bytes.length] of untouched) {
    it(`leaves ${name} alone`, () => {
      const before = Buffer.from(bytes);
      shiftPesTimes(bytes, 0, end, 90_000);
      expect(bytes.equals(before)).toBe(true);
    });
  }
});
