import { describe, expect, it } from 'vitest';
import { ChannelAddresses, destinationsOf } from '../../cli/channels.ts';
import {
  formatMediaAddress,
  groupForName,
  parseMediaAddress,
  type MediaAddress,
} from '../../wire/address.ts';

function to(...typed: string[]): MediaAddress[] {
  return typed.map((each) => {
    const parsed = parseMediaAddress(each);
    if (typeof parsed === 'string') throw new Error(parsed);
    return parsed;
  });
}

/** The addresses of so many channels. */
function taken(count: number, typed: string[], asIs = false): string[][] {
  const addresses = new ChannelAddresses({ to: to(...typed), asIs });
  return Array.from({ length: count }, (_, index) => addresses.next(`${index}.ts`).map(formatMediaAddress));
}

describe('destinationsOf', () => {
  const cases: [name: string, typed: string[], asIs: boolean, addresses: string[]][] = [
    [
      'where it was asked for',
      ['udp://10.0.0.1:6000', '10.0.0.2'],
      false,
      ['udp://10.0.0.1:6000', 'rtp://10.0.0.2:5004'],
    ],
    ['the group of its name', [], false, [`rtp://${groupForName('a.ts')}:5004`]],
    ['with a sequence header what is sent as it is', [], true, [`seq://${groupForName('a.ts')}:5004`]],
  ];
  for (const [name, typed, asIs, addresses] of cases) {
    it(`is ${name}`, () => {
      expect(destinationsOf({ to: to(...typed), asIs }, 'a.ts').map(formatMediaAddress)).toEqual(addresses);
    });
  }
});

describe('ChannelAddresses', () => {
  it('gives each channel the group of its name, and ports ten apart but for that of SIP', () => {
    const ports = [5004, 5014, 5024, 5034, 5044, 5064, 5074];
    expect(taken(ports.length, [])).toEqual(
      ports.map((port, index) => [`rtp://${groupForName(`${index}.ts`)}:${port}`]),
    );
  });
  it('steps from the addresses that were asked for', () => {
    expect(taken(3, ['rtp://10.0.0.1:6000', 'rtp://10.0.0.2:7000'])).toEqual([
      ['rtp://10.0.0.1:6000', 'rtp://10.0.0.2:7000'],
      ['rtp://10.0.0.1:6010', 'rtp://10.0.0.2:7010'],
      ['rtp://10.0.0.1:6020', 'rtp://10.0.0.2:7020'],
    ]);
  });
  it('leaves out whatever ports have that of SIP among their eight, but for one that was asked for', () => {
    expect(taken(2, ['10.0.0.1:5046']).flat()).toEqual(['rtp://10.0.0.1:5046', 'rtp://10.0.0.1:5066']);
    expect(taken(2, ['10.0.0.1:5042']).flat()).toEqual(['rtp://10.0.0.1:5042', 'rtp://10.0.0.1:5052']);
    expect(taken(2, ['10.0.0.1:5060']).flat()).toEqual(['rtp://10.0.0.1:5060', 'rtp://10.0.0.1:5070']);
  });
  it('never gives two names the same group', () => {
    const seen = new Map<string, string>();
    let twins: [string, string] | undefined;
    for (let number = 0; !twins; number++) {
      const name = `film ${number}.ts`;
      const other = seen.get(groupForName(name));
      if (other !== undefined) twins = [other, name];
      seen.set(groupForName(name), name);
    }
    const addresses = new ChannelAddresses({ to: [], asIs: false });
    const [first, second] = twins.map((name) => addresses.next(name)[0]?.address);
    expect(first).toBe(groupForName(twins[0]));
    expect(second).not.toBe(first);
    expect(second).toMatch(/^239\.255\./);
  });

  const refused: [name: string, count: number, typed: string[], message: RegExp][] = [
    [
      'two channels at one address',
      2,
      ['10.0.0.1:6000', '10.0.0.1:6010'],
      /10\.0\.0\.1:6010 would carry two channels/,
    ],
    ['more channels than ports', 3, ['10.0.0.1:65510'], /there is no port for channel 3/],
  ];
  for (const [name, count, typed, message] of refused) {
    it(`refuses ${name}`, () => {
      expect(() => taken(count, typed)).toThrow(
        expect.objectContaining({ code: 'E001', message: expect.stringMatching(message) }),
      );
    });
  }
});
