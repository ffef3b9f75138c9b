/** Building and loading the native engine: what stands in its way is told in words, and is never fatal. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { loadAddon } from '../../transport/native-addon.ts';
import { buildNative } from '../../transport/native/build.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lancast-native-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

it('is built by one call of the compiler, and not again', () => {
  expect(buildNative(folder)).toBeUndefined();
  expect(loadAddon(folder)).toMatchObject({ openSocket: expect.any(Function) });
  const { mtimeMs } = statSync(join(folder, 'lancast.node'));
  expect(buildNative(folder, { compiler: 'false' })).toBeUndefined();
  expect(statSync(join(folder, 'lancast.node')).mtimeMs).toBe(mtimeMs);
});

const OBSTACLES: [name: string, how: { compiler?: string; platform?: NodeJS.Platform }, reason: RegExp][] = [
  [
    'there is no compiler',
    { compiler: 'no-such-compiler' },
    /^no C compiler was found \(no-such-compiler\)$/,
  ],
  ['the compiler fails', { compiler: 'false' }, /^the C compiler \(false\) failed: status 1$/],
  ['the system is another', { platform: 'darwin' }, /^the native engine is for Linux, and this is darwin$/],
];
for (const [name, how, reason] of OBSTACLES) {
  it(`is done without when ${name}, and that is told`, () => {
    expect(buildNative(folder, how)).toMatch(reason);
    expect(loadAddon(folder)).toMatch(reason);
    expect(readFileSync(join(folder, 'build.json'), 'utf8')).toContain('"reason"');
    expect(buildNative(folder)).toBeUndefined(); // as soon as there is a compiler
  });
}

it('tells what the compiler complained of', () => {
  const compiler = join(folder, 'cc');
  writeFileSync(compiler, '#!/bin/sh\necho "x.c:1: fatal error: node_api.h: No such file" >&2\nexit 1\n', {
    mode: 0o755,
  });
  expect(buildNative(folder, { compiler })).toMatch(
    /failed: x\.c:1: fatal error: node_api\.h: No such file$/,
  );
});

it('says that it was never built', () => {
  expect(loadAddon(folder)).toBe('the native engine was not built: run `npm rebuild`');
});

it('refuses an addon that this Node.js cannot load', () => {
  writeFileSync(join(folder, 'lancast.node'), 'made for something else');
  expect(loadAddon(folder)).toMatch(
    /^the native engine was built for another Node\.js or another system \(.+\): run `npm rebuild`$/,
  );
});

it('refuses an addon that was built from other sources', () => {
  copyFileSync('dist/native/lancast.node', join(folder, 'lancast.node'));
  expect(loadAddon(folder, 2 ** 20)).toBe(
    'the native engine was built from other sources: run `npm rebuild`',
  );
});

it('is left aside when people ask for it', () => {
  vi.stubEnv('LANCAST_NO_NATIVE', '1');
  expect(loadAddon()).toBe('LANCAST_NO_NATIVE=1 asks for it');
});
