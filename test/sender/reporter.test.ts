import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SenderReporter, type Departures, type SenderReporterInput } from '../../sender/reporter.ts';
import { compactFromMs, compactNtp, ntpFromWall } from '../../wire/clock.ts';
import { parseLanc } from '../../wire/lanc.ts';
import { parseRtcp, writeRtcp, type ReportBlock, type RtcpPacket } from '../../wire/rtcp.ts';
import { anyBytes, hex } from '../helpers/bytes.ts';
import { play, type Timed } from '../helpers/drive.ts';

fc.configureGlobal({ seed: 3550 });

const SSRC = 0xfeedbeef;
const WALL = Date.UTC(2026, 10, 22);
const SOURCE = { address: '10.0.0.7', port: 40_000 };

/** One second of a stream of 80 000 bytes a second has left. */
function departed(more: Partial<Departures> = {}): Departures {
  return {
    index: 60,
    sequence: 65_535,
    octets: 80_000,
    rtpTimestamp: 90_000,
    dueAt: 1000,
    pacePpm: 1_000_000,
    ...more,
  };
}

function reporter(departures = departed(), random = () => 0.5): SenderReporter {
  return new SenderReporter({
    ssrc: SSRC,
    cname: 'film@studio',
    clockRateHz: 90_000,
    healPort: 0,
    departures,
    random,
    wallAt: (now) => WALL + now,
  });
}

/** When each compound left, and its packets. */
function run(
  stage: SenderReporter,
  inputs: Timed<SenderReporterInput>[],
  until: number,
): [number, RtcpPacket[]][] {
  return [...play(stage, inputs, until)].map(([at, datagram]) => [at, understood(datagram)]);
}

function understood(datagram: Buffer): RtcpPacket[] {
  const packets = parseRtcp(datagram);
  if (typeof packets === 'string') throw new Error(packets);
  return packets;
}

function kinds(packets: RtcpPacket[]): string {
  return packets.map((packet) => packet.kind).join(' ');
}

function lancOf(packets: RtcpPacket[]) {
  const app = packets.find((packet) => packet.kind === 'app');
  return app && parseLanc(app);
}

function block(more: Partial<ReportBlock> = {}): ReportBlock {
  return {
    ssrc: SSRC,
    fractionLost: 64,
    cumulativeLost: 7,
    highestSequence: 99,
    jitter: 180,
    lastSr: 0,
    delaySinceLastSr: 0,
    ...more,
  };
}

type Feedback = Extract<SenderReporterInput, { kind: 'rtcp' }>;

/** A receiver's compound, as an input. */
function feedback(ssrc: number, more: Partial<ReportBlock> = {}, ...rest: RtcpPacket[]): Feedback {
  const packets: RtcpPacket[] = [
    { kind: 'rr', ssrc, reports: [block({ ssrc: 4, fractionLost: 0 }), block(more)] },
    { kind: 'sdes', chunks: [{ ssrc, cname: `room ${ssrc}` }] },
    ...rest,
  ];
  return { kind: 'rtcp', datagram: writeRtcp(packets), source: SOURCE };
}

describe('SenderReporter: when', () => {
  const schedules: [name: string, random: number, times: number[]][] = [
    ['in the middle of the range', 0.5, [50, 150, 350, 1400, 2400, 3400]],
    ['as early as may be', 0, [50, 150, 350, 900, 1400, 1900, 2400, 2900, 3400]],
    ['as late as may be', 1, [50, 150, 350, 1900, 3400]],
  ];
  for (const [name, random, times] of schedules) {
    it(`reports at 0, 100 and 300 ms, then each second at multiples of 100 ms, ${name}`, () => {
      const reports = run(
        reporter(departed(), () => random),
        [[50, { kind: 'start' }]],
        3450,
      );
      expect(reports.map(([at]) => at)).toEqual(times);
    });
  }

  it('is silent before the start, and starts once only', () => {
    const stage = reporter();
    expect(stage.wakeAt).toBe(Infinity);
    const starts = [50, 60].map((at): Timed<SenderReporterInput> => [at, { kind: 'start' }]);
    const reports = run(stage, starts, 140);
    expect(reports.map(([at]) => at)).toEqual([50]);
  });

  it('says goodbye three times, 100 ms apart, and is silent for ever after', () => {
    const stage = reporter();
    const inputs: Timed<SenderReporterInput>[] = [
      [0, { kind: 'start' }],
      [5000, { kind: 'end' }],
      [5050, { kind: 'end' }],
      [5060, { kind: 'start' }],
    ];
    const goodbyes = run(stage, inputs, Infinity).filter(([at]) => at >= 5000);
    expect(goodbyes.map(([at]) => at)).toEqual([5000, 5100, 5200]);
    for (const [, packets] of goodbyes) {
      expect(kinds(packets)).toBe('sr sdes app bye');
      expect(packets.at(-1)).toEqual({ kind: 'bye', ssrcs: [SSRC] });
      expect(lancOf(packets)).toMatchObject({ final: true, index: 60, sequence: 65_535 });
    }
    expect(stage.wakeAt).toBe(Infinity);
  });

  it('says goodbye again to those who report on, ten times at most', () => {
    const reportAt = (at: number): Timed<SenderReporterInput> => [at, feedback(1)];
    const ended: Timed<SenderReporterInput>[] = [
      [0, { kind: 'start' }],
      [5000, { kind: 'end' }],
      reportAt(5050), // may have crossed a goodbye
      reportAt(5900),
      [6100, feedback(1, {}, { kind: 'bye', ssrcs: [1] })],
    ];
    const times = run(reporter(), ended, Infinity).flatMap(([at]) => (at >= 5000 ? [at] : []));
    expect(times).toEqual([5000, 5100, 5200, 6000]);
    const insistent = Array.from({ length: 30 }, (_, number) => reportAt(6000 + 1000 * number));
    const many = run(reporter(), [...ended.slice(0, 2), ...insistent], Infinity);
    expect(many.filter(([at]) => at >= 6000)).toHaveLength(10);
  });

  it('says goodbye also for a stream that never began', () => {
    const departures = departed({ index: 0, octets: 0 });
    const goodbyes = run(reporter(departures), [[0, { kind: 'end' }]], Infinity);
    expect(goodbyes.map(([at, packets]) => [at, lancOf(packets)])).toMatchObject([
      [0, { final: true, index: 0 }],
      [100, { final: true, index: 0 }],
      [200, { final: true, index: 0 }],
    ]);
  });
});

describe('SenderReporter: what', () => {
  it('tells the time, its name and where the stream is', () => {
    const [first] = run(reporter(), [[1000, { kind: 'start' }]], 1001);
    const [sr, sdes, app] = first?.[1] ?? [];
    expect(sr).toEqual({
      kind: 'sr',
      ssrc: SSRC,
      ntp: ntpFromWall(WALL + 1000),
      rtpTimestamp: 90_000,
      packetCount: 60,
      octetCount: 80_000,
      reports: [],
    });
    expect(sdes).toEqual({ kind: 'sdes', chunks: [{ ssrc: SSRC, cname: 'film@studio' }] });
    expect(app).toMatchObject({ kind: 'app', ssrc: SSRC });
    expect(lancOf(first?.[1] ?? [])).toEqual({
      kind: 'report',
      index: 60,
      sequence: 65_535,
      final: false,
      rtpTimestamp: 90_000,
      pacePpm: 1_000_000,
      reportIntervalMs: 1000,
      healPort: 0,
      capabilities: 0,
    });
  });

  const timestamps: [name: string, departures: Partial<Departures>, timestamp: number][] = [
    ['of a datagram that leaves now', {}, 90_000],
    ['before that of a datagram that is due later', { dueAt: 1200 }, 72_000],
    ['after that of a datagram that has left', { dueAt: 900 }, 99_000],
    ['over the wrap', { dueAt: 900, rtpTimestamp: 2 ** 32 - 1 }, 8999],
    ['back over the wrap', { dueAt: 1200, rtpTimestamp: 17_999 }, 2 ** 32 - 1],
    ['at twice the pace', { dueAt: 900, pacePpm: 2_000_000 }, 108_000],
  ];
  for (const [name, departures, timestamp] of timestamps) {
    it(`tells the RTP time ${name}`, () => {
      const [first] = run(reporter(departed(departures)), [[1000, { kind: 'start' }]], 1001);
      expect(first?.[1][0]).toMatchObject({ rtpTimestamp: timestamp });
      expect(lancOf(first?.[1] ?? [])).toMatchObject({ rtpTimestamp: timestamp });
    });
  }

  it('tells counts modulo 2^32 in the report and in full in its own packet', () => {
    const departures = departed({ index: 2 ** 32 + 5, octets: 2 ** 40 + 6 });
    const [first] = run(reporter(departures), [[1000, { kind: 'start' }]], 1001);
    expect(first?.[1][0]).toMatchObject({ packetCount: 5, octetCount: 6 });
    expect(lancOf(first?.[1] ?? [])).toMatchObject({ index: 2 ** 32 + 5 });
  });

  it('reads how far the stream is when it reports, not before', () => {
    const departures = departed();
    const stage = reporter(departures);
    stage.push({ kind: 'start' }, 1000);
    departures.index = 61;
    departures.sequence = 0;
    expect(lancOf(understood(stage.poll(1000) ?? Buffer.alloc(0)))).toMatchObject({ index: 61, sequence: 0 });
  });
});

describe('SenderReporter: receivers', () => {
  it('keeps what each reported last', () => {
    const stage = reporter();
    stage.push(feedback(1), 100);
    stage.push(feedback(2, { fractionLost: 0, cumulativeLost: -1, jitter: 0 }), 200);
    stage.push(feedback(1, { fractionLost: 128 }), 300);
    expect([...stage.receivers.values()]).toEqual([
      {
        ssrc: 2,
        source: SOURCE,
        cname: 'room 2',
        fractionLost: 0,
        cumulativeLost: -1,
        jitterMs: 0,
        roundTripMs: undefined,
        reportedAt: 200,
      },
      {
        ssrc: 1,
        source: SOURCE,
        cname: 'room 1',
        fractionLost: 0.5,
        cumulativeLost: 7,
        jitterMs: 2,
        roundTripMs: undefined,
        reportedAt: 300,
      },
    ]);
    expect(stage.stats).toEqual({ reported: 0, heard: 3, refused: 0 });
  });

  it('does not keep the source object, which belongs to the socket', () => {
    const stage = reporter();
    const source = { address: '10.0.0.7', port: 1 };
    stage.push({ ...feedback(1), source }, 0);
    source.port = 2;
    expect(stage.receivers.get(1)?.source.port).toBe(1);
  });

  const roundTrips: [
    name: string,
    sentAt: number,
    heldMs: number,
    arrivedAt: number,
    roundTrip: number | undefined,
  ][] = [
    ['of 40 ms', 1000, 500, 1540, 40],
    ['of nothing', 1000, 500, 1500, 0],
    ['a hair below nothing, by rounding', 1000, 500, 1499.9, 0],
    ['that would be negative', 1000, 500, 1400, undefined],
    ['of more than a minute', 1000, 0, 62_000, undefined],
  ];
  for (const [name, sentAt, heldMs, arrivedAt, roundTrip] of roundTrips) {
    it(`measures a round trip ${name}`, () => {
      const stage = reporter();
      const lastSr = compactNtp(ntpFromWall(WALL + sentAt));
      stage.push(feedback(1, { lastSr, delaySinceLastSr: compactFromMs(heldMs) }), arrivedAt);
      const measured = stage.receivers.get(1)?.roundTripMs;
      if (roundTrip === undefined) expect(measured).toBeUndefined();
      else expect(measured).toBeCloseTo(roundTrip, 1);
    });
  }

  it('measures round trips over the wrap of the compact time, every 18 hours', () => {
    const wrapAt = 65_536_000 - ((WALL + 2_208_988_800_000) % 65_536_000);
    const stage = reporter();
    stage.push(feedback(1, { lastSr: compactNtp(ntpFromWall(WALL + wrapAt - 10)) }), wrapAt + 10);
    expect(stage.receivers.get(1)?.roundTripMs).toBeCloseTo(20, 1);
  });

  it('takes the reports of a peer that sends too', () => {
    const stage = reporter();
    const sr: RtcpPacket = {
      kind: 'sr',
      ssrc: 3,
      ntp: { seconds: 1, fraction: 0 },
      rtpTimestamp: 0,
      packetCount: 0,
      octetCount: 0,
      reports: [block()],
    };
    stage.push({ kind: 'rtcp', datagram: writeRtcp([sr]), source: SOURCE }, 0);
    expect(stage.receivers.get(3)).toMatchObject({ cname: undefined, cumulativeLost: 7 });
  });

  it('lets go who says goodbye', () => {
    const stage = reporter();
    stage.push(feedback(1), 0);
    stage.push(feedback(2), 0);
    stage.push(feedback(1, {}, { kind: 'bye', ssrcs: [1] }), 10);
    expect([...stage.receivers.keys()]).toEqual([2]);
  });

  it('lets go who has been silent for five intervals', () => {
    const stage = reporter();
    run(
      stage,
      [
        [0, { kind: 'start' }],
        [1000, feedback(1)],
        [10_000, feedback(2)],
        [26_200, feedback(3)],
      ],
      27_000,
    );
    expect([...stage.receivers.keys()]).toEqual([2, 3]);
  });

  it('keeps 1024, and lets go the one not heard for longest', () => {
    const stage = reporter();
    for (let ssrc = 1; ssrc <= 1024; ssrc++) stage.push(feedback(ssrc), ssrc);
    stage.push(feedback(1), 2000);
    stage.push(feedback(5000), 2001);
    expect(stage.receivers.size).toBe(1024);
    expect([1, 2, 3, 5000].map((ssrc) => stage.receivers.has(ssrc))).toEqual([true, false, true, true]);
  });

  const intervals: [name: string, receivers: number, intervalMs: number][] = [
    ['a second when nobody reports', 0, 1000],
    ['a second for a few', 20, 1000],
  ];
  for (const [name, receivers, intervalMs] of intervals) {
    it(`names ${name}`, () => expect(namedInterval(receivers)).toBe(intervalMs));
  }

  it('names an interval that keeps 500 receivers within 5 % of the stream', () => {
    const { datagram } = feedback(1);
    const intervalMs = namedInterval(500) ?? 0;
    const bytesPerSecond = (500 * (datagram.length + 28) * 1000) / intervalMs;
    expect(bytesPerSecond).toBeLessThanOrEqual(0.05 * 80_000);
    expect(bytesPerSecond).toBeGreaterThan(0.045 * 80_000);
  });

  it('names ten minutes at most, however thin the stream', () => {
    expect(namedInterval(1024, departed({ octets: 1 }))).toBe(600_000);
  });

  const foreign: [name: string, datagram: Buffer][] = [
    ['an empty datagram', Buffer.alloc(0)],
    ['half a report', hex('81 c9 0007 00000001')],
    ['a report about somebody else', writeRtcp([{ kind: 'rr', ssrc: 1, reports: [block({ ssrc: 4 })] }])],
    ['a report about nobody', writeRtcp([{ kind: 'rr', ssrc: 1, reports: [] }])],
  ];
  for (const [name, datagram] of foreign) {
    it(`refuses ${name}`, () => {
      const stage = reporter();
      stage.push({ kind: 'rtcp', datagram, source: SOURCE }, 0);
      expect(stage.stats).toEqual({ reported: 0, heard: 0, refused: 1 });
      expect(stage.receivers.size).toBe(0);
    });
  }

  it('keeps its schedule whatever bytes come', () => {
    fc.assert(
      fc.property(fc.array(anyBytes(80), { maxLength: 20 }), (datagrams) => {
        const inputs = datagrams.map((datagram, i): Timed<SenderReporterInput> => [
          10 * i + 1,
          { kind: 'rtcp', datagram, source: SOURCE },
        ]);
        const reports = run(reporter(), [[0, { kind: 'start' }], ...inputs], 400);
        expect(reports.map(([at]) => at)).toEqual([0, 100, 300]);
      }),
    );
  });
});

/** The interval a sender of 80 000 bytes a second names after one second. */
function namedInterval(receivers: number, departures = departed()): number | undefined {
  const stage = reporter(departures, () => 0.2);
  const inputs = Array.from({ length: receivers }, (_, i): Timed<SenderReporterInput> => [
    400,
    feedback(i + 10),
  ]);
  const [at, packets] = run(stage, [[0, { kind: 'start' }], ...inputs], 1001).at(-1) ?? [];
  expect(at).toBe(1000);
  const lanc = lancOf(packets ?? []);
  return typeof lanc === 'object' && lanc.kind === 'report' ? lanc.reportIntervalMs : undefined;
}
