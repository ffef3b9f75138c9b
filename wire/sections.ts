/**
 * Sections out of transport packets and into them, ISO/IEC 13818-1 §2.4.4.1: several in one packet, or one over several.
 */
import { TS_PACKET_BYTES, writeTs } from './mpeg-ts.ts';

const LENGTH_END = 3;
const MOST_SECTION_BYTES = 4096;
const STUFFING_TABLE = 0xff;
const NONE: readonly Buffer[] = [];

/** Puts the sections of one PID together. */
export class SectionAssembler {
  readonly #section = Buffer.alloc(MOST_SECTION_BYTES);
  #filled = 0;
  #started = false;

  /** True while no section is begun. */
  get idle(): boolean {
    return this.#filled === 0;
  }

  /**
   * Takes the payload of the next packet of the PID.
   *
   * @param unitStart the packet's payload_unit_start_indicator
   * @returns the sections that are complete now, with their CRC unchecked; copies, so they may be kept
   */
  push(payload: Buffer, unitStart: boolean): readonly Buffer[] {
    if (!unitStart) return this.#append(payload);
    const first = 1 + (payload[0] ?? 0);
    if (first >= payload.length) {
      this.reset();
      return NONE;
    }
    const tail = this.#append(payload.subarray(1, first));
    this.reset();
    this.#started = true;
    const fresh = this.#append(payload.subarray(first));
    return tail.length === 0 ? fresh : [...tail, ...fresh];
  }

  /** Drops what is begun: a packet of the PID was lost. */
  reset(): void {
    this.#started = false;
    this.#filled = 0;
  }

  #append(bytes: Buffer): readonly Buffer[] {
    let done: Buffer[] | undefined;
    for (let at = 0; this.#started && at < bytes.length;) {
      if (this.#filled === 0 && bytes[at] === STUFFING_TABLE) {
        this.reset();
        break;
      }
      const wanted = this.#wanted() - this.#filled;
      const taken = bytes.copy(this.#section, this.#filled, at, at + wanted);
      this.#filled += taken;
      at += taken;
      if (this.#filled < LENGTH_END || this.#filled < this.#wanted()) continue;
      (done ??= []).push(Buffer.from(this.#section.subarray(0, this.#filled)));
      this.#filled = 0;
    }
    return done ?? NONE;
  }

  /** Bytes of the section that is begun, or of the part that will tell. */
  #wanted(): number {
    if (this.#filled < LENGTH_END) return LENGTH_END;
    return Math.min(MOST_SECTION_BYTES, LENGTH_END + (this.#section.readUInt16BE(1) & 0x0fff));
  }
}

/**
 * Writes one section as the packets of a PID, padded with stuffing.
 *
 * @param counter continuity counter of the first packet; the others count on from it
 */
export function packetizeSection(section: Buffer, pid: number, counter: number): Buffer[] {
  const bytes = Buffer.concat([Buffer.of(0), section]);
  const room = TS_PACKET_BYTES - 4;
  const packets: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += room) {
    const payload = Buffer.alloc(room, STUFFING_TABLE);
    bytes.copy(payload, 0, at, at + room);
    packets.push(
      writeTs({
        transportError: false,
        payloadUnitStart: at === 0,
        priority: false,
        pid,
        scrambling: 0,
        continuityCounter: (counter + packets.length) & 0x0f,
        payload,
      }),
    );
  }
  return packets;
}
