/** The native engine receives all the same where the kernel knows less: `old-kernel.c` stands between the two. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { testArrivals } from './engine-arrival.ts';
import { loopback, port, until } from './engine-fixture.ts';
import { native } from './engines.ts';

const REFUSED = process.env['LANCAST_TEST_REFUSED'];

if (REFUSED === undefined) {
  it('receives without recvmmsg, UDP_GRO, SO_TIMESTAMPNS and SO_MEMINFO', { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'lancast-old-kernel-'));
    try {
      const library = path.join(folder, 'old-kernel.so');
      execFileSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, 'test/transport/old-kernel.c', '-ldl']);
      const refused = path.join(folder, 'refused');
      mkdirSync(refused);
      const args = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'transport', import.meta.filename];
      const env = { ...process.env, LD_PRELOAD: library, LANCAST_TEST_REFUSED: refused, NO_COLOR: '1' };
      const { fault, output } = await new Promise<{ fault: Error | null; output: string }>((resolve) => {
        execFile(process.execPath, args, { env }, (error, out, err) =>
          resolve({ fault: error, output: out + err }),
        );
      });
      expect(fault, output).toBeNull();
      expect(readdirSync(refused).sort()).toEqual(['SO_MEMINFO', 'SO_TIMESTAMPNS', 'UDP_GRO', 'recvmmsg']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
} else describe('an old kernel', old);

function old(): void {
  // Its thread reads while JavaScript is busy: the time of reading is still close to that of arrival.
  testArrivals(native, { stampsByKernel: true });

  const { listen } = loopback(native);

  it('has its drops counted by what comes with datagrams', async () => {
    const { heard, queue } = await listen('127.0.0.1', port(), { receiveBufferBytes: 4096 });
    const socket = createSocket('udp4');
    socket.connect(queue.local.port, '127.0.0.1');
    await once(socket, 'connect');
    const long = Buffer.alloc(60_000);
    const end = Date.now() + 5000;
    while (queue.stats.kernelDrops === 0 && Date.now() < end) {
      for (let index = 0; index < 50; index++) socket.send(long);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(queue.stats.kernelDrops).toBeGreaterThan(0);
    await until(() => heard.length > 0);
    socket.close();
  });
}
