/**
 * `npm test`, and with one word (`bench`, `bench:peers`, `lab`, `interop`, `soak`, `fixtures`) its relatives: sets up what
 * is missing, runs, and ends with a table and the line `N passed, N failed`.
 *
 * Plain JavaScript without dependencies, for it runs on a fresh clone. Nothing is skipped in silence: what cannot run
 * counts as failed. Exit status 0 when all passed, 1 when something failed, 2 when what `bench`, `lab` or `interop` needs
 * is absent.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SetupError, build, checkNode, prepare, preparePackages, root, say } from '../cli/setup.js';
import { explainNamespaces, locate, provide } from './system-packages.js';

/** A stage that takes longer hangs, and is ended. */
const LIMIT_MS = 10 * 60_000;
/** All groups of the benchmark take about a third of an hour. */
const BENCH_LIMIT_MS = 40 * 60_000;
const MODES = { bench, 'bench:peers': benchPeers, lab, interop, soak, fixtures };

try {
  checkNode();
  const [mode, ...words] = process.argv.slice(2);
  const run = mode === undefined ? suite : MODES[mode];
  if (run === undefined)
    throw new SetupError(
      `"${mode}" is not one of ${Object.keys(MODES).join(', ')}.`,
      'it is unknown',
      'npm test',
      2,
    );
  process.exitCode = await run(words);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.exitCode;
}

/** Everything a stranger needs to trust the checkout. */
async function suite() {
  const began = Date.now();
  if (provide('ffmpeg', 'chromium', 'gcc', 'C headers', 'ip').length > 0) return 1;
  process.env.CHROMIUM_PATH ??= locate('chromium');
  await preparePackages();
  const rows = [row('set-up', began, { passed: 0, failed: 0 })];
  for (const name of ['format', 'lint', 'types']) rows.push(await check(name));
  rows.push(await built());
  const runnable = rows.at(-1).failed === 0;
  for (const name of ['unit', 'chains', 'transport']) rows.push(await project(name));
  for (const name of ['e2e', 'browser']) rows.push(runnable ? await project(name) : notRun(name));
  if (rows.some(({ failed }) => failed > 0)) explainNamespaces();
  return conclude(rows);
}

/** Measures; with names of groups only those. Peers that are absent are named in their rows. */
async function bench(groups) {
  if (process.platform !== 'linux') {
    say('bench: needs Linux, for a network of its own. Nothing was measured.');
    return 2;
  }
  if (provide('gcc', 'C headers', 'ip', 'unshare', 'setpriv').length > 0) return 2;
  await prepare();
  const code = await node(['dist/test/bench/run.js', ...groups], BENCH_LIMIT_MS);
  return code === 0 || code === 2 ? code : 1;
}

/** Installs the programs that lancast is compared with. */
async function benchPeers() {
  const missing = provide('multicat', 'ffmpeg', 'VLC', 'GStreamer');
  if (locate('udpxy') === undefined) {
    say(
      'udpxy: Debian has no package of it; the row of the web viewers says so until `udpxy` is on the PATH',
    );
  }
  return missing.length > 0 ? 2 : 0;
}

async function fixtures() {
  if (provide('ffmpeg').length > 0) return 1;
  await prepare();
  return (await node(['dist/fixtures/make.js'])) === 0 ? 0 : 1;
}

async function lab() {
  const media = path.resolve(root, '..', 'shared', 'media');
  if (!existsSync(media)) {
    say(`lab: needs the media of ${media}, which is not there. Nothing was run.`);
    return 2;
  }
  if (process.platform !== 'linux' || process.getuid() !== 0 || locate('ip') === undefined) {
    say('lab: needs Linux, root and the program ip, for two hosts of its own. Nothing was run.');
    return 2;
  }
  await prepare();
  return conclude([await project('lab')]);
}

async function interop() {
  if (process.platform !== 'linux' || process.getuid() !== 0) {
    say('interop: needs Linux and root, for a network of its own. Nothing was run.');
    return 2;
  }
  const missing = provide('ffmpeg', 'VLC', 'GStreamer', 'multicat', 'ip');
  if (missing.length > 0) {
    say(`interop: needs ${missing.join(', ')}. Nothing was run.`);
    return 2;
  }
  await prepare();
  return conclude([await project('interop', { limitMs: 30 * 60_000, ownNetwork: true })]);
}

async function soak() {
  await prepare();
  return conclude([await project('soak', { limitMs: Infinity })]);
}

/** One of the scripts of package.json that only say yes or no. */
async function check(name) {
  const began = announce(name);
  const npm = process.env.npm_execpath;
  const args = ['run', '--silent', name];
  const code = npm?.endsWith('.js') ? await node([npm, ...args]) : await child('npm', args);
  return row(name, began, { passed: 0, failed: code === 0 ? 0 : 1 });
}

async function built() {
  const began = announce('build');
  try {
    await build();
    return row('build', began, { passed: 0, failed: 0 });
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return row('build', began, { passed: 0, failed: 1 });
  }
}

/** One project of vitest.config.ts; with `ownNetwork` in a network namespace whose loopback carries multicast. */
async function project(name, { limitMs = LIMIT_MS, ownNetwork = false } = {}) {
  const began = announce(name);
  const folder = mkdtempSync(path.join(tmpdir(), 'lancast-test-'));
  const report = path.join(folder, 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--project', name, ...reporters];
  const script = 'ip link set lo up; ip route add 239.0.0.0/8 dev lo src 127.0.0.1; exec "$0" "$@"';
  const namespace = ['-n', 'sh', '-ec', script, process.execPath, ...vitest];
  const code = ownNetwork ? await child('unshare', namespace, limitMs) : await node(vitest, limitMs);
  const counts = tally(report, code);
  rmSync(folder, { recursive: true, force: true });
  return row(name, began, counts);
}

/** What vitest's report says. A file that failed without a failing test, and a run without any test, are failures. */
function tally(report, code) {
  if (!existsSync(report)) return { passed: 0, failed: 1 };
  const { numPassedTests, numTotalTests, testResults } = JSON.parse(readFileSync(report, 'utf8'));
  const broken = testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  // Skipped and pending tests did not pass, so they failed.
  const failed = numTotalTests - numPassedTests + broken.length;
  const unearned = failed === 0 && (code !== 0 || numTotalTests === 0);
  return { passed: numPassedTests, failed: unearned ? 1 : failed };
}

function announce(name) {
  process.stdout.write(`\n── ${name} ──\n`);
  return Date.now();
}

function row(name, began, { passed, failed }) {
  return { name, passed, failed, seconds: (Date.now() - began) / 1000 };
}

function notRun(name) {
  process.stdout.write(`\n── ${name} ── not run, for the build failed\n`);
  return { name, passed: 0, failed: 1, seconds: 0 };
}

/** Prints the table and the closing line. */
function conclude(rows) {
  const sum = (key) => rows.reduce((all, each) => all + each[key], 0);
  const total = { name: 'total', passed: sum('passed'), failed: sum('failed'), seconds: sum('seconds') };
  process.stdout.write('\n');
  for (const { name, passed, failed, seconds } of [...rows, total]) {
    const words = [passed > 0 && `${passed} passed`, failed > 0 && `${failed} FAILED`].filter(Boolean);
    const result = words.join(', ') || 'ok';
    process.stdout.write(`${name.padEnd(10)} ${result.padEnd(28)} ${seconds.toFixed(1).padStart(7)} s\n`);
  }
  process.stdout.write(`\n${total.passed} passed, ${total.failed} failed\n`);
  return total.failed > 0 ? 1 : 0;
}

function node(args, limitMs = LIMIT_MS) {
  return child(process.execPath, args, limitMs);
}

/** Runs a child in a group of its own, so that one which hangs is ended with all it started. */
function child(command, args, limitMs = LIMIT_MS) {
  return new Promise((resolve) => {
    const running = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
    });
    const end = (signal) => {
      try {
        if (running.pid !== undefined) process.kill(-running.pid, signal);
      } catch {
        // it has ended in this moment
      }
    };
    const stop = (signal) => {
      end(signal);
      process.exit(signal === 'SIGINT' ? 130 : 143);
    };
    process.on('SIGINT', stop).on('SIGTERM', stop);
    const late = () => {
      process.stdout.write(`took longer than ${limitMs / 60_000} minutes, and was ended\n`);
      end('SIGKILL');
    };
    const timer = Number.isFinite(limitMs) ? setTimeout(late, limitMs) : undefined;
    running.on('error', () => resolve(127));
    running.on('close', (code, signal) => {
      clearTimeout(timer);
      process.off('SIGINT', stop).off('SIGTERM', stop);
      resolve(code ?? signal);
    });
  });
}
