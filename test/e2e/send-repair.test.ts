/** What `lancast send` sends beside the stream, over real sockets: to bare receivers, so that each datagram is seen. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { FecBlockDecoder } from '../../receiver/fec-block-decoder.ts';
import { FecDecoder } from '../../receiver/fec-decoder.ts';
import { parseRtx, restoreOriginal } from '../../wire/rtx.ts';
import { PlainWindow } from '../helpers/fec-scene.ts';
import { programme } from '../helpers/programme.ts';
import { fileOf, freshGroup, freshPort, lancast, type Program, temporaryFolder } from './program.ts';
import { RawReceiver } from './raw-receiver.ts';

const FILM = programme({ durationMs: 3000, bitsPerSecond: 3_000_000 });

function send(to: string, ...more: string[]): Program {
  return lancast('send', fileOf('film.ts', FILM), '--to', to, '--iface', 'lo', '--json', ...more);
}

/** The programme that datagrams of RTP carry. */
function payloadOf(datagrams: readonly Buffer[]): Buffer {
  return Buffer.concat(datagrams.map((datagram) => datagram.subarray(12)));
}

function sequenceOf(datagram: Buffer | undefined): number {
  return datagram?.readUInt16BE(2) ?? NaN;
}

function originalOf(datagram: Buffer | undefined): Buffer {
  const rtx = parseRtx(datagram ?? Buffer.alloc(0));
  if (typeof rtx === 'string') throw new Error(rtx);
  return restoreOriginal(rtx, 33);
}

describe('a receiver that asks', () => {
  it('gets what it misses, at its own port, from where the reports come', async () => {
    const port = freshPort();
    await using receiver = await RawReceiver.open(port);
    const sender = send(`rtp://127.0.0.1:${port}`);
    const echo = await receiver.prove();
    await receiver.until(() => receiver.at(0).length > 300, 'stream');
    const missed = [receiver.at(0).at(-100), receiver.at(0).at(-99), receiver.at(0).at(-1)];
    await receiver.say({ echo, lost: missed.map(sequenceOf) });
    await receiver.until(() => receiver.repairs.length >= missed.length, 'retransmission');
    const { reportsFrom } = await receiver.sender();
    expect(receiver.repairs.map(({ from }) => from)).toEqual(missed.map(() => reportsFrom));
    expect(receiver.repairs.map(({ datagram }) => originalOf(datagram))).toEqual(missed);
    expect((await sender.ended).code).toBe(0);
    expect(sender.events.at(-1)).toMatchObject({
      event: 'summary',
      complete: true,
      retransmission: { repaired: missed.length },
    });
    // Nobody else has been disturbed.
    expect(payloadOf(receiver.at(0)).equals(FILM)).toBe(true);
    expect([2, 3, 4, 5, 6, 7].flatMap((offset) => receiver.at(offset))).toEqual([]);
  });

  it('gets the last datagram of a stream that has ended', async () => {
    const port = freshPort();
    await using receiver = await RawReceiver.open(port);
    const sender = send(`rtp://127.0.0.1:${port}`, '--bitrate', '30M');
    const echo = await receiver.prove();
    const whole = Math.ceil(FILM.length / 1316);
    await receiver.until(() => receiver.at(0).length === whole, 'end');
    await receiver.say({ echo, lost: [sequenceOf(receiver.at(0).at(-1))] });
    await receiver.until(() => receiver.repairs.length > 0, 'retransmission');
    expect(originalOf(receiver.repairs[0]?.datagram)).toEqual(receiver.at(0).at(-1));
    expect((await sender.ended).code).toBe(0);
  });

  it('shares with another of its group what both miss, on the port of retransmissions', async () => {
    const [group = ''] = freshGroup().split(':');
    const port = freshPort();
    await using one = await RawReceiver.open(port, { group, ssrc: 11 });
    await using two = await RawReceiver.open(port, { group, ssrc: 12 });
    const sender = send(`rtp://${group}:${port}`);
    const echoes = [await one.prove(), await two.prove()];
    await one.until(() => one.at(0).length > 200, 'stream');
    const lost = [sequenceOf(one.at(0)[150])];
    await Promise.all([one.say({ echo: echoes[0], lost }), two.say({ echo: echoes[1], lost })]);
    await one.until(
      () => one.at(6).length > 0 || one.repairs.length + two.repairs.length > 1,
      'retransmission',
    );
    // Whoever asked first may have been served alone before the other one was heard.
    for (const repair of [...one.at(6), ...[...one.repairs, ...two.repairs].map(({ datagram }) => datagram)])
      expect(originalOf(repair)).toEqual(one.at(0)[150]);
    sender.kill('SIGTERM');
    await sender.ended;
  });
});

describe('a stream with FEC', () => {
  const settings: [setting: string, words: string][] = [
    ['2022:10x5', 'FEC 10×5'],
    ['2022:5x5+rows', 'FEC 5×5 with rows'],
    ['rs:20,3', 'FEC 20+3'],
  ];
  for (const [setting, words] of settings) {
    it(`of ${setting} is whole without a burst of its datagrams, and plain receivers see nothing of it`, async () => {
      const port = freshPort();
      await using receiver = await RawReceiver.open(port);
      const sender = send(`rtp://127.0.0.1:${port}`, '--fec', setting, '--bitrate', '20M');
      expect((await sender.ended).code).toBe(0);
      expect(sender.stderr).toContain(words);
      const media = receiver.at(0);
      expect(payloadOf(media).equals(FILM)).toBe(true);

      const window = new PlainWindow(media);
      const first = sequenceOf(media[0]);
      const decoders = setting.startsWith('rs')
        ? [new FecBlockDecoder(window, first)]
        : [new FecDecoder(window, first)];
      const lost = new Set([200, 201, 202]);
      for (const index of media.keys())
        if (!lost.has(index)) {
          window.put(index);
          for (const decoder of decoders) decoder.arrived(index);
        }
      for (const repair of [...receiver.at(2), ...receiver.at(4)])
        for (const decoder of decoders) decoder.repair(repair);
      expect(window.recovered.toSorted((a, b) => a - b)).toEqual([...lost]);
      expect(receiver.at(4).length > 0).toBe(setting.endsWith('+rows'));
      expect([3, 5, 6, 7].flatMap((offset) => receiver.at(offset))).toEqual([]);
      expect(sender.events.at(-1)).toMatchObject({
        fec: { setting, packets: receiver.at(2).length + receiver.at(4).length },
      });
    });
  }

  it('is refused with words where there is no place for it', async () => {
    const sender = lancast(
      'send',
      fileOf('film.ts', FILM),
      '--to',
      'udp://127.0.0.1:5004',
      '--fec',
      'rs:20,3',
    );
    const { code, stderr } = await sender.ended;
    expect(code).toBe(2);
    expect(stderr).toContain('FEC protects rtp:// only');
    expect(stderr).toContain('why: udp:// has no place for repair packets');
  });

  it('runs beside retransmission', async () => {
    const port = freshPort();
    await using receiver = await RawReceiver.open(port);
    const sender = send(`rtp://127.0.0.1:${port}`, '--fec', 'rs:10,2');
    const echo = await receiver.prove();
    await receiver.until(() => receiver.at(0).length > 200, 'stream');
    await receiver.say({ echo, lost: [sequenceOf(receiver.at(0)[150])] });
    await receiver.until(() => receiver.repairs.length > 0, 'retransmission');
    expect((await sender.ended).code).toBe(0);
    expect(payloadOf(receiver.at(0)).equals(FILM)).toBe(true);
    expect(receiver.at(2).length).toBeGreaterThanOrEqual((2 * receiver.at(0).length) / 10);
  });
});

describe('a stream on two paths', () => {
  it('is the same on both, byte for byte, and reports go with each', async () => {
    const [one, two] = [freshPort(), freshPort()];
    await using first = await RawReceiver.open(one);
    await using second = await RawReceiver.open(two);
    const fast = ['--bitrate', '20M'];
    const sender = send(`rtp://127.0.0.1:${one}`, '--path2', `rtp://127.0.0.1:${two}`, ...fast);
    expect((await sender.ended).code).toBe(0);
    expect(payloadOf(first.at(0)).equals(FILM)).toBe(true);
    expect(Buffer.concat(second.at(0)).equals(Buffer.concat(first.at(0)))).toBe(true);
    expect(second.at(1).length).toBeGreaterThan(3);
    expect(sender.stderr).toContain(`✓ second path  rtp://127.0.0.1:${two}`);
  });

  it('is refused with words when it is the first one', async () => {
    const port = freshPort();
    const sender = send(`rtp://127.0.0.1:${port}`, '--path2', 'lo');
    const { code, stderr } = await sender.ended;
    expect(code).toBe(2);
    expect(stderr).toContain(`the second path to 127.0.0.1:${port} is the first one`);
  });
});

describe('a folder', () => {
  it('has the same options for each of its channels', async () => {
    const folder = temporaryFolder();
    for (const name of ['1.ts', '2.ts']) writeFileSync(path.join(folder, name), FILM);
    const port = freshPort();
    freshPort(); // of the second channel
    const [here, there] = [`rtp://127.0.0.1:${port}`, `rtp://127.0.0.2:${port}`];
    await using one = await RawReceiver.open(port + 10);
    await using two = await RawReceiver.open(port + 10, { host: '127.0.0.2' });
    const words = [
      '--to',
      here,
      '--path2',
      there,
      '--fec',
      'rs:20,3',
      '--bitrate',
      '20M',
      '--iface',
      'lo',
      '--json',
    ];
    const sender = lancast('send', folder, ...words);
    expect((await sender.ended).code).toBe(0);
    expect(sender.stderr).toMatch(/2 channels via lo .* ttl 1 · FEC 20\+3/);
    expect(payloadOf(one.at(0)).equals(FILM)).toBe(true);
    expect(Buffer.concat(two.at(0)).equals(Buffer.concat(one.at(0)))).toBe(true);
    expect(one.at(2).length).toBeGreaterThanOrEqual((3 * one.at(0).length) / 20);
    expect(two.at(2)).toEqual([]);
    const sending = sender.events.filter(({ event }) => event === 'sending');
    expect(sending.map(({ fec, secondPath }) => [fec, secondPath])).toEqual(
      [port, port + 10].map((each) => [
        'rs:20,3',
        { to: [`rtp://127.0.0.2:${each}`], interface: expect.objectContaining({ name: 'lo' }) },
      ]),
    );
  });
});
