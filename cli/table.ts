/** Tables for people: columns two spaces apart. */

/**
 * The lines of a table.
 *
 * @param leaning one character per column: `<` leans left, `>` right, as numbers do
 */
export function tableLines(leaning: string, rows: readonly (readonly string[])[]): string[] {
  const widths = Array.from(leaning, (_, column) =>
    Math.max(0, ...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map((row) => {
    const cells = widths.map((width, column) => {
      const cell = row[column] ?? '';
      return leaning[column] === '>' ? cell.padStart(width) : cell.padEnd(width);
    });
    return cells.join('  ').trimEnd();
  });
}
