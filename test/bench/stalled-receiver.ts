/**
 * A receiver whose event loop stands still for two seconds, for `stall.ts`:
 *
 *     node stalled-receiver.js rtp://GROUP:PORT
 *
 * Prints `{"listening":true}` when it has joined and, when the stream has ended, what became of it (`Stalled`).
 */
import { startReceiver } from '../../receiver/index.ts';
import { monotonicNow } from '../../transport/clock.ts';
import { chooseEngine } from '../../transport/engine.ts';
import type { ChosenInterface } from '../../transport/udp.ts';
import { parseMediaAddress } from '../../wire/address.ts';

/** What the receiver saw. */
export interface Stalled {
  engine: string;
  packets: number;
  lost: number;
  kernelDrops: number | null;
  /** How long the event loop really stood still. */
  stalledMs: number;
  /** Most jitter that was reported in the three seconds before, and from the stall on in as long a time. */
  jitterBeforeMs: number;
  jitterAfterMs: number;
}

const LOOPBACK: ChosenInterface = {
  name: 'lo',
  address: '127.0.0.1',
  family: 4,
  reason: 'for the benchmark',
};
const STALL_AFTER_MS = 4000;
const STALL_MS = 2000;
/** The first second of a stream does not count: its jitter has to settle. */
const SETTLED_AFTER_MS = 1000;
/** As long as before the stall, so that chance has the same room. */
const LOOK_UNTIL_MS = STALL_AFTER_MS + STALL_MS + (STALL_AFTER_MS - SETTLED_AFTER_MS);
/** RFC 3550's jitter forgets in sixteen datagrams: it is looked at more often. */
const LOOK_EVERY = 8;

const [url = ''] = process.argv.slice(2);
const address = parseMediaAddress(url);
if (typeof address === 'string') throw new Error(`${url}: ${address}`);
const { engine } = await chooseEngine();
const session = await startReceiver({
  address,
  engine,
  via: LOOPBACK,
  latencyMs: 200,
  random: Math.random,
  cname: 'bench',
});

let firstAt: number | undefined;
let stalledMs = 0;
let released = 0;
let jitterBeforeMs = 0;
let jitterAfterMs = 0;
session.addSink({
  push(output, now) {
    if (output.kind !== 'payload' || ++released % LOOK_EVERY !== 0) return;
    firstAt ??= now;
    if (now - firstAt < SETTLED_AFTER_MS || now - firstAt > LOOK_UNTIL_MS) return;
    const { jitterMs = Number.NaN } = session.snapshot();
    if (stalledMs === 0) jitterBeforeMs = Math.max(jitterBeforeMs, jitterMs);
    else jitterAfterMs = Math.max(jitterAfterMs, jitterMs);
    if (stalledMs === 0 && now - firstAt >= STALL_AFTER_MS) setImmediate(stall);
  },
  close: () => Promise.resolve(),
});
console.log(JSON.stringify({ listening: true }));
await session.nextEnd();
const { packets, lost, kernelDrops = null } = session.snapshot();
const found: Stalled = {
  engine: engine.kind,
  packets,
  lost,
  kernelDrops,
  stalledMs,
  jitterBeforeMs,
  jitterAfterMs,
};
console.log(JSON.stringify(found));
await session.close();

/** Nothing else in this thread runs meanwhile. */
function stall(): void {
  if (stalledMs > 0) return;
  const from = monotonicNow();
  while (monotonicNow() - from < STALL_MS);
  stalledMs = monotonicNow() - from;
}
