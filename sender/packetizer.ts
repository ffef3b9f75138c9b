/**
 * Cuts a programme into the payloads of datagrams, seven transport packets each, and tells the time of each by the programme
 * clock (RFC 2250 §2): the target transmission time of its first byte.
 *
 * A time between two clock stamps is known only when the later one has been seen, so datagrams are held until then. What is
 * held is bounded: streams without usable PCR go by their DTS, and without that at 4 Mbit/s.
 */
import { cycleDistance, PCR_CYCLE } from '../wire/clock.ts';
import {
  discontinuityAt,
  hasAdaptationAt,
  pcrAt,
  payloadOffsetAt,
  pidAt,
  scrambledAt,
  TS_PACKET_BYTES,
  unitStartAt,
} from '../wire/mpeg-ts.ts';
import { parsePes } from '../wire/pes.ts';
import type { Stage } from '../wire/stage.ts';
import { DATAGRAM_PAYLOAD_BYTES, type Datagram, DatagramPool } from './datagram.ts';
import { Fifo } from './fifo.ts';
import { type Line, ProgrammeClock, type Stamp, type Stretch } from './programme-clock.ts';

/** The pace of what has no clock of its own. */
export const CLOCKLESS_BITS_PER_SECOND = 4_000_000;

/** Where the times come from. `undecided`: nothing was given out yet. */
export type ClockSource = 'undecided' | 'pcr' | 'dts' | 'rate';

export interface PacketizerOptions {
  /** The bytes are whole transport packets, the first at the first byte. Otherwise they are paced by the rate alone. */
  transportStream: boolean;
  /** Longest that bytes come without a clock stamp, milliseconds. For live sources; `Infinity` for files, which wait for us. */
  holdMs: number;
  /** Where the datagrams come from; whoever uses them up gives them back. Default: a pool without room for headers. */
  pool?: DatagramPool;
}

/** Most bytes that wait for a clock stamp: PCRs are at most 100 ms apart, so this is enough for 300 Mbit/s. */
const HOLD_BYTES = 4 * 1024 * 1024;

/** Takes runs of bytes, which are copied at once, and `undefined` at the end of the stream. */
export class Packetizer implements Stage<Buffer | undefined, Datagram> {
  /** `datagrams` cut; `discontinuities` of the programme clock. */
  readonly stats = { datagrams: 0, discontinuities: 0 };
  readonly wakeAt = Infinity;

  readonly #options: PacketizerOptions;
  readonly #headerBytes: number;
  readonly #clock = new ProgrammeClock();
  #source: ClockSource = 'undecided';
  #dtsPid: number | undefined;
  readonly #pool: DatagramPool;
  #open: Datagram | undefined; // has not got all of its payload
  readonly #held = new Fifo<Datagram>();
  #stamped = 0; // of `#held`, ready for `poll`
  #stampedAt: number | undefined; // when the last stamp came
  #jumped = false; // the next datagram is the first after a jump

  constructor(options: PacketizerOptions) {
    this.#options = options;
    this.#pool = options.pool ?? new DatagramPool(0);
    this.#headerBytes = this.#pool.headerBytes;
    if (!options.transportStream) this.#runAtRate();
  }

  /** Where the times come from. */
  get clock(): ClockSource {
    return this.#source;
  }

  push(run: Buffer | undefined, now: number): void {
    const waiting = this.#held.at(this.#stamped);
    if (run) this.#cut(run);
    else this.#cutShort();
    if (this.#stampedAt === undefined || this.#held.at(this.#stamped) !== waiting) this.#stampedAt = now;
    const heldBytes = (this.#held.length - this.#stamped) * DATAGRAM_PAYLOAD_BYTES;
    const tooLong = now - this.#stampedAt > this.#options.holdMs;
    if (!run || heldBytes > HOLD_BYTES || tooLong) this.#giveUpWaiting();
  }

  poll(): Datagram | undefined {
    if (this.#stamped === 0) return undefined;
    this.#stamped--;
    return this.#held.shift();
  }

  #cut(run: Buffer): void {
    for (let at = 0; at < run.length;) {
      const datagram = this.#open ?? this.#begin();
      const end = Math.min(run.length, at + DATAGRAM_PAYLOAD_BYTES - datagram.payloadBytes);
      run.copy(datagram.bytes, this.#headerBytes + datagram.payloadBytes, at, end);
      datagram.payloadBytes += end - at;
      at = end;
      if (datagram.payloadBytes === DATAGRAM_PAYLOAD_BYTES) this.#add(datagram);
    }
  }

  #begin(): Datagram {
    this.#open = this.#pool.take();
    this.#open.payloadBytes = 0;
    return this.#open;
  }

  /** The stream ends: so does the last datagram. */
  #cutShort(): void {
    const last = this.#open;
    if (!last) return;
    last.bytes = last.bytes.subarray(0, this.#headerBytes + last.payloadBytes);
    this.#add(last);
  }

  #add(datagram: Datagram): void {
    this.#open = undefined;
    datagram.index = this.stats.datagrams++;
    this.#held.push(datagram);
    if (this.#options.transportStream) this.#scan(datagram);
    if (this.#clock.reference === undefined && this.#clock.beyond) this.#stampAll();
  }

  /** Looks for clock stamps. */
  #scan({ bytes, index }: Datagram): void {
    const byDts = this.#source === 'dts';
    for (let at = this.#headerBytes; at + TS_PACKET_BYTES <= bytes.length; at += TS_PACKET_BYTES) {
      if (!byDts && !hasAdaptationAt(bytes, at)) continue;
      const ticks = byDts ? this.#dtsAt(bytes, at) : pcrAt(bytes, at);
      if (ticks === undefined) continue;
      this.#observe({
        pid: pidAt(bytes, at),
        offset: index * DATAGRAM_PAYLOAD_BYTES + at - this.#headerBytes,
        ticks,
        announced: !byDts && discontinuityAt(bytes, at),
      });
    }
  }

  #observe(stamp: Stamp): void {
    const stretch = this.#clock.observe(stamp);
    if (!stretch) return;
    if (this.#source !== 'dts') this.#source = 'pcr';
    this.#stamp(stretch);
  }

  #stamp({ line, end, jump }: Stretch): void {
    const { offset: start, programmeTicks, transmitTicks, ticksPerByte } = line;
    for (let datagram; (datagram = this.#held.at(this.#stamped)) !== undefined; this.#stamped++) {
      const offset = datagram.index * DATAGRAM_PAYLOAD_BYTES;
      if (offset >= end) break;
      const ticks = (offset - start) * ticksPerByte;
      datagram.programmeTicks = programmeTicks + ticks;
      datagram.transmitTicks = transmitTicks + ticks;
      datagram.discontinuity = this.#jumped;
      this.#jumped = false;
    }
    if (!jump) return;
    this.#jumped = true;
    this.stats.discontinuities++;
  }

  /** Stamps what is held with the line as it goes on beyond the last stamp. */
  #stampAll(): void {
    const line: Line | undefined = this.#clock.beyond;
    if (line) this.#stamp({ line, end: Infinity, jump: false });
  }

  /** No stamp will tell the time of what is held: the end, or too long without one. */
  #giveUpWaiting(): void {
    if (this.#source === 'undecided') this.#fallBack();
    else this.#clock.release();
    this.#stampAll();
  }

  /** No PCR: goes by the DTS of the first PID on which they only rise, else by a rate. */
  #fallBack(): void {
    this.#dtsPid = risingDts(this.#held, this.#headerBytes);
    if (this.#dtsPid === undefined) return this.#runAtRate();
    this.#source = 'dts';
    this.#clock.release();
    for (const datagram of this.#held) this.#scan(datagram);
    if (!this.#clock.beyond) this.#runAtRate(); // they rise by seconds at a time
  }

  #runAtRate(): void {
    this.#source = 'rate';
    this.#clock.release();
    this.#clock.runAt(CLOCKLESS_BITS_PER_SECOND);
  }

  #dtsAt(bytes: Buffer, at: number): number | undefined {
    return pidAt(bytes, at) === this.#dtsPid ? decodingTimeAt(bytes, at) : undefined;
  }
}

/** The decoding time of the PES packet that begins in the transport packet at `at`, in 27 MHz ticks. */
function decodingTimeAt(bytes: Buffer, at: number): number | undefined {
  if (!unitStartAt(bytes, at) || scrambledAt(bytes, at)) return undefined;
  const header = parsePes(bytes.subarray(at + payloadOffsetAt(bytes, at), at + TS_PACKET_BYTES));
  if (typeof header === 'string') return undefined;
  const ticks = header.dts ?? header.pts;
  return ticks === undefined ? undefined : ticks * 300;
}

/** The first PID with two decoding times or more, all of them rising. */
function risingDts(datagrams: Iterable<Datagram>, headerBytes: number): number | undefined {
  const seen = new Map<number, { last: number; count: number; rising: boolean }>();
  for (const { bytes } of datagrams) {
    for (let at = headerBytes; at + TS_PACKET_BYTES <= bytes.length; at += TS_PACKET_BYTES) {
      const ticks = decodingTimeAt(bytes, at);
      if (ticks === undefined) continue;
      const before = seen.get(pidAt(bytes, at));
      const rising = !before || (before.rising && cycleDistance(before.last, ticks, PCR_CYCLE) > 0);
      seen.set(pidAt(bytes, at), { last: ticks, count: (before?.count ?? 0) + 1, rising });
    }
  }
  for (const [pid, { count, rising }] of seen) if (rising && count > 1) return pid;
  return undefined;
}
