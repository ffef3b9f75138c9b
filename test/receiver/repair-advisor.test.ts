import { describe, expect, it } from 'vitest';
import { RepairAdvisor } from '../../receiver/repair-advisor.ts';
import { parseFecSetting } from '../../wire/fec/fec-setting.ts';

const PER_SECOND = 1000;

describe('RepairAdvisor', () => {
  it('advises on the losses of the last five minutes, and works it out anew after five seconds', () => {
    const advisor = new RepairAdvisor(200);
    expect(advisor.advice(0, PER_SECOND)).toEqual([]);
    advisor.pattern.lost(1000, 1);
    advisor.pattern.knownUntil(4000);
    expect(advisor.advice(4000, PER_SECOND)).toEqual([]);
    const advice = advisor.advice(5000, PER_SECOND);
    expect(advice.map(({ setting }) => setting)).toEqual(['rs:48,1']);
    expect(advisor.advice(9999, PER_SECOND)).toBe(advice);
    advisor.pattern.knownUntil(302_000);
    expect(advisor.advice(302_000, PER_SECOND)).toEqual([]);
  });

  it('says nothing of a stream whose rate is not known, and does not remember that', () => {
    const advisor = new RepairAdvisor(200);
    advisor.pattern.lost(10, 1);
    expect(advisor.advice(0, 0)).toEqual([]);
    expect(advisor.advice(1, PER_SECOND)).toHaveLength(1);
  });

  it('knows that a setting is in use which does the same', () => {
    const advisor = new RepairAdvisor(200);
    advisor.pattern.lost(10, 1);
    const present = parseFecSetting('rs:48,1');
    if (typeof present === 'string') throw new Error(present);
    expect(advisor.advice(0, PER_SECOND, present)).toEqual([]);
  });
});
