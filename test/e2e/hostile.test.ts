/** What others send to the same address: garbage, and other streams. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { programme } from '../helpers/programme.ts';
import { fileOf, freshGroup, lancast, sha256, temporaryFolder } from './program.ts';

const film = programme({ durationMs: 3000, bitsPerSecond: 2_000_000 });

describe('a second sender on the same group', () => {
  it('is named, and does not get into the recording', async () => {
    const url = `rtp://${freshGroup()}`;
    const out = path.join(temporaryFolder(), 'out.ts');
    const recorder = lancast('record', url, out, '--iface', 'lo', '--json');
    await recorder.event('recording');
    const sender = lancast('send', fileOf('film.ts', film), '--to', url, '--iface', 'lo', '--json');
    await sender.event('sending');
    await recorder.until(() => recorder.events.some(({ packets }) => Number(packets) > 0), 'datagrams');
    const other = lancast('send', 'fixtures/clip.ts', '--to', url, '--iface', 'lo', '--loop');
    expect((await sender.ended).code).toBe(0);
    await recorder.until(() => recorder.stderr.includes('E116'), 'warning');
    expect((await recorder.ended).code).toBe(0);
    other.kill('SIGTERM');
    expect(recorder.stderr).toMatch(/! E116 A second sender \(127\.0\.0\.1:\d+\) uses the same group\./);
    expect(sha256(readFileSync(out))).toBe(sha256(film));
  });
});

describe('garbage', () => {
  /** Sends what is no stream to a group on loopback, until it is told to stop. */
  async function litter(group: string, stop: AbortSignal): Promise<void> {
    const [address = '', port = ''] = group.split(':');
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.setMulticastInterface('127.0.0.1');
    for (let seed = 1; !stop.aborted; seed = (seed * 48_271) % 0x7fffffff) {
      const bytes = Buffer.alloc(seed % 1400, seed & 0xff);
      socket.send(
        seed % 3 === 0 ? bytes : Buffer.concat([Buffer.from([0x80, seed & 0xff, 0, 1]), bytes]),
        Number(port),
        address,
      );
      await sleep(2);
    }
    socket.close();
  }

  it('between the datagrams of a stream harms neither it nor its recording', async () => {
    const group = freshGroup();
    const out = path.join(temporaryFolder(), 'out.ts');
    const recorder = lancast('record', `rtp://${group}`, out, '--iface', 'lo', '--json');
    await recorder.event('recording');
    const stop = new AbortController();
    const littering = litter(group, stop.signal);
    const sender = lancast('send', fileOf('film.ts', film), '--to', `rtp://${group}`, '--iface', 'lo');
    expect((await sender.ended).code).toBe(0);
    expect((await recorder.ended).code).toBe(0);
    stop.abort();
    await littering;
    expect(recorder.events.at(-1)).toMatchObject({ lost: 0, sha256: sha256(film) });
    expect(sha256(readFileSync(out))).toBe(sha256(film));
  });
  it('alone is told apart from silence', async () => {
    const group = freshGroup();
    const stop = new AbortController();
    const littering = litter(group, stop.signal);
    const out = path.join(temporaryFolder(), 'out.ts');
    const { stderr, code } = await lancast(
      'record',
      `udp://${group}`,
      out,
      '--iface',
      'lo',
      '--duration',
      '1s',
    ).ended;
    stop.abort();
    await littering;
    expect(stderr).toMatch(/why: \d+ datagrams came, and none is RTP, MPEG-TS or has a sequence header/);
    expect(code).toBe(11);
  });
});
