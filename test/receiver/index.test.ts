import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startReceiver, type ReceiverOptions, type ReceiverSession } from '../../receiver/index.ts';
import type { Released, Sink } from '../../receiver/sink.ts';
import { monotonicNow } from '../../transport/clock.ts';
import { parseMediaAddress, type MediaAddress } from '../../wire/address.ts';
import { LancastError } from '../../wire/errors.ts';
import { parseRtcp } from '../../wire/rtcp.ts';
import { FakeEngine, LOOPBACK } from '../helpers/fake-engine.ts';
import { rtpRun } from '../helpers/runs.ts';
import { programme } from '../helpers/programme.ts';
import { VirtualSender, type Departure } from '../helpers/virtual-sender.ts';

const SENDER = '192.0.2.1';
const MEDIA = { address: SENDER, port: 41_000 };
const REPORTS = { address: SENDER, port: 41_001 };

function at(url: string): MediaAddress {
  const address = parseMediaAddress(url);
  if (typeof address === 'string') throw new Error(address);
  return address;
}

/** A sink that notes what it is given. */
class Notes implements Sink {
  readonly kinds: string[] = [];
  readonly payloads: Buffer[] = [];
  /** What it was told to be the time, and what it was. */
  readonly times: [told: number, now: number][] = [];

  push(released: Released, now: number): void {
    this.times.push([now, monotonicNow()]);
    if (released.kind === 'payload') this.payloads.push(Buffer.from(released.payload));
    else this.kinds.push(released.kind);
  }

  async close(): Promise<void> {}
}

/** Lets `ms` pass, with everything that happens meanwhile. */
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

/** What was lost, packet by packet (RFC 3611). */
const XR = { kind: 'unknown', packetType: 207 };

describe('startReceiver', () => {
  let engine: FakeEngine;
  let open: ReceiverSession[];
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'hrtime', 'performance'] });
    engine = new FakeEngine();
    open = [];
  });
  afterEach(async () => {
    for (const session of open) await session.close();
    vi.useRealTimers();
  });

  async function receive(url: string, options: Partial<ReceiverOptions> = {}) {
    const session = await startReceiver({
      address: at(url),
      engine,
      via: LOOPBACK,
      latencyMs: 200,
      random: () => 0.5,
      cname: 'receiver@test',
      ...options,
    });
    open.push(session);
    const notes = new Notes();
    session.addSink(notes);
    return { session, notes };
  }

  /** Sends a programme in fake time, datagram by datagram, without those that `lose` names. */
  async function send(
    url: string,
    options: {
      ts: Buffer;
      goodbye?: boolean;
      ssrc?: number;
      lose?: (index: number) => boolean;
      reportsTo?: number;
    },
  ): Promise<void> {
    const { framing = 'rtp', port } = at(url);
    const { ts, goodbye = true, ssrc = 7, lose, reportsTo = port + 1 } = options;
    const first = { sequence: 65_500, timestamp: 2 ** 32 - 1000, ssrc };
    const runs = [Buffer.from(ts)];
    const sender = new VirtualSender({ framing, runs, first, random: () => 0.5, saysGoodbye: goodbye });
    let index = 0;
    for (let now = monotonicNow(); now < Infinity; now = sender.wakeAt) {
      if (now > monotonicNow()) await pass(Math.ceil(now - monotonicNow()));
      for (let each = sender.poll(monotonicNow()); each; each = sender.poll(monotonicNow())) deliver(each);
    }
    function deliver({ port: kind, datagram }: Departure): void {
      if (kind === 'rtcp') engine.deliver(reportsTo, datagram, REPORTS);
      else if (!lose?.(index++)) engine.deliver(port, datagram, MEDIA);
    }
  }

  const film = programme({ durationMs: 1500 });
  const whole = film.subarray(0, Math.floor(film.length / 1316) * 1316);

  it('hands a stream to its sinks and describes it', async () => {
    const { session, notes } = await receive('rtp://239.255.1.1:5004', { name: 'film' });
    expect(session.snapshot()).toMatchObject({
      state: 'waiting',
      packets: 0,
      programmes: [],
      bitsPerSecond: 0,
    });
    expect(session.snapshot()).not.toHaveProperty('silentMs');
    const ended = session.nextEnd();
    await send('rtp://239.255.1.1:5004', { ts: film });
    expect(await ended).toEqual({ reason: 'told', proven: true });
    expect(Buffer.concat(notes.payloads).equals(film)).toBe(true);
    expect(notes.kinds).toEqual(['end']);
    expect(session.snapshot()).toMatchObject({
      id: '239.255.1.1-5004',
      name: 'film',
      address: 'rtp://239.255.1.1:5004',
      interface: { name: 'lo', address: '127.0.0.1', reason: 'asked for by --iface' },
      framing: 'rtp',
      source: '192.0.2.1:41000',
      ssrc: 7,
      state: 'ended',
      packets: notes.payloads.length,
      bytes: film.length,
      lost: 0,
      firstIndex: 0,
      missingBefore: 0,
      continuityErrors: 0,
      kernelDrops: 0,
      programmes: [{ number: 1, streams: [{ codec: 'H.264' }, { codec: 'AAC' }] }],
    });
  });

  it('tells losses apart by cause, and in which second they were', async () => {
    const { session } = await receive('rtp://239.255.1.1:5004');
    const lost = new Set([50, 51, 52, 200]);
    const sent = send('rtp://239.255.1.1:5004', {
      ts: film,
      lose: (index) => {
        if (index === 200) engine.kernelDrops = 1;
        return lost.has(index);
      },
    });
    await sent;
    await session.close();
    const { causes } = session.snapshot();
    expect(causes).toEqual({ network: 3, ownBuffer: 1, late: 0, overflow: 0, source: 0 });
    const seconds = session.lossHistory();
    expect(seconds.reduce((sum, { network }) => sum + network, 0)).toBe(3);
    expect(seconds.reduce((sum, { ownBuffer }) => sum + ownBuffer, 0)).toBe(1);
    expect(session.lossHistory(1).every(({ secondsAgo }) => secondsAgo === 0)).toBe(true);
  });

  it('tells a hole that was in the source from one of the network', async () => {
    const { session } = await receive('rtp://239.255.1.1:5004');
    const torn = Buffer.concat([film.subarray(0, 1316 * 100), film.subarray(1316 * 101)]);
    await send('rtp://239.255.1.1:5004', { ts: torn });
    const { causes, lost } = session.snapshot();
    expect(lost).toBe(0);
    expect(causes?.network).toBe(0);
    expect(causes?.source).toBeGreaterThan(0);
  });

  it('takes what lay unread for two seconds as it came', async () => {
    const { session, notes } = await receive('rtp://239.255.1.1:5004');
    const from = monotonicNow();
    const stream = rtpRun({ count: 400, at: from, timestamp: 0 });
    const sent = stream.map(({ at, item }) => ({ data: item.data, arrivedAt: at }));
    for (const each of sent.slice(0, 100)) {
      await pass(10);
      engine.deliverBatch(5004, [each], MEDIA);
    }
    await pass(3000 - 10);
    const held = sent.splice(100, 300);
    const [overtaken] = held.splice(10, 1);
    held.splice(25, 0, overtaken!);
    for (let at = 0; at < held.length; at += 20) engine.deliverBatch(5004, held.slice(at, at + 20), MEDIA);
    expect(session.snapshot()).toMatchObject({ packets: 400, lost: 0, late: 0, reordered: 1, restarts: 0 });
    expect(session.snapshot().jitterMs).toBeLessThan(10);
    expect(notes.kinds).toEqual([]);
  });

  it('tells its sinks the time, however long nothing came before', async () => {
    const { notes } = await receive('rtp://239.255.1.1:5004');
    const stream = rtpRun({ count: 40, at: monotonicNow(), timestamp: 0 });
    for (let from = 0; from < 40; from += 10) {
      await pass(2500);
      const batch = stream
        .slice(from, from + 10)
        .map(({ item }) => ({ data: item.data, arrivedAt: monotonicNow() }));
      engine.deliverBatch(5004, batch, MEDIA);
    }
    expect(notes.payloads).toHaveLength(40);
    for (const [told, now] of notes.times) expect(told).toBe(now);
  });

  it('is playing while datagrams come, with their rate, and silent a second after they stop', async () => {
    const { session } = await receive('rtp://239.255.1.1:5004');
    await send('rtp://239.255.1.1:5004', { ts: whole, goodbye: false });
    const playing = session.snapshot();
    expect(playing.state).toBe('playing');
    expect(playing.bitsPerSecond / 2e6).toBeGreaterThan(0.9);
    expect(playing.bitsPerSecond / 2e6).toBeLessThan(1.1);
    await pass(1100);
    expect(session.snapshot()).toMatchObject({ state: 'silent' });
    expect(session.snapshot().silentMs).toBeGreaterThan(1000);
    await pass(1100);
    expect(session.snapshot().bitsPerSecond).toBe(0);
  });

  it('goes on after an end, when a sender comes back', async () => {
    const { session, notes } = await receive('rtp://239.255.1.1:5004');
    await send('rtp://239.255.1.1:5004', { ts: whole });
    const ended = session.nextEnd();
    await send('rtp://239.255.1.1:5004', { ts: whole, ssrc: 8 });
    expect(await ended).toEqual({ reason: 'told', proven: true });
    expect(notes.kinds).toEqual(['end', 'restart', 'end']);
    expect(Buffer.concat(notes.payloads).equals(Buffer.concat([whole, whole]))).toBe(true);
    expect(session.snapshot()).toMatchObject({ state: 'ended', restarts: 1, lost: 0, continuityErrors: 0 });
  });

  it('reports to where the sender reports from', async () => {
    const { session } = await receive('rtp://239.255.1.1:5004');
    await send('rtp://239.255.1.1:5004', { ts: whole });
    expect(engine.sent.length).toBeGreaterThanOrEqual(1);
    for (const { datagram, to } of engine.sent) {
      expect(to).toEqual(REPORTS);
      expect(parseRtcp(datagram).slice(0, 2)).toMatchObject([{ kind: 'rr' }, { kind: 'sdes' }]);
    }
    await session.close();
  });

  it('says goodbye to the sender when it is closed', async () => {
    const { session } = await receive('rtp://239.255.1.1:5004');
    await send('rtp://239.255.1.1:5004', { ts: whole, goodbye: false });
    await session.close();
    const last = engine.sent.at(-1);
    expect(last?.to).toEqual(REPORTS);
    expect(parseRtcp(last!.datagram)).toMatchObject([{ kind: 'rr' }, { kind: 'sdes' }, XR, { kind: 'bye' }]);
  });

  it('hears what the sender answers to its reports', async () => {
    const { session } = await receive('rtp://239.255.1.1:5004');
    await send('rtp://239.255.1.1:5004', { ts: whole, reportsTo: 0 });
    expect(engine.sent.length).toBeGreaterThanOrEqual(1);
    expect(session.snapshot()).toMatchObject({ state: 'ended', firstIndex: 0 });
  });

  const sockets: [url: string, ports: number[]][] = [
    ['rtp://239.255.1.1:5004', [5004, 5005, 5006, 5008, 5010, 0]],
    ['239.255.1.1:5004', [5004, 5005, 5006, 5008, 5010, 0]],
    ['udp://239.255.1.1:5004', [5004]],
    ['seq://239.255.1.1:5004', [5004]],
    ['rtp://127.0.0.1:5004', [5004, 5005, 5006, 5008, 0]],
    ['rtp://127.0.0.1:65530', [65_530, 65_531, 65_532, 65_534, 0]],
    ['239.255.1.1:65535', [65_535]],
  ];
  for (const [url, ports] of sockets) {
    it(`opens the ports ${ports.join(', ')} for ${url}`, async () => {
      const { session } = await receive(url);
      expect([...engine.open.keys()]).toEqual(ports);
      await session.close();
      expect(engine.open.size).toBe(0);
    });
  }

  it('passes sources and buffer size on', async () => {
    await receive('rtp://232.1.1.1:5004', { sources: [SENDER], receiveBufferBytes: 1 << 20 });
    expect(engine.arrivals[0]).toMatchObject({
      sources: [SENDER],
      receiveBufferBytes: 1 << 20,
      via: LOOPBACK,
    });
    expect(engine.arrivals[1]).toMatchObject({ sources: [SENDER] });
  });

  it('does without RTCP when its port is taken, and says so', async () => {
    engine.refusals.set(5005, new LancastError('E111', 'UDP port 5005 is in use'));
    const { session, notes } = await receive('rtp://239.255.1.1:5004');
    expect(session.notes).toEqual([
      "UDP port 5005 is in use: the sender's reports and its goodbye are not heard",
    ]);
    await send('rtp://239.255.1.1:5004', { ts: whole });
    expect(session.snapshot().packets).toBe(notes.payloads.length);
    expect(session.snapshot().state).toBe('playing');
  });

  it('throws when the media port is taken, and leaves nothing open', async () => {
    engine.refusals.set(5004, new LancastError('E111', 'UDP port 5004 is in use'));
    await expect(receive('rtp://239.255.1.1:5004')).rejects.toMatchObject({ code: 'E111' });
    expect(engine.open.size).toBe(0);
  });

  it('releases what waits for a missing datagram before it closes', async () => {
    const { session, notes } = await receive('rtp://239.255.1.1:5004', { latencyMs: 60_000 });
    await send('rtp://239.255.1.1:5004', { ts: whole, goodbye: false, lose: (index) => index === 100 });
    expect(notes.payloads).toHaveLength(100);
    const ended = session.nextEnd();
    await session.close();
    expect(notes.kinds[0]).toBe('gap');
    expect(notes.payloads).toHaveLength(whole.length / 1316 - 1);
    expect(await ended).toEqual({ reason: 'closed', proven: false });
    expect(await session.nextEnd()).toEqual({ reason: 'closed', proven: false });
  });

  it('takes a stream of one datagram when nothing more is expected', async () => {
    const { session, notes } = await receive('239.255.1.1:5004');
    await send('rtp://239.255.1.1:5004', { ts: film.subarray(0, 1316), goodbye: false });
    await pass(5000);
    const ended = session.nextEnd();
    session.giveUp();
    expect(await ended).toEqual({ reason: 'given-up', proven: false });
    expect(notes.payloads).toHaveLength(1);
  });

  it('ends when it gives up on a stream that never came', async () => {
    const { session } = await receive('239.255.1.1:5004');
    const ended = session.nextEnd();
    session.giveUp();
    expect(await ended).toEqual({ reason: 'given-up', proven: false });
    expect(session.snapshot().state).toBe('waiting');
  });

  it('feeds a sink from the moment it is added until it is removed', async () => {
    const { session } = await receive('udp://239.255.1.1:5004');
    const [first, second] = [new Notes(), new Notes()];
    session.addSink(first);
    await send('udp://239.255.1.1:5004', { ts: whole.subarray(0, 131_600) });
    session.removeSink(first);
    session.addSink(second);
    await send('udp://239.255.1.1:5004', { ts: whole.subarray(131_600) });
    expect(Buffer.concat(first.payloads).equals(whole.subarray(0, 131_600))).toBe(true);
    expect(Buffer.concat(second.payloads).equals(whole.subarray(131_600))).toBe(true);
  });

  it('has an id that is safe in a URL, for IPv6 too', async () => {
    const { session } = await receive('rtp://[ff15::1:2]:5004');
    expect(session.id).toBe('ff15--1-2-5004');
    expect(session.name).toBe('rtp://[ff15::1:2]:5004');
  });
});
