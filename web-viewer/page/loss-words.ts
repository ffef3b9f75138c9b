/** What the heat-map of losses shows, in sentences. Pure. */
import { adviceRemedy, adviceSentence, tooSlowSentence } from '../../wire/advice-words.ts';
import type { LossReport, StreamSnapshot } from '../../wire/metrics.ts';
import { clockTime, count } from './format.ts';
import {
  isQuiet,
  LOST_ROWS,
  lostOf,
  MAP_ROWS,
  timeOf,
  totalsOf,
  type MapCounts,
  type MapRow,
} from './loss-map.ts';
import { shapesOf } from './loss-shapes.ts';
import { strings } from './strings.ts';

/** What of the stream changes the words. */
export type LossyStream = Pick<StreamSnapshot, 'repair' | 'unrecovered' | 'lossMayBeUnderstated'>;

/** The name of a row. */
export function rowName(row: MapRow, { lossMayBeUnderstated: isBare }: LossyStream): string {
  return row === 'network' && isBare ? strings.losses.networkOrSource : strings.losses.rows[row];
}

/** `14:02:07: 12 lost in the network, 9 brought back by FEC`. @param seconds how many there are in the column */
export function columnWords(
  counts: MapCounts | undefined,
  { report, second, seconds }: { report: LossReport; second: number; seconds: number },
  stream: LossyStream,
): string {
  const words = strings.losses;
  const last = Math.min(second + seconds - 1, report.second);
  const [from, to] = [clockTime(timeOf(report, second)), clockTime(timeOf(report, last))];
  const time = from === to ? from : words.to(from, to);
  if (counts === undefined && last <= report.second - report.watchedSeconds)
    return words.at(time, words.notReceived);
  const events = counts === undefined ? '' : eventWords(counts, stream);
  const busy = counts === undefined || counts.overruns === 0 ? [] : [words.busy(counts.overruns)];
  return words.at(time, [events || words.nothing, ...busy].join(', '));
}

/** The whole report, for those who do not see the map, and for those who do. */
export function summaryWords(report: LossReport, stream: LossyStream): string {
  const words = strings.losses;
  const totals = totalsOf(report);
  const lately = words.lately(report.watchedSeconds);
  if (isQuiet(totals)) return words.fine(lately);
  const { source, recovered } = totals;
  return [
    lostWords(totals, lately, stream),
    source > 0 ? words.holes(source) : '',
    recovered > 0 ? words.back(recovered, meansOf(stream)) : '',
    shapeWords(report),
  ].join('');
}

function lostWords(totals: MapCounts, lately: string, { lossMayBeUnderstated }: LossyStream): string {
  const words = strings.losses;
  const lost = lostOf(totals);
  if (lost === 0) return words.repaired(lately);
  if (lossMayBeUnderstated) return words.broken(lost, lately);
  const found = LOST_ROWS.filter((row) => totals[row] > 0);
  const parts = found.map((row) => `${count(totals[row])} ${words.where[row]}`);
  const [only] = found;
  const where =
    found.length === 1 && only !== undefined
      ? words.allOf(words.where[only])
      : words.partsOf(parts.join(', '));
  return words.lost(lost, lately) + where;
}

/** What would help: more time for the protection there is, or another one; `undefined` when nothing is advised. */
export function adviceWords({ repair, unrecovered }: LossyStream): string | undefined {
  const { advice = [] } = repair ?? {};
  const tooSlow = unrecovered > 0 && repair ? tooSlowSentence(repair) : undefined;
  const [sentence, remedy] = [adviceSentence(advice), adviceRemedy(advice)];
  const other = sentence && remedy && strings.losses.advice(sentence, remedy);
  return [tooSlow && `${tooSlow}.`, other].filter(Boolean).join(' ') || undefined;
}

/** `12 lost in the network, 9 brought back by FEC`; empty when there is nothing. */
function eventWords(counts: MapCounts, stream: LossyStream): string {
  const words = strings.losses;
  const found = MAP_ROWS.filter((row) => counts[row] > 0).map((row) => {
    const number = count(counts[row]);
    if (row === 'network' && stream.lossMayBeUnderstated) return words.breaks(number);
    return words.events[row](number) + (row === 'recovered' ? meansOf(stream) : '');
  });
  return found.join(', ');
}

/** Known of a single second only while all came back by the same means. */
function meansOf({ repair }: LossyStream): string {
  if (repair === undefined || repair.fec > 0 === repair.retransmitted > 0) return '';
  return repair.fec > 0 ? strings.losses.byFec : strings.losses.sentAgain;
}

function shapeWords(report: LossReport): string {
  const words = strings.losses;
  return shapesOf(report)
    .map((shape) =>
      shape.kind === 'period'
        ? words.period(shape.seconds)
        : words.bursts(shape.times, shape.meanLost, shape.meanSeconds),
    )
    .join('');
}
