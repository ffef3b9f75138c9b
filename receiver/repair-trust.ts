/**
 * Says which repair packets of SMPTE 2022-1 are believed: none before a second one agrees with it, or before all that it protects
 * was there and fitted. One that lies about its place or its matrix would make wrong bytes of right ones, and anybody can send one.
 */
import type { RepairPacket } from '../wire/fec/smpte2022.ts';
import { wrapDistance } from '../wire/sequence.ts';

/** Repair packets that agree with each other. */
export interface Series {
  /** Whether one of them was compared with all that it protects, and was the XOR of it. `refuted` ones are of no use. */
  trust: 'untested' | 'proven' | 'refuted';
}

/** A repair packet and its place. */
export class Repair {
  readonly packet: RepairPacket;
  /** Indexes of what it protects: the first, and the last. */
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** Its own until one agrees with it. */
  series: Series = { trust: 'untested' };

  constructor(packet: RepairPacket, firstIndex: number) {
    this.packet = packet;
    this.firstIndex = firstIndex;
    this.lastIndex = firstIndex + packet.offset * (packet.na - 1);
  }

  /** Copies the bytes, which are a view until then. */
  keepBytes(): void {
    const { packet } = this;
    const copy = Buffer.allocUnsafeSlow(packet.datagram.length); // a slice of the common pool would pin all of that
    packet.datagram.copy(copy);
    packet.datagram = copy;
  }

  /** Lets go of the bytes. */
  dropBytes(): void {
    this.packet.datagram = NO_BYTES;
  }
}

/** With so many of those that were believed the next is compared: three matrices in the worst case. */
const MOST_BELIEVED = 64;
/** So many others are kept: more than one matrix, for senders whose columns begin in different rows. */
const MOST_STRANGERS = 24;
const NO_BYTES = Buffer.alloc(0);
const NONE: readonly Repair[] = [];

/** The repair packets of one direction. */
export class RepairStream {
  readonly #believed: Repair[] = []; // oldest first, as the others
  readonly #strangers: Repair[] = [];

  /** What the last one that was believed says. */
  get newest(): RepairPacket | undefined {
    return this.#believed.at(-1)?.packet;
  }

  /** It came before. */
  has(packet: RepairPacket): boolean {
    return includes(this.#believed, packet) || includes(this.#strangers, packet);
  }

  /** It agrees with one that is believed. */
  believes(packet: RepairPacket): boolean {
    return likeOf(this.#believed, packet) !== undefined;
  }

  /** As if it had never come. */
  forget(repair: Repair): void {
    const at = this.#believed.indexOf(repair);
    if (at >= 0) this.#believed.splice(at, 1);
  }

  /** Takes a repair packet. Those that are believed from now on, oldest first: none; it; or with it those it agrees with. */
  add(repair: Repair): readonly Repair[] {
    const known = likeOf(this.#believed, repair.packet);
    const confirmed = takeLike(this.#strangers, repair.packet);
    if (!known && confirmed.length === 0 && repair.series.trust !== 'proven') {
      if (this.#strangers.length === MOST_STRANGERS) this.#strangers.shift();
      this.#strangers.push(repair);
      repair.keepBytes();
      return NONE;
    }
    confirmed.push(repair);
    const tested = confirmed.findLast(({ series }) => series.trust !== 'untested');
    const { series } = known ?? tested ?? repair;
    for (const each of confirmed) {
      each.series = series;
      if (this.#believed.length === MOST_BELIEVED) this.#believed.shift();
      this.#believed.push(each);
    }
    return confirmed;
  }
}

/** One with the same number and place. A liar, once found out, does not keep the true one away. */
function includes(repairs: readonly Repair[], { ssrc, sequence, snBase, offset, na }: RepairPacket): boolean {
  for (const { packet, series } of repairs) {
    if (packet.sequence !== sequence || packet.snBase !== snBase || packet.ssrc !== ssrc) continue;
    if (packet.offset === offset && packet.na === na && series.trust !== 'refuted') return true;
  }
  return false;
}

/** The newest one that agrees. */
function likeOf(repairs: readonly Repair[], packet: RepairPacket): Repair | undefined {
  for (let at = repairs.length - 1; at >= 0; at--) {
    const repair = repairs[at];
    if (repair && agree(repair.packet, packet)) return repair;
  }
  return undefined;
}

/** Takes out all that agree. */
function takeLike(repairs: Repair[], packet: RepairPacket): Repair[] {
  const taken: Repair[] = [];
  for (let at = repairs.length - 1; at >= 0; at--) {
    const repair = repairs[at];
    if (repair && agree(repair.packet, packet)) taken.unshift(...repairs.splice(at, 1));
  }
  return taken;
}

/**
 * Whether two are of one sender, one matrix, and as far from each other as their numbers say. From one column to the next it is
 * 1, and L × (D − 1) more to the first one of the next matrix; rows are as columns of a matrix whose L is 1.
 */
function agree(a: RepairPacket, b: RepairPacket): boolean {
  if (a.ssrc !== b.ssrc || a.offset !== b.offset || a.na !== b.na) return false;
  const steps = wrapDistance(a.sequence, b.sequence, 16);
  const matrices = (wrapDistance(a.snBase, b.snBase, 16) - steps) / (a.offset * (a.na - 1));
  return steps !== 0 && Number.isInteger(matrices) && Math.abs(matrices * a.offset - steps) < a.offset;
}
