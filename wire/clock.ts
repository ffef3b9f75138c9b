/**
 * Media clocks and wall clocks: 90 kHz (PTS, DTS, RTP), 27 MHz (PCR), milliseconds, and NTP (RFC 3550 §4).
 */

/** PTS and DTS start over after so many ticks of 90 kHz: 26 h 30 min. ISO 13818-1 §2.4.3.7. */
export const PTS_CYCLE = 2 ** 33;

/** The PCR starts over after so many ticks of 27 MHz, with the PTS. ISO 13818-1 §2.4.2.2. */
export const PCR_CYCLE = 2 ** 33 * 300;

/**
 * Turns a clock that starts over into one that only grows; for cycles beyond 32 bits, else see `Unwrapper`.
 *
 * The first value is kept as it is. One that is older than the first comes out smaller than it, and so may be negative.
 * Exact for ten years of PCR.
 */
export class ClockUnwrapper {
  readonly #cycle: number;
  #newest: number | undefined;

  /** @param cycle ticks after which the clock starts over: `PTS_CYCLE` or `PCR_CYCLE` */
  constructor(cycle: number) {
    this.#cycle = cycle;
  }

  /** The extended value of `wire`, taken to be within half a cycle of the newest one seen. */
  unwrap(wire: number): number {
    if (this.#newest === undefined) return (this.#newest = wire);
    const extended = this.#newest + cycleDistance(this.#newest, wire, this.#cycle);
    if (extended > this.#newest) this.#newest = extended;
    return extended;
  }
}

/**
 * Signed ticks from `a` to `b` on a clock that starts over after `cycle` ticks: positive when `b` is later. Exactly half a
 * cycle apart counts as earlier.
 */
export function cycleDistance(a: number, b: number, cycle: number): number {
  const distance = (b - a) % cycle;
  if (distance >= cycle / 2) return distance - cycle;
  return distance < -cycle / 2 ? distance + cycle : distance;
}

/** Milliseconds of so many ticks of 27 MHz. */
export function pcrToMs(pcr: number): number {
  return pcr / 27_000;
}

/** Whole ticks of 90 kHz up to a time in ticks of 27 MHz. */
export function pcrToTicks(pcr: number): number {
  return Math.floor(pcr / 300);
}

/** An NTP timestamp: seconds since 1900 modulo 2^32, and 1/2^32 seconds. Both unsigned 32 bits. */
export interface NtpTime {
  seconds: number;
  fraction: number;
}

/** Seconds from 1900 to 1970. */
const NTP_TO_UNIX_SECONDS = 2_208_988_800;

/** NTP time of a wall clock in milliseconds since 1970; 2036 starts the count over. */
export function ntpFromWall(wallMs: number): NtpTime {
  const whole = Math.floor(wallMs / 1000);
  const fraction = Math.floor(((wallMs - whole * 1000) / 1000) * 2 ** 32);
  return { seconds: (whole + NTP_TO_UNIX_SECONDS) % 2 ** 32, fraction };
}

/** The middle 32 bits: 1/65536 seconds modulo 18 hours, as in LSR (RFC 3550 §6.4.1). */
export function compactNtp({ seconds, fraction }: NtpTime): number {
  return (((seconds & 0xffff) << 16) | (fraction >>> 16)) >>> 0;
}

/** A span of milliseconds in 1/65536 seconds, as in DLSR; spans of 18 hours and more stay at the largest value. */
export function compactFromMs(ms: number): number {
  return Math.min(Math.max(Math.round(ms * 65.536), 0), 0xffffffff);
}

/** Milliseconds of a span in 1/65536 seconds. */
export function compactToMs(compact: number): number {
  return compact / 65.536;
}
