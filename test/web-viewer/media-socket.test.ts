import { PassThrough, Writable } from 'node:stream';
import { WebSocket } from 'ws';
import { describe, expect, it } from 'vitest';
import { MediaSocket } from '../../web-viewer/server/media-socket.ts';

const FRAME = Buffer.from('82 03 616263'.replaceAll(' ', ''), 'hex');

describe('MediaSocket', () => {
  it('writes frames into the stream as they are, without copying them', async () => {
    const written: Buffer[] = [];
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        written.push(chunk);
        done();
      },
    });
    const media = new MediaSocket({ readyState: WebSocket.OPEN }, stream);
    await new Promise<void>((resolve) => media.send(FRAME, resolve));
    expect(written[0]).toBe(FRAME);
  });

  it('counts what the system has not taken', () => {
    const media = new MediaSocket({ readyState: WebSocket.OPEN }, new Writable({ write: () => undefined }));
    media.send(FRAME, () => undefined);
    media.send(FRAME, () => undefined);
    expect(media.waitingBytes).toBe(2 * FRAME.length);
  });

  for (const state of ['CLOSING', 'CLOSED'] as const) {
    it(`sends nothing behind the goodbye of a socket that is ${state}`, () => {
      const stream = new PassThrough();
      new MediaSocket({ readyState: WebSocket[state] }, stream).send(FRAME, () => undefined);
      expect(stream.read()).toBeNull();
    });
  }
});
