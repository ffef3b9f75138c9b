/**
 * Builds the native engine by one call of the C compiler: `npm ci` runs it, and so does whoever builds the program.
 *
 * Plain JavaScript without dependencies. It never fails an install: without a compiler, or when the compiler refuses,
 * the reason is written down beside where the addon would lie, and lancast then uses its JavaScript engine and tells why.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(folder, '..', '..');
const FLAGS = ['-std=c11', '-O2', '-Wall', '-Wextra', '-fvisibility=hidden', '-shared', '-fPIC', '-pthread'];

/**
 * Builds `lancast.node` into `target` unless it is there and newer than its sources, and writes down beside it what came of
 * it. Returns the reason why there is no addon, or `undefined` when there is one.
 */
export function buildNative(
  target = path.join(root, 'dist', 'native'),
  { compiler = process.env.CC || 'cc', platform = process.platform } = {},
) {
  const addon = path.join(target, 'lancast.node');
  const record = path.join(target, 'build.json');
  const sources = readdirSync(folder).filter((name) => /\.[ch]$/.test(name));
  const fingerprint = fingerprintOf(sources);
  const before = recorded(record);
  const current = before?.fingerprint === fingerprint && before.reason === undefined;
  if (current && existsSync(addon)) return undefined;
  mkdirSync(target, { recursive: true });
  const reason = compile(
    sources.filter((name) => name.endsWith('.c')),
    { addon, compiler, platform },
  );
  if (reason !== undefined) rmSync(addon, { force: true });
  writeFileSync(record, `${JSON.stringify({ fingerprint, ...(reason === undefined ? {} : { reason }) })}\n`);
  return reason;
}

/** What an addon depends on: its sources, the flags, and this machine. */
function fingerprintOf(sources) {
  const hash = createHash('sha256').update(JSON.stringify([FLAGS, process.platform, process.arch]));
  for (const name of sources.sort()) hash.update(name).update(readFileSync(path.join(folder, name)));
  return hash.digest('hex');
}

function recorded(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined; // never built, or the record is damaged: it is built anew
  }
}

/** One call of the compiler; the reason when it does not give an addon. */
function compile(sources, { addon, compiler, platform }) {
  if (platform !== 'linux') return `the native engine is for Linux, and this is ${platform}`;
  const headers = path.join(root, 'node_modules', 'node-api-headers', 'include');
  if (!existsSync(headers)) return 'the headers it is built with are missing (npm package node-api-headers)';
  // Built beside and moved: a running lancast keeps the file that it has loaded.
  const draft = `${addon}.${process.pid}`;
  const files = sources.map((name) => path.join(folder, name));
  const run = spawnSync(compiler, [...FLAGS, '-I', headers, '-o', draft, ...files], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  if (run.status === 0) {
    renameSync(draft, addon);
    return undefined;
  }
  rmSync(draft, { force: true });
  if (run.error?.code === 'ENOENT') return `no C compiler was found (${compiler})`;
  if (run.error) return `the C compiler (${compiler}) failed: ${run.error.message}`;
  const complaint = run.stderr.split('\n').find((line) => /error|fatal|cannot/i.test(line));
  return `the C compiler (${compiler}) failed: ${complaint ?? run.signal ?? `status ${run.status}`}`;
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const reason = buildNative();
  if (reason !== undefined) process.stderr.write(`lancast: without its native engine: ${reason}\n`);
}
