/**
 * Hides elementary streams from the demuxer, ISO 13818-1 §2.4.4: their `stream_type` in the PMT becomes 0x05 (private sections).
 *
 * The demuxer waits for the first frame of every sound that the PMT names, and the browser refuses the whole programme when it
 * cannot decode one; so sounds that cannot be played must not be named. Nothing checks the CRC after this.
 */

const PACKET_BYTES = 188;
const PRIVATE_SECTIONS = 0x05;

/** Edits runs of whole TS packets in place. */
export class HiddenTracks {
  readonly #pids: ReadonlySet<number>;
  #pmtPids = new Set<number>();

  /** @param pids the streams to hide */
  constructor(pids: Iterable<number>) {
    this.#pids = new Set(pids);
  }

  /** Changes the PMTs in `run`, whose length is a multiple of 188. */
  hide(run: Uint8Array): void {
    if (this.#pids.size === 0) return;
    for (let at = 0; at + PACKET_BYTES <= run.length; at += PACKET_BYTES) {
      const packet = run.subarray(at, at + PACKET_BYTES);
      const pid = ((byte(packet, 1) & 0x1f) << 8) | byte(packet, 2);
      const section = pid === 0 || this.#pmtPids.has(pid) ? sectionOf(packet) : undefined;
      if (section === undefined) continue;
      if (pid === 0) this.#readPat(section);
      else this.#editPmt(section);
    }
  }

  #readPat(section: Uint8Array): void {
    if (byte(section, 0) !== 0x00) return;
    for (let at = 8; at + 4 <= section.length - 4; at += 4) {
      const programme = (byte(section, at) << 8) | byte(section, at + 1);
      if (programme !== 0) this.#pmtPids.add(((byte(section, at + 2) & 0x1f) << 8) | byte(section, at + 3));
    }
  }

  #editPmt(section: Uint8Array): void {
    if (byte(section, 0) !== 0x02) return;
    const infoBytes = ((byte(section, 10) & 0x0f) << 8) | byte(section, 11);
    for (let at = 12 + infoBytes; at + 5 <= section.length - 4;) {
      const pid = ((byte(section, at + 1) & 0x1f) << 8) | byte(section, at + 2);
      if (this.#pids.has(pid)) section[at] = PRIVATE_SECTIONS;
      at += 5 + (((byte(section, at + 3) & 0x0f) << 8) | byte(section, at + 4));
    }
  }
}

/** The section that starts in the packet, up to the packet's end: PMTs of programmes with few streams fit into one. */
function sectionOf(packet: Uint8Array): Uint8Array | undefined {
  const startsSection = (byte(packet, 1) & 0x40) !== 0;
  const hasPayload = (byte(packet, 3) & 0x10) !== 0;
  if (!startsSection || !hasPayload) return undefined;
  const payload = (byte(packet, 3) & 0x20) === 0 ? 4 : 5 + byte(packet, 4);
  const start = payload + 1 + byte(packet, payload);
  if (start + 12 > PACKET_BYTES) return undefined;
  const length = 3 + (((byte(packet, start + 1) & 0x0f) << 8) | byte(packet, start + 2));
  return packet.subarray(start, start + length);
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}
