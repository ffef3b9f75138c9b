/** How long one pass of a looped file lasts, and what goes between two passes. */
import { PCR_CYCLE, PTS_CYCLE, cycleDistance } from '../wire/clock.ts';
import { NULL_PID, PCR_HZ, TS_PACKET_BYTES } from '../wire/mpeg-ts.ts';
import { lastSpan, type ClockSurvey, type LoopSurvey, type MediaSurvey } from './loop-survey.ts';

/** A packet between two passes: stuffing, or a clock and nothing else. */
export interface SeamSlot {
  pid: number;
  /** What the clock of the pass before shows here, 27 MHz; may exceed the cycle. Absent for stuffing. */
  pcr?: number;
}

/** How a file is fitted to itself. */
export interface LoopFit {
  /** Programme time from one pass to the next, 27 MHz ticks; not whole at a constant bit rate. */
  durationTicks: number;
  seam: SeamSlot[];
}

/** Rates that differ by no more than this are one. */
const STEADY = 0.02;
/** Fewer steps do not tell a constant rate from chance. */
const TELLING_STEPS = 4;
/** What a stream lasts longer than the others is waited for up to this; beyond it the file's times are not coherent. */
const MOST_EXTRA_TICKS = 10 * PCR_HZ;
/** Most between two PCRs (ISO/IEC 13818-1 §2.7.2), and what a seam keeps to. */
const PCR_DUE_TICKS = 0.1 * PCR_HZ;
const SEAM_PCR_TICKS = 0.04 * PCR_HZ;

/** A clock with what the seam needs to know of it. */
interface SeamClock {
  pid: number;
  /** Its last stamp, 27 MHz ticks. */
  last: number;
  /** From its first stamp to its last. */
  span: number;
  /** From its last stamp to the end of the file. */
  tail: number;
  /** From the start of the file to its first stamp. */
  head: number;
  /** All its own steps are as short as they must be. */
  regular: boolean;
}

/** Fits a surveyed file to itself. */
export function fitLoop(survey: LoopSurvey): LoopFit {
  const pids = [...survey.pids];
  const media = pids.flatMap((pid) => (pid.media ? [mediaTicks(pid.media)] : []));
  const reference = pids.reduce<ClockSurvey | undefined>(
    (best, { clock }) => (clock && clock.ticks > (best?.ticks ?? 0) ? clock : best),
    undefined,
  );
  if (!reference) return { durationTicks: Math.max(0, ...media), seam: [] };

  const ticksPerByte = reference.ticks / reference.bytes;
  const fileBytes = survey.packets * TS_PACKET_BYTES;
  const clocks = pids.flatMap(({ pid, clock }) =>
    clock ? [seamClock(pid, clock, ticksPerByte, fileBytes)] : [],
  );
  const packetTicks = ticksPerByte * TS_PACKET_BYTES;
  const steady =
    reference.steps >= TELLING_STEPS && reference.slowest - reference.fastest <= STEADY * ticksPerByte;
  const rest = fileBytes - reference.lastOffset + reference.firstOffset;
  // The streams tell best how long a file of variable rate lasts; the clock must but go on, no faster than it ever did.
  const step = steady
    ? rest * ticksPerByte
    : Math.min(rest * reference.fastest, reference.ticks / reference.steps);
  const base = forward(reference.first, reference.last, PCR_CYCLE) + step;
  const extra = extraTicks(base, [...media, ...clocks.map(({ span }) => span + packetTicks)]);
  return steady
    ? fillSteadily(clocks, base, extra, packetTicks)
    : { durationTicks: base + extra, seam: clocksOnly(clocks, base + extra) };
}

/** What a stream needs from one pass to the next so that neither its decoding nor its presentation times overlap. */
function mediaTicks(media: MediaSurvey): number {
  const decoding = forward(media.first, media.last, PTS_CYCLE);
  const presentation = forward(media.firstPts, media.lastPts, PTS_CYCLE);
  return (Math.max(decoding, presentation) + lastSpan(media)) * 300;
}

function seamClock(pid: number, clock: ClockSurvey, ticksPerByte: number, fileBytes: number): SeamClock {
  return {
    pid,
    last: clock.last,
    span: forward(clock.first, clock.last, PCR_CYCLE),
    tail: (fileBytes - clock.lastOffset) * ticksPerByte,
    head: clock.firstOffset * ticksPerByte,
    regular: clock.longest <= PCR_DUE_TICKS,
  };
}

/** By how much the duration must exceed `base` for all that the needs say, as far as they make sense. */
function extraTicks(base: number, needs: readonly number[]): number {
  let most = 0;
  for (const need of needs) {
    const extra = cycleDistance(base, need, PCR_CYCLE);
    if (extra > most && extra <= MOST_EXTRA_TICKS) most = extra;
  }
  return most;
}

/** The clocks that would be silent for too long over the seam although they need not be. */
function silentClocks(clocks: readonly SeamClock[], durationTicks: number): SeamClock[] {
  return clocks.filter(
    ({ span, tail, head, regular }) =>
      regular && durationTicks - span > PCR_DUE_TICKS && tail <= PCR_DUE_TICKS && head <= PCR_DUE_TICKS,
  );
}

/** At a constant bit rate: as many packets as the extra time holds, with clocks among them where they are due. */
function fillSteadily(clocks: SeamClock[], base: number, extra: number, packetTicks: number): LoopFit {
  const silent = silentClocks(clocks, base + extra);
  const count = Math.max(Math.ceil(extra / packetTicks - 0.001), silent.length);
  const dueAt = new Map(silent.map((clock) => [clock, SEAM_PCR_TICKS - clock.tail]));
  const seam: SeamSlot[] = [];
  for (let slot = 0; slot < count; slot++) {
    const at = slot * packetTicks;
    // The last slots are the clocks' in any case: the first stamp of the file may be far.
    const due =
      silent.find((clock) => (dueAt.get(clock) ?? 0) <= at) ?? silent[slot - (count - silent.length)];
    if (due) dueAt.set(due, at + SEAM_PCR_TICKS);
    seam.push(due ? { pid: due.pid, pcr: due.last + due.tail + at } : { pid: NULL_PID });
  }
  return { durationTicks: base + count * packetTicks, seam };
}

/** At a variable bit rate: nothing but the clocks, evenly spread. */
function clocksOnly(clocks: SeamClock[], durationTicks: number): SeamSlot[] {
  const seam: { part: number; slot: SeamSlot }[] = [];
  for (const { pid, last, span } of silentClocks(clocks, durationTicks)) {
    const interval = durationTicks - span;
    const parts = Math.ceil(interval / SEAM_PCR_TICKS);
    for (let part = 1; part < parts; part++) {
      seam.push({ part: part / parts, slot: { pid, pcr: last + (interval * part) / parts } });
    }
  }
  return seam.sort((a, b) => a.part - b.part).map(({ slot }) => slot);
}

/** Ticks from `first` on to `last` on a clock that starts over. */
function forward(first: number, last: number, cycle: number): number {
  return (((last - first) % cycle) + cycle) % cycle;
}
