import { describe, expect, it } from 'vitest';
import { HeldRepairs } from '../../receiver/held-repairs.ts';
import { naiveProtection, sourcePackets } from '../helpers/fec.ts';
import { brief, newReception, SENDER } from '../helpers/receive.ts';

describe('HeldRepairs', () => {
  it('gives back what came of a sender until then, in order, and copies', () => {
    const held = new HeldRepairs();
    const lent = Buffer.from('a');
    held.hold(lent, '10.0.0.1', 1);
    lent.fill('x');
    held.hold(Buffer.from('b'), '10.0.0.2', 2);
    held.hold(Buffer.from('c'), '10.0.0.1', 3);
    expect(held.next('10.0.0.1', 2)?.data.toString()).toBe('a');
    expect(held.next('10.0.0.1', 2)).toBeUndefined();
    expect(held.next('10.0.0.1', 3)?.data.toString()).toBe('c');
  });

  it('keeps the latest 384', () => {
    const held = new HeldRepairs();
    for (let count = 0; count < 1000; count++) held.hold(Buffer.from('x'), '10.0.0.1', count);
    let kept = 0;
    for (let each = held.next('10.0.0.1', 1000); each; each = held.next('10.0.0.1', 1000)) kept++;
    expect(kept).toBe(384);
  });
});

describe('a stream whose beginning is held', () => {
  it('is repaired from the beginning', () => {
    const sources = sourcePackets(100, { payloadBytes: 188 });
    const protection = naiveProtection(sources, { columns: 5, rows: 5, rowPackets: true });
    const stage = newReception({ latencyMs: 2000 }); // longer than all of it lasts, and nobody tells where it begins
    const outputs = [];
    const at = (index: number): number => index * 10;
    for (const [index, data] of sources.entries()) {
      if (index !== 30 && index !== 61) stage.pushMedia(data, at(index), SENDER);
      for (const { leavesWith, datagram } of protection)
        if (leavesWith === index)
          stage.push(
            { kind: 'repair-packet', data: datagram, arrivedAt: at(index), source: SENDER },
            at(index),
          );
    }
    stage.push({ kind: 'giveUp' }, 1500);
    for (let out = stage.poll(1500); out; out = stage.poll(1500)) outputs.push({ at: 1500, ...out });
    expect(brief(outputs)).toBe(`${Array.from({ length: 100 }, (_, index) => index).join(' ')} end`);
    expect(stage.figures(1500)).toMatchObject({ lost: 2, recovered: 2, unrecovered: 0 });
  });
});
