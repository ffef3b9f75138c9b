/** Everything that people and networks do wrong: the words, the exit status, and that nothing received is lost. */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { programme } from '../helpers/programme.ts';
import {
  MAIN,
  Program,
  fileOf,
  freshGroup,
  freshPort,
  lancast,
  lancastIn,
  sha256,
  temporaryFolder,
} from './program.ts';

const film = programme({ durationMs: 1500, bitsPerSecond: 3_000_000 });

/** A real MP4 of `seconds`, its index at the end. */
function mp4(seconds: number): Buffer {
  const file = path.join(temporaryFolder(), 'film.mp4');
  const picture = ['-f', 'lavfi', '-i', `testsrc=duration=${seconds}:size=320x180:rate=25`];
  const encode = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p'];
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', ...picture, ...encode, file]);
  return readFileSync(file);
}

/** The three lines of an error: code and what, why, fix. */
function threeLines(code: string, what: RegExp): RegExp {
  return new RegExp(`✗ ${code} ${what.source}.*\\n {4}why: .+\\n {4}fix: .+\\n`);
}

describe('an input that cannot be sent', () => {
  const inputs: [name: string, file: () => string, status: number, code: string, what: RegExp][] = [
    ['a missing file', () => 'fixtures/clpi.ts', 6, 'E201', /There is no file "fixtures\/clpi\.ts"\./],
    ['an empty folder', () => temporaryFolder(), 6, 'E207', /".*" is empty\./],
    [
      'a text',
      () => fileOf('notes.txt', 'Dear all,\n'.repeat(500)),
      6,
      'E202',
      /".*notes\.txt" does not look/,
    ],
    ['an empty file', () => fileOf('empty.ts', ''), 6, 'E207', /".*empty\.ts" is empty\./],
    [
      'a truncated MP4',
      () => fileOf('cut.mp4', mp4(2).subarray(0, 4000)),
      6,
      'E206',
      /".*cut\.mp4" is cut off\./,
    ],
    [
      'an unknown codec',
      () => fileOf('odd.mp4', Buffer.from(mp4(1).toString('latin1').replaceAll('avc1', 'zzz1'), 'latin1')),
      6,
      'E203',
      /.*zzz1.* cannot be sent\./,
    ],
  ];
  for (const [name, file, status, code, what] of inputs) {
    it(`such as ${name} is explained`, async () => {
      const sender = lancast('send', file(), '--to', `rtp://${freshGroup()}`, '--iface', 'lo', '--json');
      const outcome = await sender.ended;
      expect(outcome.stderr).toMatch(threeLines(code, what));
      expect(outcome.code).toBe(status);
      expect(sender.events.find(({ event }) => event === 'error')).toMatchObject({ code });
    });
  }
  it('such as a misspelt one is guessed', async () => {
    const { stderr } = await lancast(
      'send',
      'fixtures/clpi.ts',
      '--to',
      `rtp://${freshGroup()}`,
      '--iface',
      'lo',
    ).ended;
    expect(stderr).toContain('did you mean "fixtures/clip.ts"?');
  });
  it('such as one that may not be read is explained', async () => {
    const file = fileOf('secret.ts', film);
    chmodSync(file, 0o000);
    // Root may read everything, unless it gives that up.
    const words = ['send', file, '--to', `rtp://${freshGroup()}`, '--iface', 'lo'];
    const without = '-dac_override,-dac_read_search';
    const sender =
      process.getuid?.() === 0
        ? new Program('setpriv', [
            `--bounding-set=${without}`,
            `--inh-caps=${without}`,
            process.execPath,
            MAIN,
            ...words,
          ])
        : lancast(...words);
    const { stderr, code } = await sender.ended;
    expect(stderr).toMatch(threeLines('E208', /You may not read ".*secret\.ts"\./));
    expect(code).toBe(7);
  });
  it('such as a TTL of 0 is explained', async () => {
    const { stderr, code } = await lancast('send', 'fixtures/clip.ts', '--ttl', '0').ended;
    expect(stderr).toMatch(threeLines('E106', /TTL 0 would keep the stream inside this PC\./));
    expect(code).toBe(2);
  });
});

describe('ffmpeg', () => {
  it('that is missing is named, with how to install it, and .ts files work without it', async () => {
    const env = { PATH: '', LANCAST_FFMPEG: '/no/such/ffmpeg' };
    const url = `rtp://${freshGroup()}`;
    const refused = await lancastIn(env, 'send', fileOf('film.mp4', mp4(1)), '--to', url, '--iface', 'lo')
      .ended;
    expect(refused.stderr).toMatch(threeLines('E204', /ffmpeg is not installed\./));
    expect(refused.stderr).toMatch(/fix: .*install.*ffmpeg/);
    expect(refused.code).toBe(10);
    const sent = await lancastIn(
      env,
      'send',
      fileOf('film.ts', film),
      '--to',
      url,
      '--iface',
      'lo',
      '--bitrate',
      '50M',
    ).ended;
    expect(sent.code).toBe(0);
  });
  it('that is killed is told, and what was sent until then is recorded', async () => {
    const url = `rtp://${freshGroup()}`;
    const out = path.join(temporaryFolder(), 'out.ts');
    const recorder = lancast('record', url, out, '--iface', 'lo', '--json');
    await recorder.event('recording');
    const sender = lancast('send', fileOf('film.mp4', mp4(30)), '--to', url, '--iface', 'lo', '--json');
    await recorder.until(() => recorder.events.some(({ packets }) => Number(packets) > 10), 'datagrams');
    const children = readFileSync(`/proc/${sender.pid}/task/${sender.pid}/children`, 'utf8')
      .trim()
      .split(' ');
    expect(children).toHaveLength(1);
    process.kill(Number(children[0]), 'SIGKILL');
    const sent = await sender.ended;
    expect(sent.stderr).toMatch(threeLines('E205', /ffmpeg stopped on its own \(.*signal SIGKILL\)\./));
    expect(sent.code).toBe(6);
    expect(sender.events.at(-1)).toMatchObject({ event: 'summary', complete: false });
    const { code } = await recorder.ended;
    expect(code).toBe(0);
    const summary = recorder.events.at(-1);
    expect(summary).toMatchObject({ lost: 0, sha256: sha256(readFileSync(out)) });
    expect(summary?.packets).toBe(sender.events.at(-1)?.sentDatagrams);
  });
});

describe('a port, card or address that cannot be used', () => {
  it('such as a UDP port that is taken is explained, with who holds it', async () => {
    const socket = createSocket('udp4');
    socket.bind(freshPort(), '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    const old = fileOf('out.ts', 'an older recording');
    const { stderr, code } = await lancast('record', `rtp://127.0.0.1:${port}`, old).ended;
    socket.close();
    expect(stderr).toMatch(threeLines('E111', new RegExp(`UDP port ${port} is in use\\.`)));
    expect(stderr).toContain(`(pid ${process.pid}) holds it`);
    expect(code).toBe(5);
    expect(readFileSync(old, 'utf8')).toBe('an older recording');
  });
  it('such as an HTTP port that is taken is explained', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const url = `rtp://${freshGroup()}`;
    const { stderr, code } = await lancast('watch', url, '--iface', 'lo', '--http', `127.0.0.1:${port}`)
      .ended;
    server.close();
    expect(stderr).toMatch(threeLines('E112', new RegExp(`127\\.0\\.0\\.1:${port} is in use\\.`)));
    expect(code).toBe(5);
  });

  const lines: [name: string, words: string[], status: number, code: string, what: RegExp][] = [
    [
      'a card that is not there',
      ['record', 'rtp://239.1.1.1:5004', 'x.ts', '--iface', 'nope0'],
      4,
      'E102',
      /nope0 is not a network card or an address of this PC\./,
    ],
    [
      'an address of another PC as card',
      ['watch', 'rtp://239.1.1.1:5004', '--iface', '192.0.2.55'],
      4,
      'E102',
      /192\.0\.2\.55 is not a network card/,
    ],
    [
      'a card that is not there, to send',
      ['send', 'fixtures/clip.ts', '--iface', 'nope0'],
      4,
      'E102',
      /nope0 is not/,
    ],
    [
      '@ before a unicast address',
      ['watch', 'udp://@192.0.2.5:5004'],
      2,
      'E104',
      /192\.0\.2\.5 is a normal \(unicast\) address, not a multicast group\./,
    ],
    [
      'a unicast address of another PC',
      ['record', 'rtp://192.0.2.5:5004', 'x.ts'],
      2,
      'E104',
      /192\.0\.2\.5 is a normal/,
    ],
    [
      'a reserved group',
      ['record', 'rtp://224.0.0.1:5004', 'x.ts', '--iface', 'lo'],
      2,
      'E105',
      /224\.0\.0\.1 is reserved/,
    ],
    [
      'a reserved group, to send',
      ['send', 'fixtures/clip.ts', '--to', 'rtp://224.0.0.1:5004', '--iface', 'lo'],
      2,
      'E105',
      /224\.0\.0\.1 is reserved/,
    ],
    [
      'broadcast that nobody asked for',
      ['send', 'fixtures/clip.ts', '--to', 'rtp://255.255.255.255:5004', '--iface', 'lo'],
      4,
      'E115',
      /255\.255\.255\.255 is a broadcast address/,
    ],
    [
      'the viewer on the network',
      ['watch', 'rtp://239.1.1.1:5004', '--iface', 'lo', '--http', '0.0.0.0:0'],
      3,
      'E502',
      /The viewer is not opened on 0\.0\.0\.0\./,
    ],
    [
      'two framings at once',
      [
        'send',
        'fixtures/clip.ts',
        '--to',
        'rtp://239.1.1.1:5004',
        '--to',
        'udp://239.1.1.2:5004',
        '--iface',
        'lo',
      ],
      2,
      'E001',
      /.*framing/,
    ],
  ];
  for (const [name, words, status, code, what] of lines) {
    it(`such as ${name} is explained`, async () => {
      const outcome = await lancast(...words).ended;
      expect(outcome.stderr).toMatch(threeLines(code, what));
      expect(outcome.code).toBe(status);
      expect(outcome.stdout.length).toBe(0);
    });
  }
});

describe('a disk that does not take the recording', () => {
  const bad: [name: string, out: () => string, words: RegExp][] = [
    ['is a folder', () => temporaryFolder(), /it is a folder/],
    ['has no folder', () => path.join(temporaryFolder(), 'no', 'out.ts'), /its folder does not exist/],
  ];
  for (const [name, out, words] of bad) {
    it(`because it ${name} is explained`, async () => {
      const { stderr, code } = await lancast('record', `rtp://${freshGroup()}`, out(), '--iface', 'lo').ended;
      expect(stderr).toMatch(threeLines('E402', /".*" may not be written\./));
      expect(stderr).toMatch(words);
      expect(code).toBe(8);
    });
  }
  it('because it is read-only is explained', async () => {
    const folder = temporaryFolder();
    const script = `mount -t tmpfs -o ro none ${folder} && exec "$0" "$@"`;
    const words = ['record', `rtp://${freshGroup()}`, path.join(folder, 'out.ts'), '--iface', 'lo'];
    const recorder = new Program('unshare', ['-rm', 'sh', '-c', script, process.execPath, MAIN, ...words]);
    const { stderr, code } = await recorder.ended;
    expect(stderr).toMatch(threeLines('E402', /".*out\.ts" may not be written\./));
    expect(stderr).toContain('the disk is read-only');
    expect(code).toBe(8);
  });
  it('because it is full is told at once, and what is written ends with a whole packet', async () => {
    const folder = temporaryFolder();
    const kept = path.join(temporaryFolder(), 'kept.ts');
    const url = `rtp://${freshGroup()}`;
    // The recording is copied out of the disk, which vanishes with its namespace.
    const script = `mount -t tmpfs -o size=100k none ${folder}; "$0" "$@"; status=$?; cp ${folder}/out.ts ${kept}; exit $status`;
    const words = ['record', url, path.join(folder, 'out.ts'), '--iface', 'lo', '--json'];
    const recorder = new Program('unshare', ['-rm', 'sh', '-c', script, process.execPath, MAIN, ...words]);
    await recorder.event('recording');
    const sender = lancast('send', fileOf('film.ts', film), '--to', url, '--iface', 'lo');
    expect((await sender.ended).code).toBe(0);
    const { stderr, code } = await recorder.ended;
    expect(stderr).toMatch(/! E401 The disk is full: .*out\.ts cannot grow\.\n {4}why: .+\n {4}fix: .+\n/);
    expect(stderr).toMatch(/! .*[kM]B arrived and could not be written/);
    expect(code).toBe(8);
    const bytes = readFileSync(kept);
    expect(bytes.length % 188).toBe(0);
    expect(bytes.equals(film.subarray(0, bytes.length))).toBe(true);
    expect(bytes.length).toBeGreaterThan(50_000);
    expect(recorder.events.at(-1)).toMatchObject({
      event: 'summary',
      bytes: bytes.length,
      sha256: sha256(bytes),
    });
  });
});

describe('a checkout', () => {
  it('that may not be written and is not set up says what to do', async () => {
    const clone = temporaryFolder();
    for (const name of ['package.json', 'package-lock.json']) {
      writeFileSync(path.join(clone, name), readFileSync(name));
    }
    execFileSync('cp', ['-r', 'cli', 'transport', clone]);
    const script = `mount --bind ${clone} ${clone} && mount -o remount,bind,ro ${clone} && exec "$0" ${clone}/cli/launch.js --version`;
    const { stderr, code } = await new Program('unshare', ['-rm', 'sh', '-c', script, process.execPath])
      .ended;
    expect(stderr).toMatch(/has to be set up, and may not be written\.\n {2}why: .*read-only.*\n {2}fix: /);
    expect(code).toBe(8);
  });
});
