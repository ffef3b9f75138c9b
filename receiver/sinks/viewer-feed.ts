/**
 * Feeds a stream to any number of pages: runs of whole TS packets, shared by all listeners.
 *
 * A late joiner starts at a key frame: the feed keeps the current group of pictures and hands it over on joining. A run ends
 * after 20 ms, before a key frame, and wherever something is missing or the clock jumps.
 */
import { PTS_CYCLE, ClockUnwrapper } from '../../wire/clock.ts';
import type { ElementaryStream, Programme, StreamSnapshot } from '../../wire/metrics.ts';
import { SYNC_BYTE, TS_PACKET_BYTES, payloadOffsetAt, pidAt, unitStartAt } from '../../wire/mpeg-ts.ts';
import { parsePes } from '../../wire/pes.ts';
import { ProgrammeTable } from '../../wire/programme-table.ts';
import { startsKeyFrame } from '../key-frame.ts';
import type { Concealment } from '../concealment.ts';
import type { Released, Sink } from '../sink.ts';

/** Whole TS packets that follow each other. Nobody writes into one: all listeners share it. */
export interface FeedRun {
  /** n × 188 bytes. */
  readonly data: Buffer;
  /**
   * Presentation time of the first picture (without video: sound) that starts in the run, µs; it grows over wraps.
   * `undefined` when none starts.
   */
  readonly ptsUs: number | undefined;
  /** When the first packet arrived, monotonic µs. */
  readonly arrivedAtUs: number;
  /** A decoder may start here: the first packet begins a key frame, or the stream has no video. */
  readonly key: boolean;
  /** Datagrams before this run were lost. */
  readonly damaged: boolean;
  /** The clock jumps at the start of this run, or the sender started anew. */
  readonly discontinuity: boolean;
  /** The picture stands still in this run because so many datagrams were lost; `undefined` while it moves. */
  readonly frozenBy: number | undefined;
}

/** Takes the runs in order. Never throws and never waits: a slow page is the listener's own affair. */
export type FeedListener = (run: FeedRun) => void;

/** One listener's place in the feed. */
export interface FeedSubscription {
  /**
   * The current group of pictures from its key frame on, the first run led by PAT and PMT. Empty while no key frame is
   * held: then the listener's first run is the next key frame, led by PAT and PMT.
   */
  readonly backlog: readonly FeedRun[];
  /** Ends the subscription; the listener is not called again. */
  close(): void;
}

/** A listener, and whether it has had its first key frame. */
interface Place {
  readonly listener: FeedListener;
  started: boolean;
}

/** Longest run. */
const RUN_MS = 20;
/** Most bytes of a group of pictures that are kept for joiners. */
const BACKLOG_BYTES = 8 * 1024 * 1024;
/** Memory that runs are cut from. */
const SLAB_BYTES = 256 * 1024;
const LONGEST_DATAGRAM_BYTES = 65_535;
const NOTHING = Buffer.alloc(0);

/** The sink behind the pages of one stream. */
export class ViewerFeed implements Sink {
  readonly #concealment: Concealment | undefined;
  #lookedAt = 0;
  readonly #places = new Set<Place>();
  #state: 'waiting' | 'feeding' | 'not-ts' = 'waiting';
  #table = new ProgrammeTable();
  #programmes: readonly Programme[] = [];
  #lead: ElementaryStream | undefined; // the video that is watched, else the sound
  #pts = new ClockUnwrapper(PTS_CYCLE);

  // The run that is being gathered: `#slab` from `#start` to `#end`.
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #start = 0;
  #end = 0;
  #arrivedAt = 0;
  #ptsUs: number | undefined;
  #key = false;
  #tables: Buffer = NOTHING; // as they stood where the last key run begins
  #damaged = false;
  #discontinuity = false;
  #frozenBy: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  #backlog: FeedRun[] = [];
  #backlogBytes = 0;

  /** @param concealment hides losses; without it pages get what came */
  constructor(concealment?: Concealment) {
    this.#concealment = concealment;
  }

  /** `waiting`: nothing came yet. `not-ts`: the payload is not MPEG-TS, so there is nothing to feed. */
  get state(): 'waiting' | 'feeding' | 'not-ts' {
    return this.#state;
  }

  /** What a snapshot of the stream has to say of its viewers. */
  get figures(): Pick<StreamSnapshot, 'concealed'> {
    const concealed = this.#concealment?.concealed(this.#lookedAt);
    return concealed === undefined ? {} : { concealed };
  }

  /** Joins: the backlog at once, then every run as it is closed. */
  subscribe(listener: FeedListener): FeedSubscription {
    this.#cut();
    const backlog = [...this.#backlog];
    const place: Place = { listener, started: backlog.length > 0 };
    this.#places.add(place);
    return { backlog, close: () => void this.#places.delete(place) };
  }

  push(released: Released, now: number): void {
    const stage = this.#concealment;
    if (!stage) return this.#accept(released);
    this.#lookedAt = now;
    stage.push(released, now);
    // What is left of the pictures before belongs to the run before.
    const frozenBy = stage.freeze?.lostDatagrams;
    if (frozenBy !== this.#frozenBy) this.#cut();
    this.#frozenBy = frozenBy;
    for (let step = stage.poll(); step; step = stage.poll()) this.#accept(step);
  }

  #accept(released: Released): void {
    if (released.kind === 'payload') {
      if (released.discontinuity) this.#breakOff();
      this.#take(released.payload, released.arrivedAt);
      return;
    }
    this.#cut();
    if (released.kind === 'gap') this.#damaged = true;
    if (released.kind === 'restart') this.#startAnew();
  }

  async close(): Promise<void> {
    this.#cut();
    this.#places.clear();
  }

  #take(payload: Buffer, arrivedAt: number): void {
    if (payload.length % TS_PACKET_BYTES !== 0 || payload[0] !== SYNC_BYTE) {
      if (this.#state === 'waiting') this.#state = 'not-ts';
      return;
    }
    this.#state = 'feeding';
    const full = SLAB_BYTES - this.#end < payload.length;
    if (full || arrivedAt - this.#arrivedAt >= RUN_MS) this.#cut();
    let copied = 0;
    for (let at = 0; at < payload.length; at += TS_PACKET_BYTES) {
      if (this.#isKey(payload, at)) {
        this.#append(payload, { from: copied, to: at, arrivedAt });
        copied = at;
        this.#cut();
        this.#beginKey();
      }
      this.#follow(payload, at);
    }
    this.#append(payload, { from: copied, to: payload.length, arrivedAt });
  }

  #isKey(bytes: Buffer, at: number): boolean {
    if (!this.#lead) return false;
    if (this.#lead.kind !== 'video') return this.#end === this.#start && at === 0;
    return pidAt(bytes, at) === this.#lead.pid && startsKeyFrame(this.#table, bytes, at);
  }

  /** The next packet begins a run that a decoder may start with. */
  #beginKey(): void {
    this.#key = true;
    this.#tables = this.#table.packets();
  }

  /** Learns from one packet: tables, and the time of what starts in it. */
  #follow(bytes: Buffer, at: number): void {
    const pid = pidAt(bytes, at);
    if (this.#table.isTable(pid)) this.#learn(bytes, at);
    else if (this.#ptsUs === undefined && pid === this.#lead?.pid && unitStartAt(bytes, at)) {
      const header = parsePes(bytes.subarray(at + payloadOffsetAt(bytes, at), at + TS_PACKET_BYTES));
      if (typeof header === 'string' || header.pts === undefined) return;
      this.#ptsUs = (this.#pts.unwrap(header.pts) * 100) / 9;
    }
  }

  #learn(bytes: Buffer, at: number): void {
    this.#table.push(bytes, at);
    const { programmes } = this.#table;
    if (programmes === this.#programmes) return;
    this.#programmes = programmes;
    const streams = programmes[0]?.streams ?? [];
    this.#lead = streams.find(({ kind }) => kind === 'video') ?? streams.find(({ kind }) => kind === 'audio');
  }

  #append(payload: Buffer, piece: { from: number; to: number; arrivedAt: number }): void {
    if (piece.from === piece.to) return;
    if (this.#end === this.#start) {
      this.#arrivedAt = piece.arrivedAt;
      this.#timer = setTimeout(() => this.#cut(), RUN_MS);
    }
    this.#end += payload.copy(this.#slab, this.#end, piece.from, piece.to);
  }

  /** Closes the run that is being gathered and hands it on. */
  #cut(): void {
    clearTimeout(this.#timer);
    if (this.#end === this.#start) return;
    const run: FeedRun = {
      data: this.#slab.subarray(this.#start, this.#end),
      ptsUs: this.#ptsUs,
      arrivedAtUs: this.#arrivedAt * 1000,
      key: this.#key,
      damaged: this.#damaged,
      discontinuity: this.#discontinuity,
      frozenBy: this.#frozenBy,
    };
    this.#start = this.#end;
    this.#ptsUs = undefined;
    this.#key = false;
    this.#damaged = false;
    this.#discontinuity = false;
    if (SLAB_BYTES - this.#end < LONGEST_DATAGRAM_BYTES) this.#renewSlab();
    this.#handOn(run);
  }

  #renewSlab(): void {
    this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#start = 0;
    this.#end = 0;
  }

  #handOn(run: FeedRun): void {
    const first = run.key ? { ...run, data: Buffer.concat([this.#tables, run.data]) } : run;
    this.#keep(first);
    for (const place of this.#places) {
      if (place.started) place.listener(run);
      else if (run.key) {
        place.started = true;
        place.listener(first);
      }
    }
  }

  /** Keeps the group of pictures that `run` begins or goes on with, while it is not too large. */
  #keep(run: FeedRun): void {
    if (run.key) {
      this.#backlog = [run];
      this.#backlogBytes = run.data.length;
    } else if (this.#backlog.length > 0) {
      this.#backlog.push(run);
      this.#backlogBytes += run.data.length;
    }
    if (this.#backlogBytes > BACKLOG_BYTES) this.#dropBacklog();
  }

  #dropBacklog(): void {
    this.#backlog = [];
    this.#backlogBytes = 0;
  }

  /** The clock jumps: a joiner need not see what lies before. */
  #breakOff(): void {
    this.#cut();
    this.#discontinuity = true;
    this.#dropBacklog();
  }

  /** Another programme, for all we know. */
  #startAnew(): void {
    this.#breakOff();
    this.#table = new ProgrammeTable();
    this.#programmes = [];
    this.#lead = undefined;
    this.#pts = new ClockUnwrapper(PTS_CYCLE);
  }
}
