/** What only the native engine has: a thread and a memory of its own. */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { monotonicNow } from '../../transport/clock.ts';
import { loopback, port, until } from './engine-fixture.ts';
import { native } from './engines.ts';

const ADDON = path.resolve('dist/native/lancast.node');

/** Opens a socket, hands it to the thread, and says so. */
const OPEN = `
  const addon = require(${JSON.stringify(ADDON)});
  let heard = 0;
  addon.startArrivals(() => { while (addon.nextArrivals() >= 0) heard++; });
  const descriptor = addon.openSocket({ family: 4, bindAddress: '127.0.0.1' });
  const socket = addon.openArrivals(descriptor, 5);
  console.log('open');`;

describe('the memory of the receiving thread', () => {
  const { listen } = loopback(native);

  it('tells of an overrun, and leaves in the kernel what it has no room for', async () => {
    const { heard, queue } = await listen('127.0.0.1', port());
    const socket = createSocket('udp4');
    socket.connect(queue.local.port, '127.0.0.1');
    await once(socket, 'connect');
    // Each takes a slot of 2 KiB: 64 MiB are soon full, and nobody takes anything meanwhile.
    const sent = 36_000;
    for (let index = 0; index < sent; index++) socket.send('x');
    // The thread comes to it within milliseconds; this process stays busy until then.
    for (const end = monotonicNow() + 1000; queue.stats.overruns === 0 && monotonicNow() < end;);
    expect(queue.stats.overruns).toBe(1);
    await until(() => heard.length + (queue.stats.kernelDrops ?? 0) >= sent);
    expect(heard.length).toBeGreaterThan(31_000);
    expect(queue.stats).toMatchObject({ received: heard.length, overruns: 1 });
    socket.close();
  });
});

describe('a process with the receiving thread', () => {
  const LIVES: [what: string, script: string, ends: boolean][] = [
    ['lives while a socket is open', OPEN, false],
    ['ends when the last one is closed', `${OPEN} setTimeout(() => addon.closeArrivals(socket), 20);`, true],
    ['ends when it is told to, with sockets open', `${OPEN} setTimeout(() => process.exit(), 20);`, true],
  ];
  for (const [what, script, ends] of LIVES) {
    it(what, async () => {
      const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      const ended = once(child, 'exit').then(([code]) => `status ${code}`);
      await once(child.stdout, 'data');
      const alive = new Promise((resolve) => setTimeout(resolve, ends ? 10_000 : 500, 'alive'));
      expect(await Promise.race([ended, alive])).toBe(ends ? 'status 0' : 'alive');
      child.kill();
      await ended;
    });
  }
});
