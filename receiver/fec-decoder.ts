/**
 * Recovers what is missing in the receive window from column and row FEC (SMPTE 2022-1), for as long as one recovery leads to the
 * next.
 *
 * It keeps repair packets only, and a bounded number of them: those that are believed (`repair-trust.ts`), unless what came shows
 * that they are not the XOR of it.
 */
import {
  type FecDirection,
  Recovery,
  type RecoveryFault,
  type RepairFault,
  parseRepair,
  protects,
} from '../wire/fec/smpte2022.ts';
import type { FecSetting } from '../wire/fec/fec-setting.ts';
import { wrapDistance } from '../wire/sequence.ts';
import { Repair, RepairStream } from './repair-trust.ts';

/** What FEC needs of the receive window. Indexes are unwrapped; the decoder may also ask for some below 0. */
export interface RepairedWindow {
  /** A datagram is there: held, or released and still kept. */
  has(index: number): boolean;
  /** All of it, its RTP header included: a view, good until the next call of `recover`. */
  datagramAt(index: number): Buffer | undefined;
  /** Takes an RTP datagram that was recovered, and copies it. The decoder is not told of it. False: it is of no use any more. */
  recover(index: number, datagram: Buffer): boolean;
}

/** What a decoder has counted. */
export interface FecCounters {
  /** Repair packets that were read, each once. */
  repairPackets: number;
  /** Repair packets that had come before. */
  duplicate: number;
  /** Source packets recovered, by what. */
  recovered: Record<FecDirection, number>;
}

/** Why something was of no use. Also the value of the `reason` label in the metrics. */
export type RefusedRepair = RepairFault | RecoveryFault | 'contradicted'; // all that it protects is there, and it is not the XOR of that

/** Repair packets that wait, of both directions: those of three matrices at least. */
const MOST_OPEN = 128;

/** For one run of sequence numbers of one sender. */
export class FecDecoder {
  readonly counters: FecCounters = { repairPackets: 0, duplicate: 0, recovered: { column: 0, row: 0 } };
  readonly refused: Map<string, number>;

  readonly #window: RepairedWindow;
  readonly #firstSequence: number;
  readonly #recovery = new Recovery();
  readonly #streams: Readonly<Record<FecDirection, RepairStream>> = {
    column: new RepairStream(),
    row: new RepairStream(),
  };
  /** Believed repair packets that may still be needed, oldest first. */
  readonly #open: Repair[] = [];
  /** Indexes that came to be available: others may be recovered now. */
  readonly #news: number[] = [];
  /** One past the highest index that was sent, as far as is known. */
  #end = 0;

  /** @param firstSequence 16 bits: the sequence number that has index 0 */
  constructor(window: RepairedWindow, firstSequence: number, refused = new Map<string, number>()) {
    this.#window = window;
    this.#firstSequence = firstSequence;
    this.refused = refused;
  }

  /** How the sender protects the stream, once its repair packets have told. */
  get setting(): FecSetting | undefined {
    const { newest } = this.#streams.column;
    if (!newest) return undefined;
    const rowPackets = this.#streams.row.newest !== undefined;
    return { kind: '2022', matrix: { columns: newest.offset, rows: newest.na, rowPackets } };
  }

  /** A source packet came, and is in the window. */
  arrived(index: number): void {
    const before = this.#end;
    if (index >= before) this.#end = index + 1;
    if (this.#open.length === 0) return;
    this.#news.push(index);
    this.#solve();
    if (index > before) this.#retryFrom(before);
  }

  /**
   * All before `end` were sent: the sender has told so. Without it the last ones of a stream are not recovered, for nothing
   * shows that they are not still to come.
   */
  sentUntil(end: number): void {
    const before = this.#end;
    if (end <= before) return;
    this.#end = end;
    this.#retryFrom(before);
  }

  /** Takes a datagram from the port of columns or of rows. What is needed later is copied. */
  repair(datagram: Buffer): void {
    const packet = parseRepair(datagram);
    if (typeof packet === 'string') {
      this.#refuse(packet);
      return;
    }
    const stream = this.#streams[packet.direction];
    if (stream.has(packet)) {
      this.counters.duplicate++;
      return;
    }
    this.counters.repairPackets++;
    const repair = new Repair(packet, this.#indexOf(packet.snBase));
    if (!stream.believes(packet) && this.#isWhole(repair)) this.#test(repair);
    for (const believed of stream.add(repair)) this.#use(believed);
  }

  /** The index that a sequence number stands for now. */
  #indexOf(sequence: number): number {
    const near = Math.max(0, this.#end - 1);
    return near + wrapDistance(this.#firstSequence + near, sequence, 16);
  }

  /** Recovers by a repair packet what it can, and keeps it when it may be needed later. */
  #use(repair: Repair): void {
    this.#open.push(repair);
    this.#attempt(repair);
    this.#solve();
    if (!this.#open.includes(repair)) return;
    repair.keepBytes();
    if (this.#open.length > MOST_OPEN) this.#open.shift()?.dropBytes();
  }

  /** Tries all that protect something from `index` on. */
  #retryFrom(index: number): void {
    for (let at = this.#open.length - 1; at >= 0; at--) {
      const repair = this.#open[at];
      if (repair && repair.lastIndex >= index) this.#attempt(repair);
    }
    this.#solve();
  }

  /** Recovers what news make possible, which is news again. */
  #solve(): void {
    for (let index = this.#news.pop(); index !== undefined; index = this.#news.pop()) {
      for (let at = this.#open.length - 1; at >= 0; at--) {
        const repair = this.#open[at];
        if (repair && protects(repair.packet, index - repair.firstIndex)) this.#attempt(repair);
      }
    }
  }

  /** Recovers what is missing if it is one. Closes a repair packet that has nothing more to give. */
  #attempt(repair: Repair): void {
    const { packet, firstIndex, lastIndex, series } = repair;
    let missing: number | undefined;
    for (let index = firstIndex; index <= lastIndex; index += packet.offset) {
      if (this.#window.has(index)) continue;
      if (missing !== undefined) return;
      missing = index;
    }
    if (missing === undefined) {
      if (series.trust !== 'proven') this.#test(repair);
    } else {
      // What is not there may still be to come: it would be recovered before it was lost.
      if (missing >= this.#end || missing < 0 || series.trust === 'refuted') return;
      this.#recover(repair, missing);
    }
    this.#close(repair);
  }

  /** All that it protects is there. */
  #isWhole({ packet, firstIndex, lastIndex }: Repair): boolean {
    for (let index = firstIndex; index <= lastIndex; index += packet.offset)
      if (!this.#window.has(index)) return false;
    return true;
  }

  #recover(repair: Repair, missing: number): void {
    this.#add(repair);
    const recovered = this.#recovery.finish((this.#firstSequence + missing) & 0xffff);
    if (typeof recovered === 'string') {
      this.#refuse(recovered);
      this.#streams[repair.packet.direction].forget(repair); // a true one may follow
    } else if (this.#window.recover(missing, recovered)) {
      this.counters.recovered[repair.packet.direction]++;
      this.#news.push(missing);
    }
  }

  /** Compares a repair packet with what it protects, which is all there. */
  #test(repair: Repair): void {
    this.#add(repair);
    const { series } = repair;
    series.trust = this.#recovery.isNothing ? 'proven' : 'refuted';
    if (series.trust === 'refuted') this.#refuse('contradicted');
  }

  /** Adds up a repair packet and all that is there of what it protects. */
  #add({ packet, firstIndex, lastIndex }: Repair): void {
    this.#recovery.begin(packet);
    for (let index = firstIndex; index <= lastIndex; index += packet.offset) {
      const source = this.#window.datagramAt(index);
      if (source) this.#recovery.add(source);
    }
  }

  /** Needs it no longer. Whoever walks backwards through those that are open may close the present one. */
  #close(repair: Repair): void {
    const at = this.#open.lastIndexOf(repair);
    this.#open.splice(at, 1);
    repair.dropBytes();
  }

  #refuse(reason: RefusedRepair): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
  }
}
