import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TsMonitor } from '../../receiver/ts-monitor.ts';
import { programme } from '../helpers/programme.ts';
import { cast, fileOf, freshGroup, freshPort, lancast, sha256, temporaryFolder } from './program.ts';

const film = programme({ durationMs: 2000, bitsPerSecond: 3_000_000 });

/** The same film as camcorders and DVB cards write it: a time stamp before each packet, or a checksum behind it. */
function inPackets(bytes: 192 | 204): Buffer {
  const packets: Buffer[] = [];
  for (let at = 0; at < film.length; at += 188) {
    const packet = film.subarray(at, at + 188);
    packets.push(
      bytes === 192
        ? Buffer.concat([Buffer.alloc(4, 7), packet])
        : Buffer.concat([packet, Buffer.alloc(16, 9)]),
    );
  }
  return Buffer.concat(packets);
}

const FAST = ['--bitrate', '20M'];
const losses = { lost: 0, unrecovered: 0, late: 0, duplicate: 0, continuityErrors: 0 };

/** The engines of this system, each with the environment that asks for it. */
const engines: [engine: string, withoutNative: string][] = [
  ...(process.platform === 'linux' ? [['native', ''] as [string, string]] : []),
  ['javascript', '1'],
];

describe.each(engines)('a film that is sent and recorded (engine %s)', (engine, withoutNative) => {
  beforeEach(() => void vi.stubEnv('LANCAST_NO_NATIVE', withoutNative));
  afterEach(() => void vi.unstubAllEnvs());

  it('goes by just this engine', async () => {
    const sender = lancast(
      'send',
      fileOf('film.ts', film),
      '--to',
      `rtp://${freshGroup()}`,
      '--verbose',
      '--json',
      ...FAST,
    );
    expect(await sender.event('engine')).toMatchObject({ engine });
  });
  const forms: [name: string, file: Buffer][] = [
    ['188-byte packets', film],
    ['192-byte packets', inPackets(192)],
    ['204-byte packets', inPackets(204)],
  ];
  // How a file is read is the same for both engines.
  const read = engine === engines[0]?.[0] ? forms : forms.slice(0, 1);
  for (const scheme of ['rtp', 'udp', 'seq']) {
    for (const [name, file] of read) {
      it(`of ${name} is the same by ${scheme}`, async () => {
        const silence = scheme === 'udp' ? ['--timeout', '3s'] : [];
        const url = `${scheme}://${freshGroup()}`;
        const {
          recorded,
          sent,
          summary,
          file: written,
        } = await cast(url, fileOf('film.ts', file), {
          send: FAST,
          record: silence,
        });
        expect(sent.code).toBe(0);
        expect(recorded.code).toBe(0);
        expect(sha256(written)).toBe(sha256(film));
        expect(summary).toMatchObject({ ...losses, sha256: sha256(film), bytes: film.length });
      });
    }
  }
  it('is the same when the receiver is not told the framing', async () => {
    const group = freshGroup();
    const out = path.join(temporaryFolder(), 'out.ts');
    const recorder = lancast('record', group, out, '--iface', 'lo', '--json');
    await recorder.event('recording');
    const sender = lancast(
      'send',
      fileOf('film.ts', film),
      '--to',
      `seq://${group}`,
      '--iface',
      'lo',
      ...FAST,
    );
    expect(await sender.ended).toMatchObject({ code: 0 });
    await recorder.ended;
    expect(sha256(readFileSync(out))).toBe(sha256(film));
  });
  it('is the same at the pace of its own clock', async () => {
    const began = Date.now();
    const { file } = await cast(`rtp://${freshGroup()}`, fileOf('film.ts', film));
    expect(sha256(file)).toBe(sha256(film));
    expect(Date.now() - began).toBeGreaterThan(1900);
  });
  it('reaches several unicast receivers at once', async () => {
    const urls = [freshPort(), freshPort()].map((port) => `rtp://127.0.0.1:${port}`);
    const outs = urls.map(() => path.join(temporaryFolder(), 'out.ts'));
    const recorders = urls.map((url, index) => lancast('record', url, outs[index] ?? '', '--json'));
    await Promise.all(recorders.map((recorder) => recorder.event('recording')));
    const to = urls.flatMap((url) => ['--to', url]);
    const sender = lancast('send', fileOf('film.ts', film), ...to, '--iface', 'lo', ...FAST);
    expect(await sender.ended).toMatchObject({ code: 0 });
    await Promise.all(recorders.map(({ ended }) => ended));
    for (const out of outs) expect(sha256(readFileSync(out))).toBe(sha256(film));
  });
  it('may come from standard input and go to standard output', async () => {
    const url = `rtp://${freshGroup()}`;
    const recorder = lancast('record', url, '-', '--iface', 'lo');
    await recorder.until(() => recorder.stderr.includes('recording'), 'recording');
    const sender = lancast('send', '-', '--to', url, '--iface', 'lo', ...FAST);
    sender.type(film, true);
    expect(await sender.ended).toMatchObject({ code: 0 });
    const recorded = await recorder.ended;
    expect(sha256(recorded.stdout)).toBe(sha256(film));
    expect(recorded.stderr).toContain(sha256(film));
  });
  it('arrives whatever its bytes are with --as-is', async () => {
    const bytes = randomBytes(300_001);
    const { file, sent } = await cast(`seq://${freshGroup()}`, fileOf('any.bin', bytes), {
      send: ['--as-is', ...FAST],
    });
    expect(sent.code).toBe(0);
    expect(sha256(file)).toBe(sha256(bytes));
  });
  it('is one legal stream when it is looped', async () => {
    const url = `rtp://${freshGroup()}`;
    const out = path.join(temporaryFolder(), 'out.ts');
    const short = fileOf('short.ts', programme({ durationMs: 400, bitsPerSecond: 2_000_000 }));
    const sender = lancast('send', short, '--to', url, '--iface', 'lo', '--loop', '--json');
    await sender.event('sending');
    const recorder = lancast('record', url, out, '--iface', 'lo', '--duration', '3s', '--json');
    expect((await recorder.ended).code).toBe(0);
    expect(recorder.events.at(-1)).toMatchObject(losses);
    const file = readFileSync(out);
    expect(file.length).toBeGreaterThan(2 * 100_000);
    const monitor = new TsMonitor();
    // At the rate of the stream itself, in milliseconds.
    for (let at = 0; at < file.length; at += 1316)
      monitor.push(file.subarray(at, at + 1316), (at * 8) / 2000);
    expect(monitor.counters).toMatchObject({ continuityErrors: 0, syncLosses: 0, pcrErrors: 0 });
  });
  it('never mixes with another group on the same port', async () => {
    const group = freshGroup();
    const other = group.replace(/\.\d+:/, '.254:');
    const second = programme({ durationMs: 2000, bitsPerSecond: 3_000_000, seed: 2 });
    const [one, two] = await Promise.all([
      cast(`rtp://${group}`, fileOf('one.ts', film)),
      cast(`rtp://${other}`, fileOf('two.ts', second)),
    ]);
    expect(sha256(one.file)).toBe(sha256(film));
    expect(sha256(two.file)).toBe(sha256(second));
  });
});
