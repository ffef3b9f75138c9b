/** Sections through packets: several in one, one over several, losses, and bytes of any kind. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { continuityAt, hasAdaptationAt, pidAt, unitStartAt } from '../../wire/mpeg-ts.ts';
import { SectionAssembler, packetizeSection } from '../../wire/sections.ts';

/** A section of `bytes` in all, filled with `fill`. */
function section(bytes: number, fill: number): Buffer {
  const section = Buffer.alloc(bytes, fill);
  section[0] = 0x80;
  section.writeUInt16BE(0xb000 | (bytes - 3), 1);
  return section;
}

/** Payloads of 184 bytes that carry sections back to back, as a multiplexer that wastes nothing would. */
function pack(sections: readonly Buffer[]): { payload: Buffer; start: boolean }[] {
  const payloads: { payload: Buffer; start: boolean }[] = [];
  const stream = Buffer.concat(sections);
  const starts = new Set<number>();
  for (let at = 0, index = 0; index < sections.length; at += sections[index++]!.length) starts.add(at);
  for (let at = 0; at < stream.length;) {
    const first = [...starts].find((start) => start >= at && start < at + 183);
    const pointer = first === undefined ? [] : [first - at];
    const taken = stream.subarray(at, at + 184 - pointer.length);
    const payload = Buffer.concat([Buffer.from(pointer), taken, Buffer.alloc(184, 0xff)]).subarray(0, 184);
    payloads.push({ payload, start: first !== undefined });
    at += taken.length;
  }
  return payloads;
}

function assemble(payloads: readonly { payload: Buffer; start: boolean }[]): Buffer[] {
  const assembler = new SectionAssembler();
  return payloads.flatMap(({ payload, start }) => [...assembler.push(payload, start)]);
}

describe('SectionAssembler', () => {
  const cases: [name: string, sizes: number[]][] = [
    ['one that is short', [20]],
    ['one that fills a packet', [183]],
    ['one that is a byte longer than a packet', [184]],
    ['the longest', [4096]],
    ['several in a packet', [20, 30, 40]],
    ['one that ends where another begins', [300, 40, 50]],
    ['one whose head is cut in two', [181, 100, 182, 100]],
    ['many', [1000, 10, 900, 183, 3, 366, 12]],
  ];
  for (const [name, sizes] of cases) {
    it(`puts together ${name}`, () => {
      const sections = sizes.map((size, index) => section(size, index));
      expect(assemble(pack(sections))).toEqual(sections);
    });
  }

  it('puts together sections of any sizes', () => {
    const sizes = fc.array(fc.integer({ min: 3, max: 600 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(sizes, (sizes) => {
        const sections = sizes.map((size, index) => section(size, index & 0x7f));
        expect(assemble(pack(sections))).toEqual(sections);
      }),
      { seed: 5, numRuns: 200 },
    );
  });

  it('begins at the next section when it joins in the middle of one', () => {
    const payloads = pack([section(500, 1), section(50, 2)]);
    expect(assemble(payloads.slice(1))).toEqual([section(50, 2)]);
  });

  it('drops the section whose packet is lost, and no more once it is told', () => {
    const [first, , third] = pack([section(500, 1), section(50, 2)]);
    const assembler = new SectionAssembler();
    expect(assembler.push(first!.payload, true)).toEqual([]);
    assembler.reset();
    expect(assembler.push(third!.payload, true)).toEqual([section(50, 2)]);
  });

  it('survives a pointer beyond the packet', () => {
    const assembler = new SectionAssembler();
    expect(assembler.push(Buffer.of(200, 1, 2, 3), true)).toEqual([]);
    expect(assembler.push(Buffer.alloc(0), true)).toEqual([]);
    expect(assembler.push(pack([section(9, 1)])[0]!.payload, true)).toEqual([section(9, 1)]);
  });

  it('gives copies, which later packets leave alone', () => {
    const assembler = new SectionAssembler();
    const { payload } = pack([section(20, 1)])[0]!;
    const [kept] = assembler.push(payload, true);
    payload.fill(0);
    assembler.push(pack([section(20, 2)])[0]!.payload, true);
    expect(kept).toEqual(section(20, 1));
  });

  it('never throws and never holds more than one section, whatever bytes it gets', () => {
    const payloads = fc.array(fc.tuple(fc.uint8Array({ maxLength: 184 }), fc.boolean()), { maxLength: 40 });
    fc.assert(
      fc.property(payloads, (payloads) => {
        const given = assemble(payloads.map(([bytes, start]) => ({ payload: Buffer.from(bytes), start })));
        for (const section of given) expect(section.length).toBeLessThanOrEqual(4096);
      }),
      { seed: 6, numRuns: 300 },
    );
  });
});

describe('packetizeSection', () => {
  for (const size of [12, 183, 184, 1024, 4096]) {
    it(`carries a section of ${size} bytes`, () => {
      const packets = packetizeSection(section(size, 5), 0x1234, 14);
      const payloads = packets.map((packet) => ({
        payload: packet.subarray(4),
        start: unitStartAt(packet, 0),
      }));
      expect(assemble(payloads)).toEqual([section(size, 5)]);
      expect(packets.every((packet) => pidAt(packet, 0) === 0x1234 && !hasAdaptationAt(packet, 0))).toBe(
        true,
      );
      expect(packets.map((packet) => continuityAt(packet, 0))).toEqual(
        packets.map((_, index) => (14 + index) % 16),
      );
    });
  }
});
