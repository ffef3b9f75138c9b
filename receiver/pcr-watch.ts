/** Watches the programme clocks of a transport stream: are they regular, and how fast do its bytes go by them? */
import { PCR_CYCLE, cycleDistance } from '../wire/clock.ts';
import { PCR_HZ, TS_PACKET_BYTES, discontinuityAt, hasPcrAt, pcrAt } from '../wire/mpeg-ts.ts';

/** Most between two PCRs of a programme: 100 ms, ISO/IEC 13818-1 §2.7.2. */
const DUE_TICKS = 0.1 * PCR_HZ;
/** The rate is measured over this much programme time. */
const RATE_SPAN_TICKS = PCR_HZ;

/** Takes the packets of a transport stream that have an adaptation field, and is told of all. */
export class PcrWatch {
  #bitsPerSecond: number | undefined;
  /** Last PCR by PID; absent when the next one has nothing to follow. */
  readonly #last = new Map<number, number>();
  /** The PID whose clock measures the rate: the first one that rises. */
  #ratePid: number | undefined;
  #rateTicks = 0;
  #ratePackets = 0;

  /** Rate over the last second by the programme clock; `undefined` while not known. */
  get bitsPerSecond(): number | undefined {
    return this.#bitsPerSecond;
  }

  /** A packet goes by. */
  count(): void {
    this.#ratePackets++;
  }

  /** Takes the packet at `at`, of PID `pid`, once it is counted. True when its PCR comes too late, or jumps and that was not announced. */
  take(bytes: Buffer, at: number, pid: number): boolean {
    return hasPcrAt(bytes, at) && this.#takePcr(pcrAt(bytes, at) ?? 0, pid, discontinuityAt(bytes, at));
  }

  /** What comes next does not follow from what came. */
  forget(): void {
    this.#last.clear();
    this.#ratePid = undefined;
  }

  #takePcr(pcr: number, pid: number, announced: boolean): boolean {
    const last = this.#last.get(pid);
    this.#last.set(pid, pcr);
    const follows = last !== undefined && !announced;
    const step = follows ? cycleDistance(last, pcr, PCR_CYCLE) : 0;
    const steady = follows && step >= 0 && step <= RATE_SPAN_TICKS;
    if (this.#ratePid === pid && steady) this.#measure(step);
    else if (this.#ratePid === pid || (this.#ratePid === undefined && step > 0 && steady)) this.#begin(pid);
    return follows && (step < 0 || step > DUE_TICKS);
  }

  #begin(pid: number): void {
    this.#ratePid = pid;
    this.#rateTicks = 0;
    this.#ratePackets = 0;
  }

  #measure(step: number): void {
    this.#rateTicks += step;
    if (this.#rateTicks < RATE_SPAN_TICKS) return;
    this.#bitsPerSecond = (this.#ratePackets * TS_PACKET_BYTES * 8 * PCR_HZ) / this.#rateTicks;
    this.#rateTicks = 0;
    this.#ratePackets = 0;
  }
}
