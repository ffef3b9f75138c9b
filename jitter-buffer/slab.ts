/**
 * Memory for the datagrams that are held: slots of one size in chunks that are added as they are needed and used again for
 * ever. Nothing of it lies on the heap of JavaScript.
 */

/** A datagram on its way into the window. It is copied: the object and its buffer may be used again afterwards. */
export interface Arrival {
  /** Its place in the stream: a whole number from 0. */
  index: number;
  /** At most `MAX_DATAGRAM_BYTES`. */
  datagram: Buffer;
  /** Where in the datagram the payload lies. */
  payloadStart: number;
  payloadEnd: number;
  /** Monotonic milliseconds; of one that repair brought back, when it did. */
  arrivedAt: number;
  /** Media clock of the framing in 90 kHz ticks, unwrapped; NaN for framings without one. */
  timestampTicks: number;
  /** Media time in milliseconds, without jumps; NaN when the media clock cannot pace anything. */
  mediaMs: number;
  /** The media clock jumps here. */
  discontinuity: boolean;
  /** Repair brought it back: it tells nothing of the network, neither by its time nor by its place among the others. */
  recovered: boolean;
}

/** One to be filled again and again. */
export function emptyArrival(): Arrival {
  return {
    index: 0,
    datagram: Buffer.alloc(0),
    payloadStart: 0,
    payloadEnd: 0,
    arrivedAt: 0,
    timestampTicks: Number.NaN,
    mediaMs: Number.NaN,
    discontinuity: false,
    recovered: false,
  };
}

/** Largest datagram that can be kept. */
export const MAX_DATAGRAM_BYTES = 2048;

const CHUNK_SLOTS = 256;

const EMPTY = Buffer.alloc(0);

/** Where datagrams lie that need not be held: one place for all, which stays in the processor's cache. */
const passage = Buffer.allocUnsafeSlow(MAX_DATAGRAM_BYTES);
/** The last view of a payload there, and where that begins. */
let passing = EMPTY;
let passingStart = 0;

/** The payload of a datagram that need not be held: a view that is good until the next one passes, in any window. */
export function passPayload({ datagram, payloadStart, payloadEnd }: Arrival): Buffer {
  passage.set(datagram);
  if (passingStart === payloadStart && passing.length === payloadEnd - payloadStart) return passing;
  passingStart = payloadStart;
  return (passing = passage.subarray(payloadStart, payloadEnd));
}

/** A fixed number of slots. A slot is a whole number from 0. */
export class Slab {
  readonly #chunks: Buffer[] = [];
  /** Slots that are free, the one used last on top: it is still in the processor's cache. */
  readonly #free: Int32Array;
  #freeCount = 0;

  // By slot.
  /** The last view of its payload, and where in the slot that begins: nearly always the next datagram there is the same. */
  readonly #views: Buffer[] = [];
  readonly #viewStart: Uint16Array;
  readonly #start: Uint16Array;
  readonly #end: Uint16Array;
  readonly #length: Uint16Array;
  readonly #arrivedAt: Float64Array;
  readonly #timestampTicks: Float64Array;
  readonly #mediaMs: Float64Array;
  readonly #discontinuity: Uint8Array;

  /** @param slots most datagrams kept at once */
  constructor(slots: number) {
    this.#free = new Int32Array(slots);
    this.#viewStart = new Uint16Array(slots);
    this.#start = new Uint16Array(slots);
    this.#end = new Uint16Array(slots);
    this.#length = new Uint16Array(slots);
    this.#arrivedAt = new Float64Array(slots);
    this.#timestampTicks = new Float64Array(slots);
    this.#mediaMs = new Float64Array(slots);
    this.#discontinuity = new Uint8Array(slots);
  }

  /** Copies a datagram into a free slot. The caller knows that there is one. */
  store(arrival: Arrival): number {
    const { datagram } = arrival;
    if (this.#freeCount === 0) this.#grow();
    const slot = this.#free[--this.#freeCount] ?? 0;
    this.#chunkOf(slot).set(datagram, offsetOf(slot));
    this.#start[slot] = arrival.payloadStart;
    this.#end[slot] = arrival.payloadEnd;
    this.#length[slot] = datagram.length;
    this.#arrivedAt[slot] = arrival.arrivedAt;
    this.#timestampTicks[slot] = arrival.timestampTicks;
    this.#mediaMs[slot] = arrival.mediaMs;
    this.#discontinuity[slot] = arrival.discontinuity ? 1 : 0;
    return slot;
  }

  free(slot: number): void {
    this.#free[this.#freeCount++] = slot;
  }

  /** The payload, a view that is good until the slot is stored into again. */
  payload(slot: number): Buffer {
    const start = this.#start[slot] ?? 0;
    const end = this.#end[slot] ?? 0;
    const last = this.#views[slot] ?? EMPTY;
    if (this.#viewStart[slot] === start && last.length === end - start) return last;
    const offset = offsetOf(slot);
    this.#viewStart[slot] = start;
    return (this.#views[slot] = this.#chunkOf(slot).subarray(offset + start, offset + end));
  }

  /** The whole datagram, header and padding included: a view that is good until the slot is stored into again. */
  datagram(slot: number): Buffer {
    const offset = offsetOf(slot);
    return this.#chunkOf(slot).subarray(offset, offset + (this.#length[slot] ?? 0));
  }

  arrivedAt(slot: number): number {
    return this.#arrivedAt[slot] ?? 0;
  }

  timestampTicks(slot: number): number | undefined {
    const ticks = this.#timestampTicks[slot] ?? Number.NaN;
    return Number.isNaN(ticks) ? undefined : ticks;
  }

  /** NaN when it has none. */
  mediaMs(slot: number): number {
    return this.#mediaMs[slot] ?? Number.NaN;
  }

  discontinuity(slot: number): boolean {
    return this.#discontinuity[slot] === 1;
  }

  #chunkOf(slot: number): Buffer {
    const chunk = this.#chunks[(slot / CHUNK_SLOTS) | 0];
    if (!chunk) throw new RangeError(`slot ${slot} was never handed out`);
    return chunk;
  }

  #grow(): void {
    const first = this.#chunks.length * CHUNK_SLOTS;
    const last = Math.min(first + CHUNK_SLOTS, this.#free.length) - 1;
    if (last < first) throw new RangeError(`all ${first} slots are in use`);
    this.#chunks.push(Buffer.allocUnsafeSlow(CHUNK_SLOTS * MAX_DATAGRAM_BYTES));
    for (let slot = first; slot <= last; slot++) this.#views.push(EMPTY);
    for (let slot = last; slot >= first; slot--) this.free(slot);
  }
}

function offsetOf(slot: number): number {
  return (slot % CHUNK_SLOTS) * MAX_DATAGRAM_BYTES;
}
