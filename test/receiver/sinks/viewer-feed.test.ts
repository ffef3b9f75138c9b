import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Concealment } from '../../../receiver/concealment.ts';
import type { Released } from '../../../receiver/sink.ts';
import { ViewerFeed, type FeedRun } from '../../../receiver/sinks/viewer-feed.ts';
import { TS_PACKET_BYTES, continuityAt, pidAt, randomAccessAt } from '../../../wire/mpeg-ts.ts';
import { writePmt } from '../../../wire/psi.ts';
import { packetizeSection } from '../../../wire/sections.ts';
import { pidsOf } from '../../helpers/programme-parts.ts';
import { nullPacket, programme, type ProgrammeOptions } from '../../helpers/programme.ts';

const DATAGRAM_BYTES = 1316;

/** A programme as its datagrams arrive on a perfect network. */
function released(options: ProgrammeOptions & { durationMs: number }): Released[] {
  const { bitsPerSecond = 2_000_000 } = options;
  const ts = programme(options);
  return Array.from({ length: Math.floor(ts.length / DATAGRAM_BYTES) }, (_, index) => ({
    kind: 'payload' as const,
    payload: ts.subarray(index * DATAGRAM_BYTES, (index + 1) * DATAGRAM_BYTES),
    index,
    timestampTicks: undefined,
    arrivedAt: 1000 + (index * DATAGRAM_BYTES * 8000) / bitsPerSecond,
    discontinuity: false,
  }));
}

function feedAll(feed: ViewerFeed, steps: Released[]): void {
  for (const step of steps) feed.push(step, step.kind === 'payload' ? step.arrivedAt : 0);
}

const bytesOf = (runs: readonly FeedRun[]) => Buffer.concat(runs.map(({ data }) => data));

/** Offset of the first packet of a key frame at or after `from`. */
function keyAt(ts: Buffer, from = 0): number {
  let at = from;
  while (at < ts.length && !(randomAccessAt(ts, at) && pidAt(ts, at) === videoPid)) at += TS_PACKET_BYTES;
  return at;
}

/** Bytes of the tables that lead a run. */
function tablesBefore(data: Buffer): number {
  let at = 0;
  while ([0, 0x11].includes(pidAt(data, at)) || pidAt(data, at) === pmtPid) at += TS_PACKET_BYTES;
  return at;
}
const { pmt: pmtPid, video: videoPid, audio: audioPid } = pidsOf(0);

/** The same payload with nothing but the sound in it. */
function soundOnly(payload: Buffer): Buffer {
  const copy = Buffer.from(payload);
  const head = { programmeNumber: 1, pcrPid: audioPid, descriptors: [] };
  const section = { version: 0, current: true, sectionNumber: 0, lastSectionNumber: 0 };
  const streams = [{ streamType: 0x0f, pid: audioPid, descriptors: [] }];
  for (let at = 0; at < copy.length; at += TS_PACKET_BYTES) {
    const pid = pidAt(copy, at);
    if (pid === videoPid) nullPacket().copy(copy, at);
    if (pid === pmtPid) {
      packetizeSection(writePmt({ ...head, ...section, streams }), pmtPid, continuityAt(copy, at))[0]!.copy(
        copy,
        at,
      );
    }
  }
  return copy;
}

describe('ViewerFeed', () => {
  afterEach(() => void vi.useRealTimers());

  it('gives a listener every byte from the first key frame on', () => {
    const feed = new ViewerFeed();
    const runs: FeedRun[] = [];
    feed.subscribe((run) => runs.push(run));
    const steps = released({ durationMs: 3000, seed: 5 });
    feedAll(feed, steps);
    feed.push({ kind: 'end', proven: true }, 0);
    const all = Buffer.concat(steps.flatMap((step) => (step.kind === 'payload' ? [step.payload] : [])));
    const got = bytesOf(runs);
    const lead = tablesBefore(got);
    expect(lead).toBeGreaterThanOrEqual(2 * TS_PACKET_BYTES);
    expect(got.subarray(lead).equals(all.subarray(keyAt(all)))).toBe(true);
  });

  it('starts a late joiner with PAT, PMT and the current key frame', () => {
    const feed = new ViewerFeed();
    const steps = released({ durationMs: 2500, seed: 2 });
    feedAll(feed, steps);
    const { backlog } = feed.subscribe(() => expect.unreachable());
    const [first] = backlog;
    expect(first?.key).toBe(true);
    expect(pidAt(first!.data, 0)).toBe(0);
    expect(keyAt(first!.data)).toBe(tablesBefore(first!.data));
    expect(tablesBefore(first!.data)).toBeGreaterThanOrEqual(2 * TS_PACKET_BYTES);
    expect(backlog.filter(({ key }) => key)).toHaveLength(1);

    const all = Buffer.concat(steps.flatMap((step) => (step.kind === 'payload' ? [step.payload] : [])));
    let lastKey = keyAt(all);
    for (let at = lastKey; at < all.length; at = keyAt(all, at + TS_PACKET_BYTES)) lastKey = at;
    expect(bytesOf(backlog).subarray(tablesBefore(first!.data)).equals(all.subarray(lastKey))).toBe(true);
  });

  it('goes on for a late joiner where the backlog ends', () => {
    const feed = new ViewerFeed();
    const steps = released({ durationMs: 2500 });
    const [before, after] = [steps.slice(0, 300), steps.slice(300)];
    feedAll(feed, before);
    const runs: FeedRun[] = [];
    const { backlog } = feed.subscribe((run) => runs.push(run));
    feedAll(feed, after);
    feed.push({ kind: 'end', proven: true }, 0);
    const all = Buffer.concat(steps.flatMap((step) => (step.kind === 'payload' ? [step.payload] : [])));
    const got = bytesOf([...backlog, ...runs]);
    expect(got.subarray(tablesBefore(got)).equals(all.subarray(-(got.length - tablesBefore(got))))).toBe(
      true,
    );
  });

  it('cuts runs of whole packets, at most 20 ms long, and begins one at every key frame', () => {
    const feed = new ViewerFeed();
    const runs: FeedRun[] = [];
    feed.subscribe((run) => runs.push(run));
    feedAll(feed, released({ durationMs: 4000, gop: 10 }));
    for (const [index, run] of runs.entries()) {
      expect(run.data.length % TS_PACKET_BYTES).toBe(0);
      const begin = index === 0 ? tablesBefore(run.data) : 0;
      const key = keyAt(run.data, begin);
      expect(run.key).toBe(key === begin);
      expect(run.key || key >= run.data.length).toBe(true);
      const next = runs[index + 1];
      if (next) expect(next.arrivedAtUs - run.arrivedAtUs).toBeLessThanOrEqual(26_000);
    }
    expect(runs.filter(({ key }) => key).length).toBeGreaterThanOrEqual(9);
  });

  it('shares each run among all listeners', () => {
    const feed = new ViewerFeed();
    const got: FeedRun[][] = [[], []];
    feedAll(feed, released({ durationMs: 500 }));
    for (const runs of got) feed.subscribe((run) => runs.push(run));
    feedAll(feed, released({ durationMs: 500 }));
    expect(got[0]!.length).toBeGreaterThan(10);
    got[0]!.forEach((run, index) => expect(run).toBe(got[1]![index]));
  });

  it('makes a listener that joins before any key frame wait for one', () => {
    const feed = new ViewerFeed();
    const steps = released({ durationMs: 3000 });
    const skipped = steps.slice(60);
    const runs: FeedRun[] = [];
    expect(feed.subscribe((run) => runs.push(run)).backlog).toEqual([]);
    feedAll(feed, skipped);
    expect(runs[0]?.key).toBe(true);
    expect(pidAt(runs[0]!.data, 0)).toBe(0);
  });

  it('marks the run behind a gap as damaged, and no other', () => {
    const feed = new ViewerFeed();
    const runs: FeedRun[] = [];
    feed.subscribe((run) => runs.push(run));
    const steps = released({ durationMs: 1000 });
    steps.splice(100, 5, { kind: 'gap', first: 100, count: 5 });
    feedAll(feed, steps);
    expect(runs.filter(({ damaged }) => damaged)).toHaveLength(1);
    const damaged = runs.find((run) => run.damaged)!;
    const behind = steps[101];
    expect(behind?.kind === 'payload' && damaged.arrivedAtUs === behind.arrivedAt * 1000).toBe(true);
  });

  it('marks where the clock jumps, and spares joiners what lies before', () => {
    const feed = new ViewerFeed();
    const runs: FeedRun[] = [];
    feed.subscribe((run) => runs.push(run));
    feedAll(feed, released({ durationMs: 700 }));
    const jump = released({ durationMs: 200, startPcr: 27e9 }).map((step, index) =>
      step.kind === 'payload' ? { ...step, discontinuity: index === 0 } : step,
    );
    feedAll(feed, jump);
    const { backlog } = feed.subscribe(() => {});
    expect(runs.filter(({ discontinuity }) => discontinuity)).toHaveLength(1);
    expect(backlog[0]).toMatchObject({ key: true });
    expect(backlog[0]!.ptsUs).toBeGreaterThan(900e6);
  });

  it('forgets the old programme when the sender starts anew', () => {
    const feed = new ViewerFeed();
    feedAll(feed, released({ durationMs: 700 }));
    feed.push({ kind: 'restart', epoch: 1 }, 0);
    const runs: FeedRun[] = [];
    expect(feed.subscribe((run) => runs.push(run)).backlog).toEqual([]);
    feedAll(feed, released({ durationMs: 300, seed: 9 }));
    expect(runs[0]?.key).toBe(true);
  });

  it('tells times that grow over the wrap of the PTS', () => {
    const feed = new ViewerFeed();
    const runs: FeedRun[] = [];
    feed.subscribe((run) => runs.push(run));
    feedAll(feed, released({ durationMs: 4000, startPcr: (2 ** 33 - 2 * 90_000) * 300 }));
    const times = runs.flatMap(({ ptsUs }) => (ptsUs === undefined ? [] : [ptsUs]));
    expect(times.length).toBeGreaterThan(90);
    for (const [index, time] of times.slice(1).entries()) {
      expect(time - times[index]!).toBeGreaterThan(39_000);
      expect(time - times[index]!).toBeLessThan(41_000);
    }
  });

  it('keeps no group of pictures of more than 8 MiB, and starts joiners at the next key frame', () => {
    const feed = new ViewerFeed();
    const steps = released({ durationMs: 900 });
    const filler = steps.slice(100, 101);
    feedAll(feed, steps);
    expect(feed.subscribe(() => {}).backlog).not.toEqual([]);
    for (let bytes = 0; bytes < 8 * 1024 * 1024; bytes += DATAGRAM_BYTES) feedAll(feed, filler);
    const runs: FeedRun[] = [];
    expect(feed.subscribe((run) => runs.push(run)).backlog).toEqual([]);
    feedAll(feed, filler);
    feedAll(feed, steps);
    expect(runs[0]?.key).toBe(true);
    expect(feed.subscribe(() => {}).backlog).not.toEqual([]);
  });

  it('lets listeners of sound alone begin anywhere', () => {
    const feed = new ViewerFeed();
    const steps = released({ durationMs: 1000 }).map((step) =>
      step.kind === 'payload' ? { ...step, payload: soundOnly(step.payload) } : step,
    );
    feedAll(feed, steps.slice(0, 100));
    const runs: FeedRun[] = [];
    const { backlog } = feed.subscribe((run) => runs.push(run));
    feedAll(feed, steps.slice(100));
    expect(backlog).toHaveLength(1);
    expect(pidAt(backlog[0]!.data, 0)).toBe(0);
    expect(runs.length).toBeGreaterThan(10);
    expect(runs.every(({ key }) => key)).toBe(true);
  });

  it('says that there is nothing to feed when the payload is not MPEG-TS', () => {
    const feed = new ViewerFeed();
    expect(feed.state).toBe('waiting');
    feed.push(
      {
        kind: 'payload',
        payload: Buffer.alloc(1316, 1),
        index: 0,
        timestampTicks: 0,
        arrivedAt: 0,
        discontinuity: false,
      },
      0,
    );
    expect(feed.state).toBe('not-ts');
    feedAll(feed, released({ durationMs: 50 }));
    expect(feed.state).toBe('feeding');
  });

  it('hands a run on after 20 ms even when nothing follows', () => {
    vi.useFakeTimers();
    const feed = new ViewerFeed();
    const runs: FeedRun[] = [];
    feed.subscribe((run) => runs.push(run));
    feedAll(feed, released({ durationMs: 40 }).slice(0, 3));
    vi.advanceTimersByTime(19);
    const before = runs.length;
    vi.advanceTimersByTime(1);
    expect([before, runs.length]).toEqual([0, 1]);
  });

  it('calls a listener no more once its subscription is closed', () => {
    const feed = new ViewerFeed();
    const runs: FeedRun[] = [];
    const subscription = feed.subscribe((run) => runs.push(run));
    subscription.close();
    feedAll(feed, released({ durationMs: 500 }));
    expect(runs).toEqual([]);
  });

  describe('with concealment', () => {
    /** A programme that loses three datagrams in the middle of its second group of pictures. */
    function lossy(): Released[] {
      const steps = released({ durationMs: 4000, seed: 3 });
      const at = Math.floor(steps.length * 0.35);
      return [...steps.slice(0, at), { kind: 'gap', first: at, count: 3 }, ...steps.slice(at + 3)];
    }

    it('marks the runs in which the picture stands still, and those only', () => {
      const feed = new ViewerFeed(new Concealment());
      const runs: FeedRun[] = [];
      feed.subscribe((run) => runs.push(run));
      feedAll(feed, lossy());
      feed.push({ kind: 'end', proven: true }, 0);
      const states = runs.map(({ frozenBy }) => frozenBy);
      const changes = states.filter((state, index) => index === 0 || state !== states[index - 1]);
      expect(changes).toEqual([undefined, 3, undefined]);
      const movesAt = states.lastIndexOf(3) + 1;
      expect(runs[movesAt]?.key).toBe(true);
      expect(feed.figures.concealed?.freezes).toBe(1);
      expect(new ViewerFeed().figures).toEqual({});
    });

    it('starts a late joiner in the middle of a freeze with the pictures before it', () => {
      const feed = new ViewerFeed(new Concealment());
      const steps = lossy();
      const gap = steps.findIndex(({ kind }) => kind === 'gap');
      feedAll(feed, steps.slice(0, gap + 40));
      const { backlog } = feed.subscribe(() => undefined);
      expect(backlog[0]?.key).toBe(true);
      expect(backlog[0]?.frozenBy).toBeUndefined();
      expect(backlog.at(-1)?.frozenBy).toBe(3);
    });

    it('leaves what recorders, pipes and relays get as it came', () => {
      const got = [new Concealment(), undefined].map((concealment) => {
        const feed = new ViewerFeed(concealment);
        const bytes = createHash('sha256');
        for (const step of lossy()) {
          // Sinks are told one after the other, with the same memory.
          feed.push(step, 0);
          if (step.kind === 'payload') bytes.update(step.payload);
          else bytes.update(JSON.stringify(step));
        }
        return bytes.digest('hex');
      });
      expect(got[0]).toBe(got[1]);
    });
  });
});
