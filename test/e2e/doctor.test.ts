/** What the program tells of this machine: `lancast doctor`, and `--verbose` of all others. */
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { programme } from '../helpers/programme.ts';
import { fileOf, freshGroup, lancast, lancastIn, temporaryFolder } from './program.ts';

const film = programme({ durationMs: 300, bitsPerSecond: 1_000_000 });
const WITHOUT_NATIVE = { ...process.env, LANCAST_NO_NATIVE: '1' };
const ASKED_FOR = 'LANCAST_NO_NATIVE=1 asks for it';

describe('doctor', () => {
  it('tells of Node.js, the engine, ffmpeg and the receive buffer, and ends with 0', async () => {
    const { code, stdout, stderr } = await lancast('doctor').ended;
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout.toString()).toMatch(
      /^ {2}✓ node +Node\.js \d+\..*\n {2}[✓!] engine +(native|JavaScript): .+\n/,
    );
    expect(stdout.toString()).toMatch(/^ {2}✓ ffmpeg +\S+ \(.+\)\n {2}[✓!] buffer +\d.+ [kM]B/m);
  });
  it('calls JavaScript well when it is asked for', async () => {
    const { stdout } = await lancastIn(WITHOUT_NATIVE, 'doctor').ended;
    expect(stdout.toString()).toContain(`✓ engine   JavaScript: ${ASKED_FOR}\n`);
  });
  it('names the remedy for what is missing, to programs too', async () => {
    const doctor = lancastIn({ ...process.env, LANCAST_FFMPEG: '/no/such/ffmpeg' }, 'doctor', '--json');
    expect((await doctor.ended).code).toBe(0);
    expect(doctor.events.map(({ event, check }) => [event, check])).toEqual([
      ['check', 'node'],
      ['check', 'engine'],
      ['check', 'ffmpeg'],
      ['check', 'buffer'],
      ['summary', undefined],
    ]);
    expect(doctor.events[2]).toMatchObject({
      state: 'warning',
      fix: expect.stringMatching(/install.*ffmpeg/),
    });
    expect(doctor.events.at(-1)).toMatchObject({ healthy: true, wrong: 0 });
  });
});

describe('--verbose', () => {
  const commands: [name: string, words: () => string[]][] = [
    ['send', () => ['send', fileOf('film.ts', film), '--to', `rtp://${freshGroup()}`]],
    [
      'send of a folder',
      () => ['send', path.dirname(fileOf('film.ts', film)), '--to', `rtp://${freshGroup()}`],
    ],
    ['record', () => ['record', freshGroup(), path.join(temporaryFolder(), 'out.ts'), '--duration', '100ms']],
    ['probe', () => ['probe', freshGroup(), '--duration', '100ms']],
    ['stats', () => ['stats', freshGroup(), '--count', '1', '--interval', '100ms']],
    ['watch', () => ['watch', freshGroup(), '--http', '127.0.0.1:0']],
    ['demo', () => ['demo', '--to', `rtp://${freshGroup()}`, '--http', '127.0.0.1:0']],
  ];
  for (const [name, words] of commands) {
    it(`of ${name} tells which engine is used, and why`, async () => {
      const program = lancastIn(WITHOUT_NATIVE, ...words(), '--iface', 'lo', '--verbose', '--json');
      expect(await program.event('engine')).toEqual({
        event: 'engine',
        engine: 'javascript',
        reason: ASKED_FOR,
      });
      program.kill('SIGTERM');
      expect((await program.ended).stderr).toContain(`    engine JavaScript: ${ASKED_FOR}\n`);
    });
  }
  it('tells the same as doctor', async () => {
    const doctor = lancast('doctor', '--json');
    await doctor.ended;
    const words = String(doctor.events.find(({ check }) => check === 'engine')?.words);
    const { stderr } = await lancast(
      'send',
      fileOf('film.ts', film),
      '--to',
      `rtp://${freshGroup()}`,
      '--iface',
      'lo',
      '--verbose',
    ).ended;
    expect(words).toContain(/^ {4}engine (.+)$/m.exec(stderr)?.[1]);
  });
});

describe('send', () => {
  const url = () => ['--to', `rtp://${freshGroup()}`, '--iface', 'lo', '--json'];

  it('says what only the native engine can do, and sends all the same', async () => {
    const wishes = ['--dscp', 'AF41', '--kernel-pacing'];
    const sender = lancastIn(WITHOUT_NATIVE, 'send', fileOf('film.ts', film), ...url(), ...wishes);
    const { code, stderr } = await sender.ended;
    expect(code).toBe(0);
    for (const option of ['--dscp', '--kernel-pacing']) {
      expect(stderr).toContain(
        `  ! ${option} has no effect: only the native engine can set it (${ASKED_FOR})\n`,
      );
    }
    expect(sender.events.filter(({ event }) => event === 'note')).toHaveLength(2);
    expect(sender.events.at(-1)).toMatchObject({ event: 'summary', complete: true, sentBytes: film.length });
  });
  it('takes them with either engine', async () => {
    const { code } = await lancast(
      'send',
      fileOf('film.ts', film),
      ...url(),
      '--dscp',
      '46',
      '--kernel-pacing',
    ).ended;
    expect(code).toBe(0);
  });
});
