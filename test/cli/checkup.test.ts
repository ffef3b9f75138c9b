import { describe, expect, it } from 'vitest';
import { CHECKS, type Finding, type MachineFacts } from '../../cli/checkup.ts';

const healthy: MachineFacts = {
  node: { version: '20.19.0', oldest: '20.19' },
  engine: { kind: 'native', reason: 'it was built for this system' },
  platform: 'linux',
  withoutNative: false,
  ffmpeg: { path: '/usr/bin/ffmpeg', version: '7.1' },
  receiveBuffer: { asked: 4_194_304, granted: 4_194_304 },
  install: { compiler: 'sudo apt-get install gcc libc6-dev', ffmpeg: 'sudo apt-get install ffmpeg' },
};

/** What the one check that is not satisfied says; all of them when they are. */
function findings(changes: Partial<MachineFacts>): Finding[] {
  const all = CHECKS.map((judge) => judge({ ...healthy, ...changes }));
  const bad = all.filter(({ state }) => state !== 'well');
  return bad.length === 0 ? all : bad;
}

const noCompiler = { kind: 'javascript', reason: 'no C compiler was found (cc)' } as const;
const old = {
  kind: 'javascript',
  reason: 'the native engine was built from other sources: run `npm rebuild`',
} as const;
const badly: [name: string, changes: Partial<MachineFacts>, finding: Finding][] = [
  [
    'a Node.js that is too old',
    { node: { version: '20.9.3', oldest: '20.19' } },
    {
      check: 'node',
      state: 'wrong',
      words: 'Node.js 20.9.3 is too old: 20.19 or newer is needed',
      fix: 'https://nodejs.org',
    },
  ],
  [
    'a missing compiler',
    { engine: noCompiler },
    {
      check: 'engine',
      state: 'warning',
      words: 'JavaScript: no C compiler was found (cc); sending and receiving cost up to ten times more',
      fix: 'sudo apt-get install gcc libc6-dev, then npm rebuild',
    },
  ],
  [
    'an engine of other sources',
    { engine: old },
    {
      check: 'engine',
      state: 'warning',
      words: `JavaScript: ${old.reason}; sending and receiving cost up to ten times more`,
      fix: 'npm rebuild',
    },
  ],
  [
    'a missing ffmpeg',
    { ffmpeg: undefined },
    {
      check: 'ffmpeg',
      state: 'warning',
      words: 'not installed: .ts files can be sent, other films and the test pattern cannot',
      fix: 'sudo apt-get install ffmpeg',
    },
  ],
  [
    'a small receive buffer',
    { receiveBuffer: { asked: 4_194_304, granted: 212_992 } },
    {
      check: 'buffer',
      state: 'warning',
      words: '213 kB of 4.2 MB for what arrives: full after 8.5 ms at 200 Mb/s',
      fix: 'sudo sysctl -w net.core.rmem_max=33554432',
    },
  ],
];
const well: [name: string, changes: Partial<MachineFacts>, words: RegExp][] = [
  ['a machine that has everything', {}, /native: it was built for this system/],
  ['a newer Node.js', { node: { version: '22.1.0', oldest: '20.19' } }, /Node\.js 22\.1\.0$/],
  [
    'JavaScript where people asked for it',
    { engine: noCompiler, withoutNative: true },
    /JavaScript: no C compiler/,
  ],
  [
    'JavaScript where there is no other',
    { engine: noCompiler, platform: 'darwin' },
    /JavaScript: no C compiler/,
  ],
];

describe('a checkup', () => {
  for (const [name, changes, finding] of badly) {
    it(`finds ${name}, and knows the remedy`, () => expect(findings(changes)).toEqual([finding]));
  }
  for (const [name, changes, words] of well) {
    it(`finds nothing wrong with ${name}`, () => {
      const all = findings(changes);
      expect(all.map(({ check, state, fix }) => [check, state, fix])).toEqual(
        ['node', 'engine', 'ffmpeg', 'buffer'].map((check) => [check, 'well', undefined]),
      );
      expect(all.map((each) => each.words).join('\n')).toMatch(new RegExp(words.source, 'm'));
    });
  }
  it('has a remedy for other systems too', () => {
    const [finding] = findings({ platform: 'darwin', receiveBuffer: { asked: 2, granted: 1 } });
    expect(finding?.fix).not.toContain('sysctl');
  });
});
