import { describe, expect, it } from 'vitest';
import { Demultiplexer } from '../../receiver/demultiplexer.ts';
import type { Endpoint } from '../../wire/address.ts';
import { payloadOf, rtpDatagram } from '../helpers/packets.ts';

const A: Endpoint = { address: '10.0.0.1', port: 1000 };
const noise = (byte: number, bytes = 5) => Buffer.alloc(bytes, byte);

describe('a demultiplexer', () => {
  it('keeps senders apart by address and port', () => {
    const demultiplexer = new Demultiplexer(undefined, 200);
    const one = demultiplexer.hold(noise(1), 0, A, undefined);
    expect(demultiplexer.hold(noise(1), 0, { ...A, port: 1001 }, undefined)).not.toBe(one);
    expect(demultiplexer.hold(noise(1), 0, { ...A, address: '10.0.0.2' }, undefined)).not.toBe(one);
    expect(demultiplexer.hold(noise(1), 0, { ...A }, undefined)).toBe(one);
    expect([...demultiplexer.senders]).toHaveLength(3);
  });

  it('holds copies, and hands all of them out once the sender is recognised', () => {
    const demultiplexer = new Demultiplexer(undefined, 200);
    const first = rtpDatagram({ sequence: 1, ssrc: 5 });
    const copy = Buffer.from(first);
    expect(demultiplexer.hold(first, 10, A, undefined)?.recognised).toBe(undefined);
    first.fill(0);
    const sender = demultiplexer.hold(rtpDatagram({ sequence: 2, ssrc: 5 }), 20, A, undefined);
    expect(sender).toMatchObject({ recognised: { framing: 'rtp', ssrc: 5 }, recognisedAt: 20 });
    const held = demultiplexer.release(sender ?? expect.fail());
    expect(held.map(({ arrivedAt }) => arrivedAt)).toEqual([10, 20]);
    expect(held[0]?.data).toEqual(copy);
    expect(demultiplexer.bytes).toBe(0);
  });

  it('holds at most 64 datagrams that nobody knows, the newest', () => {
    const demultiplexer = new Demultiplexer(undefined, 200);
    for (let i = 0; i < 1000; i++) demultiplexer.hold(noise(i % 251), i, A, undefined);
    const [sender] = demultiplexer.senders;
    expect(sender?.held.map(({ arrivedAt }) => arrivedAt)).toEqual(
      Array.from({ length: 64 }, (_, i) => 936 + i),
    );
    expect(demultiplexer.refused.get('unrecognised')).toBe(936);
    demultiplexer.accept();
    expect(demultiplexer.refused.get('unrecognised')).toBe(1000);
  });

  it('knows at most 64 senders, and never gives the one up that plays', () => {
    const demultiplexer = new Demultiplexer(undefined, 200);
    const playing = demultiplexer.hold(payloadOf(0), 0, A, undefined);
    for (let port = 2000; port < 12_000; port++)
      demultiplexer.hold(noise(port % 251), 1, { ...A, port }, playing);
    const senders = [...demultiplexer.senders];
    expect(senders).toHaveLength(64);
    expect(senders).toContain(playing);
    expect(demultiplexer.refused.get('unrecognised')).toBe(10_000 - 63);
  });

  it('gives the sender up that was not heard for longest', () => {
    const demultiplexer = new Demultiplexer(undefined, 200);
    for (let port = 0; port < 64; port++) demultiplexer.hold(noise(1), 0, { ...A, port }, undefined);
    const kept = demultiplexer.hold(noise(2), 1, { ...A, port: 0 }, undefined);
    demultiplexer.hold(noise(1), 2, { ...A, port: 64 }, undefined);
    const senders = [...demultiplexer.senders];
    expect(senders).toContain(kept);
    expect(senders.some(({ endpoint }) => endpoint.port === 1)).toBe(false);
  });

  it('keeps to 8 MiB for each and 16 MiB for all, whoever sends', () => {
    const demultiplexer = new Demultiplexer(undefined, 200);
    for (let i = 0; i < 30_000; i++) {
      for (let port = 0; port < 3; port++) demultiplexer.hold(payloadOf(i, 7), i, { ...A, port }, undefined);
    }
    for (const sender of demultiplexer.senders) expect(sender.heldBytes).toBeLessThanOrEqual(8 * 2 ** 20);
    expect(demultiplexer.bytes).toBeLessThanOrEqual(16 * 2 ** 20);
    const sum = [...demultiplexer.senders].reduce((bytes, { heldBytes }) => bytes + heldBytes, 0);
    expect(demultiplexer.bytes).toBe(sum);
  });

  it('forgets that a sender was recognised when all that proved it has gone', () => {
    const demultiplexer = new Demultiplexer(undefined, 200);
    const sender = demultiplexer.hold(payloadOf(0), 5, A, undefined) ?? expect.fail();
    demultiplexer.dropBefore(sender, 5);
    expect(sender.recognised?.framing).toBe('udp');
    demultiplexer.dropBefore(sender, 6);
    expect([sender.recognised, sender.heldBytes, demultiplexer.refused.size]).toEqual([undefined, 0, 0]);
  });

  it('forgets what has proved nothing for a minute', () => {
    const demultiplexer = new Demultiplexer(undefined, 200);
    demultiplexer.hold(rtpDatagram({ sequence: 1, ssrc: 5 }), 0, A, undefined);
    const sender = demultiplexer.hold(rtpDatagram({ sequence: 2, ssrc: 5 }), 61_000, A, undefined);
    expect([sender?.held.length, sender?.recognised]).toEqual([1, undefined]);
  });

  it('leaves reliable transfer to others, and counts it', () => {
    const demultiplexer = new Demultiplexer(undefined, 200);
    expect(demultiplexer.hold(Buffer.from('LCF1 and more'), 0, A, undefined)).toBe(undefined);
    expect(demultiplexer.refused.get('reliable-transfer')).toBe(1);
  });

  it('guesses for the sender of which most is held', () => {
    const demultiplexer = new Demultiplexer(undefined, 200);
    for (let i = 0; i < 5; i++) demultiplexer.hold(noise(0xff), 0, A, undefined);
    for (let i = 0; i < 3; i++)
      demultiplexer.hold(rtpDatagram({ sequence: 9, ssrc: 5 }), 0, { ...A, port: 2 }, undefined);
    demultiplexer.hold(payloadOf(0, 1), 0, { ...A, port: 3 }, undefined);
    expect(demultiplexer.guessAny()).toBe(true);
    const recognised = [...demultiplexer.senders].filter((sender) => sender.recognised);
    expect(recognised).toMatchObject([{ endpoint: { port: 2 }, recognised: { framing: 'rtp', ssrc: 5 } }]);
  });
});
