/** A folder whose files are channels, all cast by one process. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { programme } from '../helpers/programme.ts';
import { fileOf, freshGroup, lancast, lancastIn, sha256, temporaryFolder } from './program.ts';
import type { Event, Program } from './program.ts';

const films = [1, 2, 3].map((seed) => programme({ seed, durationMs: 800, bitsPerSecond: 2_000_000 }));

/** A folder of these files. */
function folderOf(files: Readonly<Record<string, Buffer | string>>): string {
  const folder = temporaryFolder();
  for (const [name, bytes] of Object.entries(files)) writeFileSync(path.join(folder, name), bytes);
  return folder;
}

function film(number: number): Buffer {
  return films[number] ?? Buffer.alloc(0);
}

/** An address without its scheme, and so many more with ports ten apart. */
function stepped(first: string, count: number): string[] {
  const [group, port] = first.split(':');
  return Array.from({ length: count }, (_, step) => `${group}:${Number(port) + 10 * step}`);
}

/** A recorder of all these, ready to receive; each file is named after its stream. */
async function recorderOf(addresses: readonly string[]): Promise<{ recorder: Program; folder: string }> {
  const folder = path.join(temporaryFolder(), 'recorded');
  const recorder = lancast('record', ...addresses, folder, '--iface', 'lo', '--json');
  await recorder.until(
    () => recorder.events.filter(({ event }) => event === 'recording').length === addresses.length,
    'all streams',
  );
  return { recorder, folder };
}

function childrenOf({ pid }: Program): number[] {
  const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return pids === '' ? [] : pids.split(' ').map(Number);
}

function argumentsOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // it has gone
  }
}

function of(events: readonly Event[], name: string): Event[] {
  return events.filter(({ event, channel }) => event === name && channel !== undefined);
}

describe('send of a folder', () => {
  it('casts each file to an address of its own, names what is no film, and ends when all have ended', async () => {
    const folder = folderOf({
      'a 2.ts': film(0),
      'a 10.ts': film(1),
      'b.ts': film(2),
      'notes.txt': 'Dear all,\n',
      'none.ts': '',
    });
    const first = freshGroup();
    const addresses = stepped(first, 3);
    const { recorder, folder: recorded } = await recorderOf(addresses);
    const sender = lancast('send', folder, '--to', `rtp://${first}`, '--iface', 'lo', '--json');
    const { code, stderr } = await sender.ended;
    expect(code).toBe(0);
    expect(of(sender.events, 'sending').map(({ channel, to }) => [channel, to])).toEqual([
      ['a 2.ts', [`rtp://${addresses[0]}`]],
      ['a 10.ts', [`rtp://${addresses[1]}`]],
      ['b.ts', [`rtp://${addresses[2]}`]],
    ]);
    expect(of(sender.events, 'warning').map(({ channel, code: fault }) => [channel, fault])).toEqual([
      ['none.ts', 'E207'],
      ['notes.txt', 'E202'],
    ]);
    expect(stderr).toMatch(/! notes\.txt +left out: ".*notes\.txt" does not look like video or audio\./);
    for (const summary of of(sender.events, 'summary')) expect(summary).toMatchObject({ complete: true });
    expect(sender.events.at(-1)).toMatchObject({
      event: 'summary',
      complete: true,
      channels: 3,
      failed: 0,
      leftOut: 2,
      sentDatagrams: films.reduce((sum, { length }) => sum + Math.ceil(length / 1316), 0),
      sentBytes: films.reduce((sum, { length }) => sum + length, 0),
      failedSends: 0,
    });
    expect((await recorder.ended).code).toBe(0);
    for (const [index, address] of addresses.entries()) {
      const bytes = readFileSync(path.join(recorded, `${address.replace(':', '-')}.ts`));
      expect(sha256(bytes)).toBe(sha256(film(index)));
    }
  });
  it('gives each the group of its name, and says goodbye on all of them on Ctrl-C', async () => {
    const folder = folderOf({ 'one.ts': film(0), 'two.ts': film(1) });
    const sender = lancast('send', folder, '--iface', 'lo', '--loop', '--json');
    await sender.until(() => of(sender.events, 'sending').length === 2, 'both channels');
    const addresses = of(sender.events, 'sending').map(({ to }) => String(to).replace('rtp://', ''));
    expect(addresses).toEqual([
      expect.stringMatching(/^239\.255\.\d+\.\d+:5004$/),
      expect.stringMatching(/:5014$/),
    ]);
    const { recorder } = await recorderOf(addresses);
    await recorder.until(
      () => recorder.events.some(({ event, playing }) => event === 'progress' && playing === 2),
      'both streams',
    );
    sender.kill('SIGINT');
    const { code, stderr } = await sender.ended;
    expect(code).toBe(130);
    expect(stderr).toMatch(/! stopped: 2 channels, /);
    expect(sender.events.at(-1)).toMatchObject({ event: 'summary', channels: 2, complete: false });
    expect((await recorder.ended).code).toBe(0);
    const ends = recorder.events.filter(({ event }) => event === 'ended');
    expect(ends).toHaveLength(2);
    for (const end of ends) expect(end).toMatchObject({ reason: 'told', proven: true });
  });
  it('goes on when the ffmpeg of one of them dies, says which, and ends with 6', async () => {
    const folder = folderOf({ 'b.ts': programme({ durationMs: 3000, bitsPerSecond: 2_000_000 }) });
    const picture = ['-f', 'lavfi', '-i', 'testsrc=duration=30:size=320x180:rate=25', '-pix_fmt', 'yuv420p'];
    const encode = ['-c:v', 'libx264', '-preset', 'ultrafast', path.join(folder, 'a.mp4')];
    execFileSync('ffmpeg', ['-v', 'error', '-nostdin', ...picture, ...encode]);
    const sender = lancast('send', folder, '--to', `rtp://${freshGroup()}`, '--iface', 'lo', '--json');
    await sender.until(() => of(sender.events, 'sending').length === 2, 'both channels');
    const converting = (): number | undefined =>
      childrenOf(sender).find((pid) => argumentsOf(pid).includes('a.mp4'));
    await sender.until(() => converting() !== undefined, 'ffmpeg');
    process.kill(converting() ?? expect.fail('it has gone'), 'SIGKILL');
    const { code, stderr } = await sender.ended;
    expect(code).toBe(6);
    expect(stderr).toMatch(
      /✗ E205 a\.mp4: ffmpeg stopped on its own \(.*SIGKILL\)\.\n {4}why: .+\n {4}fix: .+\n/,
    );
    expect(of(sender.events, 'error')).toMatchObject([{ channel: 'a.mp4', code: 'E205' }]);
    expect(of(sender.events, 'summary').find(({ channel }) => channel === 'b.ts')).toMatchObject({
      complete: true,
    });
    expect(sender.events.at(-1)).toMatchObject({ channels: 2, failed: 1, complete: false });
  });

  it('ends at once on Ctrl-C while files are looked into, and leaves no ffmpeg behind', async () => {
    const names = ['a.mp4', 'b.mp4', 'c.mp4', 'd.mp4'];
    const folder = folderOf(Object.fromEntries(names.map((name) => [name, 'a film that takes its time'])));
    const started = path.join(temporaryFolder(), 'started');
    const slow = `#!/bin/sh\ncase "$*" in\n*-version*) echo ffmpeg version 1 ;;\n*) echo $$ >> '${started}'; exec sleep 30 ;;\nesac\n`;
    const ffmpeg = fileOf('ffmpeg', slow);
    chmodSync(ffmpeg, 0o755);
    const sender = lancastIn({ ...process.env, LANCAST_FFMPEG: ffmpeg }, 'send', folder, '--iface', 'lo');
    const pids = (): number[] =>
      existsSync(started) ? readFileSync(started, 'utf8').trim().split('\n').map(Number) : [];
    await sender.until(() => pids().length === names.length, 'an ffmpeg for each file');
    const began = Date.now();
    sender.kill('SIGINT');
    const { code, stderr } = await sender.ended;
    expect(Date.now() - began).toBeLessThan(3000);
    expect(code).toBe(130);
    expect(stderr).toMatch(/! stopped: 0 channels/);
    expect(stderr).not.toMatch(/left out|E\d\d\d/);
    for (const pid of pids()) expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  const refusals: [name: string, words: () => string[], code: number, said: RegExp][] = [
    [
      'an empty folder',
      () => [temporaryFolder()],
      6,
      /✗ E207 ".*" is empty\.\n {4}why: there is no file in this folder\n {4}fix: /,
    ],
    [
      'a folder without a film',
      () => [folderOf({ 'notes.txt': 'Dear all,\n', '.hidden.ts': film(0) })],
      6,
      /✗ E202 ".*" does not look like video or audio\.\n {4}why: none of 1 file in it can be sent\n/,
    ],
    [
      'a name for all of them',
      () => [folderOf({ 'a.ts': film(0) }), '--name', 'Lobby'],
      2,
      /E001 --name is for one stream\./,
    ],
    [
      'two channels at one address',
      () => {
        const [one, other] = stepped(freshGroup(), 2);
        return [
          folderOf({ 'a.ts': film(0), 'b.ts': film(1) }),
          '--to',
          `rtp://${one}`,
          '--to',
          `rtp://${other}`,
        ];
      },
      2,
      /E001 239\..* would carry two channels\./,
    ],
    [
      'a reserved group',
      () => [folderOf({ 'a.ts': film(0), 'b.ts': film(1) }), '--to', 'rtp://224.0.0.1:5004'],
      2,
      /E105 224\.0\.0\.1 is reserved/,
    ],
  ];
  for (const [name, words, code, said] of refusals) {
    it(`refuses ${name}`, async () => {
      const began = Date.now();
      const outcome = await lancast('send', ...words(), '--iface', 'lo').ended;
      expect(outcome.stderr).toMatch(said);
      expect(outcome.code).toBe(code);
      expect(Date.now() - began).toBeLessThan(10_000);
    });
  }
  it('has hundreds of channels on the air soon', async () => {
    const names = Array.from({ length: 120 }, (_, number) => [`${number}.ts`, film(number % 3)] as const);
    const sender = lancast('send', folderOf(Object.fromEntries(names)), '--iface', 'lo', '--loop', '--json');
    await sender.until(() => of(sender.events, 'sending').length === names.length, 'all channels');
    await sender.until(
      () => sender.events.some(({ event, onAir }) => event === 'progress' && onAir === names.length),
      'progress of all',
    );
    const addresses = of(sender.events, 'sending').map(({ to }) => String(to));
    expect(new Set(addresses).size).toBe(names.length);
    expect(readdirSync(`/proc/${sender.pid}/fd`).length).toBeLessThan(1024);
    sender.kill('SIGINT');
    expect((await sender.ended).code).toBe(130);
    expect(sender.stderr).not.toContain('Warning');
  });
});
