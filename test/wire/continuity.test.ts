/** The continuity rules of ISO/IEC 13818-1 §2.4.3.3 as a table, and from every starting counter. */
import { describe, expect, it } from 'vitest';
import { ContinuityCheck, type ContinuityVerdict } from '../../wire/continuity.ts';
import { writeTs, type AdaptationField, type TsPacket } from '../../wire/mpeg-ts.ts';

const flags: AdaptationField = { discontinuity: false, randomAccess: false, priority: false };

const plain = { transportError: false, payloadUnitStart: false, priority: false, pid: 0x100, scrambling: 0 };

/** A packet with payload; its content follows from `content`. */
function loaded(counter: number, content = counter, more: Partial<TsPacket> = {}): Buffer {
  return writeTs({
    ...plain,
    continuityCounter: counter & 0x0f,
    payload: Buffer.alloc(100, content),
    ...more,
  });
}

/** A packet with an adaptation field only. */
function bare(counter: number, more: Partial<TsPacket> = {}): Buffer {
  return writeTs({ ...plain, continuityCounter: counter & 0x0f, adaptationField: flags, ...more });
}

function judge(packets: readonly Buffer[]): ContinuityVerdict[] {
  const check = new ContinuityCheck();
  const stream = Buffer.concat(packets);
  return packets.map((_, index) => check.check(stream, index * 188));
}

const jump = { adaptationField: { ...flags, discontinuity: true } };

describe('ContinuityCheck', () => {
  for (let start = 0; start < 16; start++) {
    const cases: [name: string, packets: Buffer[], verdicts: string][] = [
      [
        'counts up over the wrap',
        Array.from({ length: 20 }, (_, i) => loaded(start + i, i)),
        'ok '.repeat(20),
      ],
      ['lets a packet come twice', [loaded(start), loaded(start), loaded(start + 1)], 'ok duplicate ok'],
      [
        'lets every packet come twice',
        [0, 0, 1, 1, 2, 2].map((i) => loaded(start + i)),
        'ok duplicate ok duplicate ok duplicate',
      ],
      ['refuses a third copy', [loaded(start), loaded(start), loaded(start)], 'ok duplicate error'],
      ['sees a missing packet', [loaded(start), loaded(start + 2), loaded(start + 3)], 'ok error ok'],
      ['sees two packets swapped', [0, 2, 1, 3].map((i) => loaded(start + i)), 'ok error error error'],
      [
        'sees that fifteen are missing',
        [loaded(start, 1), loaded(start, 2), loaded(start + 1)],
        'ok error ok',
      ],
      [
        'does not count packets without payload',
        [loaded(start), bare(start), bare(start), loaded(start + 1)],
        'ok ok ok ok',
      ],
      ['sees a step without payload', [loaded(start), bare(start + 1), loaded(start + 2)], 'ok error ok'],
      [
        'sees a loss before a packet without payload',
        [bare(start), bare(start + 3), loaded(start + 4)],
        'ok error ok',
      ],
      [
        'lets an announced jump pass',
        [loaded(start), loaded(start + 9, 9, jump), loaded(start + 10)],
        'ok ok ok',
      ],
      [
        'lets an announced jump without payload pass',
        [loaded(start), bare(start + 9, jump), loaded(start + 10)],
        'ok ok ok',
      ],
      [
        'takes a copy with another clock for a copy',
        [1, 2].map((pcr) => loaded(start, 7, { adaptationField: { ...flags, pcr } })),
        'ok duplicate',
      ],
      [
        'passes over packets that are known to be broken',
        [loaded(start), loaded(start + 7, 7, { transportError: true }), loaded(start + 1)],
        'ok ok ok',
      ],
      [
        'misses a packet that is known to be broken',
        [loaded(start), loaded(start + 1, 1, { transportError: true }), loaded(start + 2)],
        'ok ok error',
      ],
      [
        'does not follow stuffing',
        [0, 5, 5, 5, 1].map((i) => loaded(start + i, 0, { pid: 0x1fff })),
        'ok ok ok ok ok',
      ],
      [
        'follows each PID by itself',
        [
          loaded(start),
          loaded(start + 8, 0, { pid: 0x101 }),
          loaded(start + 1),
          loaded(start + 9, 1, { pid: 0x101 }),
        ],
        'ok ok ok ok',
      ],
    ];
    for (const [name, packets, verdicts] of cases) {
      it(`${name}, from counter ${start}`, () => expect(judge(packets).join(' ')).toBe(verdicts.trim()));
    }
  }

  it('passes over packets with neither payload nor adaptation field', () => {
    const reserved = loaded(9);
    reserved[3] = 0x09;
    expect(judge([loaded(1), reserved, loaded(2)])).toEqual(['ok', 'ok', 'ok']);
  });

  it('forgets everything on reset', () => {
    const check = new ContinuityCheck();
    check.check(loaded(3), 0);
    check.reset();
    expect(check.check(loaded(11), 0)).toBe('ok');
  });
});

describe('behind a gap that was told', () => {
  /** Verdicts on packets; `gap` is told where there is none. */
  function judgeBehindGaps(packets: readonly (Buffer | undefined)[]): string {
    const check = new ContinuityCheck();
    const verdicts: ContinuityVerdict[] = [];
    for (const packet of packets) {
      if (packet) verdicts.push(check.check(packet, 0));
      else check.gap();
    }
    return verdicts.join(' ');
  }
  const other = (counter: number) => loaded(counter, counter, { pid: 0x101 });

  const cases: [name: string, packets: (Buffer | undefined)[], verdicts: string][] = [
    ['what does not follow is no news', [loaded(1), undefined, loaded(5), loaded(6)], 'ok gap ok'],
    ['what follows is in order', [loaded(1), undefined, loaded(2), loaded(4)], 'ok ok error'],
    [
      'a PID is heard once more before it is believed',
      [loaded(1), undefined, loaded(5), loaded(7)],
      'ok gap error',
    ],
    [
      'each PID has its own first packet',
      [loaded(1), other(1), undefined, loaded(5), loaded(6), other(9), other(11)],
      'ok ok gap ok gap error',
    ],
    ['a PID that is heard for the first time is in order', [undefined, loaded(5), loaded(7)], 'ok error'],
    ['a copy is a copy', [loaded(1), undefined, loaded(1), loaded(2)], 'ok duplicate ok'],
    ['a third copy is one too many', [loaded(1), loaded(1), undefined, loaded(1)], 'ok duplicate gap'],
    ['a packet without payload counts as heard', [loaded(1), undefined, bare(1), loaded(4)], 'ok ok error'],
    ['a packet without payload may not follow', [loaded(1), undefined, bare(3), loaded(5)], 'ok gap error'],
    ['several gaps are one', [loaded(1), undefined, undefined, loaded(7), loaded(9)], 'ok gap error'],
  ];
  for (const [name, packets, verdicts] of cases) {
    it(name, () => expect(judgeBehindGaps(packets)).toBe(verdicts));
  }
});
