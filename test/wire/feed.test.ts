import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FEED_HEADER_BYTES,
  parseClientMessage,
  parseFeedFrame,
  parseServerMessage,
  writeFeedHeader,
  writeFeedMessage,
  type ClientMessage,
  type FeedFault,
  type FeedFrame,
  type FeedMessageFault,
  type ServerMessage,
} from '../../wire/feed.ts';
import type { StreamSnapshot } from '../../wire/metrics.ts';
import { anyBytes, hex, prefixes } from '../helpers/bytes.ts';
import { NO_FAULTS, NO_LOSS } from '../helpers/snapshots.ts';

fc.configureGlobal({ seed: 1317 });

const FRAME: FeedFrame = {
  kind: 'ts',
  key: false,
  damaged: false,
  discontinuity: false,
  config: false,
  channel: 1,
  ptsUs: 2,
  arrivalUs: 3,
  body: bytes('4700'),
};
const REST = '01000000 0200000000000000 0300000000000000 4700';

const SNAPSHOT: StreamSnapshot = {
  id: 'a',
  name: 'Lobby',
  address: 'rtp://239.255.1.1:5004',
  interface: { name: 'lo', address: '127.0.0.1', reason: 'asked for by --iface' },
  state: 'playing',
  ...NO_LOSS,
  packets: 9,
  bytes: 11_844,
  lost: 1,
  unrecovered: 1,
  ...NO_FAULTS,
  continuityErrors: 1,
  restarts: 0,
  lossMayBeUnderstated: false,
  refused: { 'bad-version': 2 },
  bufferMs: 40,
  bitsPerSecond: 8_000_000,
  programmes: [],
};

/** Without Buffer's own prototype, as a browser has it. */
function bytes(text: string): Uint8Array {
  return new Uint8Array(hex(text));
}

/** A whole message, as the server gathers it. */
function written(frame: FeedFrame): Uint8Array {
  const message = new Uint8Array(FEED_HEADER_BYTES + frame.body.length);
  writeFeedHeader(frame, message);
  message.set(frame.body, FEED_HEADER_BYTES);
  return message;
}

describe('feed frames', () => {
  const frames: [name: string, message: string, frame: FeedFrame][] = [
    ['an access unit', `01 01 0000 ${REST}`, { ...FRAME, kind: 'au' }],
    ['an Opus packet', `01 02 0000 ${REST}`, { ...FRAME, kind: 'opus' }],
    ['a PCM block', `01 03 0000 ${REST}`, { ...FRAME, kind: 'pcm' }],
    ['a run of TS', `01 04 0000 ${REST}`, FRAME],
    ['a key frame', `01 04 0100 ${REST}`, { ...FRAME, key: true }],
    ['a damaged frame', `01 04 0200 ${REST}`, { ...FRAME, damaged: true }],
    ['a discontinuity', `01 04 0400 ${REST}`, { ...FRAME, discontinuity: true }],
    ['what a decoder must know first', `01 04 0800 ${REST}`, { ...FRAME, config: true }],
    [
      'an empty frame with the largest numbers',
      '01 04 0f00 ffffffff ffffffffffff1f00 ffffffffffff1f00',
      {
        ...FRAME,
        key: true,
        damaged: true,
        discontinuity: true,
        config: true,
        channel: 2 ** 32 - 1,
        ptsUs: Number.MAX_SAFE_INTEGER,
        arrivalUs: Number.MAX_SAFE_INTEGER,
        body: bytes(''),
      },
    ],
    [
      'times before zero',
      '01 04 0000 01000000 ffffffffffffffff 010000000000e0ff',
      { ...FRAME, ptsUs: -1, arrivalUs: Number.MIN_SAFE_INTEGER, body: bytes('') },
    ],
  ];
  for (const [name, message, frame] of frames) {
    it(`are read: ${name}`, () => expect(parseFeedFrame(bytes(message))).toEqual(frame));
    it(`are written: ${name}`, () => expect(written(frame)).toEqual(bytes(message)));
  }

  const faults: [name: string, message: string, fault: FeedFault][] = [
    ['an empty message', '', 'too-short'],
    ['version 0', `00 04 0000 ${REST}`, 'bad-version'],
    ['version 2', `02 04 0000 ${REST}`, 'bad-version'],
    ['type 0', `01 00 0000 ${REST}`, 'bad-type'],
    ['type 5', `01 05 0000 ${REST}`, 'bad-type'],
    ['type 255', `01 ff 0000 ${REST}`, 'bad-type'],
    ['a time beyond 2^53', '01 04 0000 01000000 0000000000002000 0300000000000000', 'bad-time'],
    ['an arrival before -2^53', '01 04 0000 01000000 0200000000000000 000000000000e0ff', 'bad-time'],
  ];
  for (const [name, message, fault] of faults) {
    it(`are refused: ${name}`, () => expect(parseFeedFrame(bytes(message))).toBe(fault));
  }

  it('are refused while their header is cut short', () => {
    for (const part of prefixes(hex(`01 04 0000 ${REST}`)).slice(0, FEED_HEADER_BYTES)) {
      expect(parseFeedFrame(part)).toBe('too-short');
    }
  });

  it('may carry flags of a later version', () =>
    expect(parseFeedFrame(bytes(`01 04 f1ff ${REST}`))).toEqual({ ...FRAME, key: true }));

  it('are read from the middle of a larger buffer, as a view', () => {
    const larger = bytes(`eeeeee 01 04 0000 ${REST}`);
    const frame = parseFeedFrame(larger.subarray(3));
    larger.fill(0xaa, 3 + FEED_HEADER_BYTES);
    expect(frame).toEqual({ ...FRAME, body: bytes('aaaa') });
  });

  it('are written in place by writeFeedHeader, which touches the header only', () => {
    const larger = new Uint8Array(30).fill(0xee);
    writeFeedHeader(FRAME, larger.subarray(3));
    expect(larger).toEqual(bytes(`eeeeee 01 04 0000 ${REST.slice(0, -4)} eeeeee`));
  });

  it('are restored by parsing', () => {
    const times = fc.maxSafeInteger();
    const any = fc.record({
      kind: fc.constantFrom('au' as const, 'opus' as const, 'pcm' as const, 'ts' as const),
      key: fc.boolean(),
      damaged: fc.boolean(),
      discontinuity: fc.boolean(),
      config: fc.boolean(),
      channel: fc.nat(2 ** 32 - 1),
      ptsUs: times,
      arrivalUs: times,
      body: fc.uint8Array({ maxLength: 40 }),
    });
    fc.assert(
      fc.property(any, (frame) => {
        expect(parseFeedFrame(written(frame))).toEqual(frame);
      }),
    );
  });

  it('come out as a frame or a fault for any bytes at all', () => {
    const almost = anyBytes(60).map((rest) => Buffer.concat([hex('01 04'), rest]));
    fc.assert(
      fc.property(fc.oneof(anyBytes(60), almost), (message) => {
        const frame = parseFeedFrame(message);
        if (typeof frame !== 'string') expect(parseFeedFrame(written(frame))).toEqual(frame);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("the page's messages", () => {
  const messages: ClientMessage[] = [
    { type: 'subscribe', channel: 0, stream: 'a', mode: 'ts' },
    { type: 'subscribe', channel: 2 ** 32 - 1, stream: 'a', mode: 'au', track: 0 },
    { type: 'subscribe', channel: 1, stream: 'a', mode: 'keyframes', track: 8191 },
    { type: 'unsubscribe', channel: 1 },
    { type: 'credit', channel: 1, bytes: 1 },
    { type: 'credit', channel: 1, bytes: 2 ** 32 - 1 },
  ];
  for (const message of messages) {
    const text = writeFeedMessage(message);
    it(`are understood: ${text}`, () => expect(parseClientMessage(text)).toEqual(message));
  }

  it('lose fields that nobody knows', () =>
    expect(parseClientMessage('{"type":"unsubscribe","channel":1,"__proto__":{"x":1},"y":2}')).toEqual({
      type: 'unsubscribe',
      channel: 1,
    }));

  const faults: [text: string, fault: FeedMessageFault][] = [
    ['', 'not-json'],
    ['{', 'not-json'],
    ['hello', 'not-json'],
    ['null', 'not-an-object'],
    ['[]', 'not-an-object'],
    ['7', 'not-an-object'],
    ['"credit"', 'not-an-object'],
    ['{}', 'unknown-type'],
    ['{"type":"streams","streams":[]}', 'unknown-type'],
    ['{"type":["credit"]}', 'unknown-type'],
    ['{"type":"unsubscribe"}', 'bad-channel'],
    ['{"type":"unsubscribe","channel":"1"}', 'bad-channel'],
    ['{"type":"unsubscribe","channel":-1}', 'bad-channel'],
    ['{"type":"unsubscribe","channel":1.5}', 'bad-channel'],
    ['{"type":"unsubscribe","channel":4294967296}', 'bad-channel'],
    ['{"type":"unsubscribe","channel":1e400}', 'bad-channel'],
    ['{"type":"subscribe","channel":1,"mode":"ts"}', 'bad-stream'],
    ['{"type":"subscribe","channel":1,"mode":"ts","stream":""}', 'bad-stream'],
    ['{"type":"subscribe","channel":1,"mode":"ts","stream":7}', 'bad-stream'],
    ['{"type":"subscribe","channel":1,"stream":"a"}', 'bad-mode'],
    ['{"type":"subscribe","channel":1,"stream":"a","mode":"TS"}', 'bad-mode'],
    ['{"type":"subscribe","channel":1,"stream":"a","mode":"ts","track":8192}', 'bad-track'],
    ['{"type":"subscribe","channel":1,"stream":"a","mode":"ts","track":null}', 'bad-track'],
    ['{"type":"credit","channel":1}', 'bad-bytes'],
    ['{"type":"credit","channel":1,"bytes":0}', 'bad-bytes'],
    ['{"type":"credit","channel":1,"bytes":-5}', 'bad-bytes'],
    ['{"type":"credit","channel":1,"bytes":4294967296}', 'bad-bytes'],
  ];
  for (const [text, fault] of faults) {
    it(`are refused: ${text || 'nothing'}`, () => expect(parseClientMessage(text)).toBe(fault));
  }
});

describe("the server's messages", () => {
  const messages: ServerMessage[] = [
    { type: 'subscribed', channel: 1, stream: 'a', mode: 'ts' },
    { type: 'subscribed', channel: 1, stream: 'a', mode: 'au', track: 256 },
    { type: 'error', code: 'unknown-stream', message: 'There is no stream a.' },
    { type: 'error', code: 'unknown-stream', message: 'There is no stream a.', channel: 1 },
    { type: 'picture', channel: 1, frozen: true, lostDatagrams: 12 },
    { type: 'picture', channel: 1, frozen: false, lostDatagrams: 0 },
    { type: 'streams', streams: [] },
    { type: 'streams', streams: [SNAPSHOT] },
    { type: 'closed', channel: 1, reason: 'ended' },
    { type: 'closed', channel: 1, reason: 'removed' },
    { type: 'closed', channel: 1, reason: 'unsubscribed' },
  ];
  for (const message of messages) {
    const text = writeFeedMessage(message);
    it(`are understood: ${text}`, () => expect(parseServerMessage(text)).toEqual(message));
  }

  const faults: [text: string, fault: FeedMessageFault][] = [
    ['', 'not-json'],
    ['[1]', 'not-an-object'],
    ['{"type":"credit","channel":1,"bytes":1}', 'unknown-type'],
    ['{"type":"subscribed","stream":"a","mode":"ts"}', 'bad-channel'],
    ['{"type":"subscribed","channel":1,"mode":"ts"}', 'bad-stream'],
    ['{"type":"subscribed","channel":1,"stream":"a"}', 'bad-mode'],
    ['{"type":"subscribed","channel":1,"stream":"a","mode":"ts","track":-1}', 'bad-track'],
    ['{"type":"error","message":"no"}', 'bad-code'],
    ['{"type":"error","code":"x"}', 'bad-message'],
    ['{"type":"error","code":"x","message":"no","channel":"1"}', 'bad-channel'],
    ['{"type":"streams"}', 'bad-streams'],
    ['{"type":"streams","streams":{}}', 'bad-streams'],
    ['{"type":"streams","streams":[null]}', 'bad-streams'],
    ['{"type":"streams","streams":[{"name":"x"}]}', 'bad-streams'],
    ['{"type":"picture","frozen":true,"lostDatagrams":1}', 'bad-channel'],
    ['{"type":"picture","channel":1,"frozen":1,"lostDatagrams":1}', 'bad-picture'],
    ['{"type":"picture","channel":1,"frozen":true,"lostDatagrams":-1}', 'bad-picture'],
    ['{"type":"closed","reason":"ended"}', 'bad-channel'],
    ['{"type":"closed","channel":1}', 'bad-reason'],
    ['{"type":"closed","channel":1,"reason":"tired"}', 'bad-reason'],
  ];
  for (const [text, fault] of faults) {
    it(`are refused: ${text || 'nothing'}`, () => expect(parseServerMessage(text)).toBe(fault));
  }
});

describe('control messages', () => {
  it('come out as a message or a fault for any text and any JSON at all', () => {
    const types = fc.constantFrom(
      'subscribe',
      'unsubscribe',
      'credit',
      'subscribed',
      'error',
      'streams',
      'closed',
      'picture',
    );
    const almost = fc
      .record({
        type: types,
        channel: fc.nat(9),
        stream: fc.json(),
        mode: fc.constantFrom('ts', 'x'),
        bytes: fc.nat(),
      })
      .map((fields) => JSON.stringify(fields));
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), almost), (text) => {
        for (const parse of [parseClientMessage, parseServerMessage]) {
          const message = parse(text);
          if (typeof message !== 'string') expect(parse(writeFeedMessage(message))).toEqual(message);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
