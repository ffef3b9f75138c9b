/** What has to be known of a transport stream file before it can be sent again behind itself. Gathered while it is first sent. */
import { PCR_CYCLE, PTS_CYCLE, cycleDistance } from '../wire/clock.ts';
import {
  NULL_PID,
  PCR_HZ,
  TS_PACKET_BYTES,
  continuityAt,
  discontinuityAt,
  hasPayloadAt,
  payloadOffsetAt,
  pcrAt,
  pidAt,
  scrambledAt,
  transportErrorAt,
  unitStartAt,
} from '../wire/mpeg-ts.ts';
import { PTS_HZ, parsePes } from '../wire/pes.ts';
import { ProgrammeTable } from '../wire/programme-table.ts';
import { audioTicks } from './audio-span.ts';

/** What one PID showed. */
export interface PidSurvey {
  pid: number;
  /** Index of its first packet in the file. */
  firstPacket: number;
  /** The continuity counter that its first packet follows, and that of its last packet. */
  counterBefore: number;
  lastCounter: number;
  clock: ClockSurvey | undefined;
  media: MediaSurvey | undefined;
}

/** A programme clock. Ticks are of 27 MHz, as on the wire; offsets are bytes from the start of the file. */
export interface ClockSurvey {
  first: number;
  firstOffset: number;
  last: number;
  lastOffset: number;
  /** Steps between stamps that are no jumps: how many forward, over how much time and how many bytes, the longest. */
  steps: number;
  ticks: number;
  bytes: number;
  longest: number;
  /** Least and most ticks per byte of such a step. */
  fastest: number;
  slowest: number;
}

/** The times of one elementary stream. Ticks are of 90 kHz, as on the wire. */
export interface MediaSurvey {
  /** Decoding times of the first and of the last PES packet. */
  first: number;
  last: number;
  /** Least presentation time at the start; greatest since the last jump. */
  firstPts: number;
  lastPts: number;
  /** PES packets with a time. */
  count: number;
  /** How often each step of decoding time was seen. */
  steps: Map<number, number>;
  /** For sound: the codec and what is there of the last PES packet. */
  sound: { codec: string; bytes: Buffer; filled: number } | undefined;
}

/** A step of a clock beyond this is a jump. */
const JUMP_SECONDS = 1;
/** Shorter steps say little of the rate. */
const TELLING_SECONDS = 0.001;
/** PES packets at the start among which the earliest presentation time is looked for. */
const START_COUNT = 32;
/** Different steps that are counted at most. */
const MOST_STEPS = 64;
/** Bytes of the last PES packet of sound that are kept at most. */
const SOUND_BYTES = 2 ** 17;

/** Takes a whole file in order. */
export class LoopSurvey {
  readonly #pids = new Map<number, PidSurvey>();
  readonly #tables = new ProgrammeTable();
  #packets = 0;

  /** Packets taken. */
  get packets(): number {
    return this.#packets;
  }

  /** What each PID showed, stuffing apart. */
  get pids(): Iterable<PidSurvey> {
    return this.#pids.values();
  }

  /** Takes the next run of whole packets; keeps nothing of it. */
  push(run: Buffer): void {
    for (let at = 0; at + TS_PACKET_BYTES <= run.length; at += TS_PACKET_BYTES) {
      const pid = pidAt(run, at);
      if (pid !== NULL_PID && !transportErrorAt(run, at)) this.#take(run, at, pid);
      this.#packets++;
    }
  }

  #take(run: Buffer, at: number, pid: number): void {
    const loaded = hasPayloadAt(run, at);
    const counter = continuityAt(run, at);
    let survey = this.#pids.get(pid);
    if (!survey) {
      const counterBefore = loaded ? (counter + 15) & 0x0f : counter;
      survey = {
        pid,
        firstPacket: this.#packets,
        counterBefore,
        lastCounter: 0,
        clock: undefined,
        media: undefined,
      };
      this.#pids.set(pid, survey);
    }
    survey.lastCounter = counter;
    if (this.#tables.isTable(pid)) this.#tables.push(run, at);
    const pcr = pcrAt(run, at);
    if (pcr !== undefined) this.#takePcr(survey, pcr, discontinuityAt(run, at));
    if (!loaded || scrambledAt(run, at)) return;
    const payload = run.subarray(at + payloadOffsetAt(run, at), at + TS_PACKET_BYTES);
    if (unitStartAt(run, at)) this.#beginPes(survey, payload);
    else keepSound(survey.media, payload);
  }

  #takePcr(survey: PidSurvey, pcr: number, announced: boolean): void {
    const offset = this.#packets * TS_PACKET_BYTES;
    const clock = survey.clock;
    if (!clock) {
      const none = { steps: 0, ticks: 0, bytes: 0, longest: 0, fastest: Infinity, slowest: 0 };
      survey.clock = { first: pcr, firstOffset: offset, last: pcr, lastOffset: offset, ...none };
      return;
    }
    const step = cycleDistance(clock.last, pcr, PCR_CYCLE);
    const bytes = offset - clock.lastOffset;
    clock.last = pcr;
    clock.lastOffset = offset;
    if (announced || step < 0 || step > JUMP_SECONDS * PCR_HZ) return;
    if (step > 0) clock.steps++;
    clock.ticks += step;
    clock.bytes += bytes;
    clock.longest = Math.max(clock.longest, step);
    if (step < TELLING_SECONDS * PCR_HZ) return;
    clock.fastest = Math.min(clock.fastest, step / bytes);
    clock.slowest = Math.max(clock.slowest, step / bytes);
  }

  #beginPes(survey: PidSurvey, payload: Buffer): void {
    const header = parsePes(payload);
    if (typeof header === 'string' || header.pts === undefined) return;
    const { pts, dts = pts } = header;
    if (survey.media) takeTimes(survey.media, dts, pts);
    else
      survey.media = {
        first: dts,
        last: dts,
        firstPts: pts,
        lastPts: pts,
        count: 1,
        steps: new Map(),
        sound: undefined,
      };
    const stream = this.#tables.streamOn(survey.pid);
    if (stream?.kind !== 'audio') return;
    survey.media.sound ??= { codec: stream.codec, bytes: Buffer.alloc(SOUND_BYTES), filled: 0 };
    survey.media.sound.filled = 0;
    keepSound(survey.media, payload.subarray(header.headerBytes));
  }
}

function takeTimes(media: MediaSurvey, dts: number, pts: number): void {
  const step = cycleDistance(media.last, dts, PTS_CYCLE);
  const jumped = Math.abs(step) > JUMP_SECONDS * PTS_HZ;
  const known = media.steps.get(step);
  if (!jumped && step > 0 && (known !== undefined || media.steps.size < MOST_STEPS)) {
    media.steps.set(step, (known ?? 0) + 1);
  }
  media.last = dts;
  if (jumped || cycleDistance(media.lastPts, pts, PTS_CYCLE) > 0) media.lastPts = pts;
  if (media.count++ < START_COUNT && cycleDistance(pts, media.firstPts, PTS_CYCLE) > 0) media.firstPts = pts;
}

function keepSound(media: MediaSurvey | undefined, bytes: Buffer): void {
  if (media?.sound) media.sound.filled += bytes.copy(media.sound.bytes, media.sound.filled);
}

/** How long the last PES packet of a stream lasts, 90 kHz ticks; what is usual where it cannot be seen. */
export function lastSpan(media: MediaSurvey): number {
  const { sound, steps } = media;
  const heard = sound ? audioTicks(sound.codec, sound.bytes.subarray(0, sound.filled)) : 0;
  if (heard > 0) return heard;
  let usual = 0;
  for (const [step, count] of steps) if (count > (steps.get(usual) ?? 0)) usual = step;
  return usual;
}
