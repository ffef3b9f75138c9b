import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { numberedName, PART_SUFFIX, safeName } from '../../receiver/copy-name.ts';

fc.configureGlobal({ seed: 255 });

const LONG = 'ä'.repeat(200);

describe('safeName', () => {
  const names: [typed: string, safe: string | undefined][] = [
    ['film.mp4', 'film.mp4'],
    ['Ein Film (2).mp4', 'Ein Film (2).mp4'],
    ['映画.ts', '映画.ts'],
    ['e\u0301.ts', '\u00e9.ts'],
    ['../../etc/passwd', 'passwd'],
    ['..\\..\\windows\\system32\\a.dll', 'a.dll'],
    ['/etc/passwd', 'passwd'],
    ['C:\\a.txt', 'a.txt'],
    ['C:a.txt', 'C_a.txt'],
    ['folder/', undefined],
    ['..', undefined],
    ['.', undefined],
    ['   ', undefined],
    ['. . .', undefined],
    ['', undefined],
    ['a\0b.ts', 'a_b.ts'],
    ['a\x1b[31mb', 'a_[31mb'],
    ['a\nb', 'a_b'],
    ['invoice\u202efdp.exe', 'invoice_fdp.exe'],
    ['.bashrc', '_bashrc'],
    ['-rf', '_rf'],
    ['what?*<>|":.ts', 'what_______.ts'],
    ['film.mp4. ', 'film.mp4'],
    ['CON', '_CON'],
    ['nul.txt', '_nul.txt'],
    ['com1.mp4', '_com1.mp4'],
    ['LPT9', '_LPT9'],
    ['console.log', 'console.log'],
    [`film${PART_SUFFIX}`, `film${PART_SUFFIX}_`],
    [`film${PART_SUFFIX.toUpperCase()}`, `film${PART_SUFFIX.toUpperCase()}_`],
    [`${LONG}.mp4`, `${'ä'.repeat(118)}.mp4`],
    [LONG, 'ä'.repeat(120)],
    [`a.${LONG}`, `a.${'ä'.repeat(119)}`],
  ];
  for (const [typed, safe] of names)
    it(`makes ${JSON.stringify(typed.slice(0, 30))} ${safe === undefined ? 'nothing' : JSON.stringify(safe.slice(0, 30))}`, () =>
      expect(safeName(typed)).toBe(safe));

  it('makes any text one visible name of a folder, and that name itself', () => {
    const nasty = fc.string({
      unit: fc.constantFrom('.', '/', '\\', ' ', '\0', '-', 'a', '\u202e', '\ud800', 'é', '💾', ':'),
      maxLength: 300,
    });
    fc.assert(
      fc.property(fc.oneof(nasty, fc.string({ unit: 'binary', maxLength: 300 })), (typed) => {
        const name = safeName(typed);
        if (name === undefined) return;
        expect(Buffer.byteLength(name + PART_SUFFIX)).toBeLessThanOrEqual(255);
        expect(name).not.toMatch(/[/\\\0\p{Cc}]|^[.-]|^$|[. ]$/u);
        expect(safeName(name)).toBe(name);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('numberedName', () => {
  const names: [name: string, numbered: string][] = [
    ['film.mp4', 'film-2.mp4'],
    ['film', 'film-2'],
    ['a.tar.gz', 'a.tar-2.gz'],
  ];
  for (const [name, numbered] of names) it(`of ${name}`, () => expect(numberedName(name, 2)).toBe(numbered));
});
