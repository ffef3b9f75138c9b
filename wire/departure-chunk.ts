/**
 * The memory that datagrams are sent from: slots of equal size, and columns that tell of each.
 *
 *     due times   8 bytes a slot
 *     lengths     4 bytes a slot
 *     slots       one behind the other, so that full ones can leave as one message
 *
 * The native engine sends from where datagrams lie (`native/departure-queue.c` reads this layout), so nothing is copied.
 */

const COLUMN_BYTES = 12;

/** So many slots. Whoever made it fills them, and may do so again once what was in them has left. */
export class DepartureChunk {
  /** All of it, columns and slots. */
  readonly memory: ArrayBuffer;
  /** Monotonic milliseconds, by slot. They never fall from one datagram to the next. */
  readonly dueAt: Float64Array;
  /** Bytes of each datagram, from the front of its slot. */
  readonly lengths: Uint32Array;
  /** The slots, `slotBytes` each. */
  readonly bytes: Buffer;
  readonly slots: number;
  readonly slotBytes: number;

  constructor(slots: number, slotBytes: number) {
    this.slots = slots;
    this.slotBytes = slotBytes;
    this.memory = new ArrayBuffer(slots * (COLUMN_BYTES + slotBytes));
    this.dueAt = new Float64Array(this.memory, 0, slots);
    this.lengths = new Uint32Array(this.memory, 8 * slots, slots);
    this.bytes = Buffer.from(this.memory, COLUMN_BYTES * slots);
  }

  /** A view of the datagram in a slot. */
  datagram(slot: number): Buffer {
    const start = slot * this.slotBytes;
    return this.bytes.subarray(start, start + (this.lengths[slot] ?? 0));
  }
}

/** A chunk with one datagram, which is copied. */
export function singleDatagram(datagram: Uint8Array, dueAt: number): DepartureChunk {
  const chunk = new DepartureChunk(1, datagram.length);
  chunk.bytes.set(datagram);
  chunk.lengths[0] = datagram.length;
  chunk.dueAt[0] = dueAt;
  return chunk;
}
