import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FeedRun } from '../../receiver/sinks/viewer-feed.ts';
import {
  CREDIT_WINDOW_BYTES,
  MAX_QUEUED_BYTES,
  MAX_QUEUED_MS,
  PageQueue,
} from '../../web-viewer/server/page-queue.ts';

/** All runs are cut from it: the queue only looks at how long they are. */
const MEMORY = Buffer.alloc(CREDIT_WINDOW_BYTES);

function runOf(bytes: number, changes: Partial<FeedRun> = {}): FeedRun {
  return {
    data: MEMORY.subarray(0, bytes),
    ptsUs: 0,
    arrivedAtUs: 0,
    key: false,
    damaged: false,
    discontinuity: false,
    frozenBy: undefined,
    ...changes,
  };
}

const KEY = { key: true };

/** All that can be sent now. */
function drain(queue: PageQueue): { run: FeedRun; discontinuity: boolean }[] {
  const taken = [];
  for (let next = queue.take(); next !== undefined; next = queue.take()) taken.push(next);
  return taken;
}

describe('PageQueue', () => {
  it('sends the backlog first, then what comes, in order', () => {
    const [old, newer, newest] = [runOf(188, KEY), runOf(188), runOf(188)];
    const queue = new PageQueue([old, newer]);
    queue.push(newest, 0);
    expect(drain(queue).map(({ run }) => run)).toEqual([old, newer, newest]);
  });

  it('stops when the page has not used up what is under way', () => {
    const queue = new PageQueue([]);
    for (let at = 0; at < 3; at++) queue.push(runOf(CREDIT_WINDOW_BYTES / 2, KEY), 0);
    expect(drain(queue)).toHaveLength(2);
    queue.grant(1);
    expect(drain(queue)).toHaveLength(1);
  });

  it('gives no more credit than the window, whatever a page claims', () => {
    const queue = new PageQueue([]);
    queue.grant(2 ** 32 - 1);
    queue.push(runOf(CREDIT_WINDOW_BYTES, KEY), 0);
    queue.push(runOf(188), 0);
    expect(drain(queue)).toHaveLength(1);
  });

  it('drops all and goes on at the next key frame when too many bytes wait', () => {
    const queue = new PageQueue([]);
    queue.push(runOf(CREDIT_WINDOW_BYTES, KEY), 0);
    drain(queue); // the page holds all of its credit now
    const quarter = MAX_QUEUED_BYTES / 4;
    const kept = Array.from({ length: 6 }, () => queue.push(runOf(quarter), 0));
    expect(kept).toEqual([true, true, true, true, false, true]);
    const key = runOf(188, KEY);
    queue.push(key, 0);
    queue.push(runOf(188), 0);
    queue.grant(CREDIT_WINDOW_BYTES);
    const sent = drain(queue);
    expect(sent.map(({ discontinuity }) => discontinuity)).toEqual([true, false]);
    expect(sent[0]!.run).toBe(key);
    expect(queue.stats).toEqual({ sentRuns: 3, drops: 1, droppedRuns: 6, droppedBytes: 6 * quarter });
  });

  it('drops when the oldest has waited too long, however small', () => {
    const queue = new PageQueue([]);
    queue.push(runOf(CREDIT_WINDOW_BYTES, KEY), 0);
    drain(queue);
    expect(queue.push(runOf(188), 100)).toBe(true);
    expect(queue.push(runOf(188), 100 + MAX_QUEUED_MS)).toBe(true);
    expect(queue.push(runOf(188), 101 + MAX_QUEUED_MS)).toBe(false);
    expect(queue.stats.droppedRuns).toBe(3);
  });

  it('goes on at once when the run that finds no room is a key frame', () => {
    const queue = new PageQueue([]);
    queue.push(runOf(CREDIT_WINDOW_BYTES, KEY), 0);
    drain(queue);
    queue.push(runOf(188), 0);
    const key = runOf(188, KEY);
    expect(queue.push(key, MAX_QUEUED_MS + 1)).toBe(false);
    queue.grant(CREDIT_WINDOW_BYTES);
    expect(drain(queue)).toEqual([{ run: key, discontinuity: true }]);
  });

  it('does not count a long backlog towards the bound, and drops its rest with everything else', () => {
    const backlog = Array.from({ length: 8 }, () => runOf(CREDIT_WINDOW_BYTES));
    const queue = new PageQueue(backlog);
    expect(drain(queue)).toHaveLength(1);
    expect(queue.push(runOf(188), 0)).toBe(true);
    expect(queue.push(runOf(188), MAX_QUEUED_MS + 1)).toBe(false);
    expect(queue.stats.droppedRuns).toBe(7 + 2);
  });

  it('hands on the discontinuities of the stream itself', () => {
    const queue = new PageQueue([]);
    queue.push(runOf(188, { key: true, discontinuity: true }), 0);
    expect(drain(queue)[0]!.discontinuity).toBe(true);
  });

  it('never holds more than its bound, keeps order and accounts for every run', () => {
    const step = fc.record({
      bytes: fc.integer({ min: 188, max: 600_000 }),
      key: fc.boolean(),
      waitMs: fc.integer({ min: 0, max: 1500 }),
      grant: fc.integer({ min: 0, max: 400_000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new PageQueue([]);
        let now = 0;
        let pushed = 0;
        let lastSent = -1;
        let sentBytes = 0;
        let grantedBytes = 0;
        for (const [index, { bytes, key, waitMs, grant }] of steps.entries()) {
          queue.push(runOf(bytes, { key, ptsUs: index }), (now += waitMs));
          pushed += bytes;
          queue.grant(grant);
          grantedBytes += grant;
          for (const { run } of drain(queue)) {
            expect(run.ptsUs).toBeGreaterThan(lastSent);
            lastSent = run.ptsUs!;
            sentBytes += run.data.length;
          }
          const heldBytes = pushed - sentBytes - queue.stats.droppedBytes;
          expect(heldBytes).toBeLessThanOrEqual(MAX_QUEUED_BYTES);
          expect(sentBytes).toBeLessThanOrEqual(CREDIT_WINDOW_BYTES + grantedBytes + 600_000);
        }
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});
