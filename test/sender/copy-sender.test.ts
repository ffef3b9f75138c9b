import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CopySender, type CopySenderOutput } from '../../sender/copy-sender.ts';
import { parseCopy, PIECE_BYTES, writeCopy, type CopyBody, type CopyPacket } from '../../wire/copy.ts';
import { anyBytes, damaged } from '../helpers/bytes.ts';
import { sha256 } from '../helpers/copy-world.ts';

fc.configureGlobal({ seed: 9002 });

const FILE = Buffer.alloc(10 * PIECE_BYTES + 5, 0x61);
const NOTHING = Buffer.alloc(0);
const cookie = Buffer.alloc(16, 3);

/** A sender whose receiver is the test. */
class Scene {
  #draws = 0; // connections
  now = 0;
  readonly sender = new CopySender({ name: 'film', bytes: FILE.length, random: () => this.#draw() });
  outputs: CopySenderOutput[] = [];
  ended: CopySenderOutput | undefined;

  get said(): CopyPacket[] {
    const packets = this.outputs.flatMap((output) => {
      if (output.kind === 'control') return [parseCopy(output.datagram)];
      if (output.kind !== 'pieces') return [];
      return Array.from({ length: output.end - output.first }, (_, each) =>
        parseCopy(Buffer.from(output.chunk.datagram(output.first + each))),
      );
    });
    return packets.filter((packet) => typeof packet !== 'string');
  }

  /** Lets time pass; what it has said since the call before. */
  pass(ms: number): CopyPacket[] {
    const until = this.now + ms;
    this.drain();
    for (let at = this.sender.wakeAt; at <= until; at = this.sender.wakeAt) {
      this.now = Math.max(this.now, at);
      this.drain();
    }
    this.now = until;
    const { said } = this;
    this.outputs = [];
    return said;
  }

  hear(body: CopyBody & { index?: number }, connection = this.#draws): void {
    this.take(writeCopy({ index: 0, ...body, connection }));
  }

  take(datagram: Buffer): void {
    this.sender.push({ kind: 'datagram', datagram, arrivedAt: this.now }, this.now);
    this.drain();
  }

  drain(): void {
    for (let out = this.sender.poll(this.now); out; out = this.sender.poll(this.now)) {
      this.outputs.push(out);
      if (out.kind === 'ended') this.ended = out;
      if (out.kind !== 'compare') continue;
      const first = FILE.subarray(0, out.bytes);
      this.sender.push({ kind: 'prefix', bytes: out.bytes, sha256: sha256(first) }, this.now);
      this.#feed(out.bytes);
    }
  }

  /** Up to where its pieces are wanted. */
  start(from = 0): void {
    this.hear({ kind: 'challenge', cookie });
    this.pass(0);
    const sum = sha256(FILE.subarray(0, from * PIECE_BYTES));
    this.hear({ kind: 'accept', index: from, window: 4096, sha256: sum });
  }

  #feed(from: number): void {
    const { room } = this.sender;
    if (room > 0) this.sender.push({ kind: 'bytes', bytes: FILE.subarray(from, from + room) }, this.now);
    this.sender.push({ kind: 'whole', sha256: sha256(FILE) }, this.now);
  }

  /** Connections 1, 2, 3 … */
  #draw(): number {
    return ++this.#draws / 2 ** 32;
  }
}

const ack = (index: number, oldest: number, runs: number[]): CopyBody & { index: number } => ({
  kind: 'ack',
  index,
  window: 4096,
  unwritten: 0,
  delayUs: 0,
  oldest,
  runs,
});

describe('a sender of copies', () => {
  it('offers, ever more rarely, and gives up', () => {
    const scene = new Scene();
    expect(scene.pass(0)).toMatchObject([{ kind: 'offer', name: 'film', bytes: FILE.length, anew: false }]);
    expect(scene.pass(249)).toEqual([]);
    expect(scene.pass(1)).toHaveLength(1);
    expect(scene.pass(20_000)).toHaveLength(6);
    expect(scene.ended).toMatchObject({ outcome: { kind: 'unanswered' } });
  });

  it('puts the cookie into its offer at once, and the same one only once', () => {
    const scene = new Scene();
    scene.pass(0);
    for (let each = 0; each < 3; each++) scene.hear({ kind: 'challenge', cookie });
    expect(scene.pass(0)).toMatchObject([{ kind: 'offer', cookie }]);
  });

  it('sends what is wanted, and the end when all is acknowledged', () => {
    const scene = new Scene();
    scene.start(3);
    expect(scene.pass(15).map(({ index }) => index)).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
    scene.hear(ack(11, 0, [8]));
    expect(scene.pass(0)).toMatchObject([{ kind: 'finish', index: 11, sha256: sha256(FILE) }]);
    scene.hear({ kind: 'done', name: 'film-2' });
    expect(scene.ended).toMatchObject({ outcome: { kind: 'done', name: 'film-2' } });
    expect(scene.sender.progress).toMatchObject({ foundBytes: 3 * PIECE_BYTES, writtenBytes: FILE.length });
  });

  it('sends a lost piece again, once', () => {
    const scene = new Scene();
    scene.start();
    scene.pass(15);
    scene.hear(ack(2, 0, [2, 1, 8]));
    expect(scene.pass(15)).toMatchObject([{ kind: 'piece', index: 2, transmission: 11 }]);
    scene.hear(ack(11, 0, [2, 1, 9]));
    expect(scene.pass(1).map(({ kind }) => kind)).toEqual(['finish']);
    expect(scene.sender.progress).toMatchObject({ sentDatagrams: 12, repeatedDatagrams: 1 });
  });

  it('asks with an empty piece when nothing comes back', () => {
    const scene = new Scene();
    scene.start();
    scene.pass(15);
    const [probe] = scene.pass(1000);
    expect(probe).toMatchObject({ kind: 'piece', payload: NOTHING, transmission: 11 });
  });

  it('asks a receiver to begin anew whose beginning is another', () => {
    const scene = new Scene();
    scene.pass(0);
    scene.hear({ kind: 'challenge', cookie });
    scene.pass(0);
    scene.hear({ kind: 'accept', index: 2, window: 4096, sha256: sha256(Buffer.from('other')) });
    expect(scene.pass(0)).toMatchObject([{ kind: 'offer', anew: true, cookie }]);
  });

  it('offers anew, by another connection, to a receiver that knows nothing', () => {
    const scene = new Scene();
    scene.start();
    scene.pass(15);
    scene.hear({ kind: 'unknown' });
    expect(scene.pass(0)).toMatchObject([{ kind: 'offer', connection: 2, cookie: NOTHING, anew: false }]);
    expect(scene.sender.progress.reconnected).toBe(1);
  });

  it('waits as long as it is asked to', () => {
    const scene = new Scene();
    scene.pass(0);
    for (let each = 0; each < 500; each++) {
      scene.hear({ kind: 'wait', reason: 'busy' });
      expect(scene.pass(500)).toHaveLength(1);
    }
    expect(scene.ended).toBeUndefined();
    expect(scene.sender.progress.state).toBe('waiting');
  });

  it('says three times that it stops', () => {
    const scene = new Scene();
    scene.start();
    scene.pass(1);
    scene.sender.push({ kind: 'stop', reason: 'stopped' }, scene.now);
    expect(scene.pass(0).map(({ kind }) => kind)).toEqual(['end', 'end', 'end']);
    expect(scene.ended).toMatchObject({ outcome: { kind: 'stopped' } });
    expect(scene.sender.wakeAt).toBe(Infinity);
  });

  const lies: [name: string, body: CopyBody & { index?: number }][] = [
    ['pieces that were never sent', ack(12, 0, [11])],
    ['transmissions that were never sent', ack(0, 0, [12])],
    ['transmissions before the first', ack(0, 2 ** 32 - 5, [3])],
    ['a file that is done too early', { kind: 'done', name: 'film' }],
    ['more than the file has', { kind: 'accept', index: 12, window: 1, sha256: sha256(FILE) }],
  ];
  for (const [name, body] of lies)
    it(`does not believe in ${name}`, () => {
      const scene = new Scene();
      scene.start();
      scene.pass(15);
      scene.hear(body);
      scene.pass(0);
      expect(scene.ended).toBeUndefined();
      expect(scene.sender.progress).toMatchObject({ state: 'sending', writtenBytes: 0 });
    });

  it('does not hear what is for another connection', () => {
    const scene = new Scene();
    scene.start();
    scene.hear({ kind: 'end', reason: 'failed', detail: 0 }, 77);
    expect(scene.ended).toBeUndefined();
  });

  it('never throws, and its wake-ups always make progress, whatever it hears', () => {
    const answers = [
      { kind: 'challenge' as const, cookie },
      { kind: 'accept' as const, index: 0, window: 4, sha256: sha256(NOTHING) },
      { kind: 'wait' as const, reason: 'busy' as const },
      ack(5, 0, [2, 1, 2]),
      ack(0, 3, [1]),
      { kind: 'unknown' as const },
    ].map((body) => writeCopy({ index: 0, ...body, connection: 1 }));
    const heard = fc.oneof(anyBytes(100), fc.constantFrom(...answers), ...answers.map(damaged));
    fc.assert(
      fc.property(fc.array(fc.tuple(heard, fc.nat(40)), { maxLength: 40 }), (datagrams) => {
        const scene = new Scene();
        scene.pass(0);
        scene.hear({ kind: 'challenge', cookie });
        for (const [datagram, ms] of datagrams) {
          scene.take(datagram);
          scene.pass(ms);
        }
        let wakes = 0;
        for (let at = scene.sender.wakeAt; at < 200_000; at = scene.sender.wakeAt) {
          scene.now = Math.max(scene.now, at);
          scene.drain();
          expect(++wakes).toBeLessThan(5000);
        }
        expect(scene.sender.progress.state).toBe('ended');
      }),
      { numRuns: 300 },
    );
  });
});
