/**
 * The receive window: the one place where received datagrams are kept, and knows which came and which did not.
 *
 *     released or given up │ missing, held, missing …       │ nothing came yet
 *     ────────────┼────────┼────────────────────────────────┼──────────────────
 *             next - kept next                             end
 *
 * When to release and when to give up is decided by a policy over it: `in-order.ts`, `paced.ts`. Repair looks into it
 * (`missingFrom`, `datagramAt`) and puts what it recovers like what arrives, but marked.
 */
import { ArrivalOrder } from './arrival-order.ts';
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
  /** Came although they had come or been recovered before, or so long ago that nobody knows. */
  duplicate: number;
  /** Came in time, but after one with a higher index. */
  reordered: number;
  /** Put by repair before they were given up. They are not in `lost`. */
  recovered: number;
  /** Of `recovered`: came by themselves after all, and are in `duplicate`. The network did not lose them, repair was faster. */
  needless: number;
}

/** Datagrams that fit by default: 8 s of 20 Mbit/s, 170 ms of 1 Gbit/s. 32 MiB if ever all are held at once. */
const DEFAULT_CAPACITY = 16_384;

/** In place of a slot. */
const NOWHERE = -1;

const MIN_CAPACITY = 64;
const MAX_CAPACITY = 32_768;

/** One stream of datagrams at a time. */
export class ReceiveWindow {
  readonly counters: Readonly<WindowCounters>;

  readonly #counters: WindowCounters = {
    packets: 0,
    bytes: 0,
    lost: 0,
    overflow: 0,
    late: 0,
    duplicate: 0,
    reordered: 0,
    recovered: 0,
    needless: 0,
  };
  readonly #capacity: number;
  readonly #slab: Slab;
  /** By index modulo its length: where a datagram lies that is held or kept; `NOWHERE` for one that is neither, behind `next`. */
  readonly #slots: Int32Array;
  /** Which indexes ever came; also remembers some that were released or given up. */
  readonly #came: Bitmap;
  /** By index modulo its length: one more than the index that was recovered there last. */
  readonly #recovered: Float64Array;
  readonly #arrivals: ArrivalOrder;

  #next = 0;
  #end = 0;
  #kept = 0;
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
    this.#slab = new Slab(2 * capacity + 2); // held and kept; one more too far ahead, one lent
    this.#slots = new Int32Array(2 * capacity);
    this.#came = new Bitmap(4 * capacity);
    this.#recovered = new Float64Array(capacity);
    this.#arrivals = new ArrivalOrder(capacity);
  }

  /** Most datagrams held, and most that are kept. */
  get capacity(): number {
    return this.#capacity;
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

  /**
   * How many indexes behind `next` repair can look at, released datagrams and late ones: 0, the default, to the capacity. May
   * change at any time. Each takes a slot of memory, and while it is not 0 `pass` holds a datagram on its way.
   */
  get kept(): number {
    return this.#kept;
  }

  set kept(count: number) {
    if (!(count >= 0 && count <= this.#capacity)) {
      throw new RangeError(`${count} datagrams to be kept: expected 0 to the window's ${this.#capacity}`);
    }
    this.#forget(this.#next - this.#kept, this.#next - count);
    this.#markNowhere(this.#next - count, this.#next - this.#kept);
    this.#kept = count;
  }

  /** A datagram waits outside for room: give up what is missing with `giveUpForRoom`, take what is not. */
  get crowded(): boolean {
    return this.#aheadSlot >= 0;
  }

  /** When the datagram held longest arrived; `Infinity` when there is none. */
  get oldestArrivedAt(): number {
    return this.arrivedBehind(this.#next - 1);
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

  /**
   * Takes one datagram. When it leaves the window `crowded`, make room before the next: a second one that far ahead is dropped.
   *
   * A recovered one is counted only where it fills a hole: not when it came, is given up or too far ahead.
   */
  put(arrival: Arrival): void {
    this.#reclaim();
    const { index } = arrival;
    if (arrival.recovered) this.#putRecovered(arrival);
    else if (index < this.#next || (index < this.#end && this.#came.has(index))) this.#putOld(arrival);
    else if (index < this.#next + this.#capacity) this.#insert(index, this.#slab.store(arrival));
    else if (!this.crowded) {
      this.#aheadIndex = index;
      this.#aheadSlot = this.#slab.store(arrival);
    }
  }

  /**
   * Releases a datagram that came at once, without holding it unless some are `kept`, when it is `next` and nothing is held or
   * missing. `undefined` when it has to be put in.
   */
  pass(arrival: Arrival): ReleasedPayload | undefined {
    const { index } = arrival;
    if (index !== this.#next || index !== this.#end || this.crowded) return undefined;
    if (this.#kept > 0) {
      this.put(arrival);
      return this.take();
    }
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
    if (this.#kept === 0) this.#lent = slot;
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
    if (this.#kept > 0) this.#markNowhere(Math.max(first, until - this.#kept), until);
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

  /** The first index from `index` on that is waited for: before it others are held, behind it as well. `Infinity` when there is none. */
  missingFrom(index: number): number {
    return this.#came.firstClear(Math.max(index, this.#next), this.#end);
  }

  /** Whether a datagram is here to be looked at: held, or kept behind `next`. */
  has(index: number): boolean {
    if (index >= this.#next) return index < this.#end && this.#came.has(index);
    return index >= Math.max(0, this.#next - this.#kept) && this.#slotOf(index) !== NOWHERE;
  }

  /** The whole datagram, its header included, if the window `has` it: a view that is good until the next `put`, `take` or gap. */
  datagramAt(index: number): Buffer | undefined {
    return this.has(index) ? this.#slab.datagram(this.#slotOf(index)) : undefined;
  }

  /** Media time of a held datagram in milliseconds; NaN when it has none. */
  mediaMsOf(index: number): number {
    return this.#slab.mediaMs(this.#slotOf(index));
  }

  /** When the first one to arrive of those held behind `index` did so; `Infinity` when there is none. */
  arrivedBehind(index: number): number {
    const first = this.#arrivals.firstFrom(Math.max(index + 1, this.#next), this.#next);
    return first === Infinity ? Infinity : this.#slab.arrivedAt(this.#slotOf(first));
  }

  /** Begins a new stream at index 0. What is still held is dropped: it should have been released before. */
  restart(): void {
    this.#reclaim();
    for (let index = this.#firstHeld; index < this.#end; index = this.#came.firstSet(index + 1, this.#end)) {
      this.#slab.free(this.#slotOf(index));
    }
    this.#forget(this.#next - this.#kept, this.#next);
    if (this.crowded) this.#slab.free(this.#aheadSlot);
    this.#came.clear(0, Infinity);
    this.#recovered.fill(0);
    this.#arrivals.clear();
    this.#next = this.#end = 0;
    this.#firstHeld = Infinity;
    this.#aheadSlot = -1;
  }

  #slotOf(index: number): number {
    return this.#slots[index & (this.#slots.length - 1)] ?? 0; // right for any index: `&` takes its lowest bits
  }

  #putAt(index: number, slot: number): void {
    this.#slots[index & (this.#slots.length - 1)] = slot;
  }

  /** What lies at these indexes cannot be looked at any longer. */
  #forget(from: number, to: number): void {
    for (let index = Math.max(0, from); index < to; index++) {
      const slot = this.#slotOf(index);
      if (slot !== NOWHERE) this.#slab.free(slot);
    }
  }

  #markNowhere(from: number, to: number): void {
    for (let index = from; index < to; index++) this.#putAt(index, NOWHERE);
  }

  #insert(index: number, slot: number): void {
    if (index >= this.#end) this.#extend(index + 1);
    else if (!this.#isRecovered(index)) this.#counters.reordered++;
    this.#came.set(index);
    this.#putAt(index, slot);
    if (index < this.#firstHeld) this.#firstHeld = index;
    this.#arrivals.add(index, this.#next);
  }

  #extend(end: number): void {
    this.#came.clear(this.#end, end);
    this.#end = end;
  }

  #advance(next: number): void {
    if (this.#kept > 0) this.#forget(this.#next - this.#kept, Math.min(next - this.#kept, this.#next));
    this.#next = next;
    if (this.#aheadSlot < 0 || this.#aheadIndex >= next + this.#capacity) return;
    const slot = this.#aheadSlot;
    this.#aheadSlot = -1;
    this.#insert(this.#aheadIndex, slot);
  }

  #putOld(arrival: Arrival): void {
    const { index } = arrival;
    if (index < this.#end - this.#came.length || this.#came.has(index)) {
      this.#counters.duplicate++;
      if (!this.#isRecovered(index)) return;
      this.#counters.needless++;
      this.#markRecovered(index, false);
    } else {
      this.#came.set(index);
      this.#counters.late++;
      this.#keepLate(arrival);
    }
  }

  #putRecovered(arrival: Arrival): void {
    const { index } = arrival;
    if (index < this.#next) this.#keepLate(arrival);
    else if (index < this.#next + this.#capacity && !this.has(index)) {
      this.#counters.recovered++;
      this.#markRecovered(index, true);
      this.#insert(index, this.#slab.store(arrival));
    }
  }

  /** Of no use any longer by itself, but others may be recovered by it. */
  #keepLate(arrival: Arrival): void {
    const { index } = arrival;
    if (index >= this.#next - this.#kept && !this.has(index)) this.#putAt(index, this.#slab.store(arrival));
  }

  #isRecovered(index: number): boolean {
    return this.#recovered[index & (this.#capacity - 1)] === index + 1;
  }

  #markRecovered(index: number, recovered: boolean): void {
    this.#recovered[index & (this.#capacity - 1)] = recovered ? index + 1 : 0;
  }

  #reclaim(): void {
    if (this.#lent >= 0) this.#slab.free(this.#lent);
    this.#lent = -1;
  }
}
