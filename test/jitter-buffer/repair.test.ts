/** What repair needs of the receive window: to look into it, behind `next` as well, and to put back what it recovers. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReceiveWindow } from '../../jitter-buffer/ordering.ts';
import { indexOf } from '../helpers/packets.ts';
import { arrivalOf, recoveredOf } from '../helpers/playout.ts';

fc.configureGlobal({ seed: 20_261_123 });

/** A window in which these came, with so many kept. */
function windowOf(indexes: readonly number[], kept = 0): ReceiveWindow {
  const window = new ReceiveWindow(64);
  window.kept = kept;
  for (const index of indexes) window.put(arrivalOf(index, index));
  return window;
}

/** Releases, and gives up, everything up to `until`. */
function releaseTo(window: ReceiveWindow, until: number): void {
  while (window.next < until) {
    if (window.firstHeld === window.next) window.take();
    else window.giveUp(until);
  }
}

/** The indexes from 0 on that can be looked at, by what their datagrams say. */
function visible(window: ReceiveWindow): number[] {
  const seen: number[] = [];
  for (let index = 0; index < window.end + 2; index++) {
    const datagram = window.datagramAt(index);
    expect(datagram !== undefined).toBe(window.has(index));
    if (!datagram) continue;
    expect(indexOf(datagram)).toBe(index);
    seen.push(index);
  }
  return seen;
}

/** The gaps in it, as a NACK generator walks them. */
function gapsOf(window: ReceiveWindow): [first: number, end: number][] {
  const gaps: [number, number][] = [];
  let first = window.missingFrom(0);
  while (first < Infinity) {
    const end = window.heldFrom(first);
    gaps.push([first, end]);
    first = window.missingFrom(end);
  }
  return gaps;
}

describe('looking into a receive window', () => {
  const cases: [name: string, put: number[], released: number, kept: number, seen: number[]][] = [
    ['shows what is held', [0, 2, 3], 0, 0, [0, 2, 3]],
    ['shows nothing that was released, unless it is kept', [0, 1, 2, 3], 2, 0, [2, 3]],
    ['shows what was released not long ago', [0, 1, 2, 3, 4], 4, 2, [2, 3, 4]],
    ['counts what was given up as one of those that are kept', [0, 1, 3, 4], 4, 3, [1, 3, 4]],
    ['shows all behind a gap that is wider than what is kept', [0, 1, 50, 51], 51, 10, [50, 51]],
    ['shows all of a stream that is shorter than what is kept', [0, 1, 2], 3, 64, [0, 1, 2]],
  ];
  for (const [name, put, released, kept, seen] of cases) {
    it(name, () => {
      const window = windowOf(put, kept);
      releaseTo(window, released);
      expect(visible(window)).toEqual(seen);
    });
  }

  it('shows the whole datagram, with its header and its padding', () => {
    const window = windowOf([], 4);
    const datagram = Buffer.from('80 21 0001 00000002 00000003 aabbcc 000003'.replaceAll(' ', ''), 'hex');
    window.put({ ...arrivalOf(0, 0), datagram, payloadStart: 12, payloadEnd: 15 });
    expect(window.datagramAt(0)).toEqual(datagram);
    expect(window.take().payload).toEqual(Buffer.from('aabbcc', 'hex'));
    expect(window.datagramAt(0)).toEqual(datagram);
  });

  it('shows neither what waits for room nor what is nowhere near', () => {
    const window = windowOf([0, 70], 4);
    expect([window.crowded, window.has(70), window.has(-1), window.has(2 ** 40)]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  it('keeps what it passes on at once', () => {
    const window = windowOf([], 3);
    for (let index = 0; index < 10; index++) {
      const passed = window.pass(arrivalOf(index, index));
      expect([passed?.index, passed && indexOf(passed.payload)]).toEqual([index, index]);
    }
    expect(visible(window)).toEqual([7, 8, 9]);
    expect(window.counters).toMatchObject({ packets: 10, bytes: 1880, reordered: 0 });
  });

  it('leaves a view alone while it is kept', () => {
    const window = windowOf([0, 1], 2);
    const { payload } = window.take();
    window.take();
    window.put(arrivalOf(2, 2));
    expect(indexOf(payload)).toBe(0);
  });

  it('keeps more or fewer from one call to the next', () => {
    const window = windowOf([0, 1, 2, 3, 4, 5]);
    releaseTo(window, 3);
    window.kept = 3;
    expect(visible(window)).toEqual([3, 4, 5]); // what is gone is gone
    releaseTo(window, 5);
    expect(visible(window)).toEqual([3, 4, 5]);
    window.kept = 1;
    expect(visible(window)).toEqual([4, 5]);
    window.kept = 0;
    expect(visible(window)).toEqual([5]);
    expect(window.kept).toBe(0);
  });

  for (const kept of [-1, 65, Number.NaN]) {
    it(`refuses to keep ${kept}`, () => expect(() => (windowOf([]).kept = kept)).toThrow(RangeError));
  }

  it('shows what came late, to help to recover others', () => {
    const window = windowOf([0, 3], 4);
    releaseTo(window, 4);
    window.put(arrivalOf(1, 9));
    window.put(recoveredOf(2, 9));
    expect(visible(window)).toEqual([0, 1, 2, 3]);
    expect(window.counters).toMatchObject({ late: 1, recovered: 0, duplicate: 0, lost: 2 });
    window.put(arrivalOf(2, 10));
    expect(window.counters).toMatchObject({ late: 2, recovered: 0, needless: 0, duplicate: 0 });
  });

  it('has all its memory after any gap and any restart', () => {
    const window = windowOf([], 64);
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < 64; index++) window.put(arrivalOf(index, 0));
      releaseTo(window, 64);
      for (let index = 63 + 64 * (1 + (round % 5)); index >= window.next; index--) {
        window.put(arrivalOf(index, 0));
        if (window.crowded) window.giveUpForRoom();
      }
      expect(visible(window).length).toBeGreaterThanOrEqual(64);
      window.restart();
      expect(visible(window)).toEqual([]);
    }
  });

  it('names its gaps', () => {
    expect(gapsOf(windowOf([]))).toEqual([]);
    expect(gapsOf(windowOf([0, 1]))).toEqual([]);
    const window = windowOf([0, 3, 4, 40]);
    expect(gapsOf(window)).toEqual([
      [1, 3],
      [5, 40],
    ]);
    releaseTo(window, 2);
    expect([window.missingFrom(0), window.missingFrom(3), window.missingFrom(40)]).toEqual([2, 5, Infinity]);
  });
});

describe('what is recovered', () => {
  it('fills its hole, and counts as nothing else', () => {
    const window = windowOf([0, 2]);
    window.put(recoveredOf(1, 7));
    expect(window.counters).toMatchObject({ recovered: 1, needless: 0, reordered: 0, duplicate: 0, late: 0 });
    const out = [0, 1, 2].map(() => window.take().index);
    expect(out).toEqual([0, 1, 2]);
    expect(window.counters).toMatchObject({ packets: 3, lost: 0 });
  });

  it('is needless when it comes after all, once', () => {
    const window = windowOf([0, 2]);
    window.put(recoveredOf(1, 7));
    releaseTo(window, 2);
    for (let i = 0; i < 3; i++) window.put(arrivalOf(1, 8));
    expect(window.counters).toMatchObject({ recovered: 1, needless: 1, duplicate: 3, late: 0, reordered: 0 });
  });

  const ignored: [name: string, index: number][] = [
    ['came', 2],
    ['was recovered', 1],
    ['was released', 0],
    ['was given up', 4],
    ['lies beyond the window', 6 + 64],
  ];
  for (const [name, index] of ignored) {
    it(`is not taken where it ${name}`, () => {
      const window = windowOf([0, 2, 3, 5]);
      window.put(recoveredOf(1, 7));
      releaseTo(window, index === 1 || index === 2 ? 1 : 6);
      const before = { ...window.counters };
      window.put(recoveredOf(index, 8));
      expect([window.counters, window.crowded]).toEqual([before, false]);
    });
  }

  it('waits as long as what arrives for what is missing before it', () => {
    const window = windowOf([0]);
    window.take();
    window.put(recoveredOf(2, 30));
    expect([window.oldestArrivedAt, window.arrivedBehind(1), window.end]).toEqual([30, 30, 3]);
  });

  it('is forgotten when a new stream begins', () => {
    const window = windowOf([0, 2]);
    window.put(recoveredOf(1, 7));
    window.restart();
    for (const index of [0, 1, 1]) window.put(arrivalOf(index, 9));
    expect(window.counters).toMatchObject({ duplicate: 1, needless: 0 });
  });

  it('does what a list of all indexes would do, whatever is kept', () => {
    const step = fc.record({
      kind: fc.constantFrom(
        'came',
        'came',
        'pass',
        'recovered',
        'take',
        'take',
        'give up',
        'keep',
        'restart',
      ),
      by: fc.integer({ min: -70, max: 70 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), fc.integer({ min: 0, max: 64 }), (steps, kept) => {
        const window = windowOf([], kept);
        const model = new Model(kept);
        for (const step of steps) {
          follow(window, model, step);
          expect(window.next).toBe(model.next);
        }
        expect(window.counters).toMatchObject(model.counters);
        const least = Math.max(0, window.next - 70);
        for (let index = least; index < window.next + 70; index++) {
          expect([index, window.datagramAt(index) && indexOf(window.datagramAt(index)!)]).toEqual([
            index,
            model.shown.has(index) ? index : undefined,
          ]);
        }
      }),
      { numRuns: 300 },
    );
  });
});

/** The window's memory as sets. */
class Model {
  next = 0;
  readonly counters = { recovered: 0, needless: 0, late: 0, duplicate: 0, lost: 0 };
  readonly shown = new Set<number>();
  #kept: number;
  readonly #came = new Set<number>();
  readonly #recovered = new Set<number>();

  constructor(kept: number) {
    this.#kept = kept;
  }

  put(index: number, recovered: boolean): void {
    const late = index < this.next;
    const known = this.#came.has(index);
    if (!late || (index >= this.next - this.#kept && (recovered || !known))) this.shown.add(index);
    if (recovered) {
      if (late || known) return;
      this.counters.recovered++;
      this.#recovered.add(index);
    } else if (known) {
      this.counters.duplicate++;
      if (this.#recovered.delete(index)) this.counters.needless++;
    } else if (late) this.counters.late++;
    this.#came.add(index);
  }

  release(): void {
    this.next++;
    this.#hide();
  }

  giveUp(count: number): void {
    this.next += count;
    this.counters.lost += count;
    this.#hide();
  }

  keep(count: number): void {
    this.#kept = count;
    this.#hide();
  }

  restart(): void {
    this.next = 0;
    for (const set of [this.shown, this.#came, this.#recovered]) set.clear();
  }

  #hide(): void {
    for (const index of this.shown) if (index < this.next - this.#kept) this.shown.delete(index);
  }
}

const KINDS = ['came', 'came', 'pass', 'recovered', 'take', 'take', 'give up', 'keep', 'restart'] as const;

/** Does to the window and to its model the same. */
function follow(window: ReceiveWindow, model: Model, { kind, by }: Step): void {
  const index = window.next + by;
  switch (kind) {
    case 'restart':
      if (by !== 0) return;
      window.restart();
      return model.restart();
    case 'keep':
      window.kept = Math.abs(by) % 65;
      return model.keep(window.kept);
    case 'take':
      while (window.firstHeld === window.next) {
        expect(indexOf(window.take().payload)).toBe(model.next);
        model.release();
      }
      return undefined;
    case 'give up':
      if (window.firstHeld === window.next) return undefined;
      return model.giveUp(window.giveUp(window.next + Math.abs(by)).count);
    case 'came':
    case 'pass':
    case 'recovered':
      return index >= 0 && index < window.next + 64 ? put(window, model, { kind, by }) : undefined;
  }
}

function put(window: ReceiveWindow, model: Model, { kind, by }: Step): void {
  const index = window.next + by;
  const passed = kind === 'pass' ? window.pass(arrivalOf(index, 0)) : undefined;
  if (passed) expect(indexOf(passed.payload)).toBe(index);
  else window.put(kind === 'recovered' ? recoveredOf(index, 0) : arrivalOf(index, 0));
  model.put(index, kind === 'recovered');
  if (passed) model.release();
}

interface Step {
  kind: (typeof KINDS)[number];
  by: number;
}
