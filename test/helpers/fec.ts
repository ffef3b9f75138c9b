/** SMPTE 2022-1 made byte by byte, as FFmpeg's prompeg muxer lays it out: what the real encoder and decoder are held against. */
import type { FecDirection, FecMatrix } from '../../wire/fec/smpte2022.ts';
import { randomFrom } from './network.ts';
import { rtpDatagram } from './packets.ts';

/** RTP packets of one stream with content that cannot be guessed. */
export function sourcePackets(
  count: number,
  { start = 0, payloadBytes = 24, seed = 1 }: { start?: number; payloadBytes?: number; seed?: number } = {},
): Buffer[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, (_, index) => {
    const payload = Buffer.from(Array.from({ length: payloadBytes }, () => Math.floor(random() * 256)));
    const sequence = (start + index) & 0xffff;
    return rtpDatagram({ sequence, timestamp: 90 * index, ssrc: 0xcafe_f00d }, payload);
  });
}

/** What a repair packet says beside the XOR. */
export interface NaiveHeader {
  direction: FecDirection;
  sequence?: number;
  timestamp?: number;
  offset: number;
}

/** The repair packet of these source packets. */
export function naiveRepair(sources: readonly Buffer[], header: NaiveHeader): Buffer {
  const { direction, sequence = 0, timestamp = 0, offset } = header;
  const repair = Buffer.alloc(16 + Math.max(...sources.map((source) => source.length)));
  const add = (at: number, value: number): void => void repair.writeUInt8(repair.readUInt8(at) ^ value, at);
  add(0, 0x80);
  add(1, 96);
  add(16, 0x80);
  for (const source of sources) {
    add(0, source.readUInt8(0) & 0x3f);
    add(1, source.readUInt8(1) & 0x80);
    add(14, (source.length - 12) >> 8);
    add(15, (source.length - 12) & 0xff);
    add(16, source.readUInt8(1) & 0x7f);
    for (let at = 4; at < source.length; at++) if (at < 8 || at >= 12) add(at + 16, source.readUInt8(at));
  }
  repair.writeUInt16BE(sequence, 2);
  repair.writeUInt32BE(timestamp, 4);
  repair.writeUInt16BE(sources[0]?.readUInt16BE(2) ?? 0, 12);
  repair.set([direction === 'row' ? 0x40 : 0, offset, sources.length, 0], 24);
  return repair;
}

/** A repair packet, what it protects, and the index of the source packet that it leaves with. */
export interface NaivePacket {
  direction: FecDirection;
  datagram: Buffer;
  indexes: number[];
  leavesWith: number;
}

/** All repair packets of a stream, but for those of a matrix that is not full; in the order in which they leave. */
export function naiveProtection(
  sources: readonly Buffer[],
  { columns, rows, rowPackets }: FecMatrix,
  sequences: Readonly<Record<FecDirection, number>> = { column: 0, row: 0 },
): NaivePacket[] {
  const packets: NaivePacket[] = [];
  const counts = { ...sequences };
  const add = (direction: FecDirection, first: number, leavesWith: number): void => {
    const [offset, na] = direction === 'row' ? [1, columns] : [columns, rows];
    const indexes = Array.from({ length: na }, (_, place) => first + place * offset);
    const protectedOnes = indexes.map((index) => sources[index]).filter((source) => source !== undefined);
    if (protectedOnes.length < na) return;
    const timestamp = sources[Math.min(leavesWith, sources.length - 1)]?.readUInt32BE(4) ?? 0;
    const sequence = counts[direction]++ & 0xffff;
    const datagram = naiveRepair(protectedOnes, { direction, sequence, timestamp, offset });
    packets.push({ direction, datagram, indexes, leavesWith });
  };
  const size = columns * rows;
  for (let first = 0; first < sources.length; first += size) {
    if (rowPackets)
      for (let row = 0; row < rows; row++) add('row', first + row * columns, first + (row + 1) * columns - 1);
    for (let column = 0; column < columns; column++)
      if (first + size <= sources.length) add('column', first + column, first + size + column * rows);
  }
  return packets.sort((a, b) => a.leavesWith - b.leavesWith);
}

/** Recovers indexes as a person would: any line of which one is missing, until there is none. What is there in the end. */
export function peel(present: Iterable<number>, lines: readonly (readonly number[])[]): Set<number> {
  const there = new Set(present);
  for (let before = -1; before < there.size;) {
    before = there.size;
    for (const line of lines) {
      const missing = line.filter((index) => !there.has(index));
      if (missing.length === 1 && missing[0] !== undefined) there.add(missing[0]);
    }
  }
  return there;
}
