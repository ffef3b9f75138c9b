/** What every UDP engine must do, run over each of them: queues, buffers, feedback, mistakes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { monotonicNow } from '../../transport/clock.ts';
import type { ArrivalOptions, ChosenInterface, DepartureOptions, UdpEngine } from '../../transport/udp.ts';
import { buildCapture, startCapture } from '../bench/capture.ts';
import { loopback, pause, port, texts, until, pushOne } from './engine-fixture.ts';

/** Tests how queues and sockets behave. */
export function testBehaviour(engine: UdpEngine): void {
  const { listen, depart, exchange } = loopback(engine);

  describe('departures', () => {
    it('leave in order and at most half a quantum before their time', async () => {
      const address = '239.255.70.7';
      const on = port();
      for (const quantumMs of [0, 5]) {
        const { heard, queue } = await listen(address, on);
        const out = await depart([{ address, port: on }], { quantumMs });
        const start = monotonicNow() + 20;
        const dueTimes = Array.from({ length: 200 }, (_, index) => start + index * 1.3);
        dueTimes.forEach((dueAt, index) => pushOne(out, Buffer.from([index]), dueAt));
        await until(() => heard.length >= 200);
        heard.forEach(({ data, at }, index) => {
          expect(data[0]).toBe(index);
          expect(at - (dueTimes[index] ?? 0)).toBeGreaterThan(-Math.max(1, quantumMs) / 2);
        });
        expect(out.stats.latestMs).toBeLessThan(5000);
        await queue.close();
      }
    });

    it('carry the TTL that was asked for', async () => {
      const folder = mkdtempSync(path.join(tmpdir(), 'lancast-ttl-'));
      try {
        const program = await buildCapture('.', folder);
        for (const ttl of [1, 7, 255]) {
          const to = { group: '239.255.70.19', port: port() };
          const { captured } = await startCapture(program, { ...to, seconds: 10, idleMs: 100 });
          const out = await depart([{ address: to.group, port: to.port }], { ttl });
          pushOne(out, Buffer.from('x'), 0);
          expect(await captured).toMatchObject({ datagrams: 1, ttl });
        }
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    it('tell how much is queued, and when it has left', async () => {
      const on = port();
      const out = await depart([{ address: '239.255.70.8', port: on }]);
      await out.drained();
      const start = monotonicNow() + 1000;
      for (let index = 0; index < 40; index++) pushOne(out, Buffer.from([index]), start + index);
      expect(out.queued).toBe(40);
      const half = out.drained();
      for (let index = 40; index < 80; index++) pushOne(out, Buffer.from([index]), start + 60_000 + index);
      await half;
      expect(out.stats.sent).toBe(40);
      expect(out.queued).toBe(40);
    });

    it('drop what is queued when closed, and answer those who wait', async () => {
      const on = port();
      const { heard } = await listen('239.255.70.9', on);
      const out = await depart([{ address: '239.255.70.9', port: on }]);
      pushOne(out, Buffer.from('never'), monotonicNow() + 60_000);
      const drained = out.drained();
      await Promise.all([out.close(), out.close(), drained]);
      expect(out.queued).toBe(0);
      pushOne(out, Buffer.from('never either'), 0);
      await out.drained();
      await pause(50);
      expect(heard).toEqual([]);
    });

    it('tell when the socket cannot send at all', async () => {
      const out = await depart([{ address: '239.255.70.10', port: port() }]);
      for (let index = 0; index < 20; index++) pushOne(out, Buffer.alloc(70_000), 0);
      await expect(out.drained()).rejects.toMatchObject({ code: 'E113' });
      expect(await out.failure).toMatchObject({ code: 'E113', details: { destination: '239.255.70.10' } });
      expect(out.stats).toMatchObject({ sent: 0, failed: 20 });
    });

    it('take a refusal now and then for what it is', async () => {
      const on = port();
      const { heard } = await listen('239.255.70.11', on);
      const out = await depart([{ address: '239.255.70.11', port: on }]);
      for (let index = 0; index < 40; index++)
        pushOne(out, index % 2 ? Buffer.alloc(70_000) : Buffer.from('fits'), 0);
      await out.drained();
      await until(() => heard.length === 20);
      expect(out.stats).toMatchObject({ sent: 20, failed: 20 });
    });
  });

  describe('arrivals', () => {
    it('read the receive buffer back', async () => {
      const granted = async (bytes: number): Promise<number> =>
        (await listen('239.255.70.12', port(), { receiveBufferBytes: bytes })).queue.stats.receiveBufferBytes;
      expect(await granted(65_536)).toBe(65_536);
      const most = await granted(2 ** 30);
      expect(most).toBeGreaterThanOrEqual(65_536);
      expect(most).toBeLessThan(2 ** 30); // no system grants a gigabyte to everybody
    });

    it('tell what the kernel dropped', async () => {
      const on = port();
      const { queue } = await listen('239.255.70.13', on);
      expect(queue.stats.kernelDrops).toBe(0);
    });

    it('tell where they listen, and bring nothing once closed', async () => {
      const on = port();
      const { queue, heard } = await listen('239.255.70.14', on);
      expect(queue.local).toEqual({ address: '239.255.70.14', port: on });
      const out = await depart([{ address: '239.255.70.14', port: on }]);
      await Promise.all([queue.close(), queue.close()]);
      pushOne(out, Buffer.from('too late'), 0);
      await out.drained();
      await pause(50);
      expect(heard).toEqual([]);
    });
  });

  describe('exchange', () => {
    it('sends to a group and hears the answer', async () => {
      const on = port();
      const group = await listen('239.255.70.15', on);
      const asking = await exchange();
      const answering = await exchange();
      asking.socket.send(Buffer.from('who?'), { address: '239.255.70.15', port: on });
      await until(() => group.heard.length === 1);
      expect(group.heard[0]?.source).toMatchObject(asking.socket.local);
      answering.socket.send(Buffer.from('me'), group.heard[0]?.source ?? { address: '', port: 1 });
      await until(() => asking.heard.length === 1);
      expect(texts(asking)).toEqual(['me']);
      expect(asking.heard[0]?.source).toMatchObject(answering.socket.local);
      expect(asking.socket.local.address).toBe('127.0.0.1');
    });

    it('counts what could not be sent', async () => {
      const { socket } = await exchange();
      socket.send(Buffer.alloc(70_000), { address: '127.0.0.1', port: port() });
      socket.send(Buffer.from('x'), { address: '127.0.0.1', port: port() }); // nobody there: not known to this socket
      await until(() => socket.failed === 1);
    });

    it('does nothing once closed', async () => {
      const { socket } = await exchange();
      await Promise.all([socket.close(), socket.close()]);
      socket.send(Buffer.from('x'), { address: '127.0.0.1', port: port() });
      expect(socket.failed).toBe(0);
    });
  });

  describe('mistakes', () => {
    const lo: ChosenInterface = { name: 'lo', address: '127.0.0.1', family: 4, reason: '' };
    const gone: ChosenInterface = { name: 'gone0', address: '192.0.2.99', family: 4, reason: '' };
    const group = { address: '239.255.70.20', port: 46_998 };

    const departures: [name: string, options: DepartureOptions, code: string][] = [
      ['TTL 0', { destinations: [group], via: lo, ttl: 0 }, 'E106'],
      [
        'a group of the routers',
        { destinations: [{ address: '224.0.0.251', port: 5004 }], via: lo, ttl: 1 },
        'E105',
      ],
      [
        'broadcast that was not allowed',
        { destinations: [{ address: '255.255.255.255', port: 5004 }], via: lo, ttl: 1 },
        'E115',
      ],
      [
        'a subnet broadcast that was not allowed',
        { destinations: [{ address: '127.255.255.255', port: 5004 }], via: lo, ttl: 1 },
        'E115',
      ],
      ['a card that this machine does not have', { destinations: [group], via: gone, ttl: 1 }, 'E102'],
    ];
    for (const [name, options, code] of departures) {
      it(`refuses to send: ${name}`, async () => {
        await expect(engine.openDeparture(options)).rejects.toMatchObject({ code });
      });
    }

    const arrivals: [name: string, options: ArrivalOptions, code: string][] = [
      ['a group of the routers', { address: { address: '224.0.0.1', port: 5004 }, via: lo }, 'E105'],
      ['a card that this machine does not have', { address: group, via: gone }, 'E102'],
      ['an address that is not ours', { address: { address: '192.0.2.77', port: 46_996 }, via: lo }, 'E104'],
    ];
    for (const [name, options, code] of arrivals) {
      it(`refuses to listen: ${name}`, async () => {
        await expect(engine.openArrival(options, () => undefined)).rejects.toMatchObject({ code });
      });
    }

    it('names who holds a port that is taken', async () => {
      const on = port();
      await listen('127.0.0.1', on);
      const again = listen('127.0.0.1', on);
      const details = { port: on, pid: process.pid, owner: expect.any(String) };
      await expect(again).rejects.toMatchObject({ code: 'E111', details });
      await expect(exchange({ port: on })).rejects.toMatchObject({ code: 'E111', details });
    });

    it('refuses an exchange with TTL 0 or on a card that is not there', async () => {
      await expect(engine.openExchange({ via: lo, ttl: 0 }, () => undefined)).rejects.toMatchObject({
        code: 'E106',
      });
      await expect(engine.openExchange({ via: gone, ttl: 1 }, () => undefined)).rejects.toMatchObject({
        code: 'E102',
      });
    });
  });
}
