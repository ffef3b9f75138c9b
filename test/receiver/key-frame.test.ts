/** Key frames by what an access unit begins with, and by the packet it begins in. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { beginsWithKey, startsKeyFrame } from '../../receiver/key-frame.ts';
import { pidAt } from '../../wire/mpeg-ts.ts';
import { ProgrammeTable } from '../../wire/programme-table.ts';
import { pidsOf } from '../helpers/programme-parts.ts';
import { programme } from '../helpers/programme.ts';

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

describe('beginsWithKey', () => {
  const cases: [codec: string, name: string, data: string, key: boolean][] = [
    ['H.264', 'an IDR picture', '00000001 09f0 00000001 65 8884', true],
    ['H.264', 'a P picture', '00000001 09f0 00000001 41 9a24', false],
    ['H.264', 'parameter sets', '00000001 09f0 000001 67 42c01e', true],
    [
      'H.264',
      'extra information before an IDR picture',
      '000001 0910 000001 06 0501 00 80 000001 25 88',
      true,
    ],
    ['H.264', 'a data partition', '000001 09f0 000001 42 88 000001 65 88', false],
    ['H.264', 'nothing but a delimiter', '00000001 09f0', false],
    ['H.264', 'a start code at the very end', '00000001 09f0 000001', false],
    ['H.264', 'nothing', '', false],
    ['H.265', 'an IDR picture', '000001 4601 50 000001 2601 af', true],
    ['H.265', 'a CRA picture', '000001 4601 50 000001 2a01 af', true],
    ['H.265', 'a video parameter set', '000001 4601 50 000001 4001 0c', true],
    ['H.265', 'a sequence parameter set', '000001 4201 01', true],
    ['H.265', 'a trailing picture', '000001 4601 50 000001 0201 d0', false],
    ['H.265', 'a leading picture', '000001 4601 50 000001 1001 d0', false],
    ['H.265', 'extra information before a trailing picture', '000001 4e01 05 000001 0201 d0', false],
    ['MPEG-2 video', 'a sequence header', '000001b3 1400f0', true],
    ['MPEG-2 video', 'an I picture', '00000100 000f fff8', true],
    ['MPEG-2 video', 'a P picture', '00000100 0057 fff8', false],
    ['MPEG-2 video', 'a group header before a B picture', '000001b8 00080000 00000100 009f fff8', false],
    ['MPEG-1 video', 'an I picture', '00000100 000f fff8', true],
    ['AAC', 'anything', '00000001 65', false],
    ['type 0x06', 'anything', '00000001 65', false],
  ];
  for (const [codec, name, data, key] of cases) {
    it(`${key ? 'begins' : 'does not begin'} a ${codec} stream at ${name}`, () => {
      expect(beginsWithKey(codec, hex(data))).toBe(key);
    });
  }

  it('always ends, whatever bytes it gets', () => {
    const bytes = fc.array(fc.constantFrom(0, 0, 0, 1, 1, 6, 9, 0x4e, 0xb8), { maxLength: 200 });
    fc.assert(
      fc.property(fc.constantFrom('H.264', 'H.265', 'MPEG-2 video'), bytes, (codec, bytes) => {
        expect(typeof beginsWithKey(codec, Buffer.from(bytes))).toBe('boolean');
      }),
      { seed: 10, numRuns: 500 },
    );
  });
});

describe('startsKeyFrame', () => {
  const { video } = pidsOf(0);
  const stream = programme({ durationMs: 2500, bitsPerSecond: 1_000_000, gop: 12 });

  /** Indexes of the packets that begin a key frame, in a stream or a changed copy of it. */
  function keys(bytes: Buffer): number[] {
    const table = new ProgrammeTable();
    const found: number[] = [];
    for (let at = 0; at < bytes.length; at += 188) {
      if (table.isTable(pidAt(bytes, at))) table.push(bytes, at);
      if (startsKeyFrame(table, bytes, at)) found.push(at / 188);
    }
    return found;
  }

  it('finds each group of pictures', () => {
    const found = keys(stream);
    expect(found.length).toBe(6); // 62 pictures in groups of 12
    for (const index of found) expect(pidAt(stream, index * 188)).toBe(video);
  });

  it('finds the same without random access indicators', () => {
    const silent = Buffer.from(stream);
    for (let at = 0; at < silent.length; at += 188) if (silent[at + 3]! & 0x20) silent[at + 5]! &= 0xbf;
    expect(keys(silent)).toEqual(keys(stream));
  });

  it('goes by the random access indicator where the packet shows no key frame', () => {
    const marked = Buffer.from(stream);
    for (let at = 0; at < marked.length; at += 188) {
      if (pidAt(marked, at) === video && (marked[at + 1]! & 0x40) !== 0 && (marked[at + 3]! & 0x20) !== 0) {
        marked[at + 5]! |= 0x40;
      }
    }
    expect(keys(marked).length).toBeGreaterThan(keys(stream).length);
  });

  it('finds nothing before the tables are known', () => {
    const table = new ProgrammeTable();
    const at = keys(stream)[0]! * 188;
    expect(startsKeyFrame(table, stream, at)).toBe(false);
  });

  it('never throws, whatever the packet', () => {
    const table = new ProgrammeTable();
    for (let at = 0; at < 188 * 3; at += 188) table.push(stream, at);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 186, maxLength: 186 }), (bytes) => {
        const packet = Buffer.concat([Buffer.of(0x47, 0x41), bytes]);
        packet[2] = 0;
        expect(typeof startsKeyFrame(table, packet, 0)).toBe('boolean');
      }),
      { seed: 11, numRuns: 500 },
    );
  });
});
