/**
 * `npm run native:check`: builds the native engine with the compiler's sanitizers and has it send and receive, open and close
 * under them. Status 0: nothing was reported; 1: something was; 2: the tools are missing.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(folder, '..', '..');
const sources = path.join(root, 'transport', 'native');
const headers = path.join(root, 'node_modules', 'node-api-headers', 'include');
const compiler = process.env.CC || 'cc';
const FLAGS = [
  '-std=c11',
  '-O1',
  '-g',
  '-fno-omit-frame-pointer',
  '-Wall',
  '-Wextra',
  '-shared',
  '-fPIC',
  '-pthread',
];

/** Node itself is not instrumented: the sanitizer's library is loaded before it, and sees our code only. */
const PASSES = [
  {
    name: 'addresses and undefined behaviour',
    flags: ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'],
    library: 'libasan.so',
    options: (log) => ({
      ASAN_OPTIONS: `log_path=${log}:exitcode=99:detect_leaks=1`,
      LSAN_OPTIONS: 'exitcode=0',
    }),
  },
  {
    name: 'threads',
    flags: ['-fsanitize=thread'],
    library: 'libtsan.so',
    options: (log) => ({ TSAN_OPTIONS: `log_path=${log}:exitcode=0:report_signal_unsafe=0` }),
  },
];
const SCRIPTS = readdirSync(folder).filter(
  (name) => name.endsWith('.js') && name !== path.basename(import.meta.url),
);
const LONGEST_MS = 180_000;

/** The file of a sanitizer's library, or nothing. */
function libraryOf(name) {
  const { stdout } = spawnSync(compiler, [`-print-file-name=${name}`], { encoding: 'utf8' });
  const file = stdout?.trim() ?? '';
  return path.isAbsolute(file) && existsSync(file) ? file : undefined;
}

/** What Node itself allocates for a value of ours; whether it is freed before the process ends is its own affair. */
const BY_NODE = /#1 \S+ in napi_/;

/** The reports of a run that name our code: Node's own leaks are not ours. */
function reportsIn(temporary, log) {
  const files = readdirSync(temporary).filter((name) => name.startsWith(`${log}.`));
  const text = files.map((name) => readFileSync(path.join(temporary, name), 'utf8')).join('\n');
  return text
    .split(/\n(?=\S*(?:Direct|Indirect) leak of|=+\n|WARNING: )/)
    .filter((part) => part.includes('lancast.node') && !BY_NODE.test(part));
}

/** Runs one script under one sanitizer. Returns what is wrong with it. */
function run(script, { library, options }, temporary) {
  const log = `${path.basename(script, '.js')}-${library}`;
  const args = ['-R', process.execPath, path.join(folder, script), path.join(temporary, 'lancast.node')];
  const env = { ...process.env, ...options(path.join(temporary, log)), LD_PRELOAD: libraryOf(library) };
  // Without random addresses: the sanitizer of threads wants its places in memory.
  const ran = spawnSync('setarch', args, { env, encoding: 'utf8', timeout: LONGEST_MS });
  const reports = reportsIn(temporary, log);
  if (ran.status === 0 && reports.length === 0) return undefined;
  return [
    `status ${ran.status ?? ran.signal ?? ran.error?.message}`,
    ran.stdout,
    ran.stderr,
    ...reports,
  ].join('\n');
}

function missing() {
  if (process.platform !== 'linux') return 'the native engine is for Linux';
  if (!existsSync(headers)) return 'npm package node-api-headers is not installed';
  if (spawnSync('setarch', ['--version']).error) return 'setarch is missing: sudo apt-get install util-linux';
  const absent = PASSES.find(({ library }) => libraryOf(library) === undefined);
  return absent && `${absent.library} is missing: sudo apt-get install gcc`;
}

/** Builds the addon for one pass. */
function build({ flags }, temporary) {
  const files = readdirSync(sources).filter((name) => name.endsWith('.c'));
  const args = [...FLAGS, ...flags, '-I', headers, '-o', path.join(temporary, 'lancast.node')];
  const built = spawnSync(compiler, [...args, ...files.map((name) => path.join(sources, name))], {
    encoding: 'utf8',
  });
  if (built.status !== 0) throw new Error(built.stderr);
}

/** Runs all scripts in one pass. Returns how many are bad. */
function checkPass(pass, temporary) {
  build(pass, temporary);
  const faults = SCRIPTS.map((script) => [script, run(script, pass, temporary)]);
  for (const [script, fault] of faults) {
    process.stderr.write(`${fault === undefined ? 'ok  ' : 'BAD '} ${script}: ${pass.name}\n${fault ?? ''}`);
  }
  return faults.filter(([, fault]) => fault !== undefined).length;
}

function check() {
  const temporary = mkdtempSync(path.join(tmpdir(), 'lancast-check-'));
  try {
    const bad = PASSES.map((pass) => checkPass(pass, temporary));
    return bad.every((count) => count === 0) ? 0 : 1;
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

const lack = missing();
if (lack !== undefined) process.stderr.write(`native:check needs what is not here: ${lack}\n`);
process.exitCode = lack === undefined ? check() : 2;
