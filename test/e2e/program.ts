/** Runs the real program, as people and scripts do: `node dist/cli/main.js …`. Needs `npm run build`. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach } from 'vitest';

/** The built program. Needs `npm run build`. */
export const MAIN = path.resolve('dist/cli/main.js');
const PATIENCE_MS = 20_000;
const LOOK_EVERY_MS = 10;

/** One line of `--json`. */
export type Event = { event: string } & Record<string, unknown>;

function isEvent(value: unknown): value is Event {
  return typeof value === 'object' && value !== null && 'event' in value && typeof value.event === 'string';
}

/** What a program said and how it ended. */
export interface Outcome {
  /** Exit status; `undefined` when a signal ended it. */
  code: number | undefined;
  stdout: Buffer;
  stderr: string;
}

/** A child process that is being listened to. */
export class Program {
  /** Resolves with everything it said. */
  readonly ended: Promise<Outcome>;
  readonly #child: ChildProcess;
  readonly #stdout: Buffer[] = [];
  #stderr = '';
  #running = true;

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    child.stdout.on('data', (chunk: Buffer) => this.#stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    child.stdin.on('error', () => undefined); // it ended before it read everything
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => {
        this.#running = false;
        resolve({ code: code ?? undefined, stdout: this.stdout, stderr: this.#stderr });
      });
    });
    started.add(this);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get stdout(): Buffer {
    return Buffer.concat(this.#stdout);
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The lines of JSON on stdout so far. */
  get events(): Event[] {
    const lines = this.stdout.toString().split('\n');
    return lines.slice(0, -1).map((line) => {
      const event: unknown = JSON.parse(line);
      if (!isEvent(event)) throw new Error(`not an event: ${line}`);
      return event;
    });
  }

  /** The first event of that name; waits for it. */
  async event(name: string): Promise<Event> {
    let found: Event | undefined;
    await this.until(() => (found = this.events.find((each) => each.event === name)) !== undefined, name);
    if (!found) throw new Error('until has seen it');
    return found;
  }

  /** Waits until something is true of it. Fails when it ends before, or after twenty seconds. */
  async until(isTrue: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    while (!isTrue()) {
      if (!this.#running && !isTrue())
        throw new Error(`ended before ${what}:\n${this.stdout.toString()}${this.#stderr}`);
      if (Date.now() > deadline)
        throw new Error(`no ${what} came:\n${this.stdout.toString()}${this.#stderr}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  /** Gives it bytes on standard input, and with `end` the end of them. */
  type(bytes: Buffer, end = false): void {
    if (end) this.#child.stdin?.end(bytes);
    else this.#child.stdin?.write(bytes);
  }

  /** Stops reading what it prints, as `head` does when it has enough. */
  closeStdout(): void {
    this.#child.stdout?.destroy();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

const started = new Set<Program>();
const folders: string[] = [];

afterEach(async () => {
  for (const program of started) program.kill('SIGKILL');
  await Promise.all([...started].map(({ ended }) => ended.catch(() => undefined)));
  started.clear();
  for (const each of folders.splice(0)) rmSync(each, { recursive: true, force: true });
});

/** Starts `lancast` with these words. */
export function lancast(...words: string[]): Program {
  return lancastIn(process.env, ...words);
}

/** The same in another environment. */
export function lancastIn(env: NodeJS.ProcessEnv, ...words: string[]): Program {
  if (!existsSync(MAIN)) throw new Error('dist/cli/main.js is not there: npm run build');
  return new Program(process.execPath, [MAIN, ...words], env);
}

/** A new empty folder, removed after the test. */
export function temporaryFolder(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'lancast-e2e-'));
  folders.push(made);
  return made;
}

/** Writes a file into a new folder; its path. */
export function fileOf(name: string, bytes: Buffer | string): string {
  const file = path.join(temporaryFolder(), name);
  writeFileSync(file, bytes);
  return file;
}

let given = 0;

/** A group and an even port that no other test uses, such as `239.255.77.3:20514`. */
export function freshGroup(): string {
  const number = given++;
  return `239.255.${1 + (process.pid % 200)}.${1 + (number % 250)}:${freshPort(number)}`;
}

/** An even port that no other test of this file uses, nor the seven behind it: a stream owns them. */
export function freshPort(number = given++): number {
  return 20_000 + ((process.pid * 64 + number * 10) % 12_000);
}

/** SHA-256, hexadecimal. */
export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What one recording came to. */
export interface Cast {
  sent: Outcome & { events: Event[] };
  recorded: Outcome & { events: Event[] };
  /** The recorded file. */
  file: Buffer;
  /** The summary of the recorder. */
  summary: Event;
}

/** Casts a file to a recorder that is already there, over loopback; resolves when both have ended. */
export async function cast(
  url: string,
  source: string,
  { send = [], record = [] }: { send?: readonly string[]; record?: readonly string[] } = {},
): Promise<Cast> {
  const out = path.join(temporaryFolder(), 'out.ts');
  const recorder = lancast('record', url, out, '--iface', 'lo', '--json', ...record);
  await recorder.event('recording');
  const sender = lancast('send', source, '--to', url, '--iface', 'lo', '--json', ...send);
  const sent = await sender.ended;
  // A sender that failed to start will never say goodbye.
  if (sent.code !== 0) recorder.kill('SIGTERM');
  const recorded = await recorder.ended;
  const summary = recorder.events.at(-1);
  if (summary?.event !== 'summary') throw new Error(`no summary:\n${sent.stderr}${recorded.stderr}`);
  return {
    sent: { ...sent, events: sender.events },
    recorded: { ...recorded, events: recorder.events },
    file: readFileSync(out),
    summary,
  };
}
