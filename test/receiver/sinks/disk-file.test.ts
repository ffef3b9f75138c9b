import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDiskFile } from '../../../receiver/sinks/disk-file.ts';

describe('openDiskFile', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'disk-file-'));
    path = join(folder, 'a.ts');
  });
  afterEach(() => rm(folder, { recursive: true }));

  const writes: [name: string, pieces: Buffer[]][] = [
    ['nothing', []],
    ['one piece', [Buffer.from('abc')]],
    ['several pieces as one', [Buffer.from('abc'), Buffer.from('de'), Buffer.from('f')]],
  ];
  for (const [name, pieces] of writes) {
    it(`writes ${name} where it is told to`, async () => {
      const file = await openDiskFile(path);
      const all = Buffer.concat([Buffer.alloc(2), ...pieces]);
      expect(await file.writev([Buffer.alloc(2)], 0)).toBe(2);
      expect(await file.writev(pieces, 2)).toBe(all.length - 2);
      await file.sync();
      expect(await readFile(path)).toEqual(all);
      await file.truncate(1);
      await file.close();
      expect(await readFile(path)).toEqual(Buffer.alloc(1));
    });
  }

  it('begins with an empty file', async () => {
    for (const text of ['long ago', 'now']) {
      const file = await openDiskFile(path);
      await file.writev([Buffer.from(text)], 0);
      await file.close();
    }
    expect(await readFile(path, 'utf8')).toBe('now');
  });

  it('rejects with the error of the system', async () => {
    await expect(openDiskFile(join(folder, 'no', 'a.ts'))).rejects.toMatchObject({ code: 'ENOENT' });
    const file = await openDiskFile('/dev/full');
    await expect(file.writev([Buffer.alloc(1)], 0)).rejects.toMatchObject({ code: 'ENOSPC' });
    await expect(file.writev([Buffer.alloc(1), Buffer.alloc(1)], 0)).rejects.toMatchObject({
      code: 'ENOSPC',
    });
    await file.close();
  });
});
