/** One timer for all departure queues of the process: what costs is waking up, so nothing wakes for itself. */
import { monotonicNow } from './clock.ts';

/** What the timer drives. Times are monotonic milliseconds. */
export interface Departing {
  /** When it next wants `depart`; `Infinity` when nothing is queued. */
  readonly wakeAt: number;
  /** Sends what is due. */
  depart(now: number): void;
}

/** A wake-up for nothing now and then costs less than a thought about setTimeout's limit. */
const LONGEST_SLEEP_MS = 60_000;

const queues = new Set<Departing>();
let timer: NodeJS.Timeout | undefined;
let timerMs = 0; // what `timer` was made for
let armedFor = Infinity;

/** Starts to drive `queue`. */
export function addDeparting(queue: Departing): void {
  queues.add(queue);
}

/** Stops to drive `queue`. */
export function removeDeparting(queue: Departing): void {
  queues.delete(queue);
  if (queues.size === 0) arm(Infinity, 0); // the process may end
}

/** Tells the timer that a queue wants to be driven at `wakeAt`, which may be sooner than what it had said before. */
export function wakeDeparting(wakeAt: number): void {
  if (wakeAt < armedFor) arm(wakeAt, monotonicNow());
}

function tick(): void {
  const now = monotonicNow();
  let wakeAt = Infinity;
  for (const queue of queues) {
    if (queue.wakeAt <= now) queue.depart(now);
    wakeAt = Math.min(wakeAt, queue.wakeAt);
  }
  arm(wakeAt, now);
}

function arm(wakeAt: number, now: number): void {
  armedFor = wakeAt;
  const delayMs = Math.max(1, Math.min(Math.round(wakeAt - now), LONGEST_SLEEP_MS));
  // While a stream runs the delay hardly ever changes, and winding a timer up again is cheaper than a new one.
  if (timer && timerMs === delayMs && wakeAt < Infinity) timer.refresh();
  else {
    clearTimeout(timer);
    timer = wakeAt < Infinity ? setTimeout(tick, delayMs) : undefined;
    timerMs = delayMs;
  }
}
