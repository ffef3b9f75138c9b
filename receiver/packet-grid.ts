/**
 * Where the transport packets lie in the payloads of datagrams. Nearly always each payload begins with one; where packets go on
 * from one payload into the next, they are joined. What is not a transport stream never locks.
 *
 *     let at = grid.open(payload);
 *     if (grid.joined) take(grid.joined, 0);
 *     for (; at + TS_PACKET_BYTES <= payload.length; at += TS_PACKET_BYTES) if (grid.isPacket(payload, at)) take(payload, at);
 *     grid.close(payload, at);
 */
import { SYNC_BYTE, TS_PACKET_BYTES } from '../wire/mpeg-ts.ts';

/** Right sync bytes in a row that lock, wrong ones in a row that lose the lock: TR 101 290 §5.2.1. */
const LOCK_AFTER = 5;
const LOST_AFTER = 3;

/** Follows the packets of one stream from payload to payload. */
export class PacketGrid {
  /** TR 101 290: 1.1 losses of the lock; 1.2 wrong sync bytes while locked. */
  readonly stats = { syncLosses: 0, syncByteErrors: 0 };

  #locked = false;
  /** Right sync bytes in a row before the lock, wrong ones in a row while locked. */
  #run = 0;
  /** The beginning of a packet that ends in the next payload. */
  readonly #cut = Buffer.alloc(TS_PACKET_BYTES);
  #cutBytes = 0;
  #joined = false;
  /** Payloads do not hold whole packets, so where the next one's begin follows from the one before. */
  #uneven = false;

  /** True while the payload shows itself to be a transport stream. */
  get locked(): boolean {
    return this.#locked;
  }

  /** The packet that began in the payload before and ends in the one just opened. Valid until `close`. */
  get joined(): Buffer | undefined {
    return this.#joined ? this.#cut : undefined;
  }

  /** Takes the next payload: gives the offset of the first packet that begins in it. */
  open(payload: Buffer): number {
    this.#joined = false;
    if (this.#cutBytes > 0) return this.#join(payload);
    return this.#locked ? 0 : this.#lock(payload);
  }

  /** True when the place at `at` holds a packet; counts it when it should and does not. */
  isPacket(bytes: Buffer, at: number): boolean {
    if (bytes[at] !== SYNC_BYTE) return this.#wrongSync();
    // Before the lock this is the run to the lock, afterwards that of wrong ones.
    if (this.#locked) this.#run = 0;
    return this.#locked;
  }

  /** Keeps what lies behind the last whole packet of a payload. */
  close(payload: Buffer, at: number): void {
    this.#joined = false;
    if (!this.#locked || at >= payload.length) return;
    this.#cutBytes = payload.copy(this.#cut, 0, at);
    this.#uneven = true;
  }

  /** Something is missing before the next payload. */
  gap(): void {
    if (this.#uneven) this.restart();
  }

  /** What comes next is another stream. */
  restart(): void {
    this.#cutBytes = 0;
    this.#locked = false;
    this.#run = 0;
    this.#uneven = false;
  }

  #join(payload: Buffer): number {
    const taken = payload.copy(this.#cut, this.#cutBytes, 0, TS_PACKET_BYTES - this.#cutBytes);
    this.#cutBytes += taken;
    if (this.#cutBytes === TS_PACKET_BYTES) {
      this.#cutBytes = 0;
      this.#joined = this.isPacket(this.#cut, 0);
    }
    return taken;
  }

  /** Locks when enough sync bytes are right; the payload's end while not. */
  #lock(payload: Buffer): number {
    const first = firstPacket(payload);
    const packets = Math.floor((payload.length - first) / TS_PACKET_BYTES);
    this.#run = packets > 0 ? this.#run + packets : 0;
    if (this.#run < LOCK_AFTER) return payload.length;
    this.#locked = true;
    this.#run = 0;
    return first;
  }

  #wrongSync(): false {
    if (!this.#locked) return false;
    this.stats.syncByteErrors++;
    if (++this.#run < LOST_AFTER) return false;
    this.stats.syncLosses++;
    this.restart();
    return false;
  }
}

/** Offset of the first place from which on all sync bytes of a payload are right; its length when there is none. */
function firstPacket(payload: Buffer): number {
  for (let first = 0; first < TS_PACKET_BYTES && first + TS_PACKET_BYTES <= payload.length; first++) {
    let at = first;
    while (at < payload.length && payload[at] === SYNC_BYTE) at += TS_PACKET_BYTES;
    if (at >= payload.length) return first;
  }
  return payload.length;
}
