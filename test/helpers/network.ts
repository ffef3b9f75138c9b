/** A network out of a seed: loses, delays, disorders, doubles and interrupts. The same seed always does the same. */

/** Something on its way, and when it sets out or arrives, milliseconds. */
export interface InTransit<T> {
  at: number;
  item: T;
}

/** How delays beyond the fixed one are distributed. */
export type JitterShape =
  | 'uniform' // 0 to `jitterMs`
  | 'exponential' // mean `jitterMs`, at most ten times that
  | 'spikes'; // mostly nothing; one in 500 takes `jitterMs` and is followed by those behind it in a bunch

/** What is wrong with the network. Default: nothing. */
export interface NetworkOptions {
  /** Default 1. */
  seed?: number;
  /** Share lost at random, 0 to 1. */
  loss?: number;
  /** Gilbert–Elliott: share lost on average, in bursts of `meanBurst` on average, with nothing lost between them. */
  burstLoss?: { rate: number; meanBurst: number };
  /** What every one takes. */
  delayMs?: number;
  /** What some take in addition; overtaking only with `reorder`. */
  jitterMs?: number;
  jitterShape?: JitterShape;
  /** Jitter makes them overtake each other, as on parallel paths. Default false: a later one waits for those before. */
  reorder?: boolean;
  /** Share that arrives twice, the second time up to `duplicateMs` (default 5) later. */
  duplicates?: number;
  duplicateMs?: number;
  /** Outages: what sets out from..to is lost. */
  cuts?: readonly { from: number; to: number }[];
}

/** Uniform in [0, 1) from a seed: mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Sends everything through the network. Departures are in order of time; so are the arrivals that come out. */
export function* network<T>(
  departures: Iterable<InTransit<T>>,
  options: NetworkOptions = {},
): Generator<InTransit<T>> {
  const { delayMs = 0, cuts = [], duplicates = 0, duplicateMs = 5, reorder = false } = options;
  const random = randomFrom(options.seed ?? 1);
  const isLost = lossModel(options, random);
  const jitter = jitterModel(options, random);
  const underWay: InTransit<T>[] = [];
  let last = -Infinity;
  for (const { at, item } of departures) {
    yield* arrivedBy(underWay, at + delayMs);
    const lost = isLost();
    const late = jitter(at);
    if (lost || cuts.some(({ from, to }) => at >= from && at < to)) continue;
    const due = at + delayMs + late;
    last = reorder ? due : Math.max(last, due);
    insert(underWay, { at: last, item });
    if (random() < duplicates) insert(underWay, { at: last + random() * duplicateMs, item });
  }
  yield* arrivedBy(underWay, Infinity);
}

/** Those that arrive before `time`: nothing that sets out later can overtake them. */
function* arrivedBy<T>(underWay: InTransit<T>[], time: number): Generator<InTransit<T>> {
  let count = 0;
  while ((underWay[count]?.at ?? Infinity) < time) count++;
  yield* underWay.splice(0, count);
}

/** Keeps them in order of arrival; of those at the same time the one that set out first comes first. */
export function insert<T>(underWay: InTransit<T>[], arrival: InTransit<T>): void {
  let place = underWay.length;
  while (place > 0 && (underWay[place - 1]?.at ?? 0) > arrival.at) place--;
  underWay.splice(place, 0, arrival);
}

/** Says of each one in turn whether it is lost. */
export function lossModel({ loss = 0, burstLoss }: NetworkOptions, random: () => number): () => boolean {
  if (!burstLoss) return () => random() < loss;
  const leave = 1 / burstLoss.meanBurst;
  const enter = (leave * burstLoss.rate) / (1 - burstLoss.rate);
  let inBurst = false;
  return () => {
    inBurst = inBurst ? random() >= leave : random() < enter;
    return inBurst || random() < loss;
  };
}

/** Says of each one in turn how much longer it takes. */
export function jitterModel(options: NetworkOptions, random: () => number): (at: number) => number {
  const { jitterMs = 0, jitterShape = 'uniform' } = options;
  if (jitterShape === 'uniform') return () => random() * jitterMs;
  if (jitterShape === 'exponential') {
    return () => Math.min(-Math.log(1 - random()) * jitterMs, 10 * jitterMs);
  }
  let until = -Infinity;
  return (at) => {
    if (random() < 1 / 500) until = Math.max(until, at + jitterMs);
    return Math.max(0, until - at);
  };
}
