/**
 * The programme clock of a transport stream as a line over its bytes: which time belongs to the byte at an offset.
 *
 * Clock stamps (PCR, ISO 13818-1 §2.4.2.2, or DTS where there is none) are points of the line, and between two of them it is
 * straight: that holds for constant and variable bit rates. Of several programmes the first PID whose stamps rise is the
 * reference. Where the clock jumps, announced or not, a second line for pacing goes on as if nothing had happened.
 */
import { cycleDistance, PCR_CYCLE } from '../wire/clock.ts';
import { PCR_HZ } from '../wire/mpeg-ts.ts';

/** A clock stamp of the stream. */
export interface Stamp {
  pid: number;
  /** Offset of the first byte of its packet in the stream. */
  offset: number;
  /** 27 MHz, as on the wire: starts over after `PCR_CYCLE`. */
  ticks: number;
  /** The stream says that its clock jumps here (discontinuity_indicator). */
  announced: boolean;
}

/** A straight piece of the clock. */
export interface Line {
  offset: number;
  /** The programme clock at `offset`, 27 MHz, unwrapped. */
  programmeTicks: number;
  /** The pacing clock at `offset`: 27 MHz since the first byte; it never jumps. */
  transmitTicks: number;
  ticksPerByte: number;
}

/** What a stamp brings to light: `line` holds for the bytes before `end`. */
export interface Stretch {
  line: Line;
  end: number;
  /** The programme clock jumps at `end`. */
  jump: boolean;
}

/** A step further than this from what was expected is a jump, 27 MHz. */
const JUMP_TICKS = PCR_HZ;
/** Beyond the last stamp the line goes on with its slope over about this long, 27 MHz: one frame's would say little. */
const MEMORY_TICKS = PCR_HZ;

/** Takes the stamps of a stream in order and tells what they make known. */
export class ProgrammeClock {
  #base: Omit<Line, 'ticksPerByte'> | undefined;
  #reference: number | undefined;
  readonly #candidates = new Map<number, Stamp>();
  // The slope over the last second or so is the quotient of these two, which fade.
  #recentTicks = 0;
  #recentBytes = 0;

  /** The PID whose stamps count; `undefined` while none has proved itself. */
  get reference(): number | undefined {
    return this.#reference;
  }

  /** The line beyond the last stamp, going on as before; `undefined` while there is none at all. */
  get beyond(): Line | undefined {
    return this.#base && lineFrom(this.#base, this.#recentTicks / this.#recentBytes);
  }

  /** Takes the next stamp. Gives what it makes known, if anything: stamps of other PIDs and equal ones do not. */
  observe(stamp: Stamp): Stretch | undefined {
    if (this.#reference === undefined) return this.#audition(stamp);
    if (stamp.pid !== this.#reference || !this.#base) return undefined;
    const step = cycleDistance(this.#base.programmeTicks, stamp.ticks, PCR_CYCLE);
    if (step === 0 && !stamp.announced) return undefined;
    const bytes = stamp.offset - this.#base.offset;
    const expected = (bytes * this.#recentTicks) / this.#recentBytes;
    if (stamp.announced || isJump(step, expected)) return this.#rebase(stamp, true);

    const line = lineFrom(this.#base, step / bytes);
    this.#remember(step, bytes);
    this.#base = pointOf(line, stamp.offset);
    return { line, end: stamp.offset + 1, jump: false };
  }

  /** Without stamps: the clock begins at 0 and runs at a rate of the bytes, until some PID proves itself. */
  runAt(bitsPerSecond: number): void {
    this.#base = { offset: 0, programmeTicks: 0, transmitTicks: 0 };
    this.#recentTicks = (8 * PCR_HZ) / bitsPerSecond;
    this.#recentBytes = 1;
  }

  /** The reference has fallen silent: its line goes on as before until a PID proves itself again. */
  release(): void {
    this.#reference = undefined;
    this.#candidates.clear();
  }

  /** A PID becomes the reference when it shows two stamps that rise. */
  #audition(stamp: Stamp): Stretch | undefined {
    const earlier = this.#candidates.get(stamp.pid);
    const step = earlier ? cycleDistance(earlier.ticks, stamp.ticks, PCR_CYCLE) : 0;
    if (earlier && step === 0 && !stamp.announced) return undefined;
    if (!earlier || stamp.announced || isJump(step, 0)) {
      this.#candidates.set(stamp.pid, stamp);
      return undefined;
    }
    const bytes = stamp.offset - earlier.offset;
    this.#reference = stamp.pid;
    this.#candidates.clear();
    return this.#base ? this.#takeOver(stamp, step, bytes) : this.#begin(earlier, stamp, step / bytes);
  }

  /** The first two stamps of all: their slope holds back to the first byte. */
  #begin(earlier: Stamp, stamp: Stamp, ticksPerByte: number): Stretch {
    const { offset, ticks } = earlier;
    const line = { offset, programmeTicks: ticks, transmitTicks: offset * ticksPerByte, ticksPerByte };
    this.#remember((stamp.offset - offset) * ticksPerByte, stamp.offset - offset);
    this.#base = pointOf(line, stamp.offset);
    return { line, end: stamp.offset + 1, jump: false };
  }

  /** A reference after a time without one. */
  #takeOver(stamp: Stamp, step: number, bytes: number): Stretch | undefined {
    const stretch = this.#rebase(stamp, stamp.announced);
    this.#recentTicks = step;
    this.#recentBytes = bytes;
    return stretch;
  }

  /** Goes on from a stamp that does not lie on the line: pacing keeps its slope, the programme clock is the stamp's. */
  #rebase(stamp: Stamp, announced: boolean): Stretch | undefined {
    const line = this.beyond;
    if (!line) return undefined;
    const { offset, programmeTicks, transmitTicks } = pointOf(line, stamp.offset);
    const distance = cycleDistance(programmeTicks, stamp.ticks, PCR_CYCLE);
    this.#base = { offset, programmeTicks: programmeTicks + distance, transmitTicks };
    return { line, end: offset, jump: announced || Math.abs(distance) > JUMP_TICKS };
  }

  #remember(ticks: number, bytes: number): void {
    const fade = Math.exp(-ticks / MEMORY_TICKS);
    this.#recentTicks = this.#recentTicks * fade + ticks;
    this.#recentBytes = this.#recentBytes * fade + bytes;
  }
}

/** Falls, or leaps: further than a second, and a second off what the bytes in between let expect. */
function isJump(step: number, expected: number): boolean {
  return step < 0 || (step > JUMP_TICKS && Math.abs(step - expected) > JUMP_TICKS);
}

function lineFrom(point: Omit<Line, 'ticksPerByte'>, ticksPerByte: number): Line {
  const { offset, programmeTicks, transmitTicks } = point;
  return { offset, programmeTicks, transmitTicks, ticksPerByte };
}

/** The point of a line at an offset. */
export function pointOf(line: Line, offset: number): Omit<Line, 'ticksPerByte'> {
  const ticks = (offset - line.offset) * line.ticksPerByte;
  return {
    offset,
    programmeTicks: line.programmeTicks + ticks,
    transmitTicks: line.transmitTicks + ticks,
  };
}
