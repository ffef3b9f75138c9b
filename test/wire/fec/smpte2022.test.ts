import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  MAX_REPAIR_BYTES,
  REPAIR_EXTRA_BYTES,
  REPAIR_HEADER_BYTES,
  Recovery,
  matrixFault,
  parseMatrix,
  parseRepair,
  protects,
  writeRepair,
  type FecMatrix,
  type MatrixFault,
  type RecoveryFault,
  type RepairFault,
  type RepairPacket,
} from '../../../wire/fec/smpte2022.ts';
import { Parity } from '../../../wire/fec/xor.ts';
import { anyBytes, damaged, hex } from '../../helpers/bytes.ts';
import { naiveRepair, sourcePackets } from '../../helpers/fec.ts';
import { rtpDatagram } from '../../helpers/packets.ts';

fc.configureGlobal({ seed: 20_261_123 });

/** A column of four. */
const SOURCES = sourcePackets(4, { start: 100 });
const REPAIR = naiveRepair(SOURCES, { direction: 'column', sequence: 7, timestamp: 5, offset: 1 });

function parsed(datagram: Buffer): RepairPacket {
  const packet = parseRepair(datagram);
  if (typeof packet === 'string') throw new Error(packet);
  return packet;
}

/** The repair packet with some bytes changed. */
function changed(changes: Record<number, number>, repair = REPAIR): Buffer {
  const copy = Buffer.from(repair);
  for (const [offset, value] of Object.entries(changes)) copy.writeUInt8(value, Number(offset));
  return copy;
}

/** What comes out when all but `missing` are added. */
function recovered(repair: Buffer, sources: readonly Buffer[], missing: number): Buffer | RecoveryFault {
  const recovery = new Recovery();
  recovery.begin(parsed(repair));
  for (const [place, source] of sources.entries()) if (place !== missing) recovery.add(source);
  return recovery.finish(sources[missing]?.readUInt16BE(2) ?? 0);
}

describe('a repair packet', () => {
  it('is read from the bytes that FFmpeg would send', () => {
    // Written out by hand: two headers, then the XOR of four payloads 01, 02, 04, 18.
    const bytes = hex('80600007 00000005 00000000 fffe0000 80000000 0000005a 00050400 1f');
    expect(parseRepair(bytes)).toEqual({
      direction: 'column',
      sequence: 7,
      timestamp: 5,
      ssrc: 0,
      snBase: 0xfffe,
      offset: 5,
      na: 4,
      datagram: bytes,
    });
  });

  it('is written as it was read', () => {
    const parity = new Parity(1328);
    for (const source of SOURCES) parity.add(source);
    const into = Buffer.alloc(100, 0xee);
    const header = { direction: 'column', sequence: 7, timestamp: 5, snBase: 100, offset: 1, na: 4 } as const;
    const length = writeRepair(header, parity, into, 3);
    expect(length).toBe(36 + REPAIR_EXTRA_BYTES);
    expect(into.subarray(3, 3 + length)).toEqual(REPAIR);
    expect(into.subarray(3 + length)).toEqual(Buffer.alloc(100 - 3 - length, 0xee));
  });

  it('of a row says so', () => {
    const row = naiveRepair(SOURCES, { direction: 'row', offset: 1 });
    expect(parsed(row)).toMatchObject({ direction: 'row', offset: 1, na: 4 });
  });

  const faults: [name: string, datagram: Buffer, fault: RepairFault][] = [
    ['nothing', Buffer.alloc(0), 'too-short'],
    ['less than two headers', REPAIR.subarray(0, REPAIR_HEADER_BYTES - 1), 'too-short'],
    ['more than any window holds', Buffer.concat([REPAIR, Buffer.alloc(MAX_REPAIR_BYTES)]), 'too-long'],
    ['another version of RTP', changed({ 0: 0x40 }), 'bad-version'],
    ['a static payload type', changed({ 1: 33 }), 'bad-payload-type'],
    ['the payload type of Reed-Solomon', changed({ 1: 127 }), 'bad-payload-type'],
    ['the short header of RFC 2733', changed({ 16: 0x21 }), 'bad-header-form'],
    ['a further header', changed({ 24: 0x80 }), 'bad-header-form'],
    ['a mask', changed({ 19: 1 }), 'bad-mask'],
    ['another code than XOR', changed({ 24: 0x08 }), 'bad-type'],
    ['an index', changed({ 24: 0x01 }), 'bad-index'],
    ['a base of 24 bits', changed({ 27: 1 }), 'bad-base'],
    ['no offset', changed({ 25: 0 }), 'bad-offset'],
    ['more than 20 columns', changed({ 25: 21 }), 'bad-offset'],
    ['a row that is not of neighbours', changed({ 24: 0x40, 25: 5 }), 'bad-offset'],
    ['no packets', changed({ 26: 0 }), 'bad-count'],
    ['three packets', changed({ 26: 3 }), 'bad-count'],
    ['more than 20 packets', changed({ 26: 21 }), 'bad-count'],
    ['a row of 21', changed({ 24: 0x40, 26: 21 }), 'bad-count'],
    ['a matrix of more than 100', changed({ 25: 11, 26: 10 }), 'bad-matrix'],
  ];
  for (const [name, datagram, fault] of faults)
    it(`is refused with ${name}`, () => expect(parseRepair(datagram)).toBe(fault));

  it('is taken at all limits', () => {
    for (const [offset, na] of [
      [1, 4],
      [20, 5],
      [5, 20],
      [10, 10],
    ] as const)
      expect(parsed(changed({ 25: offset, 26: na }))).toMatchObject({ offset, na });
  });

  it('protects what its offset and number say', () => {
    const packet = parsed(changed({ 25: 5, 26: 4 }));
    const distances = Array.from({ length: 60 }, (_, at) => at - 20).filter((at) => protects(packet, at));
    expect(distances).toEqual([0, 5, 10, 15]);
  });

  it('of any bytes is read or refused, and never throws', () => {
    const likely = fc.oneof(
      anyBytes(80),
      damaged(REPAIR),
      anyBytes(40).map((more) => Buffer.concat([REPAIR, more])),
    );
    const recovery = new Recovery();
    fc.assert(
      fc.property(likely, fc.array(anyBytes(60), { maxLength: 4 }), (datagram, others) => {
        const packet = parseRepair(datagram);
        if (typeof packet === 'string') return;
        expect(packet.offset * packet.na).toBeLessThanOrEqual(100);
        recovery.begin(packet);
        for (const other of others) if (other.length >= 12) recovery.add(other);
        const result = recovery.finish(1);
        if (typeof result !== 'string') expect(result.length).toBeLessThanOrEqual(datagram.length - 16);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('a matrix', () => {
  const texts: [text: string, matrix: FecMatrix | MatrixFault][] = [
    ['5x10', { columns: 5, rows: 10, rowPackets: false }],
    ['10x10+rows', { columns: 10, rows: 10, rowPackets: true }],
    ['1x4', { columns: 1, rows: 4, rowPackets: false }],
    ['20x5', { columns: 20, rows: 5, rowPackets: false }],
    ['', 'bad-form'],
    ['5', 'bad-form'],
    ['5x', 'bad-form'],
    ['-5x5', 'bad-form'],
    ['5x5.5', 'bad-form'],
    ['5x5+columns', 'bad-form'],
    ['0x5', 'bad-columns'],
    ['21x4', 'bad-columns'],
    ['3x5+rows', 'bad-columns'],
    ['5x3', 'bad-rows'],
    ['4x21', 'bad-rows'],
    ['10x11', 'too-large'],
  ];
  for (const [text, matrix] of texts)
    it(`of "${text}" is ${typeof matrix === 'string' ? matrix : 'taken'}`, () =>
      expect(parseMatrix(text)).toEqual(matrix));

  it('is taken just when its repair packets are', () => {
    const matrices = fc.record({
      columns: fc.integer({ min: 0, max: 25 }),
      rows: fc.integer({ min: 0, max: 25 }),
      rowPackets: fc.boolean(),
    });
    fc.assert(
      fc.property(matrices, (matrix) => {
        const column = parseRepair(changed({ 25: matrix.columns, 26: matrix.rows }));
        const row = parseRepair(changed({ 24: 0x40, 26: matrix.columns }));
        const taken = typeof column === 'object' && (!matrix.rowPackets || typeof row === 'object');
        expect(matrixFault(matrix) === undefined).toBe(taken);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a recovery', () => {
  for (const missing of [0, 1, 2, 3])
    it(`gives back source packet ${missing}`, () =>
      expect(recovered(REPAIR, SOURCES, missing)).toEqual(SOURCES[missing]));

  it('gives back any packet of any lengths, timestamps and marks', () => {
    const source = fc.record({
      payload: fc.uint8Array({ minLength: 0, maxLength: 70 }),
      timestamp: fc.nat(0xffffffff),
      marker: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(source, { minLength: 4, maxLength: 20 }),
        fc.nat(0xffff),
        fc.nat(19),
        (all, start, any) => {
          const sources = all.map(({ payload, ...header }, place) =>
            rtpDatagram({ ...header, sequence: (start + 5 * place) & 0xffff, ssrc: 9 }, Buffer.from(payload)),
          );
          const repair = naiveRepair(sources, { direction: 'column', offset: 5 });
          const missing = any % sources.length;
          expect(recovered(repair, sources, missing)).toEqual(sources[missing]);
        },
      ),
    );
  });

  it('gives back contributing sources, extensions and padding', () => {
    const sources = SOURCES.map((source) => {
      const rest = Buffer.concat([source.subarray(12), hex('00000002')]); // 2 bytes of padding
      const header = Buffer.concat([source.subarray(0, 12), hex('00000001 bede0001 10aa0000')]);
      header[0] = 0xb1;
      return Buffer.concat([header, rest]);
    });
    const repair = naiveRepair(sources, { direction: 'row', offset: 1 });
    for (const [place, source] of sources.entries())
      expect(recovered(repair, sources, place)).toEqual(source);
  });

  it('gives the packet nothing of what came before it', () => {
    const recovery = new Recovery();
    const long = sourcePackets(4, { payloadBytes: 1316 });
    const missing = Buffer.from(SOURCES[2] ?? '');
    for (const [sources, repair] of [
      [long, naiveRepair(long, { direction: 'row', offset: 1 })],
      [SOURCES, REPAIR],
    ] as const) {
      recovery.begin(parsed(repair));
      for (const place of [0, 1, 3]) recovery.add(sources[place] ?? Buffer.alloc(0));
      expect(recovery.finish(sources[2]?.readUInt16BE(2) ?? 0)).toEqual(sources[2]);
    }
    expect(SOURCES[2]).toEqual(missing);
  });

  it('sees that a repair packet is the XOR of what it protects', () => {
    const recovery = new Recovery();
    const test = (repair: Buffer, sources: readonly Buffer[]): boolean => {
      recovery.begin(parsed(repair));
      for (const source of sources) recovery.add(source);
      return recovery.isNothing;
    };
    expect(test(REPAIR, SOURCES)).toBe(true);
    expect(test(changed({ 20: 1, 1: 0xe0 }), SOURCES)).toBe(true); // stamped anew behind the encoder
    expect(test(REPAIR, SOURCES.slice(1))).toBe(false);
    expect(test(changed({ 30: 0x55 }), SOURCES)).toBe(false);
    expect(test(changed({ 15: 1 }), SOURCES)).toBe(false);
    expect(test(changed({ 16: 0x81 }), SOURCES)).toBe(false);
    expect(test(REPAIR, sourcePackets(4, { payloadBytes: 30 }))).toBe(false);
  });

  const short = sourcePackets(4, { payloadBytes: 20 });
  const lies: [name: string, repair: Buffer, sources: readonly Buffer[], fault: RecoveryFault][] = [
    ['a length beyond its content', changed({ 15: 0x40 }), SOURCES, 'recovers-length'],
    ['a length far beyond it', changed({ 14: 0xff }), SOURCES, 'recovers-length'],
    ['a length short of its content', changed({ 15: 0x18 }), SOURCES, 'recovers-length'],
    [
      'neighbours that are longer than it',
      naiveRepair(short, { direction: 'row', offset: 1 }),
      SOURCES,
      'recovers-length',
    ],
    ['another payload type', changed({ 16: 0x80 | 1 }), SOURCES, 'recovers-header'],
    ['padding that nobody has', changed({ 0: 0xa0 }), SOURCES, 'recovers-header'],
    ['an extension that nobody has', changed({ 0: 0x90 }), SOURCES, 'recovers-header'],
    ['contributing sources that nobody has', changed({ 0: 0x8f }), SOURCES, 'recovers-header'],
  ];
  for (const [name, repair, sources, fault] of lies)
    it(`refuses ${name}`, () => expect(recovered(repair, sources, 2)).toBe(fault));

  it('judges each by its own neighbours', () => {
    const recovery = new Recovery();
    const result = (repair: Buffer, ...others: (Buffer | undefined)[]): Buffer | RecoveryFault => {
      recovery.begin(parsed(repair));
      for (const other of others) recovery.add(other ?? Buffer.alloc(12));
      return recovery.finish(103);
    };
    const [a, b, c, d] = SOURCES;
    const long = Buffer.alloc(100, 0x80);
    expect(result(REPAIR, a, b, long)).toBe('recovers-length');
    expect(result(REPAIR, a, b, c)).toEqual(d);
    result(REPAIR, a, b, changed({ 1: 40 }, c));
    expect(result(changed({ 16: 0x81 }), a, b, c)).toBe('recovers-header');
  });

  it('refuses what is not RTP even where all headers differ', () => {
    const sources = [...SOURCES];
    const odd = Buffer.from(sources[0] ?? '');
    odd[1] = 34;
    sources[0] = odd;
    const repair = naiveRepair(sources, { direction: 'row', offset: 1 });
    expect(recovered(repair, sources, 3)).toEqual(sources[3]);
    const mixed = SOURCES.map((source, place) => changed({ 1: 33 + (place % 2) }, source));
    const repairOfMixed = naiveRepair(mixed, { direction: 'row', offset: 1 });
    for (const [place, source] of mixed.entries())
      expect(recovered(repairOfMixed, mixed, place)).toEqual(source);
    repair[0] = 0x8f; // 15 contributing sources do not fit
    expect(recovered(repair, sources, 3)).toBe('recovers-header');
  });
});
