/**
 * The receive window: the one place where received datagrams are kept, and knows which came and which did not.
 *
 *     released or given up │ missing, held, missing …       │ nothing came yet
 *     ─────────────────────┼────────────────────────────────┼──────────────────
 *                         next                             end
 *
 * When to release and when to give up is decided by a policy over it: `in-order.ts`, `paced.ts`.
 */
import { Bitmap } from './bitmap.ts';
import { passPayload, Slab, type Arrival } from './slab.ts';

/**
 * A datagram that leaves. The object, and what it shows, are good until the window's next call of any kind, or another one's
 * `pass`.
 */
export interface ReleasedPayload {
  kind: 'payload';
  /** A view into the window's own memory. */
  payload: Buffer;
  index: number;
  /** As in `Arrival`; `undefined` for framings without one. */
  timestampTicks: number | undefined;
  arrivedAt: number;
  discontinuity: boolean;
}

/** `count` datagrams from `first` on are not waited for any longer. */
export interface ReleasedGap {
  kind: 'gap';
  first: number;
  count: number;
}

/** What a window has counted since it was made, over all streams. */
export interface WindowCounters {
  /** Datagrams released, and their payload. */
  packets: number;
  bytes: number;
  /** Indexes given up. */
  lost: number;
  /** Of `lost`: given up before their time, because there was no room to wait. */
  overflow: number;
  /** Came after they had been given up; each is counted once. */
  late: number;
  /** Came although they had come before, or so long ago that nobody knows. */
  duplicate: number;
  /** Came in time, but after one with a higher index. */
  reordered: number;
}

/** Datagrams that fit by default: 8 s of 20 Mbit/s, 170 ms of 1 Gbit/s. 32 MiB if ever all are held at once. */
export const DEFAULT_CAPACITY = 16_384;

const MIN_CAPACITY = 64;
const MAX_CAPACITY = 32_768;

/** One stream of datagrams at a time. */
export class ReceiveWindow {
  readonly counters: Readonly<WindowCounters>;

  readonly #counters = { packets: 0, bytes: 0, lost: 0, overflow: 0, late: 0, duplicate: 0, reordered: 0 };
  readonly #capacity: number;
  readonly #slab: Slab;
  /** By index modulo capacity: where a held datagram lies. */
  readonly #slots: Int32Array;
  /** Which indexes ever came; also remembers some that were released or given up. */
  readonly #came: Bitmap;
  /** Indexes in the order of their arrival, a ring. Released ones at its head are skipped. */
  readonly #arrivals: Float64Array;
  #arrivalsHead = 0;
  #arrivalsTail = 0;

  #next = 0;
  #end = 0;
  #firstHeld = Infinity;
  /** A datagram too far ahead: it goes in once everything before `#aheadIndex` - capacity is gone. */
  #aheadIndex = -1;
  #aheadSlot = -1;
  /** The slot whose view was handed out last, and what it was handed out in. */
  #lent = -1;
  readonly #released: ReleasedPayload = {
    kind: 'payload',
    payload: Buffer.alloc(0),
    index: 0,
    timestampTicks: undefined,
    arrivedAt: 0,
    discontinuity: false,
  };

  /** @param capacity most datagrams held and widest span of their indexes: a power of two, 64 to 32768 */
  constructor(capacity = DEFAULT_CAPACITY) {
    if (capacity < MIN_CAPACITY || capacity > MAX_CAPACITY || (capacity & (capacity - 1)) !== 0) {
      throw new RangeError(`a receive window of ${capacity}: expected a power of two from 64 to 32768`);
    }
    this.counters = this.#counters;
    this.#capacity = capacity;
    this.#slab = new Slab(capacity + 2); // one more too far ahead, one lent
    this.#slots = new Int32Array(capacity);
    this.#came = new Bitmap(4 * capacity);
    this.#arrivals = new Float64Array(2 * capacity);
  }

  /** The index to be released or given up next. */
  get next(): number {
    return this.#next;
  }

  /** One past the highest index that came or was given up. */
  get end(): number {
    return this.#end;
  }

  /** The lowest index that is held; `Infinity` when there is none. */
  get firstHeld(): number {
    return this.#firstHeld;
  }

  /** A datagram waits outside for room: give up what is missing with `giveUpForRoom`, take what is not. */
  get crowded(): boolean {
    return this.#aheadSlot >= 0;
  }

  /** When the datagram held longest arrived; `Infinity` when there is none. */
  get oldestArrivedAt(): number {
    this.#skipReleased();
    if (this.#arrivalsHead === this.#arrivalsTail) return Infinity;
    return this.#slab.arrivedAt(this.#slotOf(this.#arrivals[this.#arrivalsHead] ?? 0));
  }

  /** Media time from the first to the last datagram held, else the time between their arrivals; milliseconds. */
  get heldMs(): number {
    if (this.#firstHeld === Infinity) return 0;
    const first = this.#slotOf(this.#firstHeld);
    const last = this.#slotOf(this.#end - 1);
    const mediaMs = this.#slab.mediaMs(last) - this.#slab.mediaMs(first);
    const cameMs = this.#slab.arrivedAt(last) - this.#slab.arrivedAt(first);
    return Math.max(0, Number.isNaN(mediaMs) ? cameMs : mediaMs);
  }

  /** Takes one datagram. When it leaves the window `crowded`, make room before the next: a second one that far ahead is dropped. */
  put(arrival: Arrival): void {
    this.#reclaim();
    const { index } = arrival;
    if (index < this.#next || (index < this.#end && this.#came.has(index))) this.#countOld(index);
    else if (index < this.#next + this.#capacity) this.#insert(index, this.#slab.store(arrival));
    else if (!this.crowded) {
      this.#aheadIndex = index;
      this.#aheadSlot = this.#slab.store(arrival);
    }
  }

  /**
   * Releases a datagram at once, without holding it, when it is `next` and nothing is held or missing. `undefined` when it has
   * to be put in.
   */
  pass(arrival: Arrival): ReleasedPayload | undefined {
    const { index } = arrival;
    if (index !== this.#next || index !== this.#end || this.crowded) return undefined;
    this.#next = this.#end = index + 1;
    this.#came.set(index);
    const released = this.#released;
    released.payload = passPayload(arrival);
    released.index = index;
    const { timestampTicks } = arrival;
    released.timestampTicks = Number.isNaN(timestampTicks) ? undefined : timestampTicks;
    released.arrivedAt = arrival.arrivedAt;
    released.discontinuity = arrival.discontinuity;
    this.#counters.packets++;
    this.#counters.bytes += released.payload.length;
    return released;
  }

  /** Releases `next`, which is held. */
  take(): ReleasedPayload {
    this.#reclaim();
    const index = this.#next;
    const slot = this.#slotOf(index);
    const released = this.#released;
    released.payload = this.#slab.payload(slot);
    released.index = index;
    released.timestampTicks = this.#slab.timestampTicks(slot);
    released.arrivedAt = this.#slab.arrivedAt(slot);
    released.discontinuity = this.#slab.discontinuity(slot);
    this.#lent = slot;
    this.#advance(index + 1);
    this.#firstHeld = this.#came.firstSet(index + 1, this.#end);
    this.#counters.packets++;
    this.#counters.bytes += released.payload.length;
    return released;
  }

  /** Gives up what is missing from `next` on, up to the first datagram held and not beyond `limit`. */
  giveUp(limit = Infinity): ReleasedGap {
    const first = this.#next;
    const until = Math.min(this.#firstHeld, limit);
    this.#counters.lost += until - first;
    if (until > this.#end) this.#extend(until);
    this.#advance(until);
    return { kind: 'gap', first, count: until - first };
  }

  /** Gives up what is missing at `next` and stands in the way of the datagram that waits outside. */
  giveUpForRoom(): ReleasedGap {
    const gap = this.giveUp(this.#aheadIndex - this.#capacity + 1);
    this.#counters.overflow += gap.count;
    return gap;
  }

  /** The first index from `index` on that is held; `Infinity` when there is none. */
  heldFrom(index: number): number {
    return this.#came.firstSet(Math.max(index, this.#next), this.#end);
  }

  /** Media time of a held datagram in milliseconds; NaN when it has none. */
  mediaMsOf(index: number): number {
    return this.#slab.mediaMs(this.#slotOf(index));
  }

  /** When the first one to arrive of those held behind `index` did so; `Infinity` when there is none. */
  arrivedBehind(index: number): number {
    this.#skipReleased();
    for (let at = this.#arrivalsHead; at !== this.#arrivalsTail; at = this.#after(at)) {
      const held = this.#arrivals[at] ?? 0;
      if (held > index && held >= this.#next) return this.#slab.arrivedAt(this.#slotOf(held));
    }
    return Infinity;
  }

  /** Begins a new stream at index 0. What is still held is dropped: it should have been released before. */
  restart(): void {
    this.#reclaim();
    for (let index = this.#firstHeld; index < this.#end; index = this.#came.firstSet(index + 1, this.#end)) {
      this.#slab.free(this.#slotOf(index));
    }
    if (this.crowded) this.#slab.free(this.#aheadSlot);
    this.#came.clear(0, Infinity);
    this.#arrivalsHead = this.#arrivalsTail = 0;
    this.#next = this.#end = 0;
    this.#firstHeld = Infinity;
    this.#aheadSlot = -1;
  }

  #slotOf(index: number): number {
    return this.#slots[index & (this.#capacity - 1)] ?? 0; // right for any index: `&` takes its lowest bits
  }

  #insert(index: number, slot: number): void {
    if (index >= this.#end) this.#extend(index + 1);
    else this.#counters.reordered++;
    this.#came.set(index);
    this.#slots[index & (this.#capacity - 1)] = slot;
    if (index < this.#firstHeld) this.#firstHeld = index;
    this.#skipReleased(); // at most two windows of indexes can have come since the head did
    this.#arrivals[this.#arrivalsTail] = index;
    this.#arrivalsTail = this.#after(this.#arrivalsTail);
  }

  #extend(end: number): void {
    this.#came.clear(this.#end, end);
    this.#end = end;
  }

  #advance(next: number): void {
    this.#next = next;
    if (this.#aheadSlot < 0 || this.#aheadIndex >= next + this.#capacity) return;
    const slot = this.#aheadSlot;
    this.#aheadSlot = -1;
    this.#insert(this.#aheadIndex, slot);
  }

  #countOld(index: number): void {
    if (index < this.#end - this.#came.length || this.#came.has(index)) this.#counters.duplicate++;
    else {
      this.#came.set(index);
      this.#counters.late++;
    }
  }

  #skipReleased(): void {
    while (
      this.#arrivalsHead !== this.#arrivalsTail &&
      (this.#arrivals[this.#arrivalsHead] ?? 0) < this.#next
    ) {
      this.#arrivalsHead = this.#after(this.#arrivalsHead);
    }
  }

  #after(at: number): number {
    return at + 1 === this.#arrivals.length ? 0 : at + 1;
  }

  #reclaim(): void {
    if (this.#lent >= 0) this.#slab.free(this.#lent);
    this.#lent = -1;
  }
}
