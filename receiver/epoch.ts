/** The stream that is received now: one sender, one framing, one run of sequence numbers. A restart makes a new one. */
import type { Arrival } from '../jitter-buffer/slab.ts';
import { sameEndpoint, type Endpoint, type Framing } from '../wire/address.ts';
import type { LancReport } from '../wire/lanc.ts';
import { NEAR_RECOGNISED } from './beginning.ts';
import type { HeldDatagram, Sender } from './demultiplexer.ts';
import { emptyHeader, readHeader, type Header, type HeaderFault, type Recognition } from './recognition.ts';
import { ReceiveLog } from './receive-log.ts';

/**
 * What a datagram is to the epoch: an `arrival`; its `end-mark`; one from before its first; none of its own; or not of its
 * framing at all.
 */
export type Reading = 'arrival' | 'end-mark' | 'early' | 'foreign' | HeaderFault;

export class Epoch {
  readonly framing: Framing;
  /** 0 for framings without one. */
  readonly ssrc: number;
  readonly log: ReceiveLog;
  /** 16 bits, or 32 without timestamps: the sequence number that has index 0. */
  readonly firstSequence: number;
  /** Whose it is: a sender's address may change while its stream goes on. */
  sender: Sender;
  /** By the sender's count: the index of our index 0. `undefined` while the sender has not told. */
  firstIndex: number | undefined;
  readonly #header: Header = emptyHeader();
  #firstIndexIsSure = false;
  #count = 0;

  /** @param first the sequence number that has index 0: `firstOf` what is held of the sender */
  constructor(sender: Sender, recognition: Recognition, first: number, latencyMs: number) {
    this.sender = sender;
    this.framing = recognition.framing;
    this.ssrc = recognition.ssrc;
    this.firstSequence = first;
    this.log = new ReceiveLog(this.framing === 'rtp' ? 16 : 32, first, latencyMs);
    if (this.framing === 'seq') this.firstIndex = first;
  }

  /** Is this where it comes from? */
  isFrom(source: Endpoint): boolean {
    return sameEndpoint(this.sender.endpoint, source);
  }

  /** Reads a datagram of the sender and writes what it is into `arrival`. For an end mark: the index behind the last. */
  read(data: Buffer, arrivedAt: number, arrival: Arrival): Reading {
    const header = this.#header;
    const fault = readHeader(this.framing, data, header);
    if (fault) return fault;
    if (header.ssrc !== this.ssrc) return 'foreign';
    if (this.framing === 'udp') header.sequence = this.#count++ >>> 0;
    if (this.framing === 'seq' && header.payloadStart === header.payloadEnd) {
      arrival.index = this.log.indexOf(header.sequence);
      return this.log.belongs(header, arrivedAt) ? 'end-mark' : 'foreign';
    }
    if (!this.log.hasBegun && this.log.indexOf(header.sequence) > NEAR_RECOGNISED) return 'foreign';
    arrival.arrivedAt = arrivedAt;
    const placement = this.log.place(header, arrival);
    if (placement !== 'placed') return placement === 'early' ? 'early' : 'foreign';
    arrival.datagram = data;
    arrival.payloadStart = header.payloadStart;
    arrival.payloadEnd = header.payloadEnd;
    return 'arrival';
  }

  /** The index that belongs to a sequence number near the highest. */
  indexOf(sequence: number): number {
    return this.log.indexOf(sequence);
  }

  /** Reads a datagram that repair brought back and writes what it is into `arrival`; its time of arrival is the caller's. */
  restore(datagram: Buffer, index: number, arrival: Arrival): HeaderFault | undefined {
    const header = this.#header;
    const fault = readHeader(this.framing, datagram, header);
    if (fault) return fault;
    this.log.restore(header, index, arrival);
    arrival.datagram = datagram;
    arrival.payloadStart = header.payloadStart;
    arrival.payloadEnd = header.payloadEnd;
    return undefined;
  }

  /** Whether datagrams held of another address go on where this stream stopped. */
  goesOnWith(recognition: Recognition, held: readonly HeldDatagram[]): boolean {
    if (recognition.framing !== 'rtp' || this.framing !== 'rtp' || recognition.ssrc !== this.ssrc)
      return false;
    for (const { data, arrivedAt } of held) {
      if (readHeader('rtp', data, this.#header) || this.#header.ssrc !== this.ssrc) continue;
      return this.log.belongs(this.#header, arrivedAt);
    }
    return false;
  }

  /** Our index of a datagram that the sender counts so; `undefined` while its count is not known. */
  localIndex(index: number): number | undefined {
    return this.firstIndex === undefined ? undefined : index - this.firstIndex;
  }

  /** Learns from the sender's own report. */
  learn(report: LancReport): void {
    this.log.pacePpm = report.pacePpm;
    if (this.#firstIndexIsSure) return;
    this.firstIndex = Math.max(0, report.index - this.log.indexOf(report.sequence));
    // A report from before the first datagram may be old, and 16 bits of sequence number do not reach far.
    this.#firstIndexIsSure = this.log.hasBegun;
  }
}
