import { afterEach, describe, expect, it, vi } from 'vitest';
import { exitStatus, ffmpegStopped, findFfmpeg, MessageRing } from '../../codecs/ffmpeg.ts';

afterEach(() => vi.unstubAllEnvs());

describe('findFfmpeg', () => {
  for (const [name, path] of [
    ['does not exist', '/nowhere/ffmpeg'],
    ['does not run', process.execPath.replace(/node$/, '')],
  ] as const) {
    it(`says that ffmpeg is missing when the one that was named ${name}`, async () => {
      vi.stubEnv('LANCAST_FFMPEG', path);
      await expect(findFfmpeg()).rejects.toMatchObject({ code: 'E204', details: { tried: [path] } });
    });
  }

  it('looks again after a failure', async () => {
    vi.stubEnv('LANCAST_FFMPEG', '/nowhere/ffmpeg');
    await expect(findFfmpeg()).rejects.toThrow();
    vi.stubEnv('LANCAST_FFMPEG', '/elsewhere/ffmpeg');
    await expect(findFfmpeg()).rejects.toMatchObject({ details: { tried: ['/elsewhere/ffmpeg'] } });
  });
});

describe('MessageRing', () => {
  it('keeps the last 64 KiB, however much is said', () => {
    const ring = new MessageRing();
    for (let line = 0; line < 20_000; line++) ring.append(`line ${line}\n`);
    expect(ring.text).toHaveLength(65_536);
    expect(ring.lastLines(3)).toEqual(['line 19997', 'line 19998', 'line 19999']);
  });

  it('keeps one endless line within bounds too', () => {
    const ring = new MessageRing();
    for (let part = 0; part < 100; part++) ring.append('x'.repeat(10_000));
    expect(ring.text).toHaveLength(65_536);
  });

  it('passes over empty lines and the carriage returns of progress', () => {
    const ring = new MessageRing();
    ring.append('one\r\n\nframe=1\rframe=2\r  \n');
    expect(ring.lastLines(5)).toEqual(['one', 'frame=1', 'frame=2']);
  });
});

describe('a child that has ended', () => {
  const ends: [name: string, code: number | null, signal: string | null, status: string | undefined][] = [
    ['well', 0, null, undefined],
    ['with a status', 187, null, 'status 187'],
    ['by a signal', null, 'SIGKILL', 'signal SIGKILL'],
    ['without having begun', null, null, 'status unknown'],
  ];
  for (const [name, code, signal, status] of ends) {
    it(`${name}: ${status ?? 'nothing to say'}`, () => expect(exitStatus({ code, signal })).toBe(status));
  }

  it('is told with its last three lines', () => {
    const ring = new MessageRing();
    ring.append('one\ntwo\nthree\nfour\n');
    expect(ffmpegStopped('status 1', ring)).toMatchObject({
      code: 'E205',
      details: { status: 'status 1', stderr: 'two | three | four' },
    });
  });
});
