import { describe, expect, it } from 'vitest';
import {
  emptyInput,
  inputFailure,
  notMedia,
  probeFailure,
  unknownCodec,
} from '../../sender/sources/faults.ts';

/** What the system says. */
function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

describe('what the system says of an input', () => {
  const known: [system: string, code: string][] = [
    ['ENOENT', 'E201'],
    ['ENOTDIR', 'E201'],
    ['EACCES', 'E208'],
    ['EPERM', 'E208'],
    ['EIO', 'E208'],
  ];
  for (const [system, code] of known) {
    it(`is ${code} for ${system}`, () => {
      const cause = failure(system);
      expect(inputFailure(cause, 'film.mp4')).toMatchObject({ code, cause, details: { path: 'film.mp4' } });
    });
  }

  it('stays what it is otherwise', () => {
    for (const other of [failure('EMFILE'), new Error('a bug'), emptyInput('film.mp4')])
      expect(inputFailure(other, 'film.mp4')).toBe(other);
  });
});

describe('an input that is not media', () => {
  const heads: [name: string, head: Buffer, reason: string][] = [
    ['text', Buffer.from('Dear all,\r\nplease find attached'), 'it starts with "Dear all, pleas…"'],
    ['short text', Buffer.from('Hi'), 'it starts with "Hi"'],
    ['bytes', Buffer.from('00ff1b5b324a', 'hex'), 'it starts with bytes 00 ff 1b 5b 32 4a'],
    [
      'text with escape sequences',
      Buffer.from('\u001b[2Jhello'),
      'it starts with bytes 1b 5b 32 4a 68 65 6c 6c 6f',
    ],
  ];
  for (const [name, head, reason] of heads) {
    it(`is told by its first bytes: ${name}`, () =>
      expect(probeFailure('not-media', 'x', head)).toMatchObject({
        code: 'E202',
        details: { path: 'x', reason },
      }));
  }
});

describe('faults', () => {
  it('carry the facts that the words for people need', () => {
    expect(probeFailure('truncated', 'x', Buffer.alloc(0))).toMatchObject({
      code: 'E206',
      details: { path: 'x' },
    });
    expect(emptyInput('x')).toMatchObject({ code: 'E207', details: { path: 'x' } });
    expect(notMedia('x', 'it is a folder')).toMatchObject({
      code: 'E202',
      details: { reason: 'it is a folder' },
    });
    const details = { path: 'x', codec: 'the codec "y"', reason: 'z' };
    expect(unknownCodec('x', 'the codec "y"', 'z')).toMatchObject({ code: 'E203', details });
  });
});
