/** Repair with the real programs and real sockets: `send`, a seeded relay on loopback that loses, `record`. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { isRtcp } from '../../wire/rtcp.ts';
import { RTP_MP2T } from '../../wire/rtp.ts';
import { openLossyProxy, type Cable, type LossyProxy } from '../helpers/lossy-proxy.ts';
import { randomFrom } from '../helpers/network.ts';
import { programme } from '../helpers/programme.ts';
import { type Event, fileOf, freshPort, lancast, sha256, temporaryFolder } from './program.ts';

const FILM = programme({ durationMs: 4000, bitsPerSecond: 3_000_000 });
/** Longer than the machine keeps anybody waiting. */
const LATENCY = ['--latency', '1s'];
/** Of the media's port: the streams of a stream. */
const PORTS = [0, 1, 2, 4, 6];
/** Until then the receiver has proved where it is, and has its first datagram: what comes before that nobody misses. */
const CALM_MS = 1000;
/** The last columns of SMPTE 2022-1 protect full matrices only. */
const LAST_MS = 3500;

/** An even port with seven free ones behind it. */
function eightPorts(): number {
  const [first] = [freshPort(), freshPort(), freshPort(), freshPort()];
  return first;
}

/** Loses media and repairs, as told: not what the sender says of itself, nor anything in the first second and the last half. */
function losing(isLost: (datagram: Buffer) => boolean): Cable {
  let first: number | undefined;
  const loses = (datagram: Buffer): boolean => {
    first ??= performance.now();
    const elapsedMs = performance.now() - first;
    return elapsedMs > CALM_MS && elapsedMs < LAST_MS && !isRtcp(datagram) && isLost(datagram);
  };
  return { delayMs: 10, loses };
}

/** Loses this share, at random. */
function share(loss: number, seed: number): Cable {
  const random = randomFrom(seed);
  return losing(() => random() < loss);
}

/** Loses so many in a row of each so many of the media. */
function bursts(length: number, every: number): Cable {
  return losing((datagram) => isMedia(datagram) && datagram.readUInt16BE(2) % every < length);
}

function isMedia(datagram: Buffer): boolean {
  return ((datagram[1] ?? 0) & 0x7f) === RTP_MP2T;
}

interface Relayed {
  recorded: Buffer;
  summary: Event;
  relays: LossyProxy[];
}

interface Relaying {
  /** One or two. */
  cables: readonly { there?: Cable; back?: Cable }[];
  send?: readonly string[];
  record?: readonly string[];
  /** Called once the sender sends. */
  meanwhile?: (relays: readonly LossyProxy[]) => Promise<void>;
}

/** Sends the film to a relay for each path, records what comes out of them. */
async function relayed(
  seed: number,
  { cables, send = [], record = [], meanwhile }: Relaying,
): Promise<Relayed> {
  const places = cables.map(() => ({ listen: eightPorts(), target: eightPorts() }));
  const relays = await Promise.all(
    cables.map((cable, number) => {
      const { listen = 0, target = 0 } = places[number] ?? {};
      const ports = PORTS.map((offset) => ({ listen: listen + offset, target: target + offset }));
      return openLossyProxy({ ports, seed: seed + number, ...cable });
    }),
  );
  const [first, second] = places;
  const out = path.join(temporaryFolder(), 'out.ts');
  const more = (place: 'listen' | 'target') =>
    second ? ['--path2', `rtp://127.0.0.1:${second[place]}`] : [];
  const url = (place: 'listen' | 'target'): string => `rtp://127.0.0.1:${first?.[place]}`;
  try {
    const recorder = lancast(
      'record',
      url('target'),
      out,
      '--json',
      ...LATENCY,
      ...more('target'),
      ...record,
    );
    await recorder.event('recording');
    const sender = lancast(
      'send',
      fileOf('film.ts', FILM),
      '--to',
      url('listen'),
      '--json',
      ...more('listen'),
      ...send,
    );
    await sender.event('sending');
    await meanwhile?.(relays);
    const { code, stderr } = await sender.ended;
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect((await recorder.ended).code).toBe(0);
    const summary = recorder.events.at(-1);
    if (summary?.event !== 'summary') throw new Error('no summary');
    console.log(`seed ${seed}: ${JSON.stringify(relays.map(({ there, back }) => ({ there, back })))}`);
    return { recorded: readFileSync(out), summary, relays };
  } finally {
    await Promise.all(relays.map((relay) => relay.close()));
  }
}

describe('a film behind a cable that loses 10 %', () => {
  it('is recorded whole, for what is missing is asked for', async () => {
    const cables = [{ there: share(0.1, 1), back: { delayMs: 10, loss: 0.1 } }];
    const { recorded, summary, relays } = await relayed(1, { cables });
    expect(sha256(recorded)).toBe(sha256(FILM));
    const lost = Number(summary['lost']);
    expect(lost).toBeGreaterThan(50);
    expect(summary).toMatchObject({ recovered: lost, unrecovered: 0, firstIndex: 0, missingBefore: 0 });
    expect(relays[0]?.there.lost).toBeGreaterThanOrEqual(lost);
  });
});

describe('a film behind a cable without a way back', () => {
  const cases: [fec: string, cable: Cable][] = [
    ['rs:20,5', bursts(5, 40)],
    ['2022:5x5+rows', bursts(5, 50)],
  ];
  // Together, for most of the time is spent waiting.
  it('is recorded whole by FEC', async () => {
    const casting = cases.map(async ([fec, there]) => {
      const { recorded, summary } = await relayed(2, {
        cables: [{ there, back: { loss: 1 } }],
        send: ['--fec', fec],
      });
      expect(sha256(recorded)).toBe(sha256(FILM));
      const lost = Number(summary['lost']);
      expect(lost).toBeGreaterThan(50);
      expect(summary).toMatchObject({ recovered: lost, unrecovered: 0 });
    });
    await Promise.all(casting);
  });
});

describe('a film on two paths', () => {
  it('is recorded whole when both lose 5 %, and one is pulled for a while', async () => {
    const cables = [3, 4].map((seed) => ({ there: share(0.05, seed), back: { delayMs: 10 } }));
    const { recorded, summary } = await relayed(3, {
      cables,
      meanwhile: async ([first]) => {
        await sleep(1500);
        if (first) first.cut = true;
        await sleep(1500);
        if (first) first.cut = false;
      },
    });
    expect(sha256(recorded)).toBe(sha256(FILM));
    expect(summary).toMatchObject({ unrecovered: 0, missingBefore: 0 });
  });
});
