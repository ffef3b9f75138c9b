/** What a whole run leaves behind: `docs/performance.json`, and `docs/performance.md` made from it. */
import { machineLines, type Machine } from './machine.ts';
import { cellsOf, formatColumns, formatTable, verdict, type Row, type SideBySide } from './table.ts';

/** The rows of one group. */
export interface Section {
  title: string;
  rows: Row[];
  tables: SideBySide[];
  /** It ended with a fault of its own. */
  broken?: boolean;
}

/** All that one run has found. */
export interface Report {
  machine: Machine;
  sections: Section[];
}

/** How many rows reached their goals: `measured`, `met`, `short`, and those that could not be measured. */
export function tally({ sections }: Report): {
  goals: number;
  met: number;
  short: number;
  unmeasured: number;
} {
  const judged = sections.flatMap(({ rows }) =>
    rows.filter((row) => row.goal !== undefined && row.goal !== ''),
  );
  const count = (met: boolean | undefined): number => judged.filter((row) => row.met === met).length;
  return { goals: judged.length, met: count(true), short: count(false), unmeasured: count(undefined) };
}

/** The report as text for a terminal. */
export function formatReport(report: Report): string {
  const machine = machineLines(report.machine).map(([what, value]) => `${what.padEnd(20)} ${value}`);
  const sections = report.sections.map(({ title, rows, tables }) =>
    [
      `── ${title}`,
      formatTable(rows),
      ...tables.map((table) => `${table.title}\n${formatColumns(table.head, table.lines)}`),
    ].join('\n\n'),
  );
  return [machine.join('\n'), ...sections, closing(report)].join('\n\n');
}

/** The report as a file that programs read; each row with its verdict. */
export function toJson({ machine, sections }: Report): string {
  const judged = sections.map((section) => ({
    ...section,
    rows: section.rows.map((row) => ({ ...row, verdict: verdict(row) })),
  }));
  return `${JSON.stringify({ machine, sections: judged }, undefined, 2)}\n`;
}

/** The page that is made from that file. */
export function toMarkdown(report: Report): string {
  const sections = report.sections.flatMap(({ title, rows, tables }) => [
    `## ${title}`,
    markdownTable(['work', 'lancast', 'peer', 'ratio', 'goal', 'result'], rows.map(cellsOf)),
    ...tables.flatMap((table) => [`${table.title}:`, markdownTable(table.head, table.lines)]),
  ]);
  return `${[
    '# Measured performance',
    INTRODUCTION,
    markdownTable(['machine', ''], machineLines(report.machine)),
    closing(report),
    ...sections,
  ].join('\n\n')}\n`;
}

const INTRODUCTION = `This page is written by \`npm run bench\` from \`docs/performance.json\`. All programs of a row were measured in the same
run, by turns, on the same film, over loopback multicast in a network namespace of its own. Compare ratios: absolute figures move with
the machine. CPU is what the operating system accounts to all threads of a program, in percent of one core; times are the kernel's
stamps, in a capture that is not lancast's receiver. Figures are medians of several runs unless the row says otherwise.`;

function closing(report: Report): string {
  const { goals, met, short, unmeasured } = tally(report);
  const rest = unmeasured > 0 ? `, ${unmeasured} not measured` : '';
  return `${goals} goals: ${met} met, ${short} short${rest}.`;
}

function markdownTable(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const draw = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [draw(head), `|${head.map(() => ' --- |').join('')}`, ...lines.map(draw)].join('\n');
}
