/**
 * Puts access units together: datagrams → transport packets → PES packets (ISO/IEC 13818-1 §2.4.3.6) → pictures and sound.
 *
 * A unit closes when the length of its PES packet is reached; without a length at the next access unit delimiter, and at the
 * latest where the next PES packet of its PID begins.
 */
import { ContinuityCheck } from '../wire/continuity.ts';
import type { Programme } from '../wire/metrics.ts';
import { TS_PACKET_BYTES, discontinuityAt, hasPayloadAt, pidAt, transportErrorAt } from '../wire/mpeg-ts.ts';
import { ProgrammeTable } from '../wire/programme-table.ts';
import type { Stage } from '../wire/stage.ts';
import { PacketGrid } from './packet-grid.ts';
import type { Released } from './sink.ts';
import { UnitBuilder, UnitClock, type AccessUnit, type UnitBudget } from './unit-builder.ts';

/** All units that are being gathered hold at most this much. */
const MOST_HELD_BYTES = 64 * 2 ** 20;
/** So many packets missing in a row may leave every continuity counter as it was. */
const COUNTER_CYCLE = 16;

/**
 * Takes what is released; gives the access units of the sound and the pictures that the PMT names, in the order in which they are
 * complete. It never waits for time.
 */
export class FrameAssembler implements Stage<Released, AccessUnit> {
  readonly wakeAt = Infinity;

  readonly #grid = new PacketGrid();
  readonly #continuity = new ContinuityCheck();
  #tables = new ProgrammeTable();
  /** What `#builders` was made from. */
  #programmes: readonly Programme[] = [];
  #builders = new Map<number, UnitBuilder>();
  readonly #clocks = new Map<number, UnitClock>();
  readonly #budget: UnitBudget = { left: MOST_HELD_BYTES };
  /** Epoch of clocks that are new: 0 until the sender started anew. */
  #firstEpoch = 0;
  #mostPackets = 1;
  readonly #ready: AccessUnit[] = [];

  push(released: Released): void {
    switch (released.kind) {
      case 'payload':
        if (released.discontinuity) for (const clock of this.#clocks.values()) clock.epoch++;
        return this.#takePayload(released.payload, released.arrivedAt);
      case 'gap':
        return this.#gap(released.count);
      case 'restart':
        return this.#restart();
      case 'end':
        return this.#finish();
    }
  }

  poll(): AccessUnit | undefined {
    return this.#ready.shift();
  }

  #takePayload(payload: Buffer, now: number): void {
    const grid = this.#grid;
    let at = grid.open(payload);
    if (grid.joined) this.#take(grid.joined, 0, now);
    for (; at + TS_PACKET_BYTES <= payload.length; at += TS_PACKET_BYTES) {
      if (grid.isPacket(payload, at)) this.#take(payload, at, now);
    }
    grid.close(payload, at);
    this.#mostPackets = Math.max(this.#mostPackets, Math.ceil(payload.length / TS_PACKET_BYTES));
  }

  #take(bytes: Buffer, at: number, now: number): void {
    const pid = pidAt(bytes, at);
    if (this.#tables.isTable(pid)) return this.#takeTable(bytes, at);
    const builder = this.#builders.get(pid);
    // What a broken packet held is missed by the counter of the next one.
    if (!builder || transportErrorAt(bytes, at)) return;
    if (discontinuityAt(bytes, at)) this.#announceJump(pid);
    const verdict = this.#continuity.check(bytes, at);
    if (verdict === 'error') builder.cut(this.#ready);
    if (verdict !== 'duplicate' && hasPayloadAt(bytes, at)) builder.take(bytes, at, now, this.#ready);
  }

  #takeTable(bytes: Buffer, at: number): void {
    this.#tables.push(bytes, at);
    if (this.#tables.programmes !== this.#programmes) this.#rebuild();
  }

  /** Keeps a builder for each stream of sound and pictures that the tables name now. */
  #rebuild(): void {
    this.#programmes = this.#tables.programmes;
    const before = this.#builders;
    this.#builders = new Map();
    for (const programme of this.#programmes) {
      for (const stream of programme.streams) {
        if ((stream.kind !== 'video' && stream.kind !== 'audio') || this.#builders.has(stream.pid)) continue;
        const known = before.get(stream.pid);
        const same = known?.stream.codec === stream.codec;
        const clock = this.#clockOf(programme.number);
        this.#builders.set(stream.pid, same ? known : new UnitBuilder(stream, clock, this.#budget));
      }
    }
    for (const [pid, builder] of before) if (this.#builders.get(pid) !== builder) builder.release();
  }

  #clockOf(programme: number): UnitClock {
    const known = this.#clocks.get(programme);
    if (known) return known;
    const clock = new UnitClock(this.#firstEpoch);
    this.#clocks.set(programme, clock);
    return clock;
  }

  /** The clocks of the programmes whose PCR is on this PID may jump. */
  #announceJump(pid: number): void {
    for (const { number, pcrPid } of this.#programmes) if (pcrPid === pid) this.#clockOf(number).epoch++;
  }

  #gap(datagrams: number): void {
    this.#grid.gap();
    // Fewer missing packets show in the counters of the streams they belong to; the others are whole.
    if (datagrams * this.#mostPackets < COUNTER_CYCLE) return;
    for (const builder of this.#builders.values()) builder.cut(this.#ready);
  }

  #restart(): void {
    this.#gap(Infinity);
    for (const builder of this.#builders.values()) builder.release();
    this.#builders.clear();
    this.#clocks.clear();
    this.#firstEpoch = 1;
    this.#programmes = [];
    this.#tables = new ProgrammeTable();
    this.#continuity.reset();
    this.#grid.restart();
  }

  #finish(): void {
    for (const builder of this.#builders.values()) builder.finish(this.#ready);
  }
}
