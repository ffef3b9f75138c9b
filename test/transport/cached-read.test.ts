import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readCached } from '../../transport/cached-read.ts';
import { loadAddon } from '../../transport/native-addon.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'lancast-cached-'));
const file = path.join(folder, 'film.ts');
const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
writeFileSync(file, bytes); // and so it is in the system's memory
const handle = openSync(file, 'r');

afterAll(() => {
  closeSync(handle);
  rmSync(folder, { recursive: true });
});

describe('readCached', () => {
  const native = typeof loadAddon() !== 'string';

  it(native ? 'reads what is in memory, and tells the end' : 'has nothing at hand without the addon', () => {
    const memory = Buffer.alloc(70_000);
    const all = [0, 70_000, 100_000].map((position) => {
      const read = readCached(handle, memory, position);
      return [read, memory.subarray(0, Math.max(0, read)).equals(bytes.subarray(position, position + read))];
    });
    if (native)
      expect(all).toEqual([
        [70_000, true],
        [30_000, true],
        [0, true],
      ]);
    else expect(all.map(([read]) => read)).toEqual([-1, -1, -1]);
  });

  it('leaves what cannot be read to the ordinary way, which names the reason', () => {
    const directory = openSync(folder, 'r');
    expect(readCached(directory, Buffer.alloc(10), 0)).toBe(-1);
    closeSync(directory);
  });
});
