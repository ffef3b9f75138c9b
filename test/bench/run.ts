/**
 * `npm run bench [-- GROUP...]`: measures what lancast costs beside what others cost, in the same run, and prints it.
 *
 * A run of all groups also writes docs/performance.json and docs/performance.md. Runs itself again inside a network
 * namespace of its own, whose loopback carries the groups: peers need a route for that, and the machine's own network is
 * left alone. There nobody may ask for real-time priority, so that all programs run under the same scheduler. Exit status
 * 1 when a group broke, 2 when something that is needed is missing; a row that falls short of its goal is no failure.
 */
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdtempSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { chooseEngine } from '../../transport/engine.ts';
import type { Bench, Findings } from './bench.ts';
import { buildCapture } from './capture.ts';
import { Films } from './films.ts';
import { GROUPS, type Group } from './groups.ts';
import { describeMachine } from './machine.ts';
import { PEER_NAMES, compile, installedPeers, isInstalled } from './programs.ts';
import { formatReport, toJson, toMarkdown, type Report, type Section } from './report.ts';

const INSIDE = 'LANCAST_BENCH_INSIDE_NAMESPACE';
const NAMESPACE =
  'ip link set lo up && ip route add 239.0.0.0/8 dev lo src 127.0.0.1 && exec setpriv --bounding-set -sys_nice "$@"';
const NEEDED: readonly [program: string, what: string][] = [
  ['cc', 'a C compiler (gcc, libc6-dev)'],
  ['ip', 'ip (iproute2)'],
  ['unshare', 'unshare (util-linux)'],
  ['setpriv', 'setpriv (util-linux)'],
];
/** How the run inside ends when a group broke; 1 is what `unshare` ends with when it may not. */
const BROKEN = 3;
const INTERRUPTED = 130;
/** Room for a film of 1 GB and recordings of it. */
const MEMORY_BYTES = 4e9;

const names = process.argv.slice(2);
process.exitCode = process.env[INSIDE] === undefined ? outside() : await inside();

function outside(): number {
  const unknown = names.filter((name) => !GROUPS.some((group) => group.name === name));
  if (unknown.length > 0) {
    console.error(
      `bench: no group is called ${unknown.join(', ')}; there are ${GROUPS.map(({ name }) => name).join(', ')}.`,
    );
    return 2;
  }
  const missing = NEEDED.filter(([program]) => !isInstalled(program));
  if (missing.length > 0) {
    console.error(`bench: missing: ${missing.map(([, what]) => what).join('; ')}. Nothing was measured.`);
    return 2;
  }
  const flags = process.getuid?.() === 0 ? '-n' : '-rn';
  const self = [process.execPath, fileURLToPath(import.meta.url), ...names];
  const { status } = spawnSync('unshare', [flags, 'sh', '-c', NAMESPACE, 'sh', ...self], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1' },
  });
  if (status === 0 || status === INTERRUPTED) return status;
  if (status === BROKEN) return 1;
  console.error('bench: did not run to its end. It needs to make a network namespace: run it as root.');
  return 2;
}

async function inside(): Promise<number> {
  const root = projectRoot();
  const folder = mkdtempSync(path.join(tmpdir(), 'lancast-bench-'));
  const memory = memoryFolder();
  clearAtExit(memory === undefined ? [folder] : [folder, memory]);
  // VLC runs as nobody, and has to reach the film.
  chmodSync(folder, 0o755);
  const machine = describeMachine();
  const { engine, reason } = await chooseEngine();
  const bench = await prepareBench(root, folder, memory ?? folder);
  const report: Report = {
    machine: {
      ...machine,
      engine: `${engine.kind}: ${reason}`,
      recordings: memory === undefined ? tmpdir() : 'memory (tmpfs), so that no disk is measured',
      peers: Object.fromEntries(PEER_NAMES.map((name) => [name, bench.peers.get(name) ?? null])),
    },
    sections: await measure(bench),
  };
  console.log(formatReport(report));
  if (names.length === 0) await writeDocs(root, report);
  return report.sections.some(({ broken }) => broken) ? BROKEN : 0;
}

async function prepareBench(root: string, folder: string, recordings: string): Promise<Bench> {
  const films = new Films(folder, recordings);
  return {
    lancast: path.join(root, 'dist/cli/main.js'),
    capture: await buildCapture(root, folder),
    cost: await compile(root, folder, 'cost'),
    listen: await compile(root, folder, 'listen'),
    smallBuffer: await compile(root, folder, 'small-buffer', '-shared', '-fPIC', '-ldl'),
    film: films.programme,
    films,
    folder,
    recordings,
    peers: installedPeers(),
  };
}

/** Gigabytes must not stay behind, however it ends. */
function clearAtExit(folders: readonly string[]): void {
  process.once('exit', () => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });
  process.once('SIGINT', () => process.exit(INTERRUPTED));
  process.once('SIGTERM', () => process.exit(INTERRUPTED));
}

/** Runs the groups that were asked for, all of them when none was. */
async function measure(bench: Bench): Promise<Section[]> {
  const chosen = GROUPS.filter(({ name }) => names.length === 0 || names.includes(name));
  console.error(`bench: load ${loadavg()[0]?.toFixed(2)}: other work on this machine spoils the figures`);
  const sections: Section[] = [];
  for (const group of chosen) {
    const began = performance.now();
    console.error(`bench: ${group.name} …`);
    const { rows, tables = [], broken = false } = await attempt(group, bench);
    sections.push({ title: group.title, rows, tables, ...(broken && { broken }) });
    console.error(`bench: ${group.name}: ${((performance.now() - began) / 1000).toFixed(0)} s`);
  }
  return sections;
}

/** A group that breaks is a row that says so, and the others still run. */
async function attempt(group: Group, bench: Bench): Promise<Findings & { broken?: boolean }> {
  try {
    return await group.run(bench);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return {
      rows: [{ work: group.name, lancast: `not measured: ${why}`, goal: 'a measurement' }],
      broken: true,
    };
  }
}

async function writeDocs(root: string, report: Report): Promise<void> {
  const json = toJson(report);
  writeFileSync(
    path.join(root, 'docs/performance.json'),
    await format(json, { parser: 'json', printWidth: 110 }),
  );
  const page = await format(toMarkdown(report), { parser: 'markdown', printWidth: 110 });
  writeFileSync(path.join(root, 'docs/performance.md'), page);
}

/** A new folder in memory, when there is one with room. */
function memoryFolder(): string | undefined {
  try {
    accessSync('/dev/shm', constants.W_OK);
    const { bavail, bsize } = statfsSync('/dev/shm');
    return bavail * bsize < MEMORY_BYTES ? undefined : mkdtempSync('/dev/shm/lancast-bench-');
  } catch {
    return undefined;
  }
}

/** The folder of package.json: this file runs from `dist`. */
function projectRoot(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, 'package.json'))) folder = path.dirname(folder);
  return folder;
}
