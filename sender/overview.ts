/**
 * What a transport stream is, from its first and its last packets: for people, and to tell how long it will take.
 */
import { cycleDistance, PCR_CYCLE, pcrToMs } from '../wire/clock.ts';
import { pcrAt, pidAt, TS_PACKET_BYTES } from '../wire/mpeg-ts.ts';
import { ProgrammeTable } from '../wire/programme-table.ts';

/** The codecs by name, such as `H.264 + AAC`; of several programmes `2 programmes: H.264 + AAC`. Empty when there is no PMT. */
export function mediaOf(packets: Buffer): string {
  const table = new ProgrammeTable();
  for (let at = 0; at + TS_PACKET_BYTES <= packets.length; at += TS_PACKET_BYTES)
    if (table.isTable(pidAt(packets, at))) table.push(packets, at);
  const { programmes } = table;
  const codecs = new Set(programmes.flatMap(({ streams }) => streams.map(({ codec }) => codec)));
  const names = [...codecs].join(' + ');
  return programmes.length > 1 ? `${programmes.length} programmes: ${names}` : names;
}

/** No programme is slower than this; a clock that says so has jumped. */
const SLOWEST_BYTES_PER_MS = 0.5;

/**
 * How long the stream plays, in milliseconds, by the first and the last PCR of the first PID that has one in both parts.
 * `undefined` when there is none, or when the clock jumps in between. Jumps forward of some seconds go unnoticed.
 */
export function durationOf(head: Buffer, tail: Buffer, totalBytes: number): number | undefined {
  const first = pcrs(head, false);
  const last = pcrs(tail, true);
  for (const [pid, start] of first) {
    const end = last.get(pid);
    if (end === undefined) continue;
    const durationMs = pcrToMs(cycleDistance(start, end, PCR_CYCLE));
    return durationMs > 0 && totalBytes / durationMs > SLOWEST_BYTES_PER_MS ? durationMs : undefined;
  }
  return undefined;
}

/** The first or the last PCR of each PID. */
function pcrs(packets: Buffer, latest: boolean): Map<number, number> {
  const found = new Map<number, number>();
  for (let at = 0; at + TS_PACKET_BYTES <= packets.length; at += TS_PACKET_BYTES) {
    const pcr = pcrAt(packets, at);
    const pid = pidAt(packets, at);
    if (pcr !== undefined && (latest || !found.has(pid))) found.set(pid, pcr);
  }
  return found;
}
