import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { untilEnd, type Limits } from '../../cli/ending.ts';
import type { ReceiverSession, StreamEnd } from '../../receiver/index.ts';
import type { Sink } from '../../receiver/sink.ts';
import { monotonicNow } from '../../transport/clock.ts';
import { address } from '../../cli/values.ts';
import { snapshotOf } from '../helpers/snapshots.ts';

/** A session that hears a datagram every 10 ms between two moments, and may be told the end. */
class Script implements ReceiverSession {
  readonly id = 'a';
  readonly name = 'a';
  readonly notes = [];
  readonly address = address.parse('rtp://239.1.1.1:5004') ?? expect.fail('an address');
  readonly calls: string[] = [];
  readonly #startedAt = monotonicNow();
  readonly #heard: { from: number; to: number };
  #resolve: ((end: StreamEnd) => void) | undefined;

  constructor(heard: { from: number; to: number }) {
    this.#heard = heard;
  }

  snapshot() {
    const at = monotonicNow() - this.#startedAt;
    const { from, to } = this.#heard;
    return at < from ? snapshotOf({ packets: 0 }) : snapshotOf({ silentMs: at < to ? at % 10 : at - to });
  }

  lossHistory() {
    return [];
  }

  nextEnd() {
    return new Promise<StreamEnd>((resolve) => (this.#resolve = resolve));
  }

  tell(end: StreamEnd) {
    this.#resolve?.(end);
  }

  giveUp() {
    this.calls.push('giveUp');
    this.tell({ reason: 'given-up', proven: false });
  }

  async close() {
    this.calls.push('close');
  }

  /** The first datagram is released to it, after the latency. */
  addSink(sink: Sink) {
    if (this.#heard.from === Infinity) return;
    const arrivedAt = this.#startedAt + this.#heard.from;
    setTimeout(() => {
      for (const index of [0, 1]) {
        const payload = Buffer.alloc(188);
        sink.push({ kind: 'payload', payload, index, timestampTicks: 0, arrivedAt, discontinuity: false }, 0);
      }
    }, this.#heard.from + 50);
  }

  removeSink() {
    this.calls.push('removeSink');
  }
  async [Symbol.asyncDispose]() {}
}

const never = { from: Infinity, to: Infinity };
const always = { from: 100, to: Infinity };

function limits(changes: Partial<Limits>): Limits {
  return {
    durationMs: undefined,
    timeoutMs: undefined,
    latencyMs: 50,
    signal: new AbortController().signal,
    ...changes,
  };
}

describe('untilEnd', () => {
  it('ends after the duration, counted from the first datagram', async () => {
    const script = new Script(always);
    const ending = await untilEnd(script, limits({ durationMs: 300 }));
    expect(ending).toMatchObject({ reason: 'duration', proven: false });
    expect(ending.waitedMs).toBeGreaterThanOrEqual(399);
    expect(ending.lastedMs).toBeGreaterThanOrEqual(250);
    expect(script.calls).toEqual(['removeSink', 'close']);
  });
  it('ends after the duration when nothing ever comes', async () => {
    expect(await untilEnd(new Script(never), limits({ durationMs: 200 }))).toMatchObject({
      reason: 'duration',
      lastedMs: 0,
    });
  });
  it('ends after a silence, and takes what is held before', async () => {
    const script = new Script({ from: 50, to: 200 });
    expect(await untilEnd(script, limits({ timeoutMs: 250 }))).toMatchObject({ reason: 'timeout' });
    expect(script.calls).toEqual(['removeSink', 'giveUp', 'close']);
  });
  it('ends when nothing ever comes within the timeout', async () => {
    const ending = await untilEnd(new Script(never), limits({ timeoutMs: 200 }));
    expect(ending).toMatchObject({ reason: 'timeout', lastedMs: 0 });
    expect(ending.waitedMs).toBeGreaterThanOrEqual(200);
  });
  it('takes no time in which it stood still for silence', async () => {
    const timeoutMs = 200;
    const ending = untilEnd(new Script({ from: 0, to: 1 }), limits({ timeoutMs }));
    const standstillMs = 600;
    for (const end = monotonicNow() + standstillMs; monotonicNow() < end;);
    expect((await ending).waitedMs).toBeGreaterThanOrEqual(standstillMs + timeoutMs);
  });
  it('ends when the sender says goodbye, and says whether the tail is proven', async () => {
    const script = new Script(always);
    const ending = untilEnd(script, limits({}));
    await sleep(150);
    script.tell({ reason: 'told', proven: true });
    expect(await ending).toMatchObject({ reason: 'told', proven: true });
  });
  it('ends when people say so', async () => {
    const stop = new AbortController();
    const ending = untilEnd(new Script(always), limits({ signal: stop.signal }));
    await sleep(100);
    stop.abort();
    expect(await ending).toMatchObject({ reason: 'stopped', proven: false });
  });
});
