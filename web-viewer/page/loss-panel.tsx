/** The losses of the last ten minutes by cause: a heat-map, the same in sentences at a cursor and in all, and as a table. */
import { useComputed, useSignal, useSignalEffect, type Signal } from '@preact/signals';
import type { JSX, TargetedPointerEvent } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { LossReport, StreamSnapshot } from '../../wire/metrics.ts';
import { clockTime, count } from './format.ts';
import { LossMapCanvas } from './loss-map-canvas.ts';
import {
  columnsOf,
  columnStart,
  isQuiet,
  MAP_ROWS,
  minutesOf,
  rangeOf,
  totalsOf,
  type MapCounts,
} from './loss-map.ts';
import { adviceWords, columnWords, rowName, summaryWords } from './loss-words.ts';
import { askForLosses, lossReport } from './losses.ts';
import { theme, ticks, watched, watchedId } from './state.ts';
import { strings } from './strings.ts';

export function LossMap({ stream }: { stream: StreamSnapshot }): JSX.Element {
  const words = strings.losses;
  const span = useSignal(1);
  useSignalEffect(() => {
    void ticks.value;
    const id = watchedId.value;
    if (id !== undefined) void askForLosses(id);
  });
  const report = lossReport.value;
  const totals = report && totalsOf(report);
  const advice = adviceWords(stream);
  const isEmpty = totals === undefined || isQuiet(totals);
  return (
    <section class="losses card" aria-labelledby="losses-title">
      <header>
        <h2 id="losses-title">{words.title}</h2>
        {!isEmpty && <Legend span={span.value} />}
      </header>
      {!isEmpty && <Map stream={stream} totals={totals} span={span} />}
      <p class="loss-summary">{report && summaryWords(report, stream)}</p>
      {advice !== undefined && <p class="loss-summary">{advice}</p>}
      {!isEmpty && report && <Table report={report} stream={stream} />}
    </section>
  );
}

function Legend({ span }: { span: number }): JSX.Element {
  const { levels, perColumn } = strings.losses;
  return (
    <ul class="legend levels" aria-hidden="true">
      <li class="unit">{perColumn(span)}</li>
      {levels.map((level, at) => (
        <li key={level} class={`level-${at + 1}`}>
          {level}
        </li>
      ))}
    </ul>
  );
}

interface MapProps {
  stream: StreamSnapshot;
  totals: MapCounts;
  /** Seconds of a column; the map says how many fit. */
  span: Signal<number>;
}

function Map({ stream, totals, span }: MapProps): JSX.Element {
  const cursor = useSignal<number | undefined>(undefined);
  return (
    <div class="loss-map">
      <ul class="loss-rows" aria-hidden="true">
        {MAP_ROWS.map((row) => (
          <li key={row} class={`${row} ${totals[row] === 0 ? 'none' : ''}`}>
            <span>{rowName(row, stream)}</span> <b>{count(totals[row])}</b>
          </li>
        ))}
      </ul>
      <Plot cursor={cursor} span={span} />
    </div>
  );
}

/** The map itself. Keys move a range input that lies unseen over it: so readers know it, and say its second in words. */
function Plot({ cursor, span }: { cursor: Signal<number | undefined>; span: Signal<number> }): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const map = useRef<LossMapCanvas | undefined>(undefined);
  useEffect(() => {
    if (canvas.current === null || place.current === null) return undefined;
    const drawn = new LossMapCanvas(canvas.current, place.current, (seconds) => (span.value = seconds));
    map.current = drawn;
    return () => drawn.destroy();
  }, []);
  useSignalEffect(() => {
    void theme.value;
    const report = lossReport.value;
    if (report !== undefined) map.current?.draw({ report, cursor: cursor.value });
  });
  const said = useComputed(() => wordsAt(cursor.value, span.value));
  const report = lossReport.value;
  const newest = report?.second ?? 0;
  const oldest = report === undefined ? 0 : newest - rangeOf(report) + 1;
  const inColumn = (second: number): number => columnStart(second, span.value);
  const point = ({ currentTarget, clientX }: TargetedPointerEvent<HTMLElement>): void => {
    cursor.value = map.current?.secondAt(clientX - currentTarget.getBoundingClientRect().left);
  };
  return (
    <>
      <div
        class="loss-plot"
        ref={place}
        onPointerMove={point}
        onPointerDown={point}
        onPointerLeave={() => (cursor.value = undefined)}
      >
        <canvas ref={canvas} aria-hidden="true" />
        <input
          type="range"
          aria-label={strings.losses.cursor}
          aria-valuetext={wordsAt(cursor.value ?? newest, span.value)}
          min={inColumn(oldest)}
          max={inColumn(newest)}
          step={span.value}
          value={inColumn(cursor.value ?? newest)}
          onFocus={() => (cursor.value ??= latestLoss() ?? newest)}
          onBlur={() => (cursor.value = undefined)}
          onInput={({ currentTarget }) => (cursor.value = Number(currentTarget.value))}
        />
      </div>
      <p class={`loss-cursor ${said.value === '' ? 'quiet' : ''}`} aria-hidden="true">
        {said.value || strings.losses.hint}
      </p>
    </>
  );
}

/** What happened in the column of a second. */
function wordsAt(cursor: number | undefined, span: number): string {
  const [report, stream] = [lossReport.value, watched.value];
  if (cursor === undefined || report === undefined || stream === undefined) return '';
  const second = columnStart(cursor, span);
  const column = columnsOf(report, span).find((each) => each.second === second);
  return columnWords(column, { report, second, seconds: span }, stream);
}

function latestLoss(): number | undefined {
  const report = lossReport.value;
  const row = report?.losses.at(-1);
  return report && row && report.second - row.secondsAgo;
}

function Table({ report, stream }: { report: LossReport; stream: StreamSnapshot }): JSX.Element {
  const words = strings.losses;
  return (
    <details>
      <summary>{words.table}</summary>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">{words.minute}</th>
              {MAP_ROWS.map((row) => (
                <th key={row} scope="col">
                  {rowName(row, stream)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {minutesOf(report).map((minute) => (
              <tr key={minute.startMs}>
                <th scope="row">{clockTime(minute.startMs).slice(0, 5)}</th>
                {MAP_ROWS.map((row) => (
                  <td key={row}>{count(minute[row])}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p>{words.tableNote}</p>
    </details>
  );
}
