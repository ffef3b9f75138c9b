import { describe, expect, it } from 'vitest';
import { network, type InTransit, type NetworkOptions } from './network.ts';

const COUNT = 50_000;

function send(options: NetworkOptions): InTransit<number>[] {
  const departures = Array.from({ length: COUNT }, (_, i) => ({ at: i, item: i }));
  return [...network(departures, options)];
}

function delays(options: NetworkOptions): number[] {
  return send(options).map(({ at, item }) => at - item);
}

describe('the virtual network', () => {
  it('does nothing unless told to', () => {
    expect(send({})).toEqual(Array.from({ length: COUNT }, (_, i) => ({ at: i, item: i })));
  });

  it('does the same again for the same seed, and something else for another', () => {
    const options = { loss: 0.1, jitterMs: 20, reorder: true, duplicates: 0.1 };
    expect(send({ ...options, seed: 4 })).toEqual(send({ ...options, seed: 4 }));
    expect(send({ ...options, seed: 4 })).not.toEqual(send({ ...options, seed: 5 }));
  });

  it('delivers in order of time, whatever is wrong', () => {
    for (const jitterShape of ['uniform', 'exponential', 'spikes'] as const) {
      for (const reorder of [true, false]) {
        const arrivals = send({ jitterMs: 30, jitterShape, reorder, duplicates: 0.1, delayMs: 5 });
        expect(arrivals.filter(({ at }, i) => at < (arrivals[i - 1]?.at ?? 0))).toEqual([]);
      }
    }
  });

  it('loses the share it is told to', () => {
    expect(1 - send({ loss: 0.1 }).length / COUNT).toBeCloseTo(0.1, 2);
  });

  it('loses in bursts of the length it is told to', () => {
    const items = send({ burstLoss: { rate: 0.05, meanBurst: 20 } }).map(({ item }) => item);
    expect(1 - items.length / COUNT).toBeCloseTo(0.05, 2);
    const bursts = items.filter((item, i) => item - (items[i - 1] ?? -1) > 1).length;
    expect((COUNT - items.length) / bursts).toBeGreaterThan(15);
    expect((COUNT - items.length) / bursts).toBeLessThan(25);
  });

  it('loses everything during a cut and nothing beside it', () => {
    const items = new Set(send({ cuts: [{ from: 100, to: 200 }] }).map(({ item }) => item));
    expect([items.has(99), items.has(100), items.has(199), items.has(200), items.size]).toEqual([
      true,
      false,
      false,
      true,
      COUNT - 100,
    ]);
  });

  it('delays within its bounds and lets overtake only when told to', () => {
    const uniform = delays({ delayMs: 10, jitterMs: 30, reorder: true });
    expect(uniform.every((delay) => delay >= 10 && delay <= 40)).toBe(true);
    const overtaken = (options: NetworkOptions) => send(options).some(({ item }, i) => item !== i);
    expect([overtaken({ jitterMs: 30, reorder: true }), overtaken({ jitterMs: 30 })]).toEqual([true, false]);
  });

  it('bunches what a spike has held up', () => {
    const spiked = delays({ jitterMs: 80, jitterShape: 'spikes' });
    expect(Math.max(...spiked)).toBeGreaterThan(70);
    expect(spiked.filter((delay) => delay === 0).length).toBeGreaterThan(0.7 * COUNT);
  });

  it('doubles the share it is told to', () => {
    expect(send({ duplicates: 0.02 }).length / COUNT - 1).toBeCloseTo(0.02, 2);
  });
});
