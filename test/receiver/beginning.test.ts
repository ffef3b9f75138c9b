/** The beginning of a stream: what comes within the latency of the first to arrive is released, in order, from the first on. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Beginning } from '../../receiver/beginning.ts';
import type { LancReport } from '../../wire/lanc.ts';
import { parseRtcp } from '../../wire/rtcp.ts';
import type { InTransit } from '../helpers/network.ts';
import { payloadOf, rtpDatagram, SEQUENCE_STARTS, sequenceDatagram } from '../helpers/packets.ts';
import { brief, newReception, receive, SENDER, type Sent } from '../helpers/receive.ts';
import {
  atOf,
  bye,
  contents,
  inOrderOfTime,
  mark,
  report,
  rtpRun,
  seqRun,
  tsRun,
  upTo,
  type Arrivals,
} from '../helpers/runs.ts';

const LATENCY_MS = 200;

/** A run whose datagrams arrive in another order, each in the place in time of the one that is named for it. */
function shuffled(run: Arrivals, order: readonly number[]): Arrivals {
  return order.map((index, place) => ({ ...run[index]!, at: run[place]!.at }));
}

/** A report that the next datagram is `index`, with this sequence number. */
const told = (index: number, sequence: number): LancReport => ({
  index,
  sequence,
  final: false,
  rtpTimestamp: 0,
  pacePpm: 1_000_000,
  reportIntervalMs: 1000,
  healPort: 0,
  capabilities: 0,
});

describe('a beginning', () => {
  const rtp = (sequence: number, ssrc = 1) => rtpDatagram({ sequence, ssrc });

  it('is ready the latency after the first datagram of the stream came', () => {
    const beginning = new Beginning({ framing: 'rtp', ssrc: 1, sequence: 7 }, LATENCY_MS);
    beginning.see(rtp(7, 2), 3); // of another stream
    beginning.see(rtp(20_000), 4); // of another run
    beginning.see(Buffer.from('noise'), 5);
    expect(beginning.readyAt).toBe(Infinity);
    beginning.see(rtp(7), 10);
    beginning.see(rtp(6), 20);
    expect(beginning.readyAt).toBe(10 + LATENCY_MS);
  });

  for (const start of SEQUENCE_STARTS) {
    it(`is ready once it is known what the sender's very first is, when that is ${start}`, () => {
      const at = (index: number) => (start + index) % 65_536;
      for (const [next, seen] of [
        [0, [2, 1, 0]],
        [3, [1, 2, 0]],
        [5000, [0, 1]],
      ] as const) {
        for (const first of ['told', 'seen']) {
          const beginning = new Beginning({ framing: 'rtp', ssrc: 1, sequence: at(1) }, LATENCY_MS);
          if (first === 'told') beginning.learn(told(next, at(next)));
          for (const index of seen) beginning.see(rtp(at(index)), 10);
          if (first === 'seen') {
            expect(beginning.readyAt).toBe(10 + LATENCY_MS);
            beginning.learn(told(next, at(next)));
          }
          expect(beginning.readyAt).toBe(-Infinity);
          expect(beginning.firstOf(-1)).toEqual({ sequence: at(0), missing: 0 });
        }
      }
    });
  }

  it('begins with the very first when up to 512 are missing before what came, for they are asked for', () => {
    for (const [came, first, readyAt] of [
      [512, { sequence: 0, missing: 512 }, -Infinity],
      [513, { sequence: 513, missing: 0 }, 10 + LATENCY_MS],
    ] as const) {
      const beginning = new Beginning({ framing: 'rtp', ssrc: 1, sequence: came }, LATENCY_MS);
      beginning.learn(told(0, 0));
      beginning.see(rtp(came), 10);
      expect([beginning.firstOf(0), beginning.readyAt]).toEqual([first, readyAt]);
    }
  });

  it('does not ask for what was sent before a report, for nobody knows whether we were there', () => {
    const beginning = new Beginning({ framing: 'rtp', ssrc: 1, sequence: 7 }, LATENCY_MS);
    beginning.learn(told(5, 5));
    beginning.see(rtp(7), 10);
    expect(beginning.firstOf(0)).toEqual({ sequence: 7, missing: 0 });
    expect(beginning.readyAt).toBe(10 + LATENCY_MS);
  });

  it('does not believe a report of what has ended', () => {
    const beginning = new Beginning({ framing: 'rtp', ssrc: 1, sequence: 7 }, LATENCY_MS);
    beginning.learn({ ...told(5, 5), final: true });
    beginning.see(rtp(7), 10);
    expect(beginning.firstOf(0)).toEqual({ sequence: 7, missing: 0 });
    expect(beginning.readyAt).toBe(10 + LATENCY_MS);
  });

  it('does not believe a number that may have come round', () => {
    const beginning = new Beginning({ framing: 'rtp', ssrc: 1, sequence: 7 }, LATENCY_MS);
    beginning.see(rtp(7), 10);
    beginning.learn(told(65_536, 7));
    expect(beginning.readyAt).toBe(10 + LATENCY_MS);
  });

  it('of the sequence framing is ready with 0', () => {
    const beginning = new Beginning({ framing: 'seq', ssrc: 0, sequence: 2 }, LATENCY_MS);
    for (const sequence of [2, 1]) beginning.see(sequenceDatagram(sequence), 10);
    expect(beginning.readyAt).toBe(10 + LATENCY_MS);
    beginning.see(sequenceDatagram(0), 12);
    expect(beginning.readyAt).toBe(-Infinity);
  });

  it('of bare TS is always ready', () => {
    expect(new Beginning({ framing: 'udp', ssrc: 0, sequence: 0 }, LATENCY_MS).readyAt).toBe(-Infinity);
  });
});

describe('the first datagrams of a stream', () => {
  it('are released in order when one has overtaken the others', () => {
    for (const run of [rtpRun({ count: 6 }), seqRun(0, 6)]) {
      for (const order of [
        [2, 0, 1, 3, 4, 5],
        [5, 4, 3, 2, 1, 0],
        [1, 2, 3, 4, 5, 0],
      ]) {
        const { outputs, figures } = receive(shuffled(run, order));
        expect(brief(outputs)).toBe(upTo(6));
        expect(figures).toMatchObject({ lost: 0, late: 0, packets: 6, refused: {} });
      }
    }
  });

  it('wait for those that may come before them, for the latency', () => {
    for (const run of [rtpRun({ count: 50 }), seqRun(7, 50)]) {
      const { outputs } = receive(run);
      const at = Array.from({ length: 50 }, (_, i) => Math.max(LATENCY_MS, 10 * i));
      expect(atOf(outputs, 'payload')).toEqual(at);
    }
  });

  it('wait for nothing once the very first is among them', () => {
    const seq = receive(shuffled(seqRun(0, 6), [2, 1, 3, 0, 4, 5])).outputs;
    expect(atOf(seq, 'payload')).toEqual([30, 30, 30, 30, 40, 50]);
    const run = shuffled(rtpRun({ count: 6 }), [2, 1, 3, 0, 4, 5]);
    for (const heardAt of [0, 5, 30, 35]) {
      const heard = report(heardAt, 1, { index: 3, sequence: 103 });
      const { outputs, figures } = receive(inOrderOfTime([heard], run));
      const first = Math.max(30, heardAt);
      expect(atOf(outputs, 'payload')).toEqual([first, first, first, first, 40, 50]);
      expect(figures).toMatchObject({ firstIndex: 0, missingBefore: 0 });
    }
  });

  it('are no silence while they wait', () => {
    const { reception } = receive(rtpRun({ count: 50 }), { latencyMs: 10_000, until: 495 });
    expect(reception.figures(495)).toMatchObject({ silentMs: 5, packets: 0 });
  });

  it('of bare TS wait for nothing', () => {
    expect(atOf(receive(tsRun(3)).outputs, 'payload')).toEqual([0, 10, 20]);
  });

  it('are the first of those that came when the very first was lost', () => {
    const heard = report(0, 1, { index: 0, sequence: 98 });
    const { outputs, figures } = receive([heard, ...shuffled(rtpRun({ count: 6 }), [3, 2, 0, 1, 4, 5])]);
    expect(brief(outputs)).toBe('2 3 4 5 6 7');
    expect(figures).toMatchObject({ firstIndex: 2, missingBefore: 2, lost: 0, unrecovered: 0 });
  });

  it('are counted from the first in the reports to the sender', () => {
    const order = [2, 0, 1, 4, ...Array.from({ length: 95 }, (_, i) => i + 5)]; // 3 is lost
    const run = rtpRun({ count: 100, sequence: 65_534 });
    const sent = inOrderOfTime([report(0, 1, {}), report(1200, 1, {})], shuffled(run, order));
    const { outputs } = receive(sent, { until: 2_500 });
    const reports = outputs.flatMap((output) => (output.kind === 'report' ? [output.datagram] : []));
    const [last] = parseRtcp(reports.at(-1) ?? Buffer.alloc(0));
    expect(last).toMatchObject({ reports: [{ cumulativeLost: 1, highestSequence: 65_534 + 99 }] });
  });

  it('wait although the goodbye is there, which may have overtaken them', () => {
    const [first, second, third] = rtpRun({ count: 3 });
    const goodbye = bye(15, 1, { index: 3, sequence: 103, final: true });
    const late = inOrderOfTime([second!, third!, goodbye, { ...first!, at: 180 }]);
    expect(brief(receive(late).outputs)).toBe('0 1 2 end proven');
    const marks = inOrderOfTime([...seqRun(1, 3), mark(4, 31), ...seqRun(0, 1, 180)]);
    expect(brief(receive(marks).outputs)).toBe('0 1 2 3 end proven');
    const plain = receive([...rtpRun({ count: 3 }), bye(60, 1)]).outputs;
    expect(brief(plain)).toBe('0 1 2 end');
    expect(atOf(plain, 'payload')).toEqual([LATENCY_MS, LATENCY_MS, LATENCY_MS]);
  });

  it('wait no longer when nothing more is expected', () => {
    for (const run of [rtpRun({ count: 3 }), seqRun(7, 3), rtpRun({ count: 1 })]) {
      for (const release of ['in-order', 'paced'] as const) {
        const { outputs } = receive(run, { giveUpAt: 50, release });
        expect(brief(outputs)).toBe(`${upTo(run.length)} end`);
        expect(outputs.at(-1)?.at).toBe(50);
      }
    }
  });

  it('are whole as well when a sender starts again', () => {
    const again = shuffled(rtpRun({ count: 20, ssrc: 2, sequence: 9_000, at: 1500 }), [
      2,
      0,
      1,
      ...Array.from({ length: 17 }, (_, i) => i + 3),
    ]);
    const { outputs, figures } = receive([...rtpRun({ count: 100 }), ...again]);
    expect(brief(outputs)).toBe(`${upTo(100)} restart 1 ${upTo(20)}`);
    expect(figures).toMatchObject({ lost: 0, refused: {} });
  });

  it('leave the place to the sender that came first, even if another is ready before it', () => {
    const run = rtpRun({ count: 100 });
    const other = seqRun(0, 99, 5, { address: '10.0.0.2', port: 9 });
    const { outputs, figures } = receive(inOrderOfTime(run, other), { until: 1_100 });
    expect(brief(outputs)).toBe(upTo(100));
    expect(figures).toMatchObject({ framing: 'rtp', restarts: 0, secondSender: '10.0.0.2:9' });
  });

  it('are taken as they are when they fill the memory, and none is dropped', () => {
    const reception = newReception({ latencyMs: 10_000 });
    const before = process.memoryUsage().arrayBuffers;
    let released = 0;
    for (let i = 0; i < 8_000; i++) {
      const now = i / 10;
      reception.pushMedia(rtpDatagram({ sequence: i, timestamp: 9 * i, ssrc: 1 }), now, SENDER);
      for (let out = reception.poll(now); out; out = reception.poll(now)) {
        if (out.kind === 'payload') expect(out.index).toBe(released++);
      }
      if (i === 4096) expect(released).toBe(0);
    }
    expect(released).toBe(8_000);
    expect(reception.figures(800)).toMatchObject({ lost: 0, packets: 8_000, refused: {} });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 2 ** 20);
  });
});

describe('any disorder within the latency at the beginning', () => {
  /** Each datagram with what it takes on its way, less than the latency. */
  const streams = fc.record({
    framing: fc.constantFrom('rtp' as const, 'seq' as const),
    first: fc.oneof(fc.constantFrom(...SEQUENCE_STARTS), fc.integer({ min: 0, max: 65_535 })),
    spacingMs: fc.constantFrom(0.1, 1.2, 10),
    fates: fc.array(
      fc.record({ delayMs: fc.double({ min: 0, max: LATENCY_MS - 1, noNaN: true }), lost: fc.boolean() }),
      { minLength: 4, maxLength: 60 },
    ),
    losses: fc.boolean(),
    reportAt: fc.option(fc.integer({ min: 0, max: 400 }), { nil: undefined }),
  });

  for (const release of ['in-order', 'paced'] as const) {
    it(`loses nothing that arrived, and keeps its order (${release})`, () => {
      fc.assert(
        fc.property(streams, ({ framing, first, spacingMs, fates, losses, reportAt }) => {
          const sent: InTransit<Sent>[] = [];
          const came: number[] = [];
          fates.forEach(({ delayMs, lost }, i) => {
            if (losses && lost && i < fates.length - 3) return; // the last three prove what it is
            const header = {
              ssrc: 1,
              sequence: (first + i) % 65_536,
              timestamp: (2 ** 32 - 90 + Math.round(90 * i * spacingMs)) % 2 ** 32,
            };
            const payload = payloadOf(i, 1);
            const data =
              framing === 'rtp' ? rtpDatagram(header, payload) : sequenceDatagram(first + i, payload);
            sent.push({ at: i * spacingMs + delayMs, item: { data } });
            came.push(i);
          });
          const reports =
            framing === 'rtp' && reportAt !== undefined
              ? [report(reportAt, 1, { index: 1, sequence: (first + 1) % 65_536 })]
              : [];
          const { outputs, figures } = receive(inOrderOfTime(sent, reports), {
            release,
            framing,
            latencyMs: LATENCY_MS,
            giveUpAt: 10_000,
          });
          expect(contents(outputs)).toEqual(came);
          expect(figures).toMatchObject({ packets: came.length, late: 0, duplicate: 0, refused: {} });
        }),
        { seed: 20_261_122, numRuns: 400 },
      );
    });
  }
});
