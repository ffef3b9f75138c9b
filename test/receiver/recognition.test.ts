import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  emptyHeader,
  guess,
  isReliableTransfer,
  readHeader,
  recognise,
  type Recognition,
} from '../../receiver/recognition.ts';
import type { Framing } from '../../wire/address.ts';
import { parseRtp } from '../../wire/rtp.ts';
import { payloadOf, rtpDatagram, sequenceDatagram } from '../helpers/packets.ts';

const rtp = (sequence: number, ssrc = 5) => rtpDatagram({ sequence, ssrc });
const seq = sequenceDatagram;
const mark = (sequence: number) => sequenceDatagram(sequence, Buffer.alloc(0));
const ts = (packets = 7) => payloadOf(1, packets);
const cutTs = () => Buffer.concat([ts().subarray(100), ts()]).subarray(0, 1472);

describe('recognition', () => {
  const cases: [name: string, held: Buffer[], framing: Framing | undefined, fixed?: Framing][] = [
    ['nothing', [], undefined],
    ['one datagram of seven TS packets', [ts()], 'udp'],
    ['three datagrams of one TS packet', [ts(1), ts(1), ts(1)], 'udp'],
    ['one TS packet alone', [ts(1)], undefined],
    ['TS that is cut anywhere', [cutTs()], undefined],
    [
      'TS that is cut anywhere, as soon as one begins with a packet',
      [cutTs(), Buffer.alloc(32, 9), ts(7)],
      'udp',
    ],
    ['TS with one sync byte wrong', [ts().fill(0, 376, 377)], undefined],
    ['one RTP packet', [rtp(1)], undefined],
    ['two RTP packets in sequence', [rtp(1), rtp(2)], 'rtp'],
    ['two RTP packets in disorder', [rtp(2), rtp(1)], 'rtp'],
    ['two RTP packets around the wrap', [rtp(65_535), rtp(0)], 'rtp'],
    ['two RTP packets with others between', [rtp(1), rtp(900), rtp(500), rtp(2)], 'rtp'],
    ['two RTP packets of which one is a copy', [rtp(1), rtp(1)], undefined],
    ['two RTP packets with loss between them', [rtp(1), rtp(101)], 'rtp'],
    ['two RTP packets far apart', [rtp(1), rtp(102)], undefined],
    ['two RTP packets with different SSRCs', [rtp(1, 5), rtp(2, 6)], undefined],
    ['RTCP', [Buffer.from('80c8000600000001', 'hex'), Buffer.from('80c8000700000001', 'hex')], undefined],
    ['two sequence headers', [seq(0), seq(1)], undefined],
    ['three sequence headers in a row', [seq(0), seq(1), seq(2)], 'seq'],
    ['three sequence headers in disorder, with copies', [seq(2), seq(0), seq(0), seq(1)], 'seq'],
    ['three sequence headers around the wrap', [seq(2 ** 32 - 1), seq(0), seq(1)], 'seq'],
    ['three sequence headers, one of them missing', [seq(0), seq(1), seq(3)], undefined],
    [
      'sequence headers that count through those of TS',
      [0x4747_4746, 0x4747_4747, 0x4747_4748].map((n) => seq(n)),
      'seq',
    ],
    ['one sequence header and its end mark, twice', [seq(0), mark(1), mark(1)], 'seq'],
    ['end marks alone', [mark(8), mark(8), mark(8)], undefined],
    [
      'sequence headers with too much behind them',
      [0, 1, 2].map((n) => seq(n, Buffer.alloc(1317))),
      undefined,
    ],
    ['noise', [Buffer.from('hello'), Buffer.from('hello'), Buffer.from('hello')], undefined],
    ['empty datagrams', [Buffer.alloc(0), Buffer.alloc(0), Buffer.alloc(0)], undefined],
    ['TS when RTP is asked for', [ts()], undefined, 'rtp'],
    ['RTP when TS is asked for', [rtp(1), rtp(2)], undefined, 'udp'],
    ['RTP when RTP is asked for', [rtp(1), rtp(2)], 'rtp', 'rtp'],
    ['sequence headers when they are asked for', [seq(0), seq(1), seq(2)], 'seq', 'seq'],
  ];
  for (const [name, held, framing, fixed] of cases) {
    it(`takes ${name} for ${framing ?? 'nothing yet'}`, () => {
      expect(recognise(held, fixed)?.framing).toBe(framing);
    });
  }

  it('names the SSRC and a sequence number', () => {
    expect(recognise([rtp(7, 3), rtp(9, 5), rtp(8, 5)], undefined)).toEqual({
      framing: 'rtp',
      ssrc: 5,
      sequence: 8,
    });
  });

  const guesses: [name: string, held: Buffer[], found: Recognition | undefined, ssrc?: number][] = [
    ['one TS packet', [ts(1)], { framing: 'udp', ssrc: 0, sequence: 0 }],
    ['one RTP packet', [rtp(4)], { framing: 'rtp', ssrc: 5, sequence: 4 }],
    ['the RTP packet whose SSRC is known', [rtp(4), rtp(9, 6)], { framing: 'rtp', ssrc: 6, sequence: 9 }, 6],
    ['the first sequence header', [seq(0)], { framing: 'seq', ssrc: 0, sequence: 0 }],
    ['a sequence header far on', [seq(70_000)], undefined],
    ['noise', [Buffer.from('hello')], undefined],
    ['what is not the SSRC that is known', [ts(), seq(0), rtp(1, 6)], undefined, 7],
  ];
  for (const [name, held, found, ssrc] of guesses) {
    it(`guesses that ${name} is ${found?.framing ?? 'nothing'}`, () => {
      expect(guess(held, undefined, ssrc)).toEqual(found);
    });
  }

  it('knows reliable transfer by its magic', () => {
    expect(isReliableTransfer(Buffer.from('LCF1....'))).toBe(true);
    expect(isReliableTransfer(Buffer.from('LCF'))).toBe(false);
  });

  it('never throws, whatever comes', () => {
    const header = emptyHeader();
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (all) => {
        const held = all.map((bytes) => Buffer.from(bytes));
        recognise(held, undefined);
        guess(held, undefined);
        for (const framing of ['rtp', 'udp', 'seq'] as const) {
          for (const datagram of held) readHeader(framing, datagram, header);
        }
      }),
      { seed: 20_261_122 },
    );
  });
});

describe('headers', () => {
  it('are read from RTP as the full parser reads them, faults included', () => {
    const bytes = fc.uint8Array({ maxLength: 60 });
    const header = emptyHeader();
    fc.assert(
      fc.property(bytes, fc.integer({ min: 0, max: 63 }), (body, low) => {
        const datagram = Buffer.from([0x80 | low, ...body]);
        const packet = parseRtp(datagram);
        const fault = readHeader('rtp', datagram, header);
        if (typeof packet === 'string') expect(fault).toBe(packet);
        else if (packet.payloadType >= 72 && packet.payloadType <= 79) expect(fault).toBe('rtcp');
        else {
          const { sequence, timestamp, marker, ssrc } = packet;
          expect(header).toMatchObject({ sequence, timestamp, marker, ssrc });
          expect(datagram.subarray(header.payloadStart, header.payloadEnd)).toEqual(packet.payload);
        }
      }),
      { seed: 20_261_122 },
    );
  });

  it('of bare TS are none: all of it is payload', () => {
    const header = emptyHeader();
    expect(readHeader('udp', ts(), header)).toBe(undefined);
    expect(header).toEqual({
      ssrc: 0,
      sequence: 0,
      timestamp: undefined,
      marker: false,
      payloadStart: 0,
      payloadEnd: 1316,
    });
  });

  it('of the sequence framing are four bytes', () => {
    const header = emptyHeader();
    expect(readHeader('seq', seq(77), header)).toBe(undefined);
    expect(header).toMatchObject({ sequence: 77, payloadStart: 4, payloadEnd: 1320 });
    expect(readHeader('seq', Buffer.alloc(3), header)).toBe('too-short');
    expect(readHeader('seq', Buffer.alloc(1321), header)).toBe('too-long');
  });
});
