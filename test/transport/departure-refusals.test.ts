/**
 * What the native engine does when the kernel refuses: it knows no runs of datagrams, is full, or does not want to.
 *
 * The file runs itself again with `refusals.c` between it and the kernel; the port that a test sends to says what happens.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { monotonicNow } from '../../transport/clock.ts';
import type { DepartureStats } from '../../transport/udp.ts';
import { loopback, until, type Heard, pushOne } from './engine-fixture.ts';
import { native } from './engines.ts';

const INSIDE = 'LANCAST_TEST_INSIDE_REFUSALS';

if (process.env[INSIDE] === undefined) {
  it('sends what can be sent, whatever the kernel refuses', { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'lancast-refusals-'));
    try {
      const library = path.join(folder, 'refusals.so');
      execFileSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, 'test/transport/refusals.c']);
      const args = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'transport', import.meta.filename];
      const env = { ...process.env, LD_PRELOAD: library, [INSIDE]: '1', NO_COLOR: '1' };
      const output = await new Promise<string>((resolve) => {
        execFile(process.execPath, args, { env }, (_error, out, err) => resolve(out + err));
      });
      expect(output).toMatch(/Tests +8 passed/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
} else describe('a kernel that refuses', refusing);

function refusing(): void {
  const { listen, depart } = loopback(native);
  const COUNT = 120;
  const LENGTH = 1328;

  /** Sends datagrams that could travel as runs to a port of `refusals.c`. */
  async function send(on: number): Promise<{ heard: Heard[]; stats: () => DepartureStats }> {
    const { heard } = await listen('127.0.0.1', on);
    const out = await depart([{ address: '127.0.0.1', port: on }], { quantumMs: 2 });
    const start = monotonicNow() + 5;
    for (let index = 0; index < COUNT; index++) pushOne(out, Buffer.alloc(LENGTH, index), start + index / 4);
    await out.drained();
    return { heard, stats: () => out.stats };
  }

  const whole: [name: string, port: number][] = [
    ['as if it knew no UDP_SEGMENT (EINVAL)', 47_001],
    ['as if the card could not do it (EIO)', 47_002],
    ['as if the path were too narrow (EMSGSIZE)', 47_003],
    ['for a while: no room (ENOBUFS)', 47_006],
    ['all but one datagram at a time', 47_008],
    ['as if it knew no sendmmsg (ENOSYS)', 47_004], // the engine remembers
  ];
  for (const [name, on] of whole) {
    it(`loses nothing: ${name}`, async () => {
      const { heard, stats } = await send(on);
      await until(() => heard.length === COUNT);
      expect(heard.map(({ data }) => data[0])).toEqual([...Array(COUNT).keys()]);
      expect(heard.every(({ data }) => data.length === LENGTH)).toBe(true);
      expect(stats()).toMatchObject({ sent: COUNT, sentBytes: COUNT * LENGTH, failed: 0 });
    });
  }

  it('counts what was refused, datagram by datagram, and goes on (EPERM)', async () => {
    const { heard, stats } = await send(47_005);
    await until(() => heard.length === stats().sent);
    const { sent, sentBytes, failed } = stats();
    expect(sent + failed).toBe(COUNT);
    expect(sentBytes).toBe(sent * LENGTH);
    expect(sent).toBeGreaterThan(COUNT / 3);
    expect(failed).toBeGreaterThan(COUNT / 10);
  });

  it('gives up what it never finds room for (EAGAIN), so that nothing waits for ever', async () => {
    const { stats } = await send(47_007);
    expect(stats()).toMatchObject({ sent: 0, failed: COUNT });
  });
}
