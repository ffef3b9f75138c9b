import { describe, expect, it } from 'vitest';
import { FecBlockDecoder } from '../../receiver/fec-block-decoder.ts';
import { FecDecoder } from '../../receiver/fec-decoder.ts';
import { FecProtection, type RepairRun, streamsOf } from '../../sender/fec-protection.ts';
import { type FecSetting, parseFecSetting } from '../../wire/fec/fec-setting.ts';
import { RTP_PARITY } from '../../wire/fec/parity-packet.ts';
import { framedRuns } from '../helpers/fec-blocks.ts';
import { PlainWindow } from '../helpers/fec-scene.ts';
import { datagramsOf } from '../helpers/media-runs.ts';

const COUNT = 576;
const FIRST_SEQUENCE = 65_400;
const SEQUENCES = { column: 65_530, row: 9 };

/** A repair packet on its way. */
interface Repair {
  stream: RepairRun['stream'];
  bytes: Buffer;
  dueAt: number;
}

function settingOf(text: string): FecSetting {
  const setting = parseFecSetting(text);
  if (typeof setting === 'string') throw new Error(`${text}: ${setting}`);
  return setting;
}

/** Protects a stream of twelve runs; before the run of that number the way is changed. */
function protect(changes: Readonly<Record<number, string | undefined>>): {
  media: Buffer[];
  repairs: Repair[];
} {
  const protection = new FecProtection(SEQUENCES);
  const repairs: Repair[] = [];
  const runs = framedRuns({ count: COUNT, sequence: FIRST_SEQUENCE });
  const media = runs.flatMap((run) => datagramsOf(run).map(({ bytes }) => Buffer.from(bytes)));
  for (const [place, run] of [...runs, undefined].entries()) {
    const to = changes[place];
    if (place in changes) protection.change(to === undefined ? undefined : settingOf(to));
    protection.push(run);
    for (let out = protection.poll(); out; out = protection.poll()) {
      const { stream } = out;
      for (const { bytes, dueAt } of datagramsOf(out.run))
        repairs.push({ stream, bytes: Buffer.from(bytes), dueAt });
    }
  }
  // The runs themselves went through untouched.
  const after = runs.flatMap((run) => datagramsOf(run).map(({ bytes }) => bytes));
  expect(Buffer.concat(after).equals(Buffer.concat(media))).toBe(true);
  return { media, repairs };
}

/** What a receiver has of a stream from which these were lost. */
function received(
  media: readonly Buffer[],
  repairs: readonly Repair[],
  lost: ReadonlySet<number>,
): Set<number> {
  const window = new PlainWindow(media);
  const matrix = new FecDecoder(window, FIRST_SEQUENCE);
  const blocks = new FecBlockDecoder(window, FIRST_SEQUENCE);
  const arrivals = [
    ...media.map((_, index) => ({ index, at: 1000 + index / 2 })),
    ...repairs.map((repair) => ({ repair, at: repair.dueAt })),
  ].sort((a, b) => a.at - b.at);
  for (const arrival of arrivals) {
    if ('repair' in arrival) {
      const { bytes } = arrival.repair;
      (bytes.readUInt8(1) === RTP_PARITY ? blocks : matrix).repair(bytes);
    } else if (!lost.has(arrival.index)) {
      window.put(arrival.index);
      for (const decoder of [matrix, blocks]) decoder.arrived(arrival.index);
    }
  }
  return window.there;
}

describe('a protection', () => {
  // 240 datagrams, and then 336: whole matrices of each, and blocks of which the last is not full.
  const changes: [before: string, after: string][] = [
    ['2022:10x6', '2022:6x8+rows'],
    ['2022:6x8+rows', 'rs:20,5'],
    ['rs:20,5', '2022:6x8'],
    ['rs:50,6', 'rs:10,3,4'],
  ];
  for (const [before, after] of changes) {
    it(`repairs both halves of a stream that changes from ${before} to ${after}`, () => {
      const { media, repairs } = protect({ 0: before, 5: after });
      const lost = new Set([11, 12, 13, 14, 15, 301, 302, 303]);
      expect(received(media, repairs, lost).size).toBe(COUNT);
    });
    it(`numbers and times its repair packets in one series from ${before} to ${after}`, () => {
      const { repairs } = protect({ 0: before, 5: after });
      for (const stream of ['column', 'row'] as const) {
        const own = repairs.filter((each) => each.stream === stream);
        const numbers = own.map(({ bytes }) => bytes.readUInt16BE(2));
        expect(numbers).toEqual(own.map((_, place) => (SEQUENCES[stream] + place) & 0xffff));
        const dues = own.map(({ dueAt }) => dueAt);
        expect(dues).toEqual(dues.toSorted((a, b) => a - b));
      }
    });
  }

  it('sends nothing before it is told how, and nothing more when it is told to end', () => {
    const { repairs } = protect({ 3: 'rs:24,2', 6: undefined });
    const { repairs: all } = protect({ 0: 'rs:24,2' });
    expect(repairs).toHaveLength(12);
    expect(all).toHaveLength(48);
  });

  it('counts what it made, and names how', () => {
    const protection = new FecProtection(SEQUENCES);
    expect(protection.figures).toEqual({ packets: 0, bytes: 0 });
    protection.change(settingOf('rs:24,2'));
    for (const run of framedRuns({ count: 48 })) protection.push(run);
    protection.push(undefined);
    expect(protection.figures).toEqual({ setting: 'rs:24,2', packets: 4, bytes: 4 * (24 + 12 + 1316) });
  });

  it('needs a second stream for rows only', () => {
    expect(['2022:5x5', '2022:5x5+rows', 'rs:5,2'].map((text) => streamsOf(settingOf(text)))).toEqual([
      ['column'],
      ['column', 'row'],
      ['column'],
    ]);
  });
});
