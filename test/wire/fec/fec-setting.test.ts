import { describe, expect, it } from 'vitest';
import {
  fecOverhead,
  fecSpan,
  formatFecSetting,
  parseFecSetting,
  type FecSettingFault,
} from '../../../wire/fec/fec-setting.ts';

describe('fec settings', () => {
  const settings: [text: string, overhead: number, span: number][] = [
    ['2022:10x5', 1 / 5, 50],
    ['2022:5x10', 1 / 10, 50],
    ['2022:10x10+rows', 1 / 5, 100],
    ['rs:20,5', 1 / 4, 20],
    ['rs:48,3,4', 1 / 16, 192],
  ];
  for (const [text, overhead, span] of settings) {
    it(`reads ${text} and writes it again`, () => {
      const setting = parseFecSetting(text);
      if (typeof setting === 'string') throw new Error(setting);
      expect(formatFecSetting(setting)).toBe(text);
      expect(fecOverhead(setting)).toBeCloseTo(overhead, 12);
      expect(fecSpan(setting)).toBe(span);
    });
  }

  it('leaves an interleave of 1 away', () => {
    const setting = parseFecSetting('rs:20,5,1');
    expect(typeof setting === 'string' ? setting : formatFecSetting(setting)).toBe('rs:20,5');
  });

  const faults: [text: string, fault: FecSettingFault][] = [
    ['', 'unknown-scheme'],
    ['xor', 'unknown-scheme'],
    ['auto', 'unknown-scheme'],
    ['2022:10', 'bad-form'],
    ['2022:10x3', 'bad-rows'],
    ['2022:3x10+rows', 'bad-columns'],
    ['2022:20x20', 'too-large'],
    ['rs:20', 'bad-form'],
    ['rs:250,50', 'too-many-shards'],
    ['rs:0,5', 'no-shards'],
  ];
  for (const [text, fault] of faults) {
    it(`refuses "${text}": ${fault}`, () => expect(parseFecSetting(text)).toBe(fault));
  }
});
