import { describe, expect, it } from 'vitest';
import { FecAuto, type FecAutoOptions, type FecChange } from '../../sender/fec-auto.ts';
import { MOST_OVERHEAD } from '../../wire/fec/advice.ts';
import {
  fecOverhead,
  formatFecSetting,
  parseFecSetting,
  repairWait,
  type FecSetting,
} from '../../wire/fec/fec-setting.ts';
import { type ReportBlock, type RtcpPacket, writeRtcp } from '../../wire/rtcp.ts';
import { writeLossReport } from '../../wire/rtcp-xr.ts';
import { AutoStream, MEDIA, type Weather } from '../helpers/fec-auto.ts';
import { SEQUENCE_STARTS } from '../helpers/packets.ts';

/** 8.8 Mbit/s. */
const PER_SECOND = 836;
const CLEAN = {};
const RANDOM: Weather[number] = { seconds: 120, network: { loss: 0.02 } };

function settingOf(text: string): FecSetting {
  const setting = parseFecSetting(text);
  if (typeof setting === 'string') throw new Error(`${text}: ${setting}`);
  return setting;
}

function stream(...weathers: Weather[]): AutoStream {
  const auto = new AutoStream({ weathers, datagramsPerSecond: PER_SECOND });
  auto.run();
  return auto;
}

/** Clean, random loss, bursts of 12, clean. */
const SEASONS: Weather = [
  { seconds: 60, network: CLEAN },
  { seconds: 180, network: { loss: 0.02 } },
  { seconds: 180, network: { burst: 12, apart: 400, every: 1500 } },
  { seconds: 300, network: CLEAN },
];

describe('automatic FEC', () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    it(`follows what a receiver loses, from seed ${seed}`, () => {
      const auto = new AutoStream({ weathers: [SEASONS], datagramsPerSecond: PER_SECOND, seed });
      auto.run();
      const { changes } = auto;
      console.log(`seed ${seed}: ${changes.map(({ at, setting }) => `${at} s ${setting}`).join(', ')}`);
      const missedShare = (from: number, to: number): number => {
        const { lost, missed } = auto.between(0, from, to);
        console.log(
          `  ${from} to ${to} s: ${lost} lost, ${missed} missed, ${(100 * auto.overhead(from, to)).toFixed(1)} % more data`,
        );
        return missed / lost;
      };
      expect(auto.overhead(0, 60)).toBe(0);
      expect(missedShare(63, 90)).toBeLessThan(0.05);
      expect(missedShare(90, 240)).toBeLessThan(0.005);
      missedShare(240, 262);
      expect(missedShare(262, 420)).toBeLessThan(0.005);
      expect(auto.overhead(420, 720)).toBeLessThan(0.15);
      expect(changes.at(-1)).toMatchObject({ setting: 'off' });
      for (const [place, { at, setting }] of changes.entries()) {
        expect(at).toBeGreaterThanOrEqual((changes[place - 1]?.at ?? 0) + 10);
        if (setting !== 'off') expect(fecOverhead(settingOf(setting))).toBeLessThanOrEqual(MOST_OVERHEAD);
      }
    });
  }

  it('protects nothing while nobody loses anything', () => {
    const auto = stream([{ seconds: 30, network: CLEAN }]);
    expect(auto.changes).toEqual([]);
    expect(auto.auto.stats).toMatchObject({ heard: 30, refused: 0, flooded: 0, changes: 0 });
  });

  it('begins within two seconds', () => {
    const [first] = stream([{ seconds: 10, network: { loss: 0.02 } }]).changes;
    expect(first?.at).toBeLessThanOrEqual(2);
  });

  it('goes down step by step, and ends three minutes after the last loss', () => {
    const { changes } = stream([RANDOM, { seconds: 240, network: CLEAN }]);
    const later = changes.slice(-2);
    expect(later.map(({ setting }) => setting)).toEqual(['rs:48,1', 'off']);
    expect(later[0]?.at).toBeGreaterThan(120 + 60);
    expect(later[1]?.at).toBeGreaterThanOrEqual(120 + 179);
  });

  it('does for the one who loses most, and so for all', () => {
    const some: Weather = [{ seconds: 120, network: { loss: 0.005 } }];
    const more: Weather = [{ seconds: 120, network: { loss: 0.05 } }];
    const auto = stream(some, more, some);
    for (const place of [0, 1, 2]) {
      const { lost, missed } = auto.between(place, 40, 120);
      expect(missed / lost).toBeLessThan(0.01);
    }
    const alone = stream(some).changes.at(-1);
    expect(fecOverhead(settingOf(alone?.setting ?? ''))).toBeLessThan(auto.overhead(40, 120));
  });

  it('does not let those who cannot be helped cost or starve the others', () => {
    const lost: Weather = [{ seconds: 120, network: { loss: 0.6 } }];
    const outages: Weather = [{ seconds: 120, network: { burst: 1000, apart: 0, every: 5000 } }];
    const auto = stream(lost, [RANDOM], outages);
    expect(auto.changes.map(({ setting }) => setting)).toEqual(
      stream(lost, [RANDOM]).changes.map(({ setting }) => setting),
    );
    const { lost: count, missed } = auto.between(1, 30, 120);
    expect(missed / count).toBeLessThan(0.01);
    expect(auto.overhead(30, 120)).toBeLessThan(0.2);
  });

  it('sends nothing in vain when nobody can be helped', () => {
    expect(stream([{ seconds: 60, network: { loss: 0.6 } }]).changes).toEqual([]);
    expect(stream([{ seconds: 60, network: { burst: 1000, apart: 0, every: 5000 } }]).changes).toEqual([]);
  });

  it('helps as far as it can whom it cannot help altogether', () => {
    const auto = stream([{ seconds: 120, network: { loss: 0.16 } }]);
    const { lost, missed } = auto.between(0, 20, 120);
    expect(missed / lost).toBeLessThan(0.1);
    expect(auto.overhead(20, 120)).toBeLessThanOrEqual(MOST_OVERHEAD);
  });

  for (const [datagramsPerSecond, latencyMs] of [
    [836, 200],
    [200, 200],
    [20, 200],
    [200, 1000],
  ] as const)
    // prettier-ignore
    it(`chooses nothing that takes longer than ${latencyMs} ms with ${datagramsPerSecond} datagrams a second`, () => {
      const weather: Weather = [{ seconds: 120, network: { loss: 0.03 } }];
      const auto = new AutoStream({ weathers: [weather], datagramsPerSecond, latencyMs });
      auto.run();
      const waits = auto.changes.map(({ setting }) => (1000 * repairWait(settingOf(setting))) / datagramsPerSecond);
      expect(waits.every((wait) => wait <= latencyMs)).toBe(true);
      expect(waits.length > 0).toBe(datagramsPerSecond > 20);
    });

  it('does the same from any sequence number on', () => {
    const weathers = [[{ seconds: 150, network: { loss: 0.02 } }]];
    const runs = SEQUENCE_STARTS.map((firstSequence) => {
      const auto = new AutoStream({ weathers, datagramsPerSecond: PER_SECOND, firstSequence });
      auto.run();
      return auto.changes;
    });
    expect(runs[0]?.length).toBeGreaterThan(0);
    for (const changes of runs) expect(changes).toEqual(runs[0]);
  });
});

/** A stage that is asked by hand. */
class Scene {
  readonly departures = { index: 0, sequence: 5 };
  readonly auto: FecAuto;
  now = 0;

  constructor(receiverOf: FecAutoOptions['receiverOf'] = ({ port }) => port) {
    this.auto = new FecAuto({ ssrc: MEDIA, departures: this.departures, receiverOf });
  }

  /** So many milliseconds later. What it changes meanwhile. */
  pass(ms: number): (FecChange & { at: number })[] {
    const changes: (FecChange & { at: number })[] = [];
    for (const end = this.now + ms; this.now < end;) {
      this.now = Math.min(end, Math.max(this.auto.wakeAt, this.now + 1));
      this.departures.index = Math.floor((this.now * PER_SECOND) / 1000);
      this.departures.sequence = (5 + this.departures.index) & 0xffff;
      const change = this.auto.poll(this.now);
      if (change) changes.push({ at: this.now, ...change });
    }
    return changes;
  }

  hear(packets: readonly RtcpPacket[], receiver = 1): void {
    const source = { address: '10.0.0.1', port: receiver };
    this.auto.push({ datagram: writeRtcp([...packets]), source }, this.now);
  }
}

const RR: RtcpPacket = { kind: 'rr', ssrc: 1, reports: [] };

/** Of the last 500 datagrams this one is lost, by index; all of it may be moved. */
function lossOf(
  index: number,
  { index: end }: { index: number },
  { mediaSsrc = MEDIA, by = 0 } = {},
): RtcpPacket {
  const first = end - 500 + by;
  return writeLossReport({
    ssrc: 1,
    mediaSsrc,
    firstSequence: (5 + first) & 0xffff,
    count: 500,
    lost: [{ first: index - first, count: 1 }],
  });
}

function blockOf(highestSequence: number, fractionLost: number, ssrc = MEDIA): ReportBlock {
  return {
    ssrc,
    highestSequence,
    fractionLost,
    cumulativeLost: 0,
    jitter: 0,
    lastSr: 0,
    delaySinceLastSr: 0,
  };
}

describe('what automatic FEC hears', () => {
  it('has nothing to do before anybody is heard, and after all are gone', () => {
    const scene = new Scene();
    expect(scene.auto.wakeAt).toBe(Infinity);
    scene.pass(1000);
    scene.hear([RR, lossOf(500, scene.departures)]);
    expect(scene.auto.wakeAt).toBeLessThanOrEqual(2000);
    const changes = scene.pass(400_000).map(({ setting }) => setting && formatFecSetting(setting));
    expect(changes).toEqual(['rs:48,2', 'rs:48,1', undefined]);
    expect(scene.auto.setting).toBeUndefined();
    expect(scene.auto.wakeAt).toBe(Infinity);
  });

  it('is nobody who has not proved where he is', () => {
    const scene = new Scene(() => 0);
    scene.pass(1000);
    scene.hear([RR, lossOf(500, scene.departures)]);
    expect(scene.auto.wakeAt).toBe(Infinity);
    expect(scene.auto.stats.heard).toBe(0);
  });

  it('is one report in a quarter of a second of each, and some hundred of all', () => {
    const scene = new Scene();
    scene.pass(1000);
    for (let time = 0; time < 10; time++) scene.hear([RR, lossOf(500, scene.departures)]);
    expect(scene.auto.stats).toMatchObject({ heard: 1, flooded: 9 });
    for (let receiver = 2; receiver < 1000; receiver++)
      scene.hear([RR, lossOf(500, scene.departures)], receiver);
    expect(scene.auto.stats.heard).toBeLessThan(120);
  });

  const lies: [name: string, packets: (departures: { index: number }) => RtcpPacket[]][] = [
    ['about what was not sent yet', (departures) => [RR, lossOf(600, departures, { by: 1 })]],
    ['about what was before the stream', (departures) => [RR, lossOf(0, departures, { by: -400 })]],
    ['about another stream', (departures) => [RR, lossOf(600, departures, { mediaSsrc: 8 })]],
    ['that says nothing', () => [RR]],
    ['plainly about what was not sent yet', () => [{ ...RR, reports: [blockOf(6000, 128)] }]],
    ['plainly about another stream', () => [{ ...RR, reports: [blockOf(600, 128, 8)] }]],
  ];
  for (const [name, packets] of lies)
    it(`is no report ${name}`, () => {
      const scene = new Scene();
      scene.pass(1000);
      scene.hear(packets(scene.departures));
      expect(scene.auto.stats).toMatchObject({ heard: 0, refused: 1 });
      expect(scene.auto.wakeAt).toBe(Infinity);
    });

  it('is no junk', () => {
    const scene = new Scene();
    scene.auto.push({ datagram: Buffer.from('no RTCP'), source: { address: '10.0.0.1', port: 1 } }, 0);
    expect(scene.auto.stats).toMatchObject({ heard: 0, refused: 1 });
  });

  it('is a plain report as well: its losses count as if they had been single ones', () => {
    const scene = new Scene();
    const settings: (FecSetting | undefined)[] = [];
    for (let second = 0; second < 40; second++) {
      settings.push(...scene.pass(1000).map(({ setting }) => setting));
      scene.hear([{ ...RR, reports: [blockOf((scene.departures.sequence - 1) & 0xffff, 5)] }]);
    }
    const overheads = settings.map((setting) => (setting ? fecOverhead(setting) : 0));
    expect(overheads.at(-1)).toBeGreaterThan(0.04);
    expect(overheads.at(-1)).toBeLessThan(0.2);
  });

  it('costs little, and makes the stream a third larger at most, whatever many liars say', () => {
    const scene = new Scene();
    const changes: { at: number; setting: FecSetting | undefined }[] = [];
    let quickestMs = Infinity; // of the seconds, for other tests run beside this one
    for (let second = 0; second < 60; second++) {
      const before = performance.now();
      for (let receiver = 1; receiver <= 300; receiver++) {
        if (receiver % 30 === 0) changes.push(...scene.pass(100));
        const { index: end } = scene.departures;
        const count = Math.min(end, 800);
        if (count < 800) continue;
        const lost = Array.from({ length: 100 }, (_, n) => {
          return { first: 8 * n + ((receiver * n * second) % 7), count: 1 };
        });
        const report = { ssrc: 1, mediaSsrc: MEDIA, firstSequence: (5 + end - count) & 0xffff, count, lost };
        scene.hear([RR, writeLossReport(report)], receiver);
      }
      if (second > 10) quickestMs = Math.min(quickestMs, performance.now() - before);
    }
    expect(quickestMs).toBeLessThan(100); // of a second, the lying included
    expect(changes.length).toBeGreaterThan(0);
    for (const [place, { at, setting }] of changes.entries()) {
      expect(setting ? fecOverhead(setting) : 0).toBeLessThanOrEqual(MOST_OVERHEAD);
      if (place > 0) expect(at - (changes[place - 1]?.at ?? 0)).toBeGreaterThanOrEqual(10_000);
    }
  });
});
