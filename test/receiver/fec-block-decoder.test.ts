import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FecBlockDecoder } from '../../receiver/fec-block-decoder.ts';
import type { BlockShape } from '../../wire/fec/block-shape.ts';
import { javascriptKernel } from '../../wire/fec/gf256-kernel.ts';
import { anyBytes } from '../helpers/bytes.ts';
import {
  type Departure,
  framedRuns,
  inOrderOfLeaving,
  protect,
  RepairedReceiver,
  type StreamOptions,
} from '../helpers/fec-blocks.ts';
import { randomFrom } from '../helpers/network.ts';
import { payloadOf, SEQUENCE_STARTS } from '../helpers/packets.ts';

const SHAPE: BlockShape = { dataShards: 10, parityShards: 3, interleave: 1 };

/** A stream with its repair packets, as they leave. */
function streamOf(options: StreamOptions, shape = SHAPE): Departure[] {
  return inOrderOfLeaving(protect(framedRuns(options), { shape }));
}

function indexOf({ bytes }: Departure, first = 0): number {
  return (bytes.readUInt16BE(2) - first) & 0xffff;
}

/** Everything but media of these indexes, and repair packets of these numbers. */
function without(
  departures: readonly Departure[],
  lost: { media?: number[]; repair?: number[] },
  first = 0,
): Departure[] {
  const { media = [], repair = [] } = lost;
  return departures.filter((departure) =>
    departure.stream === 'media'
      ? !media.includes(indexOf(departure, first))
      : !repair.includes(departure.bytes.readUInt16BE(2)),
  );
}

function receive(departures: readonly Departure[], receiver = new RepairedReceiver()): RepairedReceiver {
  for (const departure of departures) receiver.receive(departure);
  return receiver;
}

/** What was sent, by index. */
function mediaOf(departures: readonly Departure[], first = 0): Map<number, Buffer> {
  const media = departures.filter(({ stream }) => stream === 'media');
  return new Map(media.map((departure) => [indexOf(departure, first), departure.bytes]));
}

/** The indexes recovered, in order; each has to be what was sent. */
function recoveredOf(receiver: RepairedReceiver, sent: Map<number, Buffer>): number[] {
  for (const [index, bytes] of receiver.recovered)
    if (!bytes.equals(sent.get(index) ?? Buffer.alloc(0)))
      throw new Error(
        `${index} ${bytes.subarray(0, 24).toString('hex')} ${sent.get(index)?.subarray(0, 24).toString('hex')}`,
      );
  return [...receiver.recovered.keys()].sort((a, b) => a - b);
}

/** Changes bytes of the header of a repair packet. */
function changed({ stream, bytes }: Departure, change: (bytes: Buffer) => void): Departure {
  const copy = Buffer.from(bytes);
  change(copy);
  return { stream, bytes: copy, transmitTicks: 0, dueAt: 0 };
}

describe('FecBlockDecoder', () => {
  const stream = streamOf({ count: 40 });
  const sent = mediaOf(stream);
  const repair = stream.filter((each) => each.stream === 'repair');

  it('has nothing to do and keeps nothing when nothing is missing', () => {
    const receiver = receive(stream);
    expect(receiver.recovered.size).toBe(0);
    expect(receiver.decoder.kept).toBe(0);
    expect(receiver.decoder.counters).toEqual({ repairPackets: 12, duplicate: 0, recovered: 0 });
  });

  const losses: [name: string, media: number[], repair: number[], recovered: number[]][] = [
    ['one', [13], [], [13]],
    ['as many as there is parity', [10, 14, 19], [], [10, 14, 19]],
    ['a burst over two blocks', [17, 18, 19, 20, 21, 22], [], [17, 18, 19, 20, 21, 22]],
    ['as many as there is parity left', [11, 12], [4], [11, 12]],
    ['none of a block that misses more', [10, 11, 12, 13], [], []],
    ['none of a block whose parity is lost as well', [11, 12], [3, 5], []],
    ['those of one block although another has lost more', [1, 2, 3, 4, 25], [], [25]],
    ['the first and the last of the stream', [0, 39], [], [0, 39]],
  ];
  for (const [name, media, lost, recovered] of losses) {
    it(`recovers ${name}`, () => {
      const receiver = receive(without(stream, { media, repair: lost }));
      expect(recoveredOf(receiver, sent)).toEqual(recovered);
      expect(receiver.refused).toEqual({});
    });
  }

  it('recovers the last of a stream before anything is proved, when another lies between two', () => {
    const short = streamOf({ count: 10 });
    const receiver = receive(without(short, { media: [4, 9], repair: [1] }));
    expect(recoveredOf(receiver, mediaOf(short))).toEqual([4, 9]);
  });

  it('recovers with either kernel', () => {
    const receiver = receive(
      without(stream, { media: [3, 4, 5] }),
      new RepairedReceiver(0, javascriptKernel),
    );
    expect(recoveredOf(receiver, sent)).toEqual([3, 4, 5]);
  });

  it('recovers a burst of M × I when blocks are interleaved', () => {
    const shape = { dataShards: 6, parityShards: 2, interleave: 5 };
    const interleaved = streamOf({ count: 60 }, shape);
    const burst = Array.from({ length: 10 }, (_, place) => 7 + place);
    const receiver = receive(without(interleaved, { media: burst }));
    expect(recoveredOf(receiver, mediaOf(interleaved))).toEqual(burst);
  });

  it('recovers a shorter last datagram with its length', () => {
    const payload = (index: number): Buffer => payloadOf(index, index === 33 ? 2 : 7);
    const short = streamOf({ count: 34, payload });
    const receiver = receive(without(short, { media: [31, 33] }));
    expect(recoveredOf(receiver, mediaOf(short))).toEqual([31, 33]);
  });

  it('recovers every other datagram when each has a copy', () => {
    const copies = streamOf({ count: 40 }, { dataShards: 1, parityShards: 1, interleave: 1 });
    const odd = Array.from({ length: 20 }, (_, place) => 2 * place + 1);
    expect(recoveredOf(receive(without(copies, { media: odd })), mediaOf(copies))).toEqual(odd);
  });

  for (const sequence of SEQUENCE_STARTS) {
    it(`recovers on from sequence number ${sequence}`, () => {
      const wrapping = streamOf({ count: 40, sequence });
      const lost = { media: [0, 1, 2, 15, 38, 39] };
      const receiver = receive(without(wrapping, lost, sequence), new RepairedReceiver(sequence));
      expect(recoveredOf(receiver, mediaOf(wrapping, sequence))).toEqual(lost.media);
    });
  }

  it('recovers in the third cycle of sequence numbers as in the first', () => {
    const receiver = new RepairedReceiver();
    for (let index = 0; index < 131_072 + 20; index += 1000) {
      const bytes = Buffer.alloc(1328, 0x80);
      bytes.writeUInt16BE(index & 0xffff, 2);
      receiver.receive({ stream: 'media', bytes });
    }
    for (const departure of without(stream, { media: [13, 14] })) receiver.receive(departure);
    expect([...receiver.recovered.keys()].sort((a, b) => a - b)).toEqual([131_085, 131_086]);
  });

  it('takes repair packets before what they protect', () => {
    const media = without(stream, { media: [13, 29] }).filter((each) => each.stream === 'media');
    const receiver = receive([...repair, ...media]);
    expect(recoveredOf(receiver, sent)).toEqual(expect.arrayContaining([13, 29]));
    expect(receiver.held.size).toBe(40);
    expect(receiver.decoder.kept).toBe(0);
  });

  it('recovers the same in any order, with everything doubled', () => {
    const lost = { media: [5, 6, 7, 11, 20, 21, 22, 39] };
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = randomFrom(seed);
        const twice = [...without(stream, lost), ...without(stream, lost)];
        const shuffled = twice
          .map((departure) => ({ departure, rank: random() }))
          .sort((a, b) => a.rank - b.rank)
          .map(({ departure }) => departure);
        const receiver = receive(shuffled);
        for (const [index, bytes] of receiver.held)
          expect(bytes.equals(sent.get(index) ?? Buffer.alloc(0))).toBe(true);
        expect(receiver.held.size).toBe(40);
        expect(receiver.decoder.counters).toMatchObject({ repairPackets: 12, duplicate: 12 });
        expect(receiver.decoder.kept).toBe(0);
      }),
      { seed: 4, numRuns: 40 },
    );
  });

  it('forgets blocks that were passed', () => {
    const receiver = receive(without(stream, { media: [10, 11, 12, 13, 20, 21, 22, 23] }));
    expect(receiver.decoder.kept).toBe(6);
    receiver.decoder.passed(19);
    expect(receiver.decoder.kept).toBe(6);
    receiver.decoder.passed(20);
    expect(receiver.decoder.kept).toBe(3);
    receiver.decoder.passed(Infinity);
    expect(receiver.decoder.kept).toBe(0);
  });

  it('does not count what the window no longer wants', () => {
    const window = {
      has: (index: number) => index !== 13,
      datagramAt: (index: number) => (index === 13 ? undefined : sent.get(index)),
      recover: () => false,
    };
    const decoder = new FecBlockDecoder(window, 0);
    for (const { bytes } of repair) decoder.repair(bytes);
    expect(decoder.counters.recovered).toBe(0);
  });
});

describe("operators' streams", () => {
  const shape: BlockShape = { dataShards: 48, parityShards: 3, interleave: 1 };
  const original = streamOf({ count: 480 }, shape);
  /** Stamped anew behind the FEC: a minute later, a tick more or less. */
  const renewed = original.map((departure) => {
    if (departure.stream === 'repair') return departure;
    return changed(departure, (bytes) =>
      bytes.writeUInt32BE(bytes.readUInt32BE(4) + 5_400_000 + (indexOf(departure) % 3), 4),
    );
  });
  const sent = mediaOf(renewed);

  it('are repaired but for timestamps, which are those between the neighbours', () => {
    const lost = [60, 61, 150, 300, 301, 302];
    const receiver = receive(without(renewed, { media: lost }));
    expect([...receiver.recovered.keys()]).toEqual(lost);
    for (const [index, bytes] of receiver.recovered) {
      const wanted = Buffer.from(sent.get(index) ?? []);
      expect(Math.abs(bytes.readUInt32BE(4) - wanted.readUInt32BE(4))).toBeLessThan(4);
      bytes.copy(wanted, 4, 4, 8);
      expect(bytes.equals(wanted)).toBe(true);
    }
  });

  it('are repaired from the start once a whole block has shown how they are stamped', () => {
    const receiver = receive(without(renewed, { media: [0, 1, 2] }));
    expect([...receiver.recovered.keys()]).toEqual([0, 1, 2]);
    expect(receiver.recovered.get(1)?.subarray(12)).toEqual(payloadOf(1));
  });

  it('are not repaired by what lies about its place', () => {
    const lies = original
      .filter(({ stream }) => stream === 'repair')
      .map((departure) =>
        changed(departure, (bytes) => {
          bytes.writeUInt16BE(bytes.readUInt16BE(12) + 5, 12);
          bytes.writeUInt16BE(bytes.readUInt16BE(14) + 5, 14);
        }),
      );
    const receiver = receive([...without(renewed, { media: [60, 150, 151] }), ...lies]);
    expect([...receiver.recovered.keys()]).toEqual([60, 150, 151]);
  });
});

describe('streams of unequal lengths', () => {
  /** What a sender makes that pads: four packets, the third is short. */
  function padded(payloadType: number): { media: Departure[]; repair: Departure[] } {
    const payload = (index: number): Buffer => payloadOf(index);
    const all = streamOf(
      { count: 4, payload, payloadType },
      { dataShards: 4, parityShards: 1, interleave: 1 },
    );
    const zeroed = all
      .filter(({ stream }) => stream === 'media')
      .map((departure, index) =>
        changed(departure, (bytes) => void (index === 2 && bytes.fill(0, 12 + 3 * 188))),
      );
    const runs = framedRuns({ count: 4, payloadType });
    for (const [index, { bytes }] of zeroed.entries())
      bytes.copy(runs[0]!.chunk.departure.bytes, index * 1328);
    const repair = protect(runs, { shape: { dataShards: 4, parityShards: 1, interleave: 1 } }).filter(
      ({ stream }) => stream === 'repair',
    );
    const media = zeroed.map((departure, index) =>
      index === 2 ? { ...departure, bytes: departure.bytes.subarray(0, 12 + 3 * 188) } : departure,
    );
    return { media, repair };
  }

  it('are repaired when it is MPEG-TS, whose length shows', () => {
    const { media, repair } = padded(33);
    const receiver = receive([media[0]!, media[2]!, media[3]!, ...repair]);
    expect(receiver.recovered.get(1)).toEqual(media[1]?.bytes);
  });

  it('are left alone when nobody can tell how long a packet was', () => {
    const { media, repair } = padded(96);
    const receiver = receive([media[0]!, media[2]!, media[3]!, ...repair]);
    expect(receiver.recovered.size).toBe(0);
    expect(receiver.refused).toEqual({ 'unequal-lengths': 1 });
  });
});

describe('repair packets that lie', () => {
  const stream = streamOf({ count: 400 });
  const sent = mediaOf(stream);
  const repair = stream.filter((each) => each.stream === 'repair');

  const lies: [name: string, lie: (bytes: Buffer, random: () => number) => void][] = [
    [
      'their base',
      (bytes, random) => bytes.writeUInt16BE((bytes.readUInt16BE(12) + 1 + random() * 30) & 0xffff, 12),
    ],
    [
      'their place',
      (bytes, random) => {
        const by = 1 + Math.floor(random() * 300);
        bytes.writeUInt16BE((bytes.readUInt16BE(12) + by) & 0xffff, 12);
        bytes.writeUInt16BE((bytes.readUInt16BE(14) + by) & 0xffff, 14);
      },
    ],
    [
      'their end',
      (bytes, random) => bytes.writeUInt16BE((bytes.readUInt16BE(14) + 1 + random() * 90) & 0xffff, 14),
    ],
    ['their index', (bytes, random) => bytes.writeUInt8((bytes.readUInt8(17) + 1 + random()) % 3, 17)],
    ['the number of them', (bytes, random) => bytes.writeUInt8(3 + random() * 200, 16)],
    ['the length', (bytes, random) => bytes.writeUInt16BE(12 + random() * 1315, 20)],
    ['their interleave', (bytes, random) => bytes.writeUInt16BE([3, 9][Math.floor(random() * 2)]!, 22)],
    ['their SSRC', (bytes, random) => bytes.writeUInt32BE(random() * 2 ** 32, 8)],
    [
      'their parity',
      (bytes, random) => bytes.writeUInt8(Math.floor(random() * 256), 24 + Math.floor(random() * 1328)),
    ],
  ];
  for (const [name, lie] of lies) {
    it(`never make a wrong byte: about ${name}`, () => {
      for (let seed = 1; seed <= 60; seed++) {
        const random = randomFrom(seed);
        const lost = Array.from({ length: 400 }, (_, index) => index).filter(() => random() < 0.08);
        const told = stream.map((each) =>
          each.stream === 'repair' && random() < 0.5 ? changed(each, (bytes) => lie(bytes, random)) : each,
        );
        const receiver = receive(without(told, { media: lost }));
        if (name !== 'their parity') recoveredOf(receiver, sent);
        else for (const [index, bytes] of receiver.recovered) expect(bytes.readUInt16BE(2)).toBe(index);
      }
    });
  }

  it('never make it throw, whatever is in them', () => {
    const receiver = receive(without(stream, { media: [5, 6, 13, 200] }));
    fc.assert(
      fc.property(fc.constantFrom(...repair), anyBytes(16), (departure, bytes) => {
        receiver.receive(changed(departure, (header) => bytes.copy(header, 8)));
        receiver.receive({ stream: 'repair', bytes });
      }),
      { seed: 5, numRuns: 3000 },
    );
    recoveredOf(receiver, sent);
  });

  it('that protect what was never sent make nothing', () => {
    const receiver = new RepairedReceiver();
    for (const departure of stream) if (departure.stream === 'repair') receiver.receive(departure);
    expect(receiver.recovered.size).toBe(0);
  });

  it('for longer packets than can be kept are refused', () => {
    const receiver = new RepairedReceiver();
    const bytes = Buffer.alloc(3000);
    repair[0]!.bytes.copy(bytes, 0, 0, 24);
    bytes.writeUInt16BE(2900, 18);
    bytes.writeUInt16BE(2900, 20);
    receiver.receive({ stream: 'repair', bytes });
    expect(receiver.refused).toEqual({ 'too-long': 1 });
  });

  it('are counted by what is wrong with them', () => {
    const receiver = new RepairedReceiver();
    receiver.receive({ stream: 'repair', bytes: Buffer.alloc(5) });
    receiver.receive({ stream: 'repair', bytes: sent.get(0)! });
    receiver.receive({ stream: 'repair', bytes: sent.get(0)! });
    expect(receiver.refused).toEqual({ 'too-short': 1, 'not-parity': 2 });
  });

  it('never fill the memory', () => {
    const receiver = new RepairedReceiver();
    for (const departure of stream.slice(0, 10)) receiver.receive(departure);
    const before = process.memoryUsage();
    for (let count = 0; count < 60_000; count++) {
      receiver.receive(
        changed(repair[count % 3]!, (bytes) => {
          bytes.writeUInt16BE((count * 7) & 0xffff, 12);
          bytes.writeUInt16BE((count * 7 + 20 + (count % 50)) & 0xffff, 14);
          bytes.writeUInt32BE(count, 8);
        }),
      );
      expect(receiver.decoder.kept).toBeLessThanOrEqual(1024);
    }
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(60e6);
    expect(receiver.decoder.counters.repairPackets).toBeGreaterThan(50_000);
  });
});
