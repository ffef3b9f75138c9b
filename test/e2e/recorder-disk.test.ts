/** Recordings on real disks and pipes that are full, read-only, slow or gone, and in processes that are killed. */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RecordingSummary } from '../../receiver/sinks/recording.ts';
import { numberedStream } from '../helpers/numbered-datagram.ts';

interface Line {
  pushed?: number;
  trouble?: string;
  resumed?: true;
  gone?: true;
  summary?: RecordingSummary;
}

let folder = '';
let child = '';

/** Compiles the child afresh, so that no test runs on what was built before. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lancast-disk-'));
  const root = resolve(import.meta.dirname, '../..');
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      rootDir: root,
      outDir: folder,
      typeRoots: [join(root, 'node_modules/@types')],
    },
    files: [join(root, 'test/helpers/recording-child.ts')],
    include: [],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]);
  child = join(folder, 'test/helpers/recording-child.js');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** Runs a shell script in a mount namespace of its own, where `$DISK` is an empty folder to mount on. */
function inNamespace(script: string) {
  const disk = mkdtempSync(join(folder, 'mount-'));
  const env = { ...process.env, DISK: disk, NODE: process.execPath, CHILD: child };
  return spawn('unshare', ['-rm', 'sh', '-ec', script], { env, stdio: ['ignore', 'pipe', 'pipe'] });
}

function parse(line: string): Line {
  const parsed: Line = JSON.parse(line);
  return parsed;
}

/** The lines of a child as they come, each with the time it was read. */
function listen(stream: NodeJS.ReadableStream): { lines: [at: number, line: Line][]; ended: Promise<void> } {
  const lines: [number, Line][] = [];
  const reader = createInterface(stream);
  reader.on('line', (line) => {
    if (line.startsWith('{')) lines.push([performance.now(), parse(line)]);
  });
  return { lines, ended: new Promise((resolve) => reader.once('close', resolve)) };
}

const news = (lines: [number, Line][]) =>
  lines.flatMap(
    ([, { trouble, resumed, gone }]) => trouble ?? (resumed && 'resumed') ?? (gone && 'gone') ?? [],
  );
const lastPushed = (lines: [number, Line][]) => lines.findLast(([, line]) => line.pushed)?.[1].pushed ?? 0;
const summaryOf = (lines: [number, Line][]) => lines.at(-1)?.[1].summary;

describe('a recorder', () => {
  it('survives a full disk and loses nothing when room is made in time', async () => {
    const run = inNamespace(`
      mount -t tmpfs -o size=2m none "$DISK"
      head -c 1500000 /dev/zero > "$DISK/ballast"
      "$NODE" "$CHILD" "$DISK/a.ts" 2000000 5000 "$DISK/ballast"
      cat "$DISK/a.ts"`);
    const { lines, ended } = listen(run.stderr);
    const [file] = await Promise.all([bytesOf(run.stdout), ended]);
    expect(news(lines)).toEqual(['E401', 'resumed']);
    expect(summaryOf(lines)).toMatchObject({
      bytes: file.length,
      sha256: sha256(file),
      gaps: 0,
      droppedBytes: 0,
    });
    expect(file.equals(numberedStream(lastPushed(lines)))).toBe(true);
  });

  it('says that the disk is full within a second, and leaves a file of whole packets that its summary describes', async () => {
    const run = inNamespace(`
      mount -t tmpfs -o size=300k none "$DISK"
      "$NODE" "$CHILD" "$DISK/a.ts" 2000000 3000
      cat "$DISK/a.ts"`);
    const { lines, ended } = listen(run.stderr);
    const [file] = await Promise.all([bytesOf(run.stdout), ended]);
    const summary = summaryOf(lines);
    expect(news(lines)).toEqual(['E401']);
    const fullAt = lines.find(([, line]) => (line.pushed ?? 0) > 300 * 1024)?.[0] ?? NaN;
    const saidAt = lines.find(([, line]) => line.trouble)?.[0] ?? NaN;
    expect(saidAt - fullAt).toBeLessThan(1000);
    expect(file.length % 188).toBe(0);
    expect(file.length).toBeGreaterThan(300 * 1024 - 4096 - 188);
    expect(file.equals(numberedStream(file.length))).toBe(true);
    expect(summary).toMatchObject({ bytes: file.length, sha256: sha256(file), gaps: 1 });
    expect(file.length + (summary?.droppedBytes ?? 0)).toBe(lastPushed(lines));
  });

  it('refuses a read-only disk at once', async () => {
    const run = inNamespace(`
      mount -t tmpfs -o ro none "$DISK"
      "$NODE" "$CHILD" "$DISK/a.ts" 2000000 3000`);
    const said = await text(run.stderr);
    expect(said).toContain('EROFS');
    expect(said).toContain("code: 'E402'");
  });

  it('leaves all but the last 250 ms in whole packets when its process is killed', async () => {
    const path = join(folder, 'killed.ts');
    const run = spawn(process.execPath, [child, path, '20000000', '60000'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const { lines, ended } = listen(run.stderr);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const killedAt = performance.now();
    run.kill('SIGKILL');
    await ended;
    const file = readFileSync(path);
    const due = lines.findLast(([at]) => at <= killedAt - 250)?.[1].pushed ?? NaN;
    expect(due).toBeGreaterThan(1_000_000);
    expect(file.length).toBeGreaterThanOrEqual(due);
    expect(file.length % 188).toBe(0);
    expect(file.equals(numberedStream(file.length))).toBe(true);
  });
});

describe('a recording into a pipe', () => {
  it('never waits for its reader, and loses nothing while 64 MiB suffice', async () => {
    const run = spawn(process.execPath, [child, '-', '40000000', '2000'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { lines, ended } = listen(run.stderr);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const times = lines.map(([at]) => at);
    const longest = Math.max(...times.slice(1).map((at, index) => at - (times[index] ?? 0)));
    expect(longest).toBeLessThan(1000);
    expect(lastPushed(lines)).toBeGreaterThan(2_000_000);
    const [piped] = await Promise.all([bytesOf(run.stdout), ended]);
    expect(news(lines)).toEqual([]);
    expect(piped.equals(numberedStream(lastPushed(lines)))).toBe(true);
    expect(summaryOf(lines)).toMatchObject({ path: '-', bytes: piped.length, sha256: sha256(piped) });
  });

  it('ends quietly when its reader goes away', async () => {
    const run = spawn(process.execPath, [child, '-', '40000000', '60000'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { lines, ended } = listen(run.stderr);
    run.stdout.once('data', () => run.stdout.destroy());
    await ended;
    expect(news(lines)).toEqual(['gone']);
    expect(summaryOf(lines)?.bytes).toBeGreaterThan(0);
  });
});

/** Everything a stream carries. */
async function bytesOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}
