/**
 * What a command says: words for people on stderr, lines of JSON for programs on stdout.
 *
 * On a terminal the progress is one line that changes; elsewhere a plain line every ten seconds; with `--json` an event
 * a second.
 */
import { plainText } from './format.ts';

const TERMINAL_MS = 250;
const JSON_MS = 1000;
const PLAIN_MS = 10_000;
const COLOURS: Readonly<Record<string, number>> = { '✓': 32, '✗': 31, '!': 33, '➜': 36 };

/** A stream that words go to, such as `process.stderr`. */
export interface Screen {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Where an output writes, and how. */
export interface OutputOptions {
  stderr: Screen;
  stdout: Screen;
  /** True after `--json`: events are written. */
  json: boolean;
  /** The environment: NO_COLOR, FORCE_COLOR and TERM count. */
  env: Readonly<Record<string, string | undefined>>;
}

/** One event for programs. */
export type JsonEvent = { readonly event: string } & Readonly<Record<string, unknown>>;

/** Where words and events go: the output itself, or what speaks of one stream among several. */
export interface Voice {
  /** Stands before words that do not say themselves what they are about: `film.ts: `, or nothing. */
  readonly subject: string;
  say(lines: string): void;
  event(event: JsonEvent): void;
}

/** Where a command is: one line for people, and the same for programs. */
export interface Progress {
  line: string;
  event: JsonEvent;
}

export class Output implements Voice {
  readonly subject = '';
  /** True after `--json`. */
  readonly json: boolean;
  /** True when people see a line that changes. */
  readonly live: boolean;

  readonly #options: OutputOptions;
  readonly #colour: boolean;
  #line = ''; // the progress line as it stands on the terminal

  constructor(options: OutputOptions) {
    const { env, stderr } = options;
    this.#options = options;
    this.json = options.json;
    this.live = stderr.isTTY === true && env.TERM !== 'dumb';
    this.#colour = env.FORCE_COLOR ? env.FORCE_COLOR !== '0' : this.live && !env.NO_COLOR;
  }

  /** Says one or more lines to people. Controls in them are made harmless; a first mark (✓ ! ✗ ➜) gets its colour. */
  say(lines: string): void {
    const shown = lines.split('\n').map((line) => this.#painted(plainText(line)));
    this.#options.stderr.write(`${this.#erased()}${shown.join('\n')}\n${this.#line}`);
  }

  /** A voice that speaks of one thing among several: its events carry `facts`, its notes begin with `name`. */
  about(name: string, facts: Readonly<Record<string, unknown>>): Voice {
    return {
      subject: `${name}: `,
      say: (lines) => this.say(lines),
      event: ({ event, ...rest }) => this.event({ event, ...facts, ...rest }),
    };
  }

  /** Prints lines that are the command's data, to stdout; nothing with `--json`, where the events are the data. */
  print(lines: string): void {
    if (this.json) return;
    const shown = lines.split('\n').map((line) => plainText(line));
    this.#options.stdout.write(`${shown.join('\n')}\n`);
  }

  /** Tells programs one event; nothing without `--json`. Numbers that are not known are left out by the caller. */
  event(event: JsonEvent): void {
    if (this.json) this.#options.stdout.write(`${JSON.stringify(event)}\n`);
  }

  /** Shows a progress line that is asked for as often as it is shown. Returns how to end it. */
  follow(describe: () => Progress): () => void {
    const everyMs = this.live ? TERMINAL_MS : this.json ? JSON_MS : PLAIN_MS;
    let ticks = 0;
    const timer = setInterval(() => {
      ticks++;
      const { line, event } = describe();
      if (this.live) this.#redraw(line);
      else if (!this.json) this.say(line);
      if (this.json && (ticks * everyMs) % JSON_MS === 0) this.event(event);
    }, everyMs);
    timer.unref();
    return () => {
      clearInterval(timer);
      this.#redraw('');
    };
  }

  /** Puts a line in the place of the last one. */
  #redraw(line: string): void {
    const before = this.#erased();
    // One column stays free: some terminals start a new line when the last one is written.
    this.#line = plainText(line).slice(0, (this.#options.stderr.columns || 80) - 1);
    if (before !== '' || this.#line !== '') this.#options.stderr.write(before + this.#line);
  }

  #erased(): string {
    return this.#line === '' ? '' : '\r\x1b[2K';
  }

  #painted(line: string): string {
    if (!this.#colour) return line;
    return line.replace(/^(\s*)([✓✗!➜])/u, (_, space: string, mark: string) => {
      return `${space}\x1b[${COLOURS[mark] ?? 0}m${mark}\x1b[0m`;
    });
  }
}
