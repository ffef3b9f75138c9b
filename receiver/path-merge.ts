/**
 * Makes one stream of two paths that carry it (SMPTE ST 2022-7): of each datagram the copy that comes first goes on.
 *
 *     path 0 ─┐
 *             ├─► first copies, all as from one sender ─► reception, with one receive window
 *     path 1 ─┘
 *
 * A copy has the sequence number and the timestamp of a datagram that the other path brought. What is no copy goes on, whatever it
 * is: what a path itself repeats, other streams, and what has no header are for the reception to judge.
 */
import { sameEndpoint, type Endpoint } from '../wire/address.ts';
import type { PathSnapshot, PathsSnapshot } from '../wire/metrics.ts';
import { wrapDistance } from '../wire/sequence.ts';
import { emptyHeader, readHeader, type Header } from './recognition.ts';

/** In the order of the addresses that were given. */
export type Path = 0 | 1;

/** What is known of one path. */
interface Side {
  received: number;
  saved: number;
  lost: number;
  foreign: number;
  /** Where the stream comes from on it. */
  source: Endpoint | undefined;
  lastArrivedAt: number;
  /** The first of the stream that came on it; `Infinity` while none did. */
  began: number;
}

/** Datagrams remembered: all sequence numbers of RTP. Copies up to 450 ms apart are recognised up to 760 Mbit/s. */
const SLOTS = 65_536;
/** Until then a datagram that one path brought may still come on the other one: 450 ms later, and with some jitter. */
const SETTLED_AFTER_MS = 1000;
/** A path on which nothing came for so long may go on from another address. */
const SILENT_AFTER_MS = 1000;
const BOTH = 3;

/** Two paths to one stream. */
export class PathMerge {
  readonly #framing: 'rtp' | 'seq';
  readonly #bits: 16 | 32;
  readonly #header: Header = emptyHeader();
  readonly #sides: readonly [Side, Side] = [newSide(), newSide()];
  #ssrc: number | undefined;
  #source: Endpoint | undefined;
  #isFollowing = false;

  /** By index modulo `SLOTS`, where an index is the unwrapped sequence number: which paths brought it, one bit for each. */
  readonly #came = new Uint8Array(SLOTS);
  /** When the first of them did, or when it was noticed that none did so far. */
  readonly #cameAt = new Float64Array(SLOTS);
  /** Its timestamp; without timestamps, its whole sequence number. */
  readonly #stamps = new Uint32Array(SLOTS);
  /** One past the highest index; 0 before the first. */
  #end = 0;
  /** The lowest index, and what lies before which is counted. */
  #first = 0;
  #settled = 0;

  #both = 0;
  #neither = 0;
  /** How much later path 1 brings a datagram than path 0, on average. */
  #skewMs = Number.NaN;

  /** @param framing of the stream: without sequence numbers nothing can be merged */
  constructor(framing: 'rtp' | 'seq' = 'rtp') {
    this.#framing = framing;
    this.#bits = framing === 'rtp' ? 16 : 32;
  }

  /**
   * Takes a datagram that came on `path`. Returns as whose it goes on: of the stream that is merged always the same address, of
   * anything else its own. `undefined` for a copy: nobody needs it.
   */
  take(path: Path, datagram: Buffer, arrivedAt: number, source: Endpoint): Endpoint | undefined {
    const header = this.#header;
    if (readHeader(this.#framing, datagram, header)) return source;
    this.#ssrc ??= header.ssrc;
    const side = this.#sides[path];
    if (header.ssrc !== this.#ssrc || !isFrom(side, source, arrivedAt)) {
      side.foreign++;
      return source;
    }
    side.received++;
    side.lastArrivedAt = arrivedAt;
    this.#settle(arrivedAt - SETTLED_AFTER_MS);
    this.#source ??= copyOf(source);
    return this.#isCopy(path, header, arrivedAt) ? undefined : this.#source;
  }

  /**
   * This stream plays: it is merged from now on. Until somebody plays the first stream to be heard is.
   *
   * Call it whenever a sender was recognised: the sequence numbers may begin anew.
   *
   * @param ssrc 0 for framings without one
   * @param source where it comes from, as told by the reception
   */
  follow(ssrc: number, source: Endpoint): void {
    const goesOn = ssrc === this.#ssrc && !this.#isFollowing;
    if (ssrc !== this.#ssrc) for (const side of this.#sides) side.source = undefined;
    this.#isFollowing = true;
    this.#ssrc = ssrc;
    this.#source = copyOf(source);
    if (!goesOn) this.#end = 0;
  }

  /** The address as whose it goes on what came beside the media on `path`. */
  addressOf(path: Path, { address }: Endpoint): string {
    const isOurs = this.#sides[path].source?.address === address;
    return isOurs && this.#source ? this.#source.address : address;
  }

  /** What the paths did, at `now`. */
  figures(now: number): PathsSnapshot {
    this.#settle(now - SETTLED_AFTER_MS);
    const [first, second] = this.#sides;
    const paths = [snapshotOf(first, -this.#skewMs, now), snapshotOf(second, this.#skewMs, now)] as const;
    return { both: this.#both, neither: this.#neither, paths };
  }

  /** Writes down that it came, and tells whether the other path had brought it. */
  #isCopy(path: Path, { sequence, timestamp = sequence }: Header, arrivedAt: number): boolean {
    const index = this.#place(sequence, arrivedAt);
    const side = this.#sides[path];
    if (index < side.began) side.began = index;
    const slot = index & (SLOTS - 1);
    const came = this.#stamps[slot] === timestamp ? (this.#came[slot] ?? 0) : 0;
    this.#came[slot] = came | (1 << path);
    if (came === 0) {
      this.#stamps[slot] = timestamp;
      this.#cameAt[slot] = arrivedAt;
    }
    if (came === 0 || came & (1 << path)) return false;
    this.#learnSkew(path, arrivedAt - (this.#cameAt[slot] ?? 0));
    return true;
  }

  /** The index of a sequence number near the highest. */
  #place(sequence: number, arrivedAt: number): number {
    const highest = this.#end - 1;
    const step = this.#end === 0 ? Infinity : wrapDistance(highest, sequence, this.#bits);
    if (Math.abs(step) >= SLOTS / 2) return this.#begin(sequence);
    const index = highest + step;
    if (step > 0) this.#extend(index + 1, arrivedAt);
    else if (index < this.#first && this.#settled === this.#first) this.#extendBack(index, arrivedAt);
    return index;
  }

  #begin(sequence: number): number {
    for (const side of this.#sides) side.began = Infinity;
    this.#first = this.#settled = sequence;
    this.#end = sequence + 1;
    return sequence;
  }

  #extend(end: number, arrivedAt: number): void {
    while (this.#settled < end - SLOTS) this.#settleNext();
    this.#miss(this.#end, end, arrivedAt);
    this.#end = end;
  }

  /** One comes late that was sent before the first. */
  #extendBack(first: number, arrivedAt: number): void {
    this.#miss(first, this.#first, arrivedAt);
    this.#first = this.#settled = first;
  }

  /** None of these came so far. */
  #miss(from: number, to: number, noticedAt: number): void {
    for (let index = from; index < to; index++) {
      this.#came[index & (SLOTS - 1)] = 0;
      this.#cameAt[index & (SLOTS - 1)] = noticedAt;
    }
  }

  /** Counts what came, or was missing, before `until`. */
  #settle(until: number): void {
    while (this.#settled < this.#end && (this.#cameAt[this.#settled & (SLOTS - 1)] ?? 0) < until) {
      this.#settleNext();
    }
  }

  #settleNext(): void {
    const index = this.#settled++;
    const [first, second] = this.#sides;
    if (index < first.began || index < second.began) return;
    const came = this.#came[index & (SLOTS - 1)] ?? 0;
    if (came === BOTH) this.#both++;
    else if (came === 0) this.#neither++;
    if (!(came & 1)) first.lost++;
    else if (came !== BOTH) first.saved++;
    if (!(came & 2)) second.lost++;
    else if (came !== BOTH) second.saved++;
  }

  #learnSkew(path: Path, laterMs: number): void {
    const skewMs = path === 1 ? laterMs : -laterMs;
    if (Number.isNaN(this.#skewMs)) this.#skewMs = skewMs;
    else this.#skewMs += (skewMs - this.#skewMs) / 16;
  }
}

function newSide(): Side {
  return {
    received: 0,
    saved: 0,
    lost: 0,
    foreign: 0,
    source: undefined,
    lastArrivedAt: -Infinity,
    began: Infinity,
  };
}

/** Whether the stream comes from there on this path. A path that fell silent may go on from elsewhere. */
function isFrom(side: Side, source: Endpoint, arrivedAt: number): boolean {
  if (side.source && sameEndpoint(side.source, source)) return true;
  if (side.source && arrivedAt - side.lastArrivedAt < SILENT_AFTER_MS) return false;
  side.source = copyOf(source);
  return true;
}

function copyOf({ address, port }: Endpoint): Endpoint {
  return { address, port };
}

function snapshotOf(side: Side, behindMs: number, now: number): PathSnapshot {
  const { received, saved, lost, foreign, lastArrivedAt } = side;
  return {
    received,
    saved,
    lost,
    foreign,
    ...(!Number.isNaN(behindMs) && { behindMs: Math.max(0, behindMs) }),
    ...(lastArrivedAt > -Infinity && { silentMs: Math.max(0, now - lastArrivedAt) }),
  };
}
