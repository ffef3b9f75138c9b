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
import { Fifo } from './fifo.ts';
import {
  CHUNK_DATAGRAMS,
  ChunkPool,
  DATAGRAM_PAYLOAD_BYTES,
  type MediaChunk,
  type MediaRun,
} from './media-chunk.ts';
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
  /** Where chunks come from; whoever uses them up gives them back. Default: a pool without room for headers. */
  pool?: ChunkPool;
}

/** Most bytes that wait for a clock stamp: PCRs are at most 100 ms apart, so this is enough for 300 Mbit/s. */
const HOLD_BYTES = 4 * 1024 * 1024;

/** Takes runs of bytes, which are copied at once, and `undefined` at the end of the stream. */
export class Packetizer implements Stage<Buffer | undefined, MediaRun> {
  /** `datagrams` cut; `discontinuities` of the programme clock. */
  readonly stats = { datagrams: 0, discontinuities: 0 };
  readonly wakeAt = Infinity;

  readonly #options: PacketizerOptions;
  readonly #clock = new ProgrammeClock();
  #source: ClockSource = 'undecided';
  #dtsPid: number | undefined;
  readonly #pool: ChunkPool;
  readonly #chunks = new Fifo<MediaChunk>(); // with datagrams that were not given out, and the one that is being filled
  #filling: MediaChunk | undefined;
  #openBytes = 0; // of the payload that is not whole yet
  #stamped = 0; // datagrams that are ready for `poll`, or were
  #given = 0;
  #stampedAt: number | undefined; // when the last stamp came
  #jumped = false; // the next datagram is the first after a jump

  constructor(options: PacketizerOptions) {
    this.#options = options;
    this.#pool = options.pool ?? new ChunkPool(0);
    if (!options.transportStream) this.#runAtRate();
  }

  /** Where the times come from. */
  get clock(): ClockSource {
    return this.#source;
  }

  push(run: Buffer | undefined, now: number): void {
    const stampedBefore = this.#stamped;
    const nothingWaited = stampedBefore === this.stats.datagrams;
    if (run) this.#cut(run);
    else this.#cutShort();
    if (this.#stampedAt === undefined || nothingWaited || this.#stamped > stampedBefore)
      this.#stampedAt = now;
    const heldBytes = (this.stats.datagrams - this.#stamped) * DATAGRAM_PAYLOAD_BYTES;
    const tooLong = now - this.#stampedAt > this.#options.holdMs;
    if (!run || heldBytes > HOLD_BYTES || tooLong) this.#giveUpWaiting();
  }

  poll(): MediaRun | undefined {
    const chunk = this.#chunks.at(0);
    if (!chunk || this.#given === this.#stamped) return undefined;
    const first = this.#given - chunk.firstIndex;
    const end = Math.min(CHUNK_DATAGRAMS, this.#stamped - chunk.firstIndex);
    this.#given = chunk.firstIndex + end;
    if (end === CHUNK_DATAGRAMS) this.#chunks.shift();
    return { chunk, first, end };
  }

  #cut(run: Buffer): void {
    for (let at = 0; at < run.length;) {
      const isWhole = this.#openBytes === 0 && run.length - at >= DATAGRAM_PAYLOAD_BYTES;
      at += isWhole ? this.#fillWhole(run, at) : this.#fillPart(run, at);
    }
  }

  #chunkToFill(): MediaChunk {
    const filling = this.#filling;
    if (filling && this.stats.datagrams < filling.firstIndex + CHUNK_DATAGRAMS) return filling;
    const chunk = this.#pool.take();
    chunk.firstIndex = this.stats.datagrams;
    this.#chunks.push(chunk);
    this.#filling = chunk;
    return chunk;
  }

  /** Takes whole payloads of `run` from `at` on, as many as fit into the chunk. Returns their bytes. */
  #fillWhole(run: Buffer, at: number): number {
    const chunk = this.#chunkToFill();
    const slot = this.stats.datagrams - chunk.firstIndex;
    const whole = Math.floor((run.length - at) / DATAGRAM_PAYLOAD_BYTES);
    const count = Math.min(whole, CHUNK_DATAGRAMS - slot);
    const bytes = count * DATAGRAM_PAYLOAD_BYTES;
    chunk.fill(slot, run.subarray(at, at + bytes));
    this.#add(chunk, slot, count);
    return bytes;
  }

  /** Takes of `run` from `at` on what the open payload wants, or what there is. Returns how much. */
  #fillPart(run: Buffer, at: number): number {
    const chunk = this.#chunkToFill();
    const slot = this.stats.datagrams - chunk.firstIndex;
    const bytes = Math.min(run.length - at, DATAGRAM_PAYLOAD_BYTES - this.#openBytes);
    run.copy(chunk.departure.bytes, chunk.payloadAt(slot) + this.#openBytes, at, at + bytes);
    this.#openBytes += bytes;
    chunk.departure.lengths[slot] = chunk.headerBytes + this.#openBytes;
    if (this.#openBytes < DATAGRAM_PAYLOAD_BYTES) return bytes;
    this.#openBytes = 0;
    this.#add(chunk, slot, 1);
    return bytes;
  }

  /** The stream ends: so does the last datagram. */
  #cutShort(): void {
    if (this.#openBytes === 0) return;
    this.#openBytes = 0;
    const chunk = this.#chunkToFill();
    this.#add(chunk, this.stats.datagrams - chunk.firstIndex, 1);
  }

  /** Whole datagrams have come. */
  #add(chunk: MediaChunk, slot: number, count: number): void {
    this.stats.datagrams += count;
    if (this.#options.transportStream)
      for (let each = slot; each < slot + count; each++) this.#scan(chunk, each);
    if (this.#clock.reference === undefined && this.#clock.beyond) this.#stampAll();
  }

  /** Looks for clock stamps. */
  #scan(chunk: MediaChunk, slot: number): void {
    const { bytes } = chunk.departure;
    const byDts = this.#source === 'dts';
    const first = chunk.payloadAt(slot);
    const last = first + chunk.payloadBytes(slot) - TS_PACKET_BYTES;
    for (let at = first; at <= last; at += TS_PACKET_BYTES) {
      if (!byDts && !hasAdaptationAt(bytes, at)) continue;
      const ticks = byDts ? this.#dtsAt(bytes, at) : pcrAt(bytes, at);
      if (ticks === undefined) continue;
      this.#observe({
        pid: pidAt(bytes, at),
        offset: (chunk.firstIndex + slot) * DATAGRAM_PAYLOAD_BYTES + at - first,
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
    for (let place = 0; this.#stamped < this.stats.datagrams; place++) {
      const chunk = this.#chunks.at(place);
      if (!chunk || !this.#stampChunk(chunk, line, end)) break;
    }
    if (!jump) return;
    this.#jumped = true;
    this.stats.discontinuities++;
  }

  /** Stamps datagrams of a chunk that begin before `end`. Returns false when there are others behind that. */
  #stampChunk(chunk: MediaChunk, line: Line, end: number): boolean {
    const { firstIndex, programmeTicks, transmitTicks, discontinuities } = chunk;
    const behind = Math.min(this.stats.datagrams - firstIndex, CHUNK_DATAGRAMS);
    for (let slot = this.#stamped - firstIndex; slot < behind; slot++) {
      const offset = (firstIndex + slot) * DATAGRAM_PAYLOAD_BYTES;
      if (offset >= end) return false;
      const ticks = (offset - line.offset) * line.ticksPerByte;
      programmeTicks[slot] = line.programmeTicks + ticks;
      transmitTicks[slot] = line.transmitTicks + ticks;
      discontinuities[slot] = this.#jumped ? 1 : 0;
      this.#jumped = false;
      this.#stamped++;
    }
    return true;
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
    this.#dtsPid = risingDts(this.#chunks, this.stats.datagrams);
    if (this.#dtsPid === undefined) return this.#runAtRate();
    this.#source = 'dts';
    this.#clock.release();
    for (const [chunk, slot] of datagramsOf(this.#chunks, this.stats.datagrams)) this.#scan(chunk, slot);
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

/** The datagrams of chunks that come before the one with number `count`. */
function* datagramsOf(
  chunks: Iterable<MediaChunk>,
  count: number,
): Generator<[chunk: MediaChunk, slot: number]> {
  for (const chunk of chunks) {
    const end = Math.min(CHUNK_DATAGRAMS, count - chunk.firstIndex);
    for (let slot = 0; slot < end; slot++) yield [chunk, slot];
  }
}

/** The first PID with two decoding times or more, all of them rising. */
function risingDts(chunks: Iterable<MediaChunk>, count: number): number | undefined {
  const seen = new Map<number, { last: number; count: number; rising: boolean }>();
  for (const [chunk, slot] of datagramsOf(chunks, count)) {
    const { bytes } = chunk.departure;
    const last = chunk.payloadAt(slot) + chunk.payloadBytes(slot) - TS_PACKET_BYTES;
    for (let at = chunk.payloadAt(slot); at <= last; at += TS_PACKET_BYTES) {
      const ticks = decodingTimeAt(bytes, at);
      if (ticks === undefined) continue;
      const before = seen.get(pidAt(bytes, at));
      const rising = !before || (before.rising && cycleDistance(before.last, ticks, PCR_CYCLE) > 0);
      seen.set(pidAt(bytes, at), { last: ticks, count: (before?.count ?? 0) + 1, rising });
    }
  }
  for (const [pid, each] of seen) if (each.rising && each.count > 1) return pid;
  return undefined;
}
