/** From a command line to an exit status: finds the command, runs it, words what goes wrong. */
import { LancastError } from '../wire/errors.ts';
import type { Context } from './command.ts';
import { commandNames, loadCommand, loadCommands } from './commands.ts';
import { commandHelp, overview } from './help.ts';
import { version } from './installation.ts';
import { nearest } from './nearest.ts';
import { report } from './report.ts';

/** Runs one command line; resolves with the exit status. Rejects only for bugs. */
export async function dispatch(argv: readonly string[], context: Context): Promise<number> {
  try {
    return await runCommand(argv, context);
  } catch (error) {
    if (!(error instanceof LancastError)) throw error;
    return report(error, context.output);
  }
}

/** True when the words ask for help, `--` aside: what follows it is a file's name. */
export function asksFor(argv: readonly string[], ...options: string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end === -1 ? argv.length : end).some((word) => options.includes(word));
}

async function runCommand(argv: readonly string[], context: Context): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined) {
    context.output.say(overview(await loadCommands()));
    return 2;
  }
  if (name === 'help' || name === '--help' || name === '-h') return help(rest[0]);
  if (name === 'version' || name === '--version' || name === '-V') return print(`lancast ${version()}`);
  const command = await loadCommand(name);
  if (command === undefined) throw unknownCommand(name);
  return asksFor(rest, '--help', '-h') ? print(commandHelp(command)) : command.run(rest, context);
}

async function help(name: string | undefined): Promise<number> {
  const command = name === undefined ? undefined : await loadCommand(name);
  if (name !== undefined && command === undefined) throw unknownCommand(name);
  return print(command ? commandHelp(command) : overview(await loadCommands()));
}

/** Help that was asked for is data: it goes to stdout. */
function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

function unknownCommand(name: string): LancastError {
  const meant = nearest(name, commandNames);
  const details = {
    reason: `there is ${commandNames.join(', ')}`,
    ...(meant ? { meant: `lancast ${meant}` } : {}),
  };
  return new LancastError('E001', `"${name}" is not a command of lancast`, details);
}
