/**
 * Watches a transport stream as it comes out of the receiver: the first-priority list of TR 101 290, the PCR's regularity, the
 * tables, the rate. For bare TS, which has no sequence numbers, it is what tells loss.
 *
 * Payloads need not hold whole packets; what is not a transport stream is left alone, uncounted. Times are arrival times: that
 * nothing at all comes for a while is for others to say, so such a silence starts all expectations anew.
 */
import { ContinuityCheck } from '../wire/continuity.ts';
import type { Programme, TransportStreamCounters } from '../wire/metrics.ts';
import { PID_COUNT, SYNC_BYTE, TS_PACKET_BYTES, pidAt } from '../wire/mpeg-ts.ts';
import { ProgrammeTable } from '../wire/programme-table.ts';
import { PAT_PID } from '../wire/psi.ts';
import { PcrWatch } from './pcr-watch.ts';

/** Sync bytes in a row that lock; wrong ones in a row that lose the lock. TR 101 290 §5.2.1. */
const LOCK_AFTER = 5;
const LOST_AFTER = 3;
/** PAT and PMTs are due this often. */
const TABLE_DUE_MS = 500;
/** Sound and picture are due this often. */
const STREAM_DUE_MS = 5000;
/** How often dues are looked at, and so how late a lack may be noticed. */
const LOOK_EVERY_MS = 100;
/** Takes the payloads of one stream in order. */
export class TsMonitor {
  /** Since the start; a restart of the sender does not clear them. */
  readonly counters: TransportStreamCounters = {
    syncLosses: 0,
    syncByteErrors: 0,
    patErrors: 0,
    continuityErrors: 0,
    pmtErrors: 0,
    pidErrors: 0,
    pcrErrors: 0,
  };

  #tables = new ProgrammeTable();
  readonly #continuity = new ContinuityCheck();
  readonly #pcr = new PcrWatch();
  /** When the last packet of each PID came. */
  readonly #seenAt = new Float64Array(PID_COUNT);
  /** When the last table of each table PID was whole. */
  readonly #tableAt = new Map<number, number>();
  #lookAt = -Infinity;
  #lastAt = -Infinity;

  #locked = false;
  /** Right sync bytes in a row before the lock, wrong ones in a row while locked. */
  #run = 0;
  /** The beginning of a packet that ends in the next payload. */
  readonly #cut = Buffer.alloc(TS_PACKET_BYTES);
  #cutBytes = 0;

  /** True while the payload shows itself to be a transport stream. */
  get locked(): boolean {
    return this.#locked;
  }

  /** What the stream says it contains. */
  get programmes(): readonly Programme[] {
    return this.#tables.programmes;
  }

  /** The stream's tables, for who joins it midway. */
  get tables(): ProgrammeTable {
    return this.#tables;
  }

  /** Rate of the transport stream by its own clock over the last second of it; `undefined` while not known. */
  get bitsPerSecond(): number | undefined {
    return this.#pcr.bitsPerSecond;
  }

  /** Takes the next payload. @param now when it arrived */
  push(payload: Buffer, now: number): void {
    if (now - this.#lastAt > TABLE_DUE_MS) this.#expectAnew(now);
    this.#lastAt = Math.max(this.#lastAt, now);
    let at = this.#cutBytes > 0 ? this.#completeCut(payload, now) : 0;
    if (!this.#locked) at = this.#lock(payload, at);
    for (; at + TS_PACKET_BYTES <= payload.length; at += TS_PACKET_BYTES) this.#take(payload, at, now);
    if (this.#locked && at < payload.length) this.#cutBytes = payload.copy(this.#cut, 0, at);
    if (now >= this.#lookAt) this.#look(now);
  }

  /** Payloads are missing between the last one and the next. */
  gap(): void {
    this.#cutBytes = 0;
    this.#pcr.forget();
  }

  /** The sender started anew: what comes next is another stream. */
  restart(): void {
    this.gap();
    this.#continuity.reset();
    this.#tables = new ProgrammeTable();
    this.#lastAt = -Infinity;
    this.#locked = false;
    this.#run = 0;
  }

  #completeCut(payload: Buffer, now: number): number {
    const taken = payload.copy(this.#cut, this.#cutBytes, 0, TS_PACKET_BYTES - this.#cutBytes);
    this.#cutBytes += taken;
    if (this.#cutBytes < TS_PACKET_BYTES) return taken;
    this.#cutBytes = 0;
    this.#take(this.#cut, 0, now);
    return taken;
  }

  /** Where the first packet of a payload begins when its sync bytes lock; its end while they do not. */
  #lock(payload: Buffer, from: number): number {
    const found = from + firstPacket(payload.subarray(from));
    const packets = Math.floor((payload.length - found) / TS_PACKET_BYTES);
    this.#run = packets > 0 ? this.#run + packets : 0;
    this.#locked = this.#run >= LOCK_AFTER;
    if (!this.#locked) return payload.length;
    this.#run = 0;
    return found;
  }

  #take(bytes: Buffer, at: number, now: number): void {
    if (bytes[at] !== SYNC_BYTE) return this.#wrongSync();
    if (!this.#locked) return;
    this.#run = 0;
    const pid = pidAt(bytes, at);
    this.#seenAt[pid] = now;
    if (this.#continuity.check(bytes, at) === 'error') this.counters.continuityErrors++;
    if (this.#tables.isTable(pid)) this.#takeTable(bytes, at, now);
    if (this.#pcr.take(bytes, at, pid)) this.counters.pcrErrors++;
  }

  #wrongSync(): void {
    if (!this.#locked) return;
    this.counters.syncByteErrors++;
    if (++this.#run < LOST_AFTER) return;
    this.counters.syncLosses++;
    this.#locked = false;
    this.#run = 0;
    this.gap();
  }

  #takeTable(bytes: Buffer, at: number, now: number): void {
    const pid = pidAt(bytes, at);
    const news = this.#tables.push(bytes, at);
    if (news === 'table') this.#tableAt.set(pid, now);
    else if (news === 'foreign' && pid === PAT_PID) this.counters.patErrors++;
    else if (news === 'foreign' && this.#isPmtPid(pid)) this.counters.pmtErrors++;
  }

  #isPmtPid(pid: number): boolean {
    for (const pmtPid of this.#tables.pmtPids) if (pmtPid === pid) return true;
    return false;
  }

  /** Everything is due from now on. */
  #expectAnew(now: number): void {
    this.#tableAt.clear();
    this.#seenAt.fill(now);
    this.#lookAt = now + LOOK_EVERY_MS;
    this.#tableAt.set(PAT_PID, now);
  }

  /** Counts what is overdue; each lack once in the time it is due in. */
  #look(now: number): void {
    this.#lookAt = now + LOOK_EVERY_MS;
    if (!this.#locked) return;
    if (this.#overdue(PAT_PID, now)) this.counters.patErrors++;
    const pmtPids = new Set(this.#tables.pmtPids);
    for (const pid of pmtPids) if (this.#overdue(pid, now)) this.counters.pmtErrors++;
    for (const programme of this.programmes) {
      for (const { pid, kind } of programme.streams) {
        // Subtitles and data come when there are any.
        if (kind !== 'video' && kind !== 'audio') continue;
        if (now - (this.#seenAt[pid] ?? now) <= STREAM_DUE_MS) continue;
        this.counters.pidErrors++;
        this.#seenAt[pid] = now;
      }
    }
  }

  #overdue(pid: number, now: number): boolean {
    const last = this.#tableAt.get(pid);
    if (last !== undefined && now - last <= TABLE_DUE_MS) return false;
    this.#tableAt.set(pid, now);
    return last !== undefined;
  }
}

/** Offset of the first place from which all sync bytes in a payload are right; its length when there is none. */
function firstPacket(payload: Buffer): number {
  for (let first = 0; first < TS_PACKET_BYTES && first + TS_PACKET_BYTES <= payload.length; first++) {
    let at = first;
    while (at < payload.length && payload[at] === SYNC_BYTE) at += TS_PACKET_BYTES;
    if (at >= payload.length) return first;
  }
  return payload.length;
}
