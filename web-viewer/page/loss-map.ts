/** What the heat-map of losses shows: rows by cause, columns by time, numbers in steps. Pure. */
import type { LossReport, LossSecond } from '../../wire/metrics.ts';

/** From top to bottom: five causes of what was lost for good, and what was brought back. */
export const MAP_ROWS = ['network', 'ownBuffer', 'late', 'overflow', 'source', 'recovered'] as const;
export type MapRow = (typeof MAP_ROWS)[number];
/** Those that count datagrams lost for good. */
export const LOST_ROWS = ['network', 'ownBuffer', 'late', 'overflow'] as const;
export type LostRow = (typeof LOST_ROWS)[number];

/** The map goes back two, five or ten minutes, as many as receivers remember. */
const RANGES = [120, 300];
const LONGEST_RANGE = 600;

/** How many seconds the map goes back: it grows with what is known. */
export function rangeOf({ watchedSeconds }: LossReport): number {
  return RANGES.find((range) => range >= watchedSeconds) ?? LONGEST_RANGE;
}

/** Numbers of each row; `source` counts breaks of continuity, the others datagrams. */
export interface MapCounts extends Record<MapRow, number> {
  /** How often the receiving process was too busy to take what had come. */
  overruns: number;
}

/** One column: a second, or several side by side. */
export interface MapColumn extends MapCounts {
  /** The first of its seconds, by the number that reports give them. */
  second: number;
}

/** How many numbers are told apart: 1, 2–9, 10–99, 100–999, 1000 and more. */
const LEVELS = 5;

/** The step of a number: 0 for nothing, 1 to `LEVELS`. */
export function levelOf(count: number): number {
  if (count < 2) return count < 1 ? 0 : 1;
  return Math.min(LEVELS, Math.floor(Math.log10(count)) + 2);
}

const LEAST_COLUMN_PX = 1.4;
const SPANS = [1, 2, 3, 5, 10, 15, 20, 30];

/** How many seconds stand in one column, so that the range fits into the width and columns can be told apart. */
export function secondsPerColumn(widthPx: number, range: number): number {
  const fits = (span: number): boolean => (widthPx * span) / range >= LEAST_COLUMN_PX;
  return SPANS.find(fits) ?? 60;
}

/** The first second of the column that `second` is in. Columns keep their seconds while time goes on. */
export function columnStart(second: number, span: number): number {
  return Math.floor(second / span) * span;
}

/** The columns in which there is anything, oldest first. */
export function columnsOf({ second, losses }: LossReport, span: number): MapColumn[] {
  const columns: MapColumn[] = [];
  for (const row of losses) {
    const start = columnStart(second - row.secondsAgo, span);
    let column = columns.at(-1);
    if (column?.second !== start) columns.push((column = { second: start, ...nothing() }));
    add(column, row);
  }
  return columns;
}

/** The sums of all seconds of the report. */
export function totalsOf({ losses }: LossReport): MapCounts {
  const totals = nothing();
  for (const row of losses) add(totals, row);
  return totals;
}

/** How many were lost for good: datagrams, or of bare MPEG-TS breaks of continuity. */
export function lostOf(counts: Pick<MapCounts, LostRow>): number {
  return LOST_ROWS.reduce((sum, row) => sum + counts[row], 0);
}

/** Nothing at all happened. */
export function isQuiet(counts: MapCounts): boolean {
  return MAP_ROWS.every((row) => counts[row] === 0);
}

/** One minute of the table. */
export interface MapMinute extends MapCounts {
  /** When it began, milliseconds since 1970. */
  startMs: number;
}

/** The minutes of the clock in which there is anything, oldest first. */
export function minutesOf(report: LossReport): MapMinute[] {
  const minutes: MapMinute[] = [];
  for (const row of report.losses) {
    const startMs = Math.floor(timeOf(report, report.second - row.secondsAgo) / 60_000) * 60_000;
    let minute = minutes.at(-1);
    if (minute?.startMs !== startMs) minutes.push((minute = { startMs, ...nothing() }));
    add(minute, row);
  }
  return minutes;
}

/** When a second began, milliseconds since 1970. */
export function timeOf({ second: newest, at }: LossReport, second: number): number {
  return Date.parse(at) + (second - newest) * 1000;
}

function nothing(): MapCounts {
  return { network: 0, ownBuffer: 0, late: 0, overflow: 0, source: 0, recovered: 0, overruns: 0 };
}

function add(sum: MapCounts, row: LossSecond): void {
  for (const name of MAP_ROWS) sum[name] += row[name];
  sum.overruns += row.overruns;
}
