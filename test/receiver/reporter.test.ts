import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ReceiverReporter,
  type ReceiverReporterInput,
  type ReceiverReporterOutput,
  type ReportFigures,
} from '../../receiver/reporter.ts';
import { compactFromMs } from '../../wire/clock.ts';
import { parseLanc, writeLanc, type LancReport } from '../../wire/lanc.ts';
import { parseRtcp, writeRtcp, type RtcpPacket } from '../../wire/rtcp.ts';
import { anyBytes, hex } from '../helpers/bytes.ts';
import { play, type Timed } from '../helpers/drive.ts';

fc.configureGlobal({ seed: 3551 });

const OWN = 0xaaaa0001;
const SSRC = 7;
const OTHER = 8;
const ADDRESS = '10.0.0.1';
const SOURCE = { address: ADDRESS, port: 41_001 };
const FIGURES: ReportFigures = { fractionLost: 3, cumulativeLost: 4, highestSequence: 65_540, jitter: 5 };
const STREAM: ReceiverReporterInput = { kind: 'stream', ssrc: SSRC, address: ADDRESS };
const LANC: LancReport = {
  index: 100,
  sequence: 65_535,
  final: false,
  rtpTimestamp: 90_000,
  pacePpm: 1_000_000,
  reportIntervalMs: 2000,
  healPort: 0,
  capabilities: 0,
};
const COOKIE = hex('0102030405060708');

function reporter(figures: () => ReportFigures | undefined = () => FIGURES, random = 0.5): ReceiverReporter {
  return new ReceiverReporter({ ssrc: OWN, cname: 'room@house', random: () => random, figures });
}

function sr(ssrc = SSRC): RtcpPacket {
  const ntp = { seconds: 0xb44d_b705, fraction: 0x2000_0000 };
  return { kind: 'sr', ssrc, ntp, rtpTimestamp: 0, packetCount: 0, octetCount: 0, reports: [] };
}

function lanc(more: Partial<LancReport> = {}, ssrc = SSRC): RtcpPacket {
  return writeLanc({ kind: 'report', ...LANC, ...more }, ssrc);
}

function bye(ssrc = SSRC): RtcpPacket {
  return { kind: 'bye', ssrcs: [ssrc] };
}

/** A compound that came from the sender's host. */
function came(arrivedAt: number, packets: RtcpPacket[], source = SOURCE): Timed<ReceiverReporterInput> {
  return [arrivedAt, { kind: 'rtcp', datagram: writeRtcp(packets), source, arrivedAt }];
}

/** What comes out until `until`, a line each: `40 learned 7 100`, `40 rr to 10.0.0.1:41001`, `50 bye 7 at 100`. */
function lines(inputs: Timed<ReceiverReporterInput>[], until: number, stage = reporter()): string[] {
  return [...play(stage, inputs, until)].map(([at, output]) => `${at} ${line(output)}`);
}

function line(output: ReceiverReporterOutput): string {
  if (output.kind === 'learned') return `learned ${output.ssrc} ${output.report.index}`;
  if (output.kind === 'bye') return `bye ${output.ssrc} at ${output.last?.index}`;
  const { address, port } = output.destination;
  return `${understood(output.datagram)
    .map((packet) => packet.kind)
    .join('+')} to ${address}:${port}`;
}

function understood(datagram: Buffer): RtcpPacket[] {
  const packets = parseRtcp(datagram);
  if (typeof packets === 'string') throw new Error(packets);
  return packets;
}

/** The compounds that leave until `until`. */
function compounds(
  inputs: Timed<ReceiverReporterInput>[],
  until: number,
  stage = reporter(),
): RtcpPacket[][] {
  return [...play(stage, inputs, until)].flatMap(([, output]) =>
    output.kind === 'rtcp' ? [understood(output.datagram)] : [],
  );
}

const REPORT = 'rr+sdes to 10.0.0.1:41001';

describe('ReceiverReporter: when', () => {
  const cases: [name: string, inputs: Timed<ReceiverReporterInput>[], lines: string[]][] = [
    ['is silent while no sender reports', [[0, STREAM]], []],
    ['is silent while no stream is received', [came(0, [sr(), lanc()])], ['0 learned 7 100']],
    [
      'answers the first report at once, then at the interval it names',
      [[0, STREAM], came(40, [sr(), lanc()])],
      ['40 learned 7 100', `40 ${REPORT}`, `2000 ${REPORT}`, `4000 ${REPORT}`, `6000 ${REPORT}`],
    ],
    [
      'answers at once also when the report came before the stream',
      [came(40, [sr(), lanc()]), [60, STREAM]],
      [
        '40 learned 7 100',
        '60 learned 7 100',
        `60 ${REPORT}`,
        `2100 ${REPORT}`,
        `4100 ${REPORT}`,
        `6100 ${REPORT}`,
      ],
    ],
    [
      'reports every five seconds to a sender that names no interval',
      [[0, STREAM], came(40, [sr()])],
      [`40 ${REPORT}`, `5000 ${REPORT}`],
    ],
    [
      'takes up a new interval after the next report',
      [[0, STREAM], came(0, [sr(), lanc()]), came(100, [sr(), lanc({ reportIntervalMs: 3000 })])],
      ['0 learned 7 100', `0 ${REPORT}`, '100 learned 7 100', `2000 ${REPORT}`, `5000 ${REPORT}`],
    ],
    [
      'does not flood, whatever interval is named',
      [[0, STREAM], came(0, [sr(), lanc({ reportIntervalMs: 0 })])],
      ['0 learned 7 100', ...[0, 1000, 2000, 3000, 4000, 5000, 6000, 7000].map((at) => `${at} ${REPORT}`)],
    ],
    [
      'falls silent at a goodbye',
      [[0, STREAM], came(0, [sr(), lanc()]), came(1000, [sr(), lanc({ final: true, index: 130 }), bye()])],
      ['0 learned 7 100', `0 ${REPORT}`, '1000 learned 7 130', '1000 bye 7 at 130'],
    ],
    [
      'says goodbye itself on leaving, and is then silent',
      [[0, STREAM], came(0, [sr(), lanc()]), [1000, { kind: 'leave' }], came(1100, [sr(), lanc()])],
      ['0 learned 7 100', `0 ${REPORT}`, '1000 rr+sdes+bye to 10.0.0.1:41001', '1100 learned 7 100'],
    ],
    [
      'leaves without a word when it never reported',
      [
        [0, STREAM],
        [1000, { kind: 'leave' }],
      ],
      [],
    ],
    ['leaves without a word when there was no stream', [came(0, [sr()]), [1000, { kind: 'leave' }]], []],
    [
      'sends its reports to where the latest ones come from',
      [[0, STREAM], came(0, [sr()]), came(100, [sr()], { ...SOURCE, port: 9 })],
      [`0 ${REPORT}`, '5000 rr+sdes to 10.0.0.1:9'],
    ],
  ];
  for (const [name, inputs, expected] of cases) {
    it(name, () => expect(lines(inputs, 7500)).toEqual(expected));
  }

  it('spreads its reports by half an interval either way', () => {
    const times = (random: number): string[] =>
      lines([[0, STREAM], came(0, [sr(), lanc()])], 6500, reporter(undefined, random)).slice(1);
    expect(times(0)).toEqual([0, 1000, 2000, 3000, 4000, 5000, 6000].map((at) => `${at} ${REPORT}`));
    expect(times(1)).toEqual([0, 3000, 6000].map((at) => `${at} ${REPORT}`));
  });

  it('stops answering a sender that has stopped reporting, and begins again when it comes back', () => {
    const reports = lines([[0, STREAM], came(0, [sr()]), came(100_000, [sr()])], 104_000);
    expect(reports.map((text) => text.split(' ')[0])).toEqual([
      '0',
      '5000',
      '10000',
      '15000',
      '20000',
      '25000',
      '100000',
    ]);
  });
});

describe('ReceiverReporter: what', () => {
  it('tells the figures, which report of the sender came last, and how long ago', () => {
    const [first, second] = compounds([[0, STREAM], came(40, [sr(), lanc()])], 2100);
    const block = { ...FIGURES, ssrc: SSRC, lastSr: 0xb705_2000, delaySinceLastSr: 0 };
    const sdes = { kind: 'sdes', chunks: [{ ssrc: OWN, cname: 'room@house' }] };
    expect(first).toEqual([{ kind: 'rr', ssrc: OWN, reports: [block] }, sdes]);
    const delaySinceLastSr = compactFromMs(2000 - 40);
    expect(second).toEqual([{ kind: 'rr', ssrc: OWN, reports: [{ ...block, delaySinceLastSr }] }, sdes]);
  });

  it('counts the delay from when the report arrived, not from when it was looked at', () => {
    const [, late] = came(40, [sr()]);
    const [first] = compounds(
      [
        [0, STREAM],
        [100, late],
      ],
      200,
    );
    expect(first?.[0]).toMatchObject({ reports: [{ delaySinceLastSr: compactFromMs(60) }] });
  });

  it('asks for the figures once for each report', () => {
    let asked = 0;
    const stage = reporter(() => ({ ...FIGURES, cumulativeLost: asked++ }));
    const reports = compounds([[0, STREAM], came(0, [sr(), lanc()])], 4500, stage);
    expect(reports.map(([rr]) => (rr?.kind === 'rr' ? rr.reports[0]?.cumulativeLost : 'none'))).toEqual([
      0, 1, 2,
    ]);
  });

  it('reports without a block while there are no figures', () => {
    const [first] = compounds(
      [[0, STREAM], came(0, [sr()])],
      100,
      reporter(() => undefined),
    );
    expect(first?.[0]).toEqual({ kind: 'rr', ssrc: OWN, reports: [] });
  });

  it('asks a sender on two paths on the one that works, with the challenge of that', () => {
    const second = { address: '10.1.0.1', port: 9 };
    const onSecond = (arrivedAt: number, packets: RtcpPacket[]): Timed<ReceiverReporterInput> => {
      const datagram = writeRtcp(packets);
      return [arrivedAt, { kind: 'rtcp', datagram, source: second, address: ADDRESS, arrivedAt }];
    };
    const challengeOf = (byte: number): RtcpPacket =>
      writeLanc({ kind: 'challenge', cookie: Buffer.alloc(8, byte) }, SSRC);
    const inputs: Timed<ReceiverReporterInput>[] = [
      [0, STREAM],
      came(0, [sr(), lanc()]),
      came(1, [sr(), challengeOf(1)]),
      onSecond(5, [sr(), lanc()]),
      [2100, { kind: 'missing', lost: [3], nearest: second.address }],
      onSecond(2200, [sr(), challengeOf(2)]),
      [2300, { kind: 'missing', lost: [3], nearest: second.address }],
      [2400, { kind: 'missing', lost: [3], nearest: ADDRESS }],
    ];
    const said = [...play(reporter(), inputs, 2600)].flatMap(([at, output]) => {
      if (output.kind !== 'rtcp') return [];
      const echo = understood(output.datagram)[2];
      const cookie = echo?.kind === 'app' ? parseLanc(echo) : undefined;
      const told = typeof cookie === 'object' && cookie.kind === 'echo' ? cookie.cookie[0] : 'nothing';
      return [`${at} to ${output.destination.port}: ${told}`];
    });
    expect(said).toEqual([
      '0 to 41001: nothing',
      '2000 to 9: nothing', // which is yet to challenge; its report came last
      '2100 to 9: nothing',
      '2300 to 9: 2',
      '2400 to 41001: 1',
    ]);
  });

  it('echoes the latest challenge in every compound that follows', () => {
    const challenge = writeLanc({ kind: 'challenge', cookie: COOKIE }, SSRC);
    const inputs = [[0, STREAM] as const, came(0, [sr(), lanc()]), came(100, [sr(), challenge])];
    const reports = compounds([...inputs, [4500, { kind: 'leave' }]], 5000);
    const echoes = reports.map((packets) => {
      const app = packets.find((packet) => packet.kind === 'app');
      return app && [app.ssrc, parseLanc(app)];
    });
    const echo = [OWN, { kind: 'echo', cookie: COOKIE }];
    expect(echoes).toEqual([undefined, echo, echo, echo]);
    expect(reports.at(-1)?.map((packet) => packet.kind)).toEqual(['rr', 'sdes', 'app', 'bye']);
  });
});

describe('ReceiverReporter: senders', () => {
  const cases: [name: string, inputs: Timed<ReceiverReporterInput>[], lines: string[]][] = [
    [
      'learns from each report',
      [[0, STREAM], came(0, [sr(), lanc()]), came(100, [sr(), lanc({ index: 107 })])],
      ['0 learned 7 100', `0 ${REPORT}`, '100 learned 7 107'],
    ],
    [
      'hears a goodbye once, though it is said three times',
      [0, 100, 200].map((at) => came(at, [sr(), lanc({ final: true }), bye()])),
      ['0 learned 7 100', '0 bye 7 at 100'],
    ],
    [
      'hears a goodbye before there is a stream, and tells it again then',
      [came(0, [sr(), lanc({ final: true }), bye()]), [50, STREAM]],
      ['0 learned 7 100', '0 bye 7 at 100', '50 learned 7 100', '50 bye 7 at 100'],
    ],
    ["knows no end from a foreign sender's goodbye", [came(0, [sr(), bye()])], ['0 bye 7 at undefined']],
    [
      'takes no report for the last that does not say so',
      [came(0, [sr(), lanc(), bye()])],
      ['0 learned 7 100', '0 bye 7 at undefined'],
    ],
    [
      'hears the goodbye of one that has stopped sending, in a receiver report',
      [[0, STREAM], came(0, [{ kind: 'rr', ssrc: SSRC, reports: [] }, bye()])],
      ['0 bye 7 at undefined'],
    ],
    [
      'takes no notice of receivers that report to the group',
      [[0, STREAM], came(0, [{ kind: 'rr', ssrc: 99, reports: [] }, lanc({}, 99), bye(99)])],
      [],
    ],
    ['takes no notice of a goodbye for somebody else', [[0, STREAM], came(0, [sr(OTHER), bye(SSRC)])], []],
    ['takes no notice of a LANC packet for somebody else', [came(0, [sr(), lanc({}, OTHER)])], []],
    [
      'does not take a report from another address for the stream of that SSRC',
      [[0, STREAM], came(0, [sr(), lanc()], { address: '10.6.6.6', port: 1 })],
      ['0 learned 7 100'],
    ],
    [
      'follows when another stream is settled on',
      [
        [0, STREAM],
        came(0, [sr(), lanc()]),
        came(10, [sr(OTHER), lanc({ index: 5 }, OTHER)], { ...SOURCE, port: 9 }),
        [20, { kind: 'stream', ssrc: OTHER, address: ADDRESS }],
      ],
      ['0 learned 7 100', `0 ${REPORT}`, '10 learned 8 5', '20 learned 8 5', '20 rr+sdes to 10.0.0.1:9'],
    ],
    [
      'forgets what it heard when the same sender starts anew',
      [came(0, [sr(), lanc(), bye()]), [10, STREAM], [20, STREAM], came(30, [sr(), lanc({ index: 3 })])],
      [
        '0 learned 7 100',
        '0 bye 7 at undefined',
        '10 learned 7 100',
        '10 bye 7 at undefined',
        `20 ${REPORT}`,
        '30 learned 7 3',
      ],
    ],
  ];
  for (const [name, inputs, expected] of cases) {
    it(name, () => expect(lines(inputs, 1500)).toEqual(expected));
  }

  it('gives the address with what it learned, so that a forger is told apart', () => {
    const outputs = [
      ...play(reporter(), [came(0, [sr(), lanc(), bye()], { address: '10.6.6.6', port: 1 })], 10),
    ];
    expect(outputs.map(([, output]) => output)).toMatchObject([
      { kind: 'learned', address: '10.6.6.6', report: LANC },
      { kind: 'bye', address: '10.6.6.6' },
    ]);
  });

  it('learns once from a compound, however often it says so', () => {
    const many = Array.from({ length: 30 }, (_, index) => lanc({ index }));
    expect(lines([came(0, [sr(), ...many])], 10)).toEqual(['0 learned 7 29']);
  });

  it('remembers the 16 senders heard last, and always the one received', () => {
    const stage = reporter();
    const crowd = Array.from({ length: 17 }, (_, i) => came(i + 10, [sr(100 + i), lanc({}, 100 + i)]));
    const inputs: Timed<ReceiverReporterInput>[] = [
      [0, STREAM],
      came(1, [sr(), lanc()]),
      ...crowd,
      [50, { kind: 'stream', ssrc: 100, address: ADDRESS }],
      [60, { kind: 'stream', ssrc: 101, address: ADDRESS }],
    ];
    const after = lines(inputs, 2001, stage).filter((text) => Number.parseInt(text, 10) >= 50);
    expect(after).toEqual(['60 learned 101 100', `60 ${REPORT}`]);
  });

  const refused: [name: string, datagram: Buffer, counter: 'refused' | 'foreign'][] = [
    ['an empty datagram', Buffer.alloc(0), 'refused'],
    ['half a report', hex('80 c8 0006 00000007'), 'refused'],
    ['a report of a receiver', writeRtcp([{ kind: 'rr', ssrc: 99, reports: [] }]), 'foreign'],
  ];
  for (const [name, datagram, counter] of refused) {
    it(`counts ${name} as ${counter}`, () => {
      const stage = reporter();
      stage.push({ kind: 'rtcp', datagram, source: SOURCE, arrivedAt: 0 }, 0);
      expect(stage.poll(0)).toBeUndefined();
      expect(stage.stats).toEqual({ heard: 0, refused: 0, foreign: 0, reported: 0, asked: 0, [counter]: 1 });
    });
  }

  it('does not keep the datagram or the source, which belong to the socket', () => {
    const stage = reporter();
    const datagram = writeRtcp([sr(), writeLanc({ kind: 'challenge', cookie: COOKIE }, SSRC)]);
    const source = { ...SOURCE };
    stage.push(STREAM, 0);
    stage.push({ kind: 'rtcp', datagram, source, arrivedAt: 0 }, 0);
    datagram.fill(0);
    source.port = 9;
    const report = stage.poll(0);
    if (report?.kind !== 'rtcp') throw new Error('no report');
    expect(report.destination).toEqual(SOURCE);
    expect(understood(report.datagram)[2]).toMatchObject({ data: COOKIE });
  });

  it('keeps its schedule whatever bytes come', () => {
    fc.assert(
      fc.property(fc.array(anyBytes(80), { maxLength: 20 }), (datagrams) => {
        const noise = datagrams.map((datagram, i): Timed<ReceiverReporterInput> => {
          const arrivedAt = 10 * i + 1;
          return [arrivedAt, { kind: 'rtcp', datagram, source: { address: '10.6.6.6', port: 1 }, arrivedAt }];
        });
        expect(compounds([[0, STREAM], came(0, [sr(), lanc()]), ...noise], 4500)).toHaveLength(3);
      }),
    );
  });
});
