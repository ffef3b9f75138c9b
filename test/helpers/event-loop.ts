/** Receives as a process does whose event loop is busy now and then: by the driver, in batches, on virtual time. */
import type { ReceptionFigures, ReceptionOptions } from '../../receiver/reception.ts';
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

/** Everything that is made of these datagrams, which the engine has stamped as they arrived. */
export function receiveInLoop(
  arrivals: readonly InTransit<Sent>[],
  { busy = [], ...options }: Partial<ReceptionOptions> & { busy?: readonly Busy[] } = {},
): { outputs: Output[]; figures: ReceptionFigures } {
  const loop = new Loop(busy);
  const reception = newReception(options);
  const outputs: Output[] = [];
  const driver = new Driver(
    reception,
    (output) => {
      const at = loop.now();
      if (output.kind === 'payload') outputs.push({ at, ...output, payload: Buffer.from(output.payload) });
      else outputs.push({ at, ...output });
    },
    loop,
  );
  const media = new Socket(
    arrivals.filter(({ item }) => !item.rtcp),
    options.handoverMs,
  );
  const rtcp = new Socket(
    arrivals.filter(({ item }) => item.rtcp),
    options.handoverMs,
  );
  while (loop.turn(Math.min(media.readableAt, rtcp.readableAt))) {
    for (const { at, item } of rtcp.read(loop.now())) {
      driver.push({ kind: 'rtcp', data: item.data, arrivedAt: at, source: item.from ?? SENDER });
    }
    const datagrams = media.read(loop.now());
    for (const [index, { at, item }] of datagrams.entries()) {
      reception.pushMedia(item.data, at, item.from ?? SENDER);
      const isLast = index % BATCH === BATCH - 1 || index === datagrams.length - 1;
      if (isLast || reception.isPressing) driver.drain();
    }
    loop.check();
  }
  return { outputs, figures: reception.figures(loop.now()) };
}

/** What arrived and was not read yet. */
class Socket {
  readonly #arrivals: readonly InTransit<Sent>[];
  readonly #handoverMs: number;
  #read = 0;

  constructor(arrivals: readonly InTransit<Sent>[], handoverMs = 0) {
    this.#arrivals = arrivals;
    this.#handoverMs = handoverMs;
  }

  /** When the engine says that there is something to read. */
  get readableAt(): number {
    return (this.#arrivals[this.#read]?.at ?? Infinity) + this.#handoverMs;
  }

  /** Everything that has arrived by `now`, once the engine says that there is something. */
  read(now: number): readonly InTransit<Sent>[] {
    const from = this.#read;
    if (now >= this.readableAt) while ((this.#arrivals[this.#read]?.at ?? Infinity) <= now) this.#read++;
    return this.#arrivals.slice(from, this.#read);
  }
}

/** An event loop: in each turn first timers, then sockets, then what waits for both. */
class Loop implements DriverOptions {
  readonly #busy: readonly Busy[];
  #now = 0;
  #timers: { at: number; wake: () => void }[] = [];
  #checks: (() => void)[] = [];

  constructor(busy: readonly Busy[]) {
    this.#busy = busy;
  }

  readonly now = (): number => this.#now;

  readonly setTimer = (wake: () => void, delayMs: number): (() => void) => {
    const timer = { at: this.#now + delayMs, wake };
    this.#timers.push(timer);
    return () => (this.#timers = this.#timers.filter((other) => other !== timer));
  };

  readonly afterReading = (next: () => void): void => void this.#checks.push(next);

  /** Waits for the next event and calls the timers that are due; false when there is nothing to wait for. */
  turn(readableAt: number): boolean {
    let next = this.#checks.length > 0 ? this.#now : readableAt;
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
