import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  formatBytes,
  formatClock,
  formatCount,
  formatMs,
  formatRate,
  formatShare,
  plainText,
  plural,
} from '../../cli/format.ts';
import { Output } from '../../cli/output.ts';
import { tell } from '../../cli/report.ts';

/** An output whose words can be read. */
function heard(
  options: { isTTY?: boolean; json?: boolean; columns?: number; env?: Record<string, string> } = {},
) {
  const words = { stderr: '', stdout: '' };
  const output = new Output({
    stderr: {
      write: (text) => (words.stderr += text),
      isTTY: options.isTTY ?? false,
      columns: options.columns ?? 80,
    },
    stdout: { write: (text) => (words.stdout += text) },
    json: options.json ?? false,
    env: options.env ?? {},
  });
  return { output, words };
}

const progress = { line: 'halfway', event: { event: 'progress', packets: 7 } };

afterEach(() => vi.useRealTimers());

describe('Output', () => {
  it('says words to people on stderr and nothing on stdout', () => {
    const { output, words } = heard();
    output.say('  ✓ done');
    output.event({ event: 'summary' });
    expect(words).toEqual({ stderr: '  ✓ done\n', stdout: '' });
  });
  it('tells programs events as lines of JSON', () => {
    const { output, words } = heard({ json: true });
    output.event({ event: 'a', text: 'two\nlines' });
    output.event({ event: 'b', unknown: undefined });
    expect(words.stdout).toBe('{"event":"a","text":"two\\nlines"}\n{"event":"b"}\n');
  });
  it('makes what would command a terminal harmless', () => {
    const { output, words } = heard({ isTTY: true, env: { NO_COLOR: '1' } });
    output.say('name \x1b[2Jevil\x07 \u202etxet');
    expect(words.stderr).toBe('name ·[2Jevil· ·txet\n');
  });

  it('gives a voice to one thing among several', () => {
    const { output, words } = heard({ json: true });
    const voice = output.about('film.ts', { channel: 'film.ts' });
    voice.event({ event: 'summary', packets: 7 });
    tell('the file is cut', voice);
    tell('something of the whole', output);
    expect(words.stdout).toBe(
      '{"event":"summary","channel":"film.ts","packets":7}\n' +
        '{"event":"note","channel":"film.ts","note":"the file is cut"}\n' +
        '{"event":"note","note":"something of the whole"}\n',
    );
    expect(words.stderr).toBe('  ! film.ts: the file is cut\n  ! something of the whole\n');
  });

  const coloured: [name: string, isTTY: boolean, env: Record<string, string>, colour: boolean][] = [
    ['on a terminal', true, {}, true],
    ['elsewhere', false, {}, false],
    ['with NO_COLOR', true, { NO_COLOR: '1' }, false],
    ['on a dumb terminal', true, { TERM: 'dumb' }, false],
    ['elsewhere with FORCE_COLOR', false, { FORCE_COLOR: '1' }, true],
    ['on a terminal with FORCE_COLOR=0', true, { FORCE_COLOR: '0' }, false],
  ];
  for (const [name, isTTY, env, colour] of coloured) {
    it(`${colour ? 'colours' : 'does not colour'} marks ${name}`, () => {
      const { output, words } = heard({ isTTY, env });
      output.say('  ✗ E001');
      expect(words.stderr.includes('\x1b[31m✗\x1b[0m')).toBe(colour);
    });
  }

  it('keeps one changing line on a terminal, below what is said', () => {
    vi.useFakeTimers();
    const { output, words } = heard({ isTTY: true, columns: 6, env: { NO_COLOR: '1' } });
    const end = output.follow(() => progress);
    vi.advanceTimersByTime(250);
    expect(words.stderr).toBe('halfw');
    output.say('news');
    expect(words.stderr).toBe('halfw\r\x1b[2Knews\nhalfw');
    end();
    expect(words.stderr).toBe('halfw\r\x1b[2Knews\nhalfw\r\x1b[2K');
    vi.advanceTimersByTime(1000);
    expect(words.stderr.endsWith('\x1b[2K')).toBe(true);
  });
  it('shows the whole line when the terminal does not tell its width', () => {
    vi.useFakeTimers();
    const { output, words } = heard({ isTTY: true, columns: 0 });
    output.follow(() => progress);
    vi.advanceTimersByTime(250);
    expect(words.stderr).toBe('halfway');
  });
  it('says a plain line every ten seconds elsewhere', () => {
    vi.useFakeTimers();
    const { output, words } = heard();
    output.follow(() => progress);
    vi.advanceTimersByTime(9999);
    expect(words.stderr).toBe('');
    vi.advanceTimersByTime(10_001);
    expect(words.stderr).toBe('halfway\nhalfway\n');
  });
  it('tells an event a second with --json, and repeats nothing to people', () => {
    vi.useFakeTimers();
    const { output, words } = heard({ json: true });
    output.follow(() => progress);
    vi.advanceTimersByTime(3000);
    expect(words.stdout).toBe('{"event":"progress","packets":7}\n'.repeat(3));
    expect(words.stderr).toBe('');
  });
  it('does both with --json on a terminal', () => {
    vi.useFakeTimers();
    const { output, words } = heard({ json: true, isTTY: true });
    output.follow(() => progress);
    vi.advanceTimersByTime(2000);
    expect(words.stdout).toBe('{"event":"progress","packets":7}\n'.repeat(2));
    expect(words.stderr).toContain('halfway');
  });
});

const formats: [shown: string, wanted: string][] = [
  [formatClock(0), '0:00'],
  [formatClock(65_999), '1:05'],
  [formatClock(6_130_000), '1:42:10'],
  [formatClock(-5), '0:00'],
  [formatRate(8_104_448), '8.1 Mb/s'],
  [formatRate(640), '640 b/s'],
  [formatRate(999_700), '1.0 Mb/s'],
  [formatRate(250e6), '250 Mb/s'],
  [formatBytes(188), '188 B'],
  [formatBytes(735_000_000), '735 MB'],
  [formatBytes(2e15), '2000 TB'],
  [formatMs(1.23), '1.2 ms'],
  [formatMs(198.4), '198 ms'],
  [formatMs(undefined), '–'],
  [formatCount(556_012), '556 012'],
  [formatCount(999), '999'],
  [formatCount(1_000_000), '1 000 000'],
  [plural(1, 'datagram'), '1 datagram'],
  [plural(0, 'datagram'), '0 datagrams'],
  [formatShare(0, 0), '0 %'],
  [formatShare(4, 765), '0.52 %'],
  [formatShare(1, 1e6), '< 0.01 %'],
  [formatShare(5, 5), '100 %'],
  [formatShare(1, 3), '33.3 %'],
  [plainText('a\nb\tc\u0085d'), 'a·b·c·d'],
];
describe('formats', () => {
  for (const [shown, wanted] of formats) it(`shows ${wanted}`, () => expect(shown).toBe(wanted));
});
