/** Runs programs to be measured, and reads what they cost from `/proc`. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** How a program is started. */
export interface StartOptions {
  /** Added to the environment. */
  env?: Readonly<Record<string, string>>;
}

/** A program that does not end so long after Ctrl-C is killed. */
const PATIENCE_MS = 10_000;

/** A program that is being measured. */
export class Measured implements AsyncDisposable {
  /** What it has written to its standard output. */
  output = '';
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  constructor(command: string, args: readonly string[], { env }: StartOptions = {}) {
    this.#child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, ...env },
    });
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once('close', () => resolve());
      this.#child.once('error', reject);
    });
    this.#ended.catch(() => undefined);
  }

  /** The share of one core it takes over the next `ms`, in percent. */
  cpuPercent(ms: number): Promise<number> {
    return cpuPercent([this], ms);
  }

  /** Time on a processor so far, of all its threads and of programs it started, nanoseconds. Throws when it has ended. */
  get cpuNs(): number {
    if (this.ended) throw new Error(`${this.#child.spawnfile} ended before it was measured`);
    return cpuNsOf(this.#child.pid);
  }

  /** Most memory it ever held, MB. */
  get peakRssMb(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return (Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) * 1024) / 1e6;
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Resolves when `text` stands `times` in its output. Rejects when it ends before, or after `limitMs`. */
  async says(text: string, limitMs: number, times = 1): Promise<void> {
    const until = performance.now() + limitMs;
    while (this.output.split(text).length <= times) {
      if (this.ended || performance.now() > until)
        throw new Error(`${this.#child.spawnfile} never said ${text}`);
      await sleep(20);
    }
  }

  /** Waits for its own end; kills it after `limitMs`. */
  async end(limitMs: number): Promise<void> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), limitMs);
    await this.#ended.finally(() => clearTimeout(timer));
  }

  /** Asks it to end as Ctrl-C does, and waits. */
  async stop(): Promise<void> {
    this.#child.kill('SIGINT');
    await this.end(PATIENCE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => undefined);
  }
}

/** The share of one core that programs take together over the next `ms`, in percent. */
export async function cpuPercent(programs: readonly Measured[], ms: number): Promise<number> {
  const window = new CpuWindow(programs);
  await sleep(ms);
  const { cpuNs, seconds } = window.close();
  return cpuNs / 1e7 / seconds;
}

/** What programs take together from now on. */
export class CpuWindow {
  readonly #programs: readonly Measured[];
  readonly #from: number;
  readonly #beforeNs: number;

  constructor(programs: readonly Measured[]) {
    this.#programs = programs;
    this.#beforeNs = sumNs(programs);
    this.#from = performance.now();
  }

  /** Time on a processor, and how long the window was. */
  close(): { cpuNs: number; seconds: number } {
    const seconds = (performance.now() - this.#from) / 1000;
    return { cpuNs: sumNs(this.#programs) - this.#beforeNs, seconds };
  }
}

/** Ends programs, all at once. */
export async function stopAll(programs: readonly Measured[]): Promise<void> {
  await Promise.all(programs.map((each) => each.stop()));
}

/** What a program cost from its start to its end. */
export interface Cost {
  cpuNs: number;
  seconds: number;
}

/** Runs a program to its end under `cost.c`. Rejects when it fails or takes longer than `limitMs`. */
export async function costOf(
  cost: string,
  command: readonly string[],
  { limitMs, env }: StartOptions & { limitMs: number },
): Promise<Cost> {
  const options = { timeout: limitMs, env: { ...process.env, ...env }, maxBuffer: 64 << 20 };
  const { stderr } = await promisify(execFile)(cost, command, options);
  const line = stderr.trimEnd().split('\n').at(-1) ?? '';
  const { cpuUs, seconds }: { cpuUs: number; seconds: number } = JSON.parse(line);
  return { cpuNs: cpuUs * 1000, seconds };
}

function cpuNsOf(pid: number | string | undefined): number {
  const tasks = `/proc/${pid}/task`;
  let total = 0;
  for (const task of readdirSync(tasks)) {
    total += Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]);
    const children = readFileSync(`${tasks}/${task}/children`, 'utf8').split(' ');
    for (const child of children) if (child !== '') total += cpuNsOf(child);
  }
  return total;
}

function sumNs(programs: readonly Measured[]): number {
  let total = 0;
  for (const program of programs) total += program.cpuNs;
  return total;
}
