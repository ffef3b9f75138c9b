/**
 * The ffmpeg program: where it is, and running it as a supervised child for live pipelines.
 *
 * Arguments are always an array and never pass a shell. Conversions of files run through `conversion.ts`.
 */
import { execFile, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { type Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import { LancastError } from '../wire/errors.ts';

/** An ffmpeg that was run once and answered. */
export interface Ffmpeg {
  /** What to run: a path, or `ffmpeg` when it lies on the PATH. */
  path: string;
  /** As it names itself: `5.1.9-0+deb12u1`. */
  version: string;
}

/** The last answer, and what was to be tried then. */
let found: { tried: string; ffmpeg: Promise<Ffmpeg> } | undefined;

/**
 * The first ffmpeg that runs: `LANCAST_FFMPEG`, the package `ffmpeg-static`, `ffmpeg` on the PATH. Looked for once a process.
 *
 * Throws E204 with `tried` when there is none. `LANCAST_FFMPEG`, when set, is the only one tried.
 */
export function findFfmpeg(): Promise<Ffmpeg> {
  const paths = candidates();
  const tried = paths.join('\n');
  if (found?.tried === tried) return found.ffmpeg;
  const ffmpeg = firstThatRuns(paths);
  found = { tried, ffmpeg };
  ffmpeg.catch(() => (found = undefined)); // it may be installed meanwhile: the next call looks again
  return ffmpeg;
}

function candidates(): string[] {
  const chosen = process.env['LANCAST_FFMPEG'];
  if (chosen !== undefined && chosen !== '') return [chosen];
  const bundled = bundledPath();
  return bundled === undefined ? ['ffmpeg'] : [bundled, 'ffmpeg'];
}

/** Where `ffmpeg-static` says its binary is. It is an optional dependency, and the file need not exist. */
function bundledPath(): string | undefined {
  try {
    const path: unknown = createRequire(import.meta.url)('ffmpeg-static');
    return typeof path === 'string' ? path : undefined;
  } catch {
    return undefined;
  }
}

async function firstThatRuns(paths: readonly string[]): Promise<Ffmpeg> {
  let cause: unknown;
  for (const path of paths) {
    try {
      const { stdout } = await promisify(execFile)(path, ['-hide_banner', '-version'], { timeout: 10_000 });
      return { path, version: /^ffmpeg version (\S+)/.exec(stdout)?.[1] ?? 'unknown' };
    } catch (error) {
      cause = error;
    }
  }
  throw new LancastError(
    'E204',
    `no ffmpeg that runs: tried ${paths.join(', ')}`,
    { tried: paths },
    { cause },
  );
}

/** How a child ended: a status, or the signal that killed it. */
export interface ChildExit {
  code: number | null;
  signal: string | null;
}

/** A running ffmpeg. Standard error is kept in a ring, the other pipes are the caller's. */
export class FfmpegChild {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** File descriptor 3 of the child (`pipe:3`), a second input. */
  readonly extra: Writable;
  readonly messages = new MessageRing();
  /** Resolves when the process is gone. Never rejects. */
  readonly exited: Promise<ChildExit>;
  readonly #kill: () => void;

  /** @param args everything after the program's name */
  constructor(ffmpeg: Ffmpeg, args: readonly string[]) {
    const child = spawn(ffmpeg.path, args, { stdio: ['pipe', 'pipe', 'pipe', 'pipe'], windowsHide: true });
    const [stdin, stdout, stderr, extra] = child.stdio;
    this.stdin = stdin;
    this.stdout = stdout;
    // Asked for as a pipe above; the type only knows the first three.
    if (!(extra instanceof Writable)) throw new TypeError('pipe 3 of a child is not writable');
    this.extra = extra;
    this.#kill = () => child.kill('SIGKILL');
    stderr.setEncoding('utf8').on('data', (text: string) => this.messages.append(text));
    // A child that has gone away shows as its exit; EPIPE on the way is no news.
    for (const pipe of [stdin, extra]) pipe.on('error', () => undefined);
    this.exited = new Promise((resolve) => {
      child.once('error', () => resolve({ code: null, signal: null }));
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
  }

  /** Kills the process if it still runs and waits until it is gone. */
  async stop(): Promise<void> {
    this.#kill();
    this.stdout.destroy();
    await this.exited;
  }
}

const RING_CHARACTERS = 64 * 1024;

/** The last 64 KiB of what a child said. */
export class MessageRing {
  #text = '';

  append(text: string): void {
    this.#text = (this.#text + text).slice(-RING_CHARACTERS);
  }

  /** The last `count` lines that are not empty. */
  lastLines(count: number): string[] {
    const lines = this.#text.split(/[\r\n]+/).map((line) => line.trim());
    return lines.filter((line) => line !== '').slice(-count);
  }

  get text(): string {
    return this.#text;
  }
}

/** E205: ffmpeg ended although nobody asked it to. @param status how: `status 1`, `signal SIGKILL` */
export function ffmpegStopped(status: string, messages: MessageRing): LancastError {
  const stderr = messages.lastLines(3).join(' | ');
  return new LancastError('E205', `ffmpeg stopped on its own: ${status}`, { status, stderr });
}

/** How a child ended, in words; `undefined` when all was well. */
export function exitStatus({ code, signal }: ChildExit): string | undefined {
  if (signal !== null) return `signal ${signal}`;
  return code === 0 ? undefined : `status ${code ?? 'unknown'}`;
}
