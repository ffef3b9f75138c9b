/** The kernel counts what it drops in 32 bits and only as long as a socket is open; the native engine's stats do not end there. */
import { expect, it } from 'vitest';
import { loadAddon } from '../../transport/native-addon.ts';
import { openNativeArrival } from '../../transport/native-arrival.ts';
import { port } from './engine-fixture.ts';

it('counts on when the counter of the kernel wraps, and keeps the count after the end', async () => {
  const addon = loadAddon();
  if (typeof addon === 'string') throw new Error(addon);
  let drops = 0;
  const via = { name: 'lo', address: '127.0.0.1', family: 4 as const, reason: '' };
  const options = { address: { address: '239.255.75.1', port: port() }, via };
  const queue = await openNativeArrival({ ...addon, arrivalDrops: () => drops }, options, () => undefined);
  const told: (number | undefined)[] = [];
  for (drops of [0, 2 ** 31 - 1, 2 ** 32 - 2, 3, 3]) told.push(queue.stats.kernelDrops);
  drops = 10;
  await queue.close();
  drops = 0;
  told.push(queue.stats.kernelDrops);
  expect(told).toEqual([0, 2 ** 31 - 1, 2 ** 32 - 2, 2 ** 32 + 3, 2 ** 32 + 3, 2 ** 32 + 10]);
});
