/**
 * Sets up what a checkout lacks: the npm packages and the built program.
 *
 * Plain JavaScript without dependencies, for it runs on a fresh clone. Shared by `launch.js` and `test/run.js`. All its
 * words go to stderr: stdout is data.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { rmSync, utimesSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { buildNative } from '../transport/native/build.js';

/** The folder of the checkout. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** What the program is built from; a change in any of it calls for a new build. */
const SOURCES = `wire jitter-buffer codecs transport sender receiver call web-viewer cli fixtures test/bench
  test/helpers tsconfig.json tsconfig.build.json package-lock.json`.split(/\s+/);
const STAMP = path.join(root, 'dist', '.built');
const LOCK = path.join(root, '.setup.lock');
const POLL_MS = 200;

/** A mistake for people to fix: what happened, why, what to do, and the exit status. */
export class SetupError extends Error {
  constructor(what, why, fix, exitCode = 10) {
    super(`lancast: ${what}\n  why: ${why}\n  fix: ${fix}`);
    this.exitCode = exitCode;
  }
}

/** Writes one line to people. */
export function say(line) {
  process.stderr.write(`lancast: ${line}\n`);
}

/** Throws when this Node.js is older than package.json asks for. */
export function checkNode(version = process.versions.node) {
  const wanted = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).engines.node.replace(
    '>=',
    '',
  );
  const [major, minor] = version.split('.').map(Number);
  const [needMajor, needMinor] = wanted.split('.').map(Number);
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return;
  throw new SetupError(
    `Node.js ${version} is too old.`,
    `lancast needs Node.js ${wanted} or newer.`,
    'install a newer one from https://nodejs.org or with your package manager, then try again',
  );
}

/** True when `node_modules` is absent or older than the lock file. */
export function packagesMissing() {
  const installed = mtime(path.join(root, 'node_modules', '.package-lock.json'));
  return installed < mtime(path.join(root, 'package-lock.json'));
}

/** True when `dist` is absent or older than the sources. */
export function buildMissing() {
  const built = mtime(STAMP);
  return built === 0 || SOURCES.some((name) => newerThan(path.join(root, name), built));
}

/** Makes the checkout ready to run; at once when it is. Concurrent callers wait for each other. */
export async function prepare() {
  if (!packagesMissing() && !buildMissing()) return;
  await locked(async () => {
    if (packagesMissing()) await installPackages();
    if (buildMissing()) await build();
  });
}

/** Makes sure that the npm packages are there, and nothing else. */
export async function preparePackages() {
  if (packagesMissing()) await locked(async () => packagesMissing() && installPackages());
}

async function installPackages() {
  say('installing the npm packages, which takes a minute the first time …');
  // The build needs the development packages, whatever NODE_ENV says; a silent npm would hide why it fails.
  const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  const byNode = npm !== undefined && /\bnpm-cli\.c?js$/.test(npm);
  const { code, output } = byNode
    ? await run(process.execPath, [npm, ...args])
    : await run(process.platform === 'win32' ? 'npm.cmd' : 'npm', args);
  if (code === 0) return;
  const offline = /ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH|ERR_SOCKET_TIMEOUT/.test(
    output,
  );
  throw new SetupError(
    'the npm packages could not be installed.',
    offline
      ? 'the npm registry cannot be reached: this computer seems to have no internet access.'
      : `npm ci ended with ${code}; its words are above.`,
    offline ? 'connect to the internet once and try again' : 'run `npm ci` by hand and look at what it says',
  );
}

/** Builds the program (tsc), the page (vite) and, where there is a compiler, the native engine into `dist`. */
export async function build() {
  say('building …');
  const began = new Date();
  for (const [tool, ...args] of [
    ['typescript/bin/tsc', '-p', 'tsconfig.build.json'],
    ['vite/bin/vite.js', 'build', 'web-viewer/page', '--logLevel', 'warn'],
  ]) {
    const { code } = await run(process.execPath, [path.join(root, 'node_modules', tool), ...args]);
    if (code === 0) continue;
    throw new SetupError(
      'the program could not be built.',
      `${tool} ended with ${code}; its words are above.`,
      'undo your latest change; if you made none, delete node_modules and try again',
      1,
    );
  }
  buildNative(); // what stands in its way is told by whoever wants to know: `--verbose`
  // Stamped with the start: what is saved while it builds calls for another build.
  mkdirSync(path.dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, '');
  utimesSync(STAMP, began, began);
}

/** Runs a child whose words go to stderr; resolves with its exit code (or signal) and the last of its words. */
function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: command.endsWith('.cmd'),
    });
    const stop = (signal) => {
      child.kill(signal);
      rmSync(LOCK, { force: true });
      process.exit(signal === 'SIGINT' ? 130 : 143);
    };
    process.on('SIGINT', stop).on('SIGTERM', stop);
    let output = '';
    const keep = (chunk) => {
      process.stderr.write(chunk);
      output = (output + chunk).slice(-65_536);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const done = (code) => {
      process.off('SIGINT', stop).off('SIGTERM', stop);
      resolve({ code, output });
    };
    child.on('error', (error) => {
      output += error.message;
      process.stderr.write(`${error.message}\n`);
      done(error.code);
    });
    child.on('close', (code, signal) => done(code ?? signal));
  });
}

/** Runs `work` while this process holds the lock file, which names its process. */
async function locked(work) {
  try {
    accessSync(root, constants.W_OK);
  } catch (error) {
    throw new SetupError(
      `${root} has to be set up, and may not be written.`,
      error.code === 'EROFS' ? 'it lies on a read-only disk.' : 'it belongs to another user.',
      'run `npm start` there once as its owner, or copy the folder to a place of your own',
      8,
    );
  }
  for (let told = false; !acquire(); told = true) {
    if (!told) say('another lancast is setting this folder up; waiting for it …');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  try {
    await work();
  } finally {
    rmSync(LOCK, { force: true });
  }
}

/** Takes the lock file; false when a living process holds it. */
function acquire() {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  if (!abandoned()) return false;
  rmSync(LOCK, { force: true });
  return false; // Raced for anew after a pause, so that two who find it abandoned do not take each other's.
}

/** True when the process that the lock names is gone. A lock without a name yet was made this instant. */
function abandoned() {
  try {
    const holder = readFileSync(LOCK, 'utf8');
    if (holder === '') return Date.now() - mtime(LOCK) > 5000;
    process.kill(Number(holder), 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

/** True when the file, or anything in the folder, changed after `time`. */
function newerThan(file, time) {
  let stats;
  try {
    stats = statSync(file);
  } catch {
    return false; // a source that this checkout does not have
  }
  if (stats.mtimeMs > time) return true;
  if (!stats.isDirectory()) return false;
  return readdirSync(file).some((name) => newerThan(path.join(file, name), time));
}

/** When a file was last changed; 0 when there is none. */
function mtime(file) {
  try {
    return statSync(file).mtimeMs;
  } catch {
    return 0;
  }
}
