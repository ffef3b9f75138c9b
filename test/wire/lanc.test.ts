import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLanc, writeLanc, type Lanc, type LancFault } from '../../wire/lanc.ts';
import { parseRtcp, writeRtcp, type AppPacket } from '../../wire/rtcp.ts';
import { anyBytes, hex, prefixes } from '../helpers/bytes.ts';

fc.configureGlobal({ seed: 0x4c41 });

const REPORT: Lanc = {
  kind: 'report',
  index: 2 ** 32 + 5,
  sequence: 0xfffe,
  final: false,
  rtpTimestamp: 0x01020304,
  pacePpm: 1_000_000,
  reportIntervalMs: 1000,
  healPort: 1317,
  capabilities: 0,
};
const REPORT_HEX = '00000001 00000005 fffe 0525 01020304 000f4240 000003e8';

function app(subtype: number, data: string, name = 'LANC'): AppPacket {
  return { kind: 'app', ssrc: 7, name, subtype, data: hex(data) };
}

const PACKETS: [name: string, packet: AppPacket, lanc: Lanc][] = [
  ['a report', app(0, `${REPORT_HEX} 00000000`), REPORT],
  ['the final report', app(0, `${REPORT_HEX} 80000000`), { ...REPORT, final: true }],
  ['a report with capabilities', app(0, `${REPORT_HEX} 0000ffff`), { ...REPORT, capabilities: 0xffff }],
  [
    'the largest numbers',
    app(0, '001fffff ffffffff ffff ffff ffffffff ffffffff ffffffff 8000ffff'),
    {
      kind: 'report',
      index: Number.MAX_SAFE_INTEGER,
      sequence: 0xffff,
      final: true,
      rtpTimestamp: 2 ** 32 - 1,
      pacePpm: 2 ** 32 - 1,
      reportIntervalMs: 2 ** 32 - 1,
      healPort: 0xffff,
      capabilities: 0xffff,
    },
  ],
  ['a challenge', app(1, '0102030405060708'), { kind: 'challenge', cookie: hex('0102030405060708') }],
  ['an echo', app(2, '0102030405060708'), { kind: 'echo', cookie: hex('0102030405060708') }],
];

describe('parseLanc', () => {
  for (const [name, packet, lanc] of PACKETS) {
    it(`reads ${name}`, () => expect(parseLanc(packet)).toEqual(lanc));

    it(`reads ${name} of a later version, with more behind it`, () =>
      expect(parseLanc({ ...packet, data: Buffer.concat([packet.data, hex('ffffffff')]) })).toEqual(lanc));

    it(`takes no beginning of ${name}`, () => {
      for (const data of prefixes(packet.data)) expect(parseLanc({ ...packet, data })).toBe('too-short');
    });
  }

  it('takes no notice of reserved bits', () =>
    expect(parseLanc(app(0, `${REPORT_HEX} 7fff0000`))).toEqual(REPORT));

  const faults: [name: string, packet: AppPacket, fault: LancFault][] = [
    ["somebody else's packet", app(0, `${REPORT_HEX} 00000000`, 'RIST'), 'not-lanc'],
    ['a name in small letters', app(0, `${REPORT_HEX} 00000000`, 'lanc'), 'not-lanc'],
    ['a subtype of a later version', app(3, '0102030405060708'), 'unknown-subtype'],
    ['an empty report', app(0, ''), 'too-short'],
    ['an empty challenge', app(1, ''), 'too-short'],
    ['an index beyond 2^53', app(0, `00200000${`${REPORT_HEX} 00000000`.slice(8)}`), 'bad-index'],
  ];
  for (const [name, packet, fault] of faults) {
    it(`refuses ${name}`, () => expect(parseLanc(packet)).toBe(fault));
  }

  it('gives a message or a fault for any bytes at all', () => {
    fc.assert(
      fc.property(fc.nat(31), anyBytes(40), (subtype, data) => {
        const lanc = parseLanc({ ...app(subtype, ''), data });
        if (typeof lanc !== 'string') expect(parseLanc(writeLanc(lanc, 7))).toEqual(lanc);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('writeLanc', () => {
  for (const [name, packet, lanc] of PACKETS) {
    it(`writes ${name}`, () => expect(writeLanc(lanc, 7)).toEqual(packet));
  }

  it('is undone by parseLanc, through a compound', () => {
    const word = fc.nat(2 ** 32 - 1);
    const reports = fc.record({
      kind: fc.constant('report' as const),
      index: fc.maxSafeNat(),
      sequence: fc.nat(65_535),
      final: fc.boolean(),
      rtpTimestamp: word,
      pacePpm: word,
      reportIntervalMs: word,
      healPort: fc.nat(65_535),
      capabilities: fc.nat(65_535),
    });
    fc.assert(
      fc.property(reports, word, (report, ssrc) => {
        const compound = parseRtcp(writeRtcp([{ kind: 'rr', ssrc, reports: [] }, writeLanc(report, ssrc)]));
        const packet = typeof compound === 'string' ? undefined : compound[1];
        expect(packet?.kind === 'app' && parseLanc(packet)).toEqual(report);
      }),
    );
  });
});
