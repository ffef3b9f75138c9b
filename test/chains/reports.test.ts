/** Both reporters, with a network of 20 ms between them. */
import { describe, expect, it } from 'vitest';
import { ReceiverReporter } from '../../receiver/reporter.ts';
import { SenderReporter } from '../../sender/reporter.ts';

const SENDER = { address: '10.0.0.1', port: 41_001 };
const RECEIVER = { address: '10.0.0.2', port: 42_002 };
const SSRC = 7;
const ONE_WAY_MS = 20;
const END = 5000;

/** Runs both for six seconds; what the receiver heard of the end, and both stages. */
function run() {
  const sender = new SenderReporter({
    ssrc: SSRC,
    cname: 'film@studio',
    clockRateHz: 90_000,
    healPort: 0,
    departures: { index: 60, sequence: 7, octets: 80_000, rtpTimestamp: 1, dueAt: 0, pacePpm: 1_000_000 },
    random: () => 0.5,
    wallAt: (now) => 1_800_000_000_000 + now,
  });
  const receiver = new ReceiverReporter({
    ssrc: 99,
    cname: 'room@house',
    random: () => 0.5,
    figures: () => ({ fractionLost: 3, cumulativeLost: 4, highestSequence: 65_540, jitter: 5 }),
  });
  const toReceiver = new Map<number, Buffer>();
  const toSender = new Map<number, Buffer>();
  const goodbyes: string[] = [];

  sender.push({ kind: 'start' }, 0);
  receiver.push({ kind: 'stream', ssrc: SSRC, address: SENDER.address }, 0);
  for (let now = 0; now < 6000; now++) {
    if (now === END) sender.push({ kind: 'end' }, now);
    const report = toReceiver.get(now);
    const answer = toSender.get(now);
    if (report) receiver.push({ kind: 'rtcp', datagram: report, source: SENDER, arrivedAt: now }, now);
    if (answer) sender.push({ kind: 'rtcp', datagram: answer, source: RECEIVER }, now);
    for (let datagram = sender.poll(now); datagram; datagram = sender.poll(now)) {
      toReceiver.set(now + ONE_WAY_MS, datagram);
    }
    for (let output = receiver.poll(now); output; output = receiver.poll(now)) {
      if (output.kind === 'rtcp') toSender.set(now + ONE_WAY_MS, output.datagram);
      if (output.kind === 'bye') goodbyes.push(`${now} ${output.last?.index}`);
    }
  }
  return { sender, goodbyes };
}

describe('reports both ways', () => {
  const { sender, goodbyes } = run();

  it('tell the sender who receives it and how', () =>
    expect(sender.receivers.get(99)).toMatchObject({
      source: RECEIVER,
      cname: 'room@house',
      cumulativeLost: 4,
    }));

  it('measure the round trip', () =>
    expect(sender.receivers.get(99)?.roundTripMs).toBeCloseTo(2 * ONE_WAY_MS, 1));

  it('tell the receiver once how many datagrams there were', () =>
    expect(goodbyes).toEqual([`${END + ONE_WAY_MS} 60`]));
});
