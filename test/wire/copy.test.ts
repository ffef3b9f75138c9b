import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  COOKIE_BYTES,
  parseCopy,
  PIECE_BYTES,
  PIECE_HEADER_BYTES,
  piecesOf,
  writeCopy,
  writePieceHeader,
  type CopyFault,
  type CopyPacket,
} from '../../wire/copy.ts';
import { anyBytes, damaged, hex } from '../helpers/bytes.ts';

fc.configureGlobal({ seed: 1316 });

const CONNECTION = 0x0a0b0c0d;
const cookie = Buffer.alloc(COOKIE_BYTES, 0xcc);
const sha256 = Buffer.alloc(32, 0x5a);
const HEAD = '4c434631 TT 0a0b0c0d 0000000000000000';
const LONG_NAME = 'n'.repeat(255);

/** Each kind as an object, and byte for byte. */
const PACKETS: [name: string, packet: CopyPacket, bytes: string][] = [
  [
    'an offer without a cookie',
    offer({ bytes: 2 ** 40 + 3, name: 'film.mp4' }),
    `${head(1)} 0000010000000003 00 00 66696c6d2e6d7034`,
  ],
  [
    'an offer with one, to begin anew, of a name that is not ASCII',
    offer({ cookie, anew: true, name: 'é' }),
    `${head(1)} 0000000000000000 01 10 ${'cc'.repeat(16)} c3a9`,
  ],
  ['a challenge', { kind: 'challenge', ...at(0), cookie }, `${head(2)} ${'cc'.repeat(16)}`],
  [
    'an acceptance',
    { kind: 'accept', ...at(0), window: 4096, sha256 },
    `${head(3)} 00001000 ${'5a'.repeat(32)}`,
  ],
  ['a plea for patience', { kind: 'wait', ...at(0), reason: 'busy' }, `${head(4)} 02`],
  [
    'a piece',
    { kind: 'piece', ...at(258), transmission: 7, payload: hex('aabb') },
    '4c434631 05 0a0b0c0d 0000000000000102 00000007 aabb',
  ],
  [
    'an empty piece',
    { kind: 'piece', ...at(0), transmission: 2 ** 32 - 1, payload: Buffer.alloc(0) },
    `${head(5)} ffffffff`,
  ],
  [
    'an acknowledgement',
    {
      kind: 'ack',
      ...at(0),
      window: 1,
      unwritten: 2,
      delayUs: 3,
      oldest: 4,
      runs: [0, 127, 128, 2 ** 32 - 1],
    },
    `${head(6)} 00000001 00000002 00000003 00000004 00 7f 8001 ffffffff0f`,
  ],
  [
    'an acknowledgement of nothing',
    { kind: 'ack', ...at(0), window: 1, unwritten: 0, delayUs: 0, oldest: 0, runs: [] },
    `${head(6)} 00000001 00000000 00000000 00000000`,
  ],
  ['a finish', { kind: 'finish', ...at(0), sha256 }, `${head(7)} ${'5a'.repeat(32)}`],
  ['that it is done', { kind: 'done', ...at(0), name: 'a-2' }, `${head(8)} 612d32`],
  [
    'an end',
    { kind: 'end', ...at(0), reason: 'no-space', detail: 2 ** 32 },
    `${head(9)} 04 0000000100000000`,
  ],
  ['that nothing is known', { kind: 'unknown', ...at(0) }, head(10)],
];

const ANY_ACK = hex(`${head(6)} ${'00'.repeat(16)}`);

function at(index: number): { connection: number; index: number } {
  return { connection: CONNECTION, index };
}

function head(type: number): string {
  return HEAD.replace('TT', type.toString(16).padStart(2, '0'));
}

function offer(facts: { cookie?: Buffer; anew?: boolean; bytes?: number; name: string }): CopyPacket {
  return { kind: 'offer', ...at(0), cookie: Buffer.alloc(0), anew: false, bytes: 0, ...facts };
}

describe('writeCopy and parseCopy', () => {
  for (const [name, packet, bytes] of PACKETS) {
    it(`write ${name}`, () => expect(writeCopy(packet).toString('hex')).toBe(hex(bytes).toString('hex')));
    it(`read ${name}`, () => expect(parseCopy(hex(bytes))).toEqual(packet));
  }

  it('agree on every index, transmission and list of runs', () => {
    const word = fc.nat(2 ** 32 - 1);
    fc.assert(
      fc.property(
        fc.record({
          kind: fc.constant('ack' as const),
          connection: word,
          index: fc.maxSafeNat(),
          window: word,
          unwritten: word,
          delayUs: word,
          oldest: word,
          runs: fc.array(word, { maxLength: 200 }),
        }),
        (packet) => {
          expect(parseCopy(writeCopy(packet))).toEqual(packet);
        },
      ),
    );
  });

  it('count transmissions in 32 bits', () => {
    const memory = Buffer.alloc(3 + PIECE_HEADER_BYTES);
    writePieceHeader(memory, 3, { ...at(2 ** 53 - 1), transmission: 2 ** 32 + 5 });
    expect(parseCopy(memory.subarray(3))).toMatchObject({ index: 2 ** 53 - 1, transmission: 5 });
  });

  it('hand the bytes of a piece on without a copy', () => {
    const datagram = hex('4c434631 05 0a0b0c0d 0000000000000000 00000000 aa');
    const packet = parseCopy(datagram);
    datagram[PIECE_HEADER_BYTES] = 0xbb;
    expect(packet).toMatchObject({ payload: hex('bb') });
  });
});

describe('parseCopy refuses', () => {
  const faults: [name: string, datagram: string, fault: CopyFault][] = [
    ['an empty datagram', '', 'too-short'],
    ['a header cut short', '4c434631 05 0a0b0c0d 00000000000000', 'too-short'],
    ['another magic', `4c434632${head(10).slice(8)}`, 'bad-magic'],
    ['type 0', head(0), 'bad-type'],
    ['a type of another year', head(11), 'bad-type'],
    ['an index beyond 2^53', '4c434631 0a 0a0b0c0d 0020000000000000', 'bad-index'],
    ['an offer cut short', `${head(1)} 0000000000000000 00`, 'too-short'],
    ['an offer of more than 2^53 bytes', `${head(1)} ffffffffffffffff 00 00 61`, 'bad-index'],
    ['half a cookie', `${head(1)} 0000000000000000 00 08 ${'cc'.repeat(8)} 61`, 'bad-length'],
    ['a cookie cut short', `${head(1)} 0000000000000000 00 10 ${'cc'.repeat(8)}`, 'bad-length'],
    ['an offer without a name', `${head(1)} 0000000000000000 00 00`, 'bad-name'],
    ['a name that is not UTF-8', `${head(1)} 0000000000000000 00 00 c3`, 'bad-name'],
    ['a name of 256 bytes', `${head(1)} 0000000000000000 00 00 ${'61'.repeat(256)}`, 'bad-name'],
    ['a long challenge', `${head(2)} ${'cc'.repeat(17)}`, 'bad-length'],
    ['an acceptance cut short', `${head(3)} 00001000 ${'5a'.repeat(31)}`, 'bad-length'],
    ['no reason to wait', head(4), 'bad-length'],
    ['an unknown reason to wait', `${head(4)} 04`, 'bad-reason'],
    ['half a transmission number', `${head(5)} 000000`, 'too-short'],
    ['a piece of 1317 bytes', `${head(5)} 00000000 ${'aa'.repeat(PIECE_BYTES + 1)}`, 'bad-length'],
    ['an acknowledgement cut short', `${head(6)} 00000001 00000002 00000003 000000`, 'too-short'],
    ['a run cut short', `${head(6)} ${'00'.repeat(16)} 80`, 'bad-runs'],
    ['a run of more than 32 bits', `${head(6)} ${'00'.repeat(16)} ffffffff1f`, 'bad-runs'],
    ['a run that does not end', `${head(6)} ${'00'.repeat(16)} 808080808000`, 'bad-runs'],
    ['an endless acknowledgement', `${head(6)} ${'00'.repeat(PIECE_BYTES + 1)}`, 'bad-length'],
    ['half a hash', `${head(7)} ${'5a'.repeat(16)}`, 'bad-length'],
    ['no name', head(8), 'bad-name'],
    ['an end without a detail', `${head(9)} 01`, 'bad-length'],
    ['an end for no known reason', `${head(9)} 00 0000000000000000`, 'bad-reason'],
    ['a detail beyond 2^53', `${head(9)} 01 ffffffffffffffff`, 'bad-length'],
    ['words behind nothing', `${head(10)} 00`, 'bad-length'],
  ];
  for (const [name, datagram, fault] of faults) it(name, () => expect(parseCopy(hex(datagram))).toBe(fault));

  it('nothing by throwing, and never changes what it reads', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyBytes(1500),
          ...PACKETS.map(([, packet]) => damaged(writeCopy(packet))),
          anyBytes(50).map((bytes) => Buffer.concat([ANY_ACK, bytes])),
        ),
        (datagram) => {
          const before = Buffer.from(datagram);
          parseCopy(datagram);
          expect(datagram).toEqual(before);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('no name that fits', () => {
    expect(parseCopy(writeCopy(offer({ name: LONG_NAME })))).toMatchObject({ name: LONG_NAME });
  });
});

describe('piecesOf', () => {
  it('counts a last piece that is shorter', () =>
    expect([0, 1, 1316, 1317].map(piecesOf)).toEqual([0, 1, 1, 2]));
});
