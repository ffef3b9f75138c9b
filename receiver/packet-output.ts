/** Transport packets that a stage gives away: some as they came, some with a new continuity counter, some made here. */
import {
  PID_COUNT,
  SYNC_BYTE,
  TS_PACKET_BYTES,
  continuityAt,
  hasPayloadAt,
  hasPcrAt,
  pidAt,
  setContinuityAt,
} from '../wire/mpeg-ts.ts';

const FIRST_BYTES = 64 * TS_PACKET_BYTES;
const HEADER_BYTES = 4;
const PAYLOAD_BYTES = TS_PACKET_BYTES - HEADER_BYTES;
/** Adaptation field of a packet that carries a PCR and nothing else: its length, its flags, the PCR behind them. */
const CLOCK_FIELD_BYTES = 183;
const CLOCK_BYTES = 6;

/** Gathers packets, in order. PIDs that packets are added to or left out of are numbered anew. */
export class PacketOutput {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #filled = 0;
  #taken = 0;
  readonly #counters = new Uint8Array(PID_COUNT);

  /** The packet at `at`, untouched. */
  pass(bytes: Buffer, at: number): void {
    bytes.copy(this.#bytes, this.#place(), at, at + TS_PACKET_BYTES);
    this.#counters[pidAt(bytes, at)] = continuityAt(bytes, at);
  }

  /** The packet at `at`, numbered to follow the one before on its PID. */
  follow(bytes: Buffer, at: number): void {
    const place = this.#place();
    bytes.copy(this.#bytes, place, at, at + TS_PACKET_BYTES);
    this.#number(place);
  }

  /** Only the PCR of the packet at `at`, when it has one. */
  clock(bytes: Buffer, at: number): void {
    if (!hasPcrAt(bytes, at)) return;
    const place = this.#place();
    const out = this.#bytes;
    out.fill(0xff, place, place + TS_PACKET_BYTES);
    out[place] = SYNC_BYTE;
    out.writeUInt16BE(pidAt(bytes, at), place + 1);
    out[place + 3] = 0x20;
    out[place + 4] = CLOCK_FIELD_BYTES;
    out[place + 5] = ((bytes[at + 5] ?? 0) & 0x80) | 0x10; // discontinuity as it was, PCR
    bytes.copy(out, place + 6, at + 6, at + 6 + CLOCK_BYTES);
    this.#number(place);
  }

  /** A PES packet as transport packets. */
  pes(pid: number, pes: Buffer): void {
    for (let from = 0; from < pes.length; from += PAYLOAD_BYTES) {
      const place = this.#place();
      const stuffing = Math.max(0, from + PAYLOAD_BYTES - pes.length);
      this.#bytes[place] = SYNC_BYTE;
      this.#bytes.writeUInt16BE((from === 0 ? 0x4000 : 0) | pid, place + 1);
      this.#bytes[place + 3] = stuffing > 0 ? 0x30 : 0x10;
      if (stuffing > 0) this.#stuff(place + HEADER_BYTES, stuffing);
      pes.copy(this.#bytes, place + HEADER_BYTES + stuffing, from, from + PAYLOAD_BYTES);
      this.#number(place);
    }
  }

  /** What was gathered since the last time. A view, good until `reuse`; empty when there is nothing. */
  take(): Buffer {
    const taken = this.#bytes.subarray(this.#taken, this.#filled);
    this.#taken = this.#filled;
    return taken;
  }

  /** Nobody looks at what was taken any more. */
  reuse(): void {
    this.#bytes.copyWithin(0, this.#taken, this.#filled);
    this.#filled -= this.#taken;
    this.#taken = 0;
  }

  /** Room for one packet: where it begins. */
  #place(): number {
    const place = this.#filled;
    this.#filled += TS_PACKET_BYTES;
    if (this.#filled <= this.#bytes.length) return place;
    const larger = Buffer.allocUnsafeSlow(2 * this.#bytes.length);
    this.#bytes.copy(larger, 0, 0, place);
    this.#bytes = larger;
    return place;
  }

  /** An adaptation field of so many bytes that says nothing. */
  #stuff(at: number, bytes: number): void {
    this.#bytes[at] = bytes - 1;
    if (bytes > 1) this.#bytes.fill(0xff, at + 1, at + bytes);
    if (bytes > 1) this.#bytes[at + 1] = 0;
  }

  #number(place: number): void {
    const pid = pidAt(this.#bytes, place);
    const last = this.#counters[pid] ?? 0;
    const counter = hasPayloadAt(this.#bytes, place) ? (last + 1) & 0x0f : last;
    this.#counters[pid] = counter;
    setContinuityAt(this.#bytes, place, counter);
  }
}
