import { BlockList } from 'node:net';
import { describe, expect, it } from 'vitest';
import { FeedbackGuard, MAX_RECEIVERS } from '../../sender/feedback-guard.ts';
import type { Endpoint } from '../../wire/address.ts';

const KEY = Buffer.alloc(32, 7);
const A = { address: '10.0.0.1', port: 40_000 };
const TEN_MINUTES = 600_000;

function addressOf(number: number): Endpoint {
  return { address: `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`, port: 40_000 };
}

describe('a challenge', () => {
  const guard = new FeedbackGuard({ key: KEY });
  const challenge = guard.challenge(A, 1000);

  it('is 8 bytes, always the same for one source', () => {
    expect(challenge).toHaveLength(8);
    expect(guard.challenge({ ...A }, 2000)).toEqual(challenge);
  });

  const others: [name: string, cookie: Buffer][] = [
    ['another address', guard.challenge({ ...A, address: '10.0.0.2' }, 1000)],
    ['another port', guard.challenge({ ...A, port: 40_001 }, 1000)],
    ['another time', guard.challenge(A, 1000 + TEN_MINUTES)],
    ['the sender next door', new FeedbackGuard({ key: Buffer.alloc(32, 8) }).challenge(A, 1000)],
  ];
  for (const [name, cookie] of others)
    it(`is not that of ${name}, which does not pass for it`, () => {
      expect(cookie).not.toEqual(challenge);
      expect(guard.judge(A, 60, cookie, 1000).echoed).toBe(false);
    });

  it('is proof for whoever echoes it from where it was sent', () =>
    expect(guard.judge(A, 60, challenge, 1000)).toMatchObject({
      echoed: true,
      free: true,
      unchallenged: false,
    }));

  it('is no proof for anybody else', () =>
    expect(guard.judge({ ...A, port: 1 }, 60, challenge, 1000)).toEqual({
      echoed: false,
      free: false,
      unchallenged: true,
      receiver: 0,
    }));

  it('has to be in every compound', () => {
    expect(guard.judge(A, 60, challenge, 1000).free).toBe(true);
    expect(guard.judge(A, 60, undefined, 1000).free).toBe(false);
    expect(guard.judge(A, 60, Buffer.alloc(8), 1000).free).toBe(false);
  });

  it('is good for two periods, in the second of which a new one is due', () => {
    const fresh = new FeedbackGuard({ key: KEY });
    const judged = [1000, TEN_MINUTES, 2 * TEN_MINUTES - 1, 2 * TEN_MINUTES].map((now) =>
      fresh.judge(A, 60, challenge, now),
    );
    expect(judged.map(({ echoed, unchallenged }) => [echoed, unchallenged])).toEqual([
      [true, false],
      [true, true],
      [true, true],
      [false, true],
    ]);
  });
});

describe('whom a datagram is from', () => {
  it('is known of those who were judged, and only of what carries their cookie', () => {
    const guard = new FeedbackGuard({ key: KEY });
    const cookie = guard.challenge(A, 0);
    const datagram = Buffer.concat([Buffer.alloc(20), cookie]);
    expect(guard.receiverOf(A, datagram)).toBe(0);
    const { receiver } = guard.judge(A, datagram.length, cookie, 0);
    expect(receiver).toBe(1);
    expect(guard.receiverOf(A, datagram)).toBe(1);
    expect(guard.receiverOf(A, Buffer.alloc(40))).toBe(0);
    expect(guard.receiverOf({ ...A, port: 1 }, datagram)).toBe(0);
  });

  it('is known of whoever is trusted, without a cookie', () => {
    const trusted = new BlockList();
    trusted.addAddress(A.address);
    const guard = new FeedbackGuard({ key: KEY, trusted });
    guard.judge(A, 60, undefined, 0);
    expect(guard.receiverOf(A, Buffer.alloc(40))).toBe(1);
  });
});

describe('the account of an address', () => {
  it('allows three times what came from there, headers of ours taken off', () => {
    const guard = new FeedbackGuard({ key: KEY });
    expect(guard.spend(A.address, 1)).toBe(false);
    guard.judge(A, 100, undefined, 0);
    guard.judge({ ...A, port: 5 }, 100, undefined, 0);
    expect([100, 445, 444, 0].map((bytes) => guard.spend(A.address, bytes))).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  it('is not filled by what another address sends', () => {
    const guard = new FeedbackGuard({ key: KEY });
    guard.judge(A, 1000, undefined, 0);
    expect(guard.spend('10.0.0.2', 1)).toBe(false);
  });

  it('is forgotten when very many others came since', () => {
    const guard = new FeedbackGuard({ key: KEY });
    for (let each = 0; each <= MAX_RECEIVERS; each++) guard.judge(addressOf(each), 1000, undefined, 0);
    expect(guard.spend(addressOf(0).address, 1)).toBe(false);
    expect(guard.spend(addressOf(1).address, 1)).toBe(true);
  });
});

describe('trusted networks', () => {
  const trusted = new BlockList();
  trusted.addSubnet('10.0.0.0', 24, 'ipv4');
  trusted.addSubnet('fd00::', 8, 'ipv6');
  const cases: [address: string, isFree: boolean][] = [
    ['10.0.0.200', true],
    ['10.0.1.1', false],
    ['fd12::1', true],
    ['fe80::1', false],
  ];
  for (const [address, isFree] of cases)
    it(`${isFree ? 'include' : 'do not include'} ${address}`, () => {
      const standing = new FeedbackGuard({ key: KEY, trusted }).judge({ address, port: 1 }, 60, undefined, 0);
      expect(standing).toMatchObject({ free: isFree, echoed: false, unchallenged: true });
    });
});

describe('a flood', () => {
  const [B, EMPTY] = [{ ...A, port: 5 }, Buffer.alloc(60)];

  /** A guard to which these have echoed. */
  function guardOf(...sources: Endpoint[]): FeedbackGuard {
    const guard = new FeedbackGuard({ key: KEY });
    for (const source of sources) guard.judge(source, 60, guard.challenge(source, 0), 0);
    return guard;
  }

  /** A datagram with the cookie in it. */
  function echoing(guard: FeedbackGuard, source: Endpoint): Buffer {
    return Buffer.concat([EMPTY, guard.challenge(source, 0)]);
  }

  /** How many of 100 000 datagrams in a second are looked at. */
  function looked(
    guard: FeedbackGuard,
    flood: (each: number) => [source: Endpoint, datagram: Buffer],
  ): number {
    let count = 0;
    for (let each = 0; each < 100_000; each++) if (guard.admits(...flood(each), 5000 + each / 100)) count++;
    return count;
  }

  it('of strangers is looked at a thousand times a second, wherever it comes from', () => {
    expect(looked(guardOf(), () => [A, EMPTY])).toBeLessThan(1102);
    expect(looked(guardOf(), (each) => [addressOf(each), EMPTY])).toBeLessThan(1102);
  });

  it('of strangers keeps nobody from being heard who echoes', () => {
    const guard = guardOf(A);
    looked(guard, (each) => [addressOf(each + 10), EMPTY]);
    expect([6000, 6001, 6002].map((now) => guard.admits(A, echoing(guard, A), now))).toEqual([
      true,
      true,
      true,
    ]);
  });

  it('in the name of a receiver, but without its cookie, does not keep it from being heard', () => {
    const guard = guardOf(A);
    expect(looked(guard, () => [A, EMPTY])).toBeLessThan(1102);
    expect(guard.admits(A, echoing(guard, A), 6000)).toBe(true);
  });

  it('of one receiver keeps no other from being heard', () => {
    const guard = guardOf(A, B);
    const datagram = echoing(guard, A);
    expect(looked(guard, () => [A, datagram])).toBeLessThan(1102);
    expect(guard.admits(B, echoing(guard, B), 6000)).toBe(true);
  });

  it('of receivers that all echo is looked at five thousand times a second', () => {
    const sources = Array.from({ length: 200 }, (_, each) => addressOf(each));
    const guard = guardOf(...sources);
    const datagrams = sources.map((source) => echoing(guard, source));
    const count = looked(guard, (each) => [sources[each % 200] ?? A, datagrams[each % 200] ?? EMPTY]);
    expect(count).toBeGreaterThan(5000);
    expect(count).toBeLessThan(5502);
  });

  it('of receivers that come and go gives each its own number, as long as it is remembered', () => {
    const guard = new FeedbackGuard({ key: KEY });
    const numbers = Array.from({ length: MAX_RECEIVERS }, (_, each) => {
      const source = addressOf(each);
      return guard.judge(source, 60, guard.challenge(source, 0), 0).receiver;
    });
    expect(new Set(numbers).size).toBe(MAX_RECEIVERS);
    expect(Math.min(...numbers)).toBe(1);
    const again = addressOf(77);
    expect(guard.judge(again, 60, guard.challenge(again, 0), 0).receiver).toBe(numbers[77]);
  });
});
