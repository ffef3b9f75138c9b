/**
 * What a command is: one table of its arguments and options, which drives the parser, the help and the reference page.
 *
 * Defaults are written once, as people would type them.
 */
import { LancastError } from '../wire/errors.ts';
import { nearest } from './nearest.ts';
import type { Output } from './output.ts';
import type { ValueType } from './values.ts';

/** An option without a value, off unless given; `--no-…` turns it off again. */
export interface Switch {
  readonly kind: 'switch';
  readonly help: string;
}

/** An option or argument with one value. */
export interface Single<T> {
  readonly kind: 'single';
  /** What stands for the value in the help: `ADDRESS`. */
  readonly placeholder: string;
  readonly type: ValueType<T>;
  readonly help: string;
}

/** One with a value that holds when none is given. */
export interface Defaulted<T> extends Omit<Single<T>, 'kind'> {
  readonly kind: 'defaulted';
  /** As people would type it. */
  readonly default: string;
}

/** One that may be given several times; for arguments: one or more. */
export interface Repeated<T> extends Omit<Single<T>, 'kind'> {
  readonly kind: 'repeated';
}

/** One row of a command's table. */
export type Entry = Switch | Single<unknown> | Defaulted<unknown> | Repeated<unknown>;
/** Rows by name; `asIs` is typed as `--as-is`. */
export type Table = Readonly<Record<string, Entry>>;

/** What a row becomes. An option that may be missing is `undefined` then; an argument is never missing. */
type ValueOf<E, Missing> = E extends Switch
  ? boolean
  : E extends Repeated<infer T>
    ? T[]
    : E extends Defaulted<infer T>
      ? T
      : E extends Single<infer T>
        ? T | Missing
        : never;

/** The values of a command line, by the names of the table. */
export type Values<Arguments extends Table, Options extends Table> = {
  [Name in keyof Arguments]: ValueOf<Arguments[Name], never>;
} & { [Name in keyof Options]: ValueOf<Options[Name], undefined> };

/** What every command is given to work with. */
export interface Context {
  readonly output: Output;
  /** Aborts when people ask to stop: Ctrl-C, SIGTERM, or a reader of standard output that went away. */
  readonly signal: AbortSignal;
}

/** A command as it is written down. */
export interface CommandSpec<Arguments extends Table, Options extends Table> {
  readonly name: string;
  /** What it does, to stand behind its name: `cast a file to the network`. */
  readonly summary: string;
  /** Command lines worth copying, each with what it does. */
  readonly examples: readonly (readonly [line: string, meaning: string])[];
  readonly arguments: Arguments;
  readonly options: Options;
  /** Runs to its end, or until `context.signal` aborts; resolves with the exit status. */
  run(values: Values<Arguments, Options>, context: Context): Promise<number>;
}

/** A command as the dispatcher sees it. */
export interface Command extends Omit<CommandSpec<Table, Table>, 'run'> {
  run(argv: readonly string[], context: Context): Promise<number>;
}

/** Makes a command of its table and what it does. */
export function command<Arguments extends Table, Options extends Table>(
  spec: CommandSpec<Arguments, Options>,
): Command {
  return { ...spec, run: async (argv, context) => spec.run(readValues(argv, spec), context) };
}

/** An option that is on or off. */
export function flag(help: string): Switch {
  return { kind: 'switch', help };
}

/** An option or argument with one value; with a default it is never missing. */
export function single<T>(placeholder: string, type: ValueType<T>, help: string): Single<T> {
  return { kind: 'single', placeholder, type, help };
}

/** The same with a default, written as people would type it. */
export function defaulted<T>(row: Single<T>, typed: string): Defaulted<T> {
  return { ...row, kind: 'defaulted', default: typed };
}

/** An option that may be given several times, or an argument that takes all words but one for each row behind it. */
export function repeated<T>(placeholder: string, type: ValueType<T>, help: string): Repeated<T> {
  return { kind: 'repeated', placeholder, type, help };
}

/** How an option is typed: `asIs` is `--as-is`. */
export function optionName(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Reads a command line by its tables. Throws `LancastError` E001 for what does not fit them. */
export function readValues<Arguments extends Table, Options extends Table>(
  argv: readonly string[],
  spec: Pick<CommandSpec<Arguments, Options>, 'name' | 'arguments' | 'options'>,
): Values<Arguments, Options> {
  const typed = sortWords(argv, spec.options, spec.name);
  const found: Record<string, unknown> = {};
  for (const [key, row] of Object.entries(spec.options)) {
    found[key] = readRow(row, typed.options.get(key) ?? [], { name: optionName(key), command: spec.name });
  }
  const words = [...typed.words];
  let following = Object.keys(spec.arguments).length;
  for (const [key, row] of Object.entries(spec.arguments)) {
    const placeholder = row.kind === 'switch' ? key : row.placeholder;
    following--;
    const own = words.splice(0, row.kind === 'repeated' ? Math.max(1, words.length - following) : 1);
    if (own.length === 0 && row.kind !== 'defaulted') {
      throw usage(`${placeholder} is missing`, { command: spec.name });
    }
    found[key] = readRow(row, own, { name: placeholder, command: spec.name });
  }
  const [extra] = words;
  if (extra !== undefined) throw usage(`"${extra}" is one word too many`, { command: spec.name });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the tables have just given each value its type
  return found as Values<Arguments, Options>;
}

/** Options by key, each with all texts typed for it, and the other words in order. */
function sortWords(argv: readonly string[], options: Table, name: string) {
  const found = { options: new Map<string, string[]>(), words: [] as string[] };
  const queue = [...argv];
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === '--') {
      found.words.push(...queue);
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      found.words.push(word);
      continue;
    }
    const [, written = word, inline] = /^(--?[^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    const key = Object.keys(options).find((each) => matches(written, each, options[each]));
    if (key === undefined) throw unknownOption(written, options, name);
    found.options.set(key, [
      ...(found.options.get(key) ?? []),
      options[key]?.kind === 'switch'
        ? switchText(written, inline, name)
        : (inline ?? takeValue(written, queue, name)),
    ]);
  }
  return found;
}

function matches(written: string, key: string, row: Entry | undefined): boolean {
  const option = optionName(key);
  return written === option || (row?.kind === 'switch' && written === option.replace('--', '--no-'));
}

function switchText(written: string, inline: string | undefined, command: string): string {
  if (inline !== undefined) throw usage(`${written} takes no value`, { option: written, command });
  return written.startsWith('--no-') ? 'off' : 'on';
}

function takeValue(written: string, queue: string[], command: string): string {
  const value = queue[0];
  if (value === undefined || (value.startsWith('-') && value !== '-')) {
    throw usage(`${written} needs a value`, { option: written, command });
  }
  queue.shift();
  return value;
}

/** What a value was typed for: an option or the placeholder of an argument, of which command. */
interface Place {
  name: string;
  command: string;
}

function readRow(row: Entry, typed: readonly string[], place: Place): unknown {
  if (row.kind === 'switch') return typed.at(-1) === 'on';
  if (row.kind === 'repeated') return typed.map((each) => readValue(row.type, each, place));
  const last = typed.at(-1) ?? (row.kind === 'defaulted' ? row.default : undefined);
  return last === undefined ? undefined : readValue(row.type, last, place);
}

function readValue(type: ValueType<unknown>, typed: string, { name, command }: Place): unknown {
  const details = { value: typed, expected: type.expected, command };
  try {
    const value = type.parse(typed);
    if (value !== undefined) return value;
  } catch (error) {
    if (!(error instanceof LancastError) || error.code !== 'E001') throw error;
    throw usage(`${name} ${error.message}`, details);
  }
  throw usage(`${name} ${typed || '""'} does not fit`, details);
}

function unknownOption(written: string, options: Table, name: string): LancastError {
  const meant = nearest(written, [...Object.keys(options).map(optionName), '--help']);
  return usage(`${written} is not an option of lancast ${name}`, {
    command: name,
    ...(meant === undefined ? {} : { meant }),
  });
}

function usage(message: string, details: Record<string, string>): LancastError {
  return new LancastError('E001', message, details);
}
