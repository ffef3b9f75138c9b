/** Transport packets: every field, every fault, the accessors against the parser, clocks around their wrap. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PCR_CYCLE } from '../../wire/clock.ts';
import {
  clearDiscontinuityAt,
  continuityAt,
  discontinuityAt,
  hasAdaptationAt,
  hasPayloadAt,
  parseTs,
  payloadOffsetAt,
  pcrAt,
  pidAt,
  randomAccessAt,
  scrambledAt,
  setContinuityAt,
  setPcrAt,
  shiftOpcrAt,
  transportErrorAt,
  unitStartAt,
  writeTs,
  type AdaptationField,
  type TsFault,
  type TsPacket,
} from '../../wire/mpeg-ts.ts';

/** 188 bytes that begin as the hex text does, then 0xff. */
function packet(start: string): Buffer {
  const bytes = Buffer.alloc(188, 0xff);
  Buffer.from(start.replaceAll(' ', ''), 'hex').copy(bytes);
  return bytes;
}

function parsed(bytes: Buffer): TsPacket {
  const result = parseTs(bytes);
  if (typeof result === 'string') throw new Error(`refused: ${result}`);
  return result;
}

const plain: TsPacket = {
  transportError: false,
  payloadUnitStart: false,
  priority: false,
  pid: 0x100,
  scrambling: 0,
  continuityCounter: 5,
};
const quiet: AdaptationField = { discontinuity: false, randomAccess: false, priority: false };

describe('parseTs', () => {
  const heads: [name: string, start: string, fields: Partial<TsPacket>][] = [
    ['a PAT packet', '47 4000 10', { pid: 0, payloadUnitStart: true, continuityCounter: 0 }],
    ['a stuffing packet', '47 1fff 10', { pid: 0x1fff }],
    ['an error indicator', '47 8100 15', { transportError: true, pid: 0x100, continuityCounter: 5 }],
    ['a priority bit', '47 2100 1f', { priority: true, continuityCounter: 15 }],
    ['scrambling', '47 0100 d0', { scrambling: 3 }],
    ['an empty adaptation field', '47 0100 30 00', { adaptationField: quiet }],
    ['a discontinuity', '47 0100 30 01 80', { adaptationField: { ...quiet, discontinuity: true } }],
    ['random access', '47 0100 30 01 40', { adaptationField: { ...quiet, randomAccess: true } }],
    ['stream priority', '47 0100 30 01 20', { adaptationField: { ...quiet, priority: true } }],
    ['a PCR', '47 0100 30 07 10 00000001 7e05', { adaptationField: { ...quiet, pcr: 605 } }],
    ['a PCR with an odd base', '47 0100 30 07 10 00000000 fe00', { adaptationField: { ...quiet, pcr: 300 } }],
    [
      'the greatest PCR',
      '47 0100 30 07 10 ffffffff ff2b',
      { adaptationField: { ...quiet, pcr: PCR_CYCLE - 1 } },
    ],
    [
      'PCR, OPCR and a splice countdown',
      '47 0100 30 0e 1c 00000001 7e00 00000002 7e01 fd',
      { adaptationField: { ...quiet, pcr: 600, opcr: 1201, spliceCountdown: -3 } },
    ],
    [
      'private data and an extension',
      '47 0100 30 08 03 02 aabb 03 010203',
      {
        adaptationField: { ...quiet, privateData: Buffer.of(0xaa, 0xbb), extension: Buffer.of(1, 2, 3) },
      },
    ],
  ];
  for (const [name, start, fields] of heads) {
    it(`reads ${name}`, () => expect(parsed(packet(start))).toMatchObject(fields));
  }

  it('gives the payload behind the adaptation field, as a view', () => {
    const bytes = packet('47 0100 30 02 00 ff abcdef');
    const { payload } = parsed(bytes);
    expect(payload?.length).toBe(181);
    expect(payload?.subarray(0, 3).toString('hex')).toBe('abcdef');
    bytes[7] = 0x12;
    expect(payload?.[0]).toBe(0x12);
  });

  it('gives no payload where there is none', () => {
    expect(parsed(packet('47 0100 20 b7 00')).payload).toBeUndefined();
  });

  const faults: [name: string, bytes: Buffer, fault: TsFault][] = [
    ['nothing', Buffer.alloc(0), 'wrong-length'],
    ['187 bytes', packet('47 0100 10').subarray(1), 'wrong-length'],
    ['189 bytes', Buffer.concat([packet('47 0100 10'), Buffer.alloc(1)]), 'wrong-length'],
    ['a wrong sync byte', packet('46 0100 10'), 'bad-sync'],
    ['neither payload nor adaptation field', packet('47 0100 00'), 'reserved-control'],
    ['an adaptation field that leaves no payload', packet('47 0100 30 b7 00'), 'bad-adaptation'],
    ['an adaptation field beyond the packet', packet('47 0100 30 ff 00'), 'bad-adaptation'],
    ['an adaptation field alone that ends early', packet('47 0100 20 b6 00'), 'bad-adaptation'],
    ['a PCR without room', packet('47 0100 30 06 10'), 'bad-adaptation'],
    ['an OPCR without room', packet('47 0100 30 0c 18'), 'bad-adaptation'],
    ['a splice countdown without room', packet('47 0100 30 01 04'), 'bad-adaptation'],
    ['private data without a length', packet('47 0100 30 01 02'), 'bad-adaptation'],
    ['private data that overruns', packet('47 0100 30 02 02 01'), 'bad-adaptation'],
    ['an extension that overruns', packet('47 0100 30 03 01 02 00'), 'bad-adaptation'],
  ];
  for (const [name, bytes, fault] of faults) it(`refuses ${name}`, () => expect(parseTs(bytes)).toBe(fault));

  it('never throws, whatever 188 bytes it gets, and agrees with the accessors', () => {
    const any = fc
      .uint8Array({ minLength: 188, maxLength: 188 })
      .map((bytes) => Buffer.from([0x47, ...bytes.subarray(1)]));
    fc.assert(
      fc.property(any, (bytes) => {
        const result = parseTs(bytes);
        expect(payloadOffsetAt(bytes, 0)).toBeLessThanOrEqual(188);
        if (typeof result !== 'string') expect(seen(bytes, 0)).toEqual(told(result));
      }),
      { seed: 188, numRuns: 2000 },
    );
  });
});

/** What the accessors say of the packet at `at`. */
function seen(bytes: Buffer, at: number): object {
  return {
    error: transportErrorAt(bytes, at),
    start: unitStartAt(bytes, at),
    pid: pidAt(bytes, at),
    scrambled: scrambledAt(bytes, at),
    counter: continuityAt(bytes, at),
    adapted: hasAdaptationAt(bytes, at),
    loaded: hasPayloadAt(bytes, at),
    payload: payloadOffsetAt(bytes, at),
    discontinuity: discontinuityAt(bytes, at),
    randomAccess: randomAccessAt(bytes, at),
    pcr: pcrAt(bytes, at),
  };
}

/** The same, of a parsed packet. */
function told(packet: TsPacket): object {
  const { adaptationField, payload } = packet;
  return {
    error: packet.transportError,
    start: packet.payloadUnitStart,
    pid: packet.pid,
    scrambled: packet.scrambling !== 0,
    counter: packet.continuityCounter,
    adapted: adaptationField !== undefined,
    loaded: payload !== undefined,
    payload: 188 - (payload?.length ?? 0),
    discontinuity: adaptationField?.discontinuity ?? false,
    randomAccess: adaptationField?.randomAccess ?? false,
    pcr: adaptationField?.pcr,
  };
}

const clocks = fc.oneof(
  fc.constantFrom(0, 1, 299, 300, 2 ** 32 * 300, PCR_CYCLE - 1, PCR_CYCLE - 300),
  fc.integer({ min: 0, max: PCR_CYCLE - 1 }),
);
const fields: fc.Arbitrary<AdaptationField> = fc.record(
  {
    discontinuity: fc.boolean(),
    randomAccess: fc.boolean(),
    priority: fc.boolean(),
    pcr: clocks,
    opcr: clocks,
    spliceCountdown: fc.integer({ min: -128, max: 127 }),
    privateData: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    extension: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  },
  { requiredKeys: ['discontinuity', 'randomAccess', 'priority'] },
);
const packets: fc.Arbitrary<TsPacket> = fc
  .record(
    {
      transportError: fc.boolean(),
      payloadUnitStart: fc.boolean(),
      priority: fc.boolean(),
      pid: fc.nat({ max: 0x1fff }),
      scrambling: fc.nat({ max: 3 }),
      continuityCounter: fc.nat({ max: 15 }),
      adaptationField: fields,
      payload: fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    },
    {
      requiredKeys: [
        'transportError',
        'payloadUnitStart',
        'priority',
        'pid',
        'scrambling',
        'continuityCounter',
      ],
    },
  )
  .filter(({ adaptationField, payload }) => adaptationField !== undefined || payload !== undefined);

describe('writeTs', () => {
  it('writes what parseTs reads', () => {
    fc.assert(
      fc.property(packets, (packet) => {
        const bytes = writeTs(packet);
        expect(bytes.length).toBe(188);
        // A short payload is preceded by stuffing, which is an adaptation field.
        const filled = packet.adaptationField ? packet : { ...packet, adaptationField: quiet };
        expect(parsed(bytes)).toEqual(filled);
      }),
      { seed: 47, numRuns: 500 },
    );
  });

  it('takes 184 bytes of payload without an adaptation field, and 183 with one byte of it', () => {
    expect(
      writeTs({ ...plain, payload: Buffer.alloc(184, 1) })
        .subarray(0, 5)
        .toString('hex'),
    ).toBe('4701001501');
    expect(
      writeTs({ ...plain, payload: Buffer.alloc(183, 1) })
        .subarray(0, 6)
        .toString('hex'),
    ).toBe('470100350001');
  });

  it('throws on our own mistake of too much payload', () => {
    expect(() => writeTs({ ...plain, adaptationField: quiet, payload: Buffer.alloc(183) })).toThrow(
      RangeError,
    );
  });
});

describe('fields changed in place', () => {
  it('changes the continuity counter and nothing else', () => {
    fc.assert(
      fc.property(packets, fc.nat({ max: 255 }), (packet, counter) => {
        const bytes = writeTs(packet);
        const before = parsed(bytes);
        setContinuityAt(bytes, 0, counter);
        expect(parsed(bytes)).toEqual({ ...before, continuityCounter: counter & 0x0f });
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('changes the PCR where there is one and nothing else, around its wrap', () => {
    fc.assert(
      fc.property(packets, fc.integer({ min: -PCR_CYCLE, max: 2 * PCR_CYCLE }), (packet, ticks) => {
        const bytes = writeTs(packet);
        const before = parsed(bytes);
        setPcrAt(bytes, 0, ticks);
        const after = parsed(bytes);
        const { adaptationField } = before;
        const pcr = ((ticks % PCR_CYCLE) + PCR_CYCLE) % PCR_CYCLE;
        const changed =
          adaptationField?.pcr === undefined ? {} : { adaptationField: { ...adaptationField, pcr } };
        expect(after).toEqual({ ...before, ...changed });
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  it('moves the OPCR where there is one and nothing else', () => {
    fc.assert(
      fc.property(packets, clocks, (packet, ticks) => {
        const bytes = writeTs(packet);
        const before = parsed(bytes);
        shiftOpcrAt(bytes, 0, ticks);
        const after = parsed(bytes);
        const { adaptationField } = before;
        const opcr = ((adaptationField?.opcr ?? 0) + ticks) % PCR_CYCLE;
        const changed =
          adaptationField?.opcr === undefined ? {} : { adaptationField: { ...adaptationField, opcr } };
        expect(after).toEqual({ ...before, ...changed });
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  it('clears the discontinuity indicator and nothing else', () => {
    fc.assert(
      fc.property(packets, (packet) => {
        const bytes = writeTs(packet);
        const before = parsed(bytes);
        clearDiscontinuityAt(bytes, 0);
        const { adaptationField } = before;
        const cleared = adaptationField && { adaptationField: { ...adaptationField, discontinuity: false } };
        expect(parsed(bytes)).toEqual({ ...before, ...cleared });
      }),
      { seed: 4, numRuns: 200 },
    );
  });

  const cramped: [name: string, start: string, change: (bytes: Buffer) => void][] = [
    ['a PCR', '47 0100 30 06 10', (bytes) => setPcrAt(bytes, 0, 1)],
    ['an OPCR', '47 0100 30 06 08', (bytes) => shiftOpcrAt(bytes, 0, 1)],
    ['an OPCR behind a PCR', '47 0100 30 0c 18', (bytes) => shiftOpcrAt(bytes, 0, 1)],
    ['a flag', '47 0100 30 00 80', (bytes) => clearDiscontinuityAt(bytes, 0)],
  ];
  for (const [name, start, change] of cramped) {
    it(`leaves bytes alone where the adaptation field is too short for ${name}`, () => {
      const bytes = packet(start);
      change(bytes);
      expect(bytes.equals(packet(start))).toBe(true);
    });
  }
});
