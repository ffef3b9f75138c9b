/**
 * Watches a transport stream as it comes out of the receiver: the first-priority list of TR 101 290, the PCR's regularity, the
 * tables, the rate. For bare TS, which has no sequence numbers, it is what tells loss.
 *
 * Payloads need not hold whole packets; what is not a transport stream is left alone, uncounted. Times are arrival times: that
 * nothing at all comes for a while is for others to say, so such a silence starts all expectations anew.
 */
import { ContinuityCheck, type ContinuityVerdict } from '../wire/continuity.ts';
import type { Programme, TransportStreamCounters } from '../wire/metrics.ts';
import { PID_COUNT, TS_PACKET_BYTES, hasAdaptationAt, pidAt } from '../wire/mpeg-ts.ts';
import { ProgrammeTable } from '../wire/programme-table.ts';
import { PAT_PID } from '../wire/psi.ts';
import { PacketGrid } from './packet-grid.ts';
import { PcrWatch } from './pcr-watch.ts';

/** PAT and PMTs are due this often. */
const TABLE_DUE_MS = 500;
/** Sound and picture are due this often. */
const STREAM_DUE_MS = 5000;
/** How often dues are looked at, and so how late a lack may be noticed. */
const LOOK_EVERY_MS = 100;
/** Takes the payloads of one stream in order. */
export class TsMonitor {
  readonly #counters = { patErrors: 0, continuityErrors: 0, pmtErrors: 0, pidErrors: 0, pcrErrors: 0 };
  readonly #grid = new PacketGrid();
  #tables = new ProgrammeTable();
  readonly #continuity = new ContinuityCheck();
  readonly #pcr = new PcrWatch();
  /** When the last packet of each PID came. */
  readonly #seenAt = new Float64Array(PID_COUNT);
  /** When the last table of each table PID was whole. */
  readonly #tableAt = new Map<number, number>();
  #sourceBreaks = 0;
  #lookAt = -Infinity;
  #lastAt = -Infinity;

  /** Since the start; a restart of the sender does not clear them. */
  get counters(): TransportStreamCounters {
    return { ...this.#grid.stats, ...this.#counters };
  }

  /**
   * Of the continuity errors: those that no `gap` explains. Of a stream with sequence numbers they were there when it was sent; of
   * bare TS nobody knows.
   */
  get sourceBreaks(): number {
    return this.#sourceBreaks;
  }

  /** True while the payload shows itself to be a transport stream. */
  get locked(): boolean {
    return this.#grid.locked;
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
    const grid = this.#grid;
    let at = grid.open(payload);
    if (grid.joined) this.#take(grid.joined, 0, now);
    for (; at + TS_PACKET_BYTES <= payload.length; at += TS_PACKET_BYTES) {
      if (grid.isPacket(payload, at)) this.#take(payload, at, now);
    }
    grid.close(payload, at);
    if (now >= this.#lookAt) this.#look(now);
  }

  /** Payloads are missing between the last one and the next. */
  gap(): void {
    this.#grid.gap();
    this.#pcr.forget();
    this.#continuity.gap();
  }

  /** The sender started anew: what comes next is another stream. */
  restart(): void {
    this.gap();
    this.#continuity.reset();
    this.#tables = new ProgrammeTable();
    this.#grid.restart();
    this.#lastAt = -Infinity;
  }

  #take(bytes: Buffer, at: number, now: number): void {
    const pid = pidAt(bytes, at);
    this.#seenAt[pid] = now;
    const verdict = this.#continuity.check(bytes, at);
    if (verdict !== 'ok') this.#countBreak(verdict);
    if (this.#tables.isTable(pid)) this.#takeTable(bytes, at, now);
    this.#pcr.count();
    if (hasAdaptationAt(bytes, at) && this.#pcr.take(bytes, at, pid)) this.#counters.pcrErrors++;
  }

  #countBreak(verdict: ContinuityVerdict): void {
    if (verdict === 'duplicate') return;
    this.#counters.continuityErrors++;
    if (verdict === 'error') this.#sourceBreaks++;
  }

  #takeTable(bytes: Buffer, at: number, now: number): void {
    const pid = pidAt(bytes, at);
    const news = this.#tables.push(bytes, at);
    if (news === 'table') this.#tableAt.set(pid, now);
    else if (news === 'foreign' && pid === PAT_PID) this.#counters.patErrors++;
    else if (news === 'foreign' && this.#isPmtPid(pid)) this.#counters.pmtErrors++;
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
    if (!this.locked) return;
    if (this.#overdue(PAT_PID, now)) this.#counters.patErrors++;
    const pmtPids = new Set(this.#tables.pmtPids);
    for (const pid of pmtPids) if (this.#overdue(pid, now)) this.#counters.pmtErrors++;
    for (const programme of this.programmes) {
      for (const { pid, kind } of programme.streams) {
        // Subtitles and data come when there are any.
        if (kind !== 'video' && kind !== 'audio') continue;
        if (now - (this.#seenAt[pid] ?? now) <= STREAM_DUE_MS) continue;
        this.#counters.pidErrors++;
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
