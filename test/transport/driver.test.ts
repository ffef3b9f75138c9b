import { describe, expect, it } from 'vitest';
import { afterSockets, Driver, onReading, type DriverOptions } from '../../transport/driver.ts';
import type { Stage } from '../../wire/stage.ts';

/** Gives each input back at the time the input names. */
class Alarm implements Stage<number, number> {
  readonly due: number[] = [];
  readonly told: number[] = [];
  push(at: number, now: number): void {
    this.told.push(now);
    this.due.push(at);
    this.due.sort((a, b) => a - b);
  }
  poll(now: number): number | undefined {
    this.told.push(now);
    return this.due[0] !== undefined && this.due[0] <= now ? this.due.shift() : undefined;
  }
  get wakeAt(): number {
    return this.due[0] ?? Infinity;
  }
}

/** A clock and timers that stand still until `advance`; each timer fires `lateMs` late. */
class FakeTime {
  now = 1000;
  lateMs = 0;
  readonly asked: number[] = [];
  #timers: { at: number; wake: () => void }[] = [];

  readonly setTimer = (wake: () => void, delayMs: number): (() => void) => {
    this.asked.push(delayMs);
    const timer = { at: this.now + Math.max(1, delayMs + this.lateMs), wake };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  };
  get pending(): number {
    return this.#timers.length;
  }
  advance(to: number): void {
    for (;;) {
      const [next] = this.#timers.sort((a, b) => a.at - b.at);
      if (!next || next.at > to) break;
      this.#timers.shift();
      this.now = next.at;
      next.wake();
    }
    this.now = to;
  }
}

function driven(onError?: (error: unknown) => void) {
  const time = new FakeTime();
  const stage = new Alarm();
  const out: [now: number, output: number][] = [];
  const options = { now: () => time.now, setTimer: time.setTimer, ...(onError ? { onError } : {}) };
  const driver = new Driver(stage, (output: number) => out.push([time.now, output]), options);
  return { time, stage, out, driver };
}

describe('Driver', () => {
  it('emits at once what is due at once', () => {
    const { driver, out, time } = driven();
    driver.push(900);
    expect(out).toEqual([[1000, 900]]);
    expect(time.pending).toBe(0);
  });

  it('wakes when wakeAt has come, by one timer', () => {
    const { driver, out, time } = driven();
    driver.push(1020);
    driver.push(1010);
    driver.push(1030);
    expect(time.pending).toBe(1);
    time.advance(2000);
    expect(out).toEqual([
      [1010, 1010],
      [1020, 1020],
      [1030, 1030],
    ]);
    expect(time.pending).toBe(0);
  });

  it('sets no new timer for a push that changes nothing about the next wake-up', () => {
    const { driver, time } = driven();
    for (let at = 1100; at < 1200; at++) driver.push(at);
    expect(time.asked).toEqual([100]);
  });

  it('sleeps at least 1 ms, in whole milliseconds, and never too short', () => {
    const { driver, out, time } = driven();
    driver.push(1000.2);
    driver.push(1002.5);
    time.advance(1100);
    expect(time.asked).toEqual([1, 2]);
    expect(out).toEqual([
      [1001, 1000.2],
      [1003, 1002.5],
    ]);
  });

  it('emits late what a late timer finds, and goes on', () => {
    const { driver, out, time } = driven();
    time.lateMs = 50;
    for (const at of [1010, 1020, 1090]) driver.push(at);
    time.advance(2000);
    expect(out).toEqual([
      [1060, 1010],
      [1060, 1020],
      [1140, 1090],
    ]);
  });

  it('goes on sleeping when a timer fires before its time', () => {
    const { driver, out, time } = driven();
    time.lateMs = -5;
    driver.push(1010);
    time.advance(1009);
    expect(out).toEqual([]);
    time.lateMs = 0;
    time.advance(1100);
    expect(out).toEqual([[1010, 1010]]);
  });

  it('sleeps through more than the 24.8 days that setTimeout can do', () => {
    const { driver, out, time } = driven();
    const inSixtyDays = 1000 + 60 * 86_400_000;
    driver.push(inSixtyDays);
    expect(time.asked).toEqual([2 ** 31 - 1]);
    time.advance(inSixtyDays + 1);
    expect(out).toEqual([[inSixtyDays, inSixtyDays]]);
    expect(time.asked.length).toBe(3);
  });

  it('takes what emit pushes, without losing the order of time', () => {
    const time = new FakeTime();
    const stage = new Alarm();
    const out: number[] = [];
    const driver = new Driver<number, number>(
      stage,
      (output) => {
        out.push(output);
        time.now += 3; // emitting takes time
        if (output < 5) driver.push(output + 1);
      },
      { now: () => time.now, setTimer: time.setTimer },
    );
    driver.push(1);
    expect(out).toEqual([1, 2, 3, 4, 5]);
    expect(stage.told).toEqual([...stage.told].sort((a, b) => a - b));
  });

  it('polls a stage that has output before any input', () => {
    const { driver, stage, out } = driven();
    stage.due.push(999);
    driver.drain();
    expect(out).toEqual([[1000, 999]]);
  });

  it('does nothing once closed', () => {
    const { driver, out, time } = driven();
    driver.push(1010);
    driver.close();
    expect(time.pending).toBe(0);
    driver.push(900);
    driver.drain();
    time.advance(2000);
    expect(out).toEqual([]);
  });

  it('stops in the middle when emit closes it', () => {
    const time = new FakeTime();
    const out: number[] = [];
    const stage = new Alarm();
    const driver: Driver<number, number> = new Driver<number, number>(
      stage,
      (output) => {
        out.push(output);
        driver.close();
      },
      { now: () => time.now, setTimer: time.setTimer },
    );
    stage.due.push(1, 2, 3);
    driver.drain();
    expect(out).toEqual([1]);
    expect(time.pending).toBe(0);
  });

  const broken: Stage<number, number> = {
    push: () => undefined,
    poll() {
      throw new Error('our bug');
    },
    wakeAt: Infinity,
  };

  it('tells what a stage throws, once, and is closed by then', () => {
    const errors: unknown[] = [];
    const driver = new Driver(broken, () => undefined, { onError: (error) => errors.push(error) });
    driver.push(1);
    driver.push(2);
    expect(errors).toEqual([new Error('our bug')]);
  });

  it('tells what a stage throws when the timer woke it', () => {
    const errors: unknown[] = [];
    const { driver, stage, time } = driven((error) => errors.push(error));
    driver.push(1010);
    stage.poll = () => broken.poll(0);
    time.advance(2000);
    expect(errors).toEqual([new Error('our bug')]);
    expect(time.pending).toBe(0);
  });

  it('tells what emit throws', () => {
    const errors: unknown[] = [];
    const driver = new Driver<number, number>(
      new Alarm(),
      () => {
        throw new Error('a bug behind the stage');
      },
      { now: () => 5, onError: (error) => errors.push(error) },
    );
    driver.push(1);
    expect(errors).toEqual([new Error('a bug behind the stage')]);
  });

  it('throws on what nobody takes', () => {
    const driver = new Driver(broken, () => undefined);
    expect(() => driver.push(1)).toThrow('our bug');
  });

  it('drives by the clock of the machine', async () => {
    const stage = new Alarm();
    const started = performance.now();
    await new Promise<void>((resolve) => {
      const driver = new Driver<number, number>(stage, () => resolve());
      const [seconds, nanoseconds] = process.hrtime();
      driver.push(seconds * 1000 + nanoseconds / 1e6 + 20);
    });
    expect(performance.now() - started).toBeGreaterThanOrEqual(19.9);
  });
});

/** Waits for an input until a deadline: `given up` then, unless it came before. Everything else it echoes at once. */
class Patience implements Stage<string, string> {
  deadline = Infinity;
  readonly told: number[] = [];
  readonly #ready: string[] = [];
  push(input: string, now: number): void {
    this.told.push(now);
    if (input === 'awaited') this.deadline = Infinity;
    this.#ready.push(input);
  }
  poll(now: number): string | undefined {
    this.told.push(now);
    if (now < this.deadline) return this.#ready.shift();
    this.deadline = Infinity;
    return 'given up';
  }
  get wakeAt(): number {
    return this.#ready.length > 0 ? -Infinity : this.deadline;
  }
}

describe('Driver of a stage that is fed from sockets', () => {
  function fed(stallMs = 0, more: DriverOptions = {}) {
    const time = new FakeTime();
    time.lateMs = stallMs;
    const stage = new Patience();
    const out: string[] = [];
    const turns: (() => void)[] = [];
    const driver = new Driver<string, string>(stage, (output) => out.push(output), {
      now: () => time.now,
      setTimer: time.setTimer,
      afterReading: (next) => turns.push(next),
      ...more,
    });
    stage.deadline = 1200;
    driver.drain();
    /** The sockets have had a turn, in which they brought these. */
    const turn = (...inputs: string[]) => {
      for (const input of inputs) driver.push(input);
      turns.shift()?.();
    };
    return { time, stage, out, turns, driver, turn };
  }

  it('reads them before anything that is due', () => {
    const { time, out, turns, turn } = fed();
    time.advance(1200);
    expect([out, turns.length]).toEqual([[], 1]);
    turn('awaited');
    turn();
    expect([out, turns.length, time.pending]).toEqual([['awaited'], 0, 0]);
  });

  it('does not read them for what is not due for want of input', () => {
    const { time, stage, out, turns, driver } = fed(0, { lacksInput: (now) => now >= 1500 });
    time.advance(1200);
    expect([out, turns.length]).toEqual([['given up'], 0]);
    stage.deadline = 1500;
    driver.drain();
    time.advance(1500);
    expect([out, turns.length]).toEqual([['given up'], 1]);
  });

  it('gives up what none of them has brought, after one turn', () => {
    const { time, out, turns, turn } = fed();
    time.advance(1200);
    turn();
    expect([out, turns.length, time.pending]).toEqual([['given up'], 0, 0]);
  });

  it('goes on reading for as long as each turn brings something', () => {
    const { time, out, turns, turn } = fed(500);
    time.advance(1700);
    for (let i = 0; i < 10; i++) turn('another');
    expect(out).toEqual(Array.from({ length: 10 }, () => 'another'));
    turn('awaited');
    turn();
    expect([out.at(-1), turns.length, out.includes('given up')]).toEqual(['awaited', 0, false]);
  });

  it('stops reading once something has come that is newer than what was awaited', () => {
    let newest = 0;
    const { time, out, turns, turn } = fed(0, { newestInputAt: () => newest });
    time.advance(1200);
    newest = 1190;
    turn('old');
    expect([out, turns.length]).toEqual([['old'], 1]);
    newest = 1201;
    turn('new');
    expect([out, turns.length]).toEqual([['old', 'new', 'given up'], 0]);
  });

  it('does not let a flood put off for ever what is due', () => {
    const { time, out, turn } = fed();
    time.advance(1200);
    for (let now = 1210; now <= 1450; now += 10) {
      time.advance(now);
      turn('another');
    }
    expect(out.at(-1)).toBe('given up');
  });

  it('reads them first as well when an input comes before the timer', () => {
    const { time, out, turns, driver, turn } = fed(1000);
    time.now = 1700;
    driver.push('another');
    expect([out, turns.length]).toEqual([['another'], 1]);
    turn('awaited');
    turn();
    expect(out).toEqual(['another', 'awaited']);
    time.advance(3000);
    expect(out).toEqual(['another', 'awaited']);
  });

  it('never lets the time of the stage run backwards, and keeps its promises afterwards', () => {
    const { time, stage, out, driver, turn } = fed();
    time.advance(1200);
    turn('awaited');
    turn();
    stage.deadline = 1600;
    driver.push('another');
    time.advance(1600);
    turn();
    expect(out).toEqual(['awaited', 'another', 'given up']);
    expect(stage.told).toEqual([...stage.told].sort((a, b) => a - b));
  });

  it('does nothing once closed', () => {
    const { time, out, driver, turn } = fed();
    time.advance(1200);
    driver.close();
    turn('awaited');
    expect([out, time.pending]).toEqual([[], 0]);
  });

  it('has them read by the event loop', async () => {
    const events: string[] = [];
    afterSockets(() => events.push('turn'));
    setTimeout(() => events.push('later'), 5);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(events).toEqual(['turn', 'later']);
  });

  it('has those of threads read before, once for all who ask', async () => {
    const events: string[] = [];
    onReading(() => events.push('read'));
    afterSockets(() => {
      events.push('first');
      afterSockets(() => events.push('again'));
    });
    afterSockets(() => events.push('second'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(events).toEqual(['read', 'first', 'second', 'read', 'again']);
  });
});
