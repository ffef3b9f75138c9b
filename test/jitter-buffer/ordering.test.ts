import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReceiveWindow } from '../../jitter-buffer/ordering.ts';
import { MAX_DATAGRAM_BYTES } from '../../jitter-buffer/slab.ts';
import { indexOf } from '../helpers/packets.ts';
import { arrivalOf } from '../helpers/playout.ts';

fc.configureGlobal({ seed: 20_261_122 });

/** A window in which these indexes were put, in this order, at 1 ms from one to the next. */
function windowOf(indexes: readonly number[], capacity = 64): ReceiveWindow {
  const window = new ReceiveWindow(capacity);
  indexes.forEach((index, at) => window.put(arrivalOf(index, at)));
  return window;
}

/** Releases everything: taken indexes, and gaps as negative counts. */
function drain(window: ReceiveWindow): number[] {
  const out: number[] = [];
  while (window.firstHeld < Infinity || window.crowded) {
    if (window.firstHeld === window.next) out.push(window.take().index);
    else out.push(-(window.crowded ? window.giveUpForRoom() : window.giveUp()).count);
  }
  return out;
}

describe('a receive window', () => {
  const cases: [name: string, put: number[], out: number[], counted: object][] = [
    ['keeps the order', [0, 1, 2], [0, 1, 2], { packets: 3, bytes: 564 }],
    ['restores the order', [2, 0, 1], [0, 1, 2], { reordered: 2 }],
    ['gives up what is missing in one piece', [0, 4], [0, -3, 4], { lost: 3, packets: 2 }],
    ['lets a duplicate in once', [0, 1, 1, 0, 2], [0, 1, 2], { duplicate: 2, reordered: 0 }],
    [
      'takes an index beyond the ring by giving up what is furthest',
      [0, 70],
      [0, -6, -63, 70],
      { overflow: 6 },
    ],
    [
      'loses nothing it holds for want of room',
      [0, 2, 80],
      [0, -1, 2, -14, -63, 80],
      { overflow: 15, lost: 78 },
    ],
    ['bridges a gap wider than its memory', [0, 5_000], [0, -4_936, -63, 5_000], { lost: 4_999 }],
    ['has room for as many as its capacity', [63, 0], [0, -62, 63], { overflow: 0 }],
  ];
  for (const [name, put, out, counted] of cases) {
    it(name, () => {
      const window = windowOf(put);
      expect(drain(window)).toEqual(out);
      expect(window.counters).toMatchObject(counted);
    });
  }

  it('counts what comes after it was given up as late, each once', () => {
    const window = windowOf([0, 3]);
    drain(window);
    for (const index of [1, 1, 2, 0, 3]) window.put(arrivalOf(index, 50));
    expect(window.counters).toMatchObject({ late: 2, duplicate: 3, lost: 2 });
    expect(window.firstHeld).toBe(Infinity);
  });

  it('counts as duplicate what is older than its memory', () => {
    const window = windowOf([0, 1_000]);
    drain(window);
    window.put(arrivalOf(2, 50));
    window.put(arrivalOf(1_000 - 200, 50));
    expect(window.counters).toMatchObject({ late: 1, duplicate: 1 });
  });

  it('copies each datagram, and hands out a view of the copy', () => {
    const window = new ReceiveWindow(64);
    const arrival = arrivalOf(0, 0);
    const { datagram } = arrival;
    const before = Buffer.from(datagram);
    window.put(arrival);
    datagram.fill(0);
    expect(window.take().payload).toEqual(before);
  });

  it('leaves a view alone until its next call', () => {
    const window = windowOf([0, 1]);
    const { payload } = window.take();
    expect(indexOf(payload)).toBe(0);
    expect(indexOf(window.take().payload)).toBe(1);
  });

  it('hands out the payload only', () => {
    const window = new ReceiveWindow(64);
    window.put({ ...arrivalOf(0, 0), payloadStart: 12, payloadEnd: 100 });
    expect(window.take().payload).toHaveLength(88);
  });

  it('keeps the largest datagram whole', () => {
    const window = new ReceiveWindow(64);
    const datagram = Buffer.alloc(MAX_DATAGRAM_BYTES, 7);
    for (const index of [0, 1]) window.put({ ...arrivalOf(index, 0), datagram, payloadEnd: datagram.length });
    expect(window.take().payload.equals(datagram)).toBe(true);
    expect(window.take().payload.equals(datagram)).toBe(true);
  });

  it('passes on the times that came with a datagram', () => {
    const window = new ReceiveWindow(64);
    window.put({ ...arrivalOf(0, 5.5), timestampTicks: 1e10, discontinuity: true });
    expect(window.take()).toMatchObject({ arrivedAt: 5.5, timestampTicks: 1e10, discontinuity: true });
    window.put(arrivalOf(1, 6, 'none'));
    expect(window.mediaMsOf(1)).toBeNaN();
    expect(window.take()).toMatchObject({ timestampTicks: undefined, discontinuity: false });
  });

  it('gives up a tail of which nothing came', () => {
    const window = windowOf([0]);
    window.take();
    expect(window.giveUp(4)).toEqual({ kind: 'gap', first: 1, count: 3 });
    expect([window.next, window.end]).toEqual([4, 4]);
    window.put(arrivalOf(2, 9));
    expect(window.counters.late).toBe(1);
  });

  it('tells the arrival of the oldest it holds, whatever its index', () => {
    const window = windowOf([5, 3, 1]);
    expect(window.oldestArrivedAt).toBe(0);
    expect([window.arrivedBehind(4), window.arrivedBehind(3), window.arrivedBehind(5)]).toEqual([
      0,
      0,
      Infinity,
    ]);
    window.giveUp();
    window.take();
    expect([window.oldestArrivedAt, window.heldFrom(2), window.heldFrom(4)]).toEqual([0, 3, 5]);
  });

  it('tells how much media time it holds, else how much time', () => {
    expect(windowOf([1, 4]).heldMs).toBe(30);
    expect(windowOf([]).heldMs).toBe(0);
    const window = new ReceiveWindow(64);
    window.put(arrivalOf(1, 100, 'none'));
    window.put(arrivalOf(3, 107, 'none'));
    expect(window.heldMs).toBe(7);
  });

  it('drops a second one too far ahead while no room was made for the first', () => {
    const window = windowOf([0, 70, 80]);
    expect(drain(window)).toEqual([0, -6, -63, 70]);
  });

  it('begins a new stream with all its room', () => {
    const window = windowOf([1, 3, 200]);
    for (let round = 0; round < 3; round++) {
      window.restart();
      expect([window.next, window.end, window.firstHeld, window.crowded]).toEqual([0, 0, Infinity, false]);
      for (let index = 63; index >= 0; index--) window.put(arrivalOf(index, 0));
      expect(drain(window)).toHaveLength(64);
    }
  });

  for (const capacity of [0, 32, 100, 65_536]) {
    it(`refuses a capacity of ${capacity}`, () =>
      expect(() => new ReceiveWindow(capacity)).toThrow(RangeError));
  }

  it('passes on what is next while nothing is held, without holding it', () => {
    const window = new ReceiveWindow(64);
    const arrival = arrivalOf(0, 7);
    const { payload, ...rest } = window.pass(arrival) ?? {};
    expect(payload).toEqual(arrival.datagram.subarray(arrival.payloadStart, arrival.payloadEnd));
    expect(rest).toEqual({
      kind: 'payload',
      index: 0,
      timestampTicks: undefined,
      arrivedAt: 7,
      discontinuity: false,
    });
    expect(window).toMatchObject({ next: 1, end: 1, firstHeld: Infinity });
    expect(window.counters).toMatchObject({ packets: 1, bytes: 188 });
    window.put(arrivalOf(0, 8));
    expect(window.counters).toMatchObject({ duplicate: 1, late: 0 });
  });

  it('shows of each one that it passes on the payload only, however long', () => {
    const window = new ReceiveWindow(64);
    const shown = [188, 188, 1316, 188].map((bytes, index) => {
      const datagram = Buffer.alloc(12 + bytes, index);
      return window.pass({ ...arrivalOf(index, 0), datagram, payloadStart: 12, payloadEnd: 12 + bytes })
        ?.payload;
    });
    expect(shown.map((payload) => payload?.length)).toEqual([188, 188, 1316, 188]);
    expect(shown.at(-1)).toEqual(Buffer.alloc(188, 3));
  });

  const notPassed: [name: string, put: number[], index: number][] = [
    ['one before which something is missing', [0], 2],
    ['one that came before', [0], 0],
    ['the next one while later ones are held', [0, 2], 1],
    ['the next one while it is held', [0, 1], 1],
    ['the next one while another one waits for room', [0, 70], 1],
  ];
  for (const [name, put, index] of notPassed) {
    it(`does not pass on ${name}`, () => {
      const window = windowOf(put.slice(0, 1));
      window.take();
      for (const held of put.slice(1)) window.put(arrivalOf(held, 1));
      expect(window.pass(arrivalOf(index, 2))).toBeUndefined();
      expect(window.next).toBe(1);
    });
  }

  it('does what a list of all indexes would do', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('near' as const), by: fc.integer({ min: -20, max: 60 }) }),
      fc.record({ kind: fc.constant('pass' as const), by: fc.integer({ min: -2, max: 2 }) }),
      fc.record({ kind: fc.constant('far' as const), by: fc.integer({ min: 60, max: 400 }) }),
      fc.record({ kind: fc.constant('drain' as const), by: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const window = new ReceiveWindow(64);
        const came = new Set<number>();
        const out: number[] = [];
        for (const { kind, by } of steps) {
          const index = window.next + by;
          if (kind === 'drain') out.push(...drain(window));
          else if (index >= 0) {
            if (index >= window.next) came.add(index);
            const passed = kind === 'pass' ? window.pass(arrivalOf(index, 0)) : undefined;
            if (passed) out.push(passed.index);
            else window.put(arrivalOf(index, 0));
            if (window.crowded) out.push(...drain(window));
          }
        }
        out.push(...drain(window));
        let next = 0;
        for (const entry of out) {
          if (entry >= 0) expect([entry, came.has(entry)]).toEqual([next, true]);
          for (let i = next; i < next - entry; i++) expect(came.has(i)).toBe(false);
          next += entry >= 0 ? 1 : -entry;
        }
        expect(next).toBe(window.next);
      }),
    );
  });
});
