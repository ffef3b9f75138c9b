/**
 * Finds the packets in a run of bytes: files and pipes of 188-byte packets, and of 192 (Blu-ray: four bytes of arrival time
 * before each) and 204 (sixteen of Reed–Solomon parity behind each).
 *
 * As TR 101 290 §5.2.1 has it: locked after five sync bytes at equal distances, lost at the third wrong one in a row. One or two
 * wrong ones between right ones pass as they are. What was searched in vain, and the packets that lost the lock, are skipped.
 */
import { SYNC_BYTE, TS_PACKET_BYTES } from './mpeg-ts.ts';

/** Bytes from one packet to the next. */
export type TsLayout = 188 | 192 | 204;

const LAYOUTS = [188, 192, 204] as const;
const LOCK_AFTER = 5;
const LOST_AFTER = 3;
/** Sync bytes that do where the stream ends before the fifth; one does when nothing lies before it. */
const LOCK_AT_END = 3;
const NOTHING = Buffer.alloc(0);

/** Turns bytes in pieces of any size into runs of whole packets. How they are cut never changes what comes out. */
export class TsSync {
  /** `skippedBytes` belong to no packet; `losses` of the lock; `syncByteErrors` among the packets that came out. */
  readonly stats = { skippedBytes: 0, losses: 0, syncByteErrors: 0 };

  #held: Buffer = NOTHING;
  #layout: TsLayout | undefined;
  /** Bytes passed over since the search began. */
  #searched = 0;
  #everLocked = false;

  /** The layout that is locked on; `undefined` while searching. */
  get layout(): TsLayout | undefined {
    return this.#layout;
  }

  /** Bytes that are held because their packet is not complete or not recognised yet. After `finish`: of the cut last packet. */
  get bytesLeft(): number {
    return this.#held.length;
  }

  /**
   * Takes the next bytes and gives whole 188-byte packets, possibly none.
   *
   * What it gives may be a view into `bytes`; what it keeps of them is a copy.
   */
  push(bytes: Buffer): Buffer {
    return this.#advance(this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]), false);
  }

  /** Says that no more bytes come, and gives the last packets. */
  finish(): Buffer {
    return this.#advance(this.#held, true);
  }

  #advance(data: Buffer, ended: boolean): Buffer {
    const runs: Buffer[] = [];
    let at = 0;
    for (;;) {
      if (this.#layout === undefined) at = this.#search(data, at, ended);
      const layout = this.#layout;
      if (layout === undefined) break;
      const end = this.#follow(data, at, ended);
      if (end > at) runs.push(onlyPackets(data, at, end, layout));
      at = end;
      if (this.#layout !== undefined) break;
      // What was taken for the next packet's prefix was passed over, too.
      this.#searched = prefixBytes(layout);
    }
    this.#held = at < data.length ? Buffer.from(data.subarray(at)) : NOTHING;
    return runs.length === 1 ? (runs[0] ?? NOTHING) : Buffer.concat(runs);
  }

  /** Looks for a lock from `at` on; gives where it is, or from where to look again when more bytes are there. */
  #search(data: Buffer, from: number, ended: boolean): number {
    for (let at = from; at < data.length; at++) {
      const layout = data[at] === SYNC_BYTE ? this.#layoutAt(data, at, ended) : undefined;
      if (layout === 'undecided') return at;
      if (layout !== undefined) {
        this.stats.skippedBytes += this.#searched - Math.min(prefixBytes(layout), this.#searched);
        this.#searched = 0;
        this.#layout = layout;
        this.#everLocked = true;
        return at;
      }
      this.#searched++;
    }
    if (ended) this.stats.skippedBytes += this.#searched;
    return data.length;
  }

  #layoutAt(data: Buffer, at: number, ended: boolean): TsLayout | 'undecided' | undefined {
    for (const layout of LAYOUTS) {
      const good = goodSyncBytes(data, at, layout);
      if (good === LOCK_AFTER) return layout;
      if (at + good * layout < data.length) continue;
      if (!ended) return 'undecided';
      const first = !this.#everLocked && this.#searched === prefixBytes(layout);
      if ((first || good >= LOCK_AT_END) && at + TS_PACKET_BYTES <= data.length) return layout;
    }
    return undefined;
  }

  /** The end of the last packet with a right sync byte that is reached from `from` on; gives the lock up when it is lost. */
  #follow(data: Buffer, from: number, ended: boolean): number {
    const layout = this.#layout ?? TS_PACKET_BYTES;
    // What the layout puts behind a packet is waited for, unless nothing more comes.
    const last = data.length - (ended ? TS_PACKET_BYTES : layout);
    let confirmed = from;
    let bad = 0;
    for (let at = from; at <= last && bad < LOST_AFTER; at += layout) {
      if (data[at] !== SYNC_BYTE) {
        bad++;
        continue;
      }
      if (bad > 0) this.stats.syncByteErrors += bad;
      bad = 0;
      confirmed = at + layout;
    }
    if (bad === LOST_AFTER) {
      this.stats.losses++;
      this.#layout = undefined;
    }
    return confirmed;
  }
}

/** What a layout puts before each packet. */
function prefixBytes(layout: TsLayout): number {
  return layout === 192 ? 4 : 0;
}

/** Right sync bytes from `at` on at the distance of a layout, up to what a lock needs. */
function goodSyncBytes(data: Buffer, at: number, layout: TsLayout): number {
  let good = 1;
  while (good < LOCK_AFTER && data[at + good * layout] === SYNC_BYTE) good++;
  return good;
}

/** The packets from `from` to `end` without what the layout puts between them. */
function onlyPackets(data: Buffer, from: number, end: number, layout: TsLayout): Buffer {
  if (layout === TS_PACKET_BYTES) return data.subarray(from, end);
  const packets = Buffer.allocUnsafe(((end - from) / layout) * TS_PACKET_BYTES);
  for (let at = from, to = 0; at < end; at += layout, to += TS_PACKET_BYTES) {
    data.copy(packets, to, at, at + TS_PACKET_BYTES);
  }
  return packets;
}
