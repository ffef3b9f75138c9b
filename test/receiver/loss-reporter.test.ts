import { describe, expect, it } from 'vitest';
import { LossReporter } from '../../receiver/loss-reporter.ts';
import { LossPattern } from '../../wire/loss-pattern.ts';
import { parseLossReport, type LossReport } from '../../wire/rtcp-xr.ts';
import { SEQUENCE_STARTS } from '../helpers/packets.ts';

/** The next report, parsed. */
function next(reporter: LossReporter, firstSequence = 0): LossReport | undefined {
  const packet = reporter.report({ ssrc: 1, mediaSsrc: 9, firstSequence });
  if (!packet) return undefined;
  const report = parseLossReport(packet, 9);
  if (typeof report === 'string') throw new Error(report);
  return report;
}

describe('LossReporter', () => {
  for (const start of SEQUENCE_STARTS) {
    it(`tells of everything once, with sequence numbers from ${start} on`, () => {
      const pattern = new LossPattern();
      const reporter = new LossReporter(pattern);
      expect(next(reporter, start)).toBeUndefined();
      pattern.lost(3, 2);
      pattern.lost(98, 6); // 100 and later is not certain yet
      pattern.knownUntil(100);
      const [first, second] = [start, (start + 100) & 0xffff];
      expect(next(reporter, start)).toMatchObject({
        firstSequence: first,
        count: 100,
        lost: [
          { first: 3, count: 2 },
          { first: 98, count: 2 },
        ],
      });
      expect(next(reporter, start)).toBeUndefined();
      pattern.knownUntil(150);
      const report = { firstSequence: second, count: 50, lost: [{ first: 0, count: 4 }] };
      expect(next(reporter, start)).toMatchObject(report);
      pattern.knownUntil(160);
      expect(next(reporter, start)).toMatchObject({ count: 10, lost: [] });
    });
  }

  it('tells of the latest part of a stretch that no report can cover', () => {
    const pattern = new LossPattern();
    const reporter = new LossReporter(pattern);
    pattern.lost(10, 1);
    pattern.lost(99_990, 1);
    pattern.knownUntil(100_000);
    expect(next(reporter)).toMatchObject({ count: 65_534, lost: [{ first: 65_524, count: 1 }] });
    expect(next(reporter)).toBeUndefined();
  });

  it('tells of what is still remembered', () => {
    const pattern = new LossPattern();
    const reporter = new LossReporter(pattern);
    pattern.lost(10, 1);
    pattern.forgetBefore(50);
    pattern.knownUntil(60);
    expect(next(reporter)).toMatchObject({ firstSequence: 50, count: 10, lost: [] });
  });
});
