import { describe, expect, it } from 'vitest';
import { adviceRemedy, adviceSentence, settingWords, tooSlowSentence } from '../../wire/advice-words.ts';
import type { RepairAdvice } from '../../wire/metrics.ts';

/** @param repaired share, @param more share */
function advised(setting: string, repairedShare: number, overheadShare: number, delayMs = 50): RepairAdvice {
  return { setting, repairedShare, overheadShare, delayMs };
}

const five = advised('2022:5x10', 0.9934, 0.1);
const ten = advised('2022:10x5', 1, 0.2);

const sentences: [name: string, advice: RepairAdvice[], words: string | undefined][] = [
  ['nothing to advise', [], undefined],
  ['one setting', [ten], '10×5 would have repaired all of it, for 20 % more data'],
  [
    'two of one price, in the words of the product',
    [five, { ...ten, overheadShare: 0.1 }],
    '5×10 would have repaired 99.3 %, 10×5 all of it, for 10 % more data',
  ],
  [
    'two of two prices',
    [five, ten],
    '5×10 would have repaired 99.3 % for 10 % more data, 10×5 all of it for 20 % more',
  ],
  [
    'three kinds',
    [five, advised('rs:20,3', 0.99999, 0.15), advised('rs:20,5,4', 1, 0.25)],
    '5×10 would have repaired 99.3 % for 10 % more data, RS 20+3 99.9 % for 15 % more, ' +
      'RS 20+5 interleaved by 4 all of it for 25 % more',
  ],
  [
    'a share close to nothing',
    [{ ...five, repairedShare: 0.0004 }],
    '5×10 would have repaired hardly any, for 10 % more data',
  ],
  [
    'a price with a fraction',
    [{ ...ten, overheadShare: 1 / 30 }],
    '10×5 would have repaired all of it, for 3.3 % more data',
  ],
];

describe('adviceSentence', () => {
  for (const [name, advice, words] of sentences)
    it(`says ${name}`, () => expect(adviceSentence(advice)).toBe(words));
});

const remedies: [
  name: string,
  advice: RepairAdvice[],
  latencyMs: number | undefined,
  words: string | undefined,
][] = [
  ['nothing without advice', [], 200, undefined],
  ['the setting that repairs most', [five, ten], 200, 'send with --fec 2022:10x5'],
  [
    'the time that it needs',
    [five, { ...ten, delayMs: 631.2 }],
    200,
    'send with --fec 2022:10x5, receive with --latency 640ms',
  ],
  [
    'more time than exactly what is there',
    [{ ...ten, delayMs: 200 }],
    200,
    'send with --fec 2022:10x5, receive with --latency 210ms',
  ],
  ['no time where there is enough', [{ ...ten, delayMs: 631 }], 1000, 'send with --fec 2022:10x5'],
  [
    'the time where it is not known how much there is',
    [{ ...ten, delayMs: 631 }],
    undefined,
    'send with --fec 2022:10x5, receive with --latency 640ms',
  ],
];

describe('adviceRemedy', () => {
  for (const [name, advice, latencyMs, words] of remedies)
    it(`names ${name}`, () => expect(adviceRemedy(advice, latencyMs)).toBe(words));
});

describe('tooSlowSentence', () => {
  const repair = { fec: 0, retransmitted: 0, asked: 0, refused: {}, advice: [] };
  it('names the latency that lets FEC repair', () =>
    expect(tooSlowSentence({ ...repair, setting: '2022:10x10', tooSlowMs: 560.4 })).toBe(
      'FEC 10×10 takes up to 560 ms to repair, longer than is waited for: receive with --latency 650ms',
    ));
  it('says nothing of FEC that is in time', () =>
    expect(tooSlowSentence({ ...repair, setting: '2022:10x10' })).toBeUndefined());
});

const settings: [setting: string, words: string][] = [
  ['2022:10x5', '10×5'],
  ['2022:10x5+rows', '10×5 with rows'],
  ['rs:20,5', 'RS 20+5'],
  ['rs:20,5,4', 'RS 20+5 interleaved by 4'],
  ['something new', 'something new'],
];

describe('settingWords', () => {
  for (const [setting, words] of settings)
    it(`calls ${setting} ${words}`, () => expect(settingWords(setting)).toBe(words));
});
