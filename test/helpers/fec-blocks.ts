/** A stream with its Reed-Solomon repair packets, and a window that they repair. */
import { FecBlockEncoder, PARITY_HEADROOM_BYTES } from '../../sender/fec-block-encoder.ts';
import { HEADER_BYTES } from '../../sender/framer.ts';
import { CHUNK_DATAGRAMS, ChunkPool, MediaChunk, type MediaRun } from '../../sender/media-chunk.ts';
import { type BlockFault, FecBlockDecoder } from '../../receiver/fec-block-decoder.ts';
import type { BlockShape } from '../../wire/fec/block-shape.ts';
import type { Gf256Kernel } from '../../wire/fec/gf256-kernel.ts';
import { RTP_MP2T, writeRtpHeader } from '../../wire/rtp.ts';
import { payloadOf } from './packets.ts';

/** PCR ticks from a datagram to the next: 0.5 ms. */
export const STEP_TICKS = 13_500;

/** What a stream is like. */
export interface StreamOptions {
  count: number;
  sequence?: number;
  ssrc?: number;
  payloadType?: number;
  /** By index; default 1316 bytes that say it. */
  payload?: (index: number) => Buffer;
}

/** A stream as it leaves the framer, in whole chunks. */
export function framedRuns({
  count,
  sequence = 0,
  ssrc = 7,
  payloadType = RTP_MP2T,
  payload = payloadOf,
}: StreamOptions): MediaRun[] {
  const runs: MediaRun[] = [];
  for (let first = 0; first < count; first += CHUNK_DATAGRAMS) {
    const chunk = new MediaChunk(HEADER_BYTES.rtp);
    const end = Math.min(CHUNK_DATAGRAMS, count - first);
    chunk.firstIndex = first;
    for (let slot = 0; slot < end; slot++) {
      const index = first + slot;
      const timestamp = index * (STEP_TICKS / 300);
      const at = slot * chunk.departure.slotBytes;
      const header = { payloadType, marker: false, sequence: (sequence + index) & 0xffff, timestamp, ssrc };
      writeRtpHeader(header, chunk.departure.bytes, at);
      chunk.departure.lengths[slot] = HEADER_BYTES.rtp + payload(index).copy(chunk.departure.bytes, at + 12);
      chunk.departure.dueAt[slot] = 1000 + index / 2;
      chunk.transmitTicks[slot] = chunk.programmeTicks[slot] = index * STEP_TICKS;
      chunk.rtpTimestamps[slot] = timestamp;
    }
    runs.push({ chunk, first: 0, end });
  }
  return runs;
}

/** A datagram on its way, and the time at which it leaves. */
export interface Departure {
  stream: 'media' | 'repair';
  bytes: Buffer;
  transmitTicks: number;
  dueAt: number;
}

/** How to protect. */
export interface Protection {
  shape: BlockShape;
  sequence?: number;
  kernel?: Gf256Kernel;
}

/** Protects runs and gives all datagrams, each stream in its order; copies. */
export function protect(runs: readonly MediaRun[], { shape, sequence = 0, kernel }: Protection): Departure[] {
  const pool = new ChunkPool(PARITY_HEADROOM_BYTES);
  const encoder = new FecBlockEncoder({ shape, sequence, pool, ...(kernel && { kernel }) });
  const departures: Departure[] = [];
  for (const input of [...runs, undefined]) {
    encoder.push(input);
    for (let out = encoder.poll(); out; out = encoder.poll()) departures.push(...departuresOf(out));
  }
  return departures;
}

function departuresOf({ stream, run }: { stream: 'media' | 'repair'; run: MediaRun }): Departure[] {
  const { chunk, first, end } = run;
  return Array.from({ length: end - first }, (_, place) => {
    const slot = first + place;
    return {
      stream,
      bytes: Buffer.from(chunk.departure.datagram(slot)),
      transmitTicks: chunk.transmitTicks[slot] ?? NaN,
      dueAt: chunk.departure.dueAt[slot] ?? NaN,
    };
  });
}

/** All datagrams in the order in which they leave; media before repair packets of the same time. */
export function inOrderOfLeaving<T extends Departure>(departures: readonly T[]): T[] {
  const rank = ({ stream }: Departure): number => (stream === 'media' ? 0 : 1);
  return [...departures].sort((a, b) => a.transmitTicks - b.transmitTicks || rank(a) - rank(b));
}

/** A receiver: its window, which keeps everything, and the decoder. */
export class RepairedReceiver {
  readonly held = new Map<number, Buffer>();
  /** Recovered, by index. */
  readonly recovered = new Map<number, Buffer>();
  readonly decoder: FecBlockDecoder;
  readonly #firstSequence: number;
  #newest = 0;

  constructor(firstSequence = 0, kernel?: Gf256Kernel) {
    this.#firstSequence = firstSequence;
    const window = {
      has: (index: number) => this.held.has(index),
      datagramAt: (index: number) => this.held.get(index),
      recover: (index: number, datagram: Buffer) => {
        if (this.held.has(index)) throw new Error(`recovered ${index}, which is there`);
        this.held.set(index, Buffer.from(datagram));
        this.recovered.set(index, Buffer.from(datagram));
        return true;
      },
    };
    this.decoder = new FecBlockDecoder(window, firstSequence, kernel && { kernel });
  }

  receive({ stream, bytes }: Pick<Departure, 'stream' | 'bytes'>): void {
    if (stream === 'repair') this.decoder.repair(bytes);
    else {
      const step = ((bytes.readUInt16BE(2) - this.#firstSequence - this.#newest) << 16) >> 16;
      const index = this.#newest + step;
      this.#newest = Math.max(this.#newest, index);
      if (this.held.has(index)) return;
      this.held.set(index, bytes);
      this.decoder.arrived(index);
    }
  }

  /** What was refused, by reason. */
  get refused(): Partial<Record<BlockFault, number>> {
    return Object.fromEntries(this.decoder.refused);
  }
}
