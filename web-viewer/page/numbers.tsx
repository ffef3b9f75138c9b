/** Live numbers of the watched stream. A value that is not known has no row: never a made-up zero. */
import type { JSX } from 'preact';
import { settingWords } from '../../wire/advice-words.ts';
import type { StreamSnapshot } from '../../wire/metrics.ts';
import { pathWords } from '../../wire/path-words.ts';
import { bitrate, clockTime, count, milliseconds, percent, seconds } from './format.ts';
import { lossShare } from './history.ts';
import { playback } from './media.ts';
import { programmeStreams } from './playability.ts';
import { connection, updatedAt } from './state.ts';
import { strings } from './strings.ts';

type Row = readonly [label: string, value: string | undefined, detail?: string | undefined];

export function Numbers({ stream }: { stream: StreamSnapshot }): JSX.Element {
  const stale = connection.state.value.kind === 'lost';
  return (
    <section class="numbers card" aria-labelledby="numbers-title">
      <h2 id="numbers-title">
        {strings.numbers.title}{' '}
        {stale && <span class="quiet">{strings.numbers.asOf(clockTime(updatedAt.value))}</span>}
      </h2>
      <Rows class="figures" rows={figures(stream)} />
      <Rows class="facts" rows={facts(stream)} />
    </section>
  );
}

function Rows({ rows, ...rest }: { class: string; rows: readonly Row[] }): JSX.Element {
  return (
    <dl {...rest}>
      {rows.map(([label, value, detail]) =>
        value === undefined ? null : (
          <div key={label}>
            <dt>{label}</dt>
            <dd>
              {value}
              {detail !== undefined && <small>{detail}</small>}
            </dd>
          </div>
        ),
      )}
    </dl>
  );
}

/** What changes all the time, large. */
function figures(stream: StreamSnapshot): Row[] {
  const words = strings.numbers;
  const { packets: received, unrecovered: lost, jitterMs, lossMayBeUnderstated } = stream;
  if (received + lost === 0) return [];
  const share = percent(lossShare({ received, lost }));
  const delay = playback.delayS.value;
  return [
    [words.bitrate, stream.state === 'playing' ? bitrate(stream.bitsPerSecond) : undefined],
    [words.loss, lossMayBeUnderstated ? words.atLeast(share) : share, words.lossOf(lost, received + lost)],
    [words.jitter, jitterMs === undefined ? undefined : milliseconds(jitterMs)],
    [words.buffer, milliseconds(stream.bufferMs)],
    [words.recovered, count(stream.recovered), repairDetail(stream)],
    [words.late, count(stream.late)],
    [words.delay, delay === undefined ? undefined : seconds(delay)],
    [words.continuity, stream.programmes.length > 0 ? count(stream.continuityErrors) : undefined],
  ];
}

/** By which means; absent while nothing was recovered. */
function repairDetail({ recovered, repair }: StreamSnapshot): string | undefined {
  if (repair === undefined || recovered === 0) return undefined;
  const { byFec, sentAgain } = strings.numbers;
  const { fec, retransmitted } = repair;
  return [fec > 0 ? byFec(fec) : [], retransmitted > 0 ? sentAgain(retransmitted) : []].flat().join(', ');
}

/** What stays as it is, small; and what is worth a row only when it has happened. */
function facts(stream: StreamSnapshot): Row[] {
  const words = strings.numbers;
  const { name, address, reason } = stream.interface;
  return [
    [words.media, mediaLine(stream)],
    [words.source, stream.source],
    [words.address, stream.address],
    [words.interface, words.interfaceValue(name, address, reason)],
    [words.framing, stream.framing && words.framings[stream.framing]],
    [
      words.protection,
      stream.repair?.setting === undefined ? undefined : settingWords(stream.repair.setting),
    ],
    [words.paths, stream.paths && pathWords(stream.paths)],
    [words.missingBefore, happened(stream.missingBefore)],
    [words.freezes, hidden(stream.concealed?.freezes, stream.concealed?.frozenMs)],
    [words.soundGaps, hidden(stream.concealed?.soundGaps, stream.concealed?.soundFilledMs)],
    [words.reordered, happened(stream.reordered)],
    [words.duplicate, happened(stream.duplicate)],
    [words.overflow, happened(stream.overflow)],
    [words.kernelDrops, happened(stream.kernelDrops)],
    [words.restarts, happened(stream.restarts)],
  ];
}

/** `H.264 + AAC`; `undefined` while the tables have not come. */
export function mediaLine(stream: StreamSnapshot): string | undefined {
  const codecs = programmeStreams(stream).map(({ codec, language }) =>
    language === undefined ? codec : `${codec} (${language})`,
  );
  return codecs.length === 0 ? undefined : codecs.join(' + ');
}

function hidden(times = 0, ms = 0): string | undefined {
  return times === 0 ? undefined : strings.numbers.timesInAll(times, ms);
}

function happened(times: number | undefined): string | undefined {
  return times === undefined || times === 0 ? undefined : count(times);
}
