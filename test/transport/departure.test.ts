/** Departures on both engines, and what only the native one can do. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { monotonicNow } from '../../transport/clock.ts';
import { DepartureChunk } from '../../wire/departure-chunk.ts';
import { buildCapture, startCapture } from '../bench/capture.ts';
import { testDepartures } from './engine-departure.ts';
import { loopback, port, until, pushOne } from './engine-fixture.ts';
import { addon, ENGINES, native } from './engines.ts';

for (const engine of ENGINES)
  describe(`departures of the ${engine.kind} engine`, () => testDepartures(engine));

describe('departures of the native engine alone', () => {
  const { listen, depart } = loopback(native);
  let folder = '';
  let capture = '';

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'lancast-departure-'));
    capture = await buildCapture('.', folder);
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('goes on while JavaScript is busy', async () => {
    const { heard, queue } = await listen('127.0.0.1', port());
    const out = await depart([queue.local]);
    const start = monotonicNow() + 20;
    for (let index = 0; index < 100; index++) pushOne(out, Buffer.from([index]), start + 4 * index);
    await Promise.resolve(); // what was pushed is handed over at the end of the turn
    while (monotonicNow() < start + 500);
    expect(out.stats).toMatchObject({ sent: 100 });
    await until(() => heard.length === 100);
    heard.forEach(({ at }, index) => {
      expect(at - (start + 4 * index)).toBeGreaterThan(-3);
      expect(at - (start + 4 * index)).toBeLessThan(100); // of 500: other processes may be busy too
    });
  });

  it('keeps each datagram to its time without a quantum, and to half a quantum with one', async () => {
    const { heard, queue } = await listen('127.0.0.1', port());
    for (const quantumMs of [0, 0.5, 1, 10]) {
      heard.length = 0;
      const out = await depart([queue.local], { quantumMs });
      const start = monotonicNow() + 20;
      for (let index = 0; index < 60; index++) pushOne(out, Buffer.from([index]), start + 1.7 * index);
      await until(() => heard.length === 60);
      const early = heard.map(({ at }, index) => start + 1.7 * index - at);
      expect(Math.max(...early)).toBeLessThan(quantumMs / 2 + 0.2); // two clocks
      await out.close();
    }
  });

  it('marks each datagram with the DSCP that was asked for', async () => {
    for (const dscp of [undefined, 0, 34, 63]) {
      const to = { group: '239.255.70.31', port: port() };
      const { captured } = await startCapture(capture, { ...to, seconds: 10, idleMs: 100 });
      const out = await depart([{ address: to.group, port: to.port }], dscp === undefined ? {} : { dscp });
      pushOne(out, Buffer.from('x'), 0);
      expect(await captured).toMatchObject({ datagrams: 1, tos: (dscp ?? 0) * 4 });
    }
  });

  it('keeps the pace itself, and says so, where the card keeps no times', async () => {
    const { heard, queue } = await listen('127.0.0.1', port());
    const out = await depart([queue.local], { kernelPacing: true });
    expect(out.notes).toEqual([
      expect.stringMatching(/^no kernel pacing: .+; lancast keeps the pace itself$/),
    ]);
    const start = monotonicNow() + 20;
    for (let index = 0; index < 30; index++) pushOne(out, Buffer.from([index]), start + 2 * index);
    await until(() => heard.length === 30);
    expect((heard.at(-1)?.at ?? 0) - (heard[0]?.at ?? 0)).toBeGreaterThan(40);
    expect((await depart([queue.local])).notes).toEqual([]);
  });

  it('gives datagrams with their times to a kernel that keeps them, a little ahead', async () => {
    expect(addon.cardQueue('lo')).toBe('noqueue');
    expect(addon.cardQueue('gone0')).toBe('');
    const { heard, queue } = await listen('127.0.0.1', port());
    const { address, port: on } = queue.local;
    const socket = addon.openSocket({ family: 4, connectAddress: address, connectPort: on });
    addon.allowTransmitTimes(socket, 'fq');
    const handle = addon.openDepartures([socket], 4, 'fq');
    const start = monotonicNow() + 30;
    const chunk = new DepartureChunk(50, 4);
    for (let index = 0; index < 50; index++) chunk.dueAt[index] = start + index;
    for (let index = 0; index < 50; index++) chunk.bytes[4 * index] = index;
    chunk.lengths.fill(1);
    addon.pushDepartures(handle, chunk.memory, 50, 0, 50);
    await until(() => heard.length === 50);
    addon.closeDepartures(handle);
    expect(heard.map(({ data }) => data[0])).toEqual([...Array(50).keys()]);
    // The queue of loopback keeps nothing: they come when they are given to it.
    const ahead = heard.map(({ at }, index) => start + index - at);
    expect(Math.max(...ahead)).toBeLessThan(4 + 2 + 0.2);
    expect([...ahead].sort((a, b) => a - b)[25]).toBeGreaterThan(1);
  });

  it('opens and closes thousands of queues without keeping descriptors, threads or memory', async () => {
    const open = async (rounds: number): Promise<void> => {
      for (let round = 0; round < rounds; round++) {
        const all = await Promise.all(
          Array.from({ length: 10 }, () => depart([{ address: '239.255.70.32', port: 46_990 }])),
        );
        for (const out of all) {
          for (let each = 0; each < 20; each++) pushOne(out, BLANK, each < 10 ? 0 : monotonicNow() + 1e6);
          if (round % 2 > 0) void out.stats; // hands them over
        }
        for (const out of all) await out.close();
      }
    };
    await open(50);
    const before = census();
    await open(200);
    const behind = census();
    expect(behind.descriptors).toBe(before.descriptors);
    expect(behind.threads).toBe(before.threads);
    expect(behind.rssMb - before.rssMb).toBeLessThan(60); // 2000 queues of 64 KiB at least would be 130
  });
});

const BLANK = Buffer.alloc(1328);

function census(): { descriptors: number; threads: number; rssMb: number } {
  const count = (folder: string): number => readdirSync(`/proc/self/${folder}`).length;
  return { descriptors: count('fd'), threads: count('task'), rssMb: process.memoryUsage.rss() / 1e6 };
}
