/**
 * Measures the event loop of the program it is loaded into: `node --import ./test/soak/meter.js …`.
 *
 * After LANCAST_METER_WARM_UP_MS it starts anew; when the program ends it writes two numbers to the file LANCAST_METER: how many
 * milliseconds late a timer came that was due every 10 ms, at the 99.9th percentile and at most. Plain JavaScript, for the
 * measured program is built and runs without a loader.
 */
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const EVERY_MS = 10;
const { LANCAST_METER, LANCAST_METER_WARM_UP_MS } = process.env;

const delays = monitorEventLoopDelay({ resolution: EVERY_MS });
delays.enable();
setTimeout(() => delays.reset(), Number(LANCAST_METER_WARM_UP_MS)).unref();

/** The histogram counts the whole time between two wake-ups, in nanoseconds. */
const lateMs = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - EVERY_MS);

process.on('exit', () => {
  writeFileSync(LANCAST_METER, `${lateMs(delays.percentile(99.9))} ${lateMs(delays.max)}`);
});
