import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CopyReceiver,
  MOST_COPIES,
  type CopyReceiverInput,
  type CopyReceiverOutput,
} from '../../receiver/copy-receiver.ts';
import type { Endpoint } from '../../wire/address.ts';
import { parseCopy, PIECE_BYTES, writeCopy, type CopyBody, type CopyPacket } from '../../wire/copy.ts';
import { anyBytes, damaged } from '../helpers/bytes.ts';
import { sha256 } from '../helpers/copy-world.ts';

fc.configureGlobal({ seed: 9000 });

const ALICE: Endpoint = { address: '10.0.0.1', port: 4000 };
const MALLORY: Endpoint = { address: '10.0.0.66', port: 4000 };
const NOTHING = Buffer.alloc(0);
const KEY = Buffer.alloc(16, 7);

/** A receiver whose disk answers at once. */
class Scene {
  now = 0;
  readonly receiver = new CopyReceiver({ key: KEY });
  readonly outputs: CopyReceiverOutput[] = [];
  readonly written: Buffer[] = [];
  heardBytes = 0;
  sentBytes = 0;
  /** What the disk does; by default all goes well. */
  disk = (output: CopyReceiverOutput & { kind: 'task' }): CopyReceiverInput | undefined => {
    const { transfer, task } = output;
    if (task.kind === 'prepare') return { kind: 'prepared', transfer, bytes: 0, sha256: sha256(NOTHING) };
    if (task.kind === 'complete') return { kind: 'completed', transfer, name: 'whole' };
    this.written.push(...task.pieces.map((piece) => Buffer.from(piece)));
    return { kind: 'written', transfer };
  };

  hear(datagram: Buffer, source: Endpoint = ALICE): CopyPacket[] {
    this.heardBytes += datagram.length;
    return this.push({ kind: 'datagram', datagram, source, arrivedAt: this.now });
  }

  say(body: CopyBody & { index?: number }, connection = 1, source: Endpoint = ALICE): CopyPacket[] {
    return this.hear(writeCopy({ index: 0, ...body, connection }), source);
  }

  /** What it then sends. */
  push(input: CopyReceiverInput): CopyPacket[] {
    this.receiver.push(input, this.now);
    return this.drain();
  }

  drain(): CopyPacket[] {
    const said: CopyPacket[] = [];
    for (let out = this.receiver.poll(this.now); out; out = this.receiver.poll(this.now)) {
      this.outputs.push(out);
      const answer = out.kind === 'task' ? this.disk(out) : undefined;
      if (answer) this.receiver.push(answer, this.now);
      if (out.kind !== 'send') continue;
      this.sentBytes += out.datagram.length;
      const packet = parseCopy(out.datagram);
      if (typeof packet !== 'string') said.push(packet);
    }
    return said;
  }

  /** Lets time pass, woken when it asks for it. */
  pass(ms: number): CopyPacket[] {
    const until = this.now + ms;
    const said: CopyPacket[] = [];
    for (let at = this.receiver.wakeAt; at <= until; at = this.receiver.wakeAt) {
      this.now = Math.max(this.now, at);
      said.push(...this.drain());
    }
    this.now = until;
    return said;
  }

  /** Offers with the cookie that was given. */
  offer(
    { name = 'film', bytes = 5000, anew = false }: { name?: string; bytes?: number; anew?: boolean } = {},
    connection = 1,
    source: Endpoint = ALICE,
  ): CopyPacket[] {
    const offer = { kind: 'offer' as const, anew, bytes, name };
    const [challenge] = this.say({ ...offer, cookie: NOTHING }, connection, source);
    if (challenge?.kind !== 'challenge') return challenge ? [challenge] : [];
    return this.say({ ...offer, cookie: challenge.cookie }, connection, source);
  }
}

const piece = (index: number, transmission: number, bytes = PIECE_BYTES): CopyBody & { index: number } => ({
  kind: 'piece',
  index,
  transmission,
  payload: Buffer.alloc(bytes, index + 1),
});

const kinds = (packets: CopyPacket[]): string[] => packets.map(({ kind }) => kind);

describe('a receiver of copies', () => {
  it('takes a file in any order and writes it in order', () => {
    const scene = new Scene();
    expect(kinds(scene.offer())).toEqual(['wait', 'accept']);
    for (const [transmission, index] of [2, 0, 3, 1, 1].entries())
      scene.say(piece(index, transmission, index === 3 ? 5000 - 3 * PIECE_BYTES : PIECE_BYTES));
    expect(scene.pass(50).at(-1)).toMatchObject({ kind: 'ack', index: 4, window: 0, unwritten: 0 });
    const whole = Buffer.concat(scene.written);
    expect(whole).toHaveLength(5000);
    expect([0, 1, 2, 3].map((each) => whole[each * PIECE_BYTES])).toEqual([1, 2, 3, 4]);
    expect(kinds(scene.say({ kind: 'finish', index: 4, sha256: sha256(whole) }))).toEqual(['wait', 'done']);
    expect(scene.outputs.at(-1)).toMatchObject({ kind: 'over', why: 'done' });
  });

  it('tells which transmissions came, with gaps', () => {
    const scene = new Scene();
    scene.offer({ bytes: 20 * PIECE_BYTES });
    for (const transmission of [5, 6, 9, 10, 12]) scene.say(piece(transmission, transmission));
    const ack = scene.pass(10).at(-1);
    expect(ack).toMatchObject({ kind: 'ack', index: 0, oldest: 5, runs: [2, 2, 2, 1, 1] });
  });

  it('answers an empty piece at once', () => {
    const scene = new Scene();
    scene.offer();
    expect(kinds(scene.say(piece(0, 7, 0)))).toEqual(['ack']);
  });

  it('says again that it is done, also to a sender that asks for the same connection', () => {
    const scene = new Scene();
    scene.offer({ bytes: 0 });
    const finish = { kind: 'finish' as const, sha256: sha256(NOTHING) };
    scene.say(finish);
    expect(scene.say(finish)).toMatchObject([{ kind: 'done', name: 'whole' }]);
    expect(scene.offer({ bytes: 0 })).toMatchObject([{ kind: 'done', name: 'whole' }]);
    expect(kinds(scene.say(finish, 1, MALLORY))).toEqual(['unknown']);
  });

  it('refuses pieces of wrong lengths and beyond its window', () => {
    const scene = new Scene();
    scene.disk = ({ transfer, task }) =>
      task.kind === 'prepare' ? { kind: 'prepared', transfer, bytes: 0, sha256: sha256(NOTHING) } : undefined;
    scene.offer({ bytes: 5000 * PIECE_BYTES });
    for (const [index, bytes] of [
      [0, 1315],
      [4096, PIECE_BYTES],
      [5000, PIECE_BYTES],
      [2 ** 52, PIECE_BYTES],
    ] as const)
      scene.say(piece(index, 0, bytes));
    expect(scene.receiver.progress[0]).toMatchObject({ refused: 4, writtenBytes: 0 });
    scene.say(piece(4095, 1));
    expect(scene.receiver.progress[0]).toMatchObject({ refused: 4 });
  });

  it('begins anew when what is there is not the beginning', () => {
    const scene = new Scene();
    const tasks: boolean[] = [];
    scene.disk = ({ transfer, task }) => {
      if (task.kind !== 'prepare') return undefined;
      tasks.push(task.anew);
      const there = Buffer.alloc(task.anew ? 0 : PIECE_BYTES);
      return { kind: 'prepared', transfer, bytes: there.length, sha256: sha256(there) };
    };
    expect(scene.offer().at(-1)).toMatchObject({ kind: 'accept', index: 1 });
    expect(scene.offer({ anew: true }).at(-1)).toMatchObject({ kind: 'accept', index: 0 });
    // The same offer, twice on the way: what has begun is not thrown away again.
    expect(scene.offer({ anew: true }).at(-1)).toMatchObject({ kind: 'accept', index: 0 });
    expect(tasks).toEqual([false, true]);
  });

  const failures = ['no-space', 'not-writable', 'disk-failed'] as const;
  for (const reason of failures)
    it(`tells the sender of ${reason}, and goes on with others`, () => {
      const scene = new Scene();
      const { disk } = scene;
      scene.disk = (output) =>
        output.task.kind === 'write'
          ? { kind: 'failed', transfer: output.transfer, reason, detail: 9 }
          : disk(output);
      scene.offer();
      scene.say(piece(0, 0));
      expect(scene.pass(50)).toContainEqual(expect.objectContaining({ kind: 'end', reason, detail: 9 }));
      expect(scene.receiver.progress).toEqual([]);
      expect(kinds(scene.say(piece(1, 1)))).toEqual(['unknown']);
      expect(kinds(scene.offer({}, 2))).toEqual(['wait', 'accept']);
    });

  it('asks for patience for a name that is busy, until its sender has fallen silent', () => {
    const scene = new Scene();
    scene.offer();
    expect(scene.offer({ name: 'FILM' }, 2)).toMatchObject([{ kind: 'wait', reason: 'busy' }]);
    scene.pass(1999);
    expect(scene.offer({ name: 'FILM' }, 2)).toMatchObject([{ kind: 'wait', reason: 'busy' }]);
    scene.pass(1);
    expect(kinds(scene.offer({ name: 'FILM' }, 2))).toContain('accept');
    expect(scene.outputs).toContainEqual(expect.objectContaining({ kind: 'over', why: 'replaced' }));
  });

  it(`takes no more than ${MOST_COPIES} at a time`, () => {
    const scene = new Scene();
    for (let each = 0; each < MOST_COPIES; each++)
      expect(kinds(scene.offer({ name: `film ${each}` }, each))).toContain('accept');
    expect(scene.offer({ name: 'one more' }, 99)).toMatchObject([{ kind: 'wait', reason: 'busy' }]);
    expect(scene.receiver.progress).toHaveLength(MOST_COPIES);
  });

  it('lets go of a sender that is silent for 90 seconds', () => {
    const scene = new Scene();
    scene.offer();
    expect(scene.pass(89_999)).toEqual([]);
    expect(scene.pass(1)).toMatchObject([{ kind: 'end', reason: 'silent' }]);
    expect(scene.receiver.wakeAt).toBe(Infinity);
  });

  it('tells all senders when it stops', () => {
    const scene = new Scene();
    scene.offer({ name: 'a' }, 1);
    scene.offer({ name: 'b' }, 2);
    expect(kinds(scene.push({ kind: 'stop' }))).toEqual(['end', 'end']);
  });

  it('ends a copy when its sender says so', () => {
    const scene = new Scene();
    scene.offer();
    scene.say({ kind: 'end', reason: 'stopped', detail: 0 });
    expect(scene.outputs.at(-1)).toMatchObject({ kind: 'over', why: 'stopped' });
  });

  it('refuses names that are none', () => {
    expect(new Scene().offer({ name: '..' })).toMatchObject([{ kind: 'end', reason: 'bad-name' }]);
  });
});

describe('strangers', () => {
  it('cannot use the cookie of another address, port or connection, nor one that is old', () => {
    const scene = new Scene();
    const offer = { kind: 'offer' as const, anew: false, bytes: 1, name: 'film' };
    const [challenge] = scene.say({ ...offer, cookie: NOTHING });
    if (challenge?.kind !== 'challenge') throw new Error('no challenge');
    const { cookie } = challenge;
    expect(kinds(scene.say({ ...offer, cookie }, 1, MALLORY))).toEqual(['challenge']);
    expect(kinds(scene.say({ ...offer, cookie }, 1, { ...ALICE, port: 4001 }))).toEqual(['challenge']);
    expect(kinds(scene.say({ ...offer, cookie }, 2))).toEqual(['challenge']);
    scene.now = 1_300_000;
    expect(kinds(scene.say({ ...offer, cookie }))).toEqual(['challenge']);
    expect(scene.receiver.progress).toEqual([]);
  });

  it('cannot add to a copy from another address', () => {
    const scene = new Scene();
    scene.offer();
    scene.say(piece(0, 0), 1, MALLORY);
    scene.say({ kind: 'end', reason: 'stopped', detail: 0 }, 1, MALLORY);
    expect(scene.receiver.progress[0]).toMatchObject({ state: 'receiving' });
    expect(scene.pass(50)).toEqual([]);
  });

  it('never get more than three times what they send, and are remembered by nothing', () => {
    const start = writeCopy({
      kind: 'offer',
      connection: 5,
      index: 0,
      cookie: NOTHING,
      anew: false,
      bytes: 9,
      name: 'f',
    });
    const finish = writeCopy({ kind: 'finish', connection: 5, index: 0, sha256: sha256(NOTHING) });
    const data = writeCopy({ ...piece(0, 0), connection: 5 });
    const requests = fc.oneof(anyBytes(1400), damaged(start), damaged(finish), damaged(data));
    let most = 0;
    fc.assert(
      fc.property(fc.array(requests, { maxLength: 20 }), (datagrams) => {
        const scene = new Scene();
        for (const datagram of datagrams) {
          const [heard, sent] = [scene.heardBytes, scene.sentBytes];
          scene.now += 10;
          scene.hear(datagram, MALLORY);
          if (scene.heardBytes > heard)
            most = Math.max(most, (scene.sentBytes - sent) / (scene.heardBytes - heard));
        }
        scene.pass(100_000);
        expect(scene.sentBytes).toBeLessThanOrEqual(3 * scene.heardBytes);
        expect(scene.receiver.progress).toEqual([]);
      }),
      { numRuns: 500 },
    );
    expect(most).toBeGreaterThan(0.5); // it did answer
    expect(most).toBeLessThanOrEqual(3);
  });

  it('are answered once a millisecond, however many come', () => {
    const scene = new Scene();
    let answered = 0;
    for (let each = 0; each < 10_000; each++) {
      scene.now += 0.01;
      answered += scene.say(
        { kind: 'offer', cookie: NOTHING, anew: false, bytes: 9, name: 'f' },
        each,
      ).length;
    }
    expect(answered).toBeLessThanOrEqual(202);
    expect(scene.receiver.stats.ignored).toBe(10_000 - answered);
  });
});

describe('whatever comes on a connection', () => {
  it('neither throws nor gets more written than was asked for', () => {
    const bytes = 10 * PIECE_BYTES + 5;
    const samples: CopyBody[] = [
      piece(0, 0),
      piece(3, 2 ** 31),
      { kind: 'finish', sha256: sha256(NOTHING) },
      { kind: 'ack', window: 1, unwritten: 1, delayUs: 1, oldest: 0, runs: [1] },
      { kind: 'wait', reason: 'busy' },
    ];
    const requests = fc.oneof(
      ...samples.map((body) => damaged(writeCopy({ index: 0, ...body, connection: 1 }))),
      fc
        .tuple(fc.nat(12), fc.nat(2 ** 32 - 1))
        .map(([index, transmission]) =>
          writeCopy({ ...piece(index, transmission, index === 10 ? 5 : PIECE_BYTES), connection: 1 }),
        ),
    );
    fc.assert(
      fc.property(fc.array(requests, { maxLength: 60 }), (datagrams) => {
        const scene = new Scene();
        scene.offer({ bytes });
        for (const datagram of datagrams) {
          scene.hear(datagram);
          scene.pass(1);
        }
        scene.pass(100);
        const written = Buffer.concat(scene.written);
        expect(written.length).toBeLessThanOrEqual(bytes);
        let position = 0;
        for (const output of scene.outputs) {
          if (output.kind !== 'task' || output.task.kind !== 'write') continue;
          expect(output.task.position).toBe(position);
          for (const { length } of output.task.pieces) position += length;
        }
      }),
      { numRuns: 300 },
    );
  });
});
