/** Each loss has one cause, and its second. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LossCauses, type LossCausesOptions, type LossTotals } from '../../receiver/loss-causes.ts';
import { TsMonitor } from '../../receiver/ts-monitor.ts';
import type { LossSecond } from '../../wire/metrics.ts';
import { play } from '../helpers/drive.ts';
import { network, type InTransit, type NetworkOptions } from '../helpers/network.ts';
import { rtpDatagram, SEQUENCE_STARTS } from '../helpers/packets.ts';
import { programme } from '../helpers/programme.ts';
import { inputs, newReception, type Sent } from '../helpers/receive.ts';

const LATENCY_MS = 200;

/** What has changed at a moment, in seconds. */
type Change = Partial<Omit<LossTotals, 'isNumbered'>>;
type Step = readonly [at: number, change: Change];

const ZERO: LossTotals = {
  isNumbered: true,
  unrecovered: 0,
  recovered: 0,
  overflow: 0,
  late: 0,
  sourceBreaks: 0,
  kernelDrops: 0,
  overruns: 0,
};

function causesOf(steps: readonly Step[], options: Partial<LossCausesOptions> = {}, isNumbered = true) {
  const causes = new LossCauses({ latencyMs: LATENCY_MS, ...options });
  const totals = { ...ZERO, isNumbered };
  for (const [at, change] of steps) {
    for (const key of ['unrecovered', 'recovered', 'overflow', 'late', 'sourceBreaks', 'overruns'] as const)
      totals[key] += change[key] ?? 0;
    totals.kernelDrops = (totals.kernelDrops ?? 0) + (change.kernelDrops ?? 0);
    causes.count(totals, at * 1000);
  }
  return causes;
}

/** `second: cause count, cause count …` for each second in which anything happened. */
function brief(rows: readonly LossSecond[], now: number): string[] {
  return rows.map(({ secondsAgo, ...counts }) => {
    const found = Object.entries(counts).filter(([, count]) => count > 0);
    return `${now - secondsAgo}: ${found.map(([cause, count]) => `${cause} ${count}`).join(', ')}`;
  });
}

describe('losses by cause', () => {
  const cases: [name: string, steps: Step[], rows: string[]][] = [
    ['puts down to the network what nothing else explains', [[3, { unrecovered: 4 }]], ['3: network 4']],
    [
      'keeps the seconds apart',
      [
        [3, { unrecovered: 4 }],
        [3.9, { unrecovered: 1 }],
        [4, { unrecovered: 2 }],
      ],
      ['3: network 5', '4: network 2'],
    ],
    [
      'knows what was given up for room',
      [[3, { unrecovered: 4, overflow: 3 }]],
      ['3: network 1, overflow 3'],
    ],
    ['knows a hole that was in the source', [[3, { sourceBreaks: 2 }]], ['3: source 2']],
    ['names what repair brought back', [[3, { recovered: 2 }]], ['3: recovered 2']],
    ['remembers when this process was too busy', [[3, { overruns: 1 }]], ['3: overruns 1']],
    [
      'puts down to our own buffer what the kernel dropped',
      [[3, { unrecovered: 4, kernelDrops: 4 }]],
      ['3: ownBuffer 4'],
    ],
    [
      'goes as far as there were drops',
      [[3, { unrecovered: 7, kernelDrops: 4 }]],
      ['3: network 3, ownBuffer 4'],
    ],
    [
      'uses a drop once',
      [
        [3, { kernelDrops: 4 }],
        [3.1, { unrecovered: 3 }],
        [3.2, { unrecovered: 3 }],
      ],
      ['3: network 2, ownBuffer 4'],
    ],
    [
      'waits for what was dropped to be given up',
      [
        [3, { kernelDrops: 4 }],
        [4.2, { unrecovered: 4 }],
      ],
      ['4: ownBuffer 4'],
    ],
    [
      'does not blame drops of long before',
      [
        [3, { kernelDrops: 4 }],
        [4.3, { unrecovered: 4 }],
      ],
      ['4: network 4'],
    ],
    [
      'takes drops into account that are seen only afterwards',
      [
        [3.9, { unrecovered: 4 }],
        [4.1, { kernelDrops: 3 }],
      ],
      ['3: network 1, ownBuffer 3'],
    ],
    [
      'does not blame drops of long after',
      [
        [3, { unrecovered: 4 }],
        [5, { kernelDrops: 3 }],
      ],
      ['3: network 4'],
    ],
    [
      'lets drops explain what repair brought back, and then nothing else',
      [
        [3, { recovered: 3, kernelDrops: 4 }],
        [3.5, { unrecovered: 2 }],
      ],
      ['3: network 1, ownBuffer 1, recovered 3'],
    ],
    [
      'says of what comes late that it does, where it was given up',
      [
        [3, { unrecovered: 4 }],
        [4, { unrecovered: 1 }],
        [5, { late: 2 }],
      ],
      ['3: network 3, late 1', '4: late 1'],
    ],
    [
      'takes back that what comes late was dropped',
      [
        [3, { unrecovered: 2, kernelDrops: 2 }],
        [4, { late: 1 }],
      ],
      ['3: ownBuffer 1, late 1'],
    ],
    [
      'leaves it at want of room where that is why it was too late',
      [
        [3, { unrecovered: 2, overflow: 2 }],
        [4, { late: 2 }],
      ],
      ['3: overflow 2'],
    ],
    [
      'finds a late one that is counted at once',
      [[3, { unrecovered: 2, late: 1 }]],
      ['3: network 1, late 1'],
    ],
    [
      'does not look for late ones of long ago',
      [
        [3, { unrecovered: 2 }],
        [14, { late: 1 }],
      ],
      ['3: network 2'],
    ],
  ];
  for (const [name, steps, rows] of cases) {
    it(name, () => expect(brief(causesOf(steps).history(20_000), 20)).toEqual(rows));
  }

  it('takes one drop for a run of datagrams where the kernel counts so, but no drop for two gaps', () => {
    const runs = { datagramsPerDrop: 64 };
    const steps: Step[] = [
      [3, { unrecovered: 40, kernelDrops: 1 }],
      [3.1, { unrecovered: 40 }],
      [4, { unrecovered: 100, kernelDrops: 1 }],
      [8, { unrecovered: 100, kernelDrops: 100 }],
      [8.1, { unrecovered: 5 }],
    ];
    expect(brief(causesOf(steps, runs).history(9000), 9)).toEqual([
      '3: network 40, ownBuffer 40',
      '4: network 36, ownBuffer 64',
      '8: network 5, ownBuffer 100',
    ]);
  });

  it('takes breaks of bare TS for losses: nobody knows where they were', () => {
    const steps: Step[] = [
      [3, { sourceBreaks: 4, kernelDrops: 1 }],
      [5, { sourceBreaks: 2 }],
    ];
    const causes = causesOf(steps, {}, false);
    expect(brief(causes.history(9000), 9)).toEqual(['3: network 3, ownBuffer 1', '5: network 2']);
    expect(causes.totals).toEqual({ network: 5, ownBuffer: 1, late: 0, overflow: 0, source: 0 });
  });

  it('does without a count of drops', () => {
    const causes = new LossCauses({ latencyMs: LATENCY_MS });
    causes.count({ ...ZERO, kernelDrops: undefined, unrecovered: 2 }, 1000);
    expect(causes.totals).toMatchObject({ network: 2, ownBuffer: 0 });
  });

  it('remembers ten minutes, and the totals for ever', () => {
    const steps = [5, 6, 604, 1000].map((at): Step => [at, { unrecovered: at }]);
    const causes = causesOf(steps.slice(0, 3));
    expect(brief(causes.history(604_999), 604)).toEqual(['5: network 5', '6: network 6', '604: network 604']);
    expect(brief(causes.history(605_000), 605)).toEqual(['6: network 6', '604: network 604']);
    expect(brief(causesOf(steps).history(1_000_000), 1000)).toEqual([
      '604: network 604',
      '1000: network 1000',
    ]);
    expect(causesOf(steps).totals.network).toBe(5 + 6 + 604 + 1000);
    expect(causesOf(steps).history(10_000_000)).toEqual([]);
  });

  it('tells the last seconds alone to who looks often', () => {
    const causes = causesOf([3, 4, 5].map((at) => [at, { unrecovered: at }]));
    expect(brief(causes.history(5000, 1), 5)).toEqual(['5: network 5']);
    expect(brief(causes.history(5999, 2), 5)).toEqual(['4: network 4', '5: network 5']);
    expect(causes.history(9000, 2)).toEqual([]);
  });

  it('adds up to what was lost, whatever happens when', () => {
    const count = fc.oneof(fc.constant(0), fc.nat({ max: 100 }));
    const step = fc.record({
      afterMs: fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 3000 }), fc.nat({ max: 700_000 })),
      gap: count,
      room: count,
      late: count,
      recovered: count,
      breaks: count,
      drops: count,
    });
    fc.assert(
      fc.property(
        fc.array(step),
        fc.constantFrom(1, 64),
        fc.boolean(),
        (steps, datagramsPerDrop, isNumbered) => {
          const causes = new LossCauses({ latencyMs: LATENCY_MS, datagramsPerDrop });
          const totals = { ...ZERO, kernelDrops: 0, isNumbered };
          let now = 1_000_000;
          for (const { afterMs, gap, room, late, recovered, breaks, drops } of steps) {
            now += afterMs;
            totals.unrecovered += gap + room;
            totals.overflow += room;
            totals.late = Math.min(totals.late + late, totals.unrecovered);
            totals.recovered += recovered;
            totals.sourceBreaks += breaks;
            totals.kernelDrops += drops;
            causes.count(totals, now);
          }
          const { network, ownBuffer, late, overflow, source } = causes.totals;
          const breaks = isNumbered ? 0 : totals.sourceBreaks;
          expect(network + ownBuffer + late + overflow).toBe(totals.unrecovered + breaks);
          expect(overflow).toBe(totals.overflow);
          expect(source).toBe(totals.sourceBreaks - breaks);
          expect(late).toBeLessThanOrEqual(totals.late);
          expect(ownBuffer).toBeLessThanOrEqual(totals.kernelDrops * datagramsPerDrop);
          for (const row of causes.history(now)) {
            expect(Math.min(...Object.values(row))).toBeGreaterThanOrEqual(0);
            expect(row.secondsAgo).toBeLessThan(600);
          }
        },
      ),
      { seed: 600 },
    );
  });
});

describe('losses of a whole reception', () => {
  const film = programme({ durationMs: 5000, bitsPerSecond: 2_000_000 });
  const PACKETS = 7;
  const BYTES = PACKETS * 188;

  /** The film on its way, less the packets of `holes`, in whose place is stuffing. */
  function sent(sequence: number, holes: readonly number[]): InTransit<Sent>[] {
    const broken = Buffer.from(film);
    for (const hole of holes)
      broken.fill(0xff, hole * 188, (hole + 1) * 188).writeUInt32BE(0x471fff10, hole * 188);
    return Array.from({ length: Math.floor(film.length / BYTES) }, (_, i) => {
      const at = (i * BYTES * 8) / 2000;
      const header = { ssrc: 1, sequence: (sequence + i) % 65_536, timestamp: Math.round(at * 90) };
      return { at, item: { data: rtpDatagram(header, broken.subarray(i * BYTES, (i + 1) * BYTES)) } };
    });
  }

  /** The parts put together as a receiver does. */
  function receive(arrivals: Iterable<InTransit<Sent>>) {
    const reception = newReception({ latencyMs: LATENCY_MS });
    const monitor = new TsMonitor();
    const causes = new LossCauses({ latencyMs: LATENCY_MS });
    const count = (now: number) => {
      const { sourceBreaks } = monitor;
      const figures = { ...reception.figures(now), sourceBreaks, kernelDrops: 0, overruns: 0 };
      causes.count({ ...figures, isNumbered: true }, now);
      return figures;
    };
    for (const [now, output] of play(reception, inputs(arrivals), 9000)) {
      if (output.kind === 'payload') monitor.push(output.payload, output.arrivedAt);
      if (output.kind !== 'gap') continue;
      monitor.gap();
      count(now);
    }
    return { figures: count(9000), causes };
  }

  const networks: [name: string, options: NetworkOptions][] = [
    ['a good network', {}],
    ['random loss', { loss: 0.05 }],
    ['bursts', { burstLoss: { rate: 0.05, meanBurst: 20 } }],
    ['disorder beyond the latency', { jitterMs: 300, reorder: true }],
    ['an interruption of two seconds', { cuts: [{ from: 1000, to: 3000 }], loss: 0.01 }],
  ];
  for (const [name, options] of networks) {
    it(`are told apart from holes in the source, with ${name}`, () => {
      for (const sequence of SEQUENCE_STARTS) {
        const whole = receive(network(sent(sequence, []), { ...options, seed: sequence }));
        const { network: lost, late } = whole.causes.totals;
        expect(lost + late).toBe(whole.figures.unrecovered);
        expect(whole.causes.totals).toMatchObject({ source: 0, ownBuffer: 0, overflow: 0 });
        if (name.startsWith('disorder')) expect(late).toBe(whole.figures.late);
        const holes = [500, 900, 1300, 1301, 3000];
        const { source } = receive(network(sent(sequence, holes), { ...options, seed: sequence })).causes
          .totals;
        expect(source).toBeLessThanOrEqual(holes.length);
        expect(source).toBeGreaterThan(0);
      }
    });
  }
});
