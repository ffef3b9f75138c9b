import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** Stands in for npm: takes its time, then leaves what a real one leaves, with tools that build a program of one line. */
const NPM = `
  import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
  appendFileSync('log', process.argv.slice(2, 3) + '\\n');
  if (process.env.OFFLINE) { console.error('npm error code EAI_AGAIN'); process.exit(1); }
  await new Promise((resolve) => setTimeout(resolve, 300));
  mkdirSync('node_modules/typescript/bin', { recursive: true });
  mkdirSync('node_modules/vite/bin', { recursive: true });
  writeFileSync('node_modules/typescript/bin/tsc', \`
    const { appendFileSync, mkdirSync, writeFileSync } = require('node:fs');
    appendFileSync('log', 'tsc\\\\n');
    console.log('words of the compiler');
    mkdirSync('dist/cli', { recursive: true });
    writeFileSync('dist/cli/main.js', "process.stdout.write('data ' + process.argv.slice(2) + ' in ' + process.cwd());");
    process.exit(process.env.BROKEN ? 1 : 0);
  \`);
  writeFileSync('node_modules/vite/bin/vite.js', '');
  writeFileSync('node_modules/.package-lock.json', '{}');
`;

let clone: string;

beforeEach(() => {
  clone = mkdtempSync(path.join(tmpdir(), 'lancast-clone-'));
  mkdirSync(path.join(clone, 'cli'));
  const program = ['cli/launch.js', 'cli/setup.js', 'transport/native/build.js'];
  for (const file of [...program, 'package.json', 'package-lock.json']) {
    cpSync(file, path.join(clone, file));
  }
  mkdirSync(path.join(clone, 'npm'));
  writeFileSync(path.join(clone, 'npm/package.json'), '{"type":"module"}');
  writeFileSync(path.join(clone, 'npm/npm-cli.js'), NPM);
});
afterEach(() => rmSync(clone, { recursive: true, force: true }));

/** Starts the clone's launcher; resolves with what it said and how it ended. */
function launch(env: Record<string, string> = {}, ...words: string[]) {
  const options = {
    cwd: clone,
    env: { PATH: process.env.PATH, npm_execpath: path.join(clone, 'npm/npm-cli.js'), ...env },
  };
  return new Promise<{ stdout: string; stderr: string; code: number }>((resolve) => {
    const child = execFile(process.execPath, ['cli/launch.js', ...words], options, (_, stdout, stderr) => {
      resolve({ stdout, stderr, code: child.exitCode ?? -1 });
    });
  });
}

/** What was run to set the clone up, in order. */
function log(): string[] {
  return readFileSync(path.join(clone, 'log'), 'utf8').trim().split('\n');
}

/** Makes a file newer than everything there is. */
function touch(file: string): void {
  const soon = new Date(Date.now() + 5000);
  utimesSync(path.join(clone, file), soon, soon);
}

describe('the launcher', () => {
  it('sets a fresh clone up, runs it in the same process, and keeps stdout for data', async () => {
    const { stdout, stderr, code } = await launch({}, 'send', 'a.ts');
    expect(stdout).toBe(`data send,a.ts in ${clone}`);
    expect(stderr).toContain('installing the npm packages');
    expect(stderr).toContain('words of the compiler');
    expect(code).toBe(0);
    expect(log()).toEqual(['ci', 'tsc']);
  });
  it('does nothing but run the second time', async () => {
    await launch();
    const { stderr, stdout } = await launch();
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^data/);
    expect(log()).toEqual(['ci', 'tsc']);
  });
  it('installs once when two are launched at the same time', async () => {
    const both = await Promise.all([launch(), launch()]);
    expect(both.map(({ stdout }) => stdout)).toEqual(Array(2).fill(`data  in ${clone}`));
    expect(both.map(({ stderr }) => stderr).join('')).toContain('another lancast is setting this folder up');
    expect(log()).toEqual(['ci', 'tsc']);
  });
  it('takes over from one that was killed', async () => {
    const gone = await new Promise<number>((resolve) => {
      const child = execFile(process.execPath, ['-e', ''], () => resolve(child.pid ?? 0));
    });
    writeFileSync(path.join(clone, '.setup.lock'), String(gone));
    const { stdout } = await launch();
    expect(stdout).toMatch(/^data/);
  });
  it('builds again when a source has changed', async () => {
    await launch();
    touch('cli/setup.js');
    await launch();
    expect(log()).toEqual(['ci', 'tsc', 'tsc']);
  });
  it('installs again when the lock file has changed', async () => {
    await launch();
    touch('package-lock.json');
    await launch();
    expect(log().slice(0, 3)).toEqual(['ci', 'tsc', 'ci']);
  });
  it('says that there is no internet, and ends with 10', async () => {
    const { stderr, stdout, code } = await launch({ OFFLINE: '1' });
    expect(stderr).toContain('the npm registry cannot be reached');
    expect({ stdout, code }).toEqual({ stdout: '', code: 10 });
  });
  it('says that the build failed, and tries again the next time', async () => {
    const failed = await launch({ BROKEN: '1' });
    expect(failed.stderr).toContain('the program could not be built');
    expect(failed.code).toBe(1);
    expect((await launch()).stdout).toMatch(/^data/);
  });
  it('runs where `npm run lancast` was typed', async () => {
    mkdirSync(path.join(clone, 'films'));
    const { stdout } = await launch({ npm_lifecycle_event: 'lancast', INIT_CWD: path.join(clone, 'films') });
    expect(stdout).toBe(`data  in ${path.join(clone, 'films')}`);
  });

  const nodes: [wanted: string, ok: boolean][] = [
    [process.versions.node, true],
    ['18.0.0', true],
    [`${process.versions.node.split('.')[0]}.999.0`, false],
    ['999.0.0', false],
  ];
  for (const [wanted, ok] of nodes) {
    it(`${ok ? 'runs' : 'refuses to run'} when Node.js ${wanted} is wanted`, async () => {
      const manifest = readFileSync('package.json', 'utf8').replace(
        /"node": "[^"]+"/,
        `"node": ">=${wanted}"`,
      );
      writeFileSync(path.join(clone, 'package.json'), manifest);
      const { stderr, code } = await launch();
      expect(code).toBe(ok ? 0 : 10);
      expect(/is too old\.\n  why: .*\n  fix: /.test(stderr)).toBe(!ok);
    });
  }
});
