import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatEndpoint,
  formatMediaAddress,
  groupForName,
  isReservedGroup,
  isSourceSpecific,
  parseCopyAddress,
  parseMediaAddress,
  sameEndpoint,
  type AddressFault,
  type CopyAddress,
  type MediaAddress,
} from '../../wire/address.ts';

fc.configureGlobal({ seed: 2365 });

const GROUP: MediaAddress = {
  framing: 'rtp',
  address: '239.255.1.1',
  port: 5004,
  family: 4,
  scope: 'multicast',
};

describe('parseMediaAddress', () => {
  const addresses: [text: string, address: MediaAddress][] = [
    ['rtp://239.255.1.1:5004', GROUP],
    ['rtp://@239.255.1.1:5004', GROUP],
    ['rtp://239.255.1.1', GROUP],
    ['  RTP://239.255.1.1  ', GROUP],
    ['udp://@239.255.1.1:1234', { ...GROUP, framing: 'udp', port: 1234 }],
    ['udp://239.255.1.1:1235', { ...GROUP, framing: 'udp', port: 1235 }],
    ['seq://239.255.1.1:65535', { ...GROUP, framing: 'seq', port: 65_535 }],
    ['239.255.1.1', { ...GROUP, framing: undefined }],
    ['@239.255.1.1:1', { ...GROUP, framing: undefined, port: 1 }],
    ['239.255.1.1:05004', { ...GROUP, framing: undefined }],
    ['rtp://10.0.0.5:6000', { ...GROUP, address: '10.0.0.5', port: 6000, scope: 'unicast' }],
    ['10.0.0.255', { ...GROUP, framing: undefined, address: '10.0.0.255', scope: 'unicast' }],
    ['223.255.255.255', { ...GROUP, framing: undefined, address: '223.255.255.255', scope: 'unicast' }],
    ['224.0.0.0', { ...GROUP, framing: undefined, address: '224.0.0.0' }],
    ['239.255.255.255', { ...GROUP, framing: undefined, address: '239.255.255.255' }],
    ['240.0.0.0', { ...GROUP, framing: undefined, address: '240.0.0.0', scope: 'unicast' }],
    ['rtp://255.255.255.255', { ...GROUP, address: '255.255.255.255', scope: 'broadcast' }],
    ['udp://0.0.0.0:5004', { ...GROUP, framing: 'udp', address: '0.0.0.0', scope: 'unicast' }],
    ['seq://[ff15::1]:5004', { ...GROUP, framing: 'seq', address: 'ff15::1', family: 6 }],
    ['rtp://@[FF15:0:0::0001]', { ...GROUP, address: 'ff15::1', family: 6 }],
    [
      '[fe80::1]:7',
      { ...GROUP, framing: undefined, address: 'fe80::1', port: 7, family: 6, scope: 'unicast' },
    ],
    ['rtp://fe80::1', { ...GROUP, address: 'fe80::1', family: 6, scope: 'unicast' }],
    ['::1', { ...GROUP, framing: undefined, address: '::1', family: 6, scope: 'unicast' }],
    ['rtp://[::]:5004', { ...GROUP, address: '::', family: 6, scope: 'unicast' }],
  ];
  for (const [text, address] of addresses) {
    it(`takes "${text}"`, () => expect(parseMediaAddress(text)).toEqual(address));
  }

  const faults: [text: string, fault: AddressFault][] = [
    ['', 'empty'],
    ['   ', 'empty'],
    ['http://239.255.1.1', 'unknown-scheme'],
    ['rtsp://239.255.1.1', 'unknown-scheme'],
    ['srt://10.0.0.1:9000', 'unknown-scheme'],
    ['udp://10.0.0.1@232.1.1.1:5004', 'source-in-address'],
    ['@@239.255.1.1', 'source-in-address'],
    ['ff02::1%eth0', 'zone-in-address'],
    ['rtp://[fe80::1%25eth0]:5004', 'zone-in-address'],
    ['rtp://streams.example:5004', 'name'],
    ['localhost', 'name'],
    ['localhost:5004', 'name'],
    ['film.ts', 'name'],
    ['rtp://', 'bad-address'],
    ['rtp://:5004', 'bad-address'],
    ['@', 'bad-address'],
    ['5004', 'bad-address'],
    ['239.255.1', 'bad-address'],
    ['239.255.1.256', 'bad-address'],
    ['239.255.1.1.1', 'bad-address'],
    ['239.255.1.1.', 'bad-address'],
    ['239.255.01.1', 'bad-address'],
    ['239.255.1.-1', 'bad-address'],
    ['239.255. 1.1', 'bad-address'],
    ['rtp://239.255.1.1/', 'bad-address'],
    ['[ff15::1', 'bad-address'],
    ['[]', 'bad-address'],
    ['[::1]5004', 'bad-address'],
    ['ff15:::1', 'bad-address'],
    ['1:2:3:4:5:6:7:8:9', 'bad-address'],
    ['ff15::12345', 'bad-address'],
    ['[ff15::1]]:5004', 'bad-address'],
    ['239.255.1.1:0', 'bad-port'],
    ['239.255.1.1:65536', 'bad-port'],
    ['239.255.1.1:', 'bad-port'],
    ['239.255.1.1:-4', 'bad-port'],
    ['239.255.1.1:5004.0', 'bad-port'],
    ['239.255.1.1:0x10', 'bad-port'],
    ['239.255.1.1:five', 'bad-port'],
    ['udp://239.255.1.1:5004?ttl=3', 'bad-port'],
    ['[ff15::1]:', 'bad-port'],
    ['[ff15::1]:70000', 'bad-port'],
    ['rtp://239.255.1.1:5005', 'odd-port'],
    ['rtp://[ff15::1]:1', 'odd-port'],
  ];
  for (const [text, fault] of faults) {
    it(`refuses "${text}": ${fault}`, () => expect(parseMediaAddress(text)).toBe(fault));
  }

  it('gives an address or a fault for any text at all', () => {
    const pieces = fc.constantFrom(
      'rtp://',
      'udp://',
      '@',
      '[',
      ']',
      ':',
      '::',
      '.',
      '%',
      '239',
      '255',
      'ff15',
      '1',
      'é',
      ' ',
    );
    const texts = fc.oneof(
      fc.string(),
      fc.array(pieces, { maxLength: 14 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const address = parseMediaAddress(text);
        if (typeof address !== 'string')
          expect(parseMediaAddress(formatMediaAddress(address))).toEqual(address);
      }),
      { numRuns: 3000 },
    );
  });

  it('takes back what formatMediaAddress writes', () => {
    const addresses = fc.oneof(
      fc.ipV4(),
      fc.ipV6().filter((text) => !text.includes('.')),
    );
    const schemes = fc.constantFrom('', 'rtp://', 'udp://', 'seq://');
    fc.assert(
      fc.property(schemes, addresses, fc.integer({ min: 1, max: 32_767 }), (scheme, host, half) => {
        const text = `${scheme}${formatEndpoint({ address: host, port: 2 * half })}`;
        const address = parseMediaAddress(text);
        expect(address).toMatchObject({ port: 2 * half, family: host.includes(':') ? 6 : 4 });
        if (typeof address === 'string') return;
        expect(parseMediaAddress(formatMediaAddress(address))).toEqual(address);
      }),
    );
  });
});

describe('formatMediaAddress', () => {
  it('writes the scheme only when the framing is fixed', () => {
    expect(formatMediaAddress(GROUP)).toBe('rtp://239.255.1.1:5004');
    expect(formatMediaAddress({ ...GROUP, framing: undefined })).toBe('239.255.1.1:5004');
  });

  it('puts IPv6 in brackets', () =>
    expect(formatMediaAddress({ ...GROUP, framing: 'seq', address: 'ff15::1', family: 6 })).toBe(
      'seq://[ff15::1]:5004',
    ));
});

describe('sameEndpoint', () => {
  it('compares address and port', () => {
    const here = { address: '10.0.0.1', port: 5004 };
    expect(sameEndpoint(here, { ...here })).toBe(true);
    expect(sameEndpoint(here, { ...here, port: 5005 })).toBe(false);
    expect(sameEndpoint(here, { ...here, address: '10.0.0.2' })).toBe(false);
  });
});

describe('kinds of groups', () => {
  const groups: [address: string, sourceSpecific: boolean, reserved: boolean][] = [
    ['232.0.0.1', true, false],
    ['232.255.255.255', true, false],
    ['231.255.255.255', false, false],
    ['233.0.0.0', false, false],
    ['ff35::1', true, false],
    ['ff3e::8000:1', true, false],
    ['ff3e:0:1::', true, false],
    ['ff3e:1::1', false, false],
    ['ff35:40::1', false, false],
    ['ff15::1', false, false],
    ['224.0.0.0', false, true],
    ['224.0.0.255', false, true],
    ['224.0.1.0', false, false],
    ['224.0.1.129', false, false],
    ['ff01::1', false, true],
    ['ff02::fb', false, true],
    ['ff05::2', false, false],
    ['ff12::1', false, false],
    ['239.255.1.1', false, false],
    ['10.224.0.0', false, false],
  ];
  for (const [address, sourceSpecific, reserved] of groups) {
    it(`${address} is ${sourceSpecific ? '' : 'not '}source-specific and ${reserved ? '' : 'not '}reserved`, () => {
      expect(isSourceSpecific(address)).toBe(sourceSpecific);
      expect(isReservedGroup(address)).toBe(reserved);
    });
  }
});

describe('groupForName', () => {
  // These must never change: people have written them down.
  const known: [name: string, group: string][] = [
    ['', '239.255.28.218'],
    ['Lobby channel', '239.255.5.53'],
    ['film.ts', '239.255.102.45'],
    ['Küche', '239.255.186.55'],
  ];
  for (const [name, group] of known) {
    it(`gives "${name}" the group ${group}`, () => expect(groupForName(name)).toBe(group));
  }

  it('does not mind how an accent was typed', () =>
    expect(groupForName('Ku\u0308che')).toBe(groupForName('K\u00fcche')));

  it('stays in the local scope, out of the range of announcements and of what switches flood', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (name) => {
        const group = groupForName(name);
        expect(parseMediaAddress(group)).toMatchObject({ scope: 'multicast', address: group });
        const [first, second, third, fourth] = group.split('.').map(Number);
        expect([first, second]).toEqual([239, 255]);
        expect(third).toBeLessThan(255);
        expect(fourth).toBeGreaterThan(0);
        expect(fourth).toBeLessThan(255);
      }),
    );
  });

  it('spreads names: of 1000 channels, few share a group', () => {
    const groups = new Set(Array.from({ length: 1000 }, (_, i) => groupForName(`channel ${i}`)));
    expect(groups.size).toBeGreaterThan(980);
  });
});

describe('parseCopyAddress', () => {
  const taken: [text: string, address: CopyAddress][] = [
    ['copy://10.0.0.5:5010', { scheme: 'copy', address: '10.0.0.5', port: 5010, family: 4 }],
    [' COPY://10.0.0.5 ', { scheme: 'copy', address: '10.0.0.5', port: 5004, family: 4 }],
    ['copy://:5005', { scheme: 'copy', address: '0.0.0.0', port: 5005, family: 4 }],
    ['copy://[::]:5004', { scheme: 'copy', address: '::', port: 5004, family: 6 }],
    ['copy://[0::1]', { scheme: 'copy', address: '::1', port: 5004, family: 6 }],
  ];
  for (const [text, address] of taken)
    it(`takes "${text}"`, () => expect(parseCopyAddress(text)).toEqual(address));

  const refused: [text: string, fault: AddressFault][] = [
    ['copy://', 'empty'],
    ['copy://239.1.1.1:5004', 'many-receivers'],
    ['copy://255.255.255.255', 'many-receivers'],
    ['copy://[ff15::1]:5004', 'many-receivers'],
    ['copy://@10.0.0.5', 'source-in-address'],
    ['copy://some.where:5004', 'name'],
    ['copy://[fe80::1%eth0]:5004', 'zone-in-address'],
    ['copy://10.0.0.5:0', 'bad-port'],
    ['copy://10.0.0.5:65536', 'bad-port'],
    ['copy://10.0.0:1', 'bad-address'],
  ];
  for (const [text, fault] of refused)
    it(`refuses "${text}"`, () => expect(parseCopyAddress(text)).toBe(fault));

  it('leaves other schemes to others', () => {
    for (const text of ['rtp://10.0.0.5:5004', '10.0.0.5', 'copy:10.0.0.5', 'copycat://10.0.0.5', ''])
      expect(parseCopyAddress(text)).toBeUndefined();
  });
});
