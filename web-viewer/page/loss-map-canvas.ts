/**
 * Draws the heat-map of losses. A number is told by the height of a bar as well as by its colour, a cause by its row; where the
 * stream was not being received there are slanted lines.
 */
import type { LossReport } from '../../wire/metrics.ts';
import { clockTime } from './format.ts';
import { columnsOf, columnStart, levelOf, MAP_ROWS, rangeOf, secondsPerColumn, timeOf } from './loss-map.ts';
import { Palette } from './palette.ts';

const AXIS_PX = 20;
/** A bar of the first step, and how much each further one is higher. */
const LEAST_BAR_PX = 6;
const STEP_PX = 4;
/** One second alone has to be seen. */
const LEAST_BAR_WIDTH_PX = 3;
const LEAST_LABEL_PX = 56;
const LABEL_STEPS = [30, 60, 120, 300];
const HATCH_PX = 7;

/** What is drawn. */
export interface MapView {
  report: LossReport;
  /** The second that is pointed at. */
  cursor: number | undefined;
}

/** One map on one canvas. The style sheet says how large it is; rows share what the axis leaves of the height. */
export class LossMapCanvas {
  readonly #canvas: HTMLCanvasElement;
  readonly #palette: Palette;
  readonly #observer: ResizeObserver;
  readonly #onSpan: (seconds: number) => void;
  #view: MapView | undefined;

  /** @param onSpan told how many seconds stand in a column, whenever that changes */
  constructor(canvas: HTMLCanvasElement, place: HTMLElement, onSpan: (seconds: number) => void) {
    this.#canvas = canvas;
    this.#palette = new Palette(place);
    this.#onSpan = onSpan;
    this.#observer = new ResizeObserver(() => {
      this.#draw();
    });
    this.#observer.observe(place);
  }

  draw(view: MapView): void {
    this.#view = view;
    this.#draw();
  }

  /** The second at a distance from the left edge, in CSS pixels. */
  secondAt(x: number): number {
    const newest = this.#view?.report.second ?? 0;
    const ago = Math.floor((1 - x / this.#width) * this.#range);
    return newest - Math.min(this.#range - 1, Math.max(0, ago));
  }

  destroy(): void {
    this.#observer.disconnect();
  }

  get #range(): number {
    return this.#view === undefined ? 1 : rangeOf(this.#view.report);
  }

  get #rowPx(): number {
    return (this.#canvas.clientHeight - AXIS_PX) / MAP_ROWS.length;
  }

  get #width(): number {
    return Math.max(1, this.#canvas.clientWidth);
  }

  #draw(): void {
    const context = this.#canvas.getContext('2d');
    if (context === null || this.#view === undefined) return;
    const scale = window.devicePixelRatio;
    this.#canvas.width = Math.round(this.#width * scale);
    this.#canvas.height = Math.round(this.#canvas.clientHeight * scale);
    context.scale(scale, scale);
    const { report, cursor } = this.#view;
    this.#drawRows(context);
    this.#drawUnknown(context, report);
    this.#drawAxis(context, report);
    const span = secondsPerColumn(this.#width, this.#range);
    this.#onSpan(span);
    if (cursor !== undefined) this.#drawCursor(context, columnStart(cursor, span), span);
    for (const column of columnsOf(report, span)) {
      for (const [row, name] of MAP_ROWS.entries()) {
        const level = levelOf(column[name]);
        if (level === 0) continue;
        context.fillStyle = this.#colour(`--${name === 'recovered' ? 'mend' : 'heat'}-${level}`);
        const [from, to] = this.#edges(column.second, span);
        const bar = LEAST_BAR_PX + (level - 1) * STEP_PX;
        const x = Math.min(from, this.#width - LEAST_BAR_WIDTH_PX);
        context.fillRect(x, (row + 1) * this.#rowPx - bar - 1, Math.max(to - from, LEAST_BAR_WIDTH_PX), bar);
      }
    }
  }

  /** A line under each row. */
  #drawRows(context: CanvasRenderingContext2D): void {
    context.fillStyle = this.#colour('--line');
    for (let row = 1; row <= MAP_ROWS.length; row++)
      context.fillRect(0, row * this.#rowPx - 1, this.#width, 1);
  }

  /** Slanted lines over the time before the stream was received. */
  #drawUnknown(context: CanvasRenderingContext2D, { second, watchedSeconds }: LossReport): void {
    const [end] = this.#edges(second - watchedSeconds + 1, 1);
    if (end <= 0) return;
    const height = this.#rowPx * MAP_ROWS.length;
    context.save();
    context.beginPath();
    context.rect(0, 0, end, height);
    context.clip();
    context.strokeStyle = this.#colour('--line');
    context.beginPath();
    for (let x = -height; x < end; x += HATCH_PX) {
      context.moveTo(x, height);
      context.lineTo(x + height, 0);
    }
    context.stroke();
    context.restore();
  }

  /** The time of day at round times, as many of them as there is room for. */
  #drawAxis(context: CanvasRenderingContext2D, report: LossReport): void {
    const fits = this.#width / LEAST_LABEL_PX;
    const step = LABEL_STEPS.find((seconds) => this.#range / seconds <= fits) ?? this.#range;
    const top = this.#rowPx * MAP_ROWS.length;
    context.font = '11px system-ui, sans-serif';
    context.textAlign = 'center';
    context.textBaseline = 'bottom';
    for (let ago = 0; ago < this.#range; ago++) {
      const second = report.second - ago;
      const ms = timeOf(report, second);
      if (Math.floor(ms / 1000) % step !== 0) continue;
      const [x] = this.#edges(second, 1);
      context.fillStyle = this.#colour('--line');
      context.fillRect(x, 0, 1, top + 4);
      context.fillStyle = this.#colour('--quiet');
      const label = clockTime(ms).slice(0, step < 60 ? 8 : 5);
      const half = context.measureText(label).width / 2;
      if (x >= half && x + half <= this.#width) context.fillText(label, x, top + AXIS_PX);
    }
  }

  #drawCursor(context: CanvasRenderingContext2D, second: number, span: number): void {
    const [from, to] = this.#edges(second, span);
    const width = Math.max(to - from, LEAST_BAR_WIDTH_PX);
    context.fillStyle = this.#colour('--cursor');
    context.fillRect(Math.min(from, this.#width - width), 0, width, this.#rowPx * MAP_ROWS.length);
  }

  /** Where a column begins and ends, in whole device pixels so that nothing is blurred. */
  #edges(second: number, span: number): [from: number, to: number] {
    const newest = this.#view?.report.second ?? 0;
    const scale = window.devicePixelRatio;
    const edge = (at: number): number => {
      const x = ((at - newest - 1 + this.#range) / this.#range) * this.#width;
      return Math.round(Math.min(this.#width, Math.max(0, x)) * scale) / scale;
    };
    return [edge(second), edge(second + span)];
  }

  #colour(name: string): string {
    return this.#palette.colour(name)();
  }
}
