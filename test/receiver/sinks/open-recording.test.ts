import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRecording } from '../../../receiver/sinks/open-recording.ts';
import type { Recording } from '../../../receiver/sinks/recording.ts';

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** Pushes `count` datagrams into a recording and returns their bytes. */
function push(recording: Recording, count: number): Buffer {
  const all = Buffer.alloc(count * 1316);
  for (let index = 0; index < count; index++) {
    const payload = all.subarray(index * 1316, (index + 1) * 1316).fill(0x47 + (index % 100));
    for (let at = 0; at < 1316; at += 188) payload[at] = 0x47;
    recording.push(
      { kind: 'payload', payload, index, timestampTicks: 0, arrivedAt: 0, discontinuity: false },
      0,
    );
  }
  return all;
}

describe('openRecording', () => {
  let folder = '';
  const said: string[] = [];
  const events = {
    onTrouble: (error: { code: string }) => said.push(error.code),
    onResumed: () => said.push('resumed'),
    onReaderGone: () => said.push('reader gone'),
  };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lancast-'));
    said.length = 0;
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('records to a new file', async () => {
    const path = join(folder, 'new.ts');
    const recording = await openRecording(path, events);
    const sent = push(recording, 3000);
    await recording.close();
    expect((await readFile(path)).equals(sent)).toBe(true);
    expect(recording.summary).toMatchObject({ path, bytes: sent.length, sha256: sha256(sent) });
  });

  it('records over a file that is there', async () => {
    const path = join(folder, 'old.ts');
    await writeFile(path, Buffer.alloc(100_000, 1));
    const recording = await openRecording(path, events);
    const sent = push(recording, 5);
    await recording.close();
    expect((await readFile(path)).equals(sent)).toBe(true);
  });

  it('records into a FIFO, for whoever reads it', async () => {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    const [read, recording] = await Promise.all([
      // The reader opens first or second: both wait for each other.
      readFile(path),
      openRecording(path, events).then(async (opened) => {
        const sent = push(opened, 1000);
        await opened.close();
        return { sent, summary: opened.summary };
      }),
    ]);
    expect(read.equals(recording.sent)).toBe(true);
    expect(recording.summary).toMatchObject({ bytes: read.length, sha256: sha256(read) });
  });

  it('records into a device, which has nothing to trim or to make safe', async () => {
    const recording = await openRecording('/dev/null', events);
    const sent = push(recording, 10);
    await recording.close();
    expect(said).toEqual([]);
    expect(recording.summary).toMatchObject({ bytes: sent.length, sha256: sha256(sent), droppedBytes: 0 });
  });

  it('says E401 where every write finds the disk full', async () => {
    const recording = await openRecording('/dev/full', events);
    const sent = push(recording, 10);
    await recording.close();
    expect(said).toEqual(['E401']);
    expect(recording.summary).toMatchObject({ bytes: 0, droppedBytes: sent.length, gaps: 1 });
  });
});
