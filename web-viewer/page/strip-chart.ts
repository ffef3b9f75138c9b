/** The chart of the strip: bars for what was lost and brought back each second, a line for the bitrate. */
import uPlot from 'uplot';
import { bitrate, clockTime, percent } from './format.ts';
import { HISTORY_SECONDS, type Sample } from './history.ts';
import { Palette } from './palette.ts';

const HEIGHT_PX = 132;
const LEFT_AXIS_PX = 76;
const RIGHT_AXIS_PX = 52;
/** The loss scale reaches at least so far, as a share of 1: then a single lost datagram of a second is seen. */
const LEAST_LOSS_SCALE = 0.01;

/** One chart in one element. */
export class StripChart {
  readonly #chart: uPlot;
  readonly #observer: ResizeObserver;
  #samples: readonly Sample[] = [];

  /** @param onCursor told which second the pointer is at; `undefined` when it has left */
  constructor(place: HTMLElement, onCursor: (sample: Sample | undefined) => void) {
    const options: uPlot.Options = {
      ...layout(new Palette(place)),
      width: place.clientWidth,
      height: HEIGHT_PX,
      hooks: { setCursor: [(chart) => onCursor(this.#samples[chart.cursor.idx ?? -1])] },
    };
    this.#chart = new uPlot(options, [[], [], [], []], place);
    this.#observer = new ResizeObserver(() => {
      this.#chart.setSize({ width: place.clientWidth, height: HEIGHT_PX });
    });
    this.#observer.observe(place);
  }

  /** Shows what there is of the five minutes before `second`, and a minute at least. */
  draw(samples: readonly Sample[], second: number): void {
    this.#samples = samples;
    this.#chart.setData(
      [
        samples.map((sample) => sample.second),
        samples.map(({ bitsPerSecond }) => bitsPerSecond),
        // Drawn first and as high as both together: what the loss leaves uncovered was brought back.
        samples.map(({ lost, recovered, received }) => share(lost, recovered, received)),
        samples.map(({ lost, received }) => share(lost, 0, received)),
      ],
      false,
    );
    const known = second - (samples[0]?.second ?? second);
    const span = Math.min(HISTORY_SECONDS, Math.max(60, known));
    this.#chart.setScale('x', { min: second - span, max: second });
  }

  destroy(): void {
    this.#observer.disconnect();
    this.#chart.destroy();
  }
}

/** `undefined` leaves the second empty: nothing happened, or it is not known. */
function share(lost = 0, recovered = 0, received = 0): number | undefined {
  return lost + recovered === 0 ? undefined : (lost + recovered) / (received + lost);
}

function layout(palette: Palette): Omit<uPlot.Options, 'width' | 'height'> {
  return {
    padding: [8, 0, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { time: false },
      bits: { range: (_chart, _least, most) => [0, roundUp(Math.max(1e5, most))] },
      loss: { range: (_chart, _least, most) => [0, roundUp(Math.max(LEAST_LOSS_SCALE, most))] },
    },
    axes: axes(palette),
    series: [
      {},
      {
        scale: 'bits',
        width: 1.5,
        stroke: palette.colour('--bitrate'),
        fill: palette.colour('--bitrate-fill'),
        points: { show: false },
      },
      bars(palette.colour('--recovered')),
      bars(palette.colour('--lost')),
    ],
  };
}

function bars(fill: () => string): uPlot.Series {
  const paths = uPlot.paths.bars?.({ size: [1, 4] });
  return { scale: 'loss', width: 0, fill, points: { show: false }, ...(paths && { paths }) };
}

function axes(palette: Palette): uPlot.Axis[] {
  const look: uPlot.Axis = {
    stroke: palette.colour('--quiet'),
    grid: { show: false },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
  };
  return [
    {
      ...look,
      size: 26,
      space: 70,
      incrs: [15, 30, 60, 120],
      values: (_chart, splits) => splits.map((at) => clockTime(at * 1000)),
    },
    {
      ...look,
      scale: 'bits',
      side: 3,
      size: LEFT_AXIS_PX,
      grid: { stroke: palette.colour('--line'), width: 1 },
      splits: (chart) => halves(chart, 'bits'),
      values: (_chart, splits) => splits.map((bits) => (bits === 0 ? '0' : bitrate(bits))),
    },
    {
      ...look,
      scale: 'loss',
      side: 1,
      size: RIGHT_AXIS_PX,
      splits: (chart) => halves(chart, 'loss'),
      values: (_chart, splits) => splits.map(percent),
    },
  ];
}

function halves(chart: uPlot, scale: string): number[] {
  const most = chart.scales[scale]?.max ?? 0;
  return [0, most / 2, most];
}

/** The next of 1, 2, 4, 6, 8 and 10 times a power of ten, so that halves are round too. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 4, 6, 8].find((step) => step * power >= value) ?? 10);
}
