import { describe, expect, it } from 'vitest';
import { ReceiveWindow } from '../../jitter-buffer/ordering.ts';
import { PacedRelease } from '../../jitter-buffer/paced.ts';
import { arrivalOf, release, type Event } from '../helpers/playout.ts';

const LATENCY_MS = 50;

function play(events: readonly Event[]): string[] {
  return release(new PacedRelease(new ReceiveWindow(64), LATENCY_MS), events);
}

describe('paced release', () => {
  const cases: [name: string, events: Event[], released: string[]][] = [
    [
      'evens out jitter',
      [
        [0, 0],
        [31, 1],
        [32, 2],
      ],
      ['50:0', '60:1', '70:2'],
    ],
    [
      'takes the fastest for its measure',
      [
        [30, 0],
        [31, 1],
        [32, 2],
      ],
      ['62:0', '72:1', '82:2'],
    ],
    [
      'puts datagrams in order',
      [
        [0, 0],
        [20, 2],
        [30, 1],
      ],
      ['50:0', '60:1', '70:2'],
    ],
    [
      'plays a duplicate once',
      [
        [0, 0],
        [5, 0],
        [10, 1],
      ],
      ['50:0', '60:1'],
    ],
    [
      'gives a gap up when the datagram behind it is due',
      [
        [0, 0],
        [30, 3],
      ],
      ['50:0', '80:gap 1+2', '80:3'],
    ],
    [
      'releases what is recovered at its own time',
      [
        [0, 0],
        [30, 3],
        [45, { recovered: 1 }],
        [48, { recovered: 2 }],
      ],
      ['50:0', '60:1', '70:2', '80:3'],
    ],
    [
      'does not learn the delay of what is recovered, nor unlearns it where its media time is not known',
      [
        [0, 0],
        [20, 2],
        [21, { recovered: 3, mediaMs: -500 }],
        [30, { recovered: 1, mediaMs: 'none' }],
        [60, 6],
      ],
      // The wrong time makes 3 leave too early, but no other.
      ['50:0', '50:1', '70:2', '70:3', '110:gap 4+2', '110:6'],
    ],
    [
      'drops one that is later than its gap',
      [
        [0, 0],
        [20, 2],
        [71, 1],
      ],
      ['50:0', '70:gap 1+1', '70:2'],
    ],
    [
      'lets one go at once that comes after its time',
      [
        [0, 0],
        [100, 1],
        [101, 2],
      ],
      ['50:0', '100:1', '101:2'],
    ],
    [
      'takes one that comes after its time, while nothing behind it is due',
      [
        [0, 0],
        [75, 1],
        [76, 3],
      ],
      ['50:0', '75:1', '80:gap 2+1', '80:3'],
    ],
    [
      'spaces by media time, not by index',
      [
        [0, 0, 0],
        [1, 1, 1],
        [40, 2, 40],
      ],
      ['50:0', '51:1', '90:2'],
    ],
    [
      'lets media that stands still go after the latency',
      [
        [0, 0, 0],
        [10, 1, 0],
        [20, 2, 0],
      ],
      ['50:0', '50:1', '50:2'],
    ],
    [
      'holds none beyond the latency although the media clock runs back',
      [
        [0, 0, 100],
        [10, 1, 50],
        [20, 2, 0],
      ],
      ['50:0', '50:1', '50:2'],
    ],
    [
      'releases in order what has no media time',
      [
        [0, 0, 'none'],
        [10, 2, 'none'],
        [20, 1, 'none'],
      ],
      ['0:0', '20:1', '20:2'],
    ],
    [
      'gives up after the latency in front of what has no media time',
      [
        [0, 0, 'none'],
        [10, 2, 'none'],
      ],
      ['0:0', '60:gap 1+1', '60:2'],
    ],
    [
      'lets everything go when the media clock stops to pace',
      [
        [0, 0],
        [10, 1],
        [20, 2, 'none'],
      ],
      ['20:0', '20:1', '20:2'],
    ],
    [
      'ends when the last one is out',
      [
        [0, 0],
        [10, 1],
        [15, { endIndex: 2 }],
      ],
      ['50:0', '60:1', '60:end proven'],
    ],
    [
      'gives up a missing tail',
      [
        [0, 0],
        [15, { endIndex: 3 }],
      ],
      ['50:0', '65:gap 1+2', '65:end proven'],
    ],
    [
      'ends unproven after the latency',
      [
        [0, 0],
        [15, { endIndex: undefined }],
      ],
      ['50:0', '65:end'],
    ],
    [
      'makes room when the window is too small',
      [
        [0, 0],
        [5, 100, 5],
      ],
      ['5:0', '5:gap 1+36', '55:gap 37+63', '55:100'],
    ],
  ];
  for (const [name, events, released] of cases) it(name, () => expect(play(events)).toEqual(released));

  it('passes nothing on: each datagram has its time', () => {
    const policy = new PacedRelease(new ReceiveWindow(64), LATENCY_MS);
    expect(policy.pass(arrivalOf(0, 0))).toBeUndefined();
  });

  it('follows a latency that changes while it runs', () => {
    const events: Event[] = [
      [0, 0],
      [10, 1],
      [20, { latencyMs: 100 }],
      [30, 2],
      [115, { latencyMs: 20 }],
      [120, 3, 120],
    ];
    expect(play(events)).toEqual(['100:0', '110:1', '115:2', '140:3']);
  });

  it('tells until when a datagram may still come', () => {
    const policy = new PacedRelease(new ReceiveWindow(64), LATENCY_MS);
    const known: number[] = [];
    release(
      policy,
      [
        [0, 0],
        [30, 3],
      ],
      { until: 60 },
    );
    for (const index of [0, 1, 2, 4]) known.push(policy.giveUpAt(index));
    expect(known).toEqual([-Infinity, 80, 80, Infinity]);
    expect([policy.latencyMs, policy.ended]).toEqual([50, false]);
  });
});
