import { describe, expect, it } from 'vitest';
import { NackGenerator, type Expectation, type NackGeneratorInput } from '../../receiver/nack-generator.ts';
import { play, type Timed } from '../helpers/drive.ts';
import { randomFrom } from '../helpers/network.ts';
import { SEQUENCE_STARTS } from '../helpers/packets.ts';

/** A window as tests want it. */
class Window implements Expectation {
  next = 0;
  end = 0;
  deadline = Infinity;
  patienceMs = 0;
  readonly #held = new Set<number>();
  readonly #first: number;

  constructor(first = 0) {
    this.#first = first;
  }

  hold(...indexes: number[]): this {
    for (const index of indexes) this.#held.add(index);
    this.end = Math.max(this.end, ...indexes.map((index) => index + 1));
    return this;
  }

  heldFrom(index: number): number {
    for (let each = index; each < this.end; each++) if (this.#held.has(each)) return each;
    return Infinity;
  }

  giveUpAt(index: number): number {
    return index < this.next ? -Infinity : this.deadline;
  }

  sequenceOf(index: number): number {
    return (this.#first + index) & 0xffff;
  }
}

const ARRIVALS: NackGeneratorInput = { kind: 'arrivals' };

interface Case {
  window?: Window;
  inputs?: Timed<NackGeneratorInput>[];
  isMulticast?: boolean;
  random?: () => number;
  until?: number;
}

/** A generator that thinks an answer takes 20 ms. */
function generatorOf({
  window = new Window().hold(0, 3),
  isMulticast = false,
  random = () => 0.5,
}: Case = {}) {
  return new NackGenerator({ expectation: window, isMulticast, roundTripMs: 20, random });
}

/** When which sequence numbers are asked for. */
function asked(trial: Case = {}, generator = generatorOf(trial)): string[] {
  const { inputs = [[0, ARRIVALS]], until = Infinity } = trial;
  return [...play(generator, inputs, until)].map(([at, lost]) => `${at}: ${lost.join(' ')}`);
}

describe('what is missing', () => {
  for (const first of SEQUENCE_STARTS)
    it(`is asked for, the stream having begun at ${first}`, () => {
      const name = (index: number): number => (first + index) & 0xffff;
      const lost = asked({ window: new Window(first).hold(0, 3, 4, 6), until: 3 });
      expect(lost).toEqual([`2: ${name(1)} ${name(2)} ${name(5)}`]);
    });

  it('is asked for every round trip and 2 ms, ten times at most', () => {
    const generator = generatorOf();
    expect(asked({}, generator)).toEqual(Array.from({ length: 10 }, (_, i) => `${2 + 22 * i}: 1 2`));
    expect(generator.stats).toMatchObject({ asked: 20, givenUp: 2, repaired: 0 });
  });

  it('is never asked for when the answer could not come in time', () => {
    const window = new Window().hold(0, 3);
    window.deadline = 66;
    const generator = generatorOf({ window });
    expect(asked({}, generator)).toEqual(['2: 1 2', '24: 1 2', '46: 1 2']);
    window.deadline = 65.9;
    expect(asked({}, generatorOf({ window }))).toEqual(['2: 1 2', '24: 1 2']);
    window.deadline = 10;
    expect(asked({}, generatorOf({ window }))).toEqual([]);
    expect(generator.stats.givenUp).toBe(2);
  });

  it('is asked for sooner when little time is left', () => {
    const window = new Window().hold(0, 3);
    window.deadline = 24;
    expect(asked({ window })).toEqual(['1: 1 2']);
  });

  it('is not asked for when it came meanwhile, or was given up', () => {
    const window = new Window().hold(0, 3);
    const generator = generatorOf({ window });
    generator.push(ARRIVALS, 0);
    window.hold(1);
    expect(generator.poll(2)).toEqual([2]);
    window.next = 4;
    expect([generator.poll(24), generator.wakeAt]).toEqual([undefined, Infinity]);
  });

  it('is asked for at the end of the stream, when the sender has said how long it is', () => {
    const window = new Window().hold(0, 1);
    const generator = generatorOf({ window });
    generator.push(ARRIVALS, 0);
    expect(generator.wakeAt).toBe(Infinity);
    window.end = 4;
    expect(asked({ inputs: [[10, ARRIVALS]], until: 13 }, generator)).toEqual(['12: 2 3']);
  });

  it('is asked for 128 at a time', () => {
    const window = new Window().hold(0, 301);
    const batches = [...play(generatorOf({ window }), [[0, ARRIVALS]], 3)].map(([, lost]) => lost);
    expect(batches.map(({ length }) => length)).toEqual([128, 128, 44]);
    expect(batches.flat()).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
  });

  it('is asked for as far as the newest thousand go', () => {
    const window = new Window().hold(0, 5001);
    const generator = generatorOf({ window });
    const first = [...play(generator, [[0, ARRIVALS]], 3)].flatMap(([, lost]) => lost);
    expect([first.length, first[0], first.at(-1)]).toEqual([1000, 4001, 5000]);
    window.hold(5102);
    const second = [...play(generator, [[10, ARRIVALS]], 13)].flatMap(([, lost]) => lost);
    expect([second.length, second[0]]).toEqual([100, 5002]);
    expect(generator.stats).toMatchObject({ overflow: 4000, givenUp: 100 });
  });
});

describe('disorder', () => {
  it('is waited for once it has been seen, for ten seconds', () => {
    const window = new Window().hold(0, 2);
    const generator = generatorOf({ window });
    const times: number[] = [];
    for (const [at, index] of [
      [0, 1],
      [1000, 3],
      [9000, 5],
      [12_000, 7],
    ] as const) {
      generator.push(ARRIVALS, at);
      times.push(generator.wakeAt - at);
      window.hold(index);
      if (index === 1) generator.push({ kind: 'overtaken', index }, at + 8);
      expect(generator.poll(at + 12)).toBeUndefined();
      window.hold(index + 3);
    }
    expect(times).toEqual([2, 10, 10, 2]);
    expect(generator.stats.asked).toBe(0);
  });

  it('causes no request while it is smaller than what was seen', () => {
    const random = randomFrom(5);
    const window = new Window();
    const generator = generatorOf({ window });
    let requests = 0;
    const arrivals = Array.from({ length: 5000 }, (_, index) => ({ index, at: index + 8 * random() }));
    arrivals.sort((a, b) => a.at - b.at);
    for (const { index, at } of arrivals) {
      while (generator.wakeAt < at) if (generator.poll(generator.wakeAt)) requests++;
      if (index < window.end) generator.push({ kind: 'overtaken', index }, at);
      window.hold(index);
      window.next = Math.max(window.next, window.end - 50);
      generator.push(ARRIVALS, at);
      if (index < 1000) requests = 0; // by then it has seen enough
    }
    expect(requests).toBe(0);
  });
});

describe('the round trip', () => {
  /** Loses every tenth of a stream; answers come `answerMs` behind each request. How long they are thought to take at the end. */
  function learned(guessMs: number, answerMs: number, count = 500): number {
    const window = new Window();
    const generator = new NackGenerator({
      expectation: window,
      isMulticast: false,
      roundTripMs: guessMs,
      random: () => 0.5,
    });
    const answers: { at: number; index: number }[] = [];
    for (let index = 0; index < count; index++) {
      if (index % 10 !== 9) window.hold(index);
      window.next = Math.max(0, window.end - 300);
      generator.push(ARRIVALS, index);
      for (let at = generator.wakeAt; at < index + 1; at = generator.wakeAt)
        for (const lost of generator.poll(at) ?? []) answers.push({ at: at + answerMs, index: lost });
      for (let first = answers[0]; first && first.at <= index + 1; first = answers[0]) {
        answers.shift();
        window.hold(first.index);
        generator.push({ kind: 'repaired', index: first.index }, first.at);
      }
    }
    return generator.roundTripMs;
  }

  it('is learned from the first answer', () => expect(learned(100, 30, 60)).toBeCloseTo(30, 9));
  it('is followed when it is longer than was thought', () => {
    expect(learned(10, 50, 20_000)).toBeGreaterThanOrEqual(50);
    expect(learned(10, 50, 20_000)).toBeLessThan(80);
  });

  it('is not thought longer because one answer of several was lost', () => {
    const window = new Window().hold(0, 2);
    const generator = new NackGenerator({
      expectation: window,
      isMulticast: false,
      roundTripMs: 20,
      random: () => 0.5,
    });
    generator.push(ARRIVALS, 0);
    expect([generator.poll(2), generator.poll(24)]).toEqual([[1], [1]]);
    generator.push({ kind: 'repaired', index: 1 }, 5044);
    expect(generator.roundTripMs).toBe(20);
  });

  it('so short that ten tries would be used up at once leaves time between them', () => {
    const window = new Window().hold(0, 2);
    window.deadline = 200;
    const generator = new NackGenerator({
      expectation: window,
      isMulticast: false,
      roundTripMs: 1,
      random: () => 0.5,
    });
    generator.push(ARRIVALS, 0);
    const times: number[] = [];
    for (let now = generator.wakeAt; now < Infinity; now = generator.wakeAt)
      if (generator.poll(now)) times.push(Math.round(now));
    expect(times).toEqual([2, 13, 25, 37, 51, 66, 82, 102, 127, 163]);
  });

  it('that is shorter than was thought hastens what was asked for already', () => {
    const window = new Window().hold(0, 2, 4);
    const generator = new NackGenerator({ expectation: window, isMulticast: false, random: () => 0.5 });
    generator.push(ARRIVALS, 0);
    expect(generator.poll(2)).toEqual([1, 3]);
    expect(generator.wakeAt).toBe(44);
    window.hold(1);
    generator.push({ kind: 'repaired', index: 1 }, 12);
    expect([generator.wakeAt, generator.roundTripMs]).toEqual([14, 10]);
    expect(generator.poll(14)).toEqual([3]);
  });
});

describe('a sender that never answers', () => {
  it('is asked five times a second behind two seconds, and as ever once it answers', () => {
    const window = new Window();
    const generator = new NackGenerator({ expectation: window, isMulticast: false, random: () => 0.5 });
    const perSecond: number[] = [];
    const lose = (from: number, to: number): void => {
      for (let now = from; now < to; now += 10) {
        window.hold(2 * (now / 10) + 1); // every other one is missing
        window.next = Math.max(0, window.end - 40);
        window.deadline = now + 200;
        generator.push(ARRIVALS, now);
        while (generator.poll(now));
      }
    };
    for (let second = 0; second < 5; second++) {
      const before = generator.stats.asked;
      lose(second * 1000, (second + 1) * 1000);
      perSecond.push(generator.stats.asked - before);
    }
    expect(perSecond.slice(0, 2).every((count) => count > 90)).toBe(true);
    expect(perSecond.slice(3)).toEqual([5, 5]);
    const before = generator.stats.asked;
    lose(5000, 5010);
    generator.push({ kind: 'repaired', index: window.end - 2 }, 5010);
    lose(5010, 6000);
    expect(generator.stats.asked - before).toBeGreaterThan(90);
  });
});

describe('on multicast', () => {
  const multicast = (share: number): Case => ({ isMulticast: true, random: () => share, until: 30 });

  it('the first request waits at random for up to 20 ms in addition, later ones do not', () => {
    expect(asked(multicast(0))).toEqual(['2: 1 2', '24: 1 2']);
    expect(asked({ ...multicast(0.5), until: 35 })).toEqual(['12: 1 2', '34: 1 2']);
    expect(asked(multicast(1))).toEqual(['22: 1 2']);
  });

  it('it waits for an eighth of the time that is left at most', () => {
    const window = new Window().hold(0, 3);
    window.deadline = 100;
    expect(asked({ ...multicast(1), window })).toEqual(['12: 1 2']);
  });

  it("another's request puts ours off by a round trip, once", () => {
    const generator = generatorOf(multicast(0.5));
    const inputs: Timed<NackGeneratorInput>[] = [
      [0, ARRIVALS],
      [5, { kind: 'asked-by-another', index: 1 }],
      [6, { kind: 'asked-by-another', index: 1 }],
    ];
    expect(asked({ inputs, until: 40 }, generator)).toEqual(['12: 2', '34: 2', '37: 1']);
    expect(generator.stats.suppressed).toBe(1);
  });

  it('a repair that another asked for keeps us from asking', () => {
    const window = new Window().hold(0, 3);
    const generator = generatorOf({ ...multicast(0.5), window });
    generator.push(ARRIVALS, 0);
    for (const index of [1, 2]) {
      window.hold(index);
      generator.push({ kind: 'repaired', index }, 5);
    }
    expect(asked({ inputs: [[5, ARRIVALS]], until: 100 }, generator)).toEqual([]);
    expect(generator.stats).toMatchObject({ suppressed: 2, repaired: 0, asked: 0 });
  });

  it('without it, nobody else is waited for', () => {
    const generator = generatorOf();
    const inputs: Timed<NackGeneratorInput>[] = [
      [0, ARRIVALS],
      [1, { kind: 'asked-by-another', index: 1 }],
    ];
    expect(asked({ inputs, until: 3 }, generator)).toEqual(['2: 1 2']);
  });
});

describe('nothing', () => {
  it('is asked for while nothing is missing', () => {
    expect(asked({ window: new Window().hold(0, 1, 2) })).toEqual([]);
  });

  it('comes of repairs and requests for what nobody misses', () => {
    const generator = generatorOf();
    const inputs: Timed<NackGeneratorInput>[] = (['repaired', 'overtaken', 'asked-by-another'] as const).map(
      (kind) => [0, { kind, index: 99 }],
    );
    expect(asked({ inputs }, generator)).toEqual([]);
    expect(generator.stats).toEqual({ asked: 0, repaired: 0, suppressed: 0, givenUp: 0, overflow: 0 });
  });
});
