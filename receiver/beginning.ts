/**
 * The beginning of a stream that is held: when it is whole, so that what is released first is the first of what came.
 *
 * The first datagram to arrive need not be the first that was sent: another may have overtaken it. So what comes before it is
 * waited for as long as for any other, the latency; not at all once the sender's very first is there, which is 0 of the
 * sequence framing, and of RTP the one that `LANC` tells by index and sequence number. When that was told before it was sent, the
 * stream begins with it even if it is missing: then it can be asked for.
 */
import type { LancReport } from '../wire/lanc.ts';
import { wrapDistance } from '../wire/sequence.ts';
import type { HeldDatagram } from './demultiplexer.ts';
import { emptyHeader, readHeader, type Header, type Recognition } from './recognition.ts';

/** Sequence numbers this far from the one that was recognised are not of the same run. */
export const NEAR_RECOGNISED = 8192;
/** So many missing ones before the first to come are asked for. */
const MOST_ASKED = 512;

/** What a sender was recognised as, and how far its beginning has come. */
export class Beginning implements Recognition {
  readonly framing: Recognition['framing'];
  readonly ssrc: number;
  readonly sequence: number;
  readonly #latencyMs: number;
  readonly #header: Header = emptyHeader();
  /** Relative to `sequence`. */
  #lowest = 0;
  #firstArrivedAt = Infinity;
  /** The sequence number of the very first, once it is known. */
  #start: number | undefined;
  /** The stream begins with that, though so many behind it are missing. */
  #mostMissing = 0;
  #isWhole: boolean;

  constructor({ framing, ssrc, sequence }: Recognition, latencyMs: number) {
    this.framing = framing;
    this.ssrc = ssrc;
    this.sequence = sequence;
    this.#latencyMs = latencyMs;
    this.#start = framing === 'seq' ? 0 : undefined;
    this.#isWhole = framing === 'udp'; // without numbers there is no other order than that of arrival
  }

  /** From then on nothing is waited for that comes before the lowest; `-Infinity` when nothing can. */
  get readyAt(): number {
    return this.#isWhole ? -Infinity : this.#firstArrivedAt + this.#latencyMs;
  }

  /** Looks at a datagram that is held of the sender. */
  see(data: Buffer, arrivedAt: number): void {
    const place = placeOf(this, data, this.#header);
    if (place === undefined) return;
    this.#firstArrivedAt = Math.min(this.#firstArrivedAt, arrivedAt);
    this.#lowest = Math.min(this.#lowest, place);
    this.#compare();
  }

  /** Learns from the sender's own report. */
  learn({ index, sequence, final }: LancReport): void {
    // Beyond that the number may have come round.
    if (index > NEAR_RECOGNISED) return;
    // Made before the first was sent, and heard: so we were there, and what is missing was lost.
    if (index === 0 && !final) this.#mostMissing = MOST_ASKED;
    this.#start = (sequence - index) & 0xffff;
    this.#compare();
  }

  /** Nothing is waited for any longer. */
  accept(): void {
    this.#isWhole = true;
  }

  /** Where it begins, when `lowest` is the lowest that came, relative to `sequence`. */
  firstOf(lowest: number): FirstOfAll {
    const missing = this.#missingBefore(lowest);
    const isNear = this.#start !== undefined && missing <= this.#mostMissing;
    return isNear
      ? { sequence: this.#start ?? 0, missing }
      : { sequence: sequenceAt(this, lowest), missing: 0 };
  }

  #compare(): void {
    this.#isWhole ||= this.#missingBefore(this.#lowest) <= this.#mostMissing;
  }

  /** How many were sent before the lowest that came; `Infinity` when that is not known. */
  #missingBefore(lowest: number): number {
    if (this.#start === undefined) return Infinity;
    const count = lowest - wrapDistance(this.sequence, this.#start, bitsOf(this));
    return count >= 0 ? count : Infinity;
  }
}

/** Where a stream begins. */
export interface FirstOfAll {
  /** The sequence number that has index 0. */
  sequence: number;
  /** From there on so many have not come: they may be asked for, and are not lost if they do not come. */
  missing: number;
}

/** Where the stream begins; `undefined` when nothing of it is held any longer. */
export function firstOf(beginning: Beginning, held: readonly HeldDatagram[]): FirstOfAll | undefined {
  const header = emptyHeader();
  let lowest: number | undefined;
  for (const { data } of held) {
    const place = placeOf(beginning, data, header);
    if (place !== undefined && place < (lowest ?? Infinity)) lowest = place;
  }
  return lowest === undefined ? undefined : beginning.firstOf(lowest);
}

/** How far after the recognised datagram one comes; `undefined` when it is not of the same run. */
function placeOf(recognition: Recognition, data: Buffer, header: Header): number | undefined {
  const { framing, ssrc, sequence } = recognition;
  if (readHeader(framing, data, header) || header.ssrc !== ssrc) return undefined;
  const place = wrapDistance(sequence, header.sequence, bitsOf(recognition));
  return Math.abs(place) <= NEAR_RECOGNISED ? place : undefined;
}

function sequenceAt(recognition: Recognition, place: number): number {
  const cycle = 2 ** bitsOf(recognition);
  return (recognition.sequence + place + cycle) % cycle;
}

function bitsOf({ framing }: Recognition): 16 | 32 {
  return framing === 'rtp' ? 16 : 32;
}
