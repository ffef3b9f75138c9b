/** The only media timer: drives a stage with real time. */
import type { Stage } from '../wire/stage.ts';
import { monotonicNow } from './clock.ts';

/** What a driver may be given instead of the machine's own; all of it is for tests, except `onError`. */
export interface DriverOptions {
  /** Monotonic milliseconds. */
  now?: () => number;
  /** Calls `wake` once after at least `delayMs`, a whole number from 1; gives back what cancels it. */
  setTimer?: (wake: () => void, delayMs: number) => () => void;
  /**
   * Takes what the stage or `emit` threw: a bug of ours. The driver is closed by then. Without it the error is thrown on:
   * out of `push`, or out of the timer.
   */
  onError?: (error: unknown) => void;
}

/** setTimeout fires at once when asked for more (24.8 days). */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Pushes inputs into a stage, polls it dry after each and whenever `wakeAt` has passed, and emits what comes out. */
export class Driver<In, Out> {
  readonly #stage: Stage<In, Out>;
  readonly #emit: (output: Out) => void;
  readonly #now: () => number;
  readonly #setTimer: (wake: () => void, delayMs: number) => () => void;
  readonly #onError: ((error: unknown) => void) | undefined;
  readonly #wake = (): void => this.#woken();
  #cancelTimer: () => void = () => undefined;
  #at = -Infinity; // the time the stage was last told
  #armedFor = Infinity;
  #draining = false;
  #closed = false;

  /** @param emit takes each output, at once; it may push */
  constructor(stage: Stage<In, Out>, emit: (output: Out) => void, options: DriverOptions = {}) {
    this.#stage = stage;
    this.#emit = emit;
    this.#now = options.now ?? monotonicNow;
    this.#setTimer = options.setTimer ?? realTimer;
    this.#onError = options.onError;
  }

  /** Hands one input to the stage and emits what follows from it. Does nothing once closed. */
  push(input: In): void {
    if (this.#closed) return;
    try {
      this.#at = this.#now();
      this.#stage.push(input, this.#at);
      this.#drain();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Polls the stage: at the start, and after it was changed by something other than `push`. */
  drain(): void {
    if (this.#closed) return;
    try {
      this.#at = this.#now();
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
