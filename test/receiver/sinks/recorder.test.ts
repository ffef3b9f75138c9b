import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Recorder } from '../../../receiver/sinks/recorder.ts';
import { RecordingFile } from '../../../receiver/sinks/recording-file.ts';
import { monotonicNow } from '../../../transport/clock.ts';
import { FakeDisk } from './fake-disk.ts';

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** A recorder on a disk in memory, with what it said. */
function setUp(options: { spillBytes?: number; unhashed?: boolean } = {}) {
  const disk = new FakeDisk();
  const said: string[] = [];
  const events = {
    onTrouble: (error: { code: string }) => said.push(error.code),
    onResumed: () => said.push('resumed'),
    onReaderGone: () => said.push('reader gone'),
  };
  const recorder = new Recorder(new RecordingFile('a.ts', disk, options.unhashed), events, options);
  let index = 0;
  const sent: Buffer[] = [];
  /** Pushes `count` datagrams of seven packets, or of `payload`. */
  const push = (count: number, payload?: Buffer) => {
    for (; count > 0; count--, index++) {
      const bytes = payload ?? Buffer.alloc(1316, 0x47 + (index % 50));
      bytes[0] = 0x47;
      sent.push(Buffer.from(bytes));
      const now = monotonicNow();
      recorder.push(
        { kind: 'payload', payload: bytes, index, timestampTicks: 0, arrivedAt: now, discontinuity: false },
        now,
      );
    }
  };
  return { disk, said, recorder, push, sent: () => Buffer.concat(sent) };
}

/** Lets `ms` pass, with everything that happens meanwhile. */
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe('Recorder', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'hrtime', 'performance'] });
  });
  afterEach(() => void vi.useRealTimers());

  it('writes what came within 100 ms', async () => {
    const { disk, push, sent, recorder } = setUp();
    push(5);
    await pass(100);
    expect(disk.content.equals(sent())).toBe(true);
    await recorder.close();
  });

  it('lets nothing wait longer than 100 ms', async () => {
    const { disk, push, sent, recorder } = setUp();
    const lengths: number[] = [];
    for (let ms = 0; ms < 2000; ms += 10) {
      push(1 + (ms % 30));
      lengths.push(sent().length);
      await pass(10);
      expect(disk.content.length).toBeGreaterThanOrEqual(lengths.at(-10) ?? 0);
    }
    await recorder.close();
  });

  it('writes large pieces at once at high rates, without waiting for its turn', async () => {
    const { disk, push, sent, recorder } = setUp();
    push(450);
    await pass(0);
    expect(disk.content.length).toBeGreaterThan(450 * 1316 - 256 * 1024);
    expect(disk.writes.every((bytes) => bytes > 250 * 1024)).toBe(true);
    await recorder.close();
    expect(disk.content.equals(sent())).toBe(true);
  });

  it('does not write ever smaller pieces when it is filled while it writes', async () => {
    const { disk, push, recorder } = setUp();
    for (let ms = 0; ms < 800; ms++) {
      push(20);
      disk.gate = new Promise((resolve) => setTimeout(resolve, 5));
      await pass(1);
    }
    const perWrite = disk.content.length / disk.writes.length;
    expect(perWrite).toBeGreaterThan(200 * 1024);
    const closed = recorder.close();
    await pass(100);
    await closed;
  });

  it('keeps up with a gigabit a second although each write takes its time', async () => {
    const { disk, push, recorder } = setUp({ spillBytes: 4 * 1024 * 1024 });
    for (let ms = 0; ms < 400; ms += 10) {
      disk.gate = new Promise((resolve) => setTimeout(resolve, 10));
      push(950);
      await pass(10);
    }
    const closed = recorder.close();
    await pass(100);
    await closed;
    expect(recorder.summary).toMatchObject({ bytes: 40 * 950 * 1316, droppedBytes: 0 });
  });

  it('shares one timer with all other recorders', async () => {
    const recorders = [setUp(), setUp(), setUp()];
    expect(vi.getTimerCount()).toBe(1);
    for (const { push } of recorders) push(1);
    await pass(100);
    for (const { disk, sent, recorder } of recorders) {
      expect(disk.content.equals(sent())).toBe(true);
      await recorder.close();
    }
    expect(vi.getTimerCount()).toBe(0);
  });

  it('takes nothing more once it is closed', async () => {
    const { disk, push, sent, recorder } = setUp();
    push(3);
    const written = sent();
    const closed = recorder.close();
    push(300);
    await closed;
    expect(disk.content.equals(written)).toBe(true);
    expect(recorder.summary).toMatchObject({
      bytes: written.length,
      droppedBytes: 0,
      sha256: sha256(written),
    });
  });

  it('begins an fsync every 500 ms while something is written', async () => {
    const { disk, push, recorder } = setUp();
    for (let ms = 0; ms < 5000; ms += 25) {
      push(1);
      await pass(25);
    }
    const gaps = disk.syncs.slice(1).map((at, index) => at - (disk.syncs[index] ?? 0));
    expect(disk.syncs.length).toBeGreaterThanOrEqual(9);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(500);
    await recorder.close();
  });

  it('does not fsync what is already safe', async () => {
    const { disk, push, recorder } = setUp();
    push(1);
    await pass(5000);
    expect(disk.syncs).toHaveLength(1);
    await recorder.close();
  });

  it('writes on while an fsync takes its time', async () => {
    const { disk, push, sent, recorder } = setUp();
    let finish = () => {};
    disk.syncGate = new Promise((resolve) => (finish = resolve));
    push(1);
    await pass(600);
    push(1);
    await pass(5000);
    expect(disk.content.equals(sent())).toBe(true);
    expect(disk.syncs).toHaveLength(1);
    finish();
    await recorder.close();
  });

  it('sums up exactly what is in the file', async () => {
    const { disk, push, sent, recorder } = setUp();
    push(1000);
    recorder.push({ kind: 'gap', first: 1000, count: 12 }, 0);
    recorder.push({ kind: 'restart', epoch: 1 }, 0);
    push(3);
    recorder.push({ kind: 'end', proven: true }, 0);
    await recorder.close();
    expect(disk.content.equals(sent())).toBe(true);
    expect(disk.closed).toBe(true);
    expect(recorder.summary).toEqual({
      path: 'a.ts',
      bytes: 1003 * 1316,
      sha256: sha256(disk.content),
      gaps: 1,
      droppedBytes: 0,
    });
  });

  it('works out no hash when none is asked for', async () => {
    const { disk, push, sent, recorder } = setUp({ unhashed: true });
    push(100);
    await pass(1000);
    disk.syncFault = 'EIO';
    push(100);
    await pass(600);
    disk.syncFault = undefined;
    await recorder.close();
    expect(disk.content.equals(sent().subarray(0, recorder.summary.bytes))).toBe(true);
    expect(recorder.summary).toMatchObject({
      sha256: undefined,
      bytes: 100 * 1316,
      droppedBytes: 100 * 1316,
    });
  });

  it('sums up an empty recording', async () => {
    const { recorder } = setUp();
    await recorder.close();
    expect(recorder.summary).toMatchObject({ bytes: 0, sha256: sha256(Buffer.alloc(0)), gaps: 0 });
  });

  describe('on a full disk', () => {
    it('trims to a whole packet, says E401 once within a second, and loses nothing once there is room', async () => {
      const { disk, said, push, sent, recorder } = setUp();
      disk.room = 10_000;
      push(10);
      await pass(1000);
      expect(said).toEqual(['E401']);
      expect(disk.content.length).toBe(9964);
      expect(recorder.summary.sha256).toBe(sha256(disk.content));
      push(10);
      await pass(5000);
      expect(said).toEqual(['E401']);
      disk.room = Infinity;
      await pass(2000);
      expect(said).toEqual(['E401', 'resumed']);
      expect(disk.content.equals(sent())).toBe(true);
      await recorder.close();
      expect(recorder.summary).toMatchObject({ gaps: 0, droppedBytes: 0, sha256: sha256(sent()) });
    });

    it('drops whole datagrams when memory is full too, and counts them as one gap', async () => {
      const { disk, push, sent, recorder } = setUp({ spillBytes: 512 * 1024 });
      disk.room = 0;
      push(1000);
      await pass(1500);
      disk.room = Infinity;
      await pass(2000);
      push(1);
      await recorder.close();
      const { bytes, droppedBytes, gaps } = recorder.summary;
      expect(droppedBytes).toBeGreaterThan(0);
      expect(droppedBytes % 1316).toBe(0);
      expect(gaps).toBe(1);
      expect(bytes + droppedBytes).toBe(sent().length);
      const kept = bytes - 1316;
      const expected = Buffer.concat([sent().subarray(0, kept), sent().subarray(-1316)]);
      expect(disk.content.equals(expected)).toBe(true);
    });

    it('closes with what fitted, and counts the rest', async () => {
      const { disk, push, sent, recorder } = setUp();
      disk.room = 5000;
      push(10);
      await recorder.close();
      expect(disk.content.length).toBe(4888);
      expect(recorder.summary).toMatchObject({
        bytes: 4888,
        sha256: sha256(sent().subarray(0, 4888)),
        droppedBytes: 13_160 - 4888,
        gaps: 1,
      });
    });
  });

  it('keeps every byte of a payload that is not TS, wherever the disk stops', async () => {
    const { disk, push, sent, recorder } = setUp();
    disk.room = 1234;
    push(10, Buffer.alloc(777, 0x47));
    await pass(100);
    expect(disk.content.length).toBe(1234);
    disk.room = Infinity;
    await pass(2000);
    expect(disk.content.equals(sent())).toBe(true);
    await recorder.close();
  });

  it('says E404 for a failing write and goes on when it passes', async () => {
    const { disk, said, push, sent, recorder } = setUp();
    disk.writeFault = 'EIO';
    push(3);
    await pass(5000);
    expect(said).toEqual(['E404']);
    disk.writeFault = undefined;
    await pass(2000);
    expect(said).toEqual(['E404', 'resumed']);
    expect(disk.content.equals(sent())).toBe(true);
    await recorder.close();
  });

  it('says E402 when the disk becomes read-only under it', async () => {
    const { disk, said, push, recorder } = setUp();
    disk.writeFault = 'EROFS';
    push(1);
    await pass(500);
    expect(said).toEqual(['E402']);
    await recorder.close();
    expect(recorder.summary).toMatchObject({ bytes: 0, droppedBytes: 1316 });
  });

  it('says each new trouble, and that it is over once', async () => {
    const { disk, said, push, recorder } = setUp();
    disk.writeFault = 'EIO';
    push(1);
    await pass(500);
    disk.writeFault = 'ENOSPC';
    await pass(2000);
    disk.writeFault = undefined;
    await pass(2000);
    expect(said).toEqual(['E404', 'E401', 'resumed']);
    await recorder.close();
  });

  it('keeps only what is safe when an fsync fails, counts the rest as a gap, and says it once', async () => {
    const { disk, said, push, sent, recorder } = setUp();
    push(2);
    await pass(1000);
    disk.syncFault = 'EIO';
    push(3);
    await pass(600);
    push(1);
    await pass(3000);
    expect(said).toEqual(['E404']);
    disk.syncFault = undefined;
    push(1);
    await pass(3000);
    await recorder.close();
    expect(said).toEqual(['E404', 'resumed']);
    const { bytes, droppedBytes, gaps, sha256: hash } = recorder.summary;
    expect(bytes + droppedBytes).toBe(sent().length);
    expect(droppedBytes).toBeGreaterThanOrEqual(3 * 1316);
    expect(gaps).toBeGreaterThanOrEqual(1);
    expect([disk.content.length, hash]).toEqual([bytes, sha256(disk.content)]);
  });

  it('says E403 when bytes wait longer than two seconds, and that it has caught up', async () => {
    const { disk, said, push, sent, recorder } = setUp();
    let open = () => {};
    disk.gate = new Promise((resolve) => (open = resolve));
    push(1);
    await pass(2200);
    push(5);
    await pass(1000);
    expect(said).toEqual(['E403']);
    open();
    await pass(1000);
    expect(said).toEqual(['E403', 'resumed']);
    expect(disk.content.equals(sent())).toBe(true);
    await recorder.close();
  });
});
