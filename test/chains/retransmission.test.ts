/** Retransmission as a whole: a sender's history, receivers that ask, and a network that loses on the way to them. */
import { beforeAll, describe, expect, it } from 'vitest';
import { parseRtx, restoreOriginal, RTP_RTX, writeRtx } from '../../wire/rtx.ts';
import { randomFrom } from '../helpers/network.ts';
import { rtpDatagram, SEQUENCE_STARTS } from '../helpers/packets.ts';
import { RepairedReceiver } from '../helpers/repaired-receiver.ts';
import { runTrial, type TrialOptions, type TrialResult } from '../helpers/retransmission.ts';

/** Virtual time of the runs that take longest, over all their seeds. */
const MINUTES = Number(process.env['LANCAST_REPAIR_MINUTES'] ?? 3);
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/** Runs with several seeds, and prints what came out. */
function trials(seeds: readonly number[], options: Omit<TrialOptions, 'seed'>): TrialResult {
  const results = seeds.map((seed) => runTrial({ seed, ...options }));
  const sumOf = (key: keyof TrialResult): number => results.reduce((sum, result) => sum + result[key], 0);
  const sum: TrialResult = {
    sent: sumOf('sent'),
    lost: sumOf('lost'),
    residual: sumOf('residual'),
    wrong: sumOf('wrong'),
    repairs: sumOf('repairs'),
    groupRepairs: sumOf('groupRepairs'),
    requests: sumOf('requests'),
  };
  const { sent, lost, residual, repairs, requests } = sum;
  const share = (count: number): string => (count / sent).toPrecision(3);
  console.log(
    `seeds ${seeds.join(' ')}, ${JSON.stringify(options)}: of ${sent} lost ${share(lost)}, never had ${residual}` +
      ` (${share(residual)}), repairs ${share(repairs)}, requests ${share(requests)}`,
  );
  return sum;
}

describe('20 Mbit/s, 20 ms round trip, 200 ms latency', () => {
  for (const [minutes, multicast] of [
    [30, false],
    [MINUTES, true],
  ] as const)
    it(`at 10 % random loss arrives whole in ${minutes} minutes, ${multicast ? 'multicast' : 'unicast'}`, () => {
      const { sent, residual, wrong, repairs } = trials([20], {
        seconds: 60 * minutes,
        loss: { loss: 0.1 },
        multicast,
      });
      expect([residual, wrong]).toEqual([0, 0]);
      expect(repairs / sent).toBeLessThanOrEqual((1.3 * 0.1) / 0.9);
    });

  it('at 20 % random loss lacks at most one in a million', () => {
    const { sent, residual, wrong, repairs } = trials(SEEDS, {
      seconds: 6 * MINUTES,
      loss: { loss: 0.2 },
    });
    expect(wrong).toBe(0);
    expect(residual / sent).toBeLessThanOrEqual(1e-6);
    expect(repairs / sent).toBeLessThanOrEqual((1.3 * 0.2) / 0.8);
  });

  it('at 5 % loss in bursts of 20 lacks at most one in a hundred thousand', () => {
    const burstLoss = { rate: 0.05, meanBurst: 20 };
    const { sent, residual, wrong } = trials(SEEDS, { seconds: 6 * MINUTES, loss: { burstLoss } });
    expect(wrong).toBe(0);
    expect(residual / sent).toBeLessThanOrEqual(1e-5);
  });

  it('says what is lacking when requests are lost as well', () => {
    const { sent, lost, residual, wrong } = trials([1, 2, 3], {
      seconds: 60,
      loss: { loss: 0.1 },
      feedbackLoss: 0.1,
    });
    expect(wrong).toBe(0);
    expect(residual / sent).toBeLessThan(1e-4);
    expect(lost / sent).toBeGreaterThan(0.09);
  });

  it('arrives whole when the round trip varies from 20 to 30 ms', () => {
    const { sent, residual, wrong, repairs } = trials([1, 2, 3], {
      seconds: 60,
      loss: { loss: 0.1 },
      jitterMs: 5,
    });
    expect([residual, wrong]).toEqual([0, 0]);
    expect(repairs / sent).toBeLessThanOrEqual((1.3 * 0.1) / 0.9);
  });

  it('arrives whole when the receiver at first takes the round trip for 100 ms', () => {
    const { residual, wrong } = trials(SEEDS, { seconds: 5, loss: { loss: 0.05 }, guessMs: 100 });
    expect([residual, wrong]).toEqual([0, 0]);
  });
});

describe('a stream of 5 Mbit/s at 10 % loss arrives whole', () => {
  for (const sequence of SEQUENCE_STARTS)
    it(`from sequence number ${sequence}`, () => {
      const { residual, wrong } = runTrial({
        seed: 40 + sequence,
        sequence,
        seconds: 10,
        bitsPerSecond: 5e6,
        loss: { loss: 0.1 },
      });
      expect([residual, wrong]).toEqual([0, 0]);
    });

  it('over two wraps of the sequence number', () => {
    const { sent, residual, wrong } = runTrial({
      seed: 41,
      seconds: 290,
      bitsPerSecond: 5e6,
      loss: { loss: 0.1 },
    });
    expect(sent).toBeGreaterThan(2 * 65_536);
    expect([residual, wrong]).toEqual([0, 0]);
  });
});

describe('a group at 2 Mbit/s with 5 % common loss', () => {
  const group = { seconds: 20, bitsPerSecond: 2e6, commonLoss: 0.05, multicast: true };
  let alone: TrialResult;
  beforeAll(() => {
    alone = trials([3], group);
  });

  for (const receivers of [2, 3, 5, 20, 200])
    it(`of ${receivers} receivers is repaired with at most twice the traffic for one`, () => {
      const together = trials([3], { ...group, receivers });
      expect(together.repairs).toBeLessThanOrEqual(2 * alone.repairs);
      expect([together.residual, together.wrong]).toEqual([0, 0]);
      expect(together.groupRepairs).toBeGreaterThan(0);
    });

  it('of 200 receivers a millisecond away is asked for by few of them', () => {
    const near = { ...group, roundTripMs: 1 };
    const [one, all] = [trials([3], near), trials([3], { ...near, receivers: 200 })];
    expect(all.repairs).toBeLessThanOrEqual(2 * one.repairs);
    expect(all.requests).toBeLessThan(50 * one.requests);
  });

  it('of 200 receivers is repaired when each of them loses something of its own as well', () => {
    const { residual, wrong } = trials([3], { ...group, receivers: 200, loss: { loss: 0.001 } });
    expect([residual, wrong]).toEqual([0, 0]);
  });
});

it('receivers with copies of their own are repaired each for itself', () => {
  const { residual, wrong } = trials([3], {
    seconds: 20,
    bitsPerSecond: 2e6,
    receivers: 20,
    loss: { loss: 0.05 },
  });
  expect([residual, wrong]).toEqual([0, 0]);
});

it('repairs of what was never sent, copies of repairs and broken ones change nothing', () => {
  const random = randomFrom(77);
  const options = { sequence: 65_500, latencyMs: 200, isMulticast: false, random };
  const receiver = new RepairedReceiver(options);
  const repairOf = (sequence: number, index: number): Buffer => {
    const payload = Buffer.alloc(1316);
    payload.writeUInt32BE(index, 0);
    payload.writeUInt32BE(index, 1312);
    return writeRtx(rtpDatagram({ sequence, ssrc: 7 }, payload), { payloadType: RTP_RTX, sequence: 1 });
  };
  const original = (index: number): Buffer => {
    const rtx = parseRtx(repairOf((65_500 + index) & 0xffff, index));
    return typeof rtx === 'string' ? Buffer.alloc(0) : restoreOriginal(rtx, 33);
  };
  for (let index = 0; index < 200; index++) {
    if (index % 10 !== 5) receiver.take(original(index), index);
    // Its content is that of no datagram.
    const never = (65_500 + index + 1 + Math.floor(random() * 60_000)) & 0xffff;
    receiver.takeRepair(repairOf(never, 2 ** 31), index);
    receiver.takeRepair(Buffer.from(Array.from({ length: 20 }, () => 256 * random())), index);
    for (const copy of [1, 2, 3]) {
      const missed = index - 10 - copy;
      if (missed % 10 === 5) receiver.takeRepair(repairOf((65_500 + missed) & 0xffff, missed), index);
      if (missed >= 0) receiver.takeRepair(repairOf((65_500 + missed) & 0xffff, missed), index);
    }
  }
  receiver.end(200, 200);
  for (const missed of [185, 195]) receiver.takeRepair(repairOf((65_500 + missed) & 0xffff, missed), 210);
  receiver.poll(500);
  expect(receiver).toMatchObject({ residual: 0, wrong: 0, ended: true });
  expect(receiver.window.counters).toMatchObject({ packets: 200, lost: 0 });
});
