import { BlockList } from 'node:net';
import { describe, expect, it } from 'vitest';
import { FeedbackGuard } from '../../sender/feedback-guard.ts';
import { CHUNK_DATAGRAMS } from '../../sender/media-chunk.ts';
import {
  HISTORY_BYTES,
  HISTORY_MS,
  REPAIR_BUDGET,
  Retransmitter,
  type RetransmitterOptions,
} from '../../sender/retransmitter.ts';
import type { Endpoint } from '../../wire/address.ts';
import { writeLanc } from '../../wire/lanc.ts';
import { isRtcp, writeRtcp } from '../../wire/rtcp.ts';
import { parseRtx, restoreOriginal } from '../../wire/rtx.ts';
import { DepartedStream, numberOf } from '../helpers/departed-stream.ts';
import { drive } from '../helpers/drive.ts';
import { cookieOf, receiverCompound } from '../helpers/feedback.ts';
import { SEQUENCE_STARTS } from '../helpers/packets.ts';

const SSRC = 7;
const A = { address: '10.0.0.1', port: 40_001 };
const B = { address: '10.0.0.2', port: 40_002 };
const C = { address: '10.0.0.3', port: 40_003 };
const SSRC_OF = new Map([A, B, C].map(({ address }, number) => [address, 100 + number]));

/** A retransmitter that has sent ten chunks, a datagram a millisecond. */
class Bench {
  readonly stage: Retransmitter;
  readonly receivers = new Map<number, { roundTripMs: number | undefined }>();
  readonly #sequence: number;
  readonly #stream: DepartedStream;
  readonly #cookies = new Map<string, Buffer>();
  #chunks = 0;

  constructor(
    options: Partial<RetransmitterOptions> & {
      sequence?: number;
      spacingMs?: number;
      trusted?: BlockList;
    } = {},
  ) {
    const { sequence = 0, spacingMs = 1, trusted, ...more } = options;
    this.#stream = new DepartedStream({ ssrc: SSRC, sequence, spacingMs });
    this.#sequence = sequence;
    for (const ssrc of SSRC_OF.values()) this.receivers.set(ssrc, { roundTripMs: 20 });
    this.stage = new Retransmitter({
      ssrc: SSRC,
      cname: 'sender@test',
      guard: new FeedbackGuard({ key: Buffer.alloc(32, 1), ...(trusted && { trusted }) }),
      receivers: this.receivers,
      toGroup: false,
      destinations: 1,
      repairPortOf: () => 5010,
      rtxSequence: 65_534,
      repairBudget: REPAIR_BUDGET,
      historyMs: HISTORY_MS,
      historyBytes: HISTORY_BYTES,
      ...more,
    });
    this.goOn(10);
  }

  /** Sends until there have been so many chunks, each when its first datagram is due. */
  goOn(chunks: number): void {
    for (; this.#chunks < chunks; this.#chunks++) {
      const dueAt = this.#stream.dueAt(this.#chunks * CHUNK_DATAGRAMS);
      this.stage.push({ kind: 'departed', run: this.#stream.next() }, dueAt);
    }
  }

  /** What leaves until nothing more does: when, what and where to. */
  out(now: number): string[] {
    return [...drive(this.stage, now)].map(([at, { kind, datagram, destination }]) => {
      const to = destination === 'group' ? 'group' : `${destination.address}:${destination.port}`;
      if (kind === 'challenge') return `${at} challenge to ${to}`;
      return `${at} ${numberIn(datagram)} to ${to}`;
    });
  }

  /** These receivers have a challenge to echo. */
  validate(...sources: Endpoint[]): this {
    for (const source of sources) {
      this.hear({ source, now: 480 });
      const challenge = this.stage.poll(480);
      if (challenge) this.#cookies.set(source.address, cookieOf(challenge.datagram));
    }
    return this;
  }

  /** A compound comes; the sequence numbers are those of these indexes. */
  hear({ source, lost, now }: { source: Endpoint; lost?: number[]; now: number }): void {
    const ssrc = SSRC_OF.get(source.address) ?? 1;
    const sequences = lost?.map((index) => (this.#sequence + index) & 0xffff);
    const echo = this.#cookies.get(source.address);
    const datagram = receiverCompound({ ssrc, mediaSsrc: SSRC, echo, lost: sequences });
    this.stage.push({ kind: 'rtcp', datagram, source }, now);
  }

  /** A compound comes, and all that it causes leaves. */
  ask(source: Endpoint, lost: number[], now: number): string[] {
    this.hear({ source, lost, now });
    return this.out(now);
  }
}

function numberIn(datagram: Buffer): number {
  const rtx = parseRtx(datagram);
  if (typeof rtx === 'string') throw new Error(rtx);
  return numberOf(restoreOriginal(rtx, 33).subarray(12));
}

describe('a request', () => {
  for (const sequence of SEQUENCE_STARTS)
    it(`is answered to where it came from, the stream having begun at ${sequence}`, () => {
      const bench = new Bench({ sequence }).validate(A);
      expect(bench.ask(A, [3, 70], 500)).toEqual(['500 3 to 10.0.0.1:40001', '500 70 to 10.0.0.1:40001']);
    });

  it('is answered by RTX packets of the same SSRC, with sequence numbers of their own that wrap', () => {
    const bench = new Bench().validate(A);
    bench.hear({ source: A, lost: [1, 2, 3], now: 500 });
    const packets = [...drive(bench.stage, 500)].map(([, { datagram }]) => parseRtx(datagram));
    expect(packets.map((packet) => typeof packet !== 'string' && [packet.sequence, packet.ssrc])).toEqual([
      [65_534, SSRC],
      [65_535, SSRC],
      [0, SSRC],
    ]);
    expect(packets[0]).toMatchObject({ payloadType: 97, originalSequence: 1, timestamp: 90 });
  });

  it('can be told from media where both come to one port', () => {
    const bench = new Bench();
    bench.hear({ source: A, now: 480 });
    const challenge = bench.stage.poll(480)?.datagram ?? Buffer.alloc(0);
    bench.validate(A).hear({ source: A, lost: [1], now: 500 });
    expect([isRtcp(challenge), isRtcp(bench.stage.poll(500)?.datagram ?? challenge)]).toEqual([true, false]);
  });

  it('is not answered for what has not left, was never sent, or is kept no more', () => {
    const bench = new Bench({ historyMs: 200 }).validate(A);
    expect(bench.ask(A, [476, 481, 40_000, 100], 470)).toEqual([]);
    expect(bench.stage.stats).toMatchObject({ asked: 4, unavailable: 4, repaired: 0 });
  });

  it('is answered once in a round trip', () => {
    const bench = new Bench().validate(A);
    const answers = [500, 510, 519.9, 520, 541].flatMap((now) => bench.ask(A, [3], now));
    expect(answers.map((answer) => answer.split(' ')[0])).toEqual(['500', '520', '541']);
    expect(bench.stage.stats.repeated).toBe(2);
  });

  it('is answered once in 25 ms while the round trip is not known', () => {
    const bench = new Bench().validate(A);
    bench.receivers.clear();
    const answers = [500, 524, 525].flatMap((now) => bench.ask(A, [3], now));
    expect(answers.map((answer) => answer.split(' ')[0])).toEqual(['500', '525']);
  });

  it('of two receivers with copies of their own is answered to each', () => {
    const bench = new Bench({ destinations: 2 }).validate(A, B);
    expect([...bench.ask(A, [3], 500), ...bench.ask(B, [3], 501)]).toEqual([
      '500 3 to 10.0.0.1:40001',
      '501 3 to 10.0.0.2:40002',
    ]);
  });

  it('for many of a slow stream is answered before they are of no use any more', () => {
    const bench = new Bench({ spacingMs: 50, repairBudget: 1 }).validate(A);
    const now = 470 * 50;
    const times = bench.ask(A, [460, 461, 462, 463, 464], now).map((answer) => Number(answer.split(' ')[0]));
    expect(times).toHaveLength(5);
    expect(Math.max(...times) - now).toBeLessThanOrEqual(20);
  });

  it('for very many leaves them at the rate of the stream, not all at once', () => {
    const bench = new Bench().validate(A);
    const lost = Array.from({ length: 100 }, (_, index) => index);
    const times = bench.ask(A, lost, 500).map((answer) => Number(answer.split(' ')[0]));
    expect(times).toHaveLength(100);
    expect(times.filter((at) => at === 500).length).toBeLessThan(8);
    expect(times.at(-1)).toBeGreaterThan(590);
  });
});

describe('with a group', () => {
  it('a request of one receiver is answered to that one, once others had time to ask', () => {
    const bench = new Bench({ toGroup: true }).validate(A, B, C);
    expect(bench.ask(B, [3], 500)).toEqual(['502 3 to 10.0.0.2:40002']);
  });

  it('a request of the only receiver is answered at once', () => {
    const bench = new Bench({ toGroup: true }).validate(A);
    bench.receivers.delete(101);
    bench.receivers.delete(102);
    expect(bench.ask(A, [3], 500)).toEqual(['500 3 to 10.0.0.1:40001']);
  });

  it('requests of several are answered once, to the group', () => {
    const bench = new Bench({ toGroup: true }).validate(A, B, C);
    for (const [source, now] of [
      [A, 500],
      [B, 501],
      [C, 501.5],
    ] as const)
      bench.hear({ source, lost: [3, 4], now });
    expect(bench.out(501.5)).toEqual(['502 3 to group', '502 4 to group']);
    expect(bench.stage.stats).toMatchObject({ repaired: 2, groupRepairs: 2, repeated: 4 });
  });

  it('a receiver that asks behind the answer to another one is served with the group', () => {
    const bench = new Bench({ toGroup: true }).validate(A, B, C);
    expect(bench.ask(A, [3], 500)).toEqual(['502 3 to 10.0.0.1:40001']);
    expect(bench.ask(B, [3], 505)).toEqual(['507 3 to group']);
    expect(bench.ask(C, [3], 510)).toEqual([]);
    expect(bench.ask(C, [3], 527)).toEqual(['529 3 to 10.0.0.3:40003']);
  });

  it('a stranger never makes the group be served', () => {
    const bench = new Bench({ toGroup: true }).validate(A);
    for (let report = 0; report < 20; report++) bench.hear({ source: B, now: 480 });
    bench.out(480);
    bench.hear({ source: A, lost: [3], now: 500 });
    bench.hear({ source: B, lost: [3], now: 501 });
    expect(bench.out(501).filter((answer) => !answer.includes('challenge'))).toEqual([
      '502 3 to 10.0.0.1:40001',
    ]);
  });
});

describe('a receiver that did not echo', () => {
  it('is challenged with each compound, and sent no datagram', () => {
    const bench = new Bench();
    expect(bench.ask(A, [3], 500)).toEqual(['500 challenge to 10.0.0.1:40001']);
    expect(bench.stage.stats).toMatchObject({ challenged: 1, unproven: 1, repaired: 0 });
  });

  it('is not challenged when it sent too little for three times to suffice', () => {
    const bench = new Bench();
    const datagram = writeRtcp([{ kind: 'rr', ssrc: 1, reports: [] }]);
    bench.stage.push({ kind: 'rtcp', datagram, source: A }, 500);
    expect(bench.out(500)).toEqual([]);
  });

  it('is served on the port of repairs once three times what it sent suffices', () => {
    const bench = new Bench();
    const answers: string[] = [];
    for (let now = 500; now < 600; now++) answers.push(...bench.ask(A, [3], now));
    const repairs = answers.filter((answer) => !answer.includes('challenge'));
    expect(repairs.length).toBeGreaterThan(0);
    expect(new Set(repairs.map((answer) => answer.split(' to ')[1]))).toEqual(new Set(['10.0.0.1:5010']));
  });

  it('is served at once, on the port of repairs, when its network is trusted', () => {
    const trusted = new BlockList();
    trusted.addAddress(A.address);
    const bench = new Bench({ trusted });
    expect(bench.ask(A, [3], 500)).toEqual(['500 challenge to 10.0.0.1:40001', '500 3 to 10.0.0.1:5010']);
  });

  it('is not challenged in answer to a challenge: two senders would never come to an end', () => {
    const bench = new Bench();
    const challenge = writeRtcp([
      { kind: 'rr', ssrc: 1, reports: [] },
      { kind: 'sdes', chunks: [{ ssrc: 1, cname: 'another.sender@test' }] },
      writeLanc({ kind: 'challenge', cookie: Buffer.alloc(8) }, 1),
    ]);
    bench.stage.push({ kind: 'rtcp', datagram: challenge, source: A }, 500);
    expect(bench.out(500)).toEqual([]);
  });

  it('is challenged anew when its challenge grows old, and served meanwhile', () => {
    const bench = new Bench({ historyMs: 1e9 }).validate(A);
    expect(bench.ask(A, [3], 700_000)).toEqual([
      '700000 challenge to 10.0.0.1:40001',
      '700000 3 to 10.0.0.1:40001',
    ]);
  });
});

describe('the budget', () => {
  it('keeps repairs within their share of the stream, whatever is asked for', () => {
    const bench = new Bench({ historyMs: 1e9 }).validate(A);
    const lost = Array.from({ length: 128 }, (_, index) => index);
    let repairs = 0;
    for (let now = 500; now < 10_500; now += 5) {
      bench.hear({ source: A, lost, now });
      while (bench.stage.poll(now)) repairs++;
    }
    expect(repairs).toBeLessThan(REPAIR_BUDGET * 1000 * (10 + 1) * 1.002);
    expect(repairs).toBeGreaterThan(REPAIR_BUDGET * 1000 * 10 * 0.9);
    expect(bench.stage.stats.overBudget).toBeGreaterThan(0);
  });

  it('is that of all copies together', () => {
    const bench = new Bench({ historyMs: 1e9, destinations: 3 }).validate(A, B, C);
    const lost = Array.from({ length: 128 }, (_, index) => index);
    let repairs = 0;
    for (let now = 500; now < 10_500; now += 5) {
      for (const source of [A, B, C]) bench.hear({ source, lost, now });
      while (bench.stage.poll(now)) repairs++;
    }
    expect(repairs).toBeLessThan(3 * REPAIR_BUDGET * 1000 * (10 + 1) * 1.002);
    expect(repairs).toBeGreaterThan(3 * REPAIR_BUDGET * 1000 * 10 * 0.9);
  });
});

describe('the history', () => {
  it('lets go of chunks as they grow old, and not before', () => {
    const bench = new Bench({ historyMs: 200 });
    expect(bench.stage.releasedUpTo).toBe(192);
    expect(new Bench({ historyMs: 1e9 }).stage.releasedUpTo).toBe(0);
  });

  it('keeps nothing when nobody has been there for the first half second', () => {
    const bench = new Bench({ historyMs: 3000 });
    bench.receivers.clear();
    const kept: number[] = [];
    for (const chunk of [10, 11, 12]) {
      bench.goOn(chunk);
      kept.push(chunk - bench.stage.releasedUpTo / CHUNK_DATAGRAMS);
    }
    // The last of them goes into the queue when its first datagram is due: at 432, 480 and 528 ms.
    expect(kept).toEqual([10, 11, 0]);
  });

  const there: [name: string, arrive: (bench: Bench, now: number) => void][] = [
    ['reports', ({ receivers }) => receivers.set(100, { roundTripMs: 20 })],
    ['was heard within ten seconds', (bench, now) => bench.hear({ source: A, now })],
  ];
  for (const [name, arrive] of there)
    it(`keeps all of its time while a receiver ${name}`, () => {
      const bench = new Bench({ historyMs: 500 });
      bench.receivers.clear();
      bench.goOn(20);
      arrive(bench, 961);
      bench.goOn(210);
      expect(210 - bench.stage.releasedUpTo / CHUNK_DATAGRAMS).toBe(12);
    });
});
