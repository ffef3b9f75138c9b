/** Texts of DVB tables, by character set; and that nothing in them can harm a terminal or a page's layout. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dvbText, writeDvbText } from '../../wire/dvb-text.ts';

describe('dvbText', () => {
  const cases: [name: string, bytes: string, text: string][] = [
    ['nothing', '', ''],
    ['ASCII', '4c756d696e61', 'Lumina'],
    ['accents of ISO 6937, which stand before their letter', 'c84f737465727265696368', 'Österreich'],
    ['letters of ISO 6937', 'e9fbf1a4', 'Øßæ€'],
    ['codes that ISO 6937 leaves empty', '41c0d841e5', 'AA'],
    ['Cyrillic', '01bcded5', 'Мое'],
    ['Latin 2 by number', '100002b5bb', 'ľť'],
    ['Turkish', '05f0fe', 'ğş'],
    ['the euro of Latin 9', '0ba4', '€'],
    ['two-byte Unicode', '11041c0438', 'Ми'],
    ['Korean', '12c7d1', '한'],
    ['Chinese, simplified', '13d6d0', '中'],
    ['Chinese, traditional', '14a4a4', '中'],
    ['UTF-8', '15e4b8ade29c93', '中✓'],
    ['broken UTF-8', '1541ff42', 'A\ufffdB'],
    ['a character set nobody knows', '1f4142', ''],
    ['an ISO 8859 part that does not exist', '10000c4142', ''],
    ['emphasis and line breaks', '866f6e8720208a6f6666', 'on  off'],
    ['control characters', '41071b5b324a420d0a7f', 'A[2JB'],
    ['marks that turn the direction of writing', '1541e280ae42e2808b43', 'ABC'],
    ['blanks around', '2020412020', 'A'],
  ];
  for (const [name, bytes, text] of cases) {
    it(`decodes ${name}`, () => expect(dvbText(Buffer.from(bytes, 'hex'))).toBe(text));
  }

  it('never throws and never gives a control character, whatever bytes it gets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
        expect(dvbText(Buffer.from(bytes))).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      }),
      { seed: 468, numRuns: 1000 },
    );
  });
});

describe('writeDvbText', () => {
  it('writes ASCII as it is', () => expect(writeDvbText('Bars').toString('hex')).toBe('42617273'));
  it('writes the rest as UTF-8', () => expect(writeDvbText('ö').toString('hex')).toBe('15c3b6'));
  it('cuts between characters', () => {
    expect(dvbText(writeDvbText('ööö', 6))).toBe('öö');
    expect(writeDvbText('abcdef', 4).toString()).toBe('abcd');
  });
});
