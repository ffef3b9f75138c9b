/**
 * Repair between two hosts (namespaces) with a seeded cable that loses: `npm run lab`, as root. The cable and the hosts are tools of
 * `../shared/tools`.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileOf, MAIN, Program, sha256, temporaryFolder, type Event } from '../e2e/program.ts';
import { programme } from '../helpers/programme.ts';

const TOOLS = path.resolve('../shared/tools');
const FILM = programme({ durationMs: 8000, bitsPerSecond: 5_000_000, seed: 4 });
/** Of the cable. With it the first datagram is not lost: what comes before that nobody misses. */
const SEED = 7;

const netlab = (word: string): void => void execFileSync(path.join(TOOLS, 'netlab.sh'), [word]);
const ip = (words: string): void => void execFileSync('ip', words.split(' '));

/** The cable, for as long as it is plugged in. */
function cable(options: { loss: number; delay: number }): Program {
  const settings = JSON.stringify({ seed: SEED, secs: 60, ...options });
  return new Program('python3', [path.join(TOOLS, 'relay.py'), settings]);
}

function on(host: 'lcA' | 'lcB', ...words: string[]): Program {
  return new Program('ip', ['netns', 'exec', host, process.execPath, MAIN, ...words]);
}

/** The same two hosts by another cable, which loses nothing. */
function secondCable(): void {
  ip('link add vA type veth peer name vB');
  for (const [host, card, address] of [
    ['lcA', 'vA', '10.78.0.1'],
    ['lcB', 'vB', '10.78.0.2'],
  ]) {
    ip(`link set ${card} netns ${host}`);
    ip(`-n ${host} addr add ${address}/24 dev ${card}`);
    ip(`-n ${host} link set ${card} up`);
  }
}

interface Casting {
  url: string;
  send?: readonly string[];
  record?: readonly string[];
  meanwhile?: () => Promise<void>;
}

/** Sends the film from one host to the other; the file, and what the recorder says of it. */
async function cast({
  url,
  send = [],
  record = [],
  meanwhile,
}: Casting): Promise<{ file: Buffer; summary: Event }> {
  const out = path.join(temporaryFolder(), 'out.ts');
  const recorder = on('lcB', 'record', url, out, '--iface', 'tB', '--latency', '1s', '--json', ...record);
  await recorder.event('recording');
  const film = fileOf('film.ts', FILM);
  const sender = on('lcA', 'send', film, '--to', url, '--iface', 'tA', '--json', ...send);
  await sender.event('sending');
  await meanwhile?.();
  const { code, stderr } = await sender.ended;
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect((await recorder.ended).code).toBe(0);
  const summary = recorder.events.at(-1);
  if (summary?.event !== 'summary') throw new Error('no summary');
  console.log(
    `seed ${SEED}, ${url} ${send.join(' ')}: lost ${String(summary['lost'])}, not repaired ${String(summary['unrecovered'])}`,
  );
  return { file: readFileSync(out), summary };
}

function expectWhole({ file, summary }: { file: Buffer; summary: Event }, leastLost: number): void {
  expect(summary).toMatchObject({ unrecovered: 0, missingBefore: 0 });
  expect(Number(summary['lost'])).toBeGreaterThan(leastLost);
  expect(sha256(file)).toBe(sha256(FILM));
}

describe('two hosts and a cable that loses', () => {
  beforeEach(() => {
    netlab('down');
    netlab('taps');
  });
  afterEach(() => netlab('down'));

  for (const url of ['rtp://239.255.7.7:5004', 'rtp://10.77.0.2:5004'])
    it(`10 %, at 20 ms: what is asked for makes ${url} whole`, async () => {
      cable({ loss: 0.1, delay: 0.02 });
      await sleep(1000);
      expectWhole(await cast({ url }), 200);
    });

  for (const fec of ['rs:10,5', '2022:5x5+rows'])
    it(`2 %: ${fec} makes it whole when nothing is sent again`, async () => {
      cable({ loss: 0.02, delay: 0 });
      await sleep(1000);
      const send = ['--fec', fec, '--repair-budget', '0%'];
      expectWhole(await cast({ url: 'rtp://239.255.7.7:5004', send }), 20);
    });

  it('5 %, and pulled for two seconds: the other path makes it whole', async () => {
    secondCable();
    const first = cable({ loss: 0.05, delay: 0.02 });
    await sleep(1000);
    const second = 'rtp://239.255.7.8:5014';
    const whole = await cast({
      url: 'rtp://239.255.7.7:5004',
      send: ['--path2', `${second}@vA`],
      record: ['--path2', `${second}@vB`],
      meanwhile: async () => {
        await sleep(3000);
        first.kill('SIGTERM');
        await sleep(2000);
        cable({ loss: 0.05, delay: 0.02 });
      },
    });
    expect(whole.summary).toMatchObject({ lost: 0, unrecovered: 0, missingBefore: 0 });
    expect(sha256(whole.file)).toBe(sha256(FILM));
  });
});
