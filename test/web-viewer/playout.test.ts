import { describe, expect, it } from 'vitest';
import { PLAYOUT_FLOOR_S, PlayoutClock, type BufferedRanges } from '../../web-viewer/page/playout.ts';

const STEP_S = 0.02;

interface Network {
  /** Seconds that the media reaching `at` takes to arrive. */
  delay: (at: number) => number;
  /** Parts of the media that never come. */
  holes?: BufferedRanges;
}

/** A page on virtual time: media is made at its own pace, arrives as the network has it, and a player plays it. */
class Page {
  now = 100;
  position = 0;
  rate = 1;
  stalledS = 0;
  jumps = 0;
  readonly #clock: PlayoutClock;
  readonly #network: Network;
  #reach = 0;
  #arrivals: { at: number; reach: number }[] = [];
  #made = 0;

  constructor(network: Network, floor: number) {
    this.#network = network;
    this.#clock = new PlayoutClock(floor);
  }

  get target(): number | undefined {
    return this.#clock.target(this.now);
  }

  get behindNewest(): number {
    return this.#reach - this.position;
  }

  run(seconds: number): void {
    for (const end = this.now + seconds; this.now < end;) this.#step();
  }

  #step(): void {
    this.now += STEP_S;
    this.#made += STEP_S;
    this.#arrivals.push({ at: this.now + this.#network.delay(this.#made), reach: this.#made });
    this.#clock.reaches(this.#reach, this.now);
    for (const { at, reach } of this.#arrivals.splice(0)) {
      if (at > this.now) this.#arrivals.push({ at, reach });
      else {
        this.#clock.arrived(at, this.now + 0.001);
        this.#reach = Math.max(this.#reach, reach);
      }
    }
    this.#clock.reaches(this.#reach, this.now);
    const { rate, jumpTo } = this.#clock.steer(this.position, this.#buffered(), this.now);
    this.rate = rate;
    if (jumpTo !== undefined) {
      this.position = jumpTo;
      this.jumps++;
    }
    const wanted = this.position + rate * STEP_S;
    if (this.#isThere(wanted)) this.position = wanted;
    else this.stalledS += STEP_S;
  }

  #buffered(): [number, number][] {
    let ranges: [number, number][] = [[0, this.#reach]];
    for (const [start, end] of this.#network.holes ?? [])
      ranges = ranges.flatMap(([from, to]): [number, number][] => [
        [from, Math.min(start, to)],
        [Math.max(end, from), to],
      ]);
    return ranges.filter(([from, to]) => to > from);
  }

  #isThere(position: number): boolean {
    return this.#buffered().some(([start, end]) => position >= start && position < end);
  }
}

describe('PlayoutClock', () => {
  it('knows no target before media has come', () => {
    const clock = new PlayoutClock(0.2);
    expect(clock.target(1)).toBeUndefined();
    expect(clock.steer(0, [], 1)).toEqual({ rate: 1 });
  });

  it('leaves the backlog that is sent on joining out', () => {
    const clock = new PlayoutClock(0.2);
    // Four seconds of media come at once: each piece had arrived at the receiver later than the one before.
    for (let piece = 0; piece <= 40; piece++) {
      const now = 50 + piece * 0.001;
      clock.arrived(10 + piece * 0.1, now);
      clock.reaches(piece * 0.1, now);
    }
    expect(clock.target(50.1)).toBeUndefined();
    clock.reaches(4, 50.3);
    expect(clock.target(50.3)).toBeCloseTo(3.8, 5);
  });

  const floors: [name: keyof typeof PLAYOUT_FLOOR_S, behind: number][] = [
    ['fast', 0],
    ['balanced', 0.2],
    ['safe', 1],
  ];
  for (const [name, behind] of floors) {
    it(`stays ${behind} s behind the newest media on a perfect network (${name})`, () => {
      const page = new Page({ delay: () => 0 }, PLAYOUT_FLOOR_S[name]);
      page.run(30);
      expect(page.behindNewest).toBeGreaterThan(behind - 0.11);
      expect(page.behindNewest).toBeLessThan(behind + 0.15);
      expect(page.jumps).toBeLessThanOrEqual(1);
    });
  }

  it('plays on without a stall when media comes in lumps of half a second', () => {
    const page = new Page({ delay: (at) => 0.5 - (at % 0.5) }, PLAYOUT_FLOOR_S.balanced);
    page.run(15);
    const { stalledS, jumps } = page;
    page.run(60);
    expect(page.stalledS).toBe(stalledS);
    expect(page.jumps).toBe(jumps);
    expect(page.behindNewest).toBeLessThan(1.1);
  });

  it('catches up by playing 5 % faster, without a jump, when it is late by less than a second', () => {
    const page = new Page({ delay: () => 0 }, 0.2);
    page.run(20);
    const { jumps } = page;
    page.position -= 0.8;
    page.run(1);
    expect(page.rate).toBe(1.05);
    page.run(20);
    expect(page).toMatchObject({ rate: 1, jumps });
    expect(page.behindNewest).toBeLessThan(0.35);
  });

  it('jumps when it is late by more', () => {
    const page = new Page({ delay: () => 0 }, 0.2);
    page.run(20);
    const { jumps } = page;
    page.position -= 3;
    page.run(0.1);
    expect(page.jumps).toBe(jumps + 1);
    expect(page.behindNewest).toBeLessThan(0.35);
  });

  it('begins with a jump, however little is off', () => {
    const clock = new PlayoutClock(0.2);
    clock.arrived(0, 10);
    clock.reaches(2, 11);
    expect(clock.steer(1.5, [[0, 2]], 11)).toEqual({ rate: 1, jumpTo: expect.closeTo(1.8) });
    expect(clock.steer(1.5, [[0, 2]], 11)).toEqual({ rate: 1.05 });
  });

  it('slows down by 5 % when it is early', () => {
    const clock = new PlayoutClock(0.5);
    clock.arrived(0, 10);
    clock.reaches(5, 11);
    clock.steer(4.5, [[0, 5]], 11);
    expect(clock.steer(4.8, [[0, 5]], 11)).toEqual({ rate: 0.95 });
  });

  it('adds delay once the network has become worse, and takes it back ten seconds after', () => {
    let lateness = 0;
    const page = new Page({ delay: () => lateness }, 0.2);
    page.run(20);
    expect(page.behindNewest).toBeLessThan(0.35);
    lateness = 0.8;
    page.run(3);
    const { stalledS } = page;
    page.run(30);
    expect(page.stalledS - stalledS).toBeLessThan(0.1);
    lateness = 0;
    page.run(40);
    expect(page.behindNewest).toBeLessThan(0.35);
  });

  it('jumps over a hole once it is time for what comes behind', () => {
    const page = new Page({ delay: () => 0, holes: [[25, 25.5]] }, 0.2);
    page.run(20);
    const { jumps } = page;
    page.run(20);
    expect(page.jumps).toBe(jumps + 1);
    expect(page.stalledS).toBeLessThan(1.2);
    expect(page.behindNewest).toBeLessThan(0.35);
  });

  it('waits at the end while nothing comes, and does not jump about', () => {
    const page = new Page({ delay: (at) => (at > 20 && at < 28 ? 28 - at : 0) }, 0.2);
    page.run(19);
    const { jumps } = page;
    page.run(8);
    expect(page.jumps).toBe(jumps);
    page.run(30);
    expect(page.behindNewest).toBeLessThan(0.35);
  });

  it('keeps its delay for hours against a sender whose clock is 500 ppm off', () => {
    const clock = new PlayoutClock(0.2);
    let position: number | undefined;
    let worst = 0;
    for (let second = 0; second < 4 * 3600; second++) {
      const reach = second * 1.0005;
      clock.arrived(second, second + 0.01);
      clock.reaches(reach - 0.04, second);
      clock.reaches(reach, second);
      const { rate, jumpTo } = clock.steer(position ?? 0, [[0, reach]], second);
      position = (jumpTo ?? position ?? 0) + rate;
      if (second > 60) worst = Math.max(worst, Math.abs(reach + 1 - position - 0.2));
    }
    expect(worst).toBeLessThan(0.25);
  });
});
