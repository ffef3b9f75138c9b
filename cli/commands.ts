/** The commands there are. Each is loaded only when it is wanted, so that lancast starts fast. */
import type { Command } from './command.ts';

type Load = () => Promise<Command>;

const COMMANDS: Readonly<Record<string, Load>> = {
  send: async () => (await import('./send.ts')).send,
  watch: async () => (await import('./watch.ts')).watch,
  record: async () => (await import('./record.ts')).record,
  probe: async () => (await import('./probe.ts')).probe,
  stats: async () => (await import('./stats.ts')).stats,
  demo: async () => (await import('./demo.ts')).demo,
  doctor: async () => (await import('./doctor.ts')).doctor,
};
const ALIASES: Readonly<Record<string, string>> = { view: 'watch' };

/** The names of all commands, in the order of the help. */
export const commandNames: readonly string[] = Object.keys(COMMANDS);

/** The command of this name or alias; `undefined` when there is none. */
export async function loadCommand(name: string): Promise<Command | undefined> {
  const own = Object.hasOwn(ALIASES, name) ? ALIASES[name] : name;
  return own !== undefined && Object.hasOwn(COMMANDS, own) ? COMMANDS[own]?.() : undefined;
}

/** All commands, for the overview and the reference page. */
export async function loadCommands(): Promise<Command[]> {
  return Promise.all(Object.values(COMMANDS).map((load) => load()));
}
