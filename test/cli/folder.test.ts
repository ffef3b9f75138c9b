import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { filesOf, isFolder } from '../../cli/folder.ts';

let folder = '';
beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), 'lancast-folder-'))));
afterEach(() => rmSync(folder, { recursive: true }));

describe('filesOf', () => {
  it('names files as people count, without hidden ones and folders', async () => {
    for (const name of ['film 10.ts', 'film 2.ts', 'Zoo.ts', 'apes.ts', 'film 02.ts', '.hidden.ts']) {
      writeFileSync(path.join(folder, name), '');
    }
    mkdirSync(path.join(folder, 'more'));
    expect(await filesOf(folder)).toEqual(['apes.ts', 'film 02.ts', 'film 2.ts', 'film 10.ts', 'Zoo.ts']);
  });
  it('follows links, and keeps one that leads nowhere so that its fault is told', async () => {
    mkdirSync(path.join(folder, 'more'));
    writeFileSync(path.join(folder, 'more', 'a.ts'), '');
    symlinkSync('more/a.ts', path.join(folder, 'linked.ts'));
    symlinkSync('more', path.join(folder, 'linked folder'));
    symlinkSync('gone.ts', path.join(folder, 'broken.ts'));
    expect(await filesOf(folder)).toEqual(['broken.ts', 'linked.ts']);
  });
  it('says that a folder is not there', async () => {
    await expect(filesOf(path.join(folder, 'gone'))).rejects.toMatchObject({ code: 'E201' });
  });
});

describe('isFolder', () => {
  it('tells folders from files and from nothing', async () => {
    writeFileSync(path.join(folder, 'a.ts'), '');
    expect(
      await Promise.all([folder, path.join(folder, 'a.ts'), path.join(folder, 'gone'), '-'].map(isFolder)),
    ).toEqual([true, false, false, false]);
  });
});
