import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LossRun } from '../../wire/loss-pattern.ts';
import { parseRtcp, writeRtcp, type RtcpPacket, type UnknownPacket } from '../../wire/rtcp.ts';
import {
  MAX_REPORTED,
  MAX_XR_BYTES,
  parseLossReport,
  writeLossReport,
  type LossReport,
  type XrFault,
} from '../../wire/rtcp-xr.ts';
import { anyBytes, damaged, hex } from '../helpers/bytes.ts';
import { SEQUENCE_STARTS } from '../helpers/packets.ts';

fc.configureGlobal({ seed: 3611 });

const RR: RtcpPacket = { kind: 'rr', ssrc: 1, reports: [] };

function xr(body: string): UnknownPacket {
  return { kind: 'unknown', packetType: 207, count: 0, body: hex(body) };
}

function reportOf(
  firstSequence: number,
  count: number,
  ...lost: [first: number, count: number][]
): LossReport {
  return {
    ssrc: 1,
    mediaSsrc: 9,
    firstSequence,
    count,
    lost: lost.map(([first, count]) => ({ first, count })),
  };
}

/** Reports as they stand on the wire, behind the header of the packet; parsed and written. */
const REPORTS: [name: string, body: string, report: LossReport][] = [
  ['a stretch that came', '00000001 01000003 00000009 0064 0096 4032 0000', reportOf(100, 50)],
  ['a stretch that was lost', '00000001 01000003 00000009 0064 0096 0032 0000', reportOf(100, 50, [0, 50])],
  ['a burst', '00000001 01000004 00000009 0064 0096 4014 0014 400a 0000', reportOf(100, 50, [20, 20])],
  [
    'losses one by one, the first packet in the highest bit',
    '00000001 01000003 00000009 0000 001e bffd d555',
    reportOf(0, 30, [0, 1], [13, 1], [16, 1], [18, 1], [20, 1], [22, 1], [24, 1], [26, 1], [28, 1]),
  ],
  [
    'sequence numbers that wrap, and bits behind the end',
    '00000001 01000003 00000009 fffe 0012 fbff fbff',
    reportOf(0xfffe, 20, [4, 1], [19, 1]),
  ],
  ['a stretch that takes two chunks', '00000001 01000003 00000009 0000 7530 7fff 7531', reportOf(0, 30_000)],
];

describe('parseLossReport', () => {
  for (const [name, body, report] of REPORTS)
    it(`reads ${name}`, () => expect(parseLossReport(xr(body), 9)).toEqual(report));

  const [, plain = '', report] = REPORTS[2] ?? [];
  const others = `00000001 04000002 12345678 9abcdef0 01000003 00000008 0000 0001 4001 0000`;
  it('skips blocks of other types and about other streams', () =>
    expect(parseLossReport(xr(`${others} ${plain.slice(9)}`), 9)).toEqual(report));

  it('puts up with an end mark before the end, and chunks behind the range', () =>
    expect(parseLossReport(xr('00000001 01000004 00000009 0000 0002 0000 0001 4001 0005'), 9)).toEqual(
      reportOf(0, 2, [0, 1]),
    ));

  it('joins what chunks tell apart', () =>
    expect(parseLossReport(xr('00000001 01000004 00000009 0000 0014 0003 0002 8000 0000'), 9)).toEqual(
      reportOf(0, 20, [0, 20]),
    ));

  const faults: [name: string, packet: UnknownPacket, fault: XrFault][] = [
    ['feedback', { ...xr(plain), packetType: 205 }, 'not-xr'],
    ['a packet without SSRC', xr(''), 'too-short'],
    ['a packet without blocks', xr('00000001'), 'no-loss-report'],
    ['a report about somebody else', xr(plain.replace('00000009', '00000008')), 'no-loss-report'],
    ['a block longer than the packet', xr('00000001 01000005 00000009 0064 0096 4014 0014'), 'too-short'],
    ['a block without a range', xr('00000001 01000001 00000009'), 'too-short'],
    ['every second packet only', xr(plain.replace('01000004', '01010004')), 'thinned'],
    ['an empty range', xr('00000001 01000003 00000009 0064 0064 4014 0000'), 'bad-range'],
    ['a range around the whole circle', xr('00000001 01000003 00000009 0064 0063 4014 0000'), 'bad-range'],
    ['a range without chunks', xr('00000001 01000002 00000009 0064 0096'), 'bad-chunks'],
    ['chunks that end too early', xr('00000001 01000003 00000009 0064 0096 4014 0014'), 'bad-chunks'],
    ['endless chunks', xr(`00000001 01000161 00000009 0000 fffe ${'8000'.repeat(702)}`), 'too-long'],
  ];
  for (const [name, packet, fault] of faults)
    it(`refuses ${name}`, () => expect(parseLossReport(packet, 9)).toBe(fault));

  it('gives a report or a fault for any bytes at all', () => {
    const header = hex('00000001 01000010 00000009');
    const inputs = [
      anyBytes(80),
      anyBytes(68).map((bytes) => Buffer.concat([header, bytes])),
      damaged(hex(REPORTS[3]?.[1] ?? '')),
    ];
    for (const bodies of inputs) {
      fc.assert(
        fc.property(bodies, (body) => {
          const parsed = parseLossReport({ kind: 'unknown', packetType: 207, count: 0, body }, 9);
          if (typeof parsed === 'string') return;
          let before = -1;
          for (const { first, count } of parsed.lost) {
            expect(first).toBeGreaterThan(before);
            expect(count).toBeGreaterThan(0);
            before = first + count;
          }
          expect(before).toBeLessThanOrEqual(parsed.count);
          // Whatever was understood can be said again, and is then understood the same way.
          expect(parseLossReport(writeLossReport(parsed), 9)).toEqual(parsed);
        }),
        { numRuns: 1000 },
      );
    }
  });
});

/** Runs of what came and what was lost, in turn. */
const patterns = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 40 })), { maxLength: 400 })
  .map((runs) => {
    const lost: LossRun[] = [];
    let end = 0;
    for (const [came, count] of runs) {
      lost.push({ first: end + came, count });
      end += came + count;
    }
    return { lost, end };
  });

describe('writeLossReport', () => {
  for (const [name, body, report] of REPORTS)
    it(`writes ${name}`, () => expect(writeLossReport(report)).toEqual(xr(body)));

  it('is undone by parseLossReport, from any sequence number on; of long patterns the latest part is told', () => {
    fc.assert(
      fc.property(patterns, fc.constantFrom(...SEQUENCE_STARTS), fc.nat(20), ({ lost, end }, start, more) => {
        const count = Math.min(end + more + 1, MAX_REPORTED);
        const told = lost.filter(({ first, count: length }) => first + length <= count);
        const compound = writeRtcp([RR, writeLossReport({ ...reportOf(start, count), lost: told })]);
        expect(compound.length - 8).toBeLessThanOrEqual(MAX_XR_BYTES);
        const packet = parseRtcp(compound)[1];
        if (typeof packet === 'string' || packet?.kind !== 'unknown') throw new Error('no such packet');
        const parsed = parseLossReport(packet, 9);
        if (typeof parsed === 'string') throw new Error(parsed);
        const left = count - parsed.count; // out
        expect(parsed.firstSequence).toBe((start + left) & 0xffff);
        if (left > 0) expect(compound.length - 8).toBeGreaterThan(MAX_XR_BYTES - 4);
        const latest = told
          .map(({ first, count: length }) => {
            const from = Math.max(first, left);
            return { first: from - left, count: first + length - from };
          })
          .filter((run) => run.count > 0);
        expect(parsed.lost).toEqual(latest);
      }),
      { numRuns: 300 },
    );
  });

  for (const count of [0, MAX_REPORTED + 1])
    it(`throws on ${count} packets, which is our own mistake`, () =>
      expect(() => writeLossReport(reportOf(0, count))).toThrow(RangeError));
});
