import { describe, expect, it } from 'vitest';
import { MembershipWatch } from '../../transport/membership.ts';

describe('MembershipWatch', () => {
  it('lets a stream that comes alone', () => {
    const watch = new MembershipWatch('eth0 2', 1000);
    for (let now = 1000; now < 5000; now += 100) {
      watch.heard(now);
      expect(watch.isSilent(now + 900)).toBe(false);
    }
  });

  it('looks at the card after a second of silence, from the join on', () => {
    const watch = new MembershipWatch('eth0 2', 1000);
    expect(watch.isSilent(1999)).toBe(false);
    expect(watch.isSilent(2000)).toBe(true);
    watch.heard(2500);
    expect(watch.isSilent(3499)).toBe(false);
    expect(watch.isSilent(3500)).toBe(true);
  });

  const cards: [name: string, identity: string | undefined, lost: boolean][] = [
    ['keeps the membership on the card it was joined on', 'eth0 2', false],
    ['waits while the card is away', undefined, false],
    ['has lost it on a card made anew under the same name', 'eth0 7', true],
    ['has lost it on a card that came back under another name', 'usb1 7', true],
  ];
  for (const [name, identity, lost] of cards) {
    it(name, () => expect(new MembershipWatch('eth0 2', 0).isLost(identity)).toBe(lost));
  }

  it('watches the new card once it was joined again', () => {
    const watch = new MembershipWatch('eth0 2', 0);
    watch.rejoined('eth0 7', 4000);
    expect(watch.isLost('eth0 7')).toBe(false);
    expect(watch.isLost('eth0 8')).toBe(true);
    expect(watch.isSilent(4999)).toBe(false);
  });
});
