/** One timer for all departure queues of the process: what costs is waking up, so nothing wakes for itself. */
import { monotonicNow } from './clock.ts';

/** What the timer drives. Times are monotonic milliseconds. */
export interface Departing {
  /** When it next wants `depart`; `Infinity` when nothing is queued. */
  readonly wakeAt: number;
  /** True when `wakeAt` should be met more exactly than a timer can. */
  isBehind(now: number): boolean;
  /** Sends what is due. */
  depart(now: number): void;
}

const queues = new Set<Departing>();
let timer: NodeJS.Timeout | undefined;
let immediate: NodeJS.Immediate | undefined;
let armedFor = Infinity;

/** Starts to drive `queue`. */
export function addDeparting(queue: Departing): void {
  queues.add(queue);
}

/** Stops to drive `queue`. */
export function removeDeparting(queue: Departing): void {
  queues.delete(queue);
  if (queues.size === 0) disarm();
}

/** Tells the timer that a queue wants to be driven at `wakeAt`, which may be sooner than what it had said before. */
export function wakeDeparting(wakeAt: number): void {
  if (wakeAt < armedFor) arm(wakeAt, monotonicNow());
}

function tick(): void {
  disarm();
  const now = monotonicNow();
  let wakeAt = Infinity;
  let behind = false;
  for (const queue of queues) {
    if (queue.wakeAt <= now) queue.depart(now);
    wakeAt = Math.min(wakeAt, queue.wakeAt);
    behind ||= queue.isBehind(now);
  }
  if (behind) {
    armedFor = now;
    immediate = setImmediate(tick);
  } else if (wakeAt < Infinity) arm(wakeAt, now);
}

function arm(wakeAt: number, now: number): void {
  disarm();
  armedFor = wakeAt;
  timer = setTimeout(tick, Math.max(1, Math.round(wakeAt - now)));
}

function disarm(): void {
  clearTimeout(timer);
  clearImmediate(immediate);
  armedFor = Infinity;
}
