import { describe, expect, it } from 'vitest';
import { droppedBetween, parseDeliveries, type Deliveries } from '../../cli/firewall.ts';

/** As Linux writes them, the counters in question first. */
function counters({ groups, delivered, fragments }: Deliveries): string {
  return [
    'Ip: Forwarding DefaultTTL InReceives InDelivers OutRequests ReasmReqds ReasmOKs',
    `Ip: 2 64 900 ${delivered} 7 ${fragments} 0`,
    'Udp: InDatagrams NoPorts InErrors',
    'Udp: 300 0 0',
    'TcpExt: SyncookiesSent SyncookiesRecv',
    'TcpExt: 0 0',
    'IpExt: InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts',
    `IpExt: 0 0 ${groups} 5`,
    '',
  ].join('\n');
}

const before: Deliveries = { groups: 300, delivered: 310, fragments: 2 };

describe('the counters of deliveries', () => {
  it('are read by their names', () => expect(parseDeliveries(counters(before))).toEqual(before));

  const strange: [name: string, text: string][] = [
    ['nothing', ''],
    ['one table without the other', counters(before).split('TcpExt')[0] ?? ''],
    ['a system that does not count groups', counters(before).replace('InMcastPkts', 'Other')],
    ['values cut short', counters(before).replace(/^IpExt: 0 0 .*$/m, 'IpExt: 0')],
  ];
  for (const [name, text] of strange) {
    it(`are not known from ${name}`, () => expect(parseDeliveries(text)).toBeUndefined());
  }

  const moments: [name: string, changes: Partial<Deliveries>, dropped: number][] = [
    ['nothing came', {}, 0],
    ['all was delivered', { groups: 600, delivered: 610 }, 0],
    ['none was delivered', { groups: 600 }, 300],
    ['other things were delivered', { groups: 600, delivered: 350 }, 260],
    ['more of other things was delivered', { groups: 600, delivered: 900 }, 0],
    ['packets came in parts', { groups: 600, delivered: 410, fragments: 302 }, 0],
  ];
  for (const [name, changes, dropped] of moments) {
    it(`tell of ${dropped} that were dropped when ${name}`, () =>
      expect(droppedBetween(before, { ...before, ...changes })).toBe(dropped));
  }
});
