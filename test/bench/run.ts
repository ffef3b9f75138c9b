/**
 * `npm run bench`: prints the table of what lancast costs beside what others cost, measured in the same run.
 *
 * Runs itself again inside a network namespace of its own, whose loopback carries the groups: peers need a route for
 * that, and the machine's own network is left alone. Exit status 2 when something that is needed is missing.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { programme } from '../helpers/programme.ts';
import { pidsOf } from '../helpers/programme-parts.ts';
import { buildCapture } from './capture.ts';
import { benchReceiving } from './receiving.ts';
import { FILM_SECONDS, benchSending, type Bench } from './sending.ts';
import { benchStages } from './stages.ts';
import { formatTable } from './table.ts';

const INSIDE = 'LANCAST_BENCH_INSIDE_NAMESPACE';
const NAMESPACE = 'ip link set lo up && ip route add 239.0.0.0/8 dev lo src 127.0.0.1 && exec "$@"';
const TOOLS: readonly [program: string, what: string][] = [
  ['cc', 'a C compiler (gcc, libc6-dev)'],
  ['multicat', 'multicat, the sender and recorder it is compared with'],
  ['ingests', 'ingests, which comes with multicat'],
  ['ip', 'ip (iproute2)'],
  ['unshare', 'unshare (util-linux)'],
];

process.exitCode = process.env[INSIDE] === undefined ? outside() : await inside();

function outside(): number {
  const missing = TOOLS.filter(([program]) => spawnSync('which', [program]).status !== 0);
  if (missing.length > 0) {
    console.error(`bench: missing: ${missing.map(([, what]) => what).join('; ')}. Nothing was measured.`);
    return 2;
  }
  const flags = process.getuid?.() === 0 ? '-n' : '-rn';
  const args = [flags, 'sh', '-c', NAMESPACE, 'sh', process.execPath, fileURLToPath(import.meta.url)];
  const { status } = spawnSync('unshare', args, { stdio: 'inherit', env: { ...process.env, [INSIDE]: '1' } });
  if (status === 0) return 0;
  console.error('bench: did not run to its end. It needs to make a network namespace: run it as root.');
  return 2;
}

async function inside(): Promise<number> {
  const root = projectRoot();
  const folder = mkdtempSync(path.join(tmpdir(), 'lancast-bench-'));
  try {
    console.error('bench: about three minutes; other work on this machine spoils the figures');
    const film = path.join(folder, 'film.ts');
    const bytes = programme({
      durationMs: FILM_SECONDS * 1000,
      bitsPerSecond: 20_000_000,
      pcrIntervalMs: 30,
    });
    writeFileSync(film, bytes);
    execFileSync('ingests', ['-p', String(pidsOf(0).video), film], { stdio: 'ignore' });
    const lancast = path.join(root, 'dist/cli/main.js');
    const bench: Bench = { lancast, capture: await buildCapture(root, folder), film, folder };
    const rows = [
      ...(await benchSending(bench)),
      ...(await benchReceiving(bench)),
      ...(await benchStages(bytes)),
    ];
    console.log(
      `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, load ${loadavg()[0]?.toFixed(2)}\n`,
    );
    console.log(formatTable(rows));
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The folder of package.json: this file runs from `dist`. */
function projectRoot(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, 'package.json'))) folder = path.dirname(folder);
  return folder;
}
