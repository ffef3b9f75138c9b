import { describe, expect, it } from 'vitest';
import { bitrate, count, duration, milliseconds, percent, seconds } from '../../web-viewer/page/format.ts';

describe('format', () => {
  const cases: [said: string, expected: string][] = [
    [bitrate(0), '0 kbit/s'],
    [bitrate(472_300), '472 kbit/s'],
    [bitrate(999_700), '1.0 Mbit/s'],
    [bitrate(8_104_448), '8.1 Mbit/s'],
    [bitrate(123_000_000), '123 Mbit/s'],
    [percent(0), '0 %'],
    [percent(0.000003), '0.0003 %'],
    [percent(0.0017), '0.17 %'],
    [percent(0.012), '1.2 %'],
    [percent(0.01), '1 %'],
    [percent(0.005), '0.5 %'],
    [percent(0.5), '50 %'],
    [percent(1), '100 %'],
    [count(0), '0'],
    [count(999), '999'],
    [count(1000), '1\u202f000'],
    [count(12_345_678), '12\u202f345\u202f678'],
    [milliseconds(0), '0 ms'],
    [milliseconds(0.42), '0.4 ms'],
    [milliseconds(9.96), '10 ms'],
    [milliseconds(198.4), '198 ms'],
    [seconds(0.44), '0.4 s'],
    [duration(-5), '0 s'],
    [duration(12_300), '12 s'],
    [duration(119_000), '119 s'],
    [duration(180_000), '3 min'],
    [duration(7_500_000), '2 h 5 min'],
  ];
  for (const [said, expected] of cases) it(`says ${expected}`, () => expect(said).toBe(expected));

  it('never rounds a loss to nothing', () => {
    for (let lost = 1; lost < 1e8; lost *= 3) expect(percent(1 / lost)).not.toMatch(/^0(\.0+)? %$/);
  });
});
