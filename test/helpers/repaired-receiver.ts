/** A receiver that asks for what it misses: window, in-order release and NACK generator, put together as a reception would. */
import { InOrderRelease } from '../../jitter-buffer/in-order.ts';
import { ReceiveWindow, type ReleasedPayload } from '../../jitter-buffer/ordering.ts';
import type { Playout } from '../../jitter-buffer/release.ts';
import { emptyArrival, type Arrival } from '../../jitter-buffer/slab.ts';
import { NackGenerator, type Expectation } from '../../receiver/nack-generator.ts';
import { RTP_HEADER_BYTES, RTP_MP2T } from '../../wire/rtp.ts';
import { parseRtx, restoreOriginal } from '../../wire/rtx.ts';
import { wrapDistance } from '../../wire/sequence.ts';
import { numberOf } from './departed-stream.ts';

export interface RepairedReceiverOptions {
  /** The sequence number of the first datagram. */
  sequence: number;
  latencyMs: number;
  isMulticast: boolean;
  roundTripMs?: number;
  random: () => number;
}

export class RepairedReceiver {
  readonly generator: NackGenerator;
  readonly window = new ReceiveWindow(4096);
  /** Payloads that were not what they should be; datagrams given up. */
  wrong = 0;
  residual = 0;
  ended = false;
  readonly #release: InOrderRelease;
  readonly #first: number;
  readonly #arrival: Arrival = emptyArrival();
  #count = 0; // datagrams of the stream, once that is known

  constructor(options: RepairedReceiverOptions) {
    const { sequence, latencyMs, isMulticast, random, roundTripMs } = options;
    this.#first = sequence;
    this.#release = new InOrderRelease(this.window, latencyMs);
    this.generator = new NackGenerator({
      expectation: this.#expectation(),
      isMulticast,
      random,
      ...(roundTripMs !== undefined && { roundTripMs }),
    });
  }

  get wakeAt(): number {
    return Math.min(this.#release.wakeAt, this.generator.wakeAt);
  }

  /** A datagram of the media came. */
  take(datagram: Buffer, now: number): void {
    const { window, generator } = this;
    const arrival = this.#arrive(datagram, now);
    const { index } = arrival;
    if (index >= window.next && index < window.end && window.heldFrom(index) !== index)
      generator.push({ kind: 'overtaken', index }, now);
    const passed = this.#release.pass(arrival);
    if (passed) this.#check(passed);
    else this.#put(arrival, now);
    generator.push({ kind: 'arrivals' }, now);
  }

  /** A retransmission came. One of what is not missing is of no use: nobody knows that it was ever sent. */
  takeRepair(datagram: Buffer, now: number): void {
    const { window, generator } = this;
    const rtx = parseRtx(datagram);
    if (typeof rtx === 'string') return;
    const arrival = this.#arrive(restoreOriginal(rtx, RTP_MP2T), now);
    const { index } = arrival;
    if (index < window.next || index >= this.#end || window.heldFrom(index) === index) return;
    generator.push({ kind: 'repaired', index }, now);
    this.#put(arrival, now);
  }

  /** The sender said goodbye after so many datagrams. */
  end(count: number, now: number): void {
    this.#count = count;
    this.#release.end(count, now + this.#release.latencyMs);
    this.generator.push({ kind: 'arrivals' }, now);
    this.#drain(now);
  }

  /** Time has come: the next list of sequence numbers to ask for. */
  poll(now: number): readonly number[] | undefined {
    if (now >= this.#release.wakeAt) this.#drain(now);
    return this.generator.poll(now);
  }

  /** One past the highest index that is known to have been sent. */
  get #end(): number {
    return Math.max(this.window.end, this.#count);
  }

  #arrive(datagram: Buffer, now: number): Arrival {
    const arrival = this.#arrival;
    arrival.index = this.#indexOf(datagram.readUInt16BE(2));
    arrival.datagram = datagram;
    arrival.payloadStart = RTP_HEADER_BYTES;
    arrival.payloadEnd = datagram.length;
    arrival.arrivedAt = now;
    return arrival;
  }

  /** The index that belongs to a sequence number near the highest that came. */
  #indexOf(sequence: number): number {
    const newest = this.window.end - 1;
    return newest + wrapDistance(this.#first + newest, sequence, 16);
  }

  #put(arrival: Arrival, now: number): void {
    this.#release.push(arrival, now);
    this.#drain(now);
  }

  #drain(now: number): void {
    for (let out: Playout | undefined = this.#release.poll(now); out; out = this.#release.poll(now)) {
      if (out.kind === 'payload') this.#check(out);
      else if (out.kind === 'gap') this.residual += out.count;
      else this.ended = true;
    }
  }

  #check({ payload, index }: ReleasedPayload): void {
    if (numberOf(payload) !== index) this.wrong++;
  }

  #expectation(): Expectation {
    const { window } = this;
    const first = this.#first;
    const release = this.#release;
    const end = (): number => this.#end;
    return {
      get next() {
        return window.next;
      },
      get end() {
        return end();
      },
      patienceMs: 0,
      heldFrom: (index) => window.heldFrom(index),
      giveUpAt: (index) => release.giveUpAt(index),
      sequenceOf: (index) => (first + index) & 0xffff,
    };
  }
}
