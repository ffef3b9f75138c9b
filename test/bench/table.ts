/** The rows that the benchmarks find, how they are held against their goals, and the table that is printed. */

/** One line: what was measured, ours beside a peer's, and what is aimed at. */
export interface Row {
  work: string;
  lancast: string;
  /** The other tool and its figure, measured in the same run; empty when there is none. */
  peer?: string;
  /** Ours over the peer's. */
  ratio?: number;
  /** What is aimed at, in words; empty when nothing is. */
  goal?: string;
  /** Whether it was reached; absent although there is a goal: it could not be told. */
  met?: boolean;
  /** What is held against the goal, when it is neither the ratio nor our figure. */
  judged?: string;
}

/** Figures of several programs side by side. */
export interface SideBySide {
  title: string;
  head: string[];
  lines: string[][];
}

/** A figure, or the words that say why there is none. */
export type Figure = number | string;

/** Ours beside a peer's. */
export interface Comparison {
  work: string;
  /** Stands behind each figure, such as `% of a core`. */
  unit: string;
  ours: Figure;
  peer: { name: string; figure: Figure };
  /** The goal: most that ours may be of the peer's; absent when nothing is aimed at. */
  most?: number;
  /** What else a reader should know of our figure. */
  note?: string;
}

/** The row of a comparison. Without the peer's figure it says why, and nothing is judged. */
export function ratioRow({ work, unit, ours, peer, most, note }: Comparison): Row {
  const row: Row = {
    work,
    lancast: withNote(formatFigure(ours, unit), note),
    peer: typeof peer.figure === 'string' ? peer.figure : `${peer.name} ${formatFigure(peer.figure, unit)}`,
    ...(most !== undefined && { goal: `ratio ≤ ${most.toFixed(2)}` }),
  };
  if (!known(ours) || !known(peer.figure)) return row;
  const ratio = ours / peer.figure;
  return { ...row, ratio, ...(most !== undefined && { met: ratio <= most }) };
}

/** Ours against a limit of its own. */
export interface Limit {
  work: string;
  unit: string;
  ours: Figure;
  /** The most it may be, or the least. */
  goal: { most: number } | { least: number };
  /** A peer's figure beside it, not judged. */
  peer?: string;
  note?: string;
}

/** The row of a limit. */
export function limitRow({ work, unit, ours, goal, peer, note }: Limit): Row {
  const [sign, limit] = 'most' in goal ? (['≤', goal.most] as const) : (['≥', goal.least] as const);
  const row: Row = {
    work,
    lancast: withNote(formatFigure(ours, unit), note),
    ...(peer !== undefined && { peer }),
    goal: `${sign} ${limit} ${unit}`,
  };
  if (!known(ours)) return row;
  return { ...row, judged: formatFigure(ours, unit), met: 'most' in goal ? ours <= limit : ours >= limit };
}

/** In words whether a row reached its goal; empty when it has none. */
export function verdict({ goal, met, judged, ratio, lancast }: Row): string {
  if (goal === undefined || goal === '') return '';
  if (met === undefined) return 'not measured';
  if (met) return 'met';
  return `short of the goal: ${judged ?? ratio?.toFixed(2) ?? lancast}, goal ${goal.replace(/^ratio /, '')}`;
}

/** A figure with its unit, in three digits or so; words stay words. */
export function formatFigure(figure: Figure, unit: string): string {
  if (typeof figure === 'string') return figure;
  if (!Number.isFinite(figure)) return 'not measured';
  const size = Math.abs(figure);
  const digits = size >= 100 || Number.isInteger(figure) ? 0 : size >= 10 ? 1 : 2;
  return `${figure.toFixed(digits)} ${unit}`.trimEnd();
}

/** The rows as text, in columns. */
export function formatTable(rows: readonly Row[]): string {
  return formatColumns(
    ['work', 'lancast', 'peer', 'ratio', 'goal', 'result'],
    rows.map((row) => cellsOf(row)),
  );
}

/** The cells of a row: work, ours, peer, ratio, goal, result. */
export function cellsOf(row: Row): string[] {
  const { work, lancast, peer = '', ratio, goal = '' } = row;
  return [work, lancast, peer, ratio === undefined ? '' : ratio.toFixed(2), goal, verdict(row)];
}

/** Lines of cells as text, each column as wide as its widest cell. */
export function formatColumns(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) =>
    Math.max(...[head, ...lines].map((line) => line[column]?.length ?? 0)),
  );
  const draw = (line: readonly string[]): string =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [draw(head), widths.map((width) => '-'.repeat(width)).join('  '), ...lines.map(draw)].join('\n');
}

/** The worst of what some runs counted, `5 datagrams missing`; runs that could not tell are said. */
export function worstOf(counts: readonly (number | undefined)[], what: string): string {
  const told = counts.flatMap((count) => count ?? []);
  if (told.length === 0) return `${what}: not measured`;
  const runs = told.length === counts.length ? '' : `, measured in ${told.length} of ${counts.length} runs`;
  return `${Math.max(...told)} ${what}${runs}`;
}

/** The middle one of the figures that are known; `NaN` of none. */
export function median(figures: readonly number[]): number {
  const sorted = figures.filter((figure) => known(figure)).sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** `figure` as it is, or the words of why it is not there. */
function known(figure: Figure): figure is number {
  return typeof figure === 'number' && Number.isFinite(figure);
}

function withNote(text: string, note: string | undefined): string {
  return note === undefined ? text : `${text} (${note})`;
}
