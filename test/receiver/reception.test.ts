import { describe, expect, it } from 'vitest';
import type { ReceptionOutput } from '../../receiver/reception.ts';
import { parseRtcp } from '../../wire/rtcp.ts';
import { payloadOf } from '../helpers/packets.ts';
import { brief, newReception, receive, SENDER, type Output } from '../helpers/receive.ts';
import {
  atOf,
  bye,
  contents,
  inOrderOfTime,
  mark,
  OTHER,
  report,
  RTCP,
  rtpRun,
  seqRun,
  tsRun,
  upTo,
  type Arrivals,
} from '../helpers/runs.ts';

const LATENCY_MS = 200;

describe('reception of one stream', () => {
  it('recognises RTP by its second packet and loses none', () => {
    const beginning = report(0, 1, { index: 0, sequence: 100 });
    const { outputs, figures } = receive([beginning, ...rtpRun({ count: 3 })]);
    expect(brief(outputs, ['recognised'])).toBe('recognised 0 1 2');
    const recognised = outputs.find(({ kind }) => kind === 'recognised');
    expect(recognised).toEqual({ at: 10, kind: 'recognised', framing: 'rtp', source: SENDER, ssrc: 1 });
    const payload = outputs.find(({ kind }) => kind === 'payload');
    expect(payload).toMatchObject({ timestampTicks: 5_000, arrivedAt: 0, discontinuity: false });
    expect(contents(outputs)).toEqual([100, 101, 102]);
    expect(figures).toMatchObject({
      framing: 'rtp',
      source: '10.0.0.1:40000',
      ssrc: 1,
      packets: 3,
      bytes: 3 * 1316,
    });
  });

  it('recognises the sequence header by the third datagram and loses none', () => {
    const { outputs, figures } = receive(seqRun(7, 4));
    expect(brief(outputs, ['recognised'])).toBe('recognised 0 1 2 3');
    expect(outputs[1]).toMatchObject({ timestampTicks: undefined, arrivedAt: 0 });
    expect(figures).toMatchObject({
      framing: 'seq',
      firstIndex: 7,
      missingBefore: 7,
      lossMayBeUnderstated: false,
    });
    expect(figures).not.toHaveProperty('ssrc');
    expect(figures).not.toHaveProperty('jitterMs');
  });

  it('recognises bare TS at once, and says that loss may be understated', () => {
    const { outputs, figures } = receive(tsRun(2));
    expect(brief(outputs, ['recognised'])).toBe('recognised 0 1');
    expect(atOf(outputs, 'recognised')).toEqual([0]);
    expect(figures).toMatchObject({ framing: 'udp', lossMayBeUnderstated: true });
    expect(figures).not.toHaveProperty('firstIndex');
  });

  it('takes TS that is cut anywhere, from its first datagram on', () => {
    const stream = Buffer.concat(Array.from({ length: 60 }, (_, i) => payloadOf(i)));
    const sent: Arrivals = [];
    for (let at = 500; at < stream.length; at += 1472) {
      sent.push({ at: at / 1000, item: { data: stream.subarray(at, at + 1472) } });
    }
    const { outputs } = receive(sent, { giveUpAt: 100_000 });
    const bytes = outputs.flatMap((output) => (output.kind === 'payload' ? [output.payload] : []));
    expect(Buffer.concat(bytes).equals(stream.subarray(500))).toBe(true);
  });

  it('begins with the lowest sequence number of those that proved it', () => {
    const [first, second, third] = rtpRun({ count: 3 });
    const swapped = [{ ...second!, at: 0 }, { ...first!, at: 1 }, third!];
    expect(contents(receive(swapped).outputs)).toEqual([100, 101, 102]);
  });

  it('refuses what comes before its first datagram later than the latency', () => {
    const late = rtpRun({ count: 1, sequence: 99, timestamp: 4_100, at: LATENCY_MS + 1 });
    const { outputs, figures } = receive(inOrderOfTime(rtpRun({ count: 3 }), late));
    expect(brief(outputs)).toBe('0 1 2');
    expect(figures).toMatchObject({ lost: 0, late: 0, refused: { 'before-first': 1 } });
  });

  it('fills no gap with what is not of the stream', () => {
    const run = rtpRun({ count: 20 }).filter((_, i) => i !== 10);
    const noise = [Buffer.alloc(0), Buffer.from('hello'), Buffer.alloc(3000, 0x80), Buffer.alloc(1328, 0x47)];
    const garbage = noise.map((data, i) => ({ at: 111 + i, item: { data } }));
    const { outputs, figures } = receive(inOrderOfTime(run, garbage));
    expect(brief(outputs)).toBe(`${upTo(10)} gap 10+1 11 12 13 14 15 16 17 18 19`);
    expect(figures.refused).toEqual({ empty: 1, 'too-short': 1, 'too-long': 1, 'bad-version': 1 });
    expect(figures).toMatchObject({ lost: 1, unrecovered: 1, recovered: 0 });
  });

  it('counts what is late, double and out of order', () => {
    const run = rtpRun({ count: 60 });
    const sent = run.map((arrival, i) =>
      i === 10 ? { ...arrival, at: 400 } : i === 20 ? { ...arrival, at: 215 } : arrival,
    );
    const { figures } = receive(inOrderOfTime(sent, [{ ...run[30]!, at: 301 }]));
    expect(figures).toMatchObject({ late: 1, lost: 1, duplicate: 1, reordered: 1, packets: 59 });
  });

  it('takes no framing but the one that is asked for', () => {
    for (const framing of ['rtp', 'udp', 'seq'] as const) {
      const all = inOrderOfTime(
        tsRun(5, 0, OTHER),
        rtpRun({ count: 5, at: 1 }),
        seqRun(0, 5, 2, { ...OTHER, port: 1 }),
      );
      const { figures } = receive(all, { framing });
      expect(figures.framing).toBe(framing);
      expect(figures.packets).toBe(5);
    }
  });

  it('ignores reliable transfer', () => {
    const data = Buffer.concat([Buffer.from('LCF1'), Buffer.alloc(100)]);
    const { figures } = receive(
      Array.from({ length: 5 }, (_, at) => ({ at, item: { data } })),
      { giveUpAt: 10 },
    );
    expect(figures).toMatchObject({ packets: 0, refused: { 'reliable-transfer': 5 } });
  });

  it('holds each datagram until its media time when paced', () => {
    const run = rtpRun({ count: 5 }).map((arrival, i) => ({ ...arrival, at: arrival.at + (i % 2) * 8 }));
    const { outputs } = receive(run, { release: 'paced' });
    expect(atOf(outputs, 'payload')).toEqual([200, 210, 220, 230, 240]);
  });

  it('knows how unevenly datagrams came and how much it holds', () => {
    const { figures, reception } = receive(rtpRun({ count: 50 }), { release: 'paced', until: 490 });
    expect(figures.jitterMs).toBeCloseTo(0, 6);
    expect(reception.figures(490)).toMatchObject({ bufferMs: 190, silentMs: 0 });
  });
});

describe('datagrams that are handed over together', () => {
  /** Pushes all of them without a poll between, except where it is asked for, and polls at `now`. */
  function handOver(reception: ReturnType<typeof newReception>, arrivals: Arrivals, now: number): Output[] {
    const outputs: Output[] = [];
    const keep = (output: ReceptionOutput) => {
      const { payload } = { payload: undefined, ...output };
      outputs.push({ at: now, ...output, ...(payload && { payload: Buffer.from(payload) }) });
    };
    const drain = () => {
      for (let output = reception.poll(now); output; output = reception.poll(now)) keep(output);
    };
    for (const { at, item } of arrivals) {
      const passed = reception.passMedia(item.data, at, item.from ?? SENDER);
      if (passed) keep(passed);
      if (reception.isPressing) drain();
    }
    drain();
    return outputs;
  }
  const begun = (options = {}) => {
    const reception = newReception({ framing: 'rtp', ...options });
    handOver(reception, rtpRun({ count: 5 }), 1000);
    handOver(reception, [], 1000);
    return reception;
  };
  const later = (count: number, from = 5) =>
    rtpRun({ count, at: 10 * from, sequence: 100 + from, timestamp: 5_000 + 900 * from });

  it('leave in order, each with its own time of arrival', () => {
    const outputs = handOver(begun(), later(60), 2500);
    expect(outputs.map((out) => (out.kind === 'payload' ? [out.index, out.arrivedAt] : out.kind))).toEqual(
      Array.from({ length: 60 }, (_, i) => [5 + i, 50 + 10 * i]),
    );
  });

  it('fill gaps that the ones behind are long overdue for', () => {
    const reception = begun();
    const [first, ...rest] = later(15);
    expect(brief(handOver(reception, rest, 2500))).toBe('');
    expect(reception.wakeAt).toBe(60 + LATENCY_MS);
    expect(brief(handOver(reception, [{ ...first!, at: 215 }], 2500))).toBe(
      Array.from({ length: 15 }, (_, i) => i + 5).join(' '),
    );
    expect(reception.figures(2500)).toMatchObject({ lost: 0, late: 0, reordered: 1 });
  });

  it('give up what the newest of them is too late for', () => {
    const [, ...rest] = later(40);
    const outputs = handOver(begun(), rest, 2500);
    expect(brief(outputs.slice(0, 2))).toBe('gap 5+1 6');
    expect(outputs).toHaveLength(40);
  });

  it('lose nothing for want of room', () => {
    const reception = begun({ capacity: 64 });
    const run = later(500).filter((_, i) => i % 100 !== 0);
    handOver(reception, run, 6000);
    expect(handOver(reception, [], 6000)).toEqual([]);
    expect(reception.figures(6000)).toMatchObject({ packets: 5 + run.length, lost: 5, duplicate: 0 });
  });

  it('lose nothing of a beginning that fills the memory before it is known to be whole', () => {
    const count = 6500;
    const run = rtpRun({ count }).map(({ item }, i) => ({ at: i / 100, item }));
    const reception = newReception();
    handOver(reception, run, 65);
    expect(reception.figures(65)).toMatchObject({ packets: count, lost: 0, refused: {} });
  });
});

describe('the end of a stream', () => {
  const last = (index: number, sequence: number) => ({ index, sequence, final: true });

  it('comes at once when nothing is missing', () => {
    const { outputs } = receive([...rtpRun({ count: 5 }), bye(60, 1, last(5, 105))]);
    expect(brief(outputs)).toBe('0 1 2 3 4 end proven');
    expect(atOf(outputs, 'end')).toEqual([60]);
  });

  it('is told three times and comes once', () => {
    const byes = [60, 160, 260].map((at) => bye(at, 1, last(5, 105)));
    expect(brief(receive([...rtpRun({ count: 5 }), ...byes]).outputs)).toBe('0 1 2 3 4 end proven');
  });

  it('names the last datagrams when they were lost', () => {
    const { outputs, figures } = receive([...rtpRun({ count: 5 }), bye(80, 1, last(8, 108))]);
    expect(brief(outputs)).toBe('0 1 2 3 4 gap 5+3 end proven');
    expect(atOf(outputs, 'end')).toEqual([80 + LATENCY_MS]);
    expect(figures).toMatchObject({ lost: 3, unrecovered: 3 });
  });

  it('waits for datagrams that the goodbye has overtaken', () => {
    const { outputs, figures } = receive(inOrderOfTime(rtpRun({ count: 5 }), [bye(25, 1, last(5, 105))]));
    expect(brief(outputs)).toBe('0 1 2 3 4 end proven');
    expect(figures.lost).toBe(0);
  });

  it('of a plain RTP sender comes after the latency and is not proven', () => {
    const { outputs } = receive([...rtpRun({ count: 30 }), bye(310, 1)]);
    expect(brief(outputs)).toBe(`${upTo(30)} end`);
    expect(atOf(outputs, 'end')).toEqual([310 + LATENCY_MS]);
  });

  it('is not believed while the stream goes on', () => {
    for (const forged of [bye(60, 1), bye(60, 1, last(5, 105)), bye(60, 1, last(2, 102))]) {
      const { outputs, figures } = receive(inOrderOfTime(rtpRun({ count: 100 }), [forged]));
      expect([brief(outputs), figures.restarts]).toEqual([expect.stringMatching(`^${upTo(100)}`), 0]);
    }
  });

  it('is not taken from somebody else', () => {
    const { outputs } = receive([
      ...rtpRun({ count: 5 }),
      bye(60, 1, last(5, 105), OTHER),
      bye(61, 2, last(5, 105)),
    ]);
    expect(brief(outputs)).toBe('0 1 2 3 4');
  });

  it('comes for a stream of one RTP packet', () => {
    const { outputs } = receive([...rtpRun({ count: 1 }), bye(60, 1, last(1, 101))]);
    expect(brief(outputs, ['recognised'])).toBe('recognised 0 end proven');
  });

  it('comes for a stream of one RTP packet of two', () => {
    const { outputs } = receive([...rtpRun({ count: 1, sequence: 101 }), bye(60, 1, last(3, 103))]);
    expect(brief(outputs)).toBe('0 gap 1+1 end proven');
  });

  it('comes with the end mark of the sequence framing', () => {
    const { outputs, figures } = receive([...seqRun(0, 5), mark(5, 60), mark(5, 160), mark(5, 260)]);
    expect(brief(outputs)).toBe('0 1 2 3 4 end proven');
    expect(figures).toMatchObject({ packets: 5, lost: 0, firstIndex: 0, missingBefore: 0, refused: {} });
  });

  it('names a missing tail of the sequence framing, from one end mark of three', () => {
    const { outputs } = receive([...seqRun(0, 5), mark(9, 260)]);
    expect(brief(outputs)).toBe('0 1 2 3 4 gap 5+4 end proven');
  });

  it('comes for a stream of one datagram with a sequence header', () => {
    const { outputs } = receive([...seqRun(0, 1), mark(1, 60), mark(1, 160)]);
    expect(brief(outputs)).toBe('0 end proven');
  });

  it('refuses an end mark that lies before what came', () => {
    const { outputs, figures } = receive([...seqRun(0, 5), mark(2, 60)]);
    expect(brief(outputs)).toBe('0 1 2 3 4');
    expect(figures.refused).toEqual({ 'bad-end-mark': 1 });
  });

  it('is not believed of an end mark that names more than can have been sent', () => {
    expect(brief(receive([...seqRun(0, 5), mark(1_000_000, 60)]).outputs)).toBe('0 1 2 3 4');
  });

  const heldBack: [name: string, sent: Arrivals, out: string][] = [
    ['one TS packet', [{ at: 0, item: { data: payloadOf(0, 1) } }], 'recognised 0 end'],
    ['one RTP packet', rtpRun({ count: 1 }), 'recognised 0 end'],
    ['two datagrams with a sequence header', seqRun(0, 2), 'recognised 0 1 end'],
    ['nothing', [], 'end'],
    ['noise', [{ at: 0, item: { data: Buffer.from('hello') } }], 'end'],
    ['RTP', rtpRun({ count: 3 }), 'recognised 0 1 2 end'],
  ];
  for (const [name, sent, out] of heldBack) {
    it(`accepts ${name} when nothing more is expected`, () => {
      const { outputs } = receive(sent, { giveUpAt: 1000 });
      expect(brief(outputs, ['recognised'])).toBe(out);
      expect(atOf(outputs, 'end')).toEqual([1000]);
    });
  }

  it('lets go everything that is held, at once, when nothing more is expected', () => {
    const run = rtpRun({ count: 5 }).filter((_, i) => i !== 2);
    for (const release of ['in-order', 'paced'] as const) {
      const { outputs } = receive(run, { giveUpAt: 50, release });
      expect(brief(outputs)).toBe('0 1 gap 2+1 3 4 end');
      expect(outputs.at(-1)?.at).toBe(50);
    }
  });

  it('counts what nobody recognised when nothing more is expected', () => {
    const noise = Array.from({ length: 3 }, (_, at) => ({ at, item: { data: Buffer.from('hello') } }));
    expect(receive(noise, { giveUpAt: 10 }).figures.refused).toEqual({ unrecognised: 3 });
  });
});

describe('what a sender tells of itself', () => {
  it('gives the sender its count: what it sent before our first datagram', () => {
    const { figures } = receive(
      inOrderOfTime(rtpRun({ count: 5 }), [report(25, 1, { index: 1003, sequence: 103 })]),
    );
    expect(figures).toMatchObject({ firstIndex: 1000, missingBefore: 1000 });
  });

  it('holds when it was told before the first datagram', () => {
    const first = report(0, 1, { index: 0, sequence: 100 });
    expect(receive([first, ...rtpRun({ count: 5, at: 1 })]).figures).toMatchObject({
      firstIndex: 0,
      missingBefore: 0,
    });
    const lost = rtpRun({ count: 5, at: 1 }).slice(2);
    expect(receive([first, ...lost]).figures).toMatchObject({ firstIndex: 2, missingBefore: 2 });
  });

  it('is corrected when what was told before the first datagram was old', () => {
    const old = report(0, 1, { index: 0, sequence: 100 });
    const fresh = report(1025, 1, { index: 66_538, sequence: (100 + 66_538) % 65_536 });
    const run = rtpRun({ count: 5, at: 1000, sequence: (100 + 66_536) % 65_536 });
    expect(receive(inOrderOfTime([old], run, [fresh])).figures.firstIndex).toBe(66_536);
  });

  it('is not known of plain RTP', () => {
    const { figures } = receive([...rtpRun({ count: 5 }), report(60, 1)]);
    expect(figures).not.toHaveProperty('firstIndex');
    expect(figures).not.toHaveProperty('missingBefore');
  });

  it('turns pacing and jitter off when it does not send at the pace of life', () => {
    const fast = rtpRun({ count: 50 }).map((arrival) => ({ ...arrival, at: arrival.at / 8 }));
    const pace = report(0, 1, { index: 0, sequence: 100, pacePpm: 8_000_000 });
    const { outputs, figures } = receive([pace, ...fast], { release: 'paced' });
    expect(outputs.filter(({ kind }) => kind === 'payload').every((out) => out.at <= 62)).toBe(true);
    expect(figures).not.toHaveProperty('jitterMs');
  });

  it('is answered by reports to where it came from', () => {
    const run = rtpRun({ count: 300 }).filter((_, i) => i % 10 !== 5);
    const { outputs } = receive(inOrderOfTime(run, [report(25, 1, {}), report(1025, 1, {})]), {
      until: 2500,
    });
    const reports = outputs.flatMap((output) => (output.kind === 'report' ? [output] : []));
    expect(reports.every(({ to }) => to.address === RTCP.address && to.port === RTCP.port)).toBe(true);
    const compounds = reports.map(({ datagram }) => parseRtcp(datagram));
    const full = compounds.filter(
      ([first]) => typeof first === 'object' && first.kind === 'rr' && first.reports.length > 0,
    );
    expect(full.length).toBeGreaterThanOrEqual(2);
    expect(full.at(-1)?.[0]).toMatchObject({ kind: 'rr', reports: [{ ssrc: 1 }] });
    const asked = compounds.filter((packets) => packets.length === 3);
    expect(asked.length).toBeGreaterThan(0);
    expect(asked[0]).toMatchObject([{ kind: 'rr' }, { kind: 'sdes' }, { kind: 'unknown', packetType: 205 }]);
  });
});
