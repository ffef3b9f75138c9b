/** Dense datagrams leave in bursts that the least receive buffer takes, whatever quantum was asked for. */
import { expect, it } from 'vitest';
import { monotonicNow } from '../../transport/clock.ts';
import { loopback, port, until, pushOne } from './engine-fixture.ts';
import { native } from './engines.ts';

const COUNT = 8000;
/** 1316 bytes at 1 Gbit/s. */
const INTERVAL_MS = (1316 * 8) / 1e6;

const { listen, depart } = loopback(native);

it('keeps bursts short at 1 Gbit/s with a quantum of 5 ms', async () => {
  const { heard, queue } = await listen('127.0.0.1', port());
  const out = await depart([queue.local], { quantumMs: 5 });
  const start = monotonicNow() + 50;
  const datagram = Buffer.alloc(1316);
  for (let index = 0; index < COUNT; index++) pushOne(out, datagram, start + index * INTERVAL_MS);
  await until(() => heard.length + (queue.stats.kernelDrops ?? 0) >= COUNT);
  const bursts = [0];
  heard.forEach(({ at }, index) => {
    if (at - (heard[index - 1]?.at ?? at) > 0.15) bursts.push(0);
    bursts[bursts.length - 1] = (bursts.at(-1) ?? 0) + 1;
  });
  bursts.sort((a, b) => a - b);
  // 5 ms hold 475. A machine that has other things to do makes up for it by some longer ones.
  expect(bursts[Math.floor(bursts.length / 2)]).toBeLessThan(120);
});
