/**
 * What a sender and its receivers tell each other beside the media: reports and goodbyes go out, what receivers say comes in, and
 * what they miss is sent again.
 */
import { Driver } from '../transport/driver.ts';
import type { Endpoint } from '../wire/address.ts';
import type { FecSetting } from '../wire/fec/fec-setting.ts';
import { PTS_HZ } from '../wire/pes.ts';
import { FecAuto, type FecAutoInput, type FecChange } from './fec-auto.ts';
import { FeedbackGuard } from './feedback-guard.ts';
import type { MediaRun } from './media-chunk.ts';
import { LAST_PORT, type Outlets, RETRANSMISSION_PORT } from './outlets.ts';
import {
  type Departures,
  type ReceiverFigures,
  SenderReporter,
  type SenderReporterInput,
} from './reporter.ts';
import {
  HISTORY_BYTES,
  HISTORY_MS,
  REPAIR_BUDGET,
  Retransmitter,
  type RetransmitterInput,
  type RetransmitterOutput,
  type RetransmitterStats,
} from './retransmitter.ts';
import type { SenderOptions } from './session.ts';

/** What a conversation is about. */
export interface Subject {
  ssrc: number;
  departures: Readonly<Departures>;
  /** 16 random bits: the sequence number of the first retransmission. */
  rtxSequence: number;
  /** At least 16 random bytes, of this sender alone. */
  guardKey: Buffer;
  /** The wall clock at a monotonic time. */
  wallAt: (now: number) => number;
  /** With `fec` of `auto`: from now on the stream is to be protected in this way. */
  protect: (setting: FecSetting | undefined) => void;
}

/** Behind the last goodbye, or the last request, receivers are answered for so long, milliseconds. */
const LINGER_MS = 2000;

/** Said where nobody is ever challenged. */
const UNHEARD = 'FEC stays off: automatic, it follows receivers that may ask for repairs, and none may';

/** The conversation of one RTP sender. */
export class Conversation {
  readonly #options: SenderOptions;
  readonly #outlets: Outlets;
  readonly #reporter: SenderReporter;
  readonly #reports: Driver<SenderReporterInput, Buffer>;
  /** Absent when nothing is sent again. */
  readonly #retransmitter: Retransmitter | undefined;
  readonly #repairs: Driver<RetransmitterInput, RetransmitterOutput> | undefined;
  /** Says how to protect the stream; absent unless that is automatic. */
  readonly #protection: Driver<FecAutoInput, FecChange> | undefined;
  /** Somebody may ask for what leaves now. */
  #isKept = true;

  constructor(options: SenderOptions, outlets: Outlets, subject: Subject) {
    const { cname, random } = options;
    const { ssrc, departures, wallAt } = subject;
    this.#options = options;
    this.#outlets = outlets;
    const reporting = { ssrc, cname, clockRateHz: PTS_HZ, healPort: 0, departures, random, wallAt };
    this.#reporter = new SenderReporter(reporting);
    this.#reports = new Driver(this.#reporter, (report) => outlets.report(report));
    const { trustFeedback, fec } = options;
    const guard = new FeedbackGuard({
      key: subject.guardKey,
      ...(trustFeedback && { trusted: trustFeedback }),
    });
    this.#retransmitter = this.#makeRetransmitter(subject, guard);
    if (this.#retransmitter)
      this.#repairs = new Driver(this.#retransmitter, (output) => this.#answer(output));
    if (fec !== 'auto') return;
    const receiverOf = (source: Endpoint, datagram: Buffer): number => guard.receiverOf(source, datagram);
    const auto = new FecAuto({ ssrc, departures, receiverOf });
    this.#protection = new Driver(auto, ({ setting }) => subject.protect(setting));
    if (!this.#retransmitter) options.source.description.notes.push(UNHEARD);
  }

  get receivers(): ReadonlyMap<number, ReceiverFigures> {
    return this.#reporter.receivers;
  }

  /** What was sent again; `undefined` when nothing ever is. */
  get retransmission(): Readonly<RetransmitterStats> | undefined {
    return this.#retransmitter && { ...this.#retransmitter.stats };
  }

  /** Nobody may ask for datagrams before this index any more. */
  get releasedUpTo(): number {
    return this.#isKept && this.#retransmitter ? this.#retransmitter.releasedUpTo : Infinity;
  }

  /** When there is something more to say by itself; `Infinity`: never, as after the last goodbye. */
  get reportsAt(): number {
    return this.#reporter.wakeAt;
  }

  /** The first datagram is due now. */
  start(): void {
    this.#reports.push({ kind: 'start' });
  }

  /** The last datagram has left: says goodbye. */
  end(): void {
    this.#reports.push({ kind: 'end' });
  }

  /** These datagrams have gone into the departure queue. */
  departed(run: MediaRun): void {
    if (!this.#isKept) return;
    this.#repairs?.push({ kind: 'departed', run });
    this.#isKept = this.#retransmitter?.isAwaited ?? false;
  }

  /** A datagram came to the socket of the reports. It is valid during the call only. */
  hear(datagram: Buffer, source: Endpoint): void {
    this.#isKept = true;
    const stats = this.#retransmitter?.stats;
    const flooded = stats?.flooded;
    this.#repairs?.push({ kind: 'rtcp', datagram, source });
    // Too much comes to be read at all.
    if (stats?.flooded !== flooded) return;
    this.#reports.push({ kind: 'rtcp', datagram, source });
    // Behind the retransmitter, which has judged where it comes from.
    this.#protection?.push({ datagram, source });
  }

  /**
   * May somebody still ask for what he misses, at `now`? The last goodbye was said at `toldAt`. In a hurry only those who have asked
   * lately are waited for.
   */
  isAwaited(now: number, toldAt: number, manner: 'patient' | 'hurried'): boolean {
    const retransmitter = this.#retransmitter;
    if (!retransmitter || now >= toldAt + Math.max(HISTORY_MS, LINGER_MS)) return false;
    if (now < retransmitter.askedAt + LINGER_MS) return true;
    return manner === 'patient' && this.receivers.size > 0 && now < toldAt + LINGER_MS;
  }

  close(): void {
    this.#reports.close();
    this.#repairs?.close();
    this.#protection?.close();
  }

  #answer({ datagram, destination }: RetransmitterOutput): void {
    if (destination === 'group') this.#outlets.repairGroups(datagram);
    else this.#outlets.answer(datagram, destination);
  }

  #makeRetransmitter({ ssrc, rtxSequence }: Subject, guard: FeedbackGuard): Retransmitter | undefined {
    const { addresses, cname } = this.#options;
    const { repairBudget = REPAIR_BUDGET, historyBytes = HISTORY_BYTES, source } = this.#options;
    if (repairBudget === 0) return undefined;
    const ports = new Map(addresses.map(({ address, port }) => [address, port + RETRANSMISSION_PORT]));
    const highest = Math.max(...ports.values());
    if (highest > LAST_PORT) {
      source.description.notes.push(`nothing is sent again: port ${highest} would be needed for it`);
      return undefined;
    }
    const [ofGroup = highest] = ports.values();
    return new Retransmitter({
      ssrc,
      cname,
      guard,
      receivers: this.#reporter.receivers,
      toGroup: addresses.some(({ scope }) => scope !== 'unicast'),
      destinations: addresses.length,
      repairPortOf: (address) => ports.get(address) ?? ofGroup,
      rtxSequence,
      repairBudget,
      historyMs: HISTORY_MS,
      historyBytes,
    });
  }
}
