import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { RecordingOptions } from '../../../receiver/sinks/recording.ts';
import { PipeSink } from '../../../receiver/sinks/stdout.ts';

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** A reader that takes a chunk only when it is told to, unless it is `open`. */
class Reader extends Writable {
  content = Buffer.alloc(0);
  writes = 0;
  open = true;
  #waiting: (() => void) | undefined;

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.writes++;
    const take = () => {
      this.content = Buffer.concat([this.content, chunk]);
      done();
    };
    if (this.open) take();
    else this.#waiting = take;
  }

  /** Reads everything from now on. */
  resume(): void {
    this.open = true;
    this.#waiting?.();
  }
}

function setUp(options: RecordingOptions = {}) {
  const reader = new Reader();
  const said: string[] = [];
  const sink = new PipeSink(
    '-',
    reader,
    {
      onTrouble: (error) => said.push(error.code),
      onResumed: () => said.push('resumed'),
      onReaderGone: () => said.push('reader gone'),
    },
    options,
  );
  let index = 0;
  const sent: Buffer[] = [];
  const push = (count: number) => {
    for (; count > 0; count--, index++) {
      const payload = Buffer.alloc(1316, index);
      sent.push(payload);
      sink.push(
        { kind: 'payload', payload, index, timestampTicks: 0, arrivedAt: 0, discontinuity: false },
        0,
      );
    }
  };
  return { reader, said, sink, push, sent: () => Buffer.concat(sent) };
}

const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe('PipeSink', () => {
  it('writes what arrived together in one piece, without waiting for more', async () => {
    const { reader, push, sent } = setUp();
    push(20);
    await turn();
    expect(reader.content.equals(sent())).toBe(true);
    expect(reader.writes).toBe(1);
  });

  it('sums up exactly what the reader has taken', async () => {
    const { reader, sink, push, sent } = setUp();
    push(500);
    sink.push({ kind: 'gap', first: 500, count: 3 }, 0);
    push(500);
    await sink.close();
    expect(reader.content.equals(sent())).toBe(true);
    expect(reader.writableEnded).toBe(true);
    expect(sink.summary).toEqual({
      path: '-',
      bytes: sent().length,
      sha256: sha256(sent()),
      gaps: 1,
      droppedBytes: 0,
    });
  });

  it('works out no hash when none is asked for', async () => {
    const { reader, sink, push, sent } = setUp({ unhashed: true });
    push(10);
    await sink.close();
    expect(reader.content.equals(sent())).toBe(true);
    expect(sink.summary).toMatchObject({ sha256: undefined, bytes: sent().length });
  });

  it('keeps what a slow reader has not taken yet', async () => {
    const { reader, said, sink, push, sent } = setUp();
    reader.open = false;
    push(1000);
    await turn();
    push(1000);
    reader.resume();
    await sink.close();
    expect(reader.content.equals(sent())).toBe(true);
    expect(said).toEqual([]);
  });

  it('drops whole datagrams when too much waits, says E403 once and that it has caught up', async () => {
    const { reader, said, sink, push, sent } = setUp({ spillBytes: 512 * 1024 });
    reader.open = false;
    push(1000);
    await turn();
    expect(said).toEqual(['E403']);
    reader.resume();
    await turn();
    expect(said).toEqual(['E403', 'resumed']);
    push(1);
    await sink.close();
    const { bytes, droppedBytes, gaps } = sink.summary;
    expect([droppedBytes % 1316, bytes + droppedBytes, gaps]).toEqual([0, sent().length, 1]);
    const kept = sent().subarray(0, bytes - 1316);
    expect(reader.content.equals(Buffer.concat([kept, sent().subarray(-1316)]))).toBe(true);
  });

  it('ends quietly when the reader goes away', async () => {
    const { reader, said, sink, push } = setUp();
    push(1);
    await turn();
    reader.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    await turn();
    push(10);
    await sink.close();
    expect(said).toEqual(['reader gone']);
    expect(sink.summary).toMatchObject({ bytes: 1316, droppedBytes: 0 });
  });

  it('does not wait for ever for a reader that does not read', async () => {
    const { reader, sink, push } = setUp();
    reader.open = false;
    push(3);
    const from = performance.now();
    await sink.close();
    expect(performance.now() - from).toBeLessThan(4000);
    expect(sink.summary).toMatchObject({ bytes: 0, droppedBytes: 3 * 1316 });
  });
});
