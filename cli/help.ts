/** The help of a command, drawn from its tables, and the overview of all commands. */
import { optionName, type Command, type Entry, type Table } from './command.ts';
import { EXIT_CODES } from './errors.ts';

const WIDTH = 100;
const ADDRESSES = `Addresses: rtp://239.255.1.1:5004 (RTP), udp://… (bare MPEG-TS), seq://… (4-byte sequence header).
udp://@… and rtp://@… mean the same as without the @, and the port is 5004 when none is written.
Receiving needs no scheme: what comes is recognised.`;

/** The whole help of one command. */
export function commandHelp(command: Command): string {
  const { name, summary, examples } = command;
  const placeholders = Object.values(command.arguments).map(placeholderOf);
  return [
    `lancast ${name}: ${summary}`,
    `usage: ${['lancast', name, ...placeholders, '[options]'].join(' ')}`,
    columns(examples),
    section(
      'arguments',
      rows(command.arguments, (_, row) => placeholderOf(row)),
    ),
    section('options', [...rows(command.options, optionText), ['--help', 'this text']]),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** The overview: what there is, and where to read on. */
export function overview(commands: readonly Command[]): string {
  return [
    'lancast casts films, cameras and voices to everyone on a network, and proves that they arrived.',
    'usage: lancast COMMAND [arguments] [options]',
    columns([
      ['lancast demo', 'see it work on this PC'],
      ['lancast send film.ts', 'cast a film to everyone on the network'],
      ['lancast watch rtp://239.255.1.1:5004', 'receive a stream and watch it in the browser'],
      ['lancast record rtp://239.255.1.1:5004 film.ts', 'receive a stream and write it down'],
    ]),
    section(
      'commands',
      commands.map(({ name, summary }) => [name, summary]),
    ),
    ADDRESSES,
    '`lancast help COMMAND` tells all about one of them.',
  ].join('\n\n');
}

/** The reference page, in Markdown. */
export function referencePage(commands: readonly Command[]): string {
  const fenced = (text: string): string => `\`\`\`text\n${text}\n\`\`\``;
  const parts = [
    '# Commands',
    'This page is drawn from the tables in `cli/`, and a test keeps it true: `npx vitest run --project unit -u` writes it anew.',
    fenced(overview(commands)),
    ...commands.flatMap((command) => [`## ${command.name}`, fenced(commandHelp(command))]),
    '## Exit codes',
    EXIT_CODES.map(([code, meaning]) => `- **${code}**: ${meaning}`).join('\n'),
  ];
  return `${parts.join('\n\n')}\n`;
}

function placeholderOf(row: Entry): string {
  if (row.kind === 'switch') return '';
  const name = row.kind === 'repeated' ? `${row.placeholder}…` : row.placeholder;
  return row.kind === 'defaulted' ? `[${name}]` : name;
}

function optionText(key: string, row: Entry): string {
  return row.kind === 'switch' ? optionName(key) : `${optionName(key)} ${row.placeholder}`;
}

function rows(table: Table, left: (key: string, row: Entry) => string): (readonly [string, string])[] {
  return Object.entries(table).map(([key, row]) => [left(key, row), row.help + addition(row)] as const);
}

function addition(row: Entry): string {
  if (row.kind === 'defaulted') return ` (default ${row.default})`;
  return row.kind === 'repeated' ? ', may be repeated' : '';
}

function section(title: string, lines: readonly (readonly [string, string])[]): string {
  return lines.length === 0 ? '' : `${title}:\n${columns(lines)}`;
}

/** Two columns; the right one is wrapped below itself. */
function columns(lines: readonly (readonly [left: string, right: string])[]): string {
  const left = Math.max(...lines.map(([each]) => each.length)) + 2;
  return lines
    .flatMap(([first, text]) =>
      wrap(text, WIDTH - left - 2).map(
        (part, index) => `  ${(index === 0 ? first : '').padEnd(left)}${part}`,
      ),
    )
    .join('\n');
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length >= width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
