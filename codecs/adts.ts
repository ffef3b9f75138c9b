/** AAC in ADTS frames, ISO/IEC 13818-7 §6.2, and silent ones. */
import { BitWriter } from './bits.ts';
import { TICKS_HZ, type FrameSize, type SoundFraming, type StandIn } from './sound-framing.ts';

/** How AAC is framed in MPEG-TS (stream_type 0x0f). */
export const ADTS: SoundFraming = { frameAt: adtsAt, standIn: silentAdts };

const ADTS_HEADER_BYTES = 7;
/** By sampling_frequency_index. */
const ADTS_RATES_HZ = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350,
];
const AAC_SAMPLES = 1024;

function adtsAt(bytes: Buffer, at: number): FrameSize | 'cut' | undefined {
  // Sync word of 12 bits, any ID, layer 0.
  if (bytes[at] !== 0xff || ((bytes[at + 1] ?? 0xf0) & 0xf6) !== 0xf0) return undefined;
  if (at + ADTS_HEADER_BYTES > bytes.length) return 'cut';
  const rateHz = ADTS_RATES_HZ[((bytes[at + 2] ?? 0) >> 2) & 0x0f];
  const length = (bytes.readUIntBE(at + 3, 3) >> 5) & 0x1fff;
  if (rateHz === undefined || length < ADTS_HEADER_BYTES) return undefined;
  if (at + length > bytes.length) return 'cut';
  const blocks = 1 + ((bytes[at + 6] ?? 0) & 3);
  return { bytes: length, durationTicks: (blocks * AAC_SAMPLES * TICKS_HZ) / rateHz };
}

/** Syntactic elements of AAC: one channel, two, the low effects, the end. */
const SINGLE = 0;
const PAIR = 1;
const LOW_EFFECTS = 3;
const END = 7;
/** Elements by channel_configuration, ISO/IEC 13818-7 table 42. */
const ELEMENTS: Readonly<Record<number, readonly number[]>> = {
  1: [SINGLE],
  2: [PAIR],
  3: [SINGLE, PAIR],
  4: [SINGLE, PAIR, SINGLE],
  5: [SINGLE, PAIR, PAIR],
  6: [SINGLE, PAIR, PAIR, LOW_EFFECTS],
  7: [SINGLE, PAIR, PAIR, PAIR, LOW_EFFECTS],
};

function silentAdts(frame: Buffer): StandIn | undefined {
  const rateHz = ADTS_RATES_HZ[((frame[2] ?? 0) >> 2) & 0x0f];
  const channels = ((frame[2] ?? 0) & 1) * 4 + ((frame[3] ?? 0) >> 6);
  const elements = frame.length < ADTS_HEADER_BYTES ? undefined : ELEMENTS[channels];
  if (rateHz === undefined || elements === undefined) return undefined;
  const body = silence(elements);
  const length = ADTS_HEADER_BYTES + body.length;
  const head = Buffer.from(frame.subarray(0, ADTS_HEADER_BYTES));
  head[1] = (head[1] ?? 0) | 1; // no checksum
  head[3] = (head[3] ?? 0) & 0xfc;
  head.writeUIntBE(length * 32 + 0x1f, 4, 2);
  head[6] = 0xfc; // the rest of a full buffer's sign, one block
  return { bytes: Buffer.concat([head, body]), durationTicks: (AAC_SAMPLES * TICKS_HZ) / rateHz };
}

/** A raw data block whose channels have long windows without a single band, ISO/IEC 13818-7 §6.3. */
function silence(elements: readonly number[]): Buffer {
  const bits = new BitWriter();
  const counts = new Map<number, number>();
  for (const element of elements) {
    const tag = counts.get(element) ?? 0;
    counts.set(element, tag + 1);
    bits.bits(element, 3);
    bits.bits(tag, 4);
    if (element === PAIR) bits.bits(0, 1); // no common window
    for (let left = element === PAIR ? 2 : 1; left > 0; left--) {
      bits.bits(0, 8); // global_gain
      bits.bits(0, 11); // ics_info: long window, sine, no band, no prediction
      bits.bits(0, 3); // no pulses, no temporal noise shaping, no gain control
    }
  }
  bits.bits(END, 3);
  bits.align(0);
  return bits.toBuffer();
}
