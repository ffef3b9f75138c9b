/** Builds and runs `capture.c`, which measures how evenly a stream arrives. */
import { execFile, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

/** What was captured; see `capture.c`. Figures that need more datagrams or PCRs than came are absent. */
export interface Captured {
  datagrams: number;
  bytes: number;
  seconds: number;
  burst: number;
  /** Seconds since 1970. */
  first?: number;
  ttl?: number;
  pcr50Us?: number;
  pcr99Us?: number;
  pcr999Us?: number;
}

/** Where and how long to listen. */
export interface CaptureOptions {
  group: string;
  port: number;
  seconds: number;
  /** Ends after this much silence behind the first datagram. */
  idleMs: number;
}

/** Compiles the program into `folder`; returns its path. Rejects when there is no C compiler. */
export async function buildCapture(root: string, folder: string): Promise<string> {
  const program = path.join(folder, 'capture');
  const source = path.join(root, 'test/bench/capture.c');
  await promisify(execFile)('cc', ['-O2', '-o', program, source, '-lm']);
  return program;
}

/** Starts to listen on loopback; resolves when the group is joined, with a promise of what came. */
export async function startCapture(
  program: string,
  options: CaptureOptions,
): Promise<{ captured: Promise<Captured> }> {
  const { group, port, seconds, idleMs } = options;
  const args = [group, String(port), '127.0.0.1', String(seconds), String(idleMs)];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const captured = new Promise<Captured>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code !== 0) return reject(new Error(`capture ended with status ${code}`));
      const figures: Captured = JSON.parse(text);
      resolve(figures);
    });
  });
  await new Promise<void>((resolve, reject) => {
    createInterface(child.stderr).once('line', () => resolve());
    captured.catch(reject);
  });
  return { captured };
}
