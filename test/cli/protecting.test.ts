import { describe, expect, it } from 'vitest';
import { fecText, fecWords, protectionOf, secondPathOf } from '../../cli/protecting.ts';
import { fec } from '../../cli/values.ts';
import type { ChosenInterface } from '../../transport/udp.ts';
import { address } from '../helpers/outlet.ts';

const CARD: ChosenInterface = { name: 'eth1', address: '10.1.0.1', family: 4, reason: 'a test' };

describe('protection', () => {
  const words: [typed: string, said: string][] = [
    ['2022:10x5', 'FEC 10×5'],
    ['2022:10x5+rows', 'FEC 10×5 with rows'],
    ['rs:20,5', 'FEC 20+5'],
    ['rs:20,5,4', 'FEC 20+5 interleaved by 4'],
    ['auto', 'FEC auto'],
  ];
  for (const [typed, said] of words) {
    it(`is said of ${typed} in a few words, and to programs as it was typed`, () => {
      expect(fecWords(fec.parse(typed))).toBe(said);
      expect(fecText(fec.parse(typed))).toBe(typed);
    });
  }

  it('is not spoken of without FEC', () => {
    expect(fecWords(undefined)).toBe('');
    expect(fecText(undefined)).toBeUndefined();
  });

  it('trusts the networks that were named, and nobody when none was', () => {
    const { trustFeedback } = protectionOf({
      trustFeedback: [
        { address: '10.0.0.0', prefix: 8, family: 'ipv4' },
        { address: 'fd00::', prefix: 8, family: 'ipv6' },
      ],
    });
    const asked: [string, 'ipv4' | 'ipv6'][] = [
      ['10.9.9.9', 'ipv4'],
      ['11.0.0.1', 'ipv4'],
      ['fd12::1', 'ipv6'],
      ['fe80::1', 'ipv6'],
    ];
    expect(asked.map(([each, family]) => trustFeedback?.check(each, family))).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(protectionOf({}).trustFeedback).toBeUndefined();
  });

  it('takes for a second path from the first what was not said of it', async () => {
    const first = { addresses: [address('rtp')], iface: CARD };
    const other = { ...address('rtp', 5014), framing: undefined };
    const wanted = { ...CARD, name: 'eth2' };
    expect(await secondPathOf({ address: other, iface: undefined }, first)).toEqual({
      addresses: [address('rtp', 5014)],
      via: CARD,
    });
    expect(await secondPathOf({ address: undefined, iface: wanted }, first)).toEqual({
      addresses: first.addresses,
      via: wanted,
    });
  });

  it('refuses a second path by a card that is none', async () => {
    const first = { addresses: [address('rtp')], iface: CARD };
    await expect(secondPathOf({ address: undefined, iface: 'none7' }, first)).rejects.toMatchObject({
      code: 'E102',
    });
  });
});
