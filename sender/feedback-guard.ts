/**
 * Keeps feedback from being abused. Anybody can write any source address on a datagram, and a NACK of 44 bytes asks for 23 kB: so
 * a receiver first echoes a challenge (`wire/lanc.ts`) from the address it was sent to, and whoever did not gets at most three
 * times what came from him, as in RFC 9000 §8.1.
 *
 * A challenge is the beginning of an HMAC-SHA256 of address, port and the present ten minutes: nothing is kept for those who do
 * not echo but the account of their bytes.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Endpoint } from '../wire/address.ts';
import { RateLimit } from './rate-limit.ts';

/** Networks of addresses. A `BlockList` of `node:net` is one. */
export interface Networks {
  check(address: string, family: 'ipv4' | 'ipv6'): boolean;
}

export interface FeedbackGuardOptions {
  /** Of this sender alone: at least 16 random bytes. */
  key: Buffer;
  /** Whoever sends from there is served without an echo. Absent: nobody. */
  trusted?: Networks;
}

/** What is known of the source of a compound. */
export interface Standing {
  /** It echoed a challenge: it can be reached where the compound came from. */
  echoed: boolean;
  /** It may be sent more than three times what it sent: it echoed, or is trusted. */
  free: boolean;
  /** It did not echo the present challenge. */
  unchallenged: boolean;
  /** From 1 on, a different one for each receiver that is `free`; 0 for all others. */
  receiver: number;
}

/** Receivers and accounts remembered, the latest. */
export const MAX_RECEIVERS = 1024;

const COOKIE_BYTES = 8;
/** A challenge is good for the present period and the next. */
const PERIOD_MS = 600_000;
const GAIN = 3;
/** IPv4 and UDP headers. They count for what we send only, so that three times holds however one counts. */
const OVERHEAD_BYTES = 28;

/** Compounds that are looked at, one in so many milliseconds: of those who do not echo; of all who do; of each of them. */
const STRANGERS_MS = 4;
const RECEIVERS_MS = 0.2;
const RECEIVER_MS = 1;
/** After a pause so much may come at once: of strangers, all receivers of a large room when a stream begins. */
const STRANGERS_BURST_MS = 1000;
const BURST_MS = 100;

interface Receiver {
  readonly number: number;
  readonly limit: RateLimit;
  /** What it echoed last; empty: nothing. */
  cookie: Buffer;
  period: number;
}

const NO_COOKIE = Buffer.alloc(0);

/** Judges where feedback comes from. Memory and work are bounded, whatever comes. */
export class FeedbackGuard {
  readonly #options: FeedbackGuardOptions;
  readonly #receivers = new Map<string, Receiver>(); // by address and port; least recently heard first
  readonly #accounts = new Map<string, number>(); // by address: bytes that may be sent there; least recently heard first
  readonly #strangersLimit = new RateLimit(STRANGERS_BURST_MS);
  readonly #receiversLimit = new RateLimit(BURST_MS);
  #remembered = 0;

  constructor(options: FeedbackGuardOptions) {
    this.#options = options;
  }

  /**
   * Is a datagram from there to be looked at, or does too much come? Ask before reading it. What comes in the name of a receiver
   * without its cookie counts as a stranger's, so that nobody can use up what that receiver may send.
   */
  admits(source: Endpoint, datagram: Buffer, now: number): boolean {
    const receiver = this.#receivers.get(keyOf(source));
    if (!receiver || !datagram.includes(receiver.cookie)) return this.#strangersLimit.take(STRANGERS_MS, now);
    return receiver.limit.take(RECEIVER_MS, now) && this.#receiversLimit.take(RECEIVERS_MS, now);
  }

  /**
   * Judges the source of a compound of so many bytes.
   *
   * @param echo the cookie in it; `undefined`: none
   */
  judge(source: Endpoint, bytes: number, echo: Buffer | undefined, now: number): Standing {
    const present = Math.floor(now / PERIOD_MS);
    const period = echo && this.#periodOf(echo, source, present);
    const echoed = period !== undefined;
    const free = echoed || this.#trusts(source.address);
    const unchallenged = period !== present;
    if (unchallenged) this.#credit(source.address, GAIN * bytes);
    const receiver = free ? this.#remember(source, echo ?? NO_COOKIE, period ?? -1).number : 0;
    return { echoed, free, unchallenged, receiver };
  }

  /** Which receiver a datagram is from that was judged, as in `Standing`; 0: one that does not carry its cookie, or nobody's. */
  receiverOf(source: Endpoint, datagram: Buffer): number {
    const receiver = this.#receivers.get(keyOf(source));
    return receiver && datagram.includes(receiver.cookie) ? receiver.number : 0;
  }

  /** Takes so many bytes, and headers, off the account of an address; false: more than what came from there allows. */
  spend(address: string, bytes: number): boolean {
    const left = (this.#accounts.get(address) ?? 0) - bytes - OVERHEAD_BYTES;
    if (left < 0) return false;
    this.#accounts.set(address, left);
    return true;
  }

  /** What a source has to echo now: 8 bytes. */
  challenge(source: Endpoint, now: number): Buffer {
    return this.#cookie(source, Math.floor(now / PERIOD_MS));
  }

  #cookie({ address, port }: Endpoint, period: number): Buffer {
    const hmac = createHmac('sha256', this.#options.key).update(`${address} ${port} ${period}`);
    return hmac.digest().subarray(0, COOKIE_BYTES);
  }

  /** When the challenge was made: in the present period or the one before; `undefined`: not by us for this source. */
  #periodOf(echo: Buffer, source: Endpoint, present: number): number | undefined {
    const known = this.#receivers.get(keyOf(source));
    if (known && known.period >= present - 1 && equal(echo, known.cookie)) return known.period;
    for (const period of [present, present - 1]) if (equal(echo, this.#cookie(source, period))) return period;
    return undefined;
  }

  #trusts(address: string): boolean {
    return this.#options.trusted?.check(address, address.includes(':') ? 'ipv6' : 'ipv4') ?? false;
  }

  #remember(source: Endpoint, cookie: Buffer, period: number): Receiver {
    const key = keyOf(source);
    const receiver = this.#receivers.get(key) ?? {
      number: 1 + (this.#remembered++ % MAX_RECEIVERS),
      limit: new RateLimit(BURST_MS),
      cookie: NO_COOKIE,
      period: -1,
    };
    if (receiver.period !== period) {
      receiver.cookie = Buffer.from(cookie); // what came is valid during the call only
      receiver.period = period;
    }
    putLast(this.#receivers, key, receiver);
    return receiver;
  }

  #credit(address: string, bytes: number): void {
    putLast(this.#accounts, address, (this.#accounts.get(address) ?? 0) + bytes);
  }
}

function keyOf({ address, port }: Endpoint): string {
  return `${address} ${port}`;
}

function equal(echo: Buffer, cookie: Buffer): boolean {
  return echo.length === cookie.length && timingSafeEqual(echo, cookie);
}

/** Makes it the latest of at most `MAX_RECEIVERS`. */
function putLast<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MAX_RECEIVERS && oldest !== undefined) map.delete(oldest);
}
