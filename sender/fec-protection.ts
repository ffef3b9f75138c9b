/**
 * Protects a stream by forward error correction, in one way after the other: what the present encoder holds is sent to its end
 * when another one begins. The media itself is only looked at.
 */
import { type FecSetting, formatFecSetting } from '../wire/fec/fec-setting.ts';
import type { FecDirection } from '../wire/fec/smpte2022.ts';
import type { Stage } from '../wire/stage.ts';
import { FecBlockEncoder, PARITY_HEADROOM_BYTES } from './fec-block-encoder.ts';
import { FecEncoder } from './fec-encoder.ts';
import { Fifo } from './fifo.ts';
import { ChunkPool, type MediaRun } from './media-chunk.ts';

/** Repair packets, with their times. */
export interface RepairRun {
  /** Which of the two streams of repair packets: Reed-Solomon goes where columns do. */
  stream: FecDirection;
  run: MediaRun;
}

/** What protection has come to. */
export interface FecFigures {
  /** As `--fec` is written; absent: not protected at present. */
  setting?: string;
  /** Repair packets so far. */
  packets: number;
  bytes: number;
}

/** Where the memory of all repair packets of the process comes from. */
export const REPAIR_POOL = new ChunkPool(PARITY_HEADROOM_BYTES);

/** Of all engines, when nobody asks for another one. */
const LONGEST_DEFAULT_QUANTUM_MS = 5;

/** Takes the runs that leave the pacer in order, and `undefined` for the end. */
export class FecProtection implements Stage<MediaRun | undefined, RepairRun> {
  readonly wakeAt = Infinity;

  readonly #ready = new Fifo<RepairRun>();
  /** The next sequence numbers: each stream has one series, whatever encoder makes it. */
  readonly #sequences: Record<FecDirection, number>;
  readonly #newestDueAt: Record<FecDirection, number> = { column: -Infinity, row: -Infinity };
  readonly #behindMs: number;
  #setting: FecSetting | undefined;
  #encoder: FecEncoder | FecBlockEncoder | undefined;
  #packets = 0;
  #bytes = 0;

  /**
   * @param sequences 16 random bits for each stream: its first sequence numbers
   * @param quantumMs repair packets leave so much later than encoders say: what they protect, in another queue, is to leave before
   */
  constructor(sequences: Readonly<Record<FecDirection, number>>, quantumMs = LONGEST_DEFAULT_QUANTUM_MS) {
    this.#sequences = { ...sequences };
    this.#behindMs = quantumMs;
  }

  get figures(): FecFigures {
    const setting = this.#setting && { setting: formatFecSetting(this.#setting) };
    return { ...setting, packets: this.#packets, bytes: this.#bytes };
  }

  /** Protects what comes from now on in this way; `undefined`: not at all. */
  change(setting: FecSetting | undefined): void {
    this.push(undefined);
    this.#setting = setting;
    this.#encoder = setting && this.#encoderOf(setting);
  }

  push(run: MediaRun | undefined): void {
    const encoder = this.#encoder;
    if (!encoder) return;
    encoder.push(run);
    for (let out = encoder.poll(); out; out = encoder.poll())
      if (out.stream !== 'media') this.#add(out.stream === 'row' ? 'row' : 'column', out.run);
    if (!run) this.#encoder = undefined;
  }

  poll(): RepairRun | undefined {
    return this.#ready.shift();
  }

  #encoderOf(setting: FecSetting): FecEncoder | FecBlockEncoder {
    const { column, row } = this.#sequences;
    if (setting.kind === 'rs')
      return new FecBlockEncoder({ shape: setting.shape, sequence: column, pool: REPAIR_POOL });
    return new FecEncoder({ matrix: setting.matrix, sequences: { column, row }, pool: REPAIR_POOL });
  }

  #add(stream: FecDirection, run: MediaRun): void {
    const { lengths, dueAt } = run.chunk.departure;
    for (let slot = run.first; slot < run.end; slot++) {
      this.#bytes += lengths[slot] ?? 0;
      // What is left of the encoder before reaches into the time of this one.
      const at = (dueAt[slot] ?? 0) + this.#behindMs;
      dueAt[slot] = this.#newestDueAt[stream] = Math.max(this.#newestDueAt[stream], at);
    }
    const count = run.end - run.first;
    this.#packets += count;
    this.#sequences[stream] = (this.#sequences[stream] + count) & 0xffff;
    this.#ready.push({ stream, run });
  }
}

/** The streams of repair packets that a setting needs. */
export function streamsOf(setting: FecSetting): FecDirection[] {
  return setting.kind === '2022' && setting.matrix.rowPackets ? ['column', 'row'] : ['column'];
}
