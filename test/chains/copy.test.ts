/** Files by `copy://` through seeded bad networks, on virtual time. */
import { describe, expect, it } from 'vitest';
import { PART_SUFFIX } from '../../receiver/copy-name.ts';
import { PIECE_BYTES, piecesOf } from '../../wire/copy.ts';
import { bytesFrom, CopyWorld, type CopyCable, type CopyWorldOptions } from '../helpers/copy-world.ts';

const MEGABYTE = 1_000_000;
const FILE = bytesFrom(1, 5 * MEGABYTE + 77);
const PIECES = piecesOf(FILE.length);
const SEEDS = [11, 12];
const LAN: CopyCable = { delayMs: 1 };

function world(options: Partial<CopyWorldOptions> = {}): CopyWorld {
  const made = new CopyWorld({ seed: 1, file: FILE, there: LAN, back: LAN, ...options });
  made.startReceiver();
  made.startSender();
  return made;
}

function expectWhole(copy: CopyWorld, file = FILE): void {
  expect(copy.outcome).toEqual({ kind: 'done', name: copy.name });
  expect(copy.disk.get(copy.name)?.equals(file)).toBe(true);
  expect([...copy.disk.keys()]).toEqual([copy.name]);
}

const wifi = (loss: number): CopyCable => ({ delayMs: 10, loss });
const awful: CopyCable = { delayMs: 5, loss: 0.05, jitterMs: 20, duplicates: 0.05 };

const restless: CopyCable = { delayMs: 2, loss: 0.1, jitterMs: 10, duplicates: 0.05 };

describe('a file arrives whole', () => {
  const networks: [name: string, there: CopyCable, back: CopyCable, withinMs: number][] = [
    ['on a good network', LAN, LAN, 1000],
    ['with 10 % loss', wifi(0.1), wifi(0), 10_000],
    ['with 30 % loss', wifi(0.3), wifi(0), 60_000],
    ['with 30 % loss both ways', wifi(0.3), wifi(0.3), 60_000],
    ['with 5 % loss both ways, disorder and duplicates', awful, awful, 10_000],
    ['on a restless network', restless, restless, 6000],
    ['with 60 % of the acknowledgements lost', wifi(0), wifi(0.6), 60_000],
  ];
  for (const [name, there, back, withinMs] of networks)
    for (const seed of SEEDS)
      it(`${name} (seed ${seed})`, () => {
        const copy = world({ seed, there, back });
        copy.run();
        expectWhole(copy);
        expect(copy.now).toBeLessThan(withinMs);
      });

  for (const bytes of [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 4096 * PIECE_BYTES])
    it(`of ${bytes} bytes`, () => {
      const file = bytesFrom(2, bytes);
      const copy = world({ file, there: wifi(0.1), back: wifi(0.1) });
      copy.run();
      expectWhole(copy, file);
    });

  it('at the pace of a slow disk, which is not flooded', () => {
    const copy = world({ diskPerMs: 1000 });
    copy.run();
    expectWhole(copy);
    expect(copy.now).toBeGreaterThan(4900);
    expect(copy.now).toBeLessThan(6000);
    expect(copy.piecesSent).toBeLessThan(1.05 * PIECES);
  });

  it('no faster than is asked for', () => {
    const copy = world({ mostPerMs: 1 });
    copy.run();
    expectWhole(copy);
    expect(copy.now).toBeGreaterThan(0.99 * PIECES);
    expect(copy.now).toBeLessThan(1.1 * PIECES);
  });

  it('sending again no more than was lost', () => {
    const copy = world({ there: wifi(0.1), back: wifi(0) });
    copy.run();
    const { sentDatagrams, repeatedDatagrams } = copy.sender!.progress;
    expect(repeatedDatagrams / sentDatagrams).toBeLessThan(0.11);
  });
});

describe('a narrow link', () => {
  const bytesPerMs = 2500; // 20 Mbit/s
  const queues: [name: string, queueBytes: number, there: CopyCable][] = [
    ['a queue of a round trip', 50_000, { delayMs: 10 }],
    ['a queue of a tenth of that', 8_000, { delayMs: 10 }],
    ['a queue of 400 ms', 1_000_000, { delayMs: 10 }],
    ['a queue of a round trip, and 3 % random loss', 50_000, { delayMs: 10, loss: 0.03 }],
  ];
  for (const [name, queueBytes, cable] of queues)
    for (const seed of SEEDS.slice(0, 2))
      it(`with ${name} is used, and its queue is not kept full (seed ${seed})`, () => {
        const there = { ...cable, bottleneck: { bytesPerMs, queueBytes } };
        const copy = world({ seed, file: bytesFrom(3, 10 * MEGABYTE), there, back: { delayMs: 10 } });
        copy.run();
        const used = (10 * MEGABYTE) / bytesPerMs / copy.now;
        const { taken, overflow, waitedMs } = copy.there.counters;
        expect(copy.outcome?.kind).toBe('done');
        expect(used).toBeGreaterThan(0.7);
        expect(overflow / taken).toBeLessThan(0.1);
        // On average, counted over all that passed, so little of it was filled.
        const filled = (waitedMs / (taken - overflow)) * (bytesPerMs / queueBytes);
        expect(filled).toBeLessThan(0.6);
      });

  it('is left to a stream beside it', () => {
    const there = { delayMs: 10, bottleneck: { bytesPerMs, queueBytes: 50_000 } };
    const copy = world({ file: bytesFrom(3, 10 * MEGABYTE), there, back: { delayMs: 10 } });
    // A programme of 6 Mbit/s, a datagram every 1.8 ms.
    let [sent, arrived] = [0, 0];
    const stream = (): void => {
      sent++;
      arrived += copy.there.arrivals(1328, copy.now).length;
      if (copy.outcome === undefined) copy.at(copy.now + 1.8, stream);
    };
    copy.at(0, stream);
    copy.run();
    expect(copy.outcome?.kind).toBe('done');
    expect(arrived / sent).toBeGreaterThan(0.97);
    // The rest is 14 Mbit/s, of which the copy has most.
    expect((10 * MEGABYTE * 8) / 1000 / copy.now).toBeGreaterThan(14 * 0.7);
  });
});

describe('an interruption', () => {
  it('of 30 seconds is outlasted', () => {
    const cuts = [{ from: 1000, to: 31_000 }];
    const cable = { delayMs: 10, cuts };
    const copy = world({ there: cable, back: cable, mostPerMs: 1 });
    copy.run();
    expectWhole(copy);
    expect(copy.now).toBeLessThan(31_000 + 3000 + PIECES);
    expect(copy.sender!.progress.reconnected).toBe(0);
  });

  for (const seed of SEEDS)
    it(`of the receiver costs nothing that was written (seed ${seed})`, () => {
      const copy = world({ seed, there: wifi(0.05), back: wifi(0.05), mostPerMs: 2 });
      let kept = 0;
      copy.at(1000, () => {
        copy.killReceiver();
        kept = piecesOf(copy.disk.get(copy.name + PART_SUFFIX)!.length);
      });
      let sentBefore = 0;
      copy.at(4000, () => {
        sentBefore = copy.piecesSent;
        copy.startReceiver();
      });
      copy.run();
      expectWhole(copy);
      expect(kept).toBeGreaterThan(1000);
      const again = copy.piecesSent - sentBefore;
      expect(again).toBeGreaterThanOrEqual(PIECES - kept);
      // 5 % are lost and some of them twice; what was written before is not among them.
      expect(again).toBeLessThan(1.1 * (PIECES - kept));
      expect(copy.sender!.progress.reconnected).toBe(1);
    });

  it('of the sender costs nothing that was written', () => {
    const copy = world({ mostPerMs: 2 });
    let sentBefore = 0;
    copy.at(1000, () => copy.killSender());
    copy.at(5000, () => {
      sentBefore = copy.piecesSent;
      copy.startSender();
    });
    copy.run();
    expectWhole(copy);
    const found = piecesOf(copy.sender!.progress.foundBytes);
    expect(found).toBeGreaterThan(1000);
    expect(copy.piecesSent - sentBefore).toBe(PIECES - found);
    expect(copy.over).toEqual(['replaced', 'done']);
  });

  it('of a sender that comes back at once is waited out', () => {
    const copy = world({ mostPerMs: 2 });
    copy.at(1000, () => {
      copy.killSender();
      copy.startSender();
    });
    copy.run();
    expectWhole(copy);
  });

  it('behind the end, before the sender knew of it, copies nothing twice', () => {
    const copy = world({ back: { delayMs: 1 } });
    copy.run();
    const sentBefore = copy.piecesSent;
    copy.startReceiver();
    copy.startSender();
    copy.run();
    expectWhole(copy);
    expect(copy.piecesSent).toBe(sentBefore);
  });
});

describe('what was there before and is not the beginning of the file', () => {
  it('is noticed by its SHA-256, and sent anew', () => {
    const copy = world({ mostPerMs: 2 });
    copy.at(1000, () => {
      copy.killReceiver();
      const part = Buffer.from(copy.disk.get(copy.name + PART_SUFFIX)!);
      part[12_345] = part[12_345]! ^ 1;
      copy.disk.set(copy.name + PART_SUFFIX, part);
      copy.startReceiver();
    });
    copy.run();
    expectWhole(copy);
    expect(copy.piecesSent).toBeGreaterThan(PIECES + 1000);
  });

  it('is replaced when it is longer than the file', () => {
    const copy = new CopyWorld({ seed: 1, file: FILE, there: LAN, back: LAN });
    copy.disk.set(copy.name + PART_SUFFIX, bytesFrom(9, FILE.length + PIECE_BYTES));
    copy.startReceiver();
    copy.startSender();
    copy.run();
    expectWhole(copy);
  });
});

describe('a file that becomes another one under way', () => {
  it('is refused by its SHA-256 and thrown away', () => {
    const file = bytesFrom(4, 12 * MEGABYTE);
    const copy = world({ file, mostPerMs: 2 });
    // What was sent already changes, before all is read: the SHA-256 is that of a file that was not sent.
    copy.at(1000, () => file.writeUInt8(file.readUInt8(5) ^ 1, 5));
    copy.run();
    expect(copy.outcome).toEqual({ kind: 'refused', reason: 'differs', detail: 0 });
    expect([...copy.disk.keys()]).toEqual([]);
  });
});

describe('a receiver that does not answer', () => {
  it('is given up after eight offers', () => {
    const copy = new CopyWorld({ seed: 1, file: FILE, there: LAN, back: LAN });
    copy.startSender();
    copy.run();
    expect(copy.outcome).toEqual({ kind: 'unanswered' });
    expect(copy.now).toBeLessThan(15_000);
    expect(copy.there.counters.taken).toBe(8);
  });

  it('any more is given up a minute later, and what is there is known', () => {
    const copy = world({ mostPerMs: 2 });
    copy.at(1000, () => copy.killReceiver());
    copy.run();
    expect(copy.outcome).toEqual({ kind: 'silent' });
    expect(copy.now).toBeGreaterThan(60_000);
    expect(copy.now).toBeLessThan(62_000);
    const { writtenBytes } = copy.sender!.progress;
    expect(writtenBytes).toBeGreaterThan(MEGABYTE);
    expect(writtenBytes).toBeLessThanOrEqual(copy.disk.get(copy.name + PART_SUFFIX)!.length);
  });

  it('is asked ever more rarely', () => {
    const copy = world({ mostPerMs: 2 });
    let before = 0;
    copy.at(1000, () => copy.killReceiver());
    copy.at(5000, () => (before = copy.there.counters.taken));
    copy.run();
    expect(copy.there.counters.taken - before).toBeLessThan(30);
  });
});
