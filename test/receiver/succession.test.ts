/** Who plays when several send: restarts, second senders, forgers, floods. */
import { describe, expect, it } from 'vitest';
import type { Reception } from '../../receiver/reception.ts';
import type { Endpoint } from '../../wire/address.ts';
import { randomFrom } from '../helpers/network.ts';
import { rtpDatagram, sequenceDatagram } from '../helpers/packets.ts';
import { brief, newReception, receive, SENDER } from '../helpers/receive.ts';
import {
  atOf,
  bye,
  contents,
  inOrderOfTime,
  mark,
  OTHER,
  report,
  rtpRun,
  seqRun,
  tsRun,
  upTo,
} from '../helpers/runs.ts';

const LATENCY_MS = 200;
const SECOND_PORT: Endpoint = { ...SENDER, port: SENDER.port + 2 };

/** The first run: datagrams 0 to 99, the last one at 990 ms. */
const first = () => rtpRun({ count: 100 });

describe('a sender that starts again', () => {
  it('with a new SSRC takes over once the old one has been silent for the latency, from its first packet on', () => {
    const again = rtpRun({ count: 50, ssrc: 2, sequence: 9_000, timestamp: 77, at: 1040 });
    const { outputs, figures } = receive([...first(), ...again]);
    expect(brief(outputs, ['recognised'])).toBe(`recognised ${upTo(100)} restart 1 recognised ${upTo(50)}`);
    expect(atOf(outputs, 'restart')).toEqual([1040 + LATENCY_MS]);
    expect(contents(outputs).slice(100)).toEqual(Array.from({ length: 50 }, (_, i) => 9_000 + i));
    expect(figures).toMatchObject({ restarts: 1, ssrc: 2, packets: 150, lost: 0, refused: {} });
    expect(figures).not.toHaveProperty('secondSender');
  });

  it('from another address takes over in the same way', () => {
    const again = rtpRun({ count: 50, ssrc: 2, sequence: 9_000, at: 1040, from: SECOND_PORT });
    const { outputs, figures } = receive([...first(), ...again]);
    expect(brief(outputs)).toBe(`${upTo(100)} restart 1 ${upTo(50)}`);
    expect(figures.source).toBe(`10.0.0.1:${SECOND_PORT.port}`);
  });

  it('takes over at once after a goodbye', () => {
    const goodbye = bye(1000, 1, { index: 100, sequence: 200, final: true });
    const beginning = report(1040, 2, { index: 0, sequence: 100 });
    const { outputs } = receive([...first(), goodbye, beginning, ...rtpRun({ count: 5, ssrc: 2, at: 1040 })]);
    expect(brief(outputs)).toBe(`${upTo(100)} end proven restart 1 ${upTo(5)}`);
    expect(atOf(outputs, 'restart')).toEqual([1050]);
  });

  it('waits for the missing tail of the old stream', () => {
    const goodbye = bye(1000, 1, { index: 103, sequence: 203, final: true });
    const again = [report(1010, 2, { index: 0, sequence: 100 }), ...rtpRun({ count: 50, ssrc: 2, at: 1010 })];
    const { outputs, figures } = receive([...first(), goodbye, ...again]);
    expect(brief(outputs)).toBe(`${upTo(100)} gap 100+3 end proven restart 1 ${upTo(50)}`);
    expect(atOf(outputs, 'restart')).toEqual([1000 + LATENCY_MS]);
    expect(figures.lost).toBe(3);
  });

  it('with the same SSRC is known by sequence and timestamp together', () => {
    const again = rtpRun({ count: 50, sequence: 9_000, timestamp: 2 ** 31, at: 1040 });
    const { outputs } = receive([...first(), ...again]);
    expect(brief(outputs)).toBe(`${upTo(100)} restart 1 ${upTo(50)}`);
  });

  it('is none when the sequence goes on, whatever the timestamp does', () => {
    const { outputs } = receive([
      ...first(),
      ...rtpRun({ count: 5, sequence: 200, timestamp: 2 ** 31, at: 1000 }),
    ]);
    expect(brief(outputs)).toBe(upTo(105));
    const flags = outputs.flatMap((output) =>
      output.kind === 'payload' && output.discontinuity ? [output.index] : [],
    );
    expect(flags).toEqual([100]);
  });

  it('is none when the timestamp goes on with time, however many are missing', () => {
    const { outputs, figures } = receive([
      ...first(),
      ...rtpRun({ count: 5, sequence: 6_100, timestamp: 5_000 + 90 * 60_000, at: 60_000 }),
    ]);
    expect(brief(outputs)).toBe(`${upTo(100)} gap 100+5900 6000 6001 6002 6003 6004`);
    expect(figures).toMatchObject({ lost: 5900, restarts: 0 });
  });

  it('is none when the stream goes on from another address', () => {
    const moved = rtpRun({ count: 50, sequence: 203, timestamp: 5_000 + 900 * 103, at: 1030, from: OTHER });
    const { outputs, figures } = receive([...first(), ...moved]);
    expect(brief(outputs)).toMatch(new RegExp(`^${upTo(100)} gap 100\\+3 103 .* 152$`));
    expect(figures).toMatchObject({ restarts: 0, source: '10.0.0.2:40000', lost: 3 });
  });

  it('comes back after its end with a new epoch', () => {
    const goodbye = bye(1000, 1, { index: 100, sequence: 200, final: true });
    const { outputs } = receive([
      ...first(),
      goodbye,
      ...rtpRun({ count: 3, sequence: 200, timestamp: 95_000, at: 5_000 }),
    ]);
    expect(brief(outputs)).toBe(`${upTo(100)} end proven restart 1 0 1 2`);
  });

  it('comes back after we had given up', () => {
    const { outputs } = receive([...tsRun(3), ...tsRun(2, 3_000)], { giveUpAt: 10_000 });
    expect(brief(outputs)).toBe('0 1 2 3 4 end');
    const stage = newReception();
    for (const { at, item } of tsRun(3)) stage.pushMedia(item.data, at, SENDER);
    stage.push({ kind: 'giveUp' }, 1_000);
    const kinds: string[] = [];
    for (let out = stage.poll(1_000); out; out = stage.poll(1_000)) kinds.push(out.kind);
    stage.pushMedia(tsRun(1)[0]!.item.data, 2_000, SENDER);
    for (let out = stage.poll(2_000); out; out = stage.poll(2_000)) kinds.push(out.kind);
    expect(kinds.slice(-4)).toEqual(['end', 'restart', 'recognised', 'payload']);
  });

  it('adds up what was missing before the first datagram of each epoch', () => {
    const told = (at: number, ssrc: number, index: number) => report(at, ssrc, { index, sequence: 100 });
    const sent = [told(0, 1, 7), ...first(), told(1030, 2, 3), ...rtpRun({ count: 50, ssrc: 2, at: 1040 })];
    expect(receive(sent).figures).toMatchObject({ firstIndex: 7, missingBefore: 10, restarts: 1 });
  });

  it('is followed at any moment, with nothing lost and nothing mixed', () => {
    const random = randomFrom(5);
    for (let i = 0; i < 200; i++) {
      const count = 2 + Math.floor(random() * 200);
      const ssrc = random() < 0.3 ? 1 : 2 + i;
      const from = random() < 0.5 ? SENDER : SECOND_PORT;
      const start = { sequence: Math.floor(random() * 65_536), timestamp: Math.floor(random() * 2 ** 32) };
      const old = { sequence: Math.floor(random() * 65_536), timestamp: Math.floor(random() * 2 ** 32) };
      const at = 10 * count + random() * 500;
      const { outputs, figures } = receive([
        ...rtpRun({ count, ...old }),
        ...rtpRun({ count: 60, ssrc, from, at, ...start }),
      ]);
      expect([i, brief(outputs)]).toEqual([i, `${upTo(count)} restart 1 ${upTo(60)}`]);
      expect(figures).toMatchObject({ restarts: 1, lost: 0, packets: count + 60 });
      expect(Math.max(...atOf(outputs, 'restart'))).toBeLessThanOrEqual(
        Math.max(at, 10 * count - 10) + LATENCY_MS,
      );
    }
  });
});

describe('a sender of the sequence framing that starts again', () => {
  const run = () => seqRun(0, 100);

  it('from another port takes over after the latency', () => {
    const { outputs } = receive([...run(), ...seqRun(0, 50, 1040, SECOND_PORT)]);
    expect(brief(outputs)).toBe(`${upTo(100)} restart 1 ${upTo(50)}`);
  });

  it('from the same port is known after a silence', () => {
    const { outputs } = receive([...run(), ...seqRun(0, 50, 1_200)]);
    expect(brief(outputs)).toBe(`${upTo(100)} restart 1 ${upTo(50)}`);
  });

  it('is known at once after the end mark', () => {
    const { outputs } = receive([
      ...run(),
      mark(100, 1000),
      mark(100, 1100),
      mark(100, 1200),
      ...seqRun(0, 50, 1250),
    ]);
    expect(brief(outputs)).toBe(`${upTo(100)} end proven restart 1 ${upTo(50)}`);
  });

  it('is known by a jump that the silence does not explain', () => {
    const { outputs } = receive([...run(), ...seqRun(2_000_000, 50, 1_300)]);
    expect(brief(outputs)).toBe(`${upTo(100)} restart 1 ${upTo(50)}`);
  });
});

describe('a second sender', () => {
  const both = (ms: number) =>
    inOrderOfTime(
      rtpRun({ count: ms / 10 }),
      rtpRun({ count: ms / 10, ssrc: 2, sequence: 9_000, from: OTHER, at: 5 }),
    );

  it('is not played while the first one sends, and is said once', () => {
    const { outputs, figures } = receive(both(3_000), { until: 3_050 });
    expect(brief(outputs, ['recognised', 'second-sender'])).toMatch(
      /^recognised 0 [\d ]*second-sender [\d ]* 299$/,
    );
    expect(outputs.find(({ kind }) => kind === 'second-sender')).toMatchObject({ source: OTHER });
    expect(contents(outputs)).toEqual(Array.from({ length: 300 }, (_, i) => 100 + i));
    expect(figures).toMatchObject({ secondSender: '10.0.0.2:40000', restarts: 0, lost: 0, refused: {} });
  });

  it('takes over when the first one falls silent, without a hole', () => {
    const second = rtpRun({ count: 500, ssrc: 2, sequence: 9_000, from: OTHER, at: 5 });
    const { outputs, figures } = receive(inOrderOfTime(rtpRun({ count: 200 }), second));
    const played = contents(outputs).slice(200);
    const sentThen = Math.floor((1990 - 5) / 10);
    expect(played[0]).toBeLessThanOrEqual(9_000 + sentThen);
    expect(played).toEqual(Array.from({ length: played.length }, (_, i) => (played[0] ?? 0) + i));
    expect(played.at(-1)).toBe(9_499);
    expect(atOf(outputs, 'restart')).toEqual([1990 + LATENCY_MS]);
    expect(figures).not.toHaveProperty('secondSender');
  });

  it('that has gone is not played when the first one falls silent', () => {
    const second = rtpRun({ count: 50, ssrc: 2, sequence: 9_000, from: OTHER, at: 5 });
    const { outputs } = receive(inOrderOfTime(rtpRun({ count: 500 }), second), { giveUpAt: 20_000 });
    expect(brief(outputs)).toBe(`${upTo(500)} end`);
  });

  it('is shown for five seconds after its last datagram', () => {
    const sent = inOrderOfTime(
      both(1_000),
      rtpRun({ count: 1200, sequence: 200, timestamp: 95_000, at: 1_000 }),
    );
    const { reception } = receive(sent, { until: 12_990 });
    expect(reception.figures(5_900)).toHaveProperty('secondSender');
    expect(reception.figures(6_100)).not.toHaveProperty('secondSender');
  });

  it('of the same SSRC is not mixed in', () => {
    const forger = rtpRun({ count: 300, sequence: 110, timestamp: 5_000, from: OTHER, at: 5 });
    const { outputs } = receive(inOrderOfTime(rtpRun({ count: 300 }), forger), { until: 3_050 });
    expect(brief(outputs, ['second-sender']).match(/second-sender/g)).toHaveLength(1);
    const played = outputs.flatMap((output) => (output.kind === 'payload' ? [output] : []));
    expect(played.map(({ index }) => index)).toEqual(Array.from({ length: 300 }, (_, i) => i));
    expect(played.every(({ index, arrivedAt }) => arrivedAt === index * 10)).toBe(true);
  });

  it('of the same SSRC and from the same address, with other numbers, does not make the stream flap', () => {
    const twin = rtpRun({ count: 300, sequence: 9_000, timestamp: 2 ** 31, at: 5 });
    const { outputs, figures } = receive(inOrderOfTime(rtpRun({ count: 300 }), twin), { until: 3_050 });
    expect(contents(outputs)).toEqual(Array.from({ length: 300 }, (_, i) => 100 + i));
    expect(figures.restarts).toBe(0);
  });

  it('of bare TS is not mixed in', () => {
    const { outputs, figures } = receive(inOrderOfTime(tsRun(300), tsRun(300, 5, OTHER)), { until: 3_050 });
    expect(contents(outputs)).toEqual(Array.from({ length: 300 }, (_, i) => i));
    expect(figures.secondSender).toBe('10.0.0.2:40000');
  });
});

describe('under attack', () => {
  /** Plays datagrams 0 to 999 of a stream, one each ms, with an attack of `each` after every one of them. */
  function attack(reception: Reception, each: (now: number, poll: (now: number) => void) => void): number[] {
    const out: number[] = [];
    const poll = (now: number) => {
      for (let output = reception.poll(now); output; output = reception.poll(now)) {
        if (output.kind === 'payload') out.push(output.index);
        else if (output.kind !== 'recognised' && output.kind !== 'second-sender') out.push(-1);
      }
    };
    for (let now = 0; now < 1000; now++) {
      const data = rtpDatagram({ sequence: now, timestamp: now * 90, ssrc: 1 });
      reception.pushMedia(data, now, SENDER);
      poll(now);
      if (now > 0) each(now, poll);
      poll(now);
    }
    return out;
  }
  const whole = Array.from({ length: 1000 }, (_, i) => i);

  it('a thousand copies of every tenth datagram change nothing', () => {
    const reception = newReception();
    const out = attack(reception, (now, poll) => {
      if (now % 10 !== 0) return;
      const copy = rtpDatagram({ sequence: now, timestamp: now * 90, ssrc: 1 });
      for (let i = 0; i < 1000; i++) {
        reception.pushMedia(copy, now, SENDER);
        poll(now);
      }
    });
    expect(out).toEqual(whole);
    expect(reception.figures(1000)).toMatchObject({ lost: 0, packets: 1000 });
    expect(reception.figures(1000).duplicate).toBe(99_000);
  });

  it('empty datagrams change nothing', () => {
    const reception = newReception();
    const empty = Buffer.alloc(0);
    const out = attack(reception, (now) => {
      for (let i = 0; i < 100; i++) reception.pushMedia(empty, now, i % 2 ? SENDER : OTHER);
    });
    expect(out).toEqual(whole);
    expect(reception.figures(1000).refused).toEqual({ empty: 99_900 });
  });

  it('noise from the address of the sender changes nothing', () => {
    const random = randomFrom(11);
    const reception = newReception();
    const out = attack(reception, (now) => {
      const noise = Buffer.from(
        Array.from({ length: Math.floor(random() * 60) }, () => Math.floor(random() * 256)),
      );
      reception.pushMedia(noise, now, SENDER);
    });
    expect(out).toEqual(whole);
  });

  it('streams with random SSRCs from the address of the sender change nothing', () => {
    const random = randomFrom(12);
    const reception = newReception();
    const out = attack(reception, (now) => {
      const ssrc = Math.floor(random() * 2 ** 32);
      for (let i = 0; i < 4; i++) {
        reception.pushMedia(rtpDatagram({ sequence: i, timestamp: 9 * i, ssrc }), now, SENDER);
      }
    });
    expect(out).toEqual(whole);
  });

  it('single forged sequence numbers and timestamps with the right SSRC lose nothing that came', () => {
    const random = randomFrom(13);
    const reception = newReception();
    const out = attack(reception, (now) => {
      const header = {
        sequence: Math.floor(random() * 65_536),
        timestamp: Math.floor(random() * 2 ** 32),
        ssrc: 1,
      };
      if (now % 50 === 25) reception.pushMedia(rtpDatagram(header), now, SENDER);
    });
    expect(out).toEqual(whole);
    expect(reception.figures(1000)).toMatchObject({ lost: 0, restarts: 0 });
  });

  it('ten thousand addresses with streams of their own change nothing and fill no memory', () => {
    const reception = newReception();
    const before = process.memoryUsage().arrayBuffers;
    const out = attack(reception, (now) => {
      for (let i = 0; i < 10; i++) {
        const source = { address: '10.9.9.9', port: 1000 + 10 * now + i };
        for (let n = 0; n < 3; n++) reception.pushMedia(sequenceDatagram(n), now, source);
      }
    });
    expect(out).toEqual(whole);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 2 ** 20);
    expect(reception.figures(1000).lost).toBe(0);
  });
});
