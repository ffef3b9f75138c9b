import { describe, expect, it } from 'vitest';
import {
  chooseInterface,
  isBroadcast,
  listInterfaces,
  selectInterface,
  withZone,
  type InterfaceQuestion,
  type NetworkCard,
} from '../../transport/interfaces.ts';
import type { ChosenInterface } from '../../transport/udp.ts';

function card(name: string, ...addresses: string[]): NetworkCard {
  return {
    name,
    loopback: name === 'lo',
    virtual: name.startsWith('docker') || name.startsWith('veth'),
    addresses: addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
  };
}

const LO = card('lo', '127.0.0.1', '::1');
const ETH0 = card('eth0', '192.168.1.20', 'fd00::20', 'fe80::20');
const WLAN0 = card('wlan0', '10.0.0.7', 'fe80::7');
const DOCKER0 = card('docker0', '172.17.0.1');
const VETH = card('veth1a2b', 'fe80::99');
const ALL = [LO, DOCKER0, ETH0, WLAN0, VETH];
const GROUP = '239.255.1.1';
const GROUP6 = 'ff15::1';

describe('selectInterface', () => {
  const chosen: [name: string, cards: NetworkCard[], question: InterfaceQuestion, expected: string][] = [
    [
      'takes the card asked for by name',
      ALL,
      { destination: GROUP, wanted: 'wlan0' },
      'wlan0 10.0.0.7 4: asked for by --iface',
    ],
    [
      'takes the card asked for by address',
      ALL,
      { destination: GROUP, wanted: '192.168.1.20' },
      'eth0 192.168.1.20 4: asked for by --iface',
    ],
    [
      'takes loopback when asked for',
      ALL,
      { destination: GROUP, wanted: 'lo' },
      'lo 127.0.0.1 4: asked for by --iface',
    ],
    [
      'takes docker0 when asked for',
      ALL,
      { destination: GROUP, wanted: 'docker0' },
      'docker0 172.17.0.1 4: asked for by --iface',
    ],
    [
      'finds the IPv6 address of a card asked for by IPv4',
      ALL,
      { destination: GROUP6, wanted: '192.168.1.20' },
      'eth0 fd00::20 6: asked for by --iface',
    ],
    [
      'keeps the very address that was asked for',
      ALL,
      { destination: GROUP6, wanted: 'fe80::20' },
      'eth0 fe80::20 6: asked for by --iface',
    ],
    [
      'takes the link-local address for a link-local group',
      ALL,
      { destination: 'ff12::1', wanted: 'eth0' },
      'eth0 fe80::20 6: asked for by --iface',
    ],
    [
      'takes a link-local address where there is no other',
      ALL,
      { destination: GROUP6, wanted: 'wlan0' },
      'wlan0 fe80::7 6: asked for by --iface',
    ],
    [
      'prefers what was asked for to the route',
      ALL,
      { destination: GROUP, wanted: 'wlan0', route: '192.168.1.20' },
      'wlan0 10.0.0.7 4: asked for by --iface',
    ],
    [
      'follows the route',
      ALL,
      { destination: GROUP, route: '10.0.0.7' },
      'wlan0 10.0.0.7 4: the route to 239.255.1.1',
    ],
    [
      'follows a route over loopback',
      ALL,
      { destination: GROUP, route: '127.0.0.1' },
      'lo 127.0.0.1 4: the route to 239.255.1.1',
    ],
    [
      'follows a route over docker0: it was set on purpose',
      ALL,
      { destination: GROUP, route: '172.17.0.1' },
      'docker0 172.17.0.1 4: the route to 239.255.1.1',
    ],
    [
      'without a route takes a real card before a virtual one',
      ALL,
      { destination: GROUP },
      'eth0 192.168.1.20 4: the first of 3 cards that are up, as there is no route to 239.255.1.1',
    ],
    [
      'without a route takes a virtual card when there is no other',
      [LO, DOCKER0],
      { destination: GROUP },
      'docker0 172.17.0.1 4: the only card that is up',
    ],
    [
      'ignores a route by an address that no card has',
      [LO, ETH0],
      { destination: GROUP, route: '9.9.9.9' },
      'eth0 192.168.1.20 4: the only card that is up',
    ],
    [
      'listens to any address by the first real card',
      ALL,
      { destination: '0.0.0.0' },
      'eth0 192.168.1.20 4: the first of 3 cards that are up',
    ],
    [
      'listens to any address by loopback when there is no card',
      [LO],
      { destination: '::' },
      'lo ::1 6: the only card that is up',
    ],
  ];
  for (const [name, cards, question, expected] of chosen) {
    it(name, () => {
      const { name: cardName, address, family, reason } = selectInterface(cards, question);
      expect(`${cardName} ${address} ${family}: ${reason}`).toBe(expected);
    });
  }

  const have = ['lo 127.0.0.1 ::1', 'eth0 192.168.1.20 fd00::20 fe80::20'];
  const refused: [
    name: string,
    cards: NetworkCard[],
    question: InterfaceQuestion,
    code: string,
    details: object,
  ][] = [
    [
      'a name that is none',
      [LO, ETH0],
      { destination: GROUP, wanted: 'eth7' },
      'E102',
      { interface: 'eth7', have },
    ],
    [
      'an address that is none',
      [LO, ETH0],
      { destination: GROUP, wanted: '192.168.9.9' },
      'E102',
      { interface: '192.168.9.9', have },
    ],
    [
      'a card without the family',
      [LO, DOCKER0],
      { destination: GROUP6, wanted: 'docker0' },
      'E102',
      { interface: 'docker0', family: 6 },
    ],
    [
      'automatic choice with loopback alone',
      [LO],
      { destination: GROUP },
      'E103',
      { destination: GROUP, have: ['lo 127.0.0.1 ::1'] },
    ],
    [
      'automatic choice with no card of the family',
      [LO, DOCKER0],
      { destination: GROUP6 },
      'E103',
      { destination: GROUP6 },
    ],
    [
      'automatic choice without any card',
      [],
      { destination: GROUP },
      'E103',
      { destination: GROUP, have: [] },
    ],
  ];
  for (const [name, cards, question, code, details] of refused) {
    it(`refuses ${name}`, () => {
      const error = { name: 'LancastError', code, details: expect.objectContaining(details) };
      expect(() => selectInterface(cards, question)).toThrow(expect.objectContaining(error));
    });
  }
});

describe('chooseInterface', () => {
  it('chooses loopback when asked for, and says so', async () => {
    expect(await chooseInterface(GROUP, 'lo')).toEqual({
      name: 'lo',
      address: '127.0.0.1',
      family: 4,
      reason: 'asked for by --iface',
    });
    expect((await chooseInterface(GROUP, '127.0.0.1')).name).toBe('lo');
  });

  it('asks the kernel for the route', async () => {
    const chosen = await chooseInterface('127.0.0.1');
    expect(chosen).toEqual({ name: 'lo', address: '127.0.0.1', family: 4, reason: 'the route to 127.0.0.1' });
  });

  it('refuses an interface that this machine does not have, and names those it has', async () => {
    const refused = chooseInterface(GROUP, 'no-such-card');
    await expect(refused).rejects.toMatchObject({
      code: 'E102',
      details: {
        interface: 'no-such-card',
        have: expect.arrayContaining([expect.stringMatching(/^lo 127\.0\.0\.1/)]),
      },
    });
  });
});

describe('isBroadcast', () => {
  it('knows 255.255.255.255 and the broadcast addresses of its subnets', () => {
    expect(isBroadcast('255.255.255.255', [])).toBe(true);
    expect(isBroadcast('127.255.255.255', listInterfaces())).toBe(true);
    expect(isBroadcast('127.0.0.1', listInterfaces())).toBe(false);
    expect(isBroadcast(GROUP, listInterfaces())).toBe(false);
  });
});

describe('withZone', () => {
  const eth0: ChosenInterface = { name: 'eth0', address: 'fe80::20', family: 6, reason: '' };
  const cases: [address: string, zoned: string][] = [
    ['ff15::1', 'ff15::1%eth0'],
    ['fe80::1', 'fe80::1%eth0'],
    ['fe80::1%eth1', 'fe80::1%eth1'],
    ['::', '::%eth0'],
    ['fd00::1', 'fd00::1'],
    ['::1', '::1'],
    ['239.255.1.1', '239.255.1.1'],
  ];
  for (const [address, zoned] of cases) {
    it(`turns ${address} into ${zoned}`, () => expect(withZone(address, eth0)).toBe(zoned));
  }
});
