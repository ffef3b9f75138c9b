/** The same stream, whatever numbers it begins with: nothing that is told of it depends on them. */
import { describe, expect, it } from 'vitest';
import { recognise } from '../../receiver/recognition.ts';
import { rtpDatagram, SEQUENCE_STARTS, sequenceDatagram } from '../helpers/packets.ts';
import { brief, receive } from '../helpers/receive.ts';
import { bye, inOrderOfTime, report, rtpRun, upTo, type Arrivals } from '../helpers/runs.ts';

const HALF = 2 ** 31;
const TIMESTAMP_STARTS = [0, 1, HALF - 1, HALF, 2 ** 32 - 2, 2 ** 32 - 1];
/** Each start of one counter beside one of the other. */
const STARTS = SEQUENCE_STARTS.map((sequence, i) => ({ sequence, timestamp: TIMESTAMP_STARTS[i] ?? 0 }));
type Start = (typeof STARTS)[number];

/** A run that goes on where one that began at `start` is after `steps` datagrams. */
function onFrom(start: Start, steps: number, count: number): Arrivals {
  const sequence = (start.sequence + steps) % 65_536;
  return rtpRun({ count, sequence, timestamp: (start.timestamp + 900 * steps) % 2 ** 32, at: 10 * steps });
}

/** The run without some of its datagrams. */
function without(run: Arrivals, ...missing: number[]): Arrivals {
  return run.filter((_, i) => !missing.includes(i));
}

/** The goodbye of a stream of so many datagrams. */
function goodbye(start: Start, count: number): Arrivals {
  const sequence = (start.sequence + count) % 65_536;
  return [bye(10 * count + 10, 1, { index: count, sequence, final: true })];
}

const scenarios: [name: string, sent: (start: Start) => Arrivals, out: string][] = [
  ['in order', (start) => onFrom(start, 0, 5), upTo(5)],
  [
    'the first ones in disorder',
    (start) => onFrom(start, 0, 5).map((each, i) => ({ ...each, at: [20, 10, 0, 30, 40][i] ?? 0 })),
    upTo(5),
  ],
  ['with copies', (start) => inOrderOfTime(onFrom(start, 0, 5), onFrom(start, 0, 5)), upTo(5)],
  ['with a hole', (start) => without(onFrom(start, 0, 40), 3, 4), `${upTo(3)} gap 3+2 ${upTo(40).slice(10)}`],
  [
    'whose tail is lost',
    (start) => [...onFrom(start, 0, 5), ...goodbye(start, 8)],
    `${upTo(5)} gap 5+3 end proven`,
  ],
  [
    'with a report before its first datagram',
    (start) => [report(0, 1, { index: 0, sequence: start.sequence }), ...onFrom(start, 0, 3)],
    upTo(3),
  ],
  [
    'after a pause of a minute in which 6000 were lost',
    (start) => [...onFrom(start, 0, 5), ...onFrom(start, 6005, 2)],
    `${upTo(5)} gap 5+6000 6005 6006`,
  ],
  [
    'that its sender starts anew under the same SSRC',
    (start) => [
      ...onFrom(start, 0, 5),
      ...onFrom(
        { sequence: (start.sequence + 9_000) % 65_536, timestamp: (start.timestamp + HALF) % 2 ** 32 },
        5,
        50,
      ),
    ],
    `${upTo(5)} restart 1 ${upTo(50)}`,
  ],
];

for (const [name, sent, out] of scenarios) {
  describe(`a stream ${name} is received alike`, () => {
    for (const start of STARTS) {
      it(`from sequence number ${start.sequence} and timestamp ${start.timestamp}`, () =>
        expect(brief(receive(sent(start)).outputs)).toBe(out));
    }
  });
}

describe('a stream is recognised alike', () => {
  const runs: [name: string, steps: number[], known: boolean][] = [
    ['in order', [0, 1, 2], true],
    ['in disorder', [2, 0, 1], true],
    ['by copies', [0, 0, 0], false],
    ['far apart', [0, 101, 202], false],
  ];
  for (const [name, steps, known] of runs) {
    for (const first of SEQUENCE_STARTS) {
      const held = steps.map((step) => rtpDatagram({ sequence: (first + step) % 65_536, ssrc: 5 }));
      it(`${name}, from sequence number ${first}`, () =>
        expect(recognise(held, undefined)?.framing).toBe(known ? 'rtp' : undefined));
    }
    for (const first of TIMESTAMP_STARTS) {
      const held = steps.map((step) => sequenceDatagram((first + step) % 2 ** 32));
      it(`${name}, from sequence header ${first}`, () =>
        expect(recognise(held, undefined)?.framing).toBe(known ? 'seq' : undefined));
    }
  }
});
