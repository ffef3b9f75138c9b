/**
 * From the receiving thread to JavaScript: hands over what lies in its chunks, datagram by datagram, without a call into the
 * addon for each.
 *
 * A chunk is 256 KiB that both sides see. At its head lies a column for each property of a datagram, behind them the slots that
 * hold the bytes (`native/arrival.h`). Views of slots are kept and used again, as most datagrams are equally long.
 */
import type { Endpoint } from '../wire/address.ts';
import { onReading } from './driver.ts';

/** What `native/arrival.c` offers. Sockets are named by the numbers that `openArrivals` gives. */
export interface ArrivalAddon {
  /** Starts the thread; `taker` is called when something has come. Once. */
  startArrivals(taker: () => void): void;
  /** Hands a descriptor over to the thread, for good. What comes waits for more no longer than the least `gatherMs` of all, or 20. */
  openArrivals(descriptor: number, gatherMs: number): number;
  /** Closes its descriptor. What is still in chunks stays there. */
  closeArrivals(socket: number): void;
  /** Reads all sockets on this thread. */
  readArrivals(): void;
  /** The next datagrams, of one chunk: `chunk << 16 | first << 8 | end`, or -1. Those of the call before are done with. */
  nextArrivals(): number;
  /** The memory of a chunk; the same each time. */
  arrivalChunk(chunk: number): ArrayBuffer;
  /** Where a datagram came from. */
  arrivalSource(chunk: number, index: number): [address: string, port: number];
  /** Datagrams that the kernel dropped for want of room; wraps at 32 bits. */
  arrivalDrops(socket: number): number;
  /** How often the memory was full. */
  arrivalOverruns(): number;
}

/** Takes what came for one socket. */
export interface Taker {
  /** `data` and `source` are valid during the call only. */
  take(data: Buffer, arrivedAt: number, source: Endpoint): void;
  /** Called behind each run of datagrams, of 64 at most. */
  afterRun(): void;
}

/** As in `native/arrival.h`. */
const CHUNK_SLOTS = 124;
const CHUNK_HEAD_BYTES = 8192;
const SLOT_BYTES = 2048;

/** `afterRun` is called after so many. */
const LONGEST_RUN = 64;
/** Of one wake-up, so that timers have their turn: about four thousand datagrams. */
const CHUNKS_PER_TURN = 32;

interface Chunk {
  readonly arrivedAt: Float64Array;
  /** First slot << 16 | length. */
  readonly places: Uint32Array;
  readonly sockets: Uint32Array;
  readonly sources: Uint32Array;
  readonly slots: Buffer;
  /** The view used last of each slot. */
  readonly views: (Buffer | undefined)[];
}

interface Socket {
  readonly taker: Taker;
  /** Of the last datagram; made anew when the thread's number of it changes. */
  source: Endpoint;
  sourceNumber: number;
}

/** Hands over for all sockets of one addon. */
export class Handover {
  static readonly #all = new WeakMap<ArrivalAddon, Handover>();

  readonly #addon: ArrivalAddon;
  readonly #sockets = new Map<number, Socket>();
  readonly #chunks: (Chunk | undefined)[] = [];
  readonly #again = (): void => this.#handOver(CHUNKS_PER_TURN);
  /** The socket whose run is being handed over, the number of it, and datagrams of the run. */
  #socket: Socket | undefined;
  #number = 0;
  #run = 0;
  #busy = false;

  /** The one of `addon`. Throws the system's error when the thread cannot be started. */
  static of(addon: ArrivalAddon): Handover {
    let handover = this.#all.get(addon);
    if (!handover) {
      handover = new Handover(addon);
      this.#all.set(addon, handover);
    }
    return handover;
  }

  constructor(addon: ArrivalAddon) {
    this.#addon = addon;
    addon.startArrivals(this.#again);
    onReading(() => this.#readNow());
  }

  /** Receives from a descriptor, which is the thread's from now on. Keeps the process alive until it is closed. */
  open(descriptor: number, taker: Taker, gatherMs: number): number {
    const number = this.#addon.openArrivals(descriptor, gatherMs);
    this.#sockets.set(number, { taker, source: { address: '', port: 0 }, sourceNumber: 0 });
    return number;
  }

  /** Nothing of this socket is handed over any more, and its port is free. */
  close(number: number): void {
    this.#sockets.delete(number);
    if (this.#number === number) this.#socket = undefined;
    this.#addon.closeArrivals(number);
  }

  /** All that has come until now, also what the thread has left in the kernel for a while. */
  #readNow(): void {
    if (this.#sockets.size === 0) return;
    this.#addon.readArrivals();
    this.#handOver(Infinity);
  }

  #handOver(mostChunks: number): void {
    if (this.#busy) return; // asked for by a taker: what there is is on its way
    this.#busy = true;
    let left = mostChunks;
    try {
      while (left > 0) {
        const run = this.#addon.nextArrivals();
        if (run < 0) break;
        this.#takeRun(run >> 16, (run >> 8) & 0xff, run & 0xff);
        left--;
      }
      this.#endRun();
    } finally {
      this.#busy = false;
    }
    if (left === 0) setImmediate(this.#again);
  }

  #takeRun(number: number, first: number, end: number): void {
    const chunk = (this.#chunks[number] ??= this.#open(number));
    for (let index = first; index < end; index++) {
      const socketNumber = chunk.sockets[index] ?? 0;
      if (socketNumber !== this.#number) this.#startRun(socketNumber);
      const socket = this.#socket;
      if (!socket) continue; // closed meanwhile
      const sourceNumber = chunk.sources[index] ?? 0;
      if (sourceNumber !== socket.sourceNumber) {
        const [address, port] = this.#addon.arrivalSource(number, index);
        socket.source = { address, port };
        socket.sourceNumber = sourceNumber;
      }
      try {
        socket.taker.take(viewOf(chunk, index), chunk.arrivedAt[index] ?? 0, socket.source);
      } catch (error) {
        throwLater(error);
      }
      if (++this.#run === LONGEST_RUN) this.#endRun();
    }
  }

  #startRun(socketNumber: number): void {
    this.#endRun();
    this.#number = socketNumber;
    this.#socket = this.#sockets.get(socketNumber);
  }

  #endRun(): void {
    if (this.#run === 0) return;
    this.#run = 0;
    try {
      this.#socket?.taker.afterRun();
    } catch (error) {
      throwLater(error);
    }
  }

  #open(number: number): Chunk {
    const memory = this.#addon.arrivalChunk(number);
    const words = (at: number): Uint32Array => new Uint32Array(memory, CHUNK_SLOTS * at, CHUNK_SLOTS);
    return {
      arrivedAt: new Float64Array(memory, 0, CHUNK_SLOTS),
      places: words(8),
      sockets: words(12),
      sources: words(16),
      slots: Buffer.from(memory, CHUNK_HEAD_BYTES),
      views: Array.from({ length: CHUNK_SLOTS }, () => undefined),
    };
  }
}

/** The bytes of a datagram. */
function viewOf({ places, slots, views }: Chunk, index: number): Buffer {
  const place = places[index] ?? 0;
  const slot = place >>> 16;
  const length = place & 0xffff;
  const view = views[slot];
  if (view?.length === length) return view;
  const from = slot * SLOT_BYTES;
  return (views[slot] = slots.subarray(from, from + length));
}

/** As an event emitter would: what a sink throws is a bug, and must not keep the others from what is theirs. */
function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
