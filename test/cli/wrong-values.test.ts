/** What people read who typed a value that does not fit: every option and argument of every command. */
import { describe, expect, it } from 'vitest';
import { optionName, readValues, type Command, type Entry } from '../../cli/command.ts';
import { loadCommands } from '../../cli/commands.ts';
import { explain, type Explanation } from '../../cli/errors.ts';
import { path2 } from '../../cli/values.ts';
import { LancastError } from '../../wire/errors.ts';

/** All rows with a value: the name in front of it, the words that give it `typed`, and what is right. */
function rowsOf(command: Command): [name: string, words: (typed: string) => string[], expected: string][] {
  const fitting: string[] = Object.values(command.arguments).map((row) =>
    placeholderOf(row) === 'URL' ? '239.1.1.1' : 'a.ts',
  );
  const ofArguments = Object.values(command.arguments).map((row, at) => ({
    row,
    name: placeholderOf(row),
    words: (typed: string) => fitting.with(at, typed),
  }));
  const ofOptions = Object.entries(command.options).map(([key, row]) => ({
    row,
    name: optionName(key),
    words: (typed: string) => [...fitting, `${optionName(key)}=${typed}`],
  }));
  return [...ofArguments, ...ofOptions].flatMap(({ row, name, words }) =>
    row.kind === 'switch' ? [] : [[name, words, row.type.expected]],
  );
}

function placeholderOf(row: Entry): string {
  return row.kind === 'switch' ? '' : row.placeholder;
}

/** What is said of a command line that must be refused. */
function saidOf(words: readonly string[], command: Command): Explanation {
  try {
    readValues(words, command);
  } catch (error) {
    if (error instanceof LancastError) return explain(error);
    throw error;
  }
  throw new Error(`${words.join(' ')} was taken`);
}

for (const command of await loadCommands()) {
  for (const [name, words, expected] of rowsOf(command)) {
    describe(`lancast ${command.name} with a ${name} that does not fit`, () => {
      // A text, and the name of a card, may be anything but nothing.
      for (const typed of expected === 'a text' || expected === path2.expected
        ? ['']
        : ['', '?', 'expected']) {
        it(`says ${typed === '' ? 'of nothing' : `of "${typed}"`} once what is wrong, and where to read on`, () => {
          const { what, why, fix, exitCode } = saidOf(words(typed), command);
          expect(what.startsWith(`${name} ${typed || '""'}`)).toBe(true);
          expect(what).not.toContain(expected);
          expect(why).toBe(`expected ${expected}`);
          expect(fix).toBe(`lancast help ${command.name}`);
          expect(exitCode).toBe(2);
        });
      }
    });
  }
}

it('an address is told what is wrong with it, and what is right', async () => {
  const [send] = await loadCommands();
  if (send === undefined) throw new Error('no command');
  expect(saidOf(['a.ts', '--to', 'rtp://239.1.1.1:5005'], send)).toMatchObject({
    what: '--to rtp://239.1.1.1:5005: RTP needs an even port, because the next one is for its reports.',
    why: 'expected an address such as rtp://239.255.1.1:5004 or copy://10.0.0.5:5004',
  });
});
