import { describe, expect, it } from 'vitest';
import { SilenceWatch, explainSilence, isFirewalled, type SilenceFacts } from '../../cli/silence.ts';
import { address } from '../../cli/values.ts';

const facts: SilenceFacts = {
  scope: 'multicast',
  address: 'rtp://239.1.1.1:5004',
  host: '239.1.1.1',
  via: { name: 'eth0', address: '10.0.0.2', reason: 'the route to 239.1.1.1' },
  sources: [],
  refused: 0,
  card: 'up',
  otherMulticast: 0,
  firewalled: 0,
  otherCards: [],
};
const loopback = { name: 'lo', address: '127.0.0.1', reason: 'asked for by --iface' };
const cases: [name: string, facts: Partial<SilenceFacts>, why: RegExp, fix: RegExp][] = [
  ['datagrams of another kind', { refused: 9 }, /9 datagrams came, and none is/, /check the sender/],
  ['a card that has gone', { card: 'gone' }, /eth0 \(10\.0\.0\.2\) has gone/, /connect it/],
  ['a card that is down', { card: 'down' }, /is down/, /connect it/],
  ['no cable', { card: 'no-cable', otherCards: ['wlan0'] }, /no cable/, /try --iface wlan0/],
  ['a unicast address', { scope: 'unicast' }, /nobody sends to rtp/, /this very address/],
  ['loopback', { via: loopback }, /only senders of this PC/, /sender here with --iface lo/],
  ['a source that is not asked for', { sources: ['10.0.0.9'] }, /for senders 10\.0\.0\.9 only/, /--from/],
  ['an IPv6 group that needs its source', { host: 'ff35::1' }, /is source-specific/, /--from/],
  ['a group that needs its source', { host: '232.1.1.1' }, /is source-specific/, /--from/],
  [
    'a source of such a group',
    { host: 'ff35::1', sources: ['10.0.0.9'] },
    /for senders 10\.0\.0\.9 only/,
    /check the address/,
  ],
  ['a group that alone is silent', { otherMulticast: 7 }, /other multicast arrives \(7 datagrams\)/, /--ttl/],
  ['a silent card', {}, /the route to 239\.1\.1\.1, where no multicast/, /IGMP snooping/],
  ['two other cards', { otherCards: ['a', 'b'] }, /no multicast/, /--iface a or --iface b/],
  [
    'a system that does not tell',
    { otherMulticast: undefined, card: 'unknown' },
    /^joined on eth0/,
    /firewall/,
  ],
];

describe('explainSilence', () => {
  for (const [name, changes, why, fix] of cases) {
    it(`explains ${name}`, () => {
      const told = explainSilence({ ...facts, ...changes });
      expect(told.why).toMatch(why);
      expect(told.fix).toMatch(fix);
    });
  }
});

describe('isFirewalled', () => {
  const judged: [name: string, changes: Partial<SilenceFacts>, seconds: number, firewalled: boolean][] = [
    ['what comes and is not delivered', { firewalled: 3750 }, 5, true],
    ['a stream of six datagrams a second', { firewalled: 30 }, 5, true],
    ['what is less than a stream', { firewalled: 24 }, 5, false],
    ['few packets of a short time', { firewalled: 9 }, 0.2, false],
    ['nothing', {}, 5, false],
    ['what others are sent while we hear something', { firewalled: 3750, refused: 2 }, 5, false],
    ['groups when we listen for one PC', { firewalled: 3750, scope: 'unicast' }, 5, false],
    ['groups on other cards when ours has gone', { firewalled: 3750, card: 'gone' }, 5, false],
  ];
  for (const [name, changes, seconds, firewalled] of judged) {
    it(`${firewalled ? 'blames a firewall for' : 'blames none for'} ${name}`, () =>
      expect(isFirewalled({ ...facts, ...changes }, seconds)).toBe(firewalled));
  }
});

describe('SilenceWatch', () => {
  it('words E101 with what this machine tells', () => {
    const group = address.parse('rtp://239.1.1.1:5004');
    if (!group) throw new Error('an address');
    const error = new SilenceWatch(group, { ...loopback, family: 4 }, []).diagnose({ refused: {} }, 5.04);
    expect(error).toMatchObject({ code: 'E101', details: { address: 'rtp://239.1.1.1:5004', seconds: 5 } });
    expect(error.details.why).toMatch(/joined on lo/);
  });
  it('sees that a card is not there', () => {
    const group = address.parse('rtp://239.1.1.1:5004');
    if (!group) throw new Error('an address');
    const via = { name: 'no-such-card', address: '10.9.9.9', family: 4 as const, reason: 'x' };
    expect(new SilenceWatch(group, via, []).diagnose({ refused: {} }, 5).details.why).toMatch(/has gone/);
  });
});
