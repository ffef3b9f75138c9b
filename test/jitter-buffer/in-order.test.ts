import { describe, expect, it } from 'vitest';
import { InOrderRelease } from '../../jitter-buffer/in-order.ts';
import { ReceiveWindow } from '../../jitter-buffer/ordering.ts';
import { arrivalOf, release, type Event } from '../helpers/playout.ts';

const LATENCY_MS = 50;

/** What leaves, which is the same when all is passed on that can be, and when what has left is kept. */
function play(events: readonly Event[]): string[] {
  const released = release(new InOrderRelease(new ReceiveWindow(64), LATENCY_MS), events);
  for (const kept of [0, 5, 64]) {
    const window = new ReceiveWindow(64);
    window.kept = kept;
    expect(release(new InOrderRelease(window, LATENCY_MS), events, { pass: true })).toEqual(released);
  }
  return released;
}

const end = (endIndex?: number) => ({ endIndex });

describe('release in order', () => {
  const cases: [name: string, events: Event[], released: string[]][] = [
    [
      'lets go at once what is contiguous',
      [
        [0, 0],
        [1, 1],
        [9, 2],
      ],
      ['0:0', '1:1', '9:2'],
    ],
    [
      'waits for what is overtaken',
      [
        [0, 0],
        [1, 2],
        [2, 3],
        [9, 1],
      ],
      ['0:0', '9:1', '9:2', '9:3'],
    ],
    [
      'gives a gap up when the first behind it has waited long enough',
      [
        [0, 0],
        [5, 2],
        [30, 3],
      ],
      ['0:0', '55:gap 1+1', '55:2', '55:3'],
    ],
    [
      'counts the time from the first that came, not from the first in order',
      [
        [0, 0],
        [5, 4],
        [40, 2],
      ],
      ['0:0', '55:gap 1+1', '55:2', '55:gap 3+1', '55:4'],
    ],
    [
      'gives each gap its own time',
      [
        [0, 0],
        [5, 2],
        [30, 4],
      ],
      ['0:0', '55:gap 1+1', '55:2', '80:gap 3+1', '80:4'],
    ],
    [
      'lets go what is recovered in a gap, and what waited for it',
      [
        [0, 0],
        [5, 2],
        [30, { recovered: 1 }],
      ],
      ['0:0', '30:1', '30:2'],
    ],
    [
      'waits for what is missing between two that were recovered',
      [
        [0, 0],
        [5, 4],
        [20, { recovered: 1 }],
        [30, { recovered: 3 }],
      ],
      ['0:0', '20:1', '55:gap 2+1', '55:3', '55:4'],
    ],
    [
      'waits for what is missing before one that was recovered at the end',
      [
        [0, 0],
        [20, { recovered: 2 }],
      ],
      ['0:0', '70:gap 1+1', '70:2'],
    ],
    [
      'lets nothing be recovered that is given up',
      [
        [0, 0],
        [5, 2],
        [56, { recovered: 1 }],
        [57, 3],
      ],
      ['0:0', '55:gap 1+1', '55:2', '57:3'],
    ],
    [
      'ends at once when the tail is recovered',
      [
        [0, 0],
        [5, end(3)],
        [10, { recovered: 2 }],
        [20, { recovered: 1 }],
      ],
      ['0:0', '20:1', '20:2', '20:end proven'],
    ],
    [
      'believes its end, not one that is recovered behind it',
      [
        [0, 0],
        [5, end(2)],
        [10, { recovered: 2 }],
        [20, { recovered: 1 }],
      ],
      ['0:0', '20:1', '20:end proven'],
    ],
    [
      'does not put off an end for what is recovered',
      [
        [0, 0],
        [5, end()],
        [30, { recovered: 1 }],
      ],
      ['0:0', '30:1', '55:end'],
    ],
    [
      'takes one that comes at the last moment',
      [
        [0, 0],
        [5, 2],
        [54.9, 1],
      ],
      ['0:0', '54.9:1', '54.9:2'],
    ],
    [
      'drops one that comes a moment too late',
      [
        [0, 0],
        [5, 2],
        [55.1, 1],
      ],
      ['0:0', '55:gap 1+1', '55:2'],
    ],
    ['gives up what is missing at the beginning', [[0, 2]], ['50:gap 0+2', '50:2']],
    [
      'never ends by itself',
      [
        [0, 0],
        [1000, 1],
      ],
      ['0:0', '1000:1'],
    ],
  ];
  for (const [name, events, released] of cases) it(name, () => expect(play(events)).toEqual(released));

  const ends: [name: string, events: Event[], released: string[]][] = [
    [
      'at once when nothing is missing',
      [
        [0, 0],
        [5, end(1)],
      ],
      ['0:0', '5:end proven'],
    ],
    [
      'as soon as the last one comes',
      [
        [0, 0],
        [5, end(2)],
        [20, 1],
      ],
      ['0:0', '20:1', '20:end proven'],
    ],
    [
      'after a missing tail was waited for, and given up',
      [
        [0, 0],
        [5, end(3)],
      ],
      ['0:0', '55:gap 1+2', '55:end proven'],
    ],
    [
      'with a missing tail behind a gap',
      [
        [0, 0],
        [3, 2],
        [5, end(4)],
      ],
      ['0:0', '53:gap 1+1', '53:2', '55:gap 3+1', '55:end proven'],
    ],
    [
      'no later for a datagram that came after it was told',
      [
        [0, 0],
        [5, end(5)],
        [50, 3],
      ],
      ['0:0', '55:gap 1+2', '55:3', '55:gap 4+1', '55:end proven'],
    ],
    [
      'no later when it is told again',
      [
        [0, 0],
        [5, end(2)],
        [40, end(2)],
      ],
      ['0:0', '55:gap 1+1', '55:end proven'],
    ],
    ['although nothing came but the end', [[5, end(2)]], ['55:gap 0+2', '55:end proven']],
    ['of an empty stream', [[5, end(0)]], ['5:end proven']],
    [
      'unproven, after a silence',
      [
        [0, 0],
        [5, end()],
      ],
      ['0:0', '55:end'],
    ],
    [
      'unproven, put off by what still comes',
      [
        [0, 0],
        [5, end()],
        [50, 1],
      ],
      ['0:0', '50:1', '100:end'],
    ],
    [
      'unproven and then proven',
      [
        [0, 0],
        [5, end()],
        [10, end(1)],
      ],
      ['0:0', '10:end proven'],
    ],
    [
      'unproven when the sender told less than had come',
      [
        [0, 0],
        [1, 1],
        [5, end(1)],
      ],
      ['0:0', '1:1', '55:end'],
    ],
    [
      'not, when a datagram disproves it',
      [
        [0, 0],
        [5, end(2)],
        [20, 2],
        [30, 1],
      ],
      ['0:0', '30:1', '30:2'],
    ],
  ];
  for (const [name, events, released] of ends)
    it(`ends ${name}`, () => expect(play(events)).toEqual(released));

  it('passes nothing on once an end is told, which what comes may disprove', () => {
    const policy = new InOrderRelease(new ReceiveWindow(64), LATENCY_MS);
    expect(policy.pass(arrivalOf(0, 0))?.index).toBe(0);
    policy.end(undefined, 60);
    expect(policy.pass(arrivalOf(1, 5))).toBeUndefined();
  });

  it('stays ended', () => {
    const window = new ReceiveWindow(64);
    const policy = new InOrderRelease(window, LATENCY_MS);
    const late: Event[] = [
      [0, 0],
      [5, end(2)],
      [60, 1],
      [70, 2],
      [80, end(9)],
    ];
    expect(release(policy, late)).toEqual(['0:0', '55:gap 1+1', '55:end proven']);
    expect(policy.ended).toBe(true);
    expect(window.counters).toMatchObject({ late: 1, packets: 1 });
  });

  it('follows a latency that changes', () => {
    const longer: Event[] = [
      [0, 0],
      [5, 2],
      [10, { latencyMs: 100 }],
      [200, { latencyMs: 10 }],
      [205, 4],
    ];
    expect(play(longer)).toEqual(['0:0', '105:gap 1+1', '105:2', '215:gap 3+1', '215:4']);
    const shorter: Event[] = [
      [0, 0],
      [5, 2],
      [30, { latencyMs: 10 }],
    ];
    expect(play(shorter)).toEqual(['0:0', '30:gap 1+1', '30:2']);
  });

  it('makes room at once when the window is too small for the gap', () => {
    expect(
      play([
        [0, 0],
        [5, 100],
      ]),
    ).toEqual(['0:0', '5:gap 1+36', '55:gap 37+63', '55:100']);
  });

  it('tells until when a datagram may still come', () => {
    const policy = new InOrderRelease(new ReceiveWindow(64), LATENCY_MS);
    release(
      policy,
      [
        [0, 0],
        [5, 6],
        [10, 4],
      ],
      { until: 20 },
    );
    const known = [0, 1, 4, 5, 6, 7].map((index) => policy.giveUpAt(index));
    expect(known).toEqual([-Infinity, 55, 55, 55, Infinity, Infinity]);
    policy.end(9, 70);
    expect([policy.giveUpAt(8), policy.giveUpAt(1)]).toEqual([70, 55]);
  });

  it('holds nothing for longer than the latency and keeps at most what the window takes', () => {
    const policy = new InOrderRelease(new ReceiveWindow(64), LATENCY_MS);
    for (let i = 0; i < 100_000; i++) {
      policy.push(arrivalOf(2 * i, i), i);
      for (let out = policy.poll(i); out; out = policy.poll(i)) {
        if (out.kind === 'payload') expect(i - out.arrivedAt).toBeLessThanOrEqual(LATENCY_MS);
      }
    }
  });
});
