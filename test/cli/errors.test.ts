import { describe, expect, it } from 'vitest';
import { EXIT_CODES, explain, threeLines } from '../../cli/errors.ts';
import { installHint } from '../../cli/install-hint.ts';
import { LancastError, type ErrorCode, type ErrorDetails } from '../../wire/errors.ts';

/** Each code with the facts that its throwers give, its exit status, and a piece of its words. */
const errors: [code: ErrorCode, details: ErrorDetails, exitCode: number, words: RegExp][] = [
  ['E001', { expected: 'a duration', value: '5x' }, 2, /expected a duration/],
  ['E001', { command: 'send', meant: '--loop' }, 2, /did you mean --loop\?/],
  ['E001', { command: 'send' }, 2, /lancast help send/],
  ['E101', { address: '239.1.1.1:5004', seconds: 5 }, 11, /No packets from 239\.1\.1\.1:5004 for 5 s\./],
  ['E101', { address: 'x', seconds: 5, why: 'no card', fix: 'plug in' }, 11, /why: no card\n.*fix: plug in/],
  ['E102', { interface: '192.168.9.9', have: ['eth0 10.0.0.2', 'lo 127.0.0.1'] }, 4, /eth0 10\.0\.0\.2, lo/],
  ['E102', { interface: 'eth0', family: 6, have: [] }, 4, /message\./],
  ['E103', { destination: '239.1.1.1', have: [] }, 4, /no route to 239\.1\.1\.1[\s\S]*up: none/],
  ['E104', { address: '10.0.0.5' }, 2, /10\.0\.0\.5 is a normal \(unicast\) address/],
  ['E105', { group: '224.0.0.1' }, 2, /224\.0\.0\.1 is reserved/],
  ['E106', {}, 2, /TTL 0 would keep the stream inside this PC/],
  ['E107', { group: '239.1.1.1' }, 4, /igmp_max_memberships/],
  ['E109', { destination: '239.1.1.1' }, 4, /firewall on this PC blocked sending to 239\.1\.1\.1/],
  ['E110', { interface: 'eth0', port: 5004 }, 4, /Packets reach eth0 but not lancast/],
  ['E111', { port: 5004, owner: 'vlc', pid: 4312 }, 5, /UDP port 5004 is in use\.[\s\S]*vlc \(pid 4312\)/],
  ['E112', { host: '127.0.0.1', port: 1316 }, 5, /127\.0\.0\.1:1316 is in use/],
  ['E113', { destination: '10.8.0.2' }, 4, /do not fit the path to 10\.8\.0\.2/],
  ['E114', { drops: 212 }, 0, /buffer of this PC is too small: 212 datagrams were dropped[\s\S]*rmem_max/],
  ['E114', { drops: 212, overruns: 3 }, 0, /This PC was too busy: 212 datagrams[\s\S]*full \(3 ×\)/],
  ['E115', { destination: '10.0.0.255' }, 4, /--broadcast/],
  ['E116', { source: '192.168.1.77:5004' }, 0, /second sender \(192\.168\.1\.77:5004\)/],
  ['E117', {}, 0, /clock differs/],
  [
    'E118',
    { address: 'copy://10.0.0.5:5004', path: 'film.mp4', reason: 'no-space', freeBytes: 5_000_000 },
    1,
    /copy:\/\/10\.0\.0\.5:5004 did not take "film\.mp4"[\s\S]*5\.0 MB are free/,
  ],
  ['E118', { path: 'film.mp4', reason: 'differs', missing: 'nothing of it is there' }, 1, /thrown away/],
  ['E118', { reason: 'stopped' }, 1, /goes on where it stopped/],
  ['E119', { path: 'film.mp4', reason: 'unanswered' }, 1, /nobody answered[\s\S]*lancast record copy:/],
  [
    'E119',
    { path: 'film.mp4', reason: 'silent', missing: 'bytes 1 316 to 1 999 of 2 000 are missing' },
    1,
    /did not arrive whole: bytes 1 316 to 1 999 of 2 000 are missing\./,
  ],
  ['E119', { path: 'film.mp4', reason: 'changed' }, 1, /changed while it was sent/],
  ['E201', { path: 'holday.mp4' }, 6, /There is no file "holday\.mp4"/],
  ['E202', { path: 'notes.txt', reason: 'it starts with "Dear…"' }, 6, /notes\.txt[\s\S]*Dear/],
  ['E203', { path: 'a.mov', codec: 'prores' }, 6, /prores of "a\.mov" cannot be sent/],
  ['E204', {}, 10, /ffmpeg is not installed[\s\S]*install/],
  ['E205', { status: 'signal 9', stderr: 'out of memory' }, 6, /signal 9[\s\S]*out of memory/],
  ['E206', { path: 'a.mp4' }, 6, /"a\.mp4" is cut off/],
  ['E207', { path: 'a.ts' }, 6, /"a\.ts" is empty/],
  ['E208', { path: 'a.ts' }, 7, /You may not read "a\.ts"/],
  ['E401', { path: 'out.ts' }, 8, /The disk is full: out\.ts cannot grow/],
  ['E402', { path: 'out.ts', reason: 'EROFS' }, 8, /read-only/],
  ['E402', { path: 'no/out.ts', reason: 'ENOENT' }, 8, /its folder does not exist/],
  ['E403', { path: 'out.ts', waitingBytes: 5_000_000 }, 0, /cannot keep up: 5\.0 MB wait/],
  ['E404', { path: 'out.ts', reason: 'EIO' }, 8, /Writing "out\.ts" failed/],
  ['E502', { host: '0.0.0.0' }, 3, /not opened on 0\.0\.0\.0/],
  ['E503', { origin: 'https://evil.example' }, 0, /evil\.example/],
];

describe('errors', () => {
  for (const [code, details, exitCode, words] of errors) {
    const error = new LancastError(code, 'message', details);
    it(`words ${code} ${JSON.stringify(details)} in three lines`, () => {
      const lines = threeLines(error, '✗');
      expect(lines.split('\n')).toHaveLength(3);
      expect(lines).toContain(code);
      expect(lines).toMatch(words);
      expect(explain(error).exitCode).toBe(exitCode);
    });
    it(`words ${code} without any fact`, () => {
      const { what, why, fix } = explain(new LancastError(code, 'message'));
      for (const line of [what, why, fix]) expect(line).toMatch(/^\S.*\S$/);
      expect(`${what}${why}${fix}`).not.toMatch(/undefined|\bNaN\b|""|\(\)/);
    });
  }
  it('ends commands only with statuses that the help tells of', () => {
    const told = new Set(EXIT_CODES.map(([code]) => code));
    for (const [code, details] of errors) {
      expect(told).toContain(explain(new LancastError(code, '', details)).exitCode);
    }
  });
  it('names a file that may be meant', () => {
    const lines = threeLines(new LancastError('E201', '', { path: 'pakcage.json' }), '!');
    expect(lines).toContain('did you mean "package.json"?');
  });
  it('keeps names from outside to their line', () => {
    const lines = threeLines(new LancastError('E201', '', { path: 'a\n  ✗ E999 fake\x1b[2J' }), '!');
    expect(lines.split('\n')).toHaveLength(3);
    expect(lines).not.toContain('\x1b');
  });

  const hints: [platform: NodeJS.Platform, hint: RegExp][] = [
    ['darwin', /^brew install ffmpeg$/],
    ['win32', /^winget install ffmpeg$/],
    ['linux', /install.*ffmpeg|ffmpeg with the package manager/],
  ];
  for (const [platform, hint] of hints) {
    it(`knows how to install on ${platform}`, () => expect(installHint('ffmpeg', platform)).toMatch(hint));
  }
});
