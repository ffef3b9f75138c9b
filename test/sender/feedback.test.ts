import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readFeedback, type FeedbackFault } from '../../sender/feedback.ts';
import { writeLanc } from '../../wire/lanc.ts';
import { writeRtcp, type RtcpPacket } from '../../wire/rtcp.ts';
import { writeNack } from '../../wire/rtcp-feedback.ts';
import { anyBytes, damaged, hex } from '../helpers/bytes.ts';
import { receiverCompound } from '../helpers/feedback.ts';

fc.configureGlobal({ seed: 4586 });

const COOKIE = hex('0102030405060708');
const OURS = 7;
const BLOCK = {
  fractionLost: 0,
  cumulativeLost: 0,
  highestSequence: 0,
  jitter: 0,
  lastSr: 0,
  delaySinceLastSr: 0,
};

function report(ssrcs: number[], ...more: RtcpPacket[]): Buffer {
  return writeRtcp([{ kind: 'rr', ssrc: 9, reports: ssrcs.map((ssrc) => ({ ...BLOCK, ssrc })) }, ...more]);
}

function nack(mediaSsrc: number, lost: number[]): RtcpPacket {
  return writeNack({ ssrc: 9, mediaSsrc, lost });
}

const NOTHING = { ssrc: 9, echo: undefined, challenges: false, lost: [] };

describe('readFeedback', () => {
  const read: [name: string, datagram: Buffer, feedback: object][] = [
    ['a report of a receiver that has had nothing', report([]), NOTHING],
    ['a report about us', report([3, OURS]), NOTHING],
    ['a request', report([OURS], nack(OURS, [5, 6])), { ...NOTHING, lost: [5, 6] }],
    ['a request beside one to another', report([], nack(3, [1]), nack(OURS, [5])), { ...NOTHING, lost: [5] }],
    ['a request without a report about us', report([3], nack(OURS, [5])), { ...NOTHING, lost: [5] }],
    ['several requests', report([], nack(OURS, [5]), nack(OURS, [9])), { ...NOTHING, lost: [5, 9] }],
    ['an echo', receiverCompound({ mediaSsrc: OURS, echo: COOKIE }), { ...NOTHING, echo: COOKIE }],
    [
      'a challenge',
      report([], writeLanc({ kind: 'challenge', cookie: COOKIE }, 9)),
      { ...NOTHING, challenges: true },
    ],
  ];
  for (const [name, datagram, feedback] of read)
    it(`reads ${name}`, () => expect(readFeedback(datagram, OURS)).toEqual(feedback));

  it('reads no more than 128 sequence numbers of a compound, however many requests are in it', () => {
    const lost = Array.from({ length: 100 }, (_, i) => i);
    const feedback = readFeedback(report([], nack(OURS, lost), nack(OURS, lost), nack(OURS, lost)), OURS);
    expect(typeof feedback !== 'string' && feedback.lost).toHaveLength(128);
  });

  const faults: [name: string, datagram: Buffer, fault: FeedbackFault][] = [
    ['no bytes', Buffer.alloc(0), 'too-short'],
    ['media', hex('80 21 0102 00000003'), 'not-compound'],
    ['a request without a report', writeRtcp([nack(OURS, [1])]), 'not-compound'],
    ['a report about others', report([3]), 'not-ours'],
    ['a request to others', report([3], nack(4, [1])), 'not-ours'],
  ];
  for (const [name, datagram, fault] of faults)
    it(`refuses ${name}`, () => expect(readFeedback(datagram, OURS)).toBe(fault));

  it('gives feedback or a fault for any bytes at all', () => {
    const real = receiverCompound({ mediaSsrc: OURS, echo: COOKIE, lost: [1, 2, 40] });
    fc.assert(
      fc.property(fc.oneof(anyBytes(80), damaged(real)), (datagram) => {
        const feedback = readFeedback(datagram, OURS);
        if (typeof feedback !== 'string') expect(feedback.lost.length).toBeLessThanOrEqual(128);
      }),
      { numRuns: 2000 },
    );
  });
});
