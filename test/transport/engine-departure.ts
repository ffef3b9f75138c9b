/** What every UDP engine must do with what departs, run over each of them: sizes, runs, several queues, closing. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { monotonicNow } from '../../transport/clock.ts';
import { DepartureChunk } from '../../wire/departure-chunk.ts';
import type { DepartureQueue, UdpEngine } from '../../transport/udp.ts';
import { loopback, pause, port, until, type Listener, pushOne, pushRun } from './engine-fixture.ts';

const PAYLOAD = 1328;

/** Tests how datagrams depart. */
export function testDepartures(engine: UdpEngine): void {
  const { listen, depart } = loopback(engine);

  describe('what departs', () => {
    const runs: [name: string, lengths: number[]][] = [
      ['equal ones, more than one system call takes', Array(200).fill(PAYLOAD)],
      ['a last one that is shorter', [...Array(7).fill(PAYLOAD), 200]],
      ['a shorter one between others', [PAYLOAD, PAYLOAD, 700, PAYLOAD, PAYLOAD, 1, PAYLOAD]],
      ['ever longer ones', [1, 2, 3, 100, 500, 1000, 1400, 1472]],
      ['ever shorter ones', [1472, 1400, 1000, 500, 100, 3, 2, 1]],
      ['empty ones between others', [0, PAYLOAD, PAYLOAD, 0, PAYLOAD, 0, 0, PAYLOAD, PAYLOAD]],
      ['nothing but empty ones', Array(70).fill(0)],
      ['tiny ones', Array(300).fill(1)],
      ['large ones', [9000, 9000, 9000, 9000, 9000, 9000, 9000, 9000, 8999]],
      ['the largest there are', [65_507, 65_507, 1, 65_507]],
      ['two that are as long as the longest together', [32_754, 32_753, 32_753, 32_754]],
    ];
    for (const [name, lengths] of runs) {
      it(`leaves unchanged and in order: ${name}`, async () => {
        const { heard, queue } = await listen('127.0.0.1', port());
        const out = await depart([queue.local]);
        const sent = lengths.map((length) => randomBytes(length));
        const start = monotonicNow() + 10;
        pushRun(out, sent, (index) => start + index / 10);
        await until(() => heard.length >= sent.length);
        expect(heard.map(({ data }) => data.length)).toEqual(lengths);
        expect(heard.every(({ data }, index) => sent[index]?.equals(data))).toBe(true);
        const sentBytes = lengths.reduce((all, length) => all + length, 0);
        expect(out.stats).toMatchObject({ sent: lengths.length, sentBytes, failed: 0 });
      });
    }

    it('is counted for each destination, also where one of them refuses', async () => {
      const { heard, queue } = await listen('127.0.0.1', port());
      const out = await depart([queue.local, { address: '127.0.0.1', port: port() }]);
      const start = monotonicNow();
      for (let index = 0; index < 100; index++)
        pushOne(out, Buffer.alloc(PAYLOAD, index), start + Math.floor(index / 5) * 8);
      await out.drained();
      await until(() => heard.length === 100);
      const { sent, sentBytes, failed } = out.stats;
      expect(failed).toBeGreaterThan(0);
      expect(sent).toBeLessThan(200);
      expect(sent + failed).toBeGreaterThanOrEqual(200); // the JavaScript engine counts the peer's answer as well
      expect(sentBytes).toBe(sent * PAYLOAD);
    });

    it('leaves by several queues at once, each in its own order', async () => {
      const group = (channel: number): string => `239.255.72.${channel + 1}`;
      const channels = Array.from({ length: 20 }, (_, channel) => channel);
      const on = port();
      const listeners: Listener[] = [];
      const queues: DepartureQueue[] = [];
      for (const channel of channels) {
        listeners.push(await listen(group(channel), on));
        const quantumMs = channel % 3 === 0 ? 0 : channel % 3;
        queues.push(await depart([{ address: group(channel), port: on }], { quantumMs }));
      }
      const start = monotonicNow() + 20;
      for (let index = 0; index < 60; index++) {
        queues.forEach((queue, channel) => pushOne(queue, Buffer.from([channel, index]), start + index));
      }
      await until(() => listeners.every(({ heard }) => heard.length >= 60));
      listeners.forEach(({ heard }, channel) => {
        expect(heard.map(({ data }) => [...data])).toEqual(
          Array.from({ length: 60 }, (_, index) => [channel, index]),
        );
      });
    });

    it('leaves as it was pushed, though its slots are used again once they are released', async () => {
      const { heard, queue } = await listen('127.0.0.1', port());
      const out = await depart([queue.local]);
      const chunk = new DepartureChunk(2, 100);
      chunk.lengths.fill(100);
      for (let index = 0; index < 20; index++) {
        const slot = index % 2;
        await until(() => out.released >= index - 1);
        chunk.bytes.fill(index, 100 * slot, 100 * slot + 100);
        chunk.dueAt[slot] = monotonicNow();
        out.push(chunk, slot, slot + 1);
      }
      await until(() => heard.length === 20);
      expect(heard.map(({ data }) => [data[0], data[99]])).toEqual(
        [...Array(20).keys()].map((each) => [each, each]),
      );
    });

    it('leaves unchanged when nobody but the queue knows of its memory any more', async () => {
      const { heard, queue } = await listen('127.0.0.1', port());
      const out = await depart([queue.local]);
      const start = monotonicNow() + 100;
      for (let index = 0; index < 500; index++)
        pushOne(out, Buffer.alloc(PAYLOAD, index), start + index / 10);
      const others = Array.from({ length: 2000 }, () => new DepartureChunk(48, PAYLOAD)); // has the garbage collected
      expect(others.every(({ bytes }) => bytes[0] === 0)).toBe(true);
      await until(() => heard.length === 500);
      expect(heard.every(({ data }, index) => data.equals(Buffer.alloc(PAYLOAD, index)))).toBe(true);
    });

    it('is never blasted after a stall of whoever pushes', async () => {
      const { heard, queue } = await listen('127.0.0.1', port());
      const out = await depart([queue.local], { quantumMs: 2 });
      const start = monotonicNow() - 300;
      for (let index = 0; index < 300; index++) pushOne(out, Buffer.from([index]), start + index);
      await until(() => heard.length === 300);
      const took = (heard.at(-1)?.at ?? 0) - (heard[0]?.at ?? 0);
      expect(took).toBeGreaterThan(50); // 2 ms worth, and two more, not before 0.8 ms have passed
      expect(heard.map(({ data }) => data[0])).toEqual(
        Array.from({ length: 300 }, (_, index) => index % 256),
      );
    });

    it('holds its source up when there is too much of it, and no longer once it has left', async () => {
      const out = await depart([{ address: '239.255.70.30', port: port() }], { quantumMs: 10 });
      expect(out.room()).toBeUndefined();
      const chunk = new DepartureChunk(1000, PAYLOAD);
      chunk.lengths.fill(PAYLOAD);
      chunk.dueAt.fill(monotonicNow() + 1000);
      let pushed = 0;
      for (; out.room() === undefined && pushed < 100_000; pushed += 1000) out.push(chunk, 0, 1000);
      expect(pushed).toBeGreaterThan(10_000);
      expect(pushed).toBeLessThan(100_000);
      expect(out.queued).toBe(pushed);
      await out.room();
      expect(out.queued).toBeLessThan(pushed);
    });

    it('is dropped by closing at any moment', async () => {
      const { queue } = await listen('127.0.0.1', port());
      for (let round = 0; round < 30; round++) {
        const out = await depart([queue.local], { quantumMs: round % 2 });
        const start = monotonicNow();
        for (let index = 0; index < 200; index++) pushOne(out, BLANK, start + index / 20);
        const room = out.room();
        if (round % 3 > 0) await pause(round % 10);
        const drained = out.drained();
        await out.close();
        await Promise.all([drained, room]);
        expect(out.queued).toBe(0);
        expect(out.room()).toBeUndefined();
        const { sent } = out.stats;
        await pause(3);
        expect(out.stats.sent).toBe(sent);
      }
    });
  });
}

const BLANK = Buffer.alloc(PAYLOAD);
