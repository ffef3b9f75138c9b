/** Builds and runs `capture.c`, which measures how evenly a stream arrives. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { compile } from './programs.ts';

/** What was captured; see `capture.c`. Figures that need more datagrams or PCRs than came are absent. */
export interface Captured {
  datagrams: number;
  bytes: number;
  seconds: number;
  burst: number;
  /** RTP sequence numbers that never came, between the first and the last that did. */
  missing?: number;
  /** Seconds since 1970. */
  first?: number;
  ttl?: number;
  /** Type of service: six bits of DSCP, two of ECN. */
  tos?: number;
  /** Error against the straight line through all datagrams. */
  line50Us?: number;
  line99Us?: number;
  line999Us?: number;
  /** Error against the programme clock. */
  pcr50Us?: number;
  pcr99Us?: number;
  pcr999Us?: number;
  pcrMaxUs?: number;
}

/** Where and how long to listen. */
export interface CaptureOptions {
  group: string;
  port: number;
  seconds: number;
  /** Ends after this much silence behind the first datagram. */
  idleMs: number;
  /** Ends after so many. */
  datagrams?: number;
}

/** Compiles the program into `folder`; returns its path. Rejects when there is no C compiler. */
export function buildCapture(root: string, folder: string): Promise<string> {
  return compile(root, folder, 'capture', '-lm');
}

/** Starts to listen on loopback; resolves when the group is joined, with a promise of what came. */
export async function startCapture(
  program: string,
  options: CaptureOptions,
): Promise<{ captured: Promise<Captured> }> {
  const { group, port, seconds, idleMs, datagrams } = options;
  const args = [group, port, '127.0.0.1', seconds, idleMs, ...(datagrams === undefined ? [] : [datagrams])];
  const child = spawn(program, args.map(String), { stdio: ['ignore', 'pipe', 'pipe'] });
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
