import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ADTS } from '../../codecs/adts.ts';
import { splitFrames } from '../../codecs/sound-framing.ts';
import { Concealment } from '../../receiver/concealment.ts';
import { FrameAssembler } from '../../receiver/frame-assembler.ts';
import type { Released } from '../../receiver/sink.ts';
import type { AccessUnit } from '../../receiver/unit-builder.ts';
import { ContinuityCheck } from '../../wire/continuity.ts';
import { TS_PACKET_BYTES, pcrAt, pidAt } from '../../wire/mpeg-ts.ts';
import { writePes } from '../../wire/pes.ts';
import { PAT_PID, writePmt } from '../../wire/psi.ts';
import { packetizeSection } from '../../wire/sections.ts';
import { Carrier, payload } from '../helpers/access-units.ts';
import { partsOf, placesOf, releasedOf, type Content, type Part } from '../helpers/lossy-programme.ts';
import { audioUnit, patOf, pidsOf, randomBytes } from '../helpers/programme-parts.ts';
import { nullPacket, type ProgrammeOptions } from '../helpers/programme.ts';

fc.configureGlobal({ seed: 4 });

const END: Released = { kind: 'end', proven: true };
/** So much that an assembler knows where packets begin. */
const LOCK = payload(Buffer.concat(Array<Buffer>(7).fill(nullPacket())));
const GOP = 25;
const { video, audio, pmt } = pidsOf(0);
const FRAME_TICKS = (1024 * 90_000) / 48_000;

/** PAT and PMT of a programme with a sound and nothing else. */
function radioTables(): Buffer {
  const section = { version: 0, current: true, sectionNumber: 0, lastSectionNumber: 0 };
  const streams = [{ streamType: 0x0f, pid: audio, descriptors: [] }];
  const table = writePmt({ ...section, programmeNumber: 1, pcrPid: audio, descriptors: [], streams });
  return Buffer.concat([...packetizeSection(patOf(1), PAT_PID, 0), ...packetizeSection(table, pmt, 0)]);
}

/** What comes out of some steps, payloads copied. */
function conceal(steps: readonly Released[], concealment = new Concealment()): Released[] {
  const out: Released[] = [];
  let now = 0;
  for (const step of steps) {
    if (step.kind === 'payload') now = step.arrivedAt;
    concealment.push(step, now);
    for (let given = concealment.poll(); given; given = concealment.poll())
      out.push(given.kind === 'payload' ? { ...given, payload: Buffer.from(given.payload) } : given);
  }
  return out;
}

function unitsOf(steps: readonly Released[]): AccessUnit[] {
  const assembler = new FrameAssembler();
  const units: AccessUnit[] = [];
  for (const step of [LOCK, ...steps, END]) {
    assembler.push(step);
    for (let unit = assembler.poll(); unit; unit = assembler.poll()) units.push(unit);
  }
  return units;
}

const kindOf = (units: readonly AccessUnit[], kind: 'video' | 'audio') =>
  units.filter(({ stream }) => stream.kind === kind);

/** Which pictures of the whole stream are seen: their numbers, and `-` for each that is a repetition. */
function seen(parts: readonly Part[], out: readonly Released[]): (number | '-')[] {
  const whole = kindOf(unitsOf(releasedOf(parts, new Set())), 'video');
  return kindOf(unitsOf(out), 'video').map(({ data, damaged }) => {
    const number = whole.findIndex((unit) => unit.data.equals(data));
    return number === -1 && !damaged ? '-' : number;
  });
}

/** Numbers of pictures from one on, up to another. */
const upTo = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

interface Case {
  name: string;
  /** Of the nth datagram with this content, so many are lost. */
  loses: [content: Content, nth: number, count?: number][];
  options?: ProgrammeOptions;
  /** The loss is not told, as when it was at the source. */
  untold?: boolean;
  freezes: number;
  soundGaps?: number;
}

const SECONDS = 4;

function run({ loses, options, untold }: Omit<Case, 'name' | 'freezes'>) {
  const parts = partsOf({ durationMs: SECONDS * 1000, gop: GOP, ...options });
  const lost = new Set(
    loses.flatMap(([content, nth, count = 1]) =>
      placesOf(parts, content)
        .slice(nth, nth + count)
        .flatMap((place) => place),
    ),
  );
  const concealment = new Concealment();
  const steps = releasedOf(parts, lost, untold !== true);
  const out = conceal([...steps, END], concealment);
  return { parts, out, concealment, concealed: concealment.concealed(SECONDS * 1000) };
}

describe('Concealment', () => {
  const cases: Case[] = [
    { name: 'nothing', loses: [], freezes: 0 },
    { name: 'a piece of a P picture', loses: [['later', 60]], freezes: 1 },
    { name: 'the beginning of a key frame', loses: [['key', 2]], freezes: 1 },
    { name: 'tables', loses: [['tables', 6]], freezes: 0 },
    { name: 'stuffing', loses: [['stuffing', 20, 2]], freezes: 0 },
    { name: 'sound', loses: [['sound', 40]], freezes: 0, soundGaps: 1 },
    { name: 'sound and a P picture', loses: [['sound', 40], ['later', 60]], freezes: 1, soundGaps: 1 },
    { name: 'several pieces before a key frame', loses: [['later', 60], ['later', 64], ['later', 66]], freezes: 1 },
    { name: 'pieces of two groups of pictures', loses: [['later', 60], ['later', 400]], freezes: 2 },
    { name: 'a piece that was missing at the source', loses: [['later', 60]], untold: true, freezes: 1 },
    { name: 'a piece of pictures without a length', loses: [['later', 60]], options: { unboundedVideo: true }, freezes: 1 },
    { name: 'a piece of a stream with B pictures', loses: [['later', 60]], options: { bFrames: true }, freezes: 1 },
  ]; // prettier-ignore
  for (const { name, freezes, soundGaps = 0, ...scene } of cases) {
    it(`freezes ${freezes} times when it loses ${name}`, () => {
      const { parts, out, concealment, concealed } = run(scene);
      expect(concealed.freezes).toBe(freezes);
      expect(concealed.soundGaps).toBe(soundGaps);
      expect(concealment.freeze).toBeUndefined();
      const pictures = seen(parts, out);
      // Each freeze ends with a key frame, and no picture is seen but good ones and repetitions.
      expect(pictures).not.toContain(-1);
      const numbers = pictures.filter((picture) => picture !== '-');
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
      const jumps = numbers.filter((number, at) => at > 0 && number !== (numbers[at - 1] ?? 0) + 1);
      expect(jumps).toHaveLength(freezes);
      for (const jump of jumps) expect(jump % GOP).toBe(0);
      expect(numbers.length).toBeLessThan(SECONDS * 25 + 1);
      expect(pictures.length).toBeGreaterThan(0.9 * SECONDS * 25);
    });
  }

  it('gives a whole stream on as it is', () => {
    const { parts, out } = run({ loses: [] });
    const units = (steps: readonly Released[], kind: 'video' | 'audio') =>
      kindOf(unitsOf(steps), kind).map(
        ({ data, ptsTicks }) => `${ptsTicks} ${createHash('md5').update(data).digest('hex')}`,
      );
    const whole = releasedOf(parts, new Set());
    for (const kind of ['video', 'audio'] as const) expect(units(out, kind)).toEqual(units(whole, kind));
  });

  it('shows all but the damaged group, each in its time', () => {
    const { parts, out } = run({ loses: [['later', 60]] });
    const pictures = seen(parts, out);
    const last = pictures.indexOf('-') - 1;
    const key = pictures.lastIndexOf('-') + 1;
    expect(pictures.slice(0, last + 1)).toEqual(upTo(0, last + 1));
    expect(pictures.slice(key)).toEqual(upTo(key, pictures.length));
    expect(key % GOP).toBe(0);
    const times = kindOf(unitsOf(out), 'video').map(({ ptsTicks = 0 }) => ptsTicks);
    for (const [at, ticks] of times.entries()) expect(ticks).toBe((times[0] ?? 0) + at * 3600);
  });

  it('says how many datagrams it was, while it lasts, and for how long', () => {
    const parts = partsOf({ durationMs: 3000, gop: GOP });
    const [first = 0, second = 0] = placesOf(parts, 'later').slice(60, 63);
    const steps = releasedOf(parts, new Set([first, second]));
    const keyAt = placesOf(parts, 'key').find((place) => place > second) ?? 0;
    const concealment = new Concealment();
    conceal(steps.slice(0, keyAt - 5), concealment);
    expect(concealment.freeze?.lostDatagrams).toBe(2);
    const since = concealment.freeze?.since ?? 0;
    expect(since).toBeCloseTo(parts[second + 1]?.arrivedAt ?? 0, -2);
    expect(concealment.concealed(since + 70).frozenMs).toBe(70);
    conceal(steps.slice(keyAt - 5), concealment);
    expect(concealment.freeze).toBeUndefined();
    const { frozenMs } = concealment.concealed(1e9);
    expect(frozenMs).toBeGreaterThan((parts[keyAt]?.arrivedAt ?? 0) - since);
    expect(frozenMs).toBeLessThan((parts[keyAt]?.arrivedAt ?? 0) - since + 200);
  });

  it('takes everything for hit where so much is missing that no counter would show it', () => {
    const { concealed } = run({ loses: [['stuffing', 20, 3]], options: { audio: false } });
    expect(concealed.freezes).toBe(1);
  });

  it('fills the time of lost sound, frame by frame', () => {
    const { parts, out, concealed } = run({ loses: [['sound', 40, 3]] });
    const times = (steps: readonly Released[]) =>
      kindOf(unitsOf(steps), 'audio').map(({ ptsTicks }) => ptsTicks);
    const before = times(releasedOf(parts, new Set()));
    const after = times(out);
    expect(new Set(before).size).toBeGreaterThan(100);
    expect(after.length).toBeGreaterThan(before.length - 3);
    const filled = before.length - after.length + Math.round(concealed.soundFilledMs / 21.33);
    expect(filled).toBeGreaterThan(0);
    expect(concealed.soundFilledMs % ((1024 / 48_000) * 1000)).toBeCloseTo(0, 6);
  });

  it('lets pictures pass before the first key frame, and once there are no key frames any more', () => {
    const parts = partsOf({ durationMs: 30_000, gop: 100_000, bitsPerSecond: 500_000 });
    const key = placesOf(parts, 'key')[0] ?? 0;
    const headless = parts.slice(key + 40);
    const tables = parts.slice(0, key);
    const hits = placesOf(headless, 'later').filter((_, at) => at % 50 === 20);
    const joined = new Concealment();
    conceal([...releasedOf(tables, new Set()), ...releasedOf(headless, new Set(hits))], joined);
    expect(joined.concealed(30_000).freezes).toBe(0);

    const places = placesOf(parts, 'later').filter((_, at) => at % 50 === 20);
    const begun = new Concealment();
    const out = conceal(releasedOf(parts, new Set(places)), begun);
    const { freezes, frozenMs } = begun.concealed(30_000);
    expect(freezes).toBe(1);
    expect(frozenMs).toBeGreaterThanOrEqual(12_000);
    expect(frozenMs).toBeLessThan(12_200);
    expect(begun.freeze).toBeUndefined();
    expect(seen(parts, out).filter((picture) => picture !== '-').length).toBeGreaterThan(200);
  });

  it('hands on what is held before the clock jumps, the sender starts anew, or the stream ends', () => {
    const parts = partsOf({ durationMs: 1000, gop: GOP });
    const steps = releasedOf(parts, new Set());
    const whole = kindOf(unitsOf(steps), 'video').length;
    const after = [END, { kind: 'restart', epoch: 1 } as const, payload(nullPacket(), 1000, true)];
    for (const last of after) {
      const out = conceal([...steps, last]);
      const cut = out.findIndex(
        (step) => step.kind === last.kind && (step.kind !== 'payload' || step.discontinuity),
      );
      expect(cut).toBeGreaterThan(0);
      expect(kindOf(unitsOf(out.slice(0, cut)), 'video')).toHaveLength(whole);
    }
  });

  it('begins anew with another programme', () => {
    const parts = partsOf({ durationMs: 2000, gop: GOP });
    const lost = new Set(placesOf(parts, 'later').slice(60, 61));
    const concealment = new Concealment();
    const before = releasedOf(parts, lost).slice(0, (placesOf(parts, 'later')[62] ?? 0) + 1);
    conceal(before, concealment);
    expect(concealment.freeze).toBeDefined();
    conceal([{ kind: 'restart', epoch: 1 }], concealment);
    expect(concealment.freeze).toBeUndefined();
    const out = conceal([...releasedOf(parts, new Set()), END], concealment);
    expect(seen(parts, out)).toEqual(upTo(0, seen(parts, out).length));
    expect(concealment.concealed(1e9).freezes).toBe(1);
  });

  it('passes what is no transport stream', () => {
    const text = payload(Buffer.from('not a transport stream'));
    expect(conceal([text])).toEqual([text]);
  });

  it('keeps the sound of a programme without pictures', () => {
    const carrier = new Carrier();
    const noise = randomBytes(3);
    const frames = Array.from({ length: 40 }, (_, index) => {
      const pes = writePes({ streamId: 0xc0, pts: index * FRAME_TICKS }, audioUnit(300, noise));
      return carrier.carry(audio, pes);
    });
    const lost = new Set([11, 12, 20]);
    const steps = frames.map((bytes, index): Released =>
      lost.has(index) ? { kind: 'gap', first: index, count: 1 } : payload(bytes, index),
    );
    const concealment = new Concealment();
    const out = conceal([payload(radioTables()), ...steps, END], concealment);
    expect(concealment.concealed(0)).toMatchObject({ freezes: 0, soundGaps: 2 });
    expect(concealment.concealed(0).soundFilledMs).toBeCloseTo(64, 6);
    const bytes = kindOf(unitsOf(out), 'audio').map(({ data }) => data);
    expect(splitFrames(Buffer.concat(bytes), ADTS).durationTicks).toBe(40 * FRAME_TICKS);
  });

  it('joins frames that go on from one PES packet into the next, and drops what a loss left of one', () => {
    const noise = randomBytes(3);
    const whole = Array.from({ length: 40 }, () => audioUnit(300, noise));
    const stream = Buffer.concat(whole);
    const carrier = new Carrier();
    // 450 bytes of sound in each, whatever begins or ends there; each names the time of the first frame that begins in it.
    const pieces = Array.from({ length: 26 }, (_, index) => {
      const first = Math.ceil((index * 450) / 300);
      const data = stream.subarray(index * 450, (index + 1) * 450);
      return carrier.carry(audio, writePes({ streamId: 0xc0, pts: first * FRAME_TICKS }, data));
    });
    const steps = pieces.map((bytes, index): Released =>
      index === 10 ? { kind: 'gap', first: index, count: 1 } : payload(bytes, index),
    );
    const units = kindOf(unitsOf(conceal([payload(radioTables()), ...steps, END])), 'audio');
    const frames = units.flatMap(({ data }) => {
      const found: Buffer[] = [];
      for (
        let at = 0, size = ADTS.frameAt(data, 0);
        typeof size === 'object';
        size = ADTS.frameAt(data, at)
      ) {
        found.push(data.subarray(at, at + size.bytes));
        at += size.bytes;
      }
      return found;
    });
    const numbers = frames.map((frame) => whole.findIndex((each) => each.equals(frame)));
    expect(numbers).toEqual([...upTo(0, 15), -1, -1, ...upTo(17, 39)]);
  });

  const kept: [name: string, pick: (bytes: Buffer, at: number) => number | undefined][] = [
    ['the programme clock', (bytes, at) => pcrAt(bytes, at)],
    ['the tables', (bytes, at) => ([0, 0x11, 0x1000].includes(pidAt(bytes, at)) ? at : undefined)],
  ];
  for (const [name, pick] of kept) {
    it(`keeps ${name} of what is replaced`, () => {
      const count = (steps: readonly Released[]): number =>
        steps.reduce((sum, step) => {
          if (step.kind !== 'payload') return sum;
          const packets = step.payload.length / TS_PACKET_BYTES;
          const picked = Array.from({ length: packets }, (_, n) => pick(step.payload, n * TS_PACKET_BYTES));
          return sum + picked.filter((value) => value !== undefined).length;
        }, 0);
      const parts = partsOf({ durationMs: 3000, gop: GOP });
      const steps = releasedOf(parts, new Set(placesOf(parts, 'later').slice(60, 62)));
      expect(count(conceal([...steps, END]))).toBe(count(steps));
    });
  }

  it('gives away legal packets, keeps its input as it is, and never throws, whatever is lost or broken', () => {
    const parts = partsOf({ durationMs: 2000, gop: 10, bitsPerSecond: 800_000 });
    const scene = fc.record({
      lost: fc.array(fc.integer({ min: 20, max: parts.length }), { maxLength: 40 }),
      broken: fc.array(fc.tuple(fc.nat(parts.length - 1), fc.nat(1315), fc.nat(255)), { maxLength: 20 }),
    });
    fc.assert(
      fc.property(scene, ({ lost, broken }) => {
        const copies = parts.map((part) => ({ ...part, payload: Buffer.from(part.payload) }));
        for (const [place, at, value] of broken) {
          const payload = copies[place]!.payload;
          if (at % TS_PACKET_BYTES > 3) payload[at % payload.length] = value;
        }
        const steps = releasedOf(copies, new Set(lost));
        const before = copies.map(({ payload }) => payload.toString('latin1'));
        const out = conceal([...steps, END]);
        expect(copies.map(({ payload }) => payload.toString('latin1'))).toEqual(before);
        const continuity = new ContinuityCheck();
        for (const step of out) {
          if (step.kind !== 'payload') continue;
          for (let at = 0; at < step.payload.length; at += TS_PACKET_BYTES) {
            expect(step.payload[at]).toBe(0x47);
            if (pidAt(step.payload, at) === video) expect(continuity.check(step.payload, at)).toBe('ok');
          }
        }
      }),
      { numRuns: 40 },
    );
  });
});
