import { describe, expect, it } from 'vitest';
import { parseFeedFrame } from '../../wire/feed.ts';
import { RunMessages, type MessageForm } from '../../web-viewer/server/run-messages.ts';
import { runOf } from './page-client.ts';

/** The feed's message in a WebSocket frame, by RFC 6455 §5.2. */
function unframe(frame: Buffer): Buffer {
  expect(frame[0]).toBe(0x82); // final, no extension, binary
  const [start, length] =
    frame[1] === 127 ? [10, Number(frame.readBigUInt64BE(2))] : [4, frame.readUInt16BE(2)];
  if (start === 4) expect(frame[1]).toBe(126);
  expect(frame.length).toBe(start + length);
  return frame.subarray(start);
}

const FORM: MessageForm = { channel: 1, discontinuity: false, ptsUs: 40_000 };

describe('RunMessages', () => {
  it('writes a run with its flags and times, and the form that the page is due', () => {
    const run = runOf(376, { key: true, damaged: true, arrivedAtUs: 7.4, discontinuity: true });
    const message = new RunMessages().messageOf(run, { channel: 9, discontinuity: true, ptsUs: -1.6 });
    expect(parseFeedFrame(unframe(message))).toEqual({
      kind: 'ts',
      key: true,
      damaged: true,
      discontinuity: true,
      config: false,
      channel: 9,
      ptsUs: -2,
      arrivalUs: 7,
      body: run.data,
    });
  });

  for (const packets of [1, 348, 349, 1394]) {
    it(`frames a run of ${packets} packets`, () => {
      const run = runOf(packets * 188);
      expect(unframe(new RunMessages().messageOf(run, FORM)).subarray(24)).toEqual(run.data);
    });
  }

  it('shares one message among all pages that get a run in the same form', () => {
    const messages = new RunMessages();
    const run = runOf(188);
    const first = messages.messageOf(run, FORM);
    expect(messages.messageOf(run, { ...FORM })).toBe(first);
    expect(messages.messageOf(run, { ...FORM, channel: 2 })).not.toBe(first);
    expect(messages.messageOf(run, FORM)).toBe(first);
  });

  const differences: [name: string, change: Partial<MessageForm>][] = [
    ['another channel', { channel: 2 }],
    ['a jump of its own', { discontinuity: true }],
    ['another time', { ptsUs: 80_000 }],
  ];
  for (const [name, change] of differences) {
    it(`tells a page with ${name} so`, () => {
      const messages = new RunMessages();
      const run = runOf(188);
      messages.messageOf(run, FORM);
      const { channel, discontinuity, ptsUs } = { ...FORM, ...change };
      const frame = parseFeedFrame(unframe(messages.messageOf(run, { ...FORM, ...change })));
      expect(frame).toMatchObject({ channel, discontinuity, ptsUs });
    });
  }

  it('never takes one run for another, also for a page that is behind', () => {
    const messages = new RunMessages();
    const [older, newer] = [runOf(188), runOf(376)];
    const sent = [older, newer, older, newer].map((run) => unframe(messages.messageOf(run, FORM)));
    expect(sent.map(({ length }) => length)).toEqual([24 + 188, 24 + 376, 24 + 188, 24 + 376]);
  });
});
