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
const target = path.join(root, 'dist', 'native');
const ADDON = path.join(target, 'lancast.node');
const RECORD = path.join(target, 'build.json');
const FLAGS = ['-std=c11', '-O2', '-Wall', '-Wextra', '-shared', '-fPIC', '-pthread'];

/**
 * Builds what is missing or older than its sources. Returns the reason why there is no addon, or `undefined` when there
 * is one.
 */
export function buildNative() {
  const sources = readdirSync(folder).filter((name) => /\.[ch]$/.test(name));
  const fingerprint = fingerprintOf(sources);
  const before = record();
  const current = before?.fingerprint === fingerprint;
  if (current && before.reason === undefined && existsSync(ADDON)) return undefined;
  const reason = compile(sources.filter((name) => name.endsWith('.c')));
  mkdirSync(target, { recursive: true });
  if (reason !== undefined) rmSync(ADDON, { force: true });
  writeFileSync(RECORD, `${JSON.stringify({ fingerprint, ...(reason === undefined ? {} : { reason }) })}\n`);
  return reason;
}

/** What an addon depends on: its sources, the flags, and this machine. */
function fingerprintOf(sources) {
  const hash = createHash('sha256').update(JSON.stringify([FLAGS, process.platform, process.arch]));
  for (const name of sources.sort()) hash.update(name).update(readFileSync(path.join(folder, name)));
  return hash.digest('hex');
}

function record() {
  try {
    return JSON.parse(readFileSync(RECORD, 'utf8'));
  } catch {
    return undefined; // never built, or the record is damaged: it is built anew
  }
}

/** One call of the compiler; the reason when it does not give an addon. */
function compile(sources) {
  if (process.platform !== 'linux') return `the native engine is for Linux, and this is ${process.platform}`;
  const headers = path.join(root, 'node_modules', 'node-api-headers', 'include');
  if (!existsSync(headers)) return 'the headers it is built with are missing (npm package node-api-headers)';
  const compiler = process.env.CC || 'cc';
  mkdirSync(target, { recursive: true });
  // Built beside and moved: a running lancast keeps the file that it has loaded.
  const draft = path.join(target, `lancast.${process.pid}.node`);
  const files = sources.map((name) => path.join(folder, name));
  const run = spawnSync(compiler, [...FLAGS, '-I', headers, '-o', draft, ...files], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  if (run.status === 0) {
    renameSync(draft, ADDON);
    return undefined;
  }
  rmSync(draft, { force: true });
  if (run.error?.code === 'ENOENT') return `no C compiler was found (${compiler})`;
  const complaint = `${run.stderr ?? ''}`.split('\n').find((line) => /error|fatal|cannot/i.test(line));
  return `the C compiler (${compiler}) failed: ${complaint ?? run.error?.message ?? run.signal ?? `status ${run.status}`}`;
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const reason = buildNative();
  if (reason !== undefined) process.stderr.write(`lancast: without its native engine: ${reason}\n`);
}
