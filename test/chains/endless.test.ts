/**
 * 27 hours of a thin stream through a whole sender and two whole receivers, on virtual time.
 *
 * Long enough for every counter to come round: sequence numbers 29 times, RTP timestamps after 13 h 15 min, PCR and PTS after
 * 26 h 30 min, and then past the value they began with.
 */
import { describe, expect, it } from 'vitest';
import { Reception, type ReceptionOptions } from '../../receiver/reception.ts';
import { TsMonitor } from '../../receiver/ts-monitor.ts';
import { pcrAt } from '../../wire/mpeg-ts.ts';
import { PCR_CYCLE } from '../../wire/clock.ts';
import { drive } from '../helpers/drive.ts';
import { randomFrom } from '../helpers/network.ts';
import { thinStream } from '../helpers/thin-stream.ts';
import { VirtualSender } from '../helpers/virtual-sender.ts';

const HOURS = 27;
const RATE = 20;
const COUNT = HOURS * 3600 * RATE;
const DATAGRAM_BYTES = 1316;
const PERIOD_PCR = 27_000_000 / RATE;
const PERIOD_TICKS = 90_000 / RATE;
const LATENCY_MS = 200;
/** The receiver's clock is slower than the sender's by so much: datagrams come ever earlier. */
const DRIFT = -100e-6;
const MEDIA = { address: '10.0.0.1', port: 41_000 };
const REPORTS = { address: '10.0.0.1', port: 41_001 };

/** The stream in runs of a second. Their memory goes round: the sender is never more than a second ahead. */
function* runs(): Generator<Buffer> {
  const datagramAt = thinStream();
  const memory = Array.from({ length: 8 }, () => Buffer.alloc(RATE * DATAGRAM_BYTES));
  for (let index = 0; index < COUNT; index += RATE) {
    const run = memory[(index / RATE) % memory.length]!;
    for (let step = 0; step < RATE; step++) datagramAt(index + step).copy(run, step * DATAGRAM_BYTES);
    yield run;
  }
}

/** A receiver that looks at everything it releases; the one that releases in order also as a transport stream. */
class Watcher {
  readonly reception: Reception;
  readonly monitor: TsMonitor | undefined;
  /** What was not as it should be, the first ten of it. */
  readonly complaints: string[] = [];
  readonly steps: string[] = [];
  released = 0;
  reports = 0;
  /** Release less arrival, milliseconds, once the first minute is over. */
  least = Infinity;
  most = -Infinity;
  #lastTicks: number | undefined;

  constructor(release: ReceptionOptions['release']) {
    if (release === 'in-order') this.monitor = new TsMonitor();
    this.reception = new Reception({
      latencyMs: LATENCY_MS,
      release,
      cname: 'receiver@test',
      random: randomFrom(2),
    });
  }

  /** Keeps every promise of `wakeAt` up to `until`. */
  wake(until: number): void {
    for (let at = this.reception.wakeAt; at < until; at = this.reception.wakeAt) this.poll(Math.max(at, 0));
  }

  poll(now: number): void {
    const { reception } = this;
    for (let output = reception.poll(now); output; output = reception.poll(now)) {
      if (output.kind === 'payload') {
        this.#look(output, now);
        this.monitor?.push(output.payload, output.arrivedAt);
      } else if (output.kind === 'report') this.reports++;
      else if (output.kind !== 'recognised') this.steps.push(output.kind);
    }
  }

  #look(
    output: {
      payload: Buffer;
      index: number;
      timestampTicks: number | undefined;
      arrivedAt: number;
      discontinuity: boolean;
    },
    now: number,
  ): void {
    const { payload, index, timestampTicks = NaN, arrivedAt, discontinuity } = output;
    const pcr = (27_000_000 + this.released * PERIOD_PCR) % PCR_CYCLE;
    if (index !== this.released || pcrAt(payload, 0) !== pcr)
      this.#complain(`out of order at ${this.released}: ${index}`);
    if (discontinuity) this.#complain(`a discontinuity at ${index}`);
    if (this.#lastTicks !== undefined && timestampTicks - this.#lastTicks !== PERIOD_TICKS) {
      this.#complain(`the timestamp steps by ${timestampTicks - this.#lastTicks} at ${index}`);
    }
    this.#lastTicks = timestampTicks;
    this.released++;
    if (index < 60 * RATE) return;
    this.least = Math.min(this.least, now - arrivedAt);
    this.most = Math.max(this.most, now - arrivedAt);
  }

  #complain(words: string): void {
    if (this.complaints.length < 10) this.complaints.push(words);
  }
}

describe('27 hours', () => {
  it('pass through sender and receiver as one stream without a seam', () => {
    const first = { sequence: 60_000, timestamp: 2 ** 31, ssrc: 5 };
    const sender = new VirtualSender({ framing: 'rtp', runs: runs(), first, random: randomFrom(1) });
    const [inOrder, paced] = [new Watcher('in-order'), new Watcher('paced')];
    const jitter = randomFrom(3);
    let last = 0;
    for (const [at, { port, datagram }] of drive(sender)) {
      const arrivedAt = Math.max(last, at * (1 + DRIFT) + 10 * jitter());
      last = arrivedAt;
      for (const watcher of [inOrder, paced]) {
        watcher.wake(arrivedAt);
        if (port === 'media') watcher.reception.pushMedia(datagram, arrivedAt, MEDIA);
        else watcher.reception.push({ kind: 'rtcp', data: datagram, arrivedAt, source: REPORTS }, arrivedAt);
        watcher.poll(arrivedAt);
      }
    }
    expect(sender.departures.index).toBe(COUNT);
    for (const watcher of [inOrder, paced]) {
      watcher.wake(last + 60_000);
      expect(watcher.complaints).toEqual([]);
      expect(watcher.steps).toEqual(['end']);
      expect(watcher.released).toBe(COUNT);
      expect(watcher.reports).toBeGreaterThan(HOURS * 3600 * 0.9);
      expect(watcher.reception.figures(last)).toMatchObject({
        packets: COUNT,
        bytes: COUNT * DATAGRAM_BYTES,
        lost: 0,
        late: 0,
        duplicate: 0,
        overflow: 0,
        restarts: 0,
        firstIndex: 0,
        missingBefore: 0,
        refused: {},
      });
    }
    expect(inOrder.monitor?.counters).toEqual(new TsMonitor().counters);
    expect([inOrder.least, inOrder.most]).toEqual([0, 0]);
    expect(paced.least).toBeGreaterThan(LATENCY_MS - 20);
    expect(paced.most).toBeLessThan(LATENCY_MS + 20);
  });
});
