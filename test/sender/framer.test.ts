import { describe, expect, it } from 'vitest';
import { Framer, type FramerOptions, HEADER_BYTES, sequenceEndMark } from '../../sender/framer.ts';
import type { Framing } from '../../wire/address.ts';
import { parseRtp } from '../../wire/rtp.ts';
import { parseSequence } from '../../wire/sequence-header.ts';
import type { MediaRun } from '../../sender/media-chunk.ts';
import { type Datagram, datagramsOf, runOf } from '../helpers/media-runs.ts';
import { SEQUENCE_STARTS } from '../helpers/packets.ts';

const PAYLOAD = Buffer.alloc(1316, 0x47);
const BEGIN: FramerOptions = { framing: 'rtp', sequence: 0, timestamp: 0, ssrc: 0x1234_5678 };

/** What the packetizer makes of a payload, for the framing of `BEGIN` unless said otherwise. */
function media(index: number, changes: Partial<Datagram> & { framing?: Framing } = {}): MediaRun {
  const { framing = 'rtp', ...others } = changes;
  const headerBytes = HEADER_BYTES[framing];
  const bytes = Buffer.concat([Buffer.alloc(headerBytes, 0xdd), PAYLOAD]);
  return runOf({ headerBytes, bytes, index, programmeTicks: index * 27_000, ...others });
}

/** The datagrams of so many pieces of media. */
function framed(options: FramerOptions, list: readonly MediaRun[]): Buffer[] {
  const framer = new Framer(options);
  return list.flatMap((each) => {
    framer.push(each);
    const run = framer.poll();
    return run ? datagramsOf(run).map(({ bytes }) => bytes) : [];
  });
}

describe('Framer', () => {
  it('writes MPEG-TS in RTP: type 33, the clock in 90 kHz, the marker at a discontinuity', () => {
    const [first, second] = framed(BEGIN, [media(0), media(1, { discontinuity: true })]).map(parseRtp);
    const packet = { payloadType: 33, ssrc: 0x1234_5678, payload: PAYLOAD };
    expect(first).toMatchObject({ ...packet, sequence: 0, timestamp: 0, marker: false });
    expect(second).toMatchObject({ ...packet, sequence: 1, timestamp: 90, marker: true });
  });

  for (const sequence of SEQUENCE_STARTS) {
    it(`counts on from sequence number ${sequence}`, () => {
      const packets = framed({ ...BEGIN, sequence }, [media(0), media(1), media(2)]).map(parseRtp);
      const expected = [0, 1, 2].map((step) => ({ sequence: (sequence + step) % 65536 }));
      expect(packets).toMatchObject(expected);
    });
  }

  const stamps: [name: string, timestamp: number, programmeTicks: number, expected: number][] = [
    ['adds the start to the programme clock', 1000, 300 * 90, 1090],
    ['rounds down to a tick', 0, 300 * 7 + 299, 7],
    ['starts over after 32 bits', 0xffff_ffff, 300, 0],
    ['takes a clock of many hours', 5, 300 * (2 ** 33 + 7), 12],
    ['takes a clock before its zero', 0, -300, 0xffff_ffff],
  ];
  for (const [name, timestamp, programmeTicks, expected] of stamps) {
    it(`${name}: timestamp ${expected}`, () => {
      const [datagram = Buffer.alloc(0)] = framed({ ...BEGIN, timestamp }, [media(0, { programmeTicks })]);
      expect(parseRtp(datagram)).toMatchObject({ timestamp: expected });
    });
  }

  it('writes a sequence header that counts from 0', () => {
    const list = [media(0, { framing: 'seq' }), media(1, { framing: 'seq' })];
    const packets = framed({ ...BEGIN, framing: 'seq', sequence: 99 }, list).map(parseSequence);
    expect(packets).toEqual([
      { sequence: 0, payload: PAYLOAD },
      { sequence: 1, payload: PAYLOAD },
    ]);
  });

  it('leaves bare transport packets as they are', () => {
    expect(framed({ ...BEGIN, framing: 'udp' }, [media(0, { framing: 'udp' })])).toEqual([PAYLOAD]);
  });

  it('tells the count of all datagrams in the end mark', () => {
    expect(parseSequence(sequenceEndMark(2 ** 32 + 5))).toEqual({ sequence: 5, payload: Buffer.alloc(0) });
  });

  it('gives each datagram once, and says its timestamp', () => {
    const framer = new Framer(BEGIN);
    expect(framer.poll()).toBeUndefined();
    const datagram = media(1);
    framer.push(datagram);
    expect(framer.poll()).toBe(datagram);
    expect(datagramsOf(datagram)).toMatchObject([{ programmeTicks: 27_000, rtpTimestamp: 90 }]);
    expect(framer.poll()).toBeUndefined();
  });
});
