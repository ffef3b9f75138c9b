import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { monotonicNow } from '../../transport/clock.ts';
import type { MediaAddress } from '../../wire/address.ts';
import { LancastError } from '../../wire/errors.ts';
import { parseLanc } from '../../wire/lanc.ts';
import { writeRtcp } from '../../wire/rtcp.ts';
import { parseRtp } from '../../wire/rtp.ts';
import { address, Memory, Outlet, send } from '../helpers/outlet.ts';
import { nullPacket, programme } from '../helpers/programme.ts';

const FILM = programme({ durationMs: 300 });

// Concurrent, because most of the time is spent waiting for the end to be told.
describe.concurrent('a sender', () => {
  for (const [framing, headerBytes] of [
    ['rtp', 12],
    ['udp', 0],
    ['seq', 4],
  ] as const) {
    it(`sends every byte of its source by ${framing}, and no more than 200 ms ahead`, async () => {
      const source = new Memory([FILM.subarray(0, 18_800), FILM.subarray(18_800)]);
      const { outlet, session } = await send(source, { addresses: [address(framing)] });
      const summary = await session.ended;
      expect(outlet.payload(headerBytes).equals(FILM)).toBe(true);
      expect(summary).toMatchObject({
        sentBytes: FILM.length,
        complete: true,
        clock: 'pcr',
        pacePpm: 1_000_000,
      });
      const dues = outlet.datagrams.map(({ dueAt }) => dueAt);
      expect(dues).toEqual(dues.toSorted((a, b) => a - b));
      for (const { dueAt, pushedAt } of outlet.datagrams) expect(dueAt - pushedAt).toBeLessThan(201);
      expect(outlet.closed).toContain('departure');
      expect(source.closed).toBe(true);
    });
  }

  it('tells the end of RTP three times, 100 ms apart, with the count of all datagrams', async () => {
    const { outlet, session } = await send(new Memory([FILM]));
    const { sentDatagrams } = await session.ended;
    const goodbyes = outlet.goodbyes();
    expect(goodbyes).toHaveLength(3);
    expect((goodbyes[2]?.at ?? 0) - (goodbyes[0]?.at ?? 0)).toBeGreaterThanOrEqual(199);
    for (const { packets } of goodbyes) {
      const lanc = packets
        .map((packet) => (packet.kind === 'app' ? parseLanc(packet) : undefined))
        .find(Boolean);
      expect(lanc).toMatchObject({ kind: 'report', index: sentDatagrams, final: true });
    }
    expect(outlet.reports.every(({ to }) => to.port === 5005 && to.address === '239.255.1.1')).toBe(true);
  });

  it('tells the end of the sequence header three times, with the count of all datagrams', async () => {
    const { outlet, session } = await send(new Memory([FILM]), { addresses: [address('seq')] });
    const { sentDatagrams } = await session.ended;
    const marks = outlet.datagrams.slice(sentDatagrams).map(({ datagram }) => datagram);
    expect(marks.map((mark) => [mark.length, mark.readUInt32BE(0)])).toEqual([
      [4, sentDatagrams],
      [4, sentDatagrams],
      [4, sentDatagrams],
    ]);
    expect(outlet.reports).toEqual([]);
  });

  it('reads its source only while less than 200 ms lie ahead', async () => {
    const film = programme({ durationMs: 2000 });
    const bytes = 188 * Math.floor(film.length / 188 / 50); // about 40 ms of it
    const runs = Array.from({ length: 50 }, (_, index) => film.subarray(index * bytes, (index + 1) * bytes));
    const source = new Memory(runs);
    const { session } = await send(source);
    await sleep(300);
    expect(source.reads).toBeGreaterThan(8);
    expect(source.reads).toBeLessThan(20);
    await session.close();
  });

  it('counts what has left, not what was read, when it is closed early', async () => {
    const { outlet, session } = await send(new Memory([programme({ durationMs: 3000 })], 'wait'));
    await sleep(100);
    await session.close();
    const summary = await session.ended;
    expect(summary.complete).toBe(false);
    expect(outlet.datagrams).toHaveLength(summary.sentDatagrams);
    expect(summary.sentDatagrams).toBeLessThan(120);
    const [last] = outlet.goodbyes().slice(-1);
    const final = last?.packets.flatMap((packet) => (packet.kind === 'app' ? [parseLanc(packet)] : []))[0];
    const newest = parseRtp(outlet.datagrams.at(-1)?.datagram ?? Buffer.alloc(0));
    expect(final).toMatchObject({ index: summary.sentDatagrams, final: true });
    expect(typeof newest === 'string' || typeof final !== 'object' || final.kind !== 'report').toBe(false);
    if (typeof newest === 'object' && typeof final === 'object' && final.kind === 'report')
      expect(final.sequence).toBe((newest.sequence + 1) % 65536);
  });

  it('stops at once when closed while its source is silent', async () => {
    const { outlet, session } = await send(new Memory([], 'wait'));
    const before = monotonicNow();
    await session.close();
    expect(monotonicNow() - before).toBeLessThan(600);
    expect(outlet.goodbyes()).toHaveLength(3);
  });

  it('sends what was read of a source that fails, says goodbye, and rejects with its fault', async () => {
    const fault = new LancastError('E205', 'ffmpeg stopped on its own');
    const { outlet, session } = await send(new Memory([FILM], fault));
    await expect(session.ended).rejects.toBe(fault);
    expect(outlet.payload(12).equals(FILM)).toBe(true);
    expect(outlet.goodbyes()).toHaveLength(3);
    expect(outlet.closed.toSorted()).toEqual(['departure', 'exchange']);
  });

  it('ends with the reason when nothing can be sent', async () => {
    const { outlet, session } = await send(new Memory([FILM], 'wait'));
    const reason = new LancastError('E103', 'no route');
    outlet.queues[0]?.fail(reason);
    await expect(session.ended).rejects.toBe(reason);
  });

  it('counts nothing as sent of what the kernel refuses', async () => {
    const refusing = new Outlet();
    refusing.refuses = true;
    const { session } = await send(new Memory([FILM]), {}, refusing);
    const summary = await session.ended;
    expect(summary.failedSends).toBeGreaterThan(0);
    expect(summary).toMatchObject({ sentDatagrams: 0, sentBytes: 0 });
  });

  it('reports to the port above each destination, and names receivers that report back', async () => {
    const addresses = [address(undefined, 5004), address('rtp', 6000, { address: '239.255.1.2' })];
    const { outlet, session } = await send(new Memory([FILM], 'wait'), { addresses });
    await sleep(150);
    expect(outlet.queues[0]?.options.destinations).toEqual(addresses);
    expect(new Set(outlet.reports.map(({ to }) => `${to.address}:${to.port}`))).toEqual(
      new Set(['239.255.1.1:5005', '239.255.1.2:6001']),
    );
    const report = {
      ssrc: session.ssrc,
      fractionLost: 0,
      cumulativeLost: 0,
      highestSequence: 0,
      jitter: 0,
      lastSr: 0,
      delaySinceLastSr: 0,
    };
    const compound = writeRtcp([
      { kind: 'rr', ssrc: 77, reports: [report] },
      { kind: 'sdes', chunks: [{ ssrc: 77, cname: 'room 5' }] },
    ]);
    outlet.hear(compound, { address: '127.0.0.1', port: 9 });
    expect(session.progress().receivers).toMatchObject([{ ssrc: 77, cname: 'room 5' }]);
    await session.close();
  });

  it('paces by the bit rate that was asked for and tells it to receivers', async () => {
    const { outlet, session } = await send(new Memory([FILM]), { bitsPerSecond: 20_000_000 });
    const summary = await session.ended;
    expect(summary.pacePpm).toBeGreaterThan(5_000_000);
    const dues = outlet.datagrams.map(({ dueAt }) => dueAt);
    expect((dues.at(-1) ?? 0) - (dues[0] ?? 0)).toBeCloseTo(((FILM.length - 1316) * 8) / 20_000, -1);
    const lanc = outlet
      .goodbyes()[0]
      ?.packets.flatMap((packet) => (packet.kind === 'app' ? [parseLanc(packet)] : []));
    expect(lanc?.[0]).toMatchObject({ pacePpm: summary.pacePpm });
  });

  const clockless: [name: string, film: Buffer, said: RegExp][] = [
    ['goes by decoding times', programme({ durationMs: 200, pcr: false }), /paced by its decoding times/],
    ['has no clock at all', Buffer.concat(Array.from({ length: 20 }, nullPacket)), /paced at 4 Mbit\/s/],
  ];
  for (const [name, film, said] of clockless) {
    it(`says that a stream ${name}`, async () => {
      const { session } = await send(new Memory([film]), { addresses: [address('udp')] });
      await session.ended;
      expect(session.source.notes).toEqual([expect.stringMatching(said)]);
    });
  }

  const mixed: [name: string, addresses: MediaAddress[]][] = [
    ['none', []],
    ['of two framings', [address('rtp'), address('udp')]],
    ['of two families', [address('rtp'), address('rtp', 5004, { address: 'ff15::1', family: 6 })]],
  ];
  for (const [name, addresses] of mixed) {
    it(`refuses addresses ${name}`, async () => {
      await expect(send(new Memory([]), { addresses })).rejects.toMatchObject({ code: 'E001' });
    });
  }
});
