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
  pcrAt,
  payloadOffsetAt,
  pidAt,
  scrambledAt,
  TS_PACKET_BYTES,
  unitStartAt,
} from '../wire/mpeg-ts.ts';
import { parsePes } from '../wire/pes.ts';
import type { Stage } from '../wire/stage.ts';
import { type Line, pointOf, ProgrammeClock, type Stamp, type Stretch } from './programme-clock.ts';

/** Payload of a full datagram: seven transport packets. */
export const DATAGRAM_PAYLOAD_BYTES = 7 * TS_PACKET_BYTES;
/** The pace of what has no clock of its own. */
export const CLOCKLESS_BITS_PER_SECOND = 4_000_000;

/** One datagram's worth of a programme, not framed yet. */
export interface MediaDatagram {
  /** At most 1316 bytes; fewer only in the last one. Its receiver's. */
  payload: Buffer;
  /** Counts from 0. */
  index: number;
  /** The programme clock of the first byte: 27 MHz, unwrapped, from any start. */
  programmeTicks: number;
  /** When to send it: 27 MHz since the first byte of the stream. Never falls, whatever the programme clock does. */
  transmitTicks: number;
  /** The programme clock jumped since the datagram before. */
  discontinuity: boolean;
}

/** Where the times come from. `undecided`: nothing was given out yet. */
export type ClockSource = 'undecided' | 'pcr' | 'dts' | 'rate';

export interface PacketizerOptions {
  /** The bytes are whole transport packets, the first at the first byte. Otherwise they are paced by the rate alone. */
  transportStream: boolean;
  /** Longest that bytes come without a clock stamp, milliseconds. For live sources; `Infinity` for files, which wait for us. */
  holdMs: number;
}

/** Most bytes that wait for a clock stamp: PCRs are at most 100 ms apart, so this is enough for 300 Mbit/s. */
const HOLD_BYTES = 4 * 1024 * 1024;

/** Takes runs of bytes, and `undefined` at the end of the stream. Runs are given away: payloads are views into them. */
export class Packetizer implements Stage<Buffer | undefined, MediaDatagram> {
  /** `datagrams` cut; `discontinuities` of the programme clock. */
  readonly stats = { datagrams: 0, discontinuities: 0 };
  readonly wakeAt = Infinity;

  readonly #options: PacketizerOptions;
  readonly #clock = new ProgrammeClock();
  #source: ClockSource = 'undecided';
  #dtsPid: number | undefined;
  #rest: Buffer = Buffer.alloc(0); // less than a datagram
  #held: MediaDatagram[] = [];
  #taken = 0; // of `#held`, by `poll`
  #stamped = 0; // of `#held`, ready for `poll`
  #stampedAt: number | undefined; // when the last stamp came
  #jumped = false; // the next datagram is the first after a jump

  constructor(options: PacketizerOptions) {
    this.#options = options;
    if (!options.transportStream) this.#runAtRate();
  }

  /** Where the times come from. */
  get clock(): ClockSource {
    return this.#source;
  }

  push(run: Buffer | undefined, now: number): void {
    const waiting = this.#held[this.#stamped];
    if (run) this.#cut(this.#rest.length > 0 ? Buffer.concat([this.#rest, run]) : run);
    else {
      if (this.#rest.length > 0) this.#add(this.#rest);
      this.#rest = this.#rest.subarray(0, 0);
    }
    if (this.#stampedAt === undefined || this.#held[this.#stamped] !== waiting) this.#stampedAt = now;
    const heldBytes = (this.#held.length - this.#stamped) * DATAGRAM_PAYLOAD_BYTES;
    const tooLong = now - this.#stampedAt > this.#options.holdMs;
    if (!run || heldBytes > HOLD_BYTES || tooLong) this.#giveUpWaiting();
  }

  poll(): MediaDatagram | undefined {
    if (this.#taken < this.#stamped) return this.#held[this.#taken++];
    if (this.#taken > 0) this.#held = this.#held.slice(this.#taken);
    this.#stamped -= this.#taken;
    this.#taken = 0;
    return undefined;
  }

  #cut(bytes: Buffer): void {
    let at = 0;
    for (; at + DATAGRAM_PAYLOAD_BYTES <= bytes.length; at += DATAGRAM_PAYLOAD_BYTES)
      this.#add(bytes.subarray(at, at + DATAGRAM_PAYLOAD_BYTES));
    this.#rest = bytes.subarray(at);
  }

  #add(payload: Buffer): void {
    const index = this.stats.datagrams++;
    const datagram = { payload, index, programmeTicks: 0, transmitTicks: 0, discontinuity: false };
    this.#held.push(datagram);
    if (this.#options.transportStream) this.#scan(datagram);
    if (this.#clock.reference === undefined && this.#clock.beyond) this.#stampAll();
  }

  /** Looks for clock stamps. */
  #scan({ payload, index }: MediaDatagram): void {
    for (let at = 0; at + TS_PACKET_BYTES <= payload.length; at += TS_PACKET_BYTES) {
      const ticks = this.#source === 'dts' ? this.#dtsAt(payload, at) : pcrAt(payload, at);
      if (ticks === undefined) continue;
      const announced = this.#source !== 'dts' && discontinuityAt(payload, at);
      this.#observe({
        pid: pidAt(payload, at),
        offset: index * DATAGRAM_PAYLOAD_BYTES + at,
        ticks,
        announced,
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
    for (; this.#stamped < this.#held.length; this.#stamped++) {
      const datagram = this.#held[this.#stamped];
      if (!datagram || datagram.index * DATAGRAM_PAYLOAD_BYTES >= end) break;
      const { programmeTicks, transmitTicks } = pointOf(line, datagram.index * DATAGRAM_PAYLOAD_BYTES);
      datagram.programmeTicks = programmeTicks;
      datagram.transmitTicks = transmitTicks;
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
    this.#dtsPid = risingDts(this.#held);
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

  #dtsAt(payload: Buffer, at: number): number | undefined {
    return pidAt(payload, at) === this.#dtsPid ? decodingTimeAt(payload, at) : undefined;
  }
}

/** The decoding time of the PES packet that begins in the transport packet at `at`, in 27 MHz ticks. */
function decodingTimeAt(payload: Buffer, at: number): number | undefined {
  if (!unitStartAt(payload, at) || scrambledAt(payload, at)) return undefined;
  const header = parsePes(payload.subarray(at + payloadOffsetAt(payload, at), at + TS_PACKET_BYTES));
  if (typeof header === 'string') return undefined;
  const ticks = header.dts ?? header.pts;
  return ticks === undefined ? undefined : ticks * 300;
}

/** The first PID with two decoding times or more, all of them rising. */
function risingDts(datagrams: readonly MediaDatagram[]): number | undefined {
  const seen = new Map<number, { last: number; count: number; rising: boolean }>();
  for (const { payload } of datagrams) {
    for (let at = 0; at + TS_PACKET_BYTES <= payload.length; at += TS_PACKET_BYTES) {
      const ticks = decodingTimeAt(payload, at);
      if (ticks === undefined) continue;
      const before = seen.get(pidAt(payload, at));
      const rising = !before || (before.rising && cycleDistance(before.last, ticks, PCR_CYCLE) > 0);
      seen.set(pidAt(payload, at), { last: ticks, count: (before?.count ?? 0) + 1, rising });
    }
  }
  for (const [pid, { count, rising }] of seen) if (rising && count > 1) return pid;
  return undefined;
}
