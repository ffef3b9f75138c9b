import { describe, expect, it } from 'vitest';
import { optionName } from '../../cli/command.ts';
import { commandNames, loadCommand, loadCommands } from '../../cli/commands.ts';
import { commandHelp, overview, referencePage } from '../../cli/help.ts';

const commands = await loadCommands();

describe('the help', () => {
  for (const command of commands) {
    it(`of ${command.name} names every argument and option, and fits a terminal`, () => {
      const text = commandHelp(command);
      for (const key of Object.keys(command.options)) expect(text).toContain(`${optionName(key)} `);
      for (const row of Object.values(command.arguments)) {
        if (row.kind !== 'switch') expect(text).toContain(row.placeholder);
      }
      for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
    });
    it(`of ${command.name} shows defaults that its own values accept`, () => {
      for (const row of [...Object.values(command.options), ...Object.values(command.arguments)]) {
        if (row.kind === 'defaulted') expect(row.type.parse(row.default)).toBeDefined();
      }
    });
  }
  it('names every command', () => {
    expect(commands.map(({ name }) => name)).toEqual(commandNames);
    for (const name of commandNames) expect(overview(commands)).toMatch(new RegExp(`^  ${name} +\\S`, 'm'));
  });
  it('is what docs/commands.md says', async () => {
    await expect(referencePage(commands)).toMatchFileSnapshot('../../docs/commands.md');
  });
});

describe('loadCommand', () => {
  it('knows aliases', async () => expect((await loadCommand('view'))?.name).toBe('watch'));
  for (const name of ['', 'constructor', 'toString', '__proto__']) {
    it(`takes "${name}" for no command`, async () => expect(await loadCommand(name)).toBeUndefined());
  }
});
