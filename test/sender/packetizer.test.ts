import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkPool } from '../../sender/media-chunk.ts';
import { type ClockSource, Packetizer } from '../../sender/packetizer.ts';
import { PCR_CYCLE } from '../../wire/clock.ts';
import { PCR_HZ, writeTs } from '../../wire/mpeg-ts.ts';
import { type Datagram, datagramsOf } from '../helpers/media-runs.ts';
import { nullPacket, programme } from '../helpers/programme.ts';
import { NO_FLAGS, PLAIN } from '../helpers/programme-parts.ts';

const SECOND = PCR_HZ;
/** One tick of the RTP clock in those of the programme clock. */
const RTP_TICK = 300;

/** Everything that comes of a stream in one run, and where its times come from. */
function packetize(
  stream: Buffer,
  options: { transportStream?: boolean; cuts?: readonly number[] } = {},
): { datagrams: Datagram[]; clock: ClockSource; discontinuities: number } {
  const { transportStream = true, cuts = [] } = options;
  const packetizer = new Packetizer({ transportStream, holdMs: Infinity });
  const datagrams: Datagram[] = [];
  const take = (): void => {
    for (let next = packetizer.poll(); next; next = packetizer.poll()) datagrams.push(...datagramsOf(next));
  };
  let from = 0;
  for (const cut of [...cuts, stream.length]) {
    packetizer.push(stream.subarray(from, cut), 0);
    take();
    from = cut;
  }
  packetizer.push(undefined, 0);
  take();
  return { datagrams, clock: packetizer.clock, discontinuities: packetizer.stats.discontinuities };
}

/** A packet with a PCR in ticks. */
function clockPacket(pcr: number, { pid = 0x100, discontinuity = false } = {}): Buffer {
  const adaptationField = { ...NO_FLAGS, discontinuity, pcr };
  return writeTs({ ...PLAIN, pid, continuityCounter: 0, adaptationField });
}

/** Datagrams that begin with a PCR (a number), with one that is announced as a jump, or with none (`-`); all else is stuffing. */
function stamped(...firsts: readonly (number | '-' | { jumpTo: number })[]): Buffer {
  const packets = firsts.flatMap((first) => {
    const rest = Array.from({ length: 6 }, nullPacket);
    if (first === '-') return [nullPacket(), ...rest];
    if (typeof first === 'number') return [clockPacket(first), ...rest];
    return [clockPacket(first.jumpTo, { discontinuity: true }), ...rest];
  });
  return Buffer.concat(packets);
}

/** What each datagram says, in milliseconds: programme clock, pacing clock, and `!` at a discontinuity. */
function told(datagrams: readonly Datagram[]): string[] {
  return datagrams.map(
    ({ programmeTicks, transmitTicks, discontinuity }) =>
      [programmeTicks, transmitTicks].map((ticks) => Math.round(ticks / 27_000)).join('/') +
      (discontinuity ? '!' : ''),
  );
}

const ms = (value: number): number => value * 27_000;

describe('Packetizer', () => {
  it('hands on every byte, seven packets a datagram, however the stream comes cut', () => {
    const stream = programme({ durationMs: 400 });
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 20 }), (cuts) => {
        const { datagrams } = packetize(stream, { cuts: cuts.toSorted((a, b) => a - b) });
        expect(Buffer.concat(datagrams.map(({ bytes }) => bytes)).equals(stream)).toBe(true);
        expect(datagrams.slice(0, -1).every(({ bytes }) => bytes.length === 1316)).toBe(true);
        expect(datagrams.map(({ index }) => index)).toEqual(datagrams.map((_, index) => index));
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  for (const startPcr of [0, SECOND, PCR_CYCLE - SECOND / 2, 2 ** 32 * 300 - SECOND / 2]) {
    it(`follows the clock of a constant bit rate within a tick, from PCR ${startPcr}`, () => {
      const bitsPerSecond = 3_000_000;
      const { datagrams, clock } = packetize(programme({ durationMs: 1500, bitsPerSecond, startPcr }));
      const perDatagram = (1316 * 8 * PCR_HZ) / bitsPerSecond;
      const furthest = Math.max(
        ...datagrams.map(({ programmeTicks, index }) =>
          Math.abs(programmeTicks - startPcr - index * perDatagram),
        ),
      );
      expect(furthest).toBeLessThan(RTP_TICK);
      expect(clock).toBe('pcr');
    });
  }

  it('meets every PCR of a variable bit rate exactly, and lies evenly between them', () => {
    const stream = stamped(ms(0), '-', '-', ms(42), ms(50), '-', ms(52), ms(152), '-', ms(190));
    const programmeMs = packetize(stream).datagrams.map(({ programmeTicks }) => programmeTicks / 27_000);
    expect(programmeMs.map((value) => Math.round(value * 1e6) / 1e6)).toEqual([
      0, 14, 28, 42, 50, 51, 52, 152, 171, 190,
    ]);
  });

  const lines: [name: string, stream: Buffer, told: string[]][] = [
    [
      'goes on behind the last PCR, and back before the first, with the slope next to it',
      stamped('-', ms(1000), ms(1010), '-'),
      ['990/0', '1000/10', '1010/20', '1020/30'],
    ],
    [
      'takes no slope from equal PCRs',
      stamped(ms(5), ms(5), ms(5), ms(35)),
      ['5/0', '15/10', '25/20', '35/30'],
    ],
    [
      'marks a jump that is announced, and paces on',
      stamped(ms(0), ms(10), '-', { jumpTo: ms(9000) }, ms(9010)),
      ['0/0', '10/10', '20/20', '9000/30!', '9010/40'],
    ],
    [
      'marks a jump forward that is not announced',
      stamped(ms(0), ms(10), ms(5000), ms(5020)),
      ['0/0', '10/10', '5000/20!', '5020/40'],
    ],
    [
      'marks a jump backward, and never lets it set the pace',
      stamped(ms(5000), ms(5010), ms(100), ms(110)),
      ['5000/0', '5010/10', '100/20!', '110/30'],
    ],
    [
      'takes a long gap between PCRs that fits the rate for no jump',
      stamped(ms(0), ms(900), '-', '-', ms(3600)),
      ['0/0', '900/900', '1800/1800', '2700/2700', '3600/3600'],
    ],
    [
      'begins anew when the clock jumps before it has a slope',
      stamped(ms(7000), ms(100), ms(110)),
      ['90/0', '100/10', '110/20'],
    ],
  ];
  for (const [name, stream, expected] of lines) {
    it(name, () => expect(told(packetize(stream).datagrams)).toEqual(expected));
  }

  it('marks the first datagram behind a jump in the middle of one', () => {
    const jump = Buffer.concat([
      nullPacket(),
      nullPacket(),
      clockPacket(ms(8000)),
      ...Array.from({ length: 4 }, nullPacket),
    ]);
    const { datagrams, discontinuities } = packetize(
      Buffer.concat([stamped(ms(0), ms(7)), jump, stamped(ms(8005))]),
    );
    expect(told(datagrams)).toEqual(['0/0', '7/7', '14/14', '8005/21!']);
    expect(discontinuities).toBe(1);
  });

  it('goes by the first PID whose PCRs rise when there are several programmes', () => {
    const still = clockPacket(ms(1), { pid: 0x200 });
    const other = (pcr: number): Buffer => clockPacket(pcr, { pid: 0x300 });
    const fill = (count: number): Buffer[] => Array.from({ length: count }, nullPacket);
    const datagram = (own: number, foreign: number): Buffer =>
      Buffer.concat([still, other(ms(own)), clockPacket(ms(foreign)), ...fill(4)]);
    const { datagrams } = packetize(Buffer.concat([datagram(10, 500), datagram(17, 510), datagram(24, 520)]));
    expect(told(datagrams)).toEqual(['9/0', '16/7', '23/14']);
  });

  it('finds a clock in each of several programmes', () => {
    const { clock, datagrams } = packetize(programme({ durationMs: 600, programmes: 3, cbr: false }));
    expect(clock).toBe('pcr');
    expect(datagrams.every(({ discontinuity }) => !discontinuity)).toBe(true);
  });

  it('goes by the decoding times where there is no PCR', () => {
    const { clock, datagrams } = packetize(programme({ durationMs: 1000, pcr: false, bFrames: true }));
    expect(clock).toBe('dts');
    const last = datagrams.at(-1);
    expect((last?.transmitTicks ?? 0) / SECOND).toBeCloseTo(1, 0);
    expect((last?.programmeTicks ?? 0) - (datagrams[0]?.programmeTicks ?? 0)).toBe(last?.transmitTicks);
  });

  const clockless: [name: string, stream: Buffer, transportStream: boolean][] = [
    ['a stream without any clock', Buffer.concat(Array.from({ length: 70 }, nullPacket)), true],
    ['a stream with one PCR', stamped(ms(5), '-', '-', '-', '-', '-', '-', '-', '-', '-'), true],
    ['bytes that are no transport stream', Buffer.alloc(13_160, 1), false],
  ];
  for (const [name, stream, transportStream] of clockless) {
    it(`paces ${name} at 4 Mbit/s`, () => {
      const { datagrams, clock } = packetize(stream, { transportStream });
      expect(clock).toBe('rate');
      expect(datagrams.at(-1)?.transmitTicks).toBe((9 * 1316 * 8 * PCR_HZ) / 4_000_000);
    });
  }

  it('sends a cut packet at the end of --as-is too', () => {
    const stream = Buffer.concat([stamped(ms(0), ms(10)), Buffer.alloc(100, 0x47)]);
    const { datagrams } = packetize(stream);
    expect(datagrams.map(({ payloadBytes }) => payloadBytes)).toEqual([1316, 1316, 100]);
  });

  it('leaves room for a header before each payload, and finds the clock behind it', () => {
    const stream = Buffer.concat([stamped(ms(5), '-', ms(25)), Buffer.alloc(188, 0x47)]);
    const packetizer = new Packetizer({
      transportStream: true,
      holdMs: Infinity,
      pool: new ChunkPool(12),
    });
    packetizer.push(stream, 0);
    packetizer.push(undefined, 0);
    const run = packetizer.poll();
    const datagrams = run ? datagramsOf(run) : [];
    expect(Buffer.concat(datagrams.map(({ bytes }) => bytes.subarray(12))).equals(stream)).toBe(true);
    expect(told(datagrams)).toEqual(['5/0', '15/10', '25/20', '35/30']);
  });

  it('keeps nothing of the runs it is given', () => {
    const packetizer = new Packetizer({ transportStream: true, holdMs: Infinity });
    const stream = programme({ durationMs: 400 });
    const run = Buffer.alloc(1000);
    const sent: Buffer[] = [];
    for (let at = 0; at < stream.length; at += run.length) {
      packetizer.push(run.subarray(0, stream.copy(run, 0, at, at + run.length)), 0);
      for (let next = packetizer.poll(); next; next = packetizer.poll())
        sent.push(...datagramsOf(next).map(({ bytes }) => bytes));
    }
    packetizer.push(undefined, 0);
    for (let next = packetizer.poll(); next; next = packetizer.poll())
      sent.push(...datagramsOf(next).map(({ bytes }) => bytes));
    expect(Buffer.concat(sent).equals(stream)).toBe(true);
  });

  it('gives nothing for nothing', () => expect(packetize(Buffer.alloc(0)).datagrams).toEqual([]));

  it('holds no more than 4 MiB of a stream without a clock', () => {
    const packetizer = new Packetizer({ transportStream: true, holdMs: Infinity });
    const run = Buffer.concat(Array.from({ length: 700 }, nullPacket));
    let pushed = 0;
    for (; packetizer.poll() === undefined; pushed += run.length) packetizer.push(Buffer.from(run), 0);
    expect(pushed).toBeGreaterThan(4 * 2 ** 20);
    expect(pushed).toBeLessThan(4.3 * 2 ** 20);
    expect(packetizer.clock).toBe('rate');
  });

  it('does not wait more than its time for a clock that is live', () => {
    const packetizer = new Packetizer({ transportStream: true, holdMs: 1000 });
    const run = Buffer.concat(Array.from({ length: 7 }, nullPacket));
    const given: number[] = [];
    for (let now = 0; now <= 2000; now += 100) {
      packetizer.push(Buffer.from(run), now);
      for (let next = packetizer.poll(); next; next = packetizer.poll())
        given.push(...datagramsOf(next).map(() => now));
    }
    expect(given.slice(0, 13)).toEqual([...Array.from({ length: 12 }, () => 1100), 1200]);
  });

  it('takes up a clock that comes late, with a mark', () => {
    const packetizer = new Packetizer({ transportStream: true, holdMs: 50 });
    const push = (stream: Buffer, now: number): Datagram[] => {
      packetizer.push(stream, now);
      const out: Datagram[] = [];
      for (let next = packetizer.poll(); next; next = packetizer.poll()) out.push(...datagramsOf(next));
      return out;
    };
    push(stamped('-'), 0);
    expect(push(stamped('-'), 100)).toHaveLength(2);
    const late = [...push(stamped(ms(7000), ms(7001)), 110), ...push(stamped(ms(7002)), 120)];
    expect(packetizer.clock).toBe('pcr');
    expect(late.map(({ discontinuity }) => discontinuity)).toEqual([false, true, false]);
    expect(late.slice(1).map(({ programmeTicks }) => programmeTicks)).toEqual([ms(7001), ms(7002)]);
  });

  it('goes on when the reference falls silent, and finds another', () => {
    const silence = Array.from({ length: 3300 }, () => '-' as const);
    const other = [0, 1, 2].map((step) =>
      Buffer.concat([
        clockPacket(ms(500 + 10 * step), { pid: 0x300 }),
        ...Array.from({ length: 6 }, nullPacket),
      ]),
    );
    const stream = Buffer.concat([stamped(ms(0), ms(1), ...silence), ...other]);
    const { datagrams } = packetize(stream, {
      cuts: Array.from({ length: 33 }, (_, cut) => (cut + 1) * 100 * 1316),
    });
    expect(datagrams).toHaveLength(3305);
    const steps = datagrams
      .slice(1)
      .map(({ transmitTicks }, at) => transmitTicks - (datagrams[at]?.transmitTicks ?? 0));
    expect(Math.min(...steps)).toBeGreaterThan(0);
    expect(datagrams.at(-1)?.programmeTicks).toBe(ms(520));
  });

  it('never lets the pacing clock fall, whatever the PCRs say, and loses nothing', () => {
    const firsts = fc.oneof(
      fc.constant('-' as const),
      fc.nat(PCR_CYCLE - 1),
      fc.integer({ min: 0, max: 3 * SECOND }),
      fc.nat(PCR_CYCLE - 1).map((jumpTo) => ({ jumpTo })),
    );
    fc.assert(
      fc.property(fc.array(firsts, { maxLength: 40 }), (list) => {
        const stream = stamped(...list);
        const { datagrams } = packetize(stream);
        expect(datagrams).toHaveLength(list.length);
        for (const [at, { transmitTicks, programmeTicks }] of datagrams.entries()) {
          expect(Number.isFinite(programmeTicks)).toBe(true);
          expect(transmitTicks).toBeGreaterThanOrEqual(datagrams[at - 1]?.transmitTicks ?? 0);
        }
      }),
      { seed: 2, numRuns: 300 },
    );
  });
});
