/** A sender that is asked for what its receivers miss: the composition, with sockets in memory. */
import { setTimeout as sleep } from 'node:timers/promises';
import { BlockList } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { SenderOptions, SenderSession } from '../../sender/index.ts';
import { monotonicNow } from '../../transport/clock.ts';
import type { Endpoint } from '../../wire/address.ts';
import { isRtcp, parseRtcp, type RtcpPacket, writeRtcp } from '../../wire/rtcp.ts';
import { parseRtx, restoreOriginal } from '../../wire/rtx.ts';
import { cookieOf, receiverCompound } from '../helpers/feedback.ts';
import { address, Memory, type Outlet, type OutletReport, send } from '../helpers/outlet.ts';
import { programme } from '../helpers/programme.ts';

const A: Endpoint = { address: '10.0.0.1', port: 40_001 };
const B: Endpoint = { address: '10.0.0.2', port: 40_002 };
const FILM = programme({ durationMs: 300 });

/** A sender that has sent all that its source has, and goes on or ends. */
async function sending(
  changes: Partial<SenderOptions> = {},
  then: 'wait' | 'end' = 'wait',
): Promise<{ outlet: Outlet; session: SenderSession }> {
  const sender = await send(new Memory([FILM], then), changes);
  await sleep(450);
  return sender;
}

/** The report of a receiver that has had everything. */
function reportOf(source: Endpoint, ssrc: number): RtcpPacket {
  const counters = { fractionLost: 0, cumulativeLost: 0, highestSequence: 0, jitter: 0 };
  return { kind: 'rr', ssrc: source.port, reports: [{ ssrc, ...counters, lastSr: 0, delaySinceLastSr: 0 }] };
}

/** What a sender has said to a receiver by itself, or to a group's port of retransmissions. */
function saidTo(outlet: Outlet, to: Endpoint): OutletReport[] {
  return outlet.reports.filter((each) => each.to.address === to.address && each.to.port === to.port);
}

/** The originals of the retransmissions that went there. */
function repairsTo(outlet: Outlet, to: Endpoint): Buffer[] {
  const repairs = saidTo(outlet, to).filter(({ datagram }) => !isRtcp(datagram));
  return repairs.map(({ datagram }) => {
    const rtx = parseRtx(datagram);
    if (typeof rtx === 'string') throw new Error(rtx);
    return restoreOriginal(rtx, 33);
  });
}

/** The sequence numbers of these datagrams of the stream, and the datagrams. */
function missing(outlet: Outlet, indexes: readonly number[]): { lost: number[]; originals: Buffer[] } {
  const originals = indexes.map((index) => outlet.datagrams[index]?.datagram ?? Buffer.alloc(0));
  return { originals, lost: originals.map((original) => original.readUInt16BE(2)) };
}

/** Asks as a receiver that proves where it is. */
function ask(outlet: Outlet, source: Endpoint, question: { ssrc: number; lost: readonly number[] }): void {
  const { ssrc, lost } = question;
  const from = source.port;
  outlet.hear(receiverCompound({ ssrc: from, mediaSsrc: ssrc }), source);
  const echo = cookieOf(saidTo(outlet, source)[0]?.datagram ?? Buffer.alloc(0));
  outlet.hear(receiverCompound({ ssrc: from, mediaSsrc: ssrc, echo, lost }), source);
}

// Concurrent, because most of the time is spent waiting.
describe.concurrent('a sender that is asked', () => {
  it('sends again, from where its reports come, to where the request came from', async () => {
    const { outlet, session } = await sending();
    const { lost, originals } = missing(outlet, [3, 4, 20]);
    ask(outlet, A, { ssrc: session.ssrc, lost });
    await sleep(50);
    expect(repairsTo(outlet, A)).toEqual(originals);
    expect(session.progress().retransmission).toMatchObject({
      heard: 2,
      challenged: 1,
      asked: 3,
      repaired: 3,
    });
    await session.close();
  });

  it('tells everyone when two miss the same, on the port of retransmissions of each group', async () => {
    const addresses = [address('rtp'), address('rtp', 6000, { address: '239.255.1.2' })];
    const { outlet, session } = await sending({ addresses });
    const { lost, originals } = missing(outlet, [7]);
    for (const receiver of [A, B]) outlet.hear(writeRtcp([reportOf(receiver, session.ssrc)]), receiver);
    for (const receiver of [A, B]) ask(outlet, receiver, { ssrc: session.ssrc, lost });
    await sleep(50);
    expect(repairsTo(outlet, { address: '239.255.1.1', port: 5010 })).toEqual(originals);
    expect(repairsTo(outlet, { address: '239.255.1.2', port: 6006 })).toEqual(originals);
    expect([...repairsTo(outlet, A), ...repairsTo(outlet, B)]).toEqual([]);
    await session.close();
  });

  it('sends no repair to whoever has not proved where he is, but a challenge', async () => {
    const { outlet, session } = await sending();
    const { lost } = missing(outlet, [3, 4, 20]);
    outlet.hear(receiverCompound({ mediaSsrc: session.ssrc, lost }), A);
    await sleep(50);
    expect(saidTo(outlet, A).map(({ datagram }) => isRtcp(datagram))).toEqual([true]);
    expect(session.progress().retransmission).toMatchObject({ repaired: 0, unproven: 3 });
    await session.close();
  });

  it('answers at once whoever is trusted, on the port where plain receivers expect it', async () => {
    const trustFeedback = new BlockList();
    trustFeedback.addSubnet('10.0.0.0', 8);
    const addresses = [
      address('rtp', 5004, { address: '10.0.0.7', scope: 'unicast' }),
      address('rtp', 6004, { address: A.address, scope: 'unicast' }),
    ];
    const { outlet, session } = await sending({ trustFeedback, addresses });
    const { lost, originals } = missing(outlet, [3]);
    outlet.hear(receiverCompound({ mediaSsrc: session.ssrc, lost }), A);
    await sleep(50);
    expect(repairsTo(outlet, { ...A, port: 6010 })).toEqual(originals);
    await session.close();
  });

  it('sends nothing again without a budget, and says nothing of it', async () => {
    const { outlet, session } = await sending({ repairBudget: 0 });
    outlet.hear(receiverCompound({ mediaSsrc: session.ssrc, lost: [1] }), A);
    expect(saidTo(outlet, A)).toEqual([]);
    expect(session.progress().retransmission).toBeUndefined();
    await session.close();
  });

  it('says so where there is no port for it', async () => {
    const { session } = await sending({ addresses: [address('rtp', 65_530)] });
    expect(session.source.notes).toEqual(['nothing is sent again: port 65536 would be needed for it']);
    await session.close();
  });

  it('answers who misses the end of the stream, for two seconds', async () => {
    const { outlet, session } = await sending({}, 'end');
    const { lost, originals } = missing(outlet, [outlet.datagrams.length - 1]);
    ask(outlet, A, { ssrc: session.ssrc, lost });
    await sleep(1800);
    ask(outlet, A, { ssrc: session.ssrc, lost });
    const { retransmission } = await session.ended;
    expect(repairsTo(outlet, A)).toEqual([...originals, ...originals]);
    expect(retransmission).toMatchObject({ repaired: 2 });
  });

  it('ends when the last receiver has gone', async () => {
    const { outlet, session } = await sending({}, 'end');
    const report = reportOf(A, session.ssrc);
    outlet.hear(writeRtcp([report]), A);
    const state = { ended: false };
    void session.ended.then(() => (state.ended = true));
    await sleep(700);
    expect(state.ended).toBe(false);
    outlet.hear(writeRtcp([report, { kind: 'bye', ssrcs: [A.port] }]), A);
    const leftAt = monotonicNow();
    await session.ended;
    expect(monotonicNow() - leftAt).toBeLessThan(200);
  });

  it('keeps its reports and its stream as they are without requests', async () => {
    const { outlet, session } = await sending({}, 'end');
    const { retransmission, elapsedMs } = await session.ended;
    expect(outlet.payload(12).equals(FILM)).toBe(true);
    expect(outlet.reports.every(({ to }) => to.port === 5005)).toBe(true);
    for (const { datagram } of outlet.reports) expect(parseRtcp(datagram)).toEqual(expect.any(Array));
    expect(retransmission).toMatchObject({ heard: 0, repaired: 0 });
    expect(elapsedMs).toBeLessThan(1000);
  });
});
