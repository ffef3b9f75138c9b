/** Receives as a process does whose event loop is busy now and then: by the driver, in batches, on virtual time. */
import type { ReceptionFigures, ReceptionOptions, ReceptionOutput } from '../../receiver/reception.ts';
import { Driver, type DriverOptions } from '../../transport/driver.ts';
import type { InTransit } from './network.ts';
import { newReception, SENDER, type Output, type Sent } from './receive.ts';

/** The engine hands over no more at once. */
const BATCH = 64;

/** A time in which nothing runs. */
interface Busy {
  from: number;
  to: number;
}

/** How the process and its engine are. */
interface LoopOptions extends Partial<ReceptionOptions> {
  /** Default: never. */
  busy?: readonly Busy[];
  /** How long the engine waits for more datagrams before it hands them over, unless it is asked. Default 0. */
  gatherMs?: number;
}

/** Everything that is made of these datagrams, which the engine has stamped as they arrived. */
export function receiveInLoop(
  arrivals: readonly InTransit<Sent>[],
  { busy = [], gatherMs = 0, ...options }: LoopOptions = {},
): { outputs: Output[]; figures: ReceptionFigures } {
  const loop = new Loop(busy);
  const reception = newReception(options);
  const outputs: Output[] = [];
  const keep = (output: ReceptionOutput): void => {
    const at = loop.now;
    if (output.kind === 'payload') outputs.push({ at, ...output, payload: Buffer.from(output.payload) });
    else outputs.push({ at, ...output });
  };
  const driver = new Driver(reception, keep, {
    ...loop.clock,
    lacksInput: (now) => reception.lacksInput(now),
  });
  const media = new Socket(
    arrivals.filter(({ item }) => !item.rtcp),
    gatherMs,
  );
  const rtcp = new Socket(
    arrivals.filter(({ item }) => item.rtcp),
    gatherMs,
  );
  const handOver = () => {
    for (const { at, item } of rtcp.take(loop.now)) {
      driver.push({ kind: 'rtcp', data: item.data, arrivedAt: at, source: item.from ?? SENDER });
    }
    const datagrams = media.take(loop.now);
    for (const [index, { at, item }] of datagrams.entries()) {
      const passed = reception.passMedia(item.data, at, item.from ?? SENDER);
      if (passed) keep(passed);
      const isLast = index % BATCH === BATCH - 1 || index === datagrams.length - 1;
      if (isLast || reception.isPressing) driver.drain();
    }
  };
  for (;;) {
    const readableAt = Math.min(media.readableAt, rtcp.readableAt);
    if (!loop.turn(readableAt)) break;
    if (loop.now >= readableAt || loop.isAsked) handOver();
    loop.check();
  }
  return { outputs, figures: reception.figures(loop.now) };
}

/** What arrived and was not read yet. */
class Socket {
  readonly #arrivals: readonly InTransit<Sent>[];
  readonly #gatherMs: number;
  #read = 0;

  constructor(arrivals: readonly InTransit<Sent>[], gatherMs: number) {
    this.#arrivals = arrivals;
    this.#gatherMs = gatherMs;
  }

  /** When the engine hands it over by itself. */
  get readableAt(): number {
    return (this.#arrivals[this.#read]?.at ?? Infinity) + this.#gatherMs;
  }

  /** Everything that has arrived by `now`. */
  take(now: number): readonly InTransit<Sent>[] {
    const from = this.#read;
    while ((this.#arrivals[this.#read]?.at ?? Infinity) <= now) this.#read++;
    return this.#arrivals.slice(from, this.#read);
  }
}

/** An event loop: in each turn first timers, then sockets, then who asked for them to be read. */
class Loop {
  readonly #busy: readonly Busy[];
  #now = 0;
  #timers: { at: number; wake: () => void }[] = [];
  #checks: (() => void)[] = [];

  constructor(busy: readonly Busy[]) {
    this.#busy = busy;
  }

  /** For the driver. */
  readonly clock = {
    now: () => this.#now,
    setTimer: (wake: () => void, delayMs: number) => {
      const timer = { at: this.#now + delayMs, wake };
      this.#timers.push(timer);
      return () => void (this.#timers = this.#timers.filter((other) => other !== timer));
    },
    afterReading: (next: () => void) => void this.#checks.push(next),
  } satisfies DriverOptions;

  get now(): number {
    return this.#now;
  }

  /** Somebody wants the sockets to be read first. */
  get isAsked(): boolean {
    return this.#checks.length > 0;
  }

  /** Waits for the next event and calls the timers that are due; false when there is nothing to wait for. */
  turn(readableAt: number): boolean {
    let next = this.isAsked ? this.#now : readableAt;
    for (const { at } of this.#timers) next = Math.min(next, at);
    if (next === Infinity) return false;
    this.#now = Math.max(this.#now, next);
    for (const { from, to } of this.#busy) if (this.#now >= from && this.#now < to) this.#now = to;
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    for (const timer of due) {
      if (!this.#timers.includes(timer)) continue; // cancelled by one before it
      this.#timers = this.#timers.filter((other) => other !== timer);
      timer.wake();
    }
    return true;
  }

  check(): void {
    const checks = this.#checks;
    this.#checks = [];
    for (const next of checks) next();
  }
}
