/** What every UDP engine must do, run over each of them: groups, addresses, broadcast. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { monotonicNow } from '../../transport/clock.ts';
import { chooseInterface } from '../../transport/interfaces.ts';
import type { ChosenInterface, UdpEngine } from '../../transport/udp.ts';
import { loopback, pause, port, texts, until, type Listener, pushOne } from './engine-fixture.ts';

/** Tests where datagrams go to and where they come from. */
export function testReach(engine: UdpEngine): void {
  const { listen, depart } = loopback(engine);

  describe('multicast', () => {
    it('brings every datagram, in order and unchanged, to all who joined', async () => {
      const address = '239.255.70.1';
      const on = port();
      const first = await listen(address, on);
      const second = await listen(address, on);
      const out = await depart([{ address, port: on }]);
      const sent = Array.from({ length: 500 }, () => randomBytes(1316));
      const start = monotonicNow();
      sent.forEach((datagram, index) => pushOne(out, Buffer.from(datagram), start + index / 4));
      await out.drained();
      await until(() => first.heard.length >= 500 && second.heard.length >= 500);
      for (const { heard, queue } of [first, second]) {
        expect(Buffer.concat(heard.map(({ data }) => data)).equals(Buffer.concat(sent))).toBe(true);
        expect(queue.stats).toMatchObject({ received: 500, receivedBytes: 500 * 1316, rejoined: 0 });
      }
      expect(out.stats).toMatchObject({ sent: 500, sentBytes: 500 * 1316, failed: 0 });
    });

    it('tells when and from where each came', async () => {
      const address = '239.255.70.2';
      const on = port();
      const { heard } = await listen(address, on);
      const before = monotonicNow();
      const out = await depart([{ address, port: on }]);
      for (let index = 0; index < 20; index++) pushOne(out, Buffer.from([index]), before + index);
      await until(() => heard.length === 20);
      const times = heard.map(({ at }) => at);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(times[0]).toBeGreaterThan(before);
      expect(times[19]).toBeLessThan(monotonicNow());
      expect(new Set(heard.map(({ source }) => source.address))).toEqual(new Set(['127.0.0.1']));
      expect(heard[0]?.source.port).toBeGreaterThan(0);
    });

    it('never mixes two groups on one port', async () => {
      const on = port();
      const a = await listen('239.255.70.3', on);
      const b = await listen('239.255.70.4', on);
      const toA = await depart([{ address: '239.255.70.3', port: on }]);
      const toB = await depart([{ address: '239.255.70.4', port: on }]);
      for (let index = 0; index < 50; index++) {
        pushOne(toA, Buffer.from('a'), monotonicNow());
        pushOne(toB, Buffer.from('b'), monotonicNow());
      }
      await until(() => a.heard.length >= 50 && b.heard.length >= 50);
      await pause(50);
      expect(texts(a)).toEqual(Array(50).fill('a'));
      expect(texts(b)).toEqual(Array(50).fill('b'));
    });

    it('joins more groups than Linux allows a socket', async () => {
      const on = port();
      const groups = Array.from({ length: 25 }, (_, index) => `239.255.71.${index + 1}`);
      const all: Listener[] = [];
      for (const group of groups) all.push(await listen(group, on));
      for (const group of groups)
        pushOne(await depart([{ address: group, port: on }]), Buffer.from(group), 0);
      await until(() => all.every(({ heard }) => heard.length > 0));
      expect(all.map(texts)).toEqual(groups.map((group) => [group]));
    });

    it('takes only the sources asked for', async () => {
      const address = '232.255.70.5';
      const on = port();
      const lo = await chooseInterface(address, 'lo');
      const from = (own: string): ChosenInterface => ({ ...lo, address: own });
      const picky = await listen(address, on, { sources: ['127.0.0.2', '127.0.0.3'] });
      const any = await listen(address, on);
      for (const own of ['127.0.0.1', '127.0.0.2', '127.0.0.3']) {
        const out = await depart([{ address, port: on }], { via: from(own) });
        pushOne(out, Buffer.from(own), 0);
        await out.drained();
      }
      await until(() => any.heard.length === 3);
      await pause(50);
      expect(texts(picky)).toEqual(['127.0.0.2', '127.0.0.3']);
      expect(picky.queue.stats.received).toBe(2);
    });

    it('takes an empty datagram for what it is', async () => {
      const on = port();
      const { heard } = await listen('239.255.70.6', on);
      pushOne(await depart([{ address: '239.255.70.6', port: on }]), Buffer.alloc(0), 0);
      await until(() => heard.length === 1);
      expect(heard[0]?.data.length).toBe(0);
    });
  });

  describe('unicast and broadcast', () => {
    it('sends to several receivers', async () => {
      const all = [await listen('127.0.0.1', port()), await listen('127.0.0.1', port())];
      const out = await depart(all.map(({ queue }) => queue.local));
      for (let index = 0; index < 30; index++) pushOne(out, Buffer.from([index]), monotonicNow());
      await until(() => all.every(({ heard }) => heard.length >= 30));
      expect(all.map(({ heard }) => heard.map(({ data }) => data[0]))).toEqual(
        all.map(() => [...Array(30).keys()]),
      );
      expect(out.stats).toMatchObject({ sent: 60, sentBytes: 60, failed: 0 });
    });

    it('goes on when one of the receivers is not there', async () => {
      const there = await listen('127.0.0.1', port());
      const out = await depart([{ address: '127.0.0.1', port: port() }, there.queue.local]);
      const start = monotonicNow();
      for (let index = 0; index < 60; index++) pushOne(out, Buffer.from([index]), start + 2 * index);
      await out.drained();
      await until(() => there.heard.length >= 60);
      expect(there.heard.map(({ data }) => data[0])).toEqual([...Array(60).keys()]);
      expect(out.stats.failed).toBeGreaterThan(0);
    });

    it('starts to send to a receiver as soon as it is there', async () => {
      const on = port();
      const out = await depart([{ address: '127.0.0.1', port: on }]);
      const start = monotonicNow();
      for (let index = 0; index < 100; index++) pushOne(out, Buffer.from([index]), start + 3 * index);
      await pause(100);
      const { heard } = await listen('127.0.0.1', on);
      await out.drained();
      await until(() => heard.at(-1)?.data[0] === 99);
      const numbers = heard.map(({ data }) => data[0] ?? -1);
      expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index));
    });

    it('listens on any address', async () => {
      const { heard, queue } = await listen('0.0.0.0', port());
      pushOne(await depart([{ address: '127.0.0.1', port: queue.local.port }]), Buffer.from('x'), 0);
      await until(() => heard.length === 1);
    });

    it('sends and hears IPv6', async () => {
      const { heard, queue } = await listen('::1', port());
      pushOne(await depart([queue.local]), Buffer.from('six'), 0);
      await until(() => heard.length === 1);
      expect(heard[0]?.source.address).toBe('::1');
      expect(queue.local.address).toBe('::1');
    });

    it('broadcasts to all who listen, when allowed', async () => {
      const address = '127.255.255.255';
      const on = port();
      const all = [await listen(address, on), await listen(address, on)];
      const out = await depart([{ address, port: on }], { broadcast: true });
      pushOne(out, Buffer.from('to all'), 0);
      await until(() => all.every(({ heard }) => heard.length > 0));
      expect(all.map(texts)).toEqual([['to all'], ['to all']]);
    });
  });
}
