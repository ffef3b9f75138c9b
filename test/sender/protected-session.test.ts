/** A sender whose stream is protected by FEC, or takes two paths: the composition, with sockets in memory. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ChosenInterface } from '../../transport/udp.ts';
import { LancastError } from '../../wire/errors.ts';
import { parseFecSetting, type FecSetting } from '../../wire/fec/fec-setting.ts';
import { RTP_PARITY } from '../../wire/fec/parity-packet.ts';
import { isRtcp, writeRtcp } from '../../wire/rtcp.ts';
import { writeLossReport } from '../../wire/rtcp-xr.ts';
import { cookieOf, receiverCompound } from '../helpers/feedback.ts';
import { address, Memory, Outlet, send } from '../helpers/outlet.ts';
import { programme } from '../helpers/programme.ts';

const FILM = programme({ durationMs: 300 });
const SECOND_CARD: ChosenInterface = { name: 'eth1', address: '10.1.0.1', family: 4, reason: 'a test' };

function settingOf(text: string): FecSetting {
  const setting = parseFecSetting(text);
  if (typeof setting === 'string') throw new Error(setting);
  return setting;
}

function payloadTypes(datagrams: readonly Buffer[]): number[] {
  return [...new Set(datagrams.map((datagram) => datagram.readUInt8(1) & 0x7f))];
}

// Concurrent, because most of the time is spent waiting for the end to be told.
describe.concurrent('a sender with FEC', () => {
  const settings: [text: string, ports: number[], payloadType: number][] = [
    ['2022:5x5', [5006], 96],
    ['2022:5x5+rows', [5006, 5008], 96],
    ['rs:10,2', [5006], RTP_PARITY],
  ];
  for (const [text, ports, payloadType] of settings) {
    it(`sends the repair packets of ${text} on ports of their own, and the stream as it was`, async () => {
      const more = { ttl: 7, quantumMs: 1, dscp: 34 };
      const { outlet, session } = await send(new Memory([FILM]), { fec: settingOf(text), ...more });
      const { fec } = await session.ended;
      expect(outlet.payload(12).equals(FILM)).toBe(true);
      expect(outlet.queues.map(({ options }) => options.destinations.map(({ port }) => port))).toEqual([
        [5004],
        ...ports.map((port) => [port]),
      ]);
      for (const { options } of outlet.queues) expect(options).toMatchObject(more);
      for (const port of ports) expect(payloadTypes(outlet.sentTo(port))).toEqual([payloadType]);
      expect(fec).toMatchObject({ setting: text });
      expect(fec?.packets).toBe(ports.reduce((sum, port) => sum + outlet.sentTo(port).length, 0));
      expect(outlet.closed.filter((each) => each === 'departure')).toHaveLength(1 + ports.length);
    });
  }

  it('is told how to protect later, and opens what that needs then', async () => {
    const { outlet, session } = await send(new Memory([FILM, FILM]), { fec: 'auto' });
    expect(outlet.queues).toHaveLength(1);
    expect(session.progress().fec).toEqual({ packets: 0, bytes: 0 });
    await session.protect(settingOf('2022:4x4+rows'));
    expect(outlet.queues.map(({ options }) => options.destinations[0]?.port)).toEqual([5004, 5006, 5008]);
    await session.protect(settingOf('rs:4,1'));
    await session.protect(undefined);
    expect(session.progress().fec?.setting).toBeUndefined();
    await session.close();
    expect(outlet.queues).toHaveLength(3);
  });

  it('protects as receivers need it that have proved where they are, when that is automatic', async () => {
    const film = programme({ durationMs: 6000 });
    const { outlet, session } = await send(new Memory([film], 'wait'), { fec: 'auto' });
    const receiver = { address: '10.0.0.9', port: 40_009 };
    await sleep(300);
    outlet.hear(receiverCompound({ mediaSsrc: session.ssrc }), receiver);
    const challenge = outlet.reports.find(({ to }) => to.address === receiver.address)?.datagram;
    const echo = cookieOf(challenge ?? Buffer.alloc(0));
    const first = outlet.datagrams[0]?.datagram.readUInt16BE(2) ?? 0;
    const lost = [{ first: 7, count: 1 }];
    const report = { ssrc: 9, mediaSsrc: session.ssrc, firstSequence: first, count: 20, lost };
    const losses = writeRtcp([writeLossReport(report)]);
    outlet.hear(Buffer.concat([receiverCompound({ mediaSsrc: session.ssrc }), losses]), receiver);
    await sleep(1200);
    expect(session.progress().fec?.setting).toBeUndefined(); // nobody has proved anything
    outlet.hear(Buffer.concat([receiverCompound({ mediaSsrc: session.ssrc, echo }), losses]), receiver);
    await sleep(1700);
    expect(session.progress().fec?.setting).toMatch(/^rs:/);
    expect(payloadTypes(outlet.sentTo(5006))).toEqual([RTP_PARITY]);
    await session.close();
  });

  it('says that automatic protection hears nobody when nobody may ask', async () => {
    const { session } = await send(new Memory([FILM]), { fec: 'auto', repairBudget: 0 });
    expect(session.source.notes.join()).toMatch(/FEC stays off/);
    await session.close();
  });

  it('does not wait for repair packets when it is closed', async () => {
    const { session } = await send(new Memory([FILM], 'wait'), { fec: settingOf('2022:10x10') });
    await sleep(100);
    const before = Date.now();
    await session.close();
    expect(Date.now() - before).toBeLessThan(600);
  });

  const refused: [name: string, changes: Parameters<typeof send>[1], said: RegExp][] = [
    ['bare UDP', { addresses: [address('udp')] }, /rtp:\/\/ only/],
    ['the sequence header', { addresses: [address('seq')] }, /rtp:\/\/ only/],
    ['ports beyond the last', { addresses: [address('rtp', 65_534)] }, /cannot protect what goes to 239/],
  ];
  for (const [name, changes, said] of refused) {
    it(`refuses ${name}, and leaves nothing open`, async () => {
      const outlet = new Outlet();
      const sending = send(new Memory([]), { fec: settingOf('rs:4,1'), ...changes }, outlet);
      await expect(sending).rejects.toMatchObject({ code: 'E001', message: expect.stringMatching(said) });
      expect(outlet.closed.filter((each) => each === 'departure')).toHaveLength(outlet.queues.length);
    });
  }
});

describe.concurrent('a sender with a second path', () => {
  const other = { addresses: [address('rtp', 5014, { address: '239.255.1.2' })], via: SECOND_CARD };

  it('sends the same datagrams on both', async () => {
    const { outlet, session } = await send(new Memory([FILM]), { secondPath: other });
    const { sentDatagrams } = await session.ended;
    const [one, two] = outlet.queues;
    expect(two?.options).toMatchObject({ via: SECOND_CARD, destinations: other.addresses });
    expect(one?.datagrams.length).toBe(sentDatagrams);
    expect(two?.datagrams.map(({ datagram, dueAt }) => [datagram.toString('hex'), dueAt])).toEqual(
      one?.datagrams.map(({ datagram, dueAt }) => [datagram.toString('hex'), dueAt]),
    );
  });

  it('reports on both, from the card of each', async () => {
    const { outlet, session } = await send(new Memory([FILM]), { secondPath: other });
    await session.ended;
    const places = new Set(outlet.reports.map(({ to, from }) => `${to.address}:${to.port} by ${from}`));
    expect([...places]).toEqual(['239.255.1.1:5005 by lo', '239.255.1.2:5015 by eth1']);
  });

  it('answers a receiver on the path where it was heard', async () => {
    const { outlet, session } = await send(new Memory([FILM], 'wait'), { secondPath: other });
    await sleep(450);
    const lost = [outlet.datagrams[3]?.datagram.readUInt16BE(2) ?? 0];
    for (const card of ['lo', 'eth1']) {
      const receiver = { address: card === 'lo' ? '10.0.0.9' : '10.1.0.9', port: 40_009 };
      const ssrc = card.length;
      outlet.hear(receiverCompound({ ssrc, mediaSsrc: session.ssrc }), receiver, card);
      const said = outlet.reports.filter(({ to }) => to.address === receiver.address);
      const echo = cookieOf(said[0]?.datagram ?? Buffer.alloc(0));
      outlet.hear(receiverCompound({ ssrc, mediaSsrc: session.ssrc, echo, lost }), receiver, card);
      await sleep(50);
      const answers = outlet.reports.filter(({ to }) => to.address === receiver.address);
      expect(answers.map(({ datagram, from }) => [isRtcp(datagram), from])).toEqual([
        [true, card],
        [false, card],
      ]);
    }
    await session.close();
  });

  it('sends again to the groups of both what two receivers miss', async () => {
    const { outlet, session } = await send(new Memory([FILM], 'wait'), { secondPath: other });
    await sleep(450);
    const lost = [outlet.datagrams[3]?.datagram.readUInt16BE(2) ?? 0];
    const receivers = [40_001, 40_002].map((port) => ({ address: '10.0.0.9', port }));
    const counters = { fractionLost: 0, cumulativeLost: 0, highestSequence: 0, jitter: 0 };
    for (const source of receivers) {
      const block = { ssrc: session.ssrc, ...counters, lastSr: 0, delaySinceLastSr: 0 };
      outlet.hear(writeRtcp([{ kind: 'rr', ssrc: source.port, reports: [block] }]), source);
    }
    for (const source of receivers) {
      const ask = { ssrc: source.port, mediaSsrc: session.ssrc };
      outlet.hear(receiverCompound(ask), source);
      const challenge = outlet.reports.find(({ to }) => to.port === source.port);
      const echo = cookieOf(challenge?.datagram ?? Buffer.alloc(0));
      outlet.hear(receiverCompound({ ...ask, echo, lost }), source);
    }
    await sleep(50);
    const repairs = outlet.reports.filter(({ datagram }) => !isRtcp(datagram));
    expect(repairs.map(({ to, from }) => `${to.address}:${to.port} by ${from}`)).toEqual([
      '239.255.1.1:5010 by lo',
      '239.255.1.2:5020 by eth1',
    ]);
    await session.close();
  });

  it('takes one socket for the reports of two groups by one card', async () => {
    const secondPath = { ...other, via: { ...SECOND_CARD, name: 'lo', address: '127.0.0.1' } };
    const { outlet, session } = await send(new Memory([FILM]), { secondPath });
    await session.ended;
    expect(outlet.closed.filter((each) => each === 'exchange')).toHaveLength(2); // one, closed for each path
    expect(new Set(outlet.reports.map(({ to, from }) => `${to.port} ${from}`))).toEqual(
      new Set(['5005 lo', '5015 lo']),
    );
  });

  it('goes on by one path when the other carries nothing, and ends when neither does', async () => {
    const { outlet, session } = await send(new Memory([FILM], 'wait'), { secondPath: other });
    outlet.queues[1]?.fail(new LancastError('E103', 'no route'));
    await sleep(50);
    expect(session.source.notes).toEqual(['the second path carries nothing: no route']);
    const reason = new LancastError('E109', 'refused');
    outlet.queues[0]?.fail(reason);
    await expect(session.ended).rejects.toBe(reason);
  });

  const refused: [name: string, changes: Parameters<typeof send>[1], said: RegExp][] = [
    [
      'of bare UDP',
      { addresses: [address('udp')], secondPath: { ...other, addresses: [address('udp', 6000)] } },
      /rtp/,
    ],
    [
      'that is the first',
      {
        secondPath: {
          ...other,
          via: { ...SECOND_CARD, name: 'lo', address: '127.0.0.1' },
          addresses: [address('rtp')],
        },
      },
      /is the first one/,
    ],
    ['of another framing', { secondPath: { ...other, addresses: [address('seq')] } }, /differ in framing/],
  ];
  for (const [name, changes, said] of refused) {
    it(`refuses one ${name}`, async () => {
      const outlet = new Outlet();
      const sending = send(new Memory([]), changes, outlet);
      await expect(sending).rejects.toMatchObject({ code: 'E001', message: expect.stringMatching(said) });
      expect(outlet.queues).toEqual([]);
    });
  }

  for (const place of [5014, 'eth1']) {
    it(`leaves nothing open when ${place} cannot be`, async () => {
      const outlet = new Outlet();
      const refusal = new LancastError('E102', 'no such card');
      outlet.refusals.set(place, refusal);
      await expect(send(new Memory([]), { secondPath: other }, outlet)).rejects.toBe(refusal);
      expect(outlet.closed.filter((each) => each === 'departure')).toHaveLength(outlet.queues.length);
    });
  }
});
