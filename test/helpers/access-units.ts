/** Access units into transport packets, and back through a frame assembler. */
import { FrameAssembler } from '../../receiver/frame-assembler.ts';
import type { Released } from '../../receiver/sink.ts';
import type { AccessUnit } from '../../receiver/unit-builder.ts';
import { writeTs, type AdaptationField } from '../../wire/mpeg-ts.ts';
import { writePes, type PesOptions } from '../../wire/pes.ts';
import { PAT_PID, writePat, writePmt } from '../../wire/psi.ts';
import { packetizeSection } from '../../wire/sections.ts';

export const VIDEO = 0x100;
export const AUDIO = 0x101;
export const H264 = 0x1b;
const AAC = 0x0f;
const head = { version: 0, current: true, sectionNumber: 0, lastSectionNumber: 0 };
const quiet: AdaptationField = { discontinuity: false, randomAccess: false, priority: false };

/** PAT and PMT of one programme with a video and an audio stream, three times so that sync is found. @param counter their continuity counter */
export function tables(videoType = H264, version = 0, counter = 0): Buffer {
  const pat = writePat({ ...head, transportStreamId: 1, programmes: [{ number: 1, pmtPid: 0x1000 }] });
  const streams = [
    { streamType: videoType, pid: VIDEO, descriptors: [] },
    { streamType: AAC, pid: AUDIO, descriptors: [] },
  ];
  const fields = { programmeNumber: 1, pcrPid: VIDEO, descriptors: [], streams };
  const pmt = writePmt({ ...head, version, ...fields });
  const once = [...packetizeSection(pat, PAT_PID, counter), ...packetizeSection(pmt, 0x1000, counter)];
  return Buffer.concat([...once, ...once, ...once]);
}

/** Writes PES packets as transport packets, with right counters. */
export class Carrier {
  readonly #counters = new Map<number, number>();

  carry(pid: number, pes: Buffer, first: Partial<AdaptationField> = {}): Buffer {
    const packets: Buffer[] = [];
    for (let at = 0; at < pes.length;) {
      const flags = at === 0 && Object.keys(first).length > 0;
      const payload = pes.subarray(at, at + (flags ? 182 - (first.privateData?.length ?? -1) - 1 : 184));
      const counter = this.#counters.get(pid) ?? 0;
      this.#counters.set(pid, (counter + 1) & 0x0f);
      packets.push(
        writeTs({
          transportError: false,
          payloadUnitStart: at === 0,
          priority: false,
          pid,
          scrambling: 0,
          continuityCounter: counter,
          payload,
          ...(flags ? { adaptationField: { ...quiet, ...first } } : {}),
        }),
      );
      at += payload.length;
    }
    return Buffer.concat(packets);
  }
}

/** A released payload. */
export function payload(bytes: Buffer, arrivedAt = 0, discontinuity = false): Released {
  return { kind: 'payload', payload: bytes, index: 0, timestampTicks: undefined, arrivedAt, discontinuity };
}

/** All units that come of some steps; payloads are given away after each, as a receiver does. */
export function assemble(steps: readonly Released[], assembler = new FrameAssembler()): AccessUnit[] {
  const units: AccessUnit[] = [];
  for (const step of steps) {
    const lent = step.kind === 'payload' ? { ...step, payload: Buffer.from(step.payload) } : step;
    assembler.push(lent);
    if (lent.kind === 'payload') lent.payload.fill(0);
    for (let unit = assembler.poll(); unit; unit = assembler.poll()) units.push(unit);
  }
  return units;
}

/** A stream as datagrams of seven packets. */
export function datagrams(stream: Buffer): Released[] {
  const steps: Released[] = [];
  for (let at = 0; at < stream.length; at += 1316)
    steps.push(payload(stream.subarray(at, at + 1316), steps.length));
  return steps;
}

export const end: Released = { kind: 'end', proven: true };
export const slice = Buffer.from('00000001419a24', 'hex');
export const idr = Buffer.from('0000000167420000000165888400', 'hex');
export const delimiter = Buffer.from('0000000109f0', 'hex');

/** An access unit of `bytes`: delimiter, slice, filling. */
export function picture(bytes: number, start = slice): Buffer {
  const front = Buffer.concat([delimiter, start]);
  return Buffer.concat([front, Buffer.alloc(Math.max(0, bytes - front.length), 0x55)]);
}

/** A video PES packet, its PTS one second. */
export function pes(data: Buffer, options: Partial<PesOptions> = {}): Buffer {
  return writePes({ streamId: 0xe0, pts: 90_000, ...options }, data);
}
