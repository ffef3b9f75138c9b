/** The demo for LANCAST_SOAK_MINUTES (default 30), with a recorder and a page: does anything grow, stall or get lost? */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { freshGroup, sha256, temporaryFolder } from '../e2e/program.ts';
import { Page } from '../web-viewer/page-client.ts';
import { Measured } from './measured.ts';

const MINUTES = Number(process.env['LANCAST_SOAK_MINUTES'] ?? 30);
const LAST_MS = MINUTES * 60_000;
/** Until then memory grows for good reasons: code is compiled, buffers find their sizes. */
const WARM_UP_MS = Math.min(300_000, LAST_MS / 3);
const LOOK_EVERY_MS = 1000;
/** What garbage collection may move resident memory by, and what may come on top of it in an hour. */
const UNREST_BYTES = 8 << 20;
const HOURLY_BYTES = 8 << 20;
const MEBIBYTE = 2 ** 20;

it(`casts, receives, shows and records for ${MINUTES} minutes without loss, leak or stall`, async () => {
  expect(LAST_MS).toBeGreaterThan(0);
  const url = `rtp://${freshGroup()}`;
  const out = path.join(temporaryFolder(), 'out.ts');
  const recorder = new Measured(['record', url, out, '--iface', '127.0.0.1', '--json'], WARM_UP_MS);
  await recorder.event('recording');
  const demo = new Measured(['demo', '--to', url, '--http', '127.0.0.1:0', '--json'], WARM_UP_MS);
  const viewer = new URL(String((await demo.event('listening')).url));
  const page = await Page.open(viewer.host);
  const { streams } = await page.hear('streams');
  page.say({ type: 'subscribe', channel: 1, stream: streams[0]?.id ?? '', mode: 'ts' });
  const programs = { demo, recorder };
  const shown = { runs: 0, spoilt: 0 };

  for (const began = performance.now(); performance.now() < began + LAST_MS;) {
    await sleep(LOOK_EVERY_MS);
    const runs = page.frames.splice(0);
    shown.runs += runs.length;
    shown.spoilt += runs.filter(({ damaged, discontinuity }) => damaged || discontinuity).length;
    page.say({ type: 'credit', channel: 1, bytes: runs.reduce((sum, { bytes }) => sum + bytes, 0) });
    if (performance.now() < began + WARM_UP_MS) continue;
    demo.look();
    recorder.look();
  }

  const snapshot = page.messages.flatMap((said) => (said.type === 'streams' ? said.streams : [])).at(-1);
  page.leave();
  demo.kill('SIGINT');
  expect((await demo.ended).code).toBe(130);
  expect((await recorder.ended).code).toBe(0);
  const summary = recorder.events.at(-1);
  for (const [name, { growthBytes, memory, openFiles, lateness }] of Object.entries(programs)) {
    const { p999Ms, maxMs } = lateness;
    console.log(
      [
        `${name}:`,
        `memory ${((memory.at(-1)?.rssBytes ?? 0) / MEBIBYTE).toFixed(1)} MiB,`,
        `grown by ${(growthBytes / MEBIBYTE).toFixed(2)} MiB in ${((LAST_MS - WARM_UP_MS) / 60_000).toFixed(1)} min;`,
        `open files ${[...openFiles].join(', ')};`,
        `event loop late by p99.9 ${p999Ms.toFixed(1)} ms, at most ${maxMs.toFixed(1)} ms`,
      ].join(' '),
    );
  }
  console.log(`recorder: ${JSON.stringify(summary)}\npage: ${shown.runs} runs of TS`);

  const clean = { lost: 0, late: 0, unrecovered: 0, continuityErrors: 0 };
  expect(summary).toMatchObject({ ...clean, firstIndex: 0, missingBefore: 0 });
  expect(summary?.sha256).toBe(sha256(readFileSync(out)));
  expect(snapshot).toMatchObject({ ...clean, pcrErrors: 0, patErrors: 0, restarts: 0, state: 'playing' });
  expect(Number(summary?.packets)).toBeGreaterThan(40 * (LAST_MS / 1000));
  expect(shown.runs).toBeGreaterThan(10 * (LAST_MS / 1000));
  expect(shown.spoilt).toBe(0);
  for (const { openFiles, growthBytes } of [demo, recorder]) {
    expect(openFiles.size).toBe(1);
    expect(growthBytes).toBeLessThan(UNREST_BYTES + HOURLY_BYTES * (MINUTES / 60));
  }
});
