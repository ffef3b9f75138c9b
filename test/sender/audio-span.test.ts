/** How long a run of sound lasts, codec by codec. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { audioTicks } from '../../sender/audio-span.ts';

/** A frame of `bytes` that begins as the hex text does. */
function frame(start: string, bytes: number): Buffer {
  const frame = Buffer.alloc(bytes, 0x11);
  Buffer.from(start.replaceAll(' ', ''), 'hex').copy(frame);
  return frame;
}

function adts(bytes: number, rateIndex = 3, blocks = 1): Buffer {
  const head = Buffer.of(
    0xff,
    0xf1,
    0x40 | (rateIndex << 2),
    0x80 | (bytes >> 11),
    bytes >> 3,
    (bytes & 7) << 5,
    blocks - 1,
  );
  return frame(head.toString('hex'), bytes);
}

/** An Opus packet behind the control header of its MPEG-TS mapping. */
function opus(toc: string, bytes: number): Buffer {
  const sizes = [...Array<number>(Math.floor(bytes / 255)).fill(255), bytes % 255];
  return Buffer.concat([Buffer.of(0x7f, 0xe0, ...sizes), frame(toc, bytes)]);
}

function times(count: number, one: Buffer): Buffer {
  return Buffer.concat(Array<Buffer>(count).fill(one));
}

describe('audioTicks', () => {
  const cases: [codec: string, name: string, data: Buffer, ticks: number][] = [
    ['AAC', 'a frame at 48 kHz', adts(300), 1920],
    [
      'AAC',
      'five frames of different length',
      Buffer.concat([100, 300, 7, 4000, 250].map((bytes) => adts(bytes))),
      9600,
    ],
    ['AAC', 'three frames at 44.1 kHz', times(3, adts(200, 4)), 6269],
    ['AAC', 'a frame of two blocks', adts(300, 3, 2), 3840],
    ['AAC', 'the rest of a frame before one', Buffer.concat([Buffer.alloc(50, 0x22), adts(300)]), 1920],
    ['AAC', 'a frame that is cut', adts(300).subarray(0, 20), 1920],
    ['AAC', 'a head that is cut', adts(300).subarray(0, 6), 0],
    ['AAC', 'a forbidden rate', adts(300, 15), 0],
    ['MPEG audio', 'layer 2 at 192 kbit/s, 48 kHz', times(2, frame('fffda400', 576)), 4320],
    [
      'MPEG audio',
      'layer 2 at 44.1 kHz with padding',
      Buffer.concat([frame('fffda000', 626), frame('fffda200', 627)]),
      4702,
    ],
    ['MPEG audio', 'layer 3 at 128 kbit/s, 44.1 kHz', times(2, frame('fffb9000', 417)), 4702],
    ['MPEG audio', 'layer 1 at 448 kbit/s, 48 kHz', times(2, frame('ffffe400', 448)), 1440],
    ['MPEG audio', 'MPEG-2 layer 3 at 64 kbit/s, 24 kHz', times(2, frame('fff38400', 192)), 4320],
    ['MPEG audio', 'MPEG-2 layer 2 at 64 kbit/s, 24 kHz', times(2, frame('fff58400', 384)), 8640],
    ['MPEG audio', 'MPEG-2.5 layer 3 at 16 kbit/s, 8 kHz', times(2, frame('ffe32800', 144)), 12_960],
    ['MPEG audio', 'a free bit rate, which tells no length', frame('fffb0000', 400), 0],
    ['AC-3', 'frames at 448 kbit/s, 48 kHz', times(2, frame('0b77 0000 1e 40', 1792)), 5760],
    [
      'AC-3',
      'frames at 192 kbit/s, 44.1 kHz',
      Buffer.concat([frame('0b77 0000 54 40', 834), frame('0b77 0000 55 40', 836)]),
      6269,
    ],
    ['AC-3', 'frames at 128 kbit/s, 32 kHz', times(2, frame('0b77 0000 90 40', 768)), 8640],
    ['E-AC-3', 'frames of six blocks', times(3, frame('0b77 00ff 3f 80', 512)), 8640],
    ['E-AC-3', 'frames of one block', times(6, frame('0b77 003f 0f 80', 128)), 2880],
    [
      'E-AC-3',
      'a frame with one that depends on it',
      Buffer.concat([frame('0b77 00ff 3f 80', 512), frame('0b77 40ff 3f 80', 512)]),
      2880,
    ],
    ['E-AC-3', 'frames at half of 48 kHz', frame('0b77 00ff cf 80', 512), 5760],
    ['Opus', 'packets of 20 ms', times(3, opus('fc', 300)), 5400],
    ['Opus', 'a packet of two frames of 10 ms', opus('f5', 80), 1800],
    ['Opus', 'a packet of three frames of 2.5 ms', opus('e303', 80), 675],
    ['Opus', 'a packet of 60 ms at low rate', opus('18', 510), 5400],
    [
      'Opus',
      'trimming and an extension',
      Buffer.concat([frame('7ffc 0a 0001 0002 01 00', 9), frame('fc', 10)]),
      1800,
    ],
    ['DTS', 'what is not known here', Buffer.alloc(2000, 0x7f), 0],
    ['AAC', 'nothing', Buffer.alloc(0), 0],
  ];
  for (const [codec, name, data, ticks] of cases) {
    it(`measures ${codec}: ${name}`, () => expect(audioTicks(codec, data)).toBe(ticks));
  }

  it('always ends, whatever bytes it gets', () => {
    const codecs = fc.constantFrom('AAC', 'MPEG audio', 'AC-3', 'E-AC-3', 'Opus');
    const bytes = fc.array(
      fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0xff, 0xf1, 0x0b, 0x77, 0x7f, 0xe0, 0)),
      { maxLength: 300 },
    );
    fc.assert(
      fc.property(codecs, bytes, (codec, bytes) => {
        expect(audioTicks(codec, Buffer.from(bytes))).toBeGreaterThanOrEqual(0);
      }),
      { seed: 17, numRuns: 500 },
    );
  });
});
