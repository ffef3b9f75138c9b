/** A long, thin transport stream that costs next to nothing to make. */
import {
  PCR_HZ,
  TS_PACKET_BYTES,
  payloadOffsetAt,
  setContinuityAt,
  setPcrAt,
  writeTs,
} from '../../wire/mpeg-ts.ts';
import { shiftPesTimes, writePes } from '../../wire/pes.ts';
import { PAT_PID } from '../../wire/psi.ts';
import { packetizeSection } from '../../wire/sections.ts';
import {
  LEAD_TICKS,
  NO_FLAGS,
  PLAIN,
  VIDEO_STREAM,
  patOf,
  pidsOf,
  pmtOf,
  randomBytes,
  videoUnit,
} from './programme-parts.ts';

/**
 * A stream of 20 datagrams a second (211 kbit/s), for tests of many hours: seven packets each, with PCR, one access unit, PAT
 * and PMT. Every 20th is a key frame.
 *
 * @param startPcr PCR of the first datagram, 27 MHz ticks
 * @returns the datagram of any index; a buffer that is written anew by the next call, so copy what you keep
 */
export function thinStream(startPcr = PCR_HZ): (index: number) => Buffer {
  const [key, other] = [thinTemplate(true), thinTemplate(false)];
  return (index) => {
    const template = index % THIN_RATE === 0 ? key : other;
    const { bytes } = template;
    const pcr = startPcr + (index * PCR_HZ) / THIN_RATE;
    const pts = Math.floor(pcr / 300) + LEAD_TICKS;
    setPcrAt(bytes, 0, pcr);
    shiftPesTimes(bytes, payloadOffsetAt(bytes, 0), TS_PACKET_BYTES, pts - template.pts);
    template.pts = pts;
    for (let at = 0, packet = 0; packet < THIN_VIDEO; packet++, at += TS_PACKET_BYTES) {
      setContinuityAt(bytes, at, index * THIN_VIDEO + packet);
    }
    setContinuityAt(bytes, THIN_VIDEO * TS_PACKET_BYTES, index);
    setContinuityAt(bytes, (THIN_VIDEO + 1) * TS_PACKET_BYTES, index);
    return bytes;
  };
}

/** Datagrams of the thin stream a second; one access unit each. */
const THIN_RATE = 20;
/** Video packets in a datagram of the thin stream. */
const THIN_VIDEO = 5;

function thinTemplate(key: boolean): { bytes: Buffer; pts: number } {
  const { video: pid, pmt } = pidsOf(0);
  const room = THIN_VIDEO * 184 - 8 - 14; // 8 for the adaptation field with the PCR, 14 for the PES header
  const unit = videoUnit(key, room, randomBytes(key ? 3 : 4));
  let rest = writePes({ streamId: VIDEO_STREAM, pts: 0, dataAlignment: true, unbounded: true }, unit);
  const packets: Buffer[] = [];
  while (rest.length > 0) {
    const first = packets.length === 0;
    const adaptationField = first ? { ...NO_FLAGS, randomAccess: key, pcr: 0 } : undefined;
    const payload = rest.subarray(0, first ? 176 : 184);
    rest = rest.subarray(payload.length);
    const packet = { ...PLAIN, pid, payloadUnitStart: first, payload };
    packets.push(writeTs(adaptationField ? { ...packet, adaptationField } : packet));
  }
  const tables = [
    packetizeSection(patOf(1), PAT_PID, 0),
    packetizeSection(pmtOf(0, { pcr: true, audio: false }), pmt, 0),
  ];
  return { bytes: Buffer.concat([...packets, ...tables.flat()]), pts: 0 };
}
