/** Gathers the PES packets of one PID and cuts them into access units. Part of the frame assembler. */
import { ClockUnwrapper, PTS_CYCLE, cycleDistance } from '../wire/clock.ts';
import type { ElementaryStream } from '../wire/metrics.ts';
import { TS_PACKET_BYTES, payloadOffsetAt, randomAccessAt, unitStartAt } from '../wire/mpeg-ts.ts';
import { parsePes, type PesHeader } from '../wire/pes.ts';
import { beginsWithKey, isDelimiter, startCode } from './key-frame.ts';

/** One picture, or the sound of one PES packet. */
export interface AccessUnit {
  pid: number;
  /** The stream it belongs to, as the PMT has it. */
  stream: ElementaryStream;
  /** Presentation time, 90 kHz ticks, unwrapped together with all streams of its programme; `undefined` when not told. */
  ptsTicks: number | undefined;
  /** Decoding time, 90 kHz ticks; that of presentation when the stream tells no other. */
  dtsTicks: number | undefined;
  /** Decoding can start here. Always true for sound. */
  key: boolean;
  /** Something of it was lost or broken on the way: it ends where the first piece is missing. */
  damaged: boolean;
  /** The clock of its programme, or the whole stream, may have started anew before it. */
  discontinuity: boolean;
  /** When its last packet arrived, monotonic milliseconds. */
  arrivedAt: number;
  /** The bytes of the elementary stream. Its receiver's own. */
  data: Buffer;
}

/** What the streams of one programme share. */
export class UnitClock {
  /** Steps where the clock may have started anew. */
  epoch: number;
  readonly pts = new ClockUnwrapper(PTS_CYCLE);

  constructor(epoch: number) {
    this.epoch = epoch;
  }
}

/** Bytes that all builders of a stream may still claim for their buffers. */
export interface UnitBudget {
  left: number;
}

/** A longer PES packet is cut, and damaged. */
const MOST_UNIT_BYTES = 8 * 2 ** 20;
const FIRST_BUFFER_BYTES = 8192;
/** PES_packet_length counts from here. */
const LENGTH_END = 6;
/** Media have at least this header; padding has less. */
const MEDIA_HEADER_BYTES = 9;
const NO_BYTES = Buffer.alloc(0);

/** The unit that is being gathered. */
interface OpenUnit {
  /** Absent while it is not complete, and for what follows a delimiter in the same PES packet. */
  header: PesHeader | undefined;
  /** Where the elementary stream begins in the buffer; -1 while the header is not complete. */
  dataAt: number;
  /** Up to where delimiters were looked for. */
  searchedTo: number;
  randomAccess: boolean;
  discontinuity: boolean;
  arrivedAt: number;
}

/** The units of one PID. Units that are complete are put behind `out`. */
export class UnitBuilder {
  readonly stream: ElementaryStream;
  readonly #clock: UnitClock;
  readonly #budget: UnitBudget;
  /** The PES packet from its start code on, as far as it is there. */
  #buffer: Buffer = NO_BYTES;
  #filled = 0;
  #unit: OpenUnit | undefined;
  #epoch = 0;

  constructor(stream: ElementaryStream, clock: UnitClock, budget: UnitBudget) {
    this.stream = stream;
    this.#clock = clock;
    this.#budget = budget;
  }

  /** Takes the packet at `at`, the next one of the PID. */
  take(bytes: Buffer, at: number, now: number, out: AccessUnit[]): void {
    if (unitStartAt(bytes, at)) {
      this.finish(out);
      this.#begin(randomAccessAt(bytes, at));
    }
    if (!this.#unit) return;
    this.#unit.arrivedAt = now;
    if (!this.#append(bytes, at + payloadOffsetAt(bytes, at), at + TS_PACKET_BYTES)) return this.cut(out);
    if (this.#unit.dataAt === -1 && !this.#readHeader(this.#unit)) return;
    this.#closeWhenDone(out);
  }

  /** Packets are missing here: the open unit goes as far as it came, and the rest of its PES packet is left out. */
  cut(out: AccessUnit[]): void {
    this.#emit(this.#filled, true, out);
    this.#unit = undefined;
  }

  /** Nothing more comes for the open unit. It is complete, unless its length says otherwise. */
  finish(out: AccessUnit[]): void {
    const missing = this.#unit?.header !== undefined && this.#unit.header.packetLength > 0;
    this.#emit(this.#filled, missing, out);
    this.#unit = undefined;
  }

  /** Gives its buffer back: the PID is no longer wanted. */
  release(): void {
    this.#budget.left += this.#buffer.length;
    this.#buffer = NO_BYTES;
    this.#unit = undefined;
  }

  #begin(randomAccess: boolean): void {
    this.#filled = 0;
    const discontinuity = this.#epoch !== this.#clock.epoch;
    this.#epoch = this.#clock.epoch;
    this.#unit = { header: undefined, dataAt: -1, searchedTo: 0, randomAccess, discontinuity, arrivedAt: 0 };
  }

  /** False when there is no room. */
  #append(bytes: Buffer, from: number, to: number): boolean {
    const wanted = this.#filled + to - from;
    if (wanted > this.#buffer.length && !this.#grow(wanted)) return false;
    this.#filled += bytes.copy(this.#buffer, this.#filled, from, to);
    return true;
  }

  #grow(wanted: number): boolean {
    const size = Math.max(FIRST_BUFFER_BYTES, 2 ** Math.ceil(Math.log2(wanted)));
    const more = size - this.#buffer.length;
    if (size > MOST_UNIT_BYTES || more > this.#budget.left) return false;
    this.#budget.left -= more;
    const larger = Buffer.allocUnsafeSlow(size);
    this.#buffer.copy(larger, 0, 0, this.#filled);
    this.#buffer = larger;
    return true;
  }

  /** True once the header is there; gives up what is no PES packet of a medium. */
  #readHeader(unit: OpenUnit): boolean {
    const header = parsePes(this.#buffer.subarray(0, this.#filled));
    if (header === 'too-short') return false;
    if (typeof header === 'string' || header.headerBytes < MEDIA_HEADER_BYTES) {
      this.#unit = undefined;
      return false;
    }
    unit.header = header;
    unit.dataAt = header.headerBytes;
    unit.searchedTo = header.headerBytes;
    return true;
  }

  #closeWhenDone(out: AccessUnit[]): void {
    const length = this.#unit?.header?.packetLength ?? 0;
    if (length === 0) return this.#splitAtDelimiters(out);
    const end = LENGTH_END + length;
    if (this.#filled < end) return;
    this.#emit(end, false, out);
    this.#unit = undefined;
  }

  /** Emits what precedes an access unit delimiter in a PES packet without a length. */
  #splitAtDelimiters(out: AccessUnit[]): void {
    const { codec } = this.stream;
    if (this.#unit === undefined || (codec !== 'H.264' && codec !== 'H.265')) return;
    for (let unit = this.#unit; ;) {
      const bytes = this.#buffer.subarray(0, this.#filled);
      const at = startCode(bytes, unit.searchedTo);
      if (at === -1) {
        unit.searchedTo = Math.max(unit.dataAt, bytes.length - 3); // a start code may be cut in two
        return;
      }
      unit.searchedTo = at;
      // The zero byte that may precede a start code belongs to it.
      const border = at - (bytes[at - 4] === 0 ? 4 : 3);
      if (border > unit.dataAt && isDelimiter(codec, bytes[at] ?? 0)) unit = this.#split(unit, border, out);
    }
  }

  #split(unit: OpenUnit, border: number, out: AccessUnit[]): OpenUnit {
    this.#emit(border, false, out);
    this.#buffer.copyWithin(0, border, this.#filled);
    this.#filled -= border;
    const { arrivedAt, searchedTo } = unit;
    const flags = { randomAccess: false, discontinuity: false };
    return (this.#unit = {
      header: undefined,
      dataAt: 0,
      searchedTo: searchedTo - border,
      arrivedAt,
      ...flags,
    });
  }

  #emit(end: number, damaged: boolean, out: AccessUnit[]): void {
    const unit = this.#unit;
    if (!unit || unit.dataAt === -1 || end <= unit.dataAt) return;
    const { kind, codec, pid } = this.stream;
    const data = Buffer.from(this.#buffer.subarray(unit.dataAt, end));
    const pts = unit.header?.pts;
    const ptsTicks = pts === undefined ? undefined : this.#clock.pts.unwrap(pts);
    const ahead =
      pts === undefined || unit.header?.dts === undefined
        ? 0
        : cycleDistance(unit.header.dts, pts, PTS_CYCLE);
    out.push({
      pid,
      stream: this.stream,
      ptsTicks,
      dtsTicks: ptsTicks === undefined ? undefined : ptsTicks - ahead,
      key: kind === 'audio' || unit.randomAccess || beginsWithKey(codec, data),
      damaged,
      discontinuity: unit.discontinuity,
      arrivedAt: unit.arrivedAt,
      data,
    });
  }
}
