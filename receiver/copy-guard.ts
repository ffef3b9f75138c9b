/**
 * Keeps a receiver of copies from being abused: whoever offers a file first proves, by a cookie, that he is where he says. Until then he
 * gets a challenge of 33 bytes for an offer of at least 28, and nothing is remembered of him (RFC 9000 §8.1.2).
 *
 * A cookie is the beginning of an HMAC-SHA256 of address, port, connection and the present ten minutes.
 */
import type { Buffer } from 'node:buffer';
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Endpoint } from '../wire/address.ts';
import { COOKIE_BYTES } from '../wire/copy.ts';

/** A cookie is good for the present period and the next. */
const PERIOD_MS = 600_000;
/** Datagrams of strangers are looked at one a millisecond; after a pause so many may come at once. */
const STRANGER_MS = 1;
const BURST_MS = 100;

/** Makes and knows cookies. */
export class CopyGuard {
  readonly #key: Buffer;
  #readyAt = -Infinity; // for the next stranger

  /** @param key of this receiver alone: at least 16 random bytes */
  constructor(key: Buffer) {
    this.#key = key;
  }

  /** Is a datagram that belongs to no connection to be looked at, or do too many come? */
  admits(now: number): boolean {
    if (now < this.#readyAt) return false;
    this.#readyAt = Math.max(this.#readyAt, now - BURST_MS) + STRANGER_MS;
    return true;
  }

  /** What a sender has to put into its offer. */
  cookie(source: Endpoint, connection: number, now: number): Buffer {
    return this.#cookie(source, connection, Math.floor(now / PERIOD_MS));
  }

  /** Is it one of ours, for this sender and connection? */
  knows(cookie: Buffer, source: Endpoint, connection: number, now: number): boolean {
    if (cookie.length !== COOKIE_BYTES) return false;
    const present = Math.floor(now / PERIOD_MS);
    return [present, present - 1].some((period) =>
      timingSafeEqual(cookie, this.#cookie(source, connection, period)),
    );
  }

  #cookie({ address, port }: Endpoint, connection: number, period: number): Buffer {
    const hmac = createHmac('sha256', this.#key).update(`${address} ${port} ${connection} ${period}`);
    return hmac.digest().subarray(0, COOKIE_BYTES);
  }
}
