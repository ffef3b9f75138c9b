/** The runner earns its passes: what it makes of a project that passes, fails, skips, is empty, breaks or hangs. */
import { execFile } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Stands in for vitest: writes the report that `REPORT` holds, and ends with `STATUS`. */
const VITEST = `
  import { writeFileSync } from 'node:fs';
  const file = process.argv.find((word) => word.startsWith('--outputFile.json=')).split('=')[1];
  if (process.env.REPORT) writeFileSync(file, process.env.REPORT);
  process.exit(Number(process.env.STATUS));
`;

let clone = '';

/** A checkout that is set up already, as far as the runner looks. */
beforeAll(() => {
  clone = mkdtempSync(path.join(tmpdir(), 'lancast-run-'));
  const files = [
    'test/run.js',
    'test/system-packages.js',
    'cli/setup.js',
    'transport/native/build.js',
    'package.json',
    'package-lock.json',
  ];
  for (const file of files) cpSync(file, path.join(clone, file));
  for (const folder of ['node_modules/vitest', 'dist', 'bin']) {
    mkdirSync(path.join(clone, folder), { recursive: true });
  }
  writeFileSync(path.join(clone, 'node_modules/vitest/vitest.mjs'), VITEST);
  writeFileSync(path.join(clone, 'node_modules/.package-lock.json'), '{}');
  writeFileSync(path.join(clone, 'dist/.built'), '');
  writeFileSync(path.join(clone, 'bin/ffmpeg'), '');
  chmodSync(path.join(clone, 'bin/ffmpeg'), 0o755);
});
afterAll(() => rmSync(clone, { recursive: true, force: true }));

/** Runs one project; its exit status and last line. */
function run(report: object | undefined, status: number, mode = 'soak') {
  const env = {
    PATH: path.join(clone, 'bin'),
    STATUS: String(status),
    ...(report ? { REPORT: JSON.stringify(report) } : {}),
  };
  return new Promise<{ code: number | null; last: string | undefined; words: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      ['test/run.js', mode],
      { cwd: clone, env },
      (_, stdout, stderr) => {
        resolve({ code: child.exitCode, last: stdout.trimEnd().split('\n').at(-1), words: stderr });
      },
    );
  });
}

const good = { status: 'passed', assertionResults: [{ status: 'passed' }] };
const bad = { status: 'failed', assertionResults: [{ status: 'failed' }] };
const broken = { status: 'failed', assertionResults: [] };
const cases: [name: string, report: object | undefined, status: number, last: string][] = [
  ['passes', { numPassedTests: 3, numTotalTests: 3, testResults: [good] }, 0, '3 passed, 0 failed'],
  ['fails', { numPassedTests: 2, numTotalTests: 3, testResults: [bad] }, 1, '2 passed, 1 failed'],
  ['skips', { numPassedTests: 2, numTotalTests: 3, testResults: [good] }, 0, '2 passed, 1 failed'],
  ['runs nothing', { numPassedTests: 0, numTotalTests: 0, testResults: [] }, 0, '0 passed, 1 failed'],
  [
    'has a broken file',
    { numPassedTests: 3, numTotalTests: 3, testResults: [good, broken] },
    1,
    '3 passed, 1 failed',
  ],
  [
    'throws beside its tests',
    { numPassedTests: 3, numTotalTests: 3, testResults: [good] },
    1,
    '3 passed, 1 failed',
  ],
  ['leaves no report', undefined, 0, '0 passed, 1 failed'],
];

describe('the runner', () => {
  for (const [name, report, status, last] of cases) {
    it(`ends with "${last}" when a project ${name}`, async () => {
      expect(await run(report, status)).toMatchObject({ last, code: last.endsWith(' 0 failed') ? 0 : 1 });
    });
  }
  it('ends with 2 and a word when what the lab needs is absent', async () => {
    const { code, words } = await run(undefined, 0, 'lab');
    expect(code).toBe(2);
    expect(words).toMatch(/lab: needs the media of .*shared.*media, which is not there\. Nothing was run\./);
  });
  it('refuses a mode that it does not know', async () => {
    const { code, words } = await run(undefined, 0, 'frobnicate');
    expect(code).toBe(2);
    expect(words).toMatch(/"frobnicate" is not one of bench, bench:peers, lab/);
  });
});
