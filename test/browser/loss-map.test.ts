/** The map of losses on the page: what it draws, what it says, and to whom. */
import type { Browser, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { openTestPattern } from '../../sender/sources/test-pattern.ts';
import { monotonicNow } from '../../transport/clock.ts';
import type { LossByCause, LossSecond, StreamSnapshot } from '../../wire/metrics.ts';
import { snapshotOf } from '../helpers/snapshots.ts';
import { lossSecond } from '../web-viewer/loss-report.ts';
import { accessibilityFaults } from './accessibility.ts';
import { openStage, receive, send, until } from './stage.ts';

const stage = openStage();
const CAUSES: LossByCause = { network: 1, ownBuffer: 0, late: 0, overflow: 0, source: 0 };
/** For so long the stream is said to be received. */
const WATCHED_SECONDS = 450;

/** What happened in which second, by the number of the second; it moves to the left as time goes on. */
type Happened = Readonly<Record<number, Partial<LossSecond>>>;

/** Shows a stream of which so much was lost, so many seconds before now; returns how often it was asked for. */
function show(happened: Happened, changes: Partial<StreamSnapshot> = {}): { asked: number } {
  const began = Math.floor(monotonicNow() / 1000);
  const counter = { asked: 0 };
  const stream = snapshotOf({ causes: CAUSES, ...changes });
  stage.registry.ageMs = () => WATCHED_SECONDS * 1000;
  stage.registry.add({
    id: stream.id,
    snapshot: () => ({ ...stream, packets: (stream.packets += 100) }),
    lossHistory(seconds) {
      counter.asked++;
      const passed = Math.floor(monotonicNow() / 1000) - began;
      return Object.entries(happened)
        .map(([ago, row]) => lossSecond(Number(ago) + passed, row))
        .filter(({ secondsAgo }) => secondsAgo < seconds)
        .sort((a, b) => b.secondsAgo - a.secondsAgo);
    },
    feed: { subscribe: () => ({ backlog: [], close: () => undefined }) },
  });
  return counter;
}

async function openPage(options: Parameters<Browser['newPage']>[0] = {}): Promise<Page> {
  const page = await stage.browser.newPage({ viewport: { width: 1440, height: 1000 }, ...options });
  await page.goto(stage.viewer.url);
  await page.locator('main h1').waitFor();
  return page;
}

/** Colours of the canvas as `r,g,b`, with how many pixels have each; seldom ones, at edges, are left out. */
function coloursOf(page: Page): Promise<Record<string, number>> {
  return page.evaluate<Record<string, number>>(`(() => {
    const canvas = document.querySelector('.loss-plot canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const found = {};
    for (let at = 0; at < data.length; at += 4) {
      if (data[at + 3] !== 255) continue;
      const colour = data[at] + ',' + data[at + 1] + ',' + data[at + 2];
      found[colour] = (found[colour] ?? 0) + 1;
    }
    return Object.fromEntries(Object.entries(found).filter(([, count]) => count > 15));
  })()`);
}

/** What a custom property is as `r,g,b`. */
function colourNamed(page: Page, name: string): Promise<string> {
  return page.evaluate<string>(`(() => {
    const probe = document.createElement('span');
    probe.style.color = 'var(${name})';
    document.body.append(probe);
    const context = new OffscreenCanvas(1, 1).getContext('2d');
    context.fillStyle = getComputedStyle(probe).color;
    context.fillRect(0, 0, 1, 1);
    probe.remove();
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).join();
  })()`);
}

const BUSY: Happened = {
  5: { network: 12, recovered: 9 },
  15: { network: 1 },
  80: { ownBuffer: 300, overruns: 1 },
  200: { late: 40, overflow: 5000 },
  401: { source: 1 },
};

describe('the map of losses', () => {
  it('tells each second in words, to pointers and to keys', async () => {
    show(BUSY, {
      repair: { fec: 9, retransmitted: 0, asked: 0, refused: {}, advice: [] },
    });
    const page = await openPage();
    const cursor = page.locator('.loss-plot input');
    const said = (): Promise<string | null> => cursor.getAttribute('aria-valuetext');
    await page.locator('.loss-plot').waitFor();
    // To where something was lost last, and from there a column at a time.
    await cursor.focus();
    const words = /^[\d:]+( to [\d:]+)?: 12 lost in the network, 9 brought back by FEC$/;
    await expect.poll(said).toMatch(words);
    expect(await page.locator('.loss-cursor').innerText()).toMatch(words);
    const passed: (string | null)[] = [];
    for (let presses = 0; presses < 12; presses++) {
      await page.keyboard.press('ArrowLeft');
      passed.push(((await said()) ?? '').replace(/^.*\d: /, ''));
    }
    expect(new Set(passed)).toEqual(new Set(['nothing lost', '1 lost in the network']));
    expect(passed[0]).toBe('nothing lost');
    await page.keyboard.press('End');
    await expect.poll(said).toMatch(/: nothing lost$/);
    // The stream is being received for less than the map goes back.
    await page.keyboard.press('Home');
    await expect.poll(said).toMatch(/: this stream was not being received yet$/);
    await page.evaluate('document.activeElement.blur()');
    expect(await page.locator('.loss-cursor').innerText()).toMatch(/^Point at the map/);
    const plot = await page.locator('.loss-plot').boundingBox();
    if (plot === null) throw new Error('no map');
    await page.mouse.move(plot.x + plot.width - 2, plot.y + 20);
    await expect.poll(() => page.locator('.loss-cursor').innerText()).toMatch(/: nothing lost$/);
    await page.close();
  });

  it('sums up in a sentence and in a table', async () => {
    show(BUSY);
    const page = await openPage();
    const summary = page.locator('.loss-summary');
    await expect
      .poll(async () => (await summary.innerText()).replaceAll('\u202f', ' '))
      .toMatch(
        /^5 353 datagrams lost for good in the last 7 min: 13 in the network, 300 in this computer’s own buffer, 40 too late, 5 000 given up early for want of room\. One hole was in the source already\. 9 datagrams were lost and brought back\./,
      );
    expect(await page.locator('.loss-rows li').allInnerTexts()).toEqual(
      [
        'Network 13',
        'Our own buffer 300',
        'Too late 40',
        'Given up early 5 000',
        'Hole in the source 1',
        'Brought back 9',
      ].map((row) => expect.stringMatching(new RegExp(`^${row.replaceAll(' ', '\\s+')}$`))),
    );
    await page.locator('.losses summary').click();
    const cells = await page.locator('.losses tbody td').allInnerTexts();
    const columns = [0, 1, 2, 3, 4, 5].map((column) =>
      cells
        .filter((_, at) => at % 6 === column)
        .reduce((sum, cell) => sum + Number(cell.replaceAll('\u202f', '')), 0),
    );
    expect(columns).toEqual([13, 300, 40, 5000, 1, 9]);
    await page.close();
  });

  it('draws numbers in steps, and what was brought back in a colour of its own', async () => {
    show(BUSY);
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await openPage({ colorScheme });
      await page.locator('.loss-plot').waitFor();
      await expect.poll(async () => Object.keys(await coloursOf(page)).length).toBeGreaterThan(4);
      const drawn = Object.keys(await coloursOf(page));
      const steps: [step: string, isDrawn: boolean][] = [
        ['--heat-1', true],
        ['--heat-2', false],
        ['--heat-3', true],
        ['--heat-4', true],
        ['--heat-5', true],
        ['--mend-2', true],
        ['--mend-3', false],
      ];
      for (const [step, isDrawn] of steps)
        expect([step, drawn.includes(await colourNamed(page, step))]).toEqual([step, isDrawn]);
      await page.close();
    }
  });

  it('can be told from the ground in every colour', async () => {
    show({});
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await openPage({ colorScheme });
      const luminance = (colour: string): number => {
        const [r = 0, g = 0, b = 0] = colour.split(',').map((part) => {
          const value = Number(part) / 255;
          return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const ground = luminance(await colourNamed(page, '--surface'));
      for (const name of ['heat', 'mend']) {
        for (let step = 1; step <= 5; step++) {
          const colour = luminance(await colourNamed(page, `--${name}-${step}`));
          const contrast = (Math.max(colour, ground) + 0.05) / (Math.min(colour, ground) + 0.05);
          expect([name, step, contrast >= 3]).toEqual([name, step, true]);
        }
      }
      await page.close();
    }
  });

  it('says so when nothing was lost, and draws nothing', async () => {
    show({});
    const page = await openPage();
    await expect
      .poll(() => page.locator('.losses').innerText())
      .toMatch(/^Losses by cause\s+Nothing was lost in the last 7 min\.$/);
    expect(await page.locator('.losses canvas, .losses input, .losses details').count()).toBe(0);
    await page.close();
  });

  it('says what another FEC would have done', async () => {
    const advice = [{ setting: '2022:10x5', repairedShare: 1, overheadShare: 0.2, delayMs: 640 }];
    show(BUSY, { repair: { fec: 0, retransmitted: 0, asked: 0, refused: {}, advice } });
    const page = await openPage();
    await page
      .locator('.losses', {
        hasText: '10×5 would have repaired all of it, for 20 % more data: send with --fec 2022:10x5',
      })
      .waitFor();
    await page.close();
  });

  it('has the means of repair among the numbers', async () => {
    const repair = { fec: 9, retransmitted: 3, asked: 3, setting: '2022:10x5', refused: {}, advice: [] };
    show({ 3: { recovered: 12 } }, { repair, lost: 12, recovered: 12 });
    const page = await openPage();
    const numbers = await page.locator('.numbers').innerText();
    expect(numbers).toMatch(/Recovered\s+12\s+9 by FEC, 3 sent again/);
    expect(numbers).toMatch(/Protected by FEC\s+10×5/);
    await page.close();
  });

  it('does not blame the network for what bare MPEG-TS cannot tell', async () => {
    show({ 3: { network: 2 } }, { framing: 'udp', lossMayBeUnderstated: true });
    const page = await openPage();
    await page
      .locator('.loss-summary', {
        hasText: /^2 breaks of continuity in the last 7 min, in the network or the source\.$/,
      })
      .waitFor();
    expect(await page.locator('.loss-rows').innerText()).toContain('Network or source');
    await page.close();
  });

  it('comes and goes with the key H, and asks for nothing while it is away', async () => {
    const counter = show(BUSY);
    const page = await openPage();
    await page.locator('.losses').waitFor();
    await page.keyboard.press('h');
    await page.locator('.losses').waitFor({ state: 'detached' });
    await page.waitForTimeout(500);
    const { asked } = counter;
    await page.waitForTimeout(2200);
    expect(counter.asked).toBe(asked);
    // It is remembered.
    await page.reload();
    await page.locator('.strip').waitFor();
    expect(await page.locator('.losses').count()).toBe(0);
    await page.keyboard.press('h');
    await page.locator('.losses').waitFor();
    await page.keyboard.press('?');
    expect(await page.locator('dialog[open]').innerText()).toMatch(/H\s+Show or hide the map of losses/);
    await page.close();
  });

  it('is not there where losses are not told apart', async () => {
    const stream = snapshotOf();
    stage.registry.add({ id: stream.id, snapshot: () => stream });
    const page = await openPage();
    const errors: string[] = [];
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    await page.waitForTimeout(1500);
    expect(await page.locator('.losses').count()).toBe(0);
    expect(errors).toEqual([]);
    await page.close();
  });

  for (const [name, width, height] of [
    ['phone', 360, 740],
    ['tablet', 820, 1180],
    ['desktop', 1440, 900],
  ] as const) {
    for (const colorScheme of ['light', 'dark'] as const) {
      it(`is readable and reachable on a ${name}, ${colorScheme}`, async () => {
        show(BUSY);
        const page = await openPage({ viewport: { width, height }, colorScheme });
        await page.locator('.losses summary').click();
        await page.locator('.loss-plot input').focus();
        expect(await accessibilityFaults(page)).toEqual([]);
        // Every name of a row stands in its row, and no row is narrower than its words.
        const outside = await page.evaluate<string[]>(`[...document.querySelectorAll('.loss-rows li')]
          .filter((row) => row.scrollWidth > row.clientWidth || row.scrollHeight > row.clientHeight + 1)
          .map((row) => row.textContent)`);
        expect(outside).toEqual([]);
        await page.close();
      });
    }
  }

  it('shows what a real stream loses', async () => {
    const address = `rtp://239.255.13.19:${20_000 + (process.pid % 1000) * 10}`;
    let [count, state] = [0, 9];
    const random = (): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32;
    let lost = 0;
    await using _reception = await receive(address, stage.registry, () => {
      const loses = ++count > 50 && random() < 0.02;
      if (loses) lost++;
      return loses;
    });
    await using _sender = await send(await openTestPattern(), address);
    const page = await openPage();
    // What the sender sends again in time is brought back.
    const shown = `[...document.querySelectorAll('.loss-rows :is(.network, .recovered) b')]
      .reduce((sum, { textContent }) => sum + Number(textContent), 0)`;
    await until(page, `${shown} > 5`, 30_000);
    expect(await page.evaluate<number>(shown)).toBeLessThanOrEqual(lost);
    expect(await page.locator('.loss-rows .none').count()).toBeGreaterThanOrEqual(4);
    await page.locator('.loss-plot input').focus();
    await expect
      .poll(() => page.locator('.loss-cursor').innerText())
      .toMatch(/: \d+ (lost in the network|brought back)/);
    await page.close();
  });
});
