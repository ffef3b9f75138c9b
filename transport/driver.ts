/** The only media timer: drives a stage with real time. */
import type { Stage } from '../wire/stage.ts';
import { monotonicNow } from './clock.ts';

/** How to drive. `now` and `setTimer` replace the machine's own in tests. */
export interface DriverOptions {
  /** Monotonic milliseconds. */
  now?: () => number;
  /** Calls `wake` once after at least `delayMs`, a whole number from 1; gives back what cancels it. */
  setTimer?: (wake: () => void, delayMs: number) => () => void;
  /**
   * For stages that are fed from sockets: calls `next` when all of them have had a turn to be read, as `afterSockets` does.
   *
   * While this process was busy, what is waited for may have come into the kernel's buffers. So when something is due the
   * sockets are read first: the stage is told the time of before until a turn brings nothing, or something that came since, for a
   * quarter of a second at most.
   */
  afterReading?: (next: () => void) => void;
  /** When the newest input came. Default: not known. */
  newestInputAt?: () => number;
  /** Is something due at `now` for want of input? Only then are the sockets read first. Default: always. */
  lacksInput?: (now: number) => boolean;
  /**
   * Takes what the stage or `emit` threw: a bug of ours. The driver is closed by then. Without it the error is thrown on:
   * out of `push`, or out of the timer.
   */
  onError?: (error: unknown) => void;
}

/** setTimeout fires at once when asked for more (24.8 days). */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Reading goes on for no longer, lest a flood of inputs puts off for ever what is due. */
const LONGEST_READING_MS = 250;

const readers: (() => void)[] = [];
let isReading = false;

/** Adds what reads sockets that the event loop does not: those of a thread. It is called on behalf of `afterSockets`. */
export function onReading(reader: () => void): void {
  readers.push(reader);
}

/** Calls `next` when all sockets were read once: the event loop's own in its poll phase, then those of threads. */
export function afterSockets(next: () => void): void {
  if (!isReading) {
    isReading = true;
    // Once for all that ask in this turn; immediates run in the order they were asked for.
    setImmediate(() => {
      isReading = false;
      for (const read of readers) read();
    });
  }
  setImmediate(next);
}

/** Pushes inputs into a stage, polls it dry after each and whenever `wakeAt` has passed, and emits what comes out. */
export class Driver<In, Out> {
  readonly #stage: Stage<In, Out>;
  readonly #emit: (output: Out) => void;
  readonly #now: () => number;
  readonly #setTimer: (wake: () => void, delayMs: number) => () => void;
  readonly #onError: ((error: unknown) => void) | undefined;
  readonly #afterReading: ((next: () => void) => void) | undefined;
  readonly #lacksInput: ((now: number) => boolean) | undefined;
  readonly #newestInputAt: (() => number) | undefined;
  readonly #wake = (): void => this.#woken();
  readonly #turn = (): void => this.#turned();
  #cancelTimer: () => void = () => undefined;
  #at = -Infinity; // the time the stage was last told
  #armedFor = Infinity;
  #readingUntil: number | undefined; // something is due, and the sockets are read first
  #inputs = 0; // of the present turn of reading
  #draining = false;
  #closed = false;

  /** @param emit takes each output, at once; it may push */
  constructor(stage: Stage<In, Out>, emit: (output: Out) => void, options: DriverOptions = {}) {
    this.#stage = stage;
    this.#emit = emit;
    this.#now = options.now ?? monotonicNow;
    this.#setTimer = options.setTimer ?? realTimer;
    this.#onError = options.onError;
    this.#afterReading = options.afterReading;
    this.#lacksInput = options.lacksInput;
    this.#newestInputAt = options.newestInputAt;
  }

  /** Hands one input to the stage and emits what follows from it. Does nothing once closed. */
  push(input: In): void {
    if (this.#closed) return;
    try {
      this.#look();
      this.#inputs++;
      this.#stage.push(input, this.#at);
      this.#drain();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Polls the stage: at the start, and after it was changed, or given an input, by other means than `push`. */
  drain(): void {
    if (this.#closed) return;
    try {
      this.#look();
      this.#inputs++;
      this.#drain();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Stops the timer. What the stage still holds stays there. */
  close(): void {
    this.#closed = true;
    this.#disarm();
  }

  /** Takes the time; has the sockets read first when something is due. */
  #look(): void {
    if (this.#readingUntil !== undefined) return;
    const now = this.#now();
    if (this.#afterReading && now >= this.#armedFor && (this.#lacksInput?.(now) ?? true)) {
      this.#disarm();
      this.#readingUntil = now + LONGEST_READING_MS;
      this.#inputs = 0;
      this.#afterReading(this.#turn);
    } else this.#at = now;
  }

  /** The sockets have had a turn. */
  #turned(): void {
    if (this.#closed) return;
    const until = this.#readingUntil ?? 0;
    const hasCaughtUp = this.#inputs === 0 || this.#isNewerThan(until - LONGEST_READING_MS);
    if (!hasCaughtUp && this.#now() < until) {
      this.#inputs = 0;
      this.#afterReading?.(this.#turn);
      return;
    }
    this.#readingUntil = undefined;
    this.drain();
  }

  #isNewerThan(at: number): boolean {
    return this.#newestInputAt !== undefined && this.#newestInputAt() > at;
  }

  /** Polls until the stage has no more. What `emit` pushes meanwhile is polled by the outermost loop, at the newest time. */
  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    try {
      for (;;) {
        const output = this.#stage.poll(this.#at);
        if (output === undefined) break;
        this.#emit(output);
        if (this.#closed) return;
      }
    } finally {
      this.#draining = false;
    }
    this.#arm();
  }

  /** An earlier timer that is already set is let be: it finds nothing and sets the next one. */
  #arm(): void {
    if (this.#readingUntil !== undefined) return;
    const { wakeAt } = this.#stage;
    if (wakeAt >= this.#armedFor) return;
    this.#disarm();
    this.#armedFor = wakeAt;
    const delayMs = Math.min(LONGEST_TIMER_MS, Math.max(1, Math.ceil(wakeAt - this.#at)));
    this.#cancelTimer = this.#setTimer(this.#wake, delayMs);
  }

  #disarm(): void {
    this.#cancelTimer();
    this.#armedFor = Infinity;
  }

  #woken(): void {
    this.#look();
    if (this.#readingUntil !== undefined) return;
    this.#armedFor = Infinity;
    this.drain();
  }

  #fail(error: unknown): void {
    this.close();
    if (!this.#onError) throw error;
    this.#onError(error);
  }
}

function realTimer(wake: () => void, delayMs: number): () => void {
  const timer = setTimeout(wake, delayMs);
  return () => clearTimeout(timer);
}
