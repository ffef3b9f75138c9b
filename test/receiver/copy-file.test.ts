import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CopyFailure, CopyFile } from '../../receiver/copying/copy-file.ts';
import { PIECE_BYTES } from '../../wire/copy.ts';
import { bytesFrom, sha256 } from '../helpers/copy-world.ts';

const WHOLE = bytesFrom(8, 3 * PIECE_BYTES + 9);
let folder = '';

beforeEach(() => void (folder = mkdtempSync(path.join(tmpdir(), 'lancast-copy-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const inFolder = (name: string): string => path.join(folder, name);

async function reasonOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CopyFailure)) throw new Error('it did not fail', { cause: error });
  return error.reason;
}

describe('the file of a copy', () => {
  it('has its name only when it is whole', async () => {
    const file = new CopyFile(folder, 'film');
    expect(await file.prepare(WHOLE.length, false)).toEqual({ bytes: 0, sha256: sha256(Buffer.alloc(0)) });
    await file.write([WHOLE.subarray(0, 2000), WHOLE.subarray(2000, 2632)], 0);
    await file.write([WHOLE.subarray(2632)], 2632);
    expect(readdirSync(folder)).toEqual(['film.part']);
    expect(await file.complete(sha256(WHOLE))).toBe('film');
    await file.close();
    expect(readdirSync(folder)).toEqual(['film']);
    expect(readFileSync(inFolder('film')).equals(WHOLE)).toBe(true);
  });

  it('keeps the whole pieces of what was there', async () => {
    writeFileSync(inFolder('film.part'), WHOLE.subarray(0, 2 * PIECE_BYTES + 700));
    const file = new CopyFile(folder, 'film');
    const kept = WHOLE.subarray(0, 2 * PIECE_BYTES);
    expect(await file.prepare(WHOLE.length, false)).toEqual({ bytes: kept.length, sha256: sha256(kept) });
    await file.write([WHOLE.subarray(kept.length)], kept.length);
    expect(await file.complete(sha256(WHOLE))).toBe('film');
    await file.close();
  });

  it('keeps nothing when it is to begin anew, also after it looked at what there was', async () => {
    writeFileSync(inFolder('film.part'), WHOLE.subarray(0, PIECE_BYTES));
    const file = new CopyFile(folder, 'film');
    await file.prepare(WHOLE.length, false);
    expect(await file.prepare(WHOLE.length, true)).toMatchObject({ bytes: 0 });
    await file.write([WHOLE], 0);
    expect(await file.complete(sha256(WHOLE))).toBe('film');
    await file.close();
  });

  it('is thrown away when it is not what was sent', async () => {
    const file = new CopyFile(folder, 'film');
    await file.prepare(WHOLE.length, false);
    await file.write([WHOLE], 0);
    expect(await reasonOf(file.complete(sha256(Buffer.from('else'))))).toBe('differs');
    await file.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('that is there already, whole, is taken for what it is, and never thrown away', async () => {
    writeFileSync(inFolder('film'), WHOLE);
    const file = new CopyFile(folder, 'film');
    expect(await file.prepare(WHOLE.length, false)).toEqual({ bytes: WHOLE.length, sha256: sha256(WHOLE) });
    expect(await reasonOf(file.complete(sha256(Buffer.from('else'))))).toBe('differs');
    expect(await file.complete(sha256(WHOLE))).toBe('film');
    expect(readFileSync(inFolder('film')).equals(WHOLE)).toBe(true);
  });

  it('gets the first number that is free', async () => {
    for (const name of ['film.ts', 'film-2.ts']) writeFileSync(inFolder(name), name);
    mkdirSync(inFolder('film-3.ts'));
    const file = new CopyFile(folder, 'film.ts');
    await file.prepare(WHOLE.length, false);
    await file.write([WHOLE], 0);
    expect(await file.complete(sha256(WHOLE))).toBe('film-4.ts');
    await file.close();
    expect(readFileSync(inFolder('film.ts'), 'utf8')).toBe('film.ts');
  });

  it('is refused when there is no room for it, and what it would need is not begun', async () => {
    const file = new CopyFile(folder, 'film');
    expect(await reasonOf(file.prepare(2 ** 52, false))).toBe('no-space');
    await file.close();
  });

  it('is refused where it may not be written', async () => {
    mkdirSync(inFolder('film.part'));
    expect(await reasonOf(new CopyFile(folder, 'film').prepare(9, false))).toBe('not-writable');
    expect(await reasonOf(new CopyFile(inFolder('nowhere'), 'film').prepare(9, false))).toBe('not-writable');
    expect(existsSync(inFolder('nowhere'))).toBe(false);
  });
});
