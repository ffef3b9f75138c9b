/** The files of a folder that people want to send. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { inputFailure } from '../sender/sources/faults.ts';

/** True when there is a folder of that name. */
export async function isFolder(name: string): Promise<boolean> {
  return (await stat(name).catch(() => undefined))?.isDirectory() ?? false;
}

/**
 * The names of the files in a folder, hidden ones and other folders left out, in the order people count: `film 2` before
 * `film 10`. Throws `LancastError` E201 or E208.
 */
export async function filesOf(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw inputFailure(error, folder);
  });
  const shown = names.filter((name) => !name.startsWith('.'));
  const files = await Promise.all(shown.map((name) => isFile(path.join(folder, name))));
  const byName = new Intl.Collator('en', { numeric: true }).compare;
  return shown.filter((_, index) => files[index]).toSorted((a, b) => byName(a, b) || (a < b ? -1 : 1));
}

/** Links are followed; what cannot be looked at is kept, so that its fault is told. */
async function isFile(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  return found?.isFile() ?? true;
}
