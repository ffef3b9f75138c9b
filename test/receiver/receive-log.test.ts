import { describe, expect, it } from 'vitest';
import { emptyArrival } from '../../jitter-buffer/slab.ts';
import { isLifePace, ReceiveLog, type Placement } from '../../receiver/receive-log.ts';

const LATENCY_MS = 200;
const STARTS: [sequence: number, timestamp: number][] = [
  [0, 0],
  [1, 2 ** 31 - 1],
  [32_767, 2 ** 31],
  [32_768, 2 ** 32 - 90_000],
  [65_534, 2 ** 32 - 1],
  [65_535, 2 ** 32 - 450],
];

/** A datagram `step` places after the first, with a timestamp and an arrival so many ms after those of the first. */
type Step = readonly [step: number, mediaMs: number, atMs: number, marker?: 'M'];

/** Where a log that begins at `start` puts them: an index, with `!` for a discontinuity, or the placement it was refused with. */
function places(
  steps: readonly Step[],
  [sequence, timestamp] = [0, 0],
  pacePpm = 1_000_000,
): (number | string)[] {
  const log = new ReceiveLog(16, sequence, LATENCY_MS);
  log.pacePpm = pacePpm;
  return steps.map(([step, mediaMs, atMs, marker]) => {
    const arrival = { ...emptyArrival(), arrivedAt: 5_000 + atMs };
    const stamp = {
      sequence: (sequence + step + 2 ** 20) % 65_536,
      timestamp: (timestamp + mediaMs * 90 + 2 ** 32) % 2 ** 32,
      marker: marker !== undefined,
    };
    const placement = log.place(stamp, arrival);
    if (placement !== 'placed') return placement;
    return arrival.discontinuity ? `${arrival.index}!` : arrival.index;
  });
}

/** Ten regular datagrams, one every 10 ms, then these. */
function after10(steps: readonly Step[]): Step[] {
  return [...Array.from({ length: 10 }, (_, i): Step => [i, 10 * i, 10 * i]), ...steps];
}

describe('a receive log', () => {
  const grid: [name: string, steps: Step[], placed: (number | string)[]][] = [
    ['sequence goes on', [[10, 100, 100]], [10]],
    ['sequence jumps by a little (loss)', [[13, 130, 130]], [13]],
    ['sequence jumps by much (an outage)', [[3_010, 30_100, 30_100]], [3_010]],
    ['sequence jumps by much within an instant', [[3_010, 100, 100]], [3_010]],
    [
      'sequence is out of order',
      [
        [11, 110, 110],
        [10, 100, 112],
      ],
      [11, 10],
    ],
    [
      'sequence comes late',
      [
        [60, 600, 600],
        [10, 100, 602],
      ],
      [60, 10],
    ],
    [
      'sequence comes later than a second',
      [
        [300, 3_000, 3_000],
        [10, 100, 3_002],
      ],
      [300, 10],
    ],
    [
      'sequence comes again (overlap)',
      [
        [9, 90, 101],
        [4, 40, 102],
      ],
      [9, 4],
    ],
    ['sequence is before the first', [[-1, -10, 101]], ['early']],
    ['timestamp jumps by a little', [[10, 1_000, 100]], [10]],
    [
      'timestamp jumps ahead by much',
      [
        [10, 60_000, 100],
        [11, 60_010, 110],
      ],
      ['10!', 11],
    ],
    [
      'timestamp jumps back by much',
      [
        [10, -60_000, 100],
        [11, -59_990, 110],
      ],
      ['10!', 11],
    ],
    [
      'timestamp jumps back by a little',
      [
        [10, 50, 100],
        [11, 60, 110],
      ],
      [10, 11],
    ],
    ['timestamp jumps by a little and says so', [[10, 500, 100, 'M']], ['10!']],
    ['timestamp goes on under a marker (some set it on every packet)', [[10, 100, 100, 'M']], [10]],
    ['timestamp jumps by a little behind a loss and says so', [[12, 520, 120, 'M']], ['12!']],
    [
      'timestamp stands still',
      [
        [10, 90, 1_000],
        [12, 90, 1_900],
        [11, 90, 1_901],
      ],
      [10, 12, 11],
    ],
    ['both jump by a little together', [[15, 600, 150]], [15]],
    [
      'everything comes two seconds late at once (we stalled), and out of order',
      [
        [12, 120, 2_120],
        [11, 110, 2_120],
        [10, 100, 2_121],
        [13, 130, 2_121],
        [300, 3_000, 3_000],
      ],
      [12, 11, 10, 13, 300],
    ],
    ['both jump, not together with time', [[15, 60_000, 150]], ['clash']],
    ['both jump back (a restart)', [[-20_000, -60_000, 200]], ['clash']],
    ['both jump ahead (a restart)', [[20_000, 60_000, 200]], ['clash']],
    ['both jump with time (an outage)', [[6_000, 60_000, 60_000]], [6_000]],
    ['sequence jumps by one, timestamp by much', [[11, 60_000, 110]], ['clash']],
    ['sequence jumps back by one, timestamp by much', [[8, 60_000, 110]], ['clash']],
    [
      'only arrival jumps (a stall of the sender)',
      [
        [10, 100, 60_000],
        [11, 110, 60_010],
      ],
      [10, 11],
    ],
    [
      'arrival jumps, then what was lost meanwhile is missing (a stall of the receiver)',
      [
        [10, 100, 3_100],
        [11, 110, 3_100],
        [310, 3_100, 3_100],
      ],
      [10, 11, 310],
    ],
  ];
  for (const [name, steps, placed] of grid) {
    for (const start of STARTS) {
      it(`${name}, from sequence ${start[0]} and timestamp ${start[1]}`, () => {
        expect(places(after10(steps), start).slice(10)).toEqual(placed);
      });
    }
  }

  it('goes on with the present run after a clash', () => {
    const steps = after10([
      [20_000, 60_000, 105],
      [10, 100, 110],
      [11, 110, 120],
    ]);
    expect(places(steps).slice(10)).toEqual(['clash', 10, 11]);
  });

  it('places late datagrams of before a discontinuity where they belong', () => {
    const steps = after10([
      [11, 110, 105],
      [12, 60_120, 115],
      [10, 100, 117],
      [13, 60_130, 125],
    ]);
    expect(places(steps).slice(10)).toEqual([11, '12!', 10, 13]);
  });

  it('judges timestamps by the pace that the sender told', () => {
    const tenTimes: Step[] = after10([]).map(([step, mediaMs, atMs]): Step => [step, 10 * mediaMs, atMs]);
    expect(places([...tenTimes, [210, 21_000, 2_100]], [0, 0], 10_000_000).at(-1)).toBe(210);
    expect(places([...tenTimes, [210, 32_000, 2_100]], [0, 0], 10_000_000).at(-1)).toBe('clash');
  });

  it('is patient with a sender that hurries and has not told its pace', () => {
    const hurried: Step[] = after10([]).map(([step, mediaMs, atMs]): Step => [step, 100 * mediaMs, atMs]);
    expect(places([...hurried, [15, 15_000, 150]]).at(-1)).toBe(15);
  });

  it('counts the cycles of sequence numbers that a long outage swallowed', () => {
    for (const lost of [20_000, 40_000, 65_535, 65_537, 100_000, 200_000]) {
      const log = new ReceiveLog(16, 0, LATENCY_MS);
      const arrival = emptyArrival();
      const place = (index: number) => {
        arrival.arrivedAt = index;
        return log.place(
          { sequence: index % 65_536, timestamp: (index * 90) % 2 ** 32, marker: false },
          arrival,
        );
      };
      for (let i = 0; i < 1000; i++) place(i);
      place(1000 + lost);
      expect(arrival.index).toBe(1000 + lost);
    }
  });

  it('counts on through many cycles', () => {
    const log = new ReceiveLog(16, 65_000, LATENCY_MS);
    const arrival = emptyArrival();
    for (let i = 0; i < 300_000; i++) {
      arrival.arrivedAt = i;
      log.place(
        { sequence: (65_000 + i) % 65_536, timestamp: (i * 90_000) % 2 ** 32, marker: false },
        arrival,
      );
      if (arrival.index !== i || arrival.timestampTicks !== i * 90_000)
        throw new Error(`${i}: ${arrival.index}`);
    }
    expect(log.report().highestSequence).toBe((65_000 + 299_999) % 2 ** 32);
  });

  it('unwraps timestamps from the first value', () => {
    const log = new ReceiveLog(16, 0, LATENCY_MS);
    const arrival = emptyArrival();
    log.place({ sequence: 0, timestamp: 2 ** 32 - 90, marker: false }, arrival);
    expect(arrival.timestampTicks).toBe(2 ** 32 - 90);
    log.place({ sequence: 1, timestamp: 90, marker: false }, arrival);
    expect(arrival.timestampTicks).toBe(2 ** 32 + 90);
  });

  it('keeps media time without jumps over a discontinuity', () => {
    const log = new ReceiveLog(16, 0, LATENCY_MS);
    const media = [0, 10, 60_000, 60_010, -5_000, -4_990].map((mediaMs, i) => {
      const arrival = { ...emptyArrival(), arrivedAt: 10 * i };
      log.place({ sequence: i, timestamp: (mediaMs * 90 + 2 ** 32) % 2 ** 32, marker: false }, arrival);
      return arrival.mediaMs;
    });
    expect(media.map((mediaMs) => Math.round(mediaMs - (media[0] ?? 0)))).toEqual([0, 10, 20, 30, 40, 50]);
  });

  it('says how patient to be: twice the usual distance', () => {
    const log = new ReceiveLog(32, 0, LATENCY_MS);
    expect(log.patienceMs).toBe(0);
    for (let i = 0; i < 5; i++) {
      log.place(
        { sequence: i, timestamp: undefined, marker: false },
        { ...emptyArrival(), arrivedAt: 500 * i },
      );
    }
    expect(log.patienceMs).toBe(1000);
  });
});

describe('a receive log without timestamps', () => {
  /** Ten datagrams at 10 ms, then these; each a sequence number and an arrival. */
  function place(first: number, steps: readonly (readonly [step: number, atMs: number])[]) {
    const log = new ReceiveLog(32, first, LATENCY_MS);
    const put = (step: number, atMs: number): number | Placement => {
      const arrival = { ...emptyArrival(), arrivedAt: atMs };
      const sequence = (first + step + 2 ** 32) % 2 ** 32;
      const placement = log.place({ sequence, timestamp: undefined, marker: false }, arrival);
      return placement === 'placed' ? arrival.index : placement;
    };
    for (let i = 0; i < 1000; i++) put(i, i);
    return steps.map(([step, atMs]) => put(step, atMs));
  }
  const cases: [name: string, steps: [number, number][], placed: (number | string)[]][] = [
    ['goes on', [[1000, 1000]], [1000]],
    ['takes a jump for loss', [[30_000, 1001]], [30_000]],
    ['takes a far jump for loss that the silence explains', [[100_000, 100_000]], [100_000]],
    [
      'takes a far jump that nothing explains for a clash',
      [
        [100_000, 1001],
        [1000, 1002],
      ],
      ['clash', 1000],
    ],
    [
      'takes what is out of order',
      [
        [1001, 1001],
        [1000, 1002],
      ],
      [1001, 1000],
    ],
    [
      'takes what is late while the run goes on',
      [
        [1500, 1500],
        [1000, 1501],
      ],
      [1500, 1000],
    ],
    ['takes a beginning while the run stands still for a clash', [[0, 1300]], ['clash']],
    [
      'takes one that never came for late, however still the run stands',
      [
        [1002, 1002],
        [1001, 1300],
      ],
      [1002, 1001],
    ],
    ['takes a beginning at once for one that is late', [[0, 1005]], [0]],
    ['takes what is before the first for early', [[-1, 1005]], ['early']],
  ];
  for (const [name, steps, placed] of cases) {
    for (const first of [0, 2 ** 31 - 500, 2 ** 31, 2 ** 32 - 500]) {
      it(`${name}, from sequence ${first}`, () => expect(place(first, steps)).toEqual(placed));
    }
  }
});

describe('the figures of a receive log', () => {
  /** A log that got these sequence numbers, at 10 ms each. */
  function logOf(sequences: readonly number[]): ReceiveLog {
    const log = new ReceiveLog(16, sequences[0] ?? 0, LATENCY_MS);
    sequences.forEach((sequence, i) => add(log, sequence, i * 10));
    return log;
  }
  function add(log: ReceiveLog, sequence: number, at: number, mediaMs = at): void {
    log.place({ sequence, timestamp: mediaMs * 90, marker: false }, { ...emptyArrival(), arrivedAt: at });
  }

  it('counts losses since the beginning, and the share since the last report', () => {
    const log = logOf([0, 1, 2, 4, 5, 6, 8, 9]);
    expect(log.report()).toMatchObject({
      cumulativeLost: 2,
      fractionLost: Math.floor(512 / 10),
      highestSequence: 9,
    });
    for (const sequence of [10, 11, 12, 13]) add(log, sequence, sequence * 10);
    expect(log.report()).toMatchObject({ cumulativeLost: 2, fractionLost: 0, highestSequence: 13 });
    add(log, 17, 170);
    expect(log.report()).toMatchObject({ cumulativeLost: 5, fractionLost: 192, highestSequence: 17 });
    expect(log.report()).toMatchObject({ cumulativeLost: 5, fractionLost: 0 });
  });

  it('counts duplicates as RFC 3550 does: they make up for losses', () => {
    const log = logOf([0, 1, 1, 1, 2]);
    expect(log.report()).toMatchObject({ cumulativeLost: -2, fractionLost: 0 });
  });

  it('keeps the fraction in eight bits', () => {
    const log = logOf([0, 10_000, 10_001]);
    log.report();
    add(log, 10_002 + 30_000, 300);
    expect(log.report().fractionLost).toBe(255);
  });

  it('carries cycles in the upper half of the highest sequence number', () => {
    const log = logOf([65_534, 65_535, 0, 1]);
    expect(log.report().highestSequence).toBe(65_536 + 1);
  });

  it('measures jitter as RFC 3550 A.8 does', () => {
    const log = new ReceiveLog(16, 0, LATENCY_MS);
    expect(log.jitterMs).toBe(undefined);
    let expected = 0;
    for (let i = 0; i < 100; i++) {
      add(log, i, 10 * i + (i % 2) * 4, 10 * i);
      if (i > 0) expected += (4 - expected) / 16;
    }
    expect(log.jitterMs).toBeCloseTo(expected, 6);
    expect(log.report().jitter).toBe(Math.round(expected * 90));
  });

  it('does not know jitter when the pace is not that of life', () => {
    const log = logOf([0, 1, 2]);
    log.pacePpm = 2_000_000;
    expect(log.jitterMs).toBe(undefined);
    const arrival = { ...emptyArrival(), arrivedAt: 30 };
    log.place({ sequence: 3, timestamp: 2700, marker: false }, arrival);
    expect([log.jitterMs, arrival.mediaMs, arrival.timestampTicks]).toEqual([undefined, Number.NaN, 2700]);
  });

  it('does not know jitter without timestamps', () => {
    const log = new ReceiveLog(32, 0, LATENCY_MS);
    for (let i = 0; i < 3; i++)
      log.place({ sequence: i, timestamp: undefined, marker: false }, emptyArrival());
    expect(log.jitterMs).toBe(undefined);
  });

  it('leaves jumps of the media clock out of the jitter', () => {
    const log = new ReceiveLog(16, 0, LATENCY_MS);
    for (let i = 0; i < 50; i++) add(log, i, 10 * i, i < 25 ? 10 * i : 100_000 + 10 * i);
    expect(log.jitterMs).toBeCloseTo(0, 6);
  });

  it('takes clocks within 1000 ppm for those of life', () => {
    expect([999_000, 1_001_000, 1_000_000].every(isLifePace)).toBe(true);
    expect([998_999, 1_001_001, 0].some(isLifePace)).toBe(false);
  });
});
