/** The two clocks of the machine. Everything inside runs on the monotonic one. */

/** CLOCK_MONOTONIC in milliseconds, as a float: the `now` of every stage. */
export function monotonicNow(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

/** Milliseconds since 1970 by the wall clock, as a float. Only for sender reports, file names and logs. */
export function wallNow(): number {
  return performance.timeOrigin + performance.now();
}
