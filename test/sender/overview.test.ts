import { describe, expect, it } from 'vitest';
import { durationOf, mediaOf } from '../../sender/overview.ts';
import { PCR_CYCLE } from '../../wire/clock.ts';
import { PCR_HZ } from '../../wire/mpeg-ts.ts';
import { programme } from '../helpers/programme.ts';

const PART = 188 * 200;

describe('mediaOf', () => {
  it('names the codecs', () => expect(mediaOf(programme({ durationMs: 200 }))).toBe('H.264 + AAC'));
  it('counts programmes', () =>
    expect(mediaOf(programme({ durationMs: 300, programmes: 2 }))).toBe('2 programmes: H.264 + AAC'));
  it('says nothing without tables', () => expect(mediaOf(Buffer.alloc(0))).toBe(''));
});

describe('durationOf', () => {
  for (const startPcr of [0, PCR_CYCLE - PCR_HZ]) {
    it(`measures from the first PCR to the last, from PCR ${startPcr}`, () => {
      const film = programme({ durationMs: 3000, startPcr });
      expect(durationOf(film.subarray(0, PART), film.subarray(-PART), film.length)).toBeCloseTo(2960, -2);
    });
  }
  it('does not know it without a clock', () => {
    const film = programme({ durationMs: 500, pcr: false });
    expect(durationOf(film, film, film.length)).toBeUndefined();
  });
  it('does not believe a clock that has jumped', () => {
    const film = programme({ durationMs: 500 });
    const later = programme({ durationMs: 500, startPcr: 40_000 * PCR_HZ });
    expect(durationOf(film, later, 2 * film.length)).toBeUndefined();
    expect(durationOf(later, film, 2 * film.length)).toBeUndefined();
  });
});
