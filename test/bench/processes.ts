/** Runs programs to be measured, and reads what they cost from `/proc`. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A program that is being measured. */
export class Measured implements AsyncDisposable {
  /** What it has written to its standard output. */
  output = '';
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once('close', () => resolve());
      this.#child.once('error', reject);
    });
    this.#ended.catch(() => undefined);
  }

  /** The share of one core it takes over the next `ms`, in percent. */
  async cpuPercent(ms: number): Promise<number> {
    const before = this.#cpuNs();
    const from = performance.now();
    await sleep(ms);
    return (this.#cpuNs() - before) / 1e4 / (performance.now() - from);
  }

  /** Most memory it ever held, MB. */
  get peakRssMb(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return (Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) * 1024) / 1e6;
  }

  /** Asks it to end as Ctrl-C does, and waits. */
  async stop(): Promise<void> {
    this.#child.kill('SIGINT');
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Time on a processor, of all threads. */
  #cpuNs(): number {
    const tasks = `/proc/${this.#child.pid}/task`;
    if (this.#child.exitCode !== null)
      throw new Error(`${this.#child.spawnfile} ended before it was measured`);
    let total = 0;
    for (const task of readdirSync(tasks)) {
      total += Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]);
    }
    return total;
  }
}
