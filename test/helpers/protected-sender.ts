/**
 * A whole sender that repairs, on virtual time: a `VirtualSender`, whose runs FEC protects and a history keeps, put together as
 * `sender/index.ts` does.
 */
import { FecProtection } from '../../sender/fec-protection.ts';
import { FeedbackGuard } from '../../sender/feedback-guard.ts';
import { Fifo } from '../../sender/fifo.ts';
import type { MediaRun } from '../../sender/media-chunk.ts';
import { HISTORY_BYTES, HISTORY_MS, REPAIR_BUDGET, Retransmitter } from '../../sender/retransmitter.ts';
import type { Endpoint } from '../../wire/address.ts';
import { parseFecSetting } from '../../wire/fec/fec-setting.ts';
import type { Stage } from '../../wire/stage.ts';
import { datagramsOf } from './media-runs.ts';
import { VirtualSender, type Feedback, type VirtualSenderOptions } from './virtual-sender.ts';

/** What leaves, and where to: a port of the stream, or one receiver. */
export interface ProtectedDeparture {
  to: 'media' | 'rtcp' | 'column' | 'row' | 'retransmission' | Endpoint;
  datagram: Buffer;
}

export interface ProtectedSenderOptions extends Omit<VirtualSenderOptions, 'framing' | 'departed'> {
  first: { sequence: number; timestamp: number; ssrc: number };
  /** As `--fec` is written. */
  fec?: string | undefined;
  /** Default true. */
  retransmits?: boolean | undefined;
  multicast: boolean;
}

type RepairQueue = Fifo<ProtectedDeparture & { dueAt: number }>;

const REPAIR_PORT = 5010;

/** Feedback in, datagrams out at the moment they are due. */
export class ProtectedSender implements Stage<Feedback, ProtectedDeparture> {
  readonly sender: VirtualSender;
  readonly retransmitter: Retransmitter | undefined;
  readonly #protection: FecProtection | undefined;
  readonly #repairs = { column: newQueue(), row: newQueue() };
  #flushed = false;

  constructor(options: ProtectedSenderOptions) {
    const { fec, retransmits = true, first } = options;
    const departed = (run: MediaRun, now: number): void => this.#departed(run, now);
    this.sender = new VirtualSender({ ...options, framing: 'rtp', departed });
    if (fec !== undefined) {
      const setting = parseFecSetting(fec);
      if (typeof setting === 'string') throw new Error(setting);
      this.#protection = new FecProtection({ column: 65_500, row: 3 });
      this.#protection.change(setting);
    }
    if (retransmits) this.retransmitter = this.#makeRetransmitter(first.ssrc, options.multicast);
  }

  push(feedback: Feedback, now: number): void {
    this.sender.push(feedback, now);
    this.retransmitter?.push({ kind: 'rtcp', ...feedback }, now);
  }

  poll(now: number): ProtectedDeparture | undefined {
    const media = this.sender.poll(now);
    if (media) return { to: media.port, datagram: media.datagram };
    if (this.sender.hasEnded && !this.#flushed) {
      this.#flushed = true;
      this.#protection?.push(undefined);
      this.#takeRepairs();
    }
    const { column, row } = this.#repairs;
    for (const queue of [column, row]) if (dueAt(queue) <= now) return queue.shift();
    const answer = this.retransmitter?.poll(now);
    if (!answer) return undefined;
    const { destination, datagram } = answer;
    return { to: destination === 'group' ? 'retransmission' : destination, datagram };
  }

  get wakeAt(): number {
    const { column, row } = this.#repairs;
    const answersAt = this.retransmitter?.wakeAt ?? Infinity;
    return Math.min(this.sender.wakeAt, dueAt(column), dueAt(row), answersAt);
  }

  #departed(run: MediaRun, now: number): void {
    this.retransmitter?.push({ kind: 'departed', run }, now);
    this.#protection?.push(run);
    this.#takeRepairs();
  }

  #takeRepairs(): void {
    for (let out = this.#protection?.poll(); out; out = this.#protection?.poll())
      for (const { bytes, dueAt } of datagramsOf(out.run))
        this.#repairs[out.stream].push({ to: out.stream, datagram: Buffer.from(bytes), dueAt });
  }

  #makeRetransmitter(ssrc: number, toGroup: boolean): Retransmitter {
    return new Retransmitter({
      ssrc,
      cname: 'sender@virtual',
      guard: new FeedbackGuard({ key: Buffer.alloc(32, ssrc) }),
      receivers: this.sender.reports,
      toGroup,
      destinations: 1,
      repairPortOf: () => REPAIR_PORT,
      rtxSequence: 65_530,
      repairBudget: REPAIR_BUDGET,
      historyMs: HISTORY_MS,
      historyBytes: HISTORY_BYTES,
    });
  }
}

function newQueue(): RepairQueue {
  return new Fifo();
}

function dueAt(queue: RepairQueue): number {
  return queue.at(0)?.dueAt ?? Infinity;
}
