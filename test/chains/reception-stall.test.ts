/** Receptions in a process that is busy for a while: what lay unread meanwhile has its true times of arrival, and nothing else counts. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { receiveInLoop } from '../helpers/event-loop.ts';
import { network, type InTransit, type NetworkOptions } from '../helpers/network.ts';
import { rtpDatagram, senderCompound, sequenceDatagram, payloadOf } from '../helpers/packets.ts';
import { receive, type Output, type Sent } from '../helpers/receive.ts';
import { atOf, contents } from '../helpers/runs.ts';

const LATENCY_MS = 200;
const SECONDS = 6;

/** Six seconds of a stream of a datagram each 5 ms, reported and ended. */
function* departures(framing: 'rtp' | 'seq'): Generator<InTransit<Sent>> {
  const count = SECONDS * 200;
  const lanc = { index: count, sequence: count, final: true };
  for (let i = 0; i < count; i++) {
    const data =
      framing === 'rtp'
        ? rtpDatagram({ ssrc: 1, sequence: i, timestamp: 450 * i }, payloadOf(i, 1))
        : sequenceDatagram(i, payloadOf(i, 1));
    if (framing === 'rtp' && i % 200 === 0) {
      const report = senderCompound({ ssrc: 1, lanc: { index: i, sequence: i } });
      yield { at: 5 * i, item: { data: report, rtcp: true } };
    }
    yield { at: 5 * i, item: { data } };
  }
  for (let i = 0; i < 3; i++) {
    const data =
      framing === 'rtp'
        ? senderCompound({ ssrc: 1, lanc, bye: true })
        : sequenceDatagram(count, Buffer.alloc(0));
    yield { at: 5 * count + 100 * i, item: { data, rtcp: framing === 'rtp' } };
  }
}

const framings = fc.constantFrom('rtp' as const, 'seq' as const);
const gathered = fc.constantFrom(0, 5, 20);
const stalls = fc
  .array(fc.record({ after: fc.integer({ min: 1, max: 1500 }), lasts: fc.integer({ min: 1, max: 2500 }) }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((each) => {
    let at = 0;
    return each.map(({ after, lasts }) => ({ from: at + after, to: (at += after + lasts) }));
  });

function played(outputs: readonly Output[]): string[] {
  return outputs.flatMap((output) => {
    if (output.kind === 'payload') return [`${output.index}`];
    if (output.kind === 'gap') return [`gap ${output.first}+${output.count}`];
    return output.kind === 'report' ? [] : [output.kind];
  });
}

describe('a process that is busy for seconds', () => {
  it('gets two seconds at once, and plays them as if they had just come', () => {
    const arrivals = [...network(departures('rtp'), { delayMs: 20, jitterMs: 3 })];
    const live = receive(arrivals, { latencyMs: LATENCY_MS });
    const { outputs, figures } = receiveInLoop(arrivals, {
      latencyMs: LATENCY_MS,
      busy: [{ from: 1500, to: 3500 }],
    });
    expect(played(outputs)).toEqual(played(live.outputs));
    expect(figures).toMatchObject({ packets: 1200, lost: 0, late: 0, reordered: 0, restarts: 0 });
    expect(figures.jitterMs).toBe(live.figures.jitterMs);
    expect(figures.jitterMs).toBeLessThan(3);
    const times = atOf(outputs, 'payload');
    const before = times.filter((at) => at < 1500).length;
    const after = times.filter((at) => at === 3500).length;
    expect([before, after]).toEqual([expect.closeTo(296, -1), expect.closeTo(400, -1)]);
  });

  it('loses nothing that came within the latency, whatever lay unread in whatever order', () => {
    fc.assert(
      fc.property(framings, stalls, gathered, fc.integer(), (framing, busy, gatherMs, seed) => {
        const mild = { seed, delayMs: 20, jitterMs: 190, reorder: true, duplicates: 0.05 };
        const arrivals = [...network(departures(framing), mild)];
        const { outputs, figures } = receiveInLoop(arrivals, { latencyMs: LATENCY_MS, busy, gatherMs });
        expect(figures).toMatchObject({ lost: 0, late: 0, overflow: 0, restarts: 0, missingBefore: 0 });
        expect(contents(outputs)).toEqual(Array.from({ length: SECONDS * 200 }, (_, i) => i));
        expect(outputs.at(-1)).toMatchObject({ kind: 'end', proven: true });
      }),
      { seed: 20_261_122, numRuns: 60 },
    );
  });

  it('never loses more than one that is idle, and tells the same jitter', () => {
    const networks = fc.record({
      seed: fc.integer(),
      loss: fc.constantFrom(0, 0.02, 0.3),
      jitterMs: fc.constantFrom(0, 30, 300),
      reorder: fc.boolean(),
      duplicates: fc.constantFrom(0, 0.05),
    });
    fc.assert(
      fc.property(framings, stalls, gathered, networks, (framing, busy, gatherMs, trial: NetworkOptions) => {
        const arrivals = [...network(departures(framing), trial)];
        // An idle one gives up late too, as timers do: by up to a millisecond.
        const idle = receiveInLoop(arrivals, { latencyMs: LATENCY_MS - 1 });
        const { figures } = receiveInLoop(arrivals, { latencyMs: LATENCY_MS, busy, gatherMs });
        expect(figures.packets).toBeGreaterThanOrEqual(idle.figures.packets);
        expect(figures.late).toBeLessThanOrEqual(idle.figures.late);
        expect(figures.jitterMs ?? 0).toBeCloseTo(idle.figures.jitterMs ?? 0, 6);
      }),
      { seed: 20_261_122, numRuns: 60 },
    );
  });

  it('does as any other when it is never busy', () => {
    for (const framing of ['rtp', 'seq'] as const) {
      const onTheWay = [
        ...network(departures(framing), { seed: 3, loss: 0.05, jitterMs: 250, reorder: true }),
      ];
      // Timers keep whole milliseconds.
      const arrivals = onTheWay.map(({ at, item }) => ({ at: Math.round(at), item }));
      const { outputs, figures } = receive(arrivals, { latencyMs: LATENCY_MS });
      const inLoop = receiveInLoop(arrivals, { latencyMs: LATENCY_MS });
      expect(played(inLoop.outputs)).toEqual(played(outputs));
      // What is asked for depends on when it is looked at.
      const { silentMs, repair } = inLoop.figures;
      expect(inLoop.figures).toEqual({ ...figures, silentMs, ...(repair && { repair }) });
    }
  });
});
