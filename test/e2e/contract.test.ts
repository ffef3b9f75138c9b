/** What others script against: events, fields, ends and exit statuses. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { programme } from '../helpers/programme.ts';
import { cast, fileOf, freshGroup, lancast, sha256, temporaryFolder } from './program.ts';

const film = programme({ durationMs: 1000, bitsPerSecond: 3_000_000 });
const SUMMARY = [
  'event',
  'packets',
  'bytes',
  'lost',
  'recovered',
  'unrecovered',
  'late',
  'duplicate',
  'reordered',
  'firstIndex',
  'missingBefore',
  'continuityErrors',
  'sha256',
];

describe('record', () => {
  it('ends when the sender says goodbye, with the summary as its last line', async () => {
    const { recorded, summary } = await cast(`rtp://${freshGroup()}`, fileOf('film.ts', film));
    expect(recorded.code).toBe(0);
    expect(Object.keys(summary)).toEqual(SUMMARY);
    expect(summary).toEqual({
      event: 'summary',
      packets: Math.ceil(film.length / 1316),
      bytes: film.length,
      lost: 0,
      recovered: 0,
      unrecovered: 0,
      late: 0,
      duplicate: 0,
      reordered: 0,
      firstIndex: 0,
      missingBefore: 0,
      continuityErrors: 0,
      sha256: sha256(film),
    });
    expect(recorded.stderr).toContain('not one byte is missing');
  });
  it('ends after --duration', async () => {
    const url = `rtp://${freshGroup()}`;
    const sender = lancast('send', fileOf('film.ts', film), '--to', url, '--iface', 'lo', '--loop', '--json');
    await sender.event('sending');
    const began = Date.now();
    const out = path.join(temporaryFolder(), 'out.ts');
    // Longer than the sender ever waits with its next report, which says how much was sent before.
    const recorder = lancast('record', url, out, '--iface', 'lo', '--duration', '2s', '--json');
    expect((await recorder.ended).code).toBe(0);
    expect(Date.now() - began).toBeGreaterThan(2000);
    expect(Date.now() - began).toBeLessThan(7000);
    expect(recorder.events.find(({ event }) => event === 'ended')).toMatchObject({ reason: 'duration' });
    expect(recorder.events.at(-1)).toMatchObject({ event: 'summary', lost: 0, continuityErrors: 0 });
    expect(recorder.events.at(-1)?.missingBefore).toBeGreaterThan(0);
    expect(recorder.stderr).toContain('the recording began late');
  });
  it('ends after --timeout of silence', async () => {
    const url = `rtp://${freshGroup()}`;
    const out = path.join(temporaryFolder(), 'out.ts');
    const recorder = lancast('record', url, out, '--iface', 'lo', '--timeout', '2s', '--json');
    await recorder.event('recording');
    const sender = lancast('send', fileOf('film.ts', film), '--to', url, '--iface', 'lo', '--loop', '--json');
    await sender.event('sending');
    await sleep(500);
    sender.kill('SIGKILL'); // no goodbye
    expect((await recorder.ended).code).toBe(0);
    expect(recorder.events.find(({ event }) => event === 'ended')).toMatchObject({
      reason: 'timeout',
      proven: false,
    });
    expect(recorder.stderr).toContain('whether its tail is missing is not known');
    const summary = recorder.events.at(-1);
    expect(summary?.sha256).toBe(sha256(readFileSync(out)));
    expect(readFileSync(out).length % 188).toBe(0);
  });
  it('says null of what the framing cannot tell', async () => {
    const { summary } = await cast(`udp://${freshGroup()}`, fileOf('film.ts', film), {
      record: ['--timeout', '3s'],
    });
    expect(Object.keys(summary)).toEqual(SUMMARY);
    expect(summary).toMatchObject({ bytes: film.length, firstIndex: null, missingBefore: null });
  });
  for (const limit of ['--timeout', '--duration']) {
    it(`ends with 11 when nothing came within ${limit}`, async () => {
      const out = path.join(temporaryFolder(), 'out.ts');
      const url = `rtp://${freshGroup()}`;
      const recorder = lancast('record', url, out, '--iface', 'lo', limit, '500ms', '--json');
      const { code, stderr } = await recorder.ended;
      expect(code).toBe(11);
      expect(stderr).toMatch(
        /✗ E101 No packets from rtp:\/\/239\..* for 0\.5 s\.\n {4}why: joined on lo.*\n {4}fix: /,
      );
      expect(recorder.events.at(-2)).toMatchObject({ event: 'error', code: 'E101' });
      expect(recorder.events.at(-1)).toMatchObject({ event: 'summary', packets: 0, firstIndex: null });
    });
  }
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`finishes the file and ends with ${status} on ${signal}`, async () => {
      const url = `rtp://${freshGroup()}`;
      const out = path.join(temporaryFolder(), 'out.ts');
      const sender = lancast(
        'send',
        fileOf('film.ts', film),
        '--to',
        url,
        '--iface',
        'lo',
        '--loop',
        '--json',
      );
      await sender.event('sending');
      const recorder = lancast('record', url, out, '--iface', 'lo', '--json');
      await recorder.event('progress');
      recorder.kill(signal);
      expect((await recorder.ended).code).toBe(status);
      const summary = recorder.events.at(-1);
      expect(summary).toMatchObject({ event: 'summary', lost: 0 });
      expect(summary?.bytes).toBeGreaterThan(0);
      expect(summary?.sha256).toBe(sha256(readFileSync(out)));
      sender.kill(signal);
      expect((await sender.ended).code).toBe(status);
      expect(sender.events.at(-1)).toMatchObject({ event: 'summary', complete: false });
    });
  }
  it('ends in peace when the reader of its pipe goes away', async () => {
    const url = `rtp://${freshGroup()}`;
    const sender = lancast('send', fileOf('film.ts', film), '--to', url, '--iface', 'lo', '--loop', '--json');
    await sender.event('sending');
    const recorder = lancast('record', url, '-', '--iface', 'lo');
    await recorder.until(() => recorder.stdout.length > 0, 'data');
    recorder.closeStdout();
    const { code, stderr } = await recorder.ended;
    expect(code).toBe(0);
    expect(stderr).not.toContain('mistake of its own');
  });
  it('keeps JSON and data apart', async () => {
    const { code, stderr } = await lancast('record', 'rtp://239.1.1.1:5004', '-', '--json').ended;
    expect(code).toBe(2);
    expect(stderr).toContain('E001');
  });
});

describe('send', () => {
  it('tells what it sends, where to, and what was sent in the end', async () => {
    const url = `rtp://${freshGroup()}`;
    const sender = lancast('send', fileOf('film.ts', film), '--to', url, '--iface', 'lo', '--json');
    const { code, stderr } = await sender.ended;
    expect(code).toBe(0);
    expect(sender.events[0]).toMatchObject({
      event: 'sending',
      to: [url],
      ttl: 1,
      interface: { name: 'lo' },
    });
    expect(sender.events.at(-1)).toMatchObject({
      event: 'summary',
      complete: true,
      sentDatagrams: Math.ceil(film.length / 1316),
      sentBytes: film.length,
    });
    const group = url.replace('rtp://', '');
    expect(stderr).toContain(`vlc rtp://@${group}`);
    expect(stderr).toContain(`watch rtp://${group}`);
  });
  it('chooses the same group for the same name', async () => {
    const groups = await Promise.all(
      [1, 2].map(async () => {
        const sender = lancast(
          'send',
          fileOf('film.ts', film),
          '--iface',
          'lo',
          '--name',
          'Chapel',
          '--json',
        );
        const { to } = await sender.event('sending');
        sender.kill('SIGTERM');
        await sender.ended;
        return to;
      }),
    );
    expect(groups[0]).toEqual(groups[1]);
    expect(String(groups[0])).toMatch(/^rtp:\/\/239\.255\.\d+\.\d+:5004$/);
  });
  it('is at its first datagram soon', async () => {
    const url = `rtp://${freshGroup()}`;
    const out = path.join(temporaryFolder(), 'out.ts');
    const recorder = lancast('record', url, out, '--iface', 'lo', '--json');
    await recorder.event('recording');
    const began = Date.now();
    lancast('send', fileOf('film.ts', film), '--to', url, '--iface', 'lo');
    await recorder.until(() => readFileSync(out).length > 0, 'datagram');
    // The goal is 250 ms on an idle machine (npm run bench); this only catches what is far away from it.
    expect(Date.now() - began).toBeLessThan(2500);
    recorder.kill('SIGTERM');
  });
});

describe('watch', () => {
  it('tells where it listens and counts the same as record', async () => {
    const url = `rtp://${freshGroup()}`;
    const watch = lancast('watch', url, '--iface', 'lo', '--http', '127.0.0.1:0', '--json');
    const { url: page } = await watch.event('listening');
    expect(page).toMatch(/^http:\/\/127\.0\.0\.1:\d+\//);
    const { summary } = await cast(url, fileOf('film.ts', film));
    const answer = await fetch(new URL('/api/v1/streams', String(page)));
    expect(answer.status).toBe(200);
    const { packets, bytes, lost, unrecovered, firstIndex, missingBefore, continuityErrors } = summary;
    const counters = { packets, bytes, lost, unrecovered, firstIndex, missingBefore, continuityErrors };
    expect(await answer.json()).toMatchObject({ streams: [counters] });
    watch.kill('SIGINT');
    expect((await watch.ended).code).toBe(130);
  });
  it('shows the page', async () => {
    const watch = lancast(
      'watch',
      `rtp://${freshGroup()}`,
      '--iface',
      'lo',
      '--http',
      '127.0.0.1:0',
      '--json',
    );
    const { url } = await watch.event('listening');
    const answer = await fetch(String(url));
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('text/html');
    watch.kill('SIGTERM');
    expect((await watch.ended).code).toBe(143);
  });
});

describe('probe and stats', () => {
  it('find a good stream healthy', async () => {
    const url = `rtp://${freshGroup()}`;
    const sender = lancast('send', fileOf('film.ts', film), '--to', url, '--iface', 'lo', '--loop', '--json');
    await sender.event('sending');
    const probe = lancast('probe', url, '--iface', 'lo', '--duration', '1500ms', '--json');
    const stats = lancast('stats', url, '--iface', 'lo', '--interval', '300ms', '--count', '3', '--json');
    const report = await probe.event('report');
    expect(report).toMatchObject({ healthy: true, problems: [], lost: 0, framing: 'rtp' });
    expect(report.programmes).toMatchObject([{ streams: [{ codec: 'H.264' }, { codec: 'AAC' }] }]);
    expect((await probe.ended).code).toBe(0);
    expect((await stats.ended).code).toBe(0);
    const rows = stats.events.filter(({ event }) => event === 'stats');
    expect(rows).toHaveLength(3);
    expect(rows.at(-1)).toMatchObject({ lost: 0, unrecovered: 0, continuityErrors: 0 });
    expect(rows.at(-1)?.bitsPerSecond).toBeGreaterThan(1_000_000);
  });
  it('print tables for people on standard output', async () => {
    const url = `rtp://${freshGroup()}`;
    const sender = lancast('send', fileOf('film.ts', film), '--to', url, '--iface', 'lo', '--loop', '--json');
    await sender.event('sending');
    const stats = lancast('stats', url, '--iface', 'lo', '--interval', '500ms', '--count', '2');
    const probe = lancast('probe', url, '--iface', 'lo', '--duration', '1s');
    const { stdout } = await stats.ended;
    expect(stdout.toString()).toMatch(/time +bitrate +jitter +lost\/total.*\n.*Mb\/s.*good\n.*Mb\/s.*good\n/);
    expect((await probe.ended).stdout.toString()).toMatch(/H\.264[\s\S]*health +✓ well/);
  });
  it('say that nothing came, and end with 11', async () => {
    const url = `rtp://${freshGroup()}`;
    const probe = lancast('probe', url, '--iface', 'lo', '--duration', '300ms');
    const stats = lancast('stats', url, '--iface', 'lo', '--interval', '100ms', '--count', '2');
    for (const program of [probe, stats]) {
      const { code, stderr } = await program.ended;
      expect(code).toBe(11);
      expect(stderr).toContain('E101');
    }
  });
});

describe('the command line', () => {
  const lines: [name: string, words: string[], code: number, words: RegExp][] = [
    ['an unknown command', ['sned'], 2, /E001 "sned" is not a command[\s\S]*did you mean lancast send\?/],
    ['an unknown option', ['send', 'a.ts', '--lop'], 2, /--lop is not an option[\s\S]*did you mean --loop\?/],
    ['a missing argument', ['record', 'rtp://239.1.1.1:5004'], 2, /OUT is missing/],
    ['a bad duration', ['record', '239.1.1.1', 'x', '--timeout', '5x'], 2, /expected a duration/],
    ['a bad address', ['watch', 'rtp://nowhere:5004'], 2, /names are not looked up/],
    ['nothing', [], 2, /usage: lancast COMMAND/],
  ];
  for (const [name, words, code, said] of lines) {
    it(`answers ${name}`, async () => {
      const outcome = await lancast(...words).ended;
      expect(outcome.stderr).toMatch(said);
      expect(outcome.code).toBe(code);
      expect(outcome.stdout.length).toBe(0);
    });
  }

  const asked: [words: string[], said: RegExp][] = [
    [['--help'], /commands:[\s\S]*send[\s\S]*watch[\s\S]*record/],
    [['help', 'record'], /usage: lancast record URL… OUT/],
    [['send', '--help'], /usage: lancast send FILE/],
    [['--version'], /^lancast \d+\.\d+\.\d+/],
  ];
  for (const [words, said] of asked) {
    it(`answers ${words.join(' ')} on standard output`, async () => {
      const { code, stdout } = await lancast(...words).ended;
      expect(stdout.toString()).toMatch(said);
      expect(code).toBe(0);
    });
  }
});
