/** PAT, PMT and SDT: known sections, faults, and that what is written is what is read. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  crc32Mpeg,
  parsePat,
  parsePmt,
  parseSdt,
  writePat,
  writePmt,
  writeSdt,
  type Pat,
  type Pmt,
  type PsiFault,
  type Sdt,
} from '../../wire/psi.ts';

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

/** A section with its length and checksum set right. */
function section(text: string): Buffer {
  const open = hex(text);
  open.writeUInt16BE((open.readUInt16BE(1) & 0xf000) | (open.length + 4 - 3), 1);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32Mpeg(open));
  return Buffer.concat([open, crc]);
}

const sole = { version: 0, current: true, sectionNumber: 0, lastSectionNumber: 0 };

describe('crc32Mpeg', () => {
  it('gives the check value of CRC-32/MPEG-2', () => {
    expect(crc32Mpeg(Buffer.from('123456789'))).toBe(0x0376e6e7);
  });

  it('is 0 over a section with its checksum', () => {
    expect(crc32Mpeg(section('00 b000 0001 c1 00 00 0001 f000'))).toBe(0);
  });
});

describe('parsePat', () => {
  it('reads the PAT that ffmpeg writes', () => {
    // From `ffmpeg -f mpegts`, transport stream 1, programme 1 on PID 0x1000.
    expect(parsePat(hex('00b00d0001c100000001f0002ab104b2'))).toEqual({
      ...sole,
      transportStreamId: 1,
      programmes: [{ number: 1, pmtPid: 0x1000 }],
    });
  });

  it('leaves out bytes behind the last whole entry', () => {
    expect(parsePat(section('00 b000 0001 c1 00 00 0001 e100 0002'))).toMatchObject({
      programmes: [{ number: 1, pmtPid: 0x100 }],
    });
  });
});

describe('parsePmt', () => {
  it('reads streams with their descriptors', () => {
    const bytes = section('02 b000 0007 c3 00 00 e100 f000 1b e100 f000 0f e101 f006 0a04 656e6700');
    expect(parsePmt(bytes)).toEqual({
      ...sole,
      version: 1,
      programmeNumber: 7,
      pcrPid: 0x100,
      descriptors: [],
      streams: [
        { streamType: 0x1b, pid: 0x100, descriptors: [] },
        { streamType: 0x0f, pid: 0x101, descriptors: [{ tag: 0x0a, body: hex('656e6700') }] },
      ],
    });
  });
});

describe('parseSdt', () => {
  it('reads the names of services', () => {
    const bytes = section('42 f000 0001 c1 00 00 ff01 ff 0001 fc 800a 4808 01 02 4142 03 434445');
    expect(parseSdt(bytes)).toEqual({
      ...sole,
      transportStreamId: 1,
      originalNetworkId: 0xff01,
      services: [{ id: 1, provider: 'AB', name: 'CDE' }],
    });
  });

  it('has empty names for a service without them', () => {
    expect(parseSdt(section('42 f000 0001 c1 00 00 ff01 ff 0001 fc 8000'))).toMatchObject({
      services: [{ id: 1, provider: '', name: '' }],
    });
  });

  it('does not read names beyond their descriptor', () => {
    expect(parseSdt(section('42 f000 0001 c1 00 00 ff01 ff 0001 fc 8005 4803 01 ff 41'))).toMatchObject({
      services: [{ id: 1, provider: 'A', name: '' }],
    });
  });
});

describe('faults', () => {
  const readers = { pat: parsePat, pmt: parsePmt, sdt: parseSdt };
  const pat = '00 b000 0001 c1 00 00 0001 e100';
  const pmt = '02 b000 0001 c1 00 00 e100 f000';
  const sdt = '42 f000 0001 c1 00 00 ff01 ff';
  const broken = section(pat);
  broken[9] = 7;
  const cases: [name: string, table: keyof typeof readers, section: Buffer, fault: PsiFault][] = [
    ['nothing', 'pat', Buffer.alloc(0), 'too-short'],
    ['a head alone', 'pat', hex(pat).subarray(0, 8), 'too-short'],
    ['a section without its end', 'pat', section(pat).subarray(0, -1), 'too-short'],
    ['a length below the head', 'pat', hex('00 b004 0001 c1 00 00 00000000'), 'too-short'],
    ['another table', 'pat', section(pmt), 'wrong-table'],
    ['another table', 'pmt', section(pat), 'wrong-table'],
    ['the SDT of another stream', 'sdt', section(`46${sdt.slice(2)}`), 'wrong-table'],
    ['the short form', 'pat', section(pat.replace('b0', '30')), 'wrong-table'],
    ['a flipped bit', 'pat', broken, 'bad-crc'],
    ['a PMT without a clock PID', 'pmt', section('02 b000 0001 c1 00 00 e100'), 'too-short'],
    ['programme descriptors that overrun', 'pmt', section('02 b000 0001 c1 00 00 e100 f001'), 'too-short'],
    ['half a stream', 'pmt', section(`${pmt} 1b e100`), 'too-short'],
    ['stream descriptors that overrun', 'pmt', section(`${pmt} 1b e100 f001`), 'too-short'],
    ['a descriptor that overruns its loop', 'pmt', section(`${pmt} 1b e100 f002 0a01 00`), 'too-short'],
    ['a descriptor without a length', 'pmt', section(`${pmt} 1b e100 f001 0a`), 'too-short'],
    ['an SDT without a network', 'sdt', section('42 f000 0001 c1 00 00 ff'), 'too-short'],
    ['half a service', 'sdt', section(`${sdt} 0001 fc`), 'too-short'],
    ['service descriptors that overrun', 'sdt', section(`${sdt} 0001 fc 8001`), 'too-short'],
  ];
  for (const [name, table, bytes, fault] of cases) {
    it(`refuses ${name} as a ${table.toUpperCase()}`, () => expect(readers[table](bytes)).toBe(fault));
  }

  it('never throws, whatever bytes it gets, even with a right checksum', () => {
    const bodies = fc.uint8Array({ minLength: 5, maxLength: 120 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.constantFrom(0, 2, 0x42), bodies, fc.boolean(), (table, body, honest) => {
        const head = `${table.toString(16).padStart(2, '0')} b000`;
        const whole = honest ? section(head + body.toString('hex')) : body;
        for (const read of Object.values(readers)) expect(['string', 'object']).toContain(typeof read(whole));
      }),
      { seed: 3, numRuns: 2000 },
    );
  });
});

const heads = {
  version: fc.nat({ max: 31 }),
  current: fc.boolean(),
  sectionNumber: fc.nat({ max: 255 }),
  lastSectionNumber: fc.nat({ max: 255 }),
};
const number = fc.nat({ max: 0xffff });
const pid = fc.nat({ max: 0x1fff });
const descriptors = fc.array(
  fc.record({
    tag: fc.nat({ max: 255 }),
    body: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  }),
  { maxLength: 3 },
);
const pats: fc.Arbitrary<Pat> = fc.record({
  ...heads,
  transportStreamId: number,
  programmes: fc.array(fc.record({ number, pmtPid: pid }), { maxLength: 20 }),
});
const pmts: fc.Arbitrary<Pmt> = fc.record({
  ...heads,
  programmeNumber: number,
  pcrPid: pid,
  descriptors,
  streams: fc.array(fc.record({ streamType: fc.nat({ max: 255 }), pid, descriptors }), { maxLength: 8 }),
});
const text = fc.string({ maxLength: 20 }).map((text) => text.trim());
const sdts: fc.Arbitrary<Sdt> = fc.record({
  ...heads,
  transportStreamId: number,
  originalNetworkId: number,
  services: fc.array(fc.record({ id: number, provider: text, name: text }), { maxLength: 8 }),
});

describe('writing', () => {
  const config = { seed: 4, numRuns: 300 };
  it('writes the PAT that it reads', () => {
    fc.assert(
      fc.property(pats, (pat) => {
        expect(parsePat(writePat(pat))).toEqual(pat);
      }),
      config,
    );
  });
  it('writes the PMT that it reads', () => {
    fc.assert(
      fc.property(pmts, (pmt) => {
        expect(parsePmt(writePmt(pmt))).toEqual(pmt);
      }),
      config,
    );
  });
  it('writes the SDT that it reads', () => {
    fc.assert(
      fc.property(sdts, (sdt) => {
        expect(parseSdt(writeSdt(sdt))).toEqual(sdt);
      }),
      config,
    );
  });
});
