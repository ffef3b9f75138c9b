/** The looper: a file behind itself is one legal stream, for every kind of file, over every wrap, in any pass. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TsMonitor } from '../../receiver/ts-monitor.ts';
import type { AccessUnit } from '../../receiver/unit-builder.ts';
import { LoopSurvey } from '../../sender/loop-survey.ts';
import { LoopPlan } from '../../sender/looper.ts';
import { PCR_CYCLE, PTS_CYCLE, cycleDistance } from '../../wire/clock.ts';
import { hasPcrAt, parseTs, pcrAt, pidAt, unitStartAt, writeTs, type TsPacket } from '../../wire/mpeg-ts.ts';
import { parsePes, writePes } from '../../wire/pes.ts';
import { assemble, datagrams, end } from '../helpers/access-units.ts';
import { pidsOf } from '../helpers/programme-parts.ts';
import { programme, type ProgrammeOptions } from '../helpers/programme.ts';

function planOf(file: Buffer): LoopPlan {
  const survey = new LoopSurvey();
  survey.push(file);
  return new LoopPlan(survey);
}

/** One pass of a file as it is sent: the seam and the packets. */
function pass(file: Buffer, plan: LoopPlan, number: number): Buffer {
  if (number === 0) return file;
  const packets = Buffer.from(file);
  plan.rewrite(packets, 0, number);
  return Buffer.concat([plan.seam(number), packets]);
}

function loop(file: Buffer, passes: number, from = 0): Buffer {
  const plan = planOf(file);
  return Buffer.concat(Array.from({ length: passes }, (_, index) => pass(file, plan, from + index)));
}

function errors(stream: Buffer): Record<string, number> {
  const monitor = new TsMonitor();
  for (let at = 0; at < stream.length; at += 1316) monitor.push(stream.subarray(at, at + 1316), at / 1316);
  return Object.fromEntries(Object.entries(monitor.counters).filter(([, count]) => count > 0));
}

/** Steps of a time from unit to unit of a PID, in 90 kHz ticks. */
function steps(units: AccessUnit[], pid: number, time: 'ptsTicks' | 'dtsTicks'): number[] {
  const times = units.filter((unit) => unit.pid === pid).map((unit) => unit[time]!);
  if (time === 'ptsTicks') times.sort((a, b) => a - b);
  return times.slice(1).map((later, index) => later - times[index]!);
}

/** A copy without the packets for which `drop` says so. */
function without(stream: Buffer, drop: (pid: number, index: number) => boolean): Buffer {
  const packets: Buffer[] = [];
  for (let at = 0; at < stream.length; at += 188) {
    if (!drop(pidAt(stream, at), at / 188)) packets.push(stream.subarray(at, at + 188));
  }
  return Buffer.concat(packets);
}

const { video, audio } = pidsOf(0);
const frameTicks = 3600;

describe('a looped file', () => {
  const files: [name: string, options: Partial<ProgrammeOptions>][] = [
    ['at a constant rate', {}],
    ['at a variable rate', { cbr: false }],
    ['with B-frames', { cbr: false, bFrames: true, gop: 10 }],
    ['with B-frames at a constant rate', { bFrames: true, gop: 10 }],
    ['with two programmes', { programmes: 2, bitsPerSecond: 3_000_000 }],
    ['with two programmes at a variable rate', { programmes: 2, bitsPerSecond: 3_000_000, cbr: false }],
    ['without sound', { audio: false }],
    ['without a clock', { pcr: false }],
    ['whose clock wraps in the middle', { startPcr: PCR_CYCLE - 27_000_000 * 0.5 }],
    ['whose clock wraps at the seam', { startPcr: PCR_CYCLE - 27_000_000 * 1.04 }],
    ['whose clock wraps in the third pass', { startPcr: PCR_CYCLE - 27_000_000 * 2.5, cbr: false }],
    ['whose picture times wrap in the middle', { startPcr: PCR_CYCLE - 27_000_000 * 0.9, bFrames: true }],
    ['at 30000/1001 frames a second', { frameRate: 30_000 / 1001, cbr: false }],
    ['with a PCR every 80 ms', { pcrIntervalMs: 80 }],
  ];
  for (const [name, options] of files) {
    it(`${name} is one legal stream without a gap`, () => {
      const file = programme({ durationMs: 1000, ...options });
      const stream = loop(file, 5);
      expect(errors(stream)).toEqual({});
      const units = assemble([...datagrams(stream), end]);
      expect(units.some(({ damaged, discontinuity }) => damaged || discontinuity)).toBe(false);
      for (let index = 0; index < (options.programmes ?? 1); index++) {
        const pids = pidsOf(index);
        const frame = 90_000 / (options.frameRate ?? 25);
        const decoding = steps(units, pids.video, 'dtsTicks');
        expect(Math.min(...decoding)).toBeGreaterThanOrEqual(Math.floor(frame));
        // Nothing overlaps, and at the seam no more is missing than one frame of the longer track and what completes a packet.
        expect(Math.max(...decoding)).toBeLessThanOrEqual(frame + 1920 + 0.07 * 90_000);
        expect(Math.min(...steps(units, pids.video, 'ptsTicks'))).toBeGreaterThanOrEqual(Math.floor(frame));
        const sound = steps(units, pids.audio, 'ptsTicks');
        expect(Math.min(...sound, 1920)).toBe(1920);
        expect(Math.max(...sound, 1920)).toBeLessThanOrEqual(1920 + 2 * frame + 0.07 * 90_000);
      }
    });

    it(`${name} goes on just so after ten thousand passes`, () => {
      const file = programme({ durationMs: 1000, ...options });
      expect(errors(loop(file, 3, 9_999))).toEqual({});
    });
  }

  it('shows errors when it is merely repeated', () => {
    const file = programme({ durationMs: 1000 });
    expect(errors(Buffer.concat([file, file]))).toMatchObject({ pcrErrors: 1 });
    expect(errors(Buffer.concat([file, file]))['continuityErrors']).toBeGreaterThan(1);
  });

  it('does not grow or shrink: its last pass ends where the passes before it put it', () => {
    const file = programme({ durationMs: 1000, cbr: false });
    const plan = planOf(file);
    const first = pcrAt(file, firstPcr(file))!;
    for (const number of [1, 2, 7, 99_999, 3_153_600]) {
      const later = pass(file, plan, number);
      const moved = cycleDistance(first, pcrAt(later, firstPcr(later))!, PCR_CYCLE);
      const expected = cycleDistance(0, (number * plan.durationTicks) % PCR_CYCLE, PCR_CYCLE);
      expect(Math.abs(moved - expected)).toBeLessThanOrEqual(1);
    }
  });

  it('keeps a constant rate exactly, over all seams', () => {
    for (const bitsPerSecond of [1_000_000, 1_999_999, 3_800_123]) {
      const stream = loop(programme({ durationMs: 1000, bitsPerSecond }), 6);
      const from = firstPcr(stream);
      const ticksPerByte = (27_000_000 * 8) / bitsPerSecond;
      for (let at = from; at < stream.length; at += 188) {
        if (!hasPcrAt(stream, at)) continue;
        const expected = pcrAt(stream, from)! + (at - from) * ticksPerByte;
        // 500 ns is what ISO/IEC 13818-1 §2.4.2.2 allows.
        expect(Math.abs(pcrAt(stream, at)! - expected)).toBeLessThan(13.5);
      }
    }
  });

  it('fills up a constant rate where the streams last longer than the bytes', () => {
    const whole = programme({ durationMs: 1000, audio: false });
    let last = 0;
    for (let at = 0; at < whole.length; at += 188)
      if (pidAt(whole, at) === video && unitStartAt(whole, at)) last = at;
    // Cut behind the first packet of the last picture.
    const file = whole.subarray(0, last + 188);
    const plan = planOf(file);
    expect(plan.seam(1).length / 188).toBeGreaterThan(20);
    expect(plan.durationTicks).toBeGreaterThanOrEqual(27_000_000);
    expect(plan.durationTicks).toBeLessThan(27_000_000 * 1.001);
    const stream = loop(file, 4);
    expect(errors(stream)).toEqual({});
    expect(
      new Set(
        steps(assemble([...datagrams(stream), end]), video, 'dtsTicks').map((step) => Math.round(step / 100)),
      ),
    ).toEqual(new Set([frameTicks / 100]));
  });

  it('carries the clock over a seam that would be silent for too long, at a constant rate', () => {
    const whole = programme({ durationMs: 1000, pcrIntervalMs: 60 });
    const pcrs = [...pcrPlaces(whole)];
    // Without the first and the last clock stamp, nearly 60 ms are silent on both sides.
    const file = whole.subarray(pcrs[0]! + 188, pcrs.at(-1));
    expect(errors(file)).toEqual({});
    const plan = planOf(file);
    const seam = plan.seam(1);
    expect([...pcrPlaces(seam)].length).toBeGreaterThan(0);
    expect(errors(loop(file, 4))).toEqual({});
  });

  it('carries the clock over a seam in which only sound goes on, at a variable rate', () => {
    const whole = programme({ durationMs: 1000, cbr: false });
    const silentFrom = (whole.length / 188) * 0.75;
    const file = without(whole, (pid, index) => pid !== audio && index > silentFrom);
    const plan = planOf(file);
    expect([...pcrPlaces(plan.seam(1))].length).toBeGreaterThan(2);
    expect(errors(loop(file, 4))).toEqual({});
  });

  it('does not fill a seam for a clock that is silent in the file, too', () => {
    const whole = programme({ durationMs: 1000, cbr: false, pcrIntervalMs: 250 });
    expect(planOf(whole).seam(1).length).toBe(0);
  });

  it('is left as it is where it has no times at all', () => {
    const file = without(programme({ durationMs: 300, pcr: false }), (pid) => pid === video || pid === audio);
    const plan = planOf(file);
    expect(plan.durationTicks).toBe(0);
    expect(errors(loop(file, 3))).toEqual({});
  });

  it('of nothing is nothing', () => {
    const plan = planOf(Buffer.alloc(0));
    expect([plan.packets, plan.durationTicks, plan.seam(1).length]).toEqual([0, 0, 0]);
  });
});

function firstPcr(stream: Buffer): number {
  return [...pcrPlaces(stream)][0]!;
}

function* pcrPlaces(stream: Buffer): Generator<number> {
  for (let at = 0; at < stream.length; at += 188) if (hasPcrAt(stream, at)) yield at;
}

describe('rewriting', () => {
  const file = programme({ durationMs: 400, bFrames: true });
  const plan = planOf(file);

  it('gives the same bytes whatever run of the file it is asked for', () => {
    const whole = pass(file, plan, 7).subarray(plan.seam(7).length);
    const packets = file.length / 188;
    fc.assert(
      fc.property(fc.nat({ max: packets }), fc.nat({ max: 60 }), (first, count) => {
        const part = Buffer.from(file.subarray(first * 188, (first + count) * 188));
        plan.rewrite(part, first, 7);
        expect(part.equals(whole.subarray(first * 188, (first + count) * 188))).toBe(true);
      }),
      { seed: 14, numRuns: 100 },
    );
  });

  it('changes times and counters and nothing else', () => {
    const later = pass(file, plan, 3).subarray(plan.seam(3).length);
    const shift = Math.round(3 * plan.durationTicks);
    for (let at = 0; at < file.length; at += 188) {
      const [before, after] = [file, later].map((bytes) => parseTs(bytes.subarray(at, at + 188)));
      if (typeof before !== 'object' || typeof after !== 'object') throw new Error('not a packet');
      expect(after).toEqual(moved(before, after.continuityCounter, shift));
    }
  });

  /** What a packet must be once it is moved. */
  function moved(packet: TsPacket, continuityCounter: number, shift: number): TsPacket {
    const { adaptationField, payload } = packet;
    const copy: TsPacket = { ...packet, continuityCounter };
    if (adaptationField?.pcr !== undefined) {
      copy.adaptationField = { ...adaptationField, pcr: (adaptationField.pcr + shift) % PCR_CYCLE };
    }
    const header = packet.payloadUnitStart && payload ? parsePes(payload) : 'bad-start-code';
    if (typeof header === 'string' || !payload) return copy;
    const { streamId, pts, dts, dataAlignment, packetLength, headerBytes } = header;
    const by = Math.round(shift / 300);
    const times = {
      ...(pts !== undefined && { pts: pts + by }),
      ...(dts !== undefined && { dts: dts + by }),
    };
    copy.payload = writePes({ streamId, dataAlignment, ...times }, payload.subarray(headerBytes));
    copy.payload.writeUInt16BE(packetLength, 4);
    return copy;
  }

  const plain = { transportError: false, payloadUnitStart: true, priority: false, pid: 0x321, scrambling: 0 };
  const quiet = { discontinuity: false, randomAccess: false, priority: false };

  /** A file of four packets of one PID with PTS and OPCR, one second a pass, changed by `change`. */
  function small(change: (packet: TsPacket, index: number) => TsPacket): Buffer {
    return Buffer.concat(
      [0, 1, 2, 3].map((index) => {
        const payload = writePes({ streamId: 0xc0, pts: 90_000 + 22_500 * index }, Buffer.alloc(100));
        const adaptationField = { ...quiet, pcr: 6_750_000 * index, opcr: PCR_CYCLE - 1 };
        return writeTs(change({ ...plain, continuityCounter: index, adaptationField, payload }, index));
      }),
    );
  }

  function rewritten(file: Buffer, number: number): TsPacket[] {
    const bytes = pass(file, planOf(file), number);
    return [0, 1, 2, 3].map((index) => {
      const packet = parseTs(bytes.subarray(bytes.length - (4 - index) * 188).subarray(0, 188));
      if (typeof packet === 'string') throw new Error(packet);
      return packet;
    });
  }

  it('moves the original clock with the clock', () => {
    const file = small((packet) => packet);
    expect(rewritten(file, 1).map(({ adaptationField }) => adaptationField?.opcr)).toEqual(
      Array(4).fill(26_999_999),
    );
  });

  it('clears an announced jump at the start of a PID, which nothing follows any more, and keeps others', () => {
    const file = small((packet, index) => ({
      ...packet,
      adaptationField: { ...quiet, discontinuity: index === 0 || index === 2, pcr: 6_750_000 * index },
    }));
    const flags = rewritten(file, 1).map(({ adaptationField }) => adaptationField?.discontinuity);
    expect(flags).toEqual([false, false, true, false]);
  });

  it('leaves scrambled payloads and broken packets alone', () => {
    const scrambled = small((packet) => ({ ...packet, scrambling: 2 }));
    expect(rewritten(scrambled, 1)[1]?.payload).toEqual(rewritten(scrambled, 0)[1]?.payload);
    const broken = small((packet, index) => ({ ...packet, transportError: index === 1 }));
    expect(rewritten(broken, 1)[1]).toEqual(rewritten(broken, 0)[1]);
  });

  it('moves times by whole passes, wrapped', () => {
    const file = small((packet) => packet);
    expect(planOf(file).durationTicks).toBe(27_000_000);
    const header = parsePes(rewritten(file, 95_443)[0]!.payload!);
    expect(header).toMatchObject({ pts: (90_000 + 95_443 * 90_000) % PTS_CYCLE });
  });
});

describe('LoopSurvey', () => {
  it('learns the same however the file is cut into runs', () => {
    const file = programme({ durationMs: 600, programmes: 2, bFrames: true });
    const whole = pass(file, planOf(file), 5);
    const cuts = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(cuts, (cuts) => {
        const survey = new LoopSurvey();
        for (let at = 0, index = 0; at < file.length; index++) {
          const bytes = cuts[index % cuts.length]! * 188;
          survey.push(file.subarray(at, at + bytes));
          at += bytes;
        }
        expect(pass(file, new LoopPlan(survey), 5).equals(whole)).toBe(true);
      }),
      { seed: 15, numRuns: 20 },
    );
  });

  it('never throws, nor does the plan, whatever packets the file has', () => {
    const good = programme({ durationMs: 200 });
    const packets = fc.array(
      fc.oneof(
        fc.uint8Array({ minLength: 188, maxLength: 188 }).map((bytes) => Buffer.from(bytes)),
        fc.nat({ max: good.length / 188 - 1 }).map((index) => good.subarray(index * 188, (index + 1) * 188)),
      ),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(packets, fc.nat({ max: 5_000_000 }), (packets, number) => {
        const file = Buffer.concat(packets);
        const later = pass(file, planOf(file), number + 1);
        expect(later.length % 188).toBe(0);
        expect(later.length).toBeGreaterThanOrEqual(file.length);
      }),
      { seed: 16, numRuns: 300 },
    );
  });
});
