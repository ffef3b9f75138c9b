import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRecordingFile, RecordingFile } from '../../../receiver/sinks/recording-file.ts';
import type { ErrorCode } from '../../../wire/errors.ts';
import { FakeDisk } from './fake-disk.ts';

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const packets = (count: number, fill: number) => Buffer.alloc(188 * count, fill);

describe('RecordingFile', () => {
  it('knows length and hash of what it has written', async () => {
    const disk = new FakeDisk();
    const file = new RecordingFile('a.ts', disk);
    await file.append([packets(7, 1)], 188);
    await file.append([packets(3, 2)], 188);
    expect(file.bytes).toBe(1880);
    expect(file.sha256).toBe(sha256(Buffer.concat([packets(7, 1), packets(3, 2)])));
    expect(file.sha256).toBe(sha256(disk.content));
  });

  it('writes on after a short write', async () => {
    const disk = new FakeDisk();
    disk.mostPerWrite = 100;
    const file = new RecordingFile('a.ts', disk);
    await file.append([packets(7, 1)], 188);
    expect(disk.content.equals(packets(7, 1))).toBe(true);
  });

  it('writes several pieces as one, wherever the disk stops', async () => {
    const pieces = [packets(2, 1), packets(3, 2), packets(4, 3)];
    const all = Buffer.concat(pieces);
    for (let room = 0; room <= all.length; room += 47) {
      const disk = new FakeDisk();
      disk.room = room;
      disk.mostPerWrite = 500;
      const file = new RecordingFile('a.ts', disk);
      const kept = room - (room % 188);
      const written = await file.append(pieces, 188).then(
        () => 'all',
        () => 'part',
      );
      expect([written, file.bytes]).toEqual([room === all.length ? 'all' : 'part', kept]);
      expect(file.sha256).toBe(sha256(all.subarray(0, kept)));
      expect(disk.content.equals(all.subarray(0, kept))).toBe(true);
    }
  });

  const rooms: [name: string, room: number, unit: number, kept: number][] = [
    ['nothing at all', 0, 188, 0],
    ['part of a packet', 187, 188, 0],
    ['one packet and a part', 200, 188, 188],
    ['all but a byte', 1315, 188, 1128],
    ['some bytes that are not packets', 200, 1, 200],
  ];
  for (const [name, room, unit, kept] of rooms) {
    it(`keeps ${kept} bytes when the disk has room for ${name}`, async () => {
      const disk = new FakeDisk();
      disk.room = room;
      const file = new RecordingFile('a.ts', disk);
      await expect(file.append([packets(7, 1)], unit)).rejects.toMatchObject({ code: 'E401' });
      expect([file.bytes, disk.content.length]).toEqual([kept, kept]);
      expect(file.sha256).toBe(sha256(disk.content));
    });
  }

  it('goes on behind what was kept when there is room again', async () => {
    const disk = new FakeDisk();
    disk.room = 1000;
    const file = new RecordingFile('a.ts', disk);
    await expect(file.append([packets(7, 1)], 188)).rejects.toMatchObject({ code: 'E401' });
    disk.room = Infinity;
    await file.append([packets(2, 1)], 188);
    expect(disk.content.equals(packets(7, 1))).toBe(true);
    expect(file.sha256).toBe(sha256(disk.content));
  });

  it('cuts back to what an fsync has made safe after one fails, and says what that cost', async () => {
    const disk = new FakeDisk();
    const file = new RecordingFile('a.ts', disk);
    await file.append([packets(5, 1)], 188);
    await file.sync();
    await file.append([packets(3, 2)], 188);
    disk.syncFault = 'EIO';
    await expect(file.sync()).rejects.toMatchObject({ code: 'E404' });
    expect(file.unsafe).toBe(true);
    expect(await file.revert()).toBe(3 * 188);
    expect(disk.content.equals(packets(5, 1))).toBe(true);
    expect(file.sha256).toBe(sha256(disk.content));
    await file.append([packets(1, 3)], 188);
    expect(file.sha256).toBe(sha256(disk.content));
  });

  it('does not trust an fsync that comes after a failed one', async () => {
    const disk = new FakeDisk();
    const file = new RecordingFile('a.ts', disk);
    await file.append([packets(2, 1)], 188);
    disk.syncFault = 'EIO';
    await expect(file.sync()).rejects.toMatchObject({ code: 'E404' });
    disk.syncFault = undefined;
    await file.sync();
    expect(await file.revert()).toBe(2 * 188);
  });

  it('counts as safe only what had been written when the fsync began', async () => {
    const disk = new FakeDisk();
    const file = new RecordingFile('a.ts', disk);
    await file.append([packets(2, 1)], 188);
    const syncing = file.sync();
    await file.append([packets(2, 2)], 188);
    await syncing;
    disk.syncFault = 'EIO';
    await expect(file.sync()).rejects.toMatchObject({ code: 'E404' });
    await file.revert();
    expect(disk.content.equals(packets(2, 1))).toBe(true);
  });

  it('needs no fsync on a device that has none', async () => {
    const disk = new FakeDisk();
    disk.syncFault = 'EINVAL';
    const file = new RecordingFile('/dev/null', disk);
    await file.append([packets(1, 1)], 188);
    await file.sync();
    expect(file.unsafe).toBe(false);
  });

  const codes: [reason: string, code: ErrorCode][] = [
    ['ENOSPC', 'E401'],
    ['EDQUOT', 'E401'],
    ['EFBIG', 'E401'],
    ['EROFS', 'E402'],
    ['EACCES', 'E402'],
    ['EIO', 'E404'],
    ['ESTALE', 'E404'],
  ];
  for (const [reason, code] of codes) {
    it(`calls ${reason} ${code}`, async () => {
      const disk = new FakeDisk();
      disk.writeFault = reason;
      const file = new RecordingFile('a.ts', disk);
      await expect(file.append([packets(1, 1)], 188)).rejects.toMatchObject({
        code,
        details: { path: 'a.ts', reason },
      });
    });
  }
});

describe('openRecordingFile', () => {
  let folder = '';
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'lancast-'))));
  afterEach(() => rm(folder, { recursive: true }));

  it('overwrites what was there', async () => {
    const path = join(folder, 'old.ts');
    await writeFile(path, 'an old recording');
    const file = await openRecordingFile(path);
    await file.append([packets(1, 7)], 188);
    await file.close();
    expect((await readFile(path)).equals(packets(1, 7))).toBe(true);
  });

  it('refuses a folder', async () => {
    await mkdir(join(folder, 'sub'));
    await expect(openRecordingFile(join(folder, 'sub'))).rejects.toMatchObject({
      code: 'E402',
      details: { reason: 'EISDIR' },
    });
  });

  it('refuses a path whose folder does not exist', async () => {
    await expect(openRecordingFile(join(folder, 'no', 'a.ts'))).rejects.toMatchObject({
      code: 'E402',
      details: { reason: 'ENOENT' },
    });
  });
});
