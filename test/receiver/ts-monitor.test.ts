/** The TS monitor: clean streams are clean, each error of TR 101 290's first list is counted once, payloads cut anyhow. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TsMonitor } from '../../receiver/ts-monitor.ts';
import { PCR_CYCLE } from '../../wire/clock.ts';
import type { TransportStreamCounters } from '../../wire/metrics.ts';
import { clearDiscontinuityAt, hasPcrAt, pcrAt, pidAt, setPcrAt } from '../../wire/mpeg-ts.ts';
import { pidsOf } from '../helpers/programme-parts.ts';
import { programme, type ProgrammeOptions } from '../helpers/programme.ts';
import { NO_FAULTS } from '../helpers/snapshots.ts';
import { thinStream } from '../helpers/thin-stream.ts';

const bitsPerSecond = 1_000_000;

/** Feeds a stream in datagrams, each at the time its first byte has at a constant rate. */
function watch(stream: Buffer, datagramBytes = 1316, monitor = new TsMonitor()): TsMonitor {
  for (let at = 0; at < stream.length; at += datagramBytes) {
    monitor.push(stream.subarray(at, at + datagramBytes), (at * 8000) / bitsPerSecond);
  }
  return monitor;
}

/** A copy without the packets for which `drop` says so. */
function without(stream: Buffer, drop: (pid: number, index: number) => boolean): Buffer {
  const packets: Buffer[] = [];
  for (let at = 0; at < stream.length; at += 188) {
    if (!drop(pidAt(stream, at), at / 188)) packets.push(stream.subarray(at, at + 188));
  }
  return Buffer.concat(packets);
}

/** A copy changed by `change`, packet by packet. */
function changed(stream: Buffer, change: (bytes: Buffer, at: number, index: number) => void): Buffer {
  const copy = Buffer.from(stream);
  for (let at = 0; at < copy.length; at += 188) change(copy, at, at / 188);
  return copy;
}

/** As `without`, but stuffing takes the place of what is dropped, so that the times stay. */
function stuffed(stream: Buffer, drop: (pid: number, index: number) => boolean): Buffer {
  return changed(stream, (bytes, at, index) => {
    if (drop(pidAt(bytes, at), index)) Buffer.from('471fff10', 'hex').copy(bytes, at);
  });
}

const stream = programme({ durationMs: 3000, bitsPerSecond });
const { pmt, video, audio } = pidsOf(0);
/** Index of the n-th packet of a PID. */
function nth(pid: number, n: number): number {
  for (let index = 0, seen = 0; index * 188 < stream.length; index++) {
    if (pidAt(stream, index * 188) === pid && seen++ === n) return index;
  }
  throw new Error('no such packet');
}

describe('TsMonitor', () => {
  const streams: [name: string, options: Partial<ProgrammeOptions>][] = [
    ['a constant rate', {}],
    ['a variable rate', { cbr: false }],
    ['two programmes', { programmes: 2, bitsPerSecond: 2_000_000 }],
    ['B-frames and open lengths', { bFrames: true, unboundedVideo: true }],
    ['clocks that wrap on the way', { startPcr: PCR_CYCLE - 27_000_000 }],
    ['picture times that wrap on the way', { startPcr: PCR_CYCLE - 27_000_000 * 0.4 }],
    ['no clock', { pcr: false }],
    ['a PCR every 90 ms', { pcrIntervalMs: 90 }],
  ];
  for (const [name, options] of streams) {
    it(`finds nothing wrong with ${name}`, () => {
      const monitor = watch(programme({ durationMs: 3000, bitsPerSecond, ...options }));
      expect(monitor.counters).toEqual(NO_FAULTS);
      expect(monitor.programmes.length).toBe(options.programmes ?? 1);
    });
  }

  const faults: [name: string, stream: Buffer, errors: Partial<TransportStreamCounters>][] = [
    ['a lost video packet', without(stream, (_, index) => index === nth(video, 50)), { continuityErrors: 1 }],
    [
      'two lost neighbours of one PID',
      without(stream, (_, i) => i === nth(video, 50) || i === nth(video, 51)),
      { continuityErrors: 1 },
    ],
    ['lost stuffing not at all', without(stream, (pid) => pid === 0x1fff), {}],
    [
      'a wrong sync byte',
      changed(stream, (bytes, at, index) => index === 300 && (bytes[at] = 0)),
      { syncByteErrors: 1, continuityErrors: 1 },
    ],
    [
      'the lock lost by three wrong sync bytes',
      changed(
        stuffed(stream, (_, index) => index >= 294 && index < 301),
        (bytes, at, index) => {
          if (index >= 294 && index < 297) bytes[at] = 0;
        },
      ),
      // What is left of that datagram is passed over: it was stuffing.
      { syncByteErrors: 3, syncLosses: 1, continuityErrors: 2 },
    ],
    [
      'no PAT for half a second',
      stuffed(stream, (pid, index) => pid === 0 && index > 400 && index < 1000),
      { patErrors: 1, continuityErrors: 1 },
    ],
    [
      'no PMT for half a second',
      stuffed(stream, (pid, index) => pid === pmt && index > 400 && index < 1000),
      { pmtErrors: 1, continuityErrors: 1 },
    ],
    [
      'another table on the PID of the PAT',
      changed(stream, (bytes, at, index) => index === nth(0, 3) && (bytes[at + 5] = 0x42)),
      { patErrors: 1 },
    ],
    [
      'a scrambled PAT',
      changed(stream, (bytes, at, index) => index === nth(0, 3) && (bytes[at + 3]! |= 0x80)),
      { patErrors: 1 },
    ],
    [
      'a scrambled PMT',
      changed(stream, (bytes, at, index) => index === nth(pmt, 3) && (bytes[at + 3]! |= 0x80)),
      { pmtErrors: 1 },
    ],
    ['a PCR that comes too late', changed(stream, dropPcrs(6, 8)), { pcrErrors: 1 }],
    ['a clock that jumps ahead', changed(stream, movePcrs(10, 27_000_000)), { pcrErrors: 1 }],
    ['a clock that jumps back', changed(stream, movePcrs(10, -27_000_000)), { pcrErrors: 1 }],
  ];
  for (const [name, faulty, errors] of faults) {
    it(`counts ${name}`, () => expect(watch(faulty).counters).toEqual({ ...NO_FAULTS, ...errors }));
  }

  it('counts the loss of all tables again for each half second', () => {
    const monitor = watch(stuffed(stream, (pid) => pid === 0 || pid === pmt));
    // 3.4 s of stream; with no PAT, nothing is known of a PMT.
    expect(monitor.counters).toEqual({ ...NO_FAULTS, patErrors: 5 });
  });

  it('counts a stream that the PMT names and that does not come, and leaves subtitles their time', () => {
    const long = programme({ durationMs: 12_000, bitsPerSecond, audio: true });
    const monitor = watch(stuffed(long, (pid, index) => pid === audio && index > 1000));
    expect(monitor.counters).toEqual({ ...NO_FAULTS, pidErrors: 2 });
  });

  it('lets an announced jump of the clock pass', () => {
    const move = movePcrs(10, 27_000_000);
    let done = false;
    const jumping = changed(stream, (bytes, at) => {
      move(bytes, at);
      if (done || !hasPcrAt(bytes, at) || (pcrAt(bytes, at) ?? 0) < 27_000_000 * 2.3) return;
      bytes[at + 5]! |= 0x80;
      done = true;
    });
    expect(watch(jumping).counters).toEqual(NO_FAULTS);
    // The announcement is what made it pass.
    for (let at = 0; at < jumping.length; at += 188) clearDiscontinuityAt(jumping, at);
    expect(watch(jumping).counters).toEqual({ ...NO_FAULTS, pcrErrors: 1 });
  });

  it('takes equal PCRs on packets that follow each other', () => {
    let last = 0;
    const equal = changed(stream, (bytes, at) => {
      if (!hasPcrAt(bytes, at)) return;
      last = last === 0 ? (pcrAt(bytes, at) ?? 0) : 0;
      if (last === 0) setPcrAt(bytes, at, pcrAt(bytes, at - 188) ?? pcrAt(bytes, at) ?? 0);
    });
    expect(watch(equal).counters.pcrErrors).toBe(0);
  });

  it('counts what a known gap took from the counters, and no late clock for it', () => {
    const datagrams = Math.floor(stream.length / 1316);
    const from = Math.floor(datagrams / 2);
    const monitor = new TsMonitor();
    watch(stream.subarray(0, from * 1316), 1316, monitor);
    monitor.gap();
    for (let index = from + 20; index < datagrams; index++) {
      monitor.push(stream.subarray(index * 1316, (index + 1) * 1316), (index * 1316 * 8000) / bitsPerSecond);
    }
    const { continuityErrors, ...rest } = monitor.counters;
    expect(continuityErrors).toBeGreaterThanOrEqual(2);
    expect({ ...rest, continuityErrors: 0 }).toEqual(NO_FAULTS);
  });

  it('blames the source for no break that a gap explains, and for every other one', () => {
    const holes = new Set([nth(video, 50), nth(audio, 9), nth(pmt, 3)]);
    const broken = stuffed(stream, (_, index) => holes.has(index));
    const lost = fc.array(fc.nat({ max: Math.floor(stream.length / 1316) }), { maxLength: 40 });
    fc.assert(
      fc.property(lost, fc.integer({ min: 0, max: 30_000 }), (lost, silenceMs) => {
        const [whole, holed] = [stream, broken].map((bytes) => {
          const monitor = new TsMonitor();
          for (let at = 0, index = 0; at < bytes.length; at += 1316, index++) {
            const late = index > 100 ? silenceMs : 0;
            if (lost.includes(index)) monitor.gap();
            else monitor.push(bytes.subarray(at, at + 1316), late + (at * 8000) / bitsPerSecond);
          }
          return monitor;
        });
        expect(whole?.sourceBreaks).toBe(0);
        expect(holed?.sourceBreaks).toBeLessThanOrEqual(holes.size);
        if (lost.length === 0) expect(holed?.sourceBreaks).toBe(holes.size);
        expect(holed?.counters.continuityErrors).toBeGreaterThanOrEqual(holed?.sourceBreaks ?? NaN);
      }),
      { seed: 4, numRuns: 30 },
    );
  });

  it('starts anew with a restarted sender and keeps its counts', () => {
    const other = programme({
      durationMs: 1000,
      bitsPerSecond,
      seed: 9,
      startPcr: 5,
      programmes: 2,
      audio: false,
    });
    const monitor = watch(without(stream, (_, index) => index === nth(video, 50)));
    monitor.restart();
    expect(monitor.programmes).toEqual([]);
    for (let at = 0; at < other.length; at += 1316) {
      monitor.push(other.subarray(at, at + 1316), 60_000 + (at * 8000) / bitsPerSecond);
    }
    expect(monitor.counters).toEqual({ ...NO_FAULTS, continuityErrors: 1 });
    expect(monitor.programmes.length).toBe(2);
  });

  it('expects nothing of a time in which nothing came at all', () => {
    const half = Math.floor(stream.length / 2 / 1316) * 1316;
    const monitor = watch(stream.subarray(0, half));
    for (let at = half; at < stream.length; at += 1316) {
      monitor.push(stream.subarray(at, at + 1316), 3_600_000 + (at * 8000) / bitsPerSecond);
    }
    expect(monitor.counters).toEqual(NO_FAULTS);
  });

  it('measures the rate by the clock', () => {
    expect(watch(stream).bitsPerSecond).toBeCloseTo(bitsPerSecond, -1);
    expect(watch(programme({ durationMs: 500, bitsPerSecond })).bitsPerSecond).toBeUndefined();
    expect(watch(programme({ durationMs: 3000, bitsPerSecond, pcr: false })).bitsPerSecond).toBeUndefined();
  });

  it('leaves alone what is not a transport stream', () => {
    const monitor = new TsMonitor();
    const noise = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * index * 7919) >> 5));
    for (let at = 0; at < noise.length; at += 1316) monitor.push(noise.subarray(at, at + 1316), at);
    expect(monitor.counters).toEqual(NO_FAULTS);
    expect(monitor.locked).toBe(false);
  });

  it('locks on payloads of one packet each', () => {
    const monitor = watch(stream, 188);
    expect(monitor.locked).toBe(true);
    expect(monitor.counters).toEqual(NO_FAULTS);
  });

  it('finds the same however packets are cut into payloads', () => {
    const faulty = without(stream, (_, index) => index === nth(video, 50) || index === nth(audio, 9));
    const sizes = fc.array(fc.integer({ min: 1000, max: 3000 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(sizes, (sizes) => {
        const monitor = new TsMonitor();
        for (let at = 0, piece = 0; at < faulty.length; piece++) {
          const size = sizes[piece % sizes.length] ?? 1;
          monitor.push(faulty.subarray(at, at + size), (at * 8000) / bitsPerSecond);
          at += size;
        }
        expect(monitor.counters).toEqual({ ...NO_FAULTS, continuityErrors: 2 });
      }),
      { seed: 8, numRuns: 30 },
    );
  });

  it('finds packets again behind a gap in payloads that do not hold whole ones', () => {
    const monitor = new TsMonitor();
    for (let at = 0, piece = 0; at < stream.length; at += 1400, piece++) {
      if (piece === 40) monitor.gap();
      else monitor.push(stream.subarray(at, at + 1400), (at * 8000) / bitsPerSecond);
    }
    expect(monitor.counters).toMatchObject({ syncLosses: 0, syncByteErrors: 0, pcrErrors: 0 });
    expect(monitor.counters.continuityErrors).toBeGreaterThan(0);
    expect(monitor.counters.continuityErrors).toBeLessThan(4);
  });

  it('never throws, whatever payloads it gets', () => {
    const payloads = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 1400 }).map((bytes) => Buffer.from(bytes)),
        fc.nat({ max: 1000 }).map((at) => stream.subarray(at * 188, at * 188 + 1316)),
        fc
          .tuple(fc.nat({ max: 1000 }), fc.nat({ max: 1315 }), fc.nat({ max: 255 }))
          .map(([at, place, value]) => {
            const copy = Buffer.from(stream.subarray(at * 188, at * 188 + 1316));
            copy[place] = value;
            return copy;
          }),
      ),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(payloads, (payloads) => {
        const monitor = new TsMonitor();
        payloads.forEach((payload, index) => monitor.push(payload, index * 10));
        for (const count of Object.values(monitor.counters)) expect(count).toBeGreaterThanOrEqual(0);
      }),
      { seed: 9, numRuns: 200 },
    );
  });

  it('finds nothing wrong in ten minutes of a thin stream over the wrap of its clock', () => {
    const datagram = thinStream(PCR_CYCLE - 27_000_000 * 300);
    const monitor = new TsMonitor();
    for (let index = 0; index < 12_000; index++) monitor.push(datagram(index), index * 50);
    expect(monitor.counters).toEqual(NO_FAULTS);
    expect(monitor.bitsPerSecond).toBe(20 * 1316 * 8);
  });
});

/** Takes the PCR out of the packets that carry the n-th to the m-th (m not included). */
function dropPcrs(from: number, to: number): (bytes: Buffer, at: number) => void {
  let seen = 0;
  return (bytes, at) => {
    if (!hasPcrAt(bytes, at)) return;
    if (seen >= from && seen < to) bytes[at + 5]! &= 0xef;
    seen++;
  };
}

/** Moves all PCRs from the n-th on. */
function movePcrs(from: number, ticks: number): (bytes: Buffer, at: number) => void {
  let seen = 0;
  return (bytes, at) => {
    if (hasPcrAt(bytes, at) && seen++ >= from) setPcrAt(bytes, at, (pcrAt(bytes, at) ?? 0) + ticks);
  };
}
