/** The table that the benchmarks print. */

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
  /** Whether it was reached. */
  met?: boolean;
}

/** The rows as text, in columns. */
export function formatTable(rows: readonly Row[]): string {
  const head = ['work', 'lancast', 'peer', 'ratio', 'goal', 'met'];
  const cells = rows.map(({ work, lancast, peer = '', ratio, goal = '', met }) => {
    const reached = met === undefined ? '' : met ? 'yes' : 'NO';
    return [work, lancast, peer, ratio === undefined ? '' : ratio.toFixed(2), goal, reached];
  });
  const lines = [head, ...cells];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const draw = (line: string[]): string =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [draw(head), widths.map((width) => '-'.repeat(width)).join('  '), ...cells.map(draw)].join('\n');
}

/** The middle one of some figures. */
export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
