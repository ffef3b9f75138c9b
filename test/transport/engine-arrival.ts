/** What every UDP engine must do with what arrives, run over each of them: sizes, times, batches, faults, a great many sockets. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { monotonicNow } from '../../transport/clock.ts';
import { chooseInterface } from '../../transport/interfaces.ts';
import type { ArrivalQueue, UdpEngine } from '../../transport/udp.ts';
import { loopback, pause, port, texts, until, type Listener, pushOne } from './engine-fixture.ts';

/** Joins two groups on one port, bound to any address, and says when. Arguments: port, group, group. */
const ELSEWHERE = `
  const [port, ...groups] = process.argv.slice(1);
  const socket = require('node:dgram').createSocket({ type: 'udp4', reuseAddr: true });
  socket.bind(Number(port), () => {
    for (const group of groups) socket.addMembership(group, '127.0.0.1');
    console.log('joined');
  });`;

/** Tests how datagrams arrive. `stampsByKernel`: with the time at which they came, whatever this process did then. */
export function testArrivals(engine: UdpEngine, { stampsByKernel }: { stampsByKernel: boolean }): void {
  const { listen, depart, exchange } = loopback(engine);

  /** Sends at once from a socket of Node's own: on a connected socket a send is a system call. */
  async function sendingTo(on: number): Promise<(datagram: Buffer | string) => void> {
    const socket = createSocket('udp4');
    socket.connect(on, '127.0.0.1');
    await once(socket, 'connect');
    return (datagram) => socket.send(datagram);
  }

  describe('what arrives', () => {
    it('is whole and unchanged, whatever its length', async () => {
      const { heard, queue } = await listen('127.0.0.1', port());
      const out = await depart([queue.local]);
      const lengths = [65_507, 0, 1, 2047, 2048, 2049, 4096, 0, 1316, 65_507, 1472, 9000];
      const sent = lengths.map((length) => randomBytes(length));
      const start = monotonicNow();
      sent.forEach((datagram, index) => pushOne(out, Buffer.from(datagram), start + index));
      await until(() => heard.length >= sent.length);
      expect(heard.map(({ data }) => data.length)).toEqual(lengths);
      expect(heard.every(({ data }, index) => sent[index]?.equals(data))).toBe(true);
      const bytes = lengths.reduce((all, length) => all + length, 0);
      expect(queue.stats).toMatchObject({ received: lengths.length, receivedBytes: bytes, overruns: 0 });
    });

    it('comes apart as it was sent, also what travelled as one run', async () => {
      const { heard, queue } = await listen('127.0.0.1', port());
      const out = await depart([queue.local]);
      const lengths = [...Array(80).fill(1328), 400, ...Array(60).fill(20), 3000, ...Array(50).fill(1300), 1];
      const sent = lengths.map((length) => randomBytes(length));
      const start = monotonicNow() + 20;
      sent.forEach((datagram, index) => pushOne(out, Buffer.from(datagram), start + index / 20));
      await until(() => heard.length >= sent.length);
      expect(heard.map(({ data }) => data.length)).toEqual(lengths);
      expect(heard.every(({ data }, index) => sent[index]?.equals(data))).toBe(true);
    });

    it('bears times that rise and lie behind us, also when this process was busy', async () => {
      const { heard, queue } = await listen('127.0.0.1', port());
      const send = await sendingTo(queue.local.port);
      const sentAt: number[] = [];
      const begin = monotonicNow();
      while (sentAt.length < 10) {
        if (monotonicNow() < begin + sentAt.length * 50) continue; // busy all the time
        sentAt.push(monotonicNow());
        send('x');
      }
      await until(() => heard.length === 10);
      const times = heard.map(({ at }) => at);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(times.every((at) => at < monotonicNow())).toBe(true);
      const late = times.map((at, index) => at - (sentAt[index] ?? 0));
      expect(Math.min(...late)).toBeGreaterThan(-0.1);
      if (stampsByKernel) expect(Math.max(...late)).toBeLessThan(20);
    });

    it('is followed by word of each batch, of 64 at most', async () => {
      let since = 0;
      let most = 0;
      const { heard, queue } = await listen('127.0.0.1', port(), {
        afterBatch: () => {
          most = Math.max(most, heard.length - since);
          since = heard.length;
        },
      });
      const send = await sendingTo(queue.local.port);
      for (let index = 0; index < 200; index++) send('x');
      await until(() => heard.length === 200);
      await pause(10);
      expect(since).toBe(200);
      expect(most).toBeGreaterThan(0);
      expect(most).toBeLessThanOrEqual(64);
    });

    it('is handed over although a sink failed before, and the failure is told', async () => {
      const via = await chooseInterface('127.0.0.1', 'lo');
      const heard: string[] = [];
      const address = { address: '127.0.0.1', port: port() };
      const queue = await engine.openArrival({ address, via }, (data) => {
        heard.push(data.toString());
        if (heard.length === 2) throw new Error('a sink with a bug');
      });
      const told: unknown[] = [];
      const listeners = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.on('uncaughtException', (error) => told.push(error));
      try {
        const send = await sendingTo(queue.local.port);
        for (const each of ['a', 'b', 'c', 'd']) send(each);
        await until(() => heard.length === 4 && told.length === 1);
      } finally {
        process.removeAllListeners('uncaughtException');
        for (const each of listeners) process.on('uncaughtException', each);
        await queue.close();
      }
      expect(heard).toEqual(['a', 'b', 'c', 'd']);
      expect(String(told[0])).toContain('a sink with a bug');
    });

    it('ends when a sink closes the queue it is fed from', async () => {
      const via = await chooseInterface('127.0.0.1', 'lo');
      const heard: string[] = [];
      let closed: Promise<void> | undefined;
      const address = { address: '127.0.0.1', port: port() };
      const queue: ArrivalQueue = await engine.openArrival({ address, via }, (data) => {
        heard.push(data.toString());
        if (heard.length === 2) closed = queue.close();
      });
      const send = await sendingTo(queue.local.port);
      for (const each of ['a', 'b', 'c', 'd']) send(each);
      await until(() => closed !== undefined);
      await closed;
      await pause(20);
      expect(heard).toEqual(['a', 'b']);
    });

    it('tells senders apart that take turns', async () => {
      const { heard, queue } = await listen('127.0.0.1', port());
      const asking = [await exchange(), await exchange(), await exchange()];
      for (let index = 0; index < 30; index++) {
        asking[index % 3]?.socket.send(Buffer.from(String(index % 3)), queue.local);
      }
      await until(() => heard.length === 30);
      for (const { data, source } of heard) {
        expect(source).toMatchObject(asking[Number(data.toString())]?.socket.local ?? {});
      }
    });

    it('is of one group only, whoever else on this machine has joined others on the port', async () => {
      const on = port();
      const [ours, theirs] = ['239.255.72.1', '239.255.72.2'];
      const elsewhere = spawn(process.execPath, ['-e', ELSEWHERE, String(on), ours, theirs], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      try {
        await once(createInterface(elsewhere.stdout), 'line');
        const group = await listen(ours, on);
        const both = [
          await depart([{ address: ours, port: on }]),
          await depart([{ address: theirs, port: on }]),
        ];
        both.forEach((out, index) => {
          for (let n = 0; n < 20; n++) pushOne(out, Buffer.from(index === 0 ? 'ours' : 'theirs'), 0);
        });
        for (const out of both) await out.drained();
        await until(() => group.heard.length >= 20);
        await pause(30);
        expect(texts(group)).toEqual(Array(20).fill('ours'));
      } finally {
        elsewhere.kill();
        await once(elsewhere, 'exit');
      }
    });
  });

  describe('thousands of sockets', () => {
    it('leave nothing behind', async () => {
      const via = await chooseInterface('127.0.0.1', 'lo');
      const group = { address: '239.255.73.1', port: port() };
      const cycle = async (times: number): Promise<void> => {
        for (let index = 0; index < times; index++) {
          const queue = await engine.openArrival({ address: group, via }, () => undefined);
          const socket = await engine.openExchange({ via, ttl: 1 }, () => undefined);
          socket.send(Buffer.from('x'), group);
          await Promise.all([queue.close(), socket.close()]);
        }
      };
      await cycle(100);
      const before = { descriptors: descriptors(), resident: process.memoryUsage.rss() };
      await cycle(500);
      await until(() => descriptors() <= before.descriptors);
      // Node's own garbage is not all collected by then.
      expect(process.memoryUsage.rss() - before.resident).toBeLessThan(40e6);
    });

    it('are open at the same time', async () => {
      const on = port();
      const all: Listener[] = [];
      for (let index = 0; index < 120; index++) all.push(await listen(`239.255.74.${index + 1}`, on));
      for (let index = 0; index < 120; index++) {
        const out = await depart([{ address: `239.255.74.${index + 1}`, port: on }]);
        pushOne(out, Buffer.from(String(index)), 0);
        await out.drained();
        await out.close();
      }
      await until(() => all.every(({ heard }) => heard.length === 1));
      expect(all.map(texts)).toEqual(all.map((_, index) => [String(index)]));
    });
  });
}

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}
