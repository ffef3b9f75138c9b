/** The cases by which GStreamer tests its jitter buffer (tests/check/elements/rtpjitterbuffer.c), under their names there. */
import { describe, expect, it } from 'vitest';
import { brief, receive, type Output } from '../helpers/receive.ts';
import { atOf, inOrderOfTime, report, rtpRun, upTo, type Arrivals } from '../helpers/runs.ts';

const LATENCY_MS = 200;
/** The sender says that the first packet of a run is its first: nothing is waited for that might come before it. */
const BEGINNING = report(0, 1, { index: 0, sequence: 100 });

function without(run: Arrivals, ...lost: number[]): Arrivals {
  return run.filter((_, i) => !lost.includes(i));
}

function gaps(outputs: readonly Output[]): string[] {
  return outputs.flatMap((output) => (output.kind === 'gap' ? [`${output.first}+${output.count}`] : []));
}

function countOf(outputs: readonly Output[], kind: Output['kind']): number {
  return outputs.filter((output) => output.kind === kind).length;
}

for (const release of ['in-order', 'paced'] as const) {
  describe(`known cases, ${release}`, () => {
    const play = (sent: Arrivals, capacity?: number) =>
      receive(sent, { release, latencyMs: LATENCY_MS, ...(capacity && { capacity }) });

    it('only_one_lost_event_on_large_gaps', () => {
      const later = rtpRun({ count: 5, sequence: 5_100, timestamp: 5_000 + 5_000 * 900, at: 50_000 });
      expect(gaps(play([...rtpRun({ count: 5 }), ...later]).outputs)).toEqual(['5+4995']);
    });

    it('two_lost_one_arrives_in_time', () => {
      const run = rtpRun({ count: 40 });
      const sent = inOrderOfTime(without(run, 10, 11), [{ ...run[11]!, at: 215 }]);
      const { outputs, figures } = play(sent);
      expect(gaps(outputs)).toEqual(['10+1']);
      expect(figures).toMatchObject({ lost: 1, late: 0, packets: 39 });
    });

    it('big_gap_seqnum: with time, it is loss', () => {
      const later = rtpRun({ count: 5, sequence: 20_100, timestamp: 5_000 + 20_000 * 900, at: 200_000 });
      const { outputs, figures } = play([...rtpRun({ count: 5 }), ...later]);
      expect(figures).toMatchObject({ restarts: 0, lost: 19_995, packets: 10 });
      expect(outputs.at(-1)).toMatchObject({ index: 20_004 });
    });

    it('big_gap_seqnum: against time, it is a restart', () => {
      const later = rtpRun({ count: 50, sequence: 20_100, timestamp: 5_000 + 20_000 * 900, at: 50 });
      expect(brief(play([...rtpRun({ count: 5 }), ...later]).outputs)).toBe(
        `${upTo(5)} restart 1 ${upTo(50)}`,
      );
    });

    it('big_gap_arrival_time', () => {
      const later = rtpRun({ count: 5, sequence: 105, timestamp: 5_000 + 3_600_000 * 90, at: 3_600_000 });
      const { outputs, figures } = play([...rtpRun({ count: 5 }), ...later]);
      expect(brief(outputs)).toBe(upTo(10));
      expect(figures.lost).toBe(0);
    });

    it('considered_lost_packet_in_large_gap_arrives', () => {
      const run = rtpRun({ count: 300 });
      const lost = Array.from({ length: 200 }, (_, i) => 50 + i);
      const sent = inOrderOfTime(without(run, ...lost), [{ ...run[240]!, at: 2_600 }]);
      const { outputs, figures } = play(sent);
      expect(gaps(outputs)).toEqual(['50+190', '241+9']);
      expect(figures).toMatchObject({ lost: 199, late: 0 });
    });

    it('reset_timers_does_not_stall', () => {
      const old = without(rtpRun({ count: 50 }), 48);
      const again = rtpRun({ count: 100, sequence: 9_000, timestamp: 2 ** 31, at: 500 });
      const { outputs } = play([...old, ...again]);
      expect(brief(outputs)).toBe(`${upTo(48)} gap 48+1 49 restart 1 ${upTo(100)}`);
    });

    it('multiple_lost_do_not_stall', () => {
      const run = rtpRun({ count: 2_000 }).filter((_, i) => i % 3 === 0);
      const { outputs, figures } = play(run);
      expect(countOf(outputs, 'payload')).toBe(667);
      expect(figures.lost).toBe(2 * 666);
      expect(outputs.at(-1)?.at).toBeLessThanOrEqual(19_980 + LATENCY_MS);
    });

    it('lost_event_with_backwards_rtptime', () => {
      const run = rtpRun({ count: 10 });
      const back = rtpRun({ count: 1, sequence: 106, timestamp: 5_000 + 900 * 4 });
      const sent = [...run.slice(0, 5), { ...back[0]!, at: 60 }, ...run.slice(7)];
      const { outputs, figures } = play(sent);
      expect(brief(outputs)).toBe('0 1 2 3 4 gap 5+1 6 7 8 9');
      expect(figures.restarts).toBe(0);
    });

    it('all_packets_are_timestamped_zero', () => {
      const run = rtpRun({ count: 500 }).map(
        (_, i) => rtpRun({ count: 1, sequence: 100 + i, timestamp: 0, at: 10 * i })[0]!,
      );
      const { outputs, figures } = play(without(run, 77));
      expect(countOf(outputs, 'payload')).toBe(499);
      expect(figures).toMatchObject({ lost: 1, restarts: 0 });
      for (const output of outputs) {
        if (output.kind === 'payload') expect(output.at - output.arrivedAt).toBeLessThanOrEqual(LATENCY_MS);
      }
    });

    it('dont_drop_packet_based_on_skew', () => {
      for (const rate of [0.5, 0.9, 1.1, 2]) {
        const run = rtpRun({ count: 1_000 }).map((arrival) => ({ ...arrival, at: arrival.at * rate }));
        expect(brief(play(run).outputs)).toBe(upTo(1_000));
      }
    });

    it('performance', () => {
      const { outputs, figures } = play(rtpRun({ count: 20_000, sequence: 65_000 }));
      expect(countOf(outputs, 'payload')).toBe(20_000);
      expect(figures).toMatchObject({ lost: 0, overflow: 0 });
    });

    it('fill_queue', () => {
      const run = rtpRun({ count: 200 }).map((arrival, i) => ({ ...arrival, at: i / 10 }));
      const { outputs, figures } = play([BEGINNING, ...without(run, 2)], 64);
      expect(brief(outputs)).toBe(`0 1 gap 2+1 ${upTo(200).slice('0 1 2 '.length)}`);
      expect(Math.max(...atOf(outputs, 'gap'))).toBeLessThan(6.7);
      expect(figures).toMatchObject({ lost: 1, overflow: release === 'in-order' ? 1 : 0, packets: 199 });
    });
  });
}

it('holds what is contiguous for no time in order, and for the latency when paced', () => {
  const at = (release: 'in-order' | 'paced') =>
    atOf(receive([BEGINNING, ...rtpRun({ count: 5 })], { release }).outputs, 'payload');
  expect([at('in-order'), at('paced')]).toEqual([
    [10, 10, 20, 30, 40],
    [200, 210, 220, 230, 240],
  ]);
});
