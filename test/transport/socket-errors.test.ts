import { describe, expect, it } from 'vitest';
import { errnoOf, joinFailure, sendFailure } from '../../transport/socket-errors.ts';
import type { ChosenInterface } from '../../transport/udp.ts';

const via: ChosenInterface = { name: 'eth0', address: '192.168.1.20', family: 4, reason: '' };

function systemError(code: string): Error {
  return Object.assign(new Error(`send ${code}`), { code });
}

describe('sendFailure', () => {
  const cases: [errno: string, destination: string, code: string][] = [
    ['EPERM', '239.255.1.1', 'E109'],
    ['EMSGSIZE', '239.255.1.1', 'E113'],
    ['EACCES', '255.255.255.255', 'E115'],
    ['EACCES', '10.0.0.9', 'E103'],
    ['ENETUNREACH', '239.255.1.1', 'E103'],
    ['EHOSTUNREACH', '10.0.0.9', 'E103'],
    ['ENETDOWN', '239.255.1.1', 'E103'],
    ['EINVAL', '10.0.0.9', 'E103'],
    ['EADDRNOTAVAIL', '239.255.1.1', 'E102'],
    ['ENODEV', '239.255.1.1', 'E102'],
  ];
  for (const [errno, destination, code] of cases) {
    it(`makes ${code} of ${errno} on the way to ${destination}, and keeps the cause`, () => {
      const cause = systemError(errno);
      expect(sendFailure(cause, destination, via)).toMatchObject({ name: 'LancastError', code, cause });
    });
  }

  it('lets pass what is nobody’s mistake', () => {
    for (const error of [
      systemError('ENOBUFS'),
      systemError('ECONNREFUSED'),
      new Error('no errno'),
      'no error',
    ]) {
      expect(sendFailure(error, '10.0.0.9', via)).toBe(error);
    }
  });
});

describe('joinFailure', () => {
  const cases: [errno: string, code: string, details: object][] = [
    ['EINVAL', 'E104', { address: '239.255.1.1' }],
    ['ENODEV', 'E102', { interface: 'eth0' }],
    ['EADDRNOTAVAIL', 'E102', { interface: 'eth0' }],
    ['ENETUNREACH', 'E103', { destination: '239.255.1.1' }],
    ['ENOBUFS', 'E107', { group: '239.255.1.1' }],
  ];
  for (const [errno, code, details] of cases) {
    it(`makes ${code} of ${errno}`, () => {
      const failure = joinFailure(systemError(errno), '239.255.1.1', via);
      expect(failure).toMatchObject({ name: 'LancastError', code, details });
    });
  }

  it('lets pass what is nobody’s mistake', () => {
    const error = systemError('ENOMEM');
    expect(joinFailure(error, '239.255.1.1', via)).toBe(error);
  });
});

describe('errnoOf', () => {
  it('names the errno of system errors, and nothing else', () => {
    expect(errnoOf(systemError('EPERM'))).toBe('EPERM');
    expect(errnoOf(Object.assign(new Error('odd'), { code: 7 }))).toBe('');
    expect(errnoOf('EPERM')).toBe('');
  });
});
