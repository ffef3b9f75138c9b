import { describe, expect, it } from 'vitest';
import { History } from '../../sender/history.ts';
import { CHUNK_DATAGRAMS, MediaChunk } from '../../sender/media-chunk.ts';
import { DepartedStream, numberOf } from '../helpers/departed-stream.ts';
import { SEQUENCE_STARTS } from '../helpers/packets.ts';

const PLENTY = 1 << 30;
const CHUNK_BYTES = new MediaChunk(12).departure.memory.byteLength;

/** So many chunks of a stream of one datagram a millisecond, each added when its first datagram is due. */
function kept(options: { historyMs?: number; historyBytes?: number; sequence?: number; chunks: number }) {
  const { historyMs = 1e9, historyBytes = PLENTY, sequence = 0, chunks } = options;
  const stream = new DepartedStream({ ssrc: 1, sequence, spacingMs: 1 });
  const history = new History({ historyMs, historyBytes });
  for (let chunk = 0; chunk < chunks; chunk++)
    history.add(stream.next(), stream.dueAt(chunk * CHUNK_DATAGRAMS));
  return { stream, history };
}

describe('History', () => {
  for (const sequence of SEQUENCE_STARTS)
    it(`finds every datagram by its sequence number, the first being ${sequence}`, () => {
      const { history } = kept({ chunks: 4, sequence });
      for (let index = 0; index < 4 * CHUNK_DATAGRAMS; index++) {
        const found = history.indexOf((sequence + index) & 0xffff, 1e6);
        expect(found).toBe(index);
        expect(numberOf(history.datagram(index)?.subarray(12) ?? Buffer.alloc(0))).toBe(index);
      }
    });

  it('knows no datagram before it has left, which may be half a quantum before it is due', () => {
    const { history } = kept({ chunks: 1 });
    expect([history.indexOf(20, 14.9), history.indexOf(20, 15)]).toEqual([undefined, 20]);
  });

  it('knows none that was never sent', () => {
    const { history } = kept({ chunks: 1, sequence: 100 });
    for (const sequence of [99, 148, 32_868, 0]) expect(history.indexOf(sequence, 1e6)).toBeUndefined();
    expect(history.datagram(48)).toBeUndefined();
    expect(history.datagram(-1)).toBeUndefined();
  });

  it('knows none while it is empty', () => {
    const history = new History({ historyMs: 1000, historyBytes: PLENTY });
    expect([history.indexOf(0, 0), history.datagram(0), history.releasedUpTo, history.bytesPerMs]).toEqual([
      undefined,
      undefined,
      0,
      0,
    ]);
  });

  it('lets go of a chunk when its last datagram is old enough', () => {
    const { history } = kept({ chunks: 3, historyMs: 100 });
    expect(history.releasedUpTo).toBe(0);
    history.letGo(146.9);
    expect(history.releasedUpTo).toBe(0);
    history.letGo(147);
    expect(history.releasedUpTo).toBe(48);
    expect([history.indexOf(47, 147), history.indexOf(48, 147)]).toEqual([undefined, 48]);
  });

  it('lets go of the oldest chunks when they take too much memory', () => {
    const { history } = kept({ chunks: 10, historyBytes: 3 * CHUNK_BYTES });
    expect(history.releasedUpTo).toBe(7 * CHUNK_DATAGRAMS);
    expect([history.indexOf(335, 1e6), history.indexOf(336, 1e6)]).toEqual([undefined, 336]);
  });

  it('grows with the datagrams of a chunk that comes in parts, and never gives back one that is not full', () => {
    const stream = new DepartedStream({ ssrc: 1, spacingMs: 1 });
    const history = new History({ historyMs: 10, historyBytes: PLENTY });
    history.add(stream.next(5), 0);
    expect([history.indexOf(4, 4), history.indexOf(5, 9)]).toEqual([4, undefined]);
    history.letGo(100);
    expect(history.releasedUpTo).toBe(5);
    history.add(stream.next(3), 5);
    expect([history.indexOf(7, 7), history.releasedUpTo]).toEqual([7, 0]);
  });

  it('tells the rate of the stream, headers included', () => {
    const { history } = kept({ chunks: 20, historyMs: 500 });
    expect(history.bytesPerMs).toBeCloseTo(1328, -1);
  });

  it('takes the first datagrams of a stream for no more than they are', () => {
    const { history } = kept({ chunks: 1 });
    expect(history.bytesPerMs).toBe((48 * 1328) / 100);
  });
});
