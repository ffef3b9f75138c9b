import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HiddenTracks } from '../../web-viewer/page/hidden-tracks.ts';
import { packetizeSection } from '../../wire/sections.ts';
import { writePat, writePmt } from '../../wire/psi.ts';

const HEAD = { version: 3, current: true, sectionNumber: 0, lastSectionNumber: 0 };
const PMT_PID = 0x1000;

const PAT = packetizeSection(
  writePat({
    ...HEAD,
    transportStreamId: 1,
    programmes: [{ number: 7, pmtPid: PMT_PID }],
  }),
  0,
  0,
);

/** PAT and PMT of a programme of `[pid, streamType]`, as one run. */
function tables(...streams: [pid: number, streamType: number][]): Buffer {
  const language = { tag: 0x0a, body: Buffer.from('deu\0') };
  const pmt = writePmt({
    ...HEAD,
    programmeNumber: 7,
    pcrPid: 256,
    descriptors: [language],
    streams: streams.map(([pid, streamType]) => ({ pid, streamType, descriptors: [language] })),
  });
  return Buffer.concat([...PAT, ...packetizeSection(pmt, PMT_PID, 0)]);
}

/** Where two runs differ. */
function changes(before: Buffer, after: Buffer): [was: number, is: number][] {
  return [...before].flatMap((was, at): [number, number][] => (was === after[at] ? [] : [[was, after[at]!]]));
}

describe('HiddenTracks', () => {
  it('makes the hidden streams private, and changes nothing else', () => {
    const run = tables([256, 0x1b], [257, 0x03], [258, 0x0f], [259, 0x81]);
    const before = Buffer.from(run);
    new HiddenTracks([257, 259]).hide(run);
    expect(changes(before, run)).toEqual([
      [0x03, 0x05],
      [0x81, 0x05],
    ]);
  });

  it('remembers from the PAT which packets are PMTs', () => {
    const hidden = new HiddenTracks([257]);
    const run = tables([256, 0x1b], [257, 0x03]);
    const before = Buffer.from(run);
    hidden.hide(run.subarray(0, 188));
    hidden.hide(run.subarray(188));
    expect(changes(before, run)).toEqual([[0x03, 0x05]]);
  });

  it('changes nothing when there is nothing to hide', () => {
    const run = tables([256, 0x1b], [257, 0x03]);
    const before = Buffer.from(run);
    new HiddenTracks([]).hide(run);
    expect(run.equals(before)).toBe(true);
  });

  it('survives any bytes, and never touches the header of a packet', () => {
    const packet = fc.uint8Array({ minLength: 188, maxLength: 188 }).map((bytes) => {
      bytes[0] = 0x47;
      return bytes;
    });
    const damaged = fc
      .tuple(fc.integer({ min: 0, max: 375 }), fc.integer({ min: 0, max: 255 }))
      .map(([at, value]) => {
        const run = tables([256, 0x1b], [257, 0x03]);
        run[at] = value;
        return new Uint8Array(run);
      });
    fc.assert(
      fc.property(fc.array(fc.oneof(packet, damaged), { maxLength: 6 }), (runs) => {
        const hidden = new HiddenTracks([256, 257]);
        for (const run of runs) {
          const heads = [run.slice(0, 4), run.slice(188, 192)];
          hidden.hide(run);
          expect([run.slice(0, 4), run.slice(188, 192)]).toEqual(heads);
        }
      }),
      { seed: 3, numRuns: 500 },
    );
  });
});
