/** Loss and bitrate of the last five minutes: a chart, the same in one sentence, and as a table. */
import { useSignal, useSignalEffect } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { StreamSnapshot } from '../../wire/metrics.ts';
import { bitrate, clockTime, count, percent } from './format.ts';
import { lossShare, total, type Sample } from './history.ts';
import { historyOf, theme, ticks, watchedId } from './state.ts';
import { StripChart } from './strip-chart.ts';
import { strings } from './strings.ts';

export function Strip({ stream }: { stream: StreamSnapshot }): JSX.Element {
  void ticks.value; // drawn anew with each snapshot
  const { samples } = historyOf(stream.id);
  const words = strings.strip;
  return (
    <section class="strip card" aria-labelledby="strip-title">
      <header>
        <h2 id="strip-title">{words.title}</h2>
        <ul class="legend" aria-hidden="true">
          <li class="lost">{words.lostLegend}</li>
          <li class="recovered">{words.recoveredLegend}</li>
          <li class="bitrate">{words.bitrateLegend}</li>
        </ul>
      </header>
      <Chart />
      <p class="summary">{summary(samples)}</p>
      <Table samples={samples} />
    </section>
  );
}

function Chart(): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<StripChart | undefined>(undefined);
  const cursor = useSignal('');
  useEffect(() => {
    if (place.current === null) return undefined;
    const drawn = new StripChart(place.current, (sample) => (cursor.value = words(sample)));
    chart.current = drawn;
    return () => drawn.destroy();
  }, []);
  useSignalEffect(() => {
    void ticks.value;
    void theme.value;
    const id = watchedId.value;
    if (id !== undefined) chart.current?.draw(historyOf(id).samples, Math.floor(Date.now() / 1000));
  });
  return (
    <div class="chart" aria-hidden="true">
      <div ref={place} />
      <output class="cursor">{cursor.value}</output>
    </div>
  );
}

function words(sample: Sample | undefined): string {
  const { second, received = 0, lost, bitsPerSecond } = sample ?? {};
  if (second === undefined || lost === undefined || bitsPerSecond === undefined) return '';
  return strings.strip.cursor(clockTime(second * 1000), lost, lossShare({ received, lost }), bitsPerSecond);
}

/** What the chart shows, for those who do not see it. */
function summary(samples: readonly Sample[]): string {
  const words = strings.strip;
  const { received, lost, recovered, badSeconds } = total(samples);
  if (received + lost === 0) return words.none;
  const said =
    lost === 0
      ? words.fine(received)
      : words.summary(lost, received + lost, lossShare({ received, lost }), badSeconds);
  return recovered === 0 ? said : said + words.recovered(recovered);
}

function Table({ samples }: { samples: readonly Sample[] }): JSX.Element {
  const words = strings.strip;
  const minutes = [...new Set(samples.map(({ second }) => Math.floor(second / 60)))];
  return (
    <details>
      <summary>{words.table}</summary>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">{words.minute}</th>
              <th scope="col">{words.received}</th>
              <th scope="col">{words.lostLegend}</th>
              <th scope="col">{words.recoveredLegend}</th>
              <th scope="col">{words.bitrateLegend}</th>
            </tr>
          </thead>
          <tbody>
            {minutes.map((minute) => (
              <Minute
                key={minute}
                start={minute * 60_000}
                samples={samples.filter(({ second }) => Math.floor(second / 60) === minute)}
              />
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

function Minute({ start, samples }: { start: number; samples: readonly Sample[] }): JSX.Element {
  const { received, lost, recovered } = total(samples);
  const known = samples.flatMap(({ bitsPerSecond }) => bitsPerSecond ?? []);
  const mean = known.reduce((sum, bits) => sum + bits, 0) / known.length;
  return (
    <tr>
      <th scope="row">{clockTime(start).slice(0, 5)}</th>
      <td>{count(received)}</td>
      <td>{lost === 0 ? '0' : `${count(lost)} (${percent(lossShare({ received, lost }))})`}</td>
      <td>{count(recovered)}</td>
      <td>{known.length === 0 ? '' : bitrate(mean)}</td>
    </tr>
  );
}
