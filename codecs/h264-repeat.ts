/**
 * H.264 pictures that say "as before": one slice of type P in which every macroblock is skipped (ITU-T H.264 §8.4.1.1). Decoders
 * show the last picture once more, and players that run dry without pictures go on.
 */
import { wrapDistance } from '../wire/sequence.ts';
import { BitWriter } from './bits.ts';
import {
  nalType,
  nalUnits,
  parsePictureHeader,
  parseSequenceHeader,
  parseSliceHeader,
  type PictureHeader,
  type SequenceHeader,
  type SliceHeader,
} from './h264-headers.ts';

/** A picture's place in the order of display, and when it is shown. */
interface Place {
  /** Picture order count, unwrapped. */
  order: number;
  ptsTicks: number;
}

/** A picture that others may refer to. */
interface Reference {
  frameNum: number;
  ptsTicks: number;
}

const SLICE = 1;
const IDR_SLICE = 5;
const SEQUENCE_SET = 7;
const PICTURE_SET = 8;

/** A shorter slice may end within its header: the longest numbers before the order of display need less. */
const SLICE_HEADER_BYTES = 24;

const START_CODE = Buffer.of(0, 0, 0, 1);
/** Access unit delimiter: slices of type I and P follow. */
const DELIMITER = Buffer.of(0, 0, 0, 1, 0x09, 0x30);
/** Slices that later ones may refer to, and that they may not. */
const REFERENCE_SLICE = 0x21;
const OTHER_SLICE = 0x01;
/** slice_type: P, as all slices of the picture. */
const P_SLICES = 5;
const MOST_QP = 51;

/**
 * Follows a stream of access units, and repeats the last good picture in the place of others.
 *
 * A repetition takes the number, the place and the importance of the picture that it replaces, so that the decoder's memory stays as
 * the encoder thinks it is. Where these are not known, as behind an IDR picture that is replaced, it counts on by itself.
 */
export class H264Repeater {
  #sequence: SequenceHeader | undefined;
  readonly #pictures = new Map<number, PictureHeader>();
  #picture: PictureHeader | undefined;
  /** The picture to be repeated: of those that can be referred to, the one that is shown last. */
  #still: Reference | undefined;
  /** frame_num of the last picture that others may refer to. */
  #frameNum = 0;
  #last: Place | undefined;
  /** Steps of the order of display in a tick of 90 kHz. */
  #orderPerTick = 0;
  #skipped: (Pick<SequenceHeader, 'macroblocks' | 'pairs'> & { bytes: Buffer }) | undefined;
  /** The encoder's numbers are of no use any more. */
  #astray = false;

  /**
   * Takes what a good access unit begins with, up to its first slice.
   *
   * @param head Annex B
   */
  follow(head: Buffer, ptsTicks: number): void {
    const slice = this.#read(head);
    if (!slice) return;
    this.#astray = false;
    this.#picture = this.#pictures.get(slice.pictureId);
    if (slice.idr) this.#last = undefined;
    this.#place({ order: this.#orderOf(slice), ptsTicks });
    if (!slice.reference) return;
    this.#frameNum = slice.frameNum;
    if (slice.idr || !this.#still || ptsTicks > this.#still.ptsTicks)
      this.#still = { frameNum: slice.frameNum, ptsTicks };
  }

  /** A key frame is going to be followed: the encoder's numbers are of use again. */
  rejoin(): void {
    this.#astray = false;
  }

  /**
   * How many pictures that others may refer to were lost without a trace before this one. They have to be repeated as well, without
   * a `head`: else decoders make up pictures for them.
   */
  lostBefore(head: Buffer): number {
    const sequence = this.#sequence;
    const slice = sequence && sliceOf(head, sequence);
    if (this.#astray || !slice || slice === 'cut' || slice.idr || !this.#still) return 0;
    const numbers = 2 ** sequence.frameNumBits;
    const lost = modulo(slice.frameNum - this.#frameNum - 1, numbers);
    if (lost === numbers - 1) return 0; // nobody may refer to the picture before: its number is used again
    if (lost <= sequence.references) return lost;
    // More than a decoder remembers. It fills up what is skipped here by the same picture.
    this.#frameNum = modulo(slice.frameNum - 1 - sequence.references, numbers);
    this.#still = { ...this.#still, frameNum: this.#frameNum };
    return sequence.references;
  }

  /**
   * The last picture once more, to be shown at `ptsTicks`; `undefined` when this stream's pictures cannot be repeated.
   *
   * @param head what is there of the access unit that is replaced; `undefined` when nothing is
   */
  repeat(head: Buffer | undefined, ptsTicks: number): Buffer | undefined {
    const sequence = this.#sequence;
    const picture = this.#picture;
    if (!sequence || !picture || !this.#still) return undefined;
    const slice = head && this.#replaced(head, sequence);
    // Good pictures are shown around it, and nobody refers to it: none is better than one of the future.
    if (ptsTicks < this.#still.ptsTicks && !slice?.reference) return undefined;
    const numbers = 2 ** sequence.frameNumBits;
    const { frameNum, reference } = slice ?? { frameNum: (this.#frameNum + 1) % numbers, reference: true };
    const back = modulo(frameNum - this.#still.frameNum, numbers);
    const order = slice ? this.#orderOf(slice) : this.#orderAt(ptsTicks);
    this.#place({ order, ptsTicks });
    if (reference) {
      this.#frameNum = frameNum;
      this.#still = { frameNum, ptsTicks };
    }
    return writePicture({ sequence, picture, frameNum, order, reference, back }, this.#allSkipped(sequence));
  }

  /** Worked out once: it takes a step for each macroblock. */
  #allSkipped(sequence: SequenceHeader): Buffer {
    const { macroblocks, pairs } = sequence;
    const known = this.#skipped;
    if (known?.macroblocks === macroblocks && known.pairs === pairs) return known.bytes;
    const bytes = skippedByCabac(sequence);
    this.#skipped = { macroblocks, pairs, bytes };
    return bytes;
  }

  /** Learns the sets; gives the first slice. */
  #read(head: Buffer): SliceHeader | undefined {
    for (const unit of nalUnits(head)) {
      const type = nalType(unit);
      if (type === SEQUENCE_SET) this.#sequence = parseSequenceHeader(unit);
      else if (type === PICTURE_SET) this.#learn(unit);
      else if (type === SLICE || type === IDR_SLICE)
        return this.#sequence && parseSliceHeader(unit, this.#sequence);
    }
    return undefined;
  }

  #learn(unit: Buffer): void {
    const picture = parsePictureHeader(unit);
    if (picture) this.#pictures.set(picture.id, picture);
  }

  /** The first slice of a picture that is replaced, unless it is not there or cannot be followed. */
  #replaced(head: Buffer, sequence: SequenceHeader): SliceHeader | undefined {
    const slice = sliceOf(head, sequence);
    if (slice === 'cut' || slice?.idr) this.#astray = true;
    // Only the second field of a picture has the number of the one before.
    else if (slice && slice.frameNum === this.#still?.frameNum) this.#astray = true;
    return this.#astray || slice === 'cut' ? undefined : slice;
  }

  #orderOf({ orderLsb }: SliceHeader): number {
    const { order = 0 } = this.#last ?? {};
    return order + wrapDistance(order, orderLsb, this.#sequence?.orderBits || 32);
  }

  /** The place of a picture that tells none. */
  #orderAt(ptsTicks: number): number {
    if (!this.#last) return 0;
    return this.#last.order + (Math.round((ptsTicks - this.#last.ptsTicks) * this.#orderPerTick) || 1);
  }

  #place(place: Place): void {
    const last = this.#last;
    if (last && last.ptsTicks !== place.ptsTicks && last.order !== place.order)
      this.#orderPerTick = (place.order - last.order) / (place.ptsTicks - last.ptsTicks);
    this.#last = place;
  }
}

/** The first slice; 'cut' when the head ends before it and may be that of an IDR picture. */
function sliceOf(head: Buffer, sequence: SequenceHeader): SliceHeader | 'cut' | undefined {
  let cut: 'cut' | undefined;
  for (const unit of nalUnits(head)) {
    const type = nalType(unit);
    if (type === SEQUENCE_SET) cut = 'cut';
    if (type !== SLICE && type !== IDR_SLICE) continue;
    return unit.length < SLICE_HEADER_BYTES ? cut : parseSliceHeader(unit, sequence);
  }
  return cut;
}

interface Repeated {
  sequence: SequenceHeader;
  picture: PictureHeader;
  frameNum: number;
  order: number;
  /** Later pictures may refer to it. */
  reference: boolean;
  /** How far its number is from that of the picture it repeats. */
  back: number;
}

/** @param skipped what `skippedByCabac` gives for the sequence */
function writePicture(repeated: Repeated, skipped: Buffer): Buffer {
  const { sequence, picture, reference } = repeated;
  const bits = new BitWriter();
  writeHeader(bits, repeated);
  if (picture.cabac) bits.align(1);
  else skipByRunLength(bits, sequence);
  const slice = picture.cabac ? Buffer.concat([bits.toBuffer(), skipped]) : bits.toBuffer();
  const unit = Buffer.of(reference ? REFERENCE_SLICE : OTHER_SLICE);
  return Buffer.concat([DELIMITER, START_CODE, unit, escaped(slice)]);
}

/** modification_of_pic_nums_idc, table 7-7. */
const SUBTRACT = 0;
const NO_MORE = 3;

/** The slice header, §7.3.3: a single reference; nothing is weighted, nothing is filtered. */
function writeHeader(bits: BitWriter, repeated: Repeated): void {
  const { sequence, picture, frameNum, order, reference, back } = repeated;
  bits.unsigned(0);
  bits.unsigned(P_SLICES);
  bits.unsigned(picture.id);
  bits.bits(frameNum, sequence.frameNumBits);
  if (!sequence.framesOnly) bits.bits(0, 1);
  if (sequence.orderType === 0) bits.bits(modulo(order, 2 ** sequence.orderBits), sequence.orderBits);
  const deltas = sequence.orderType === 0 ? 0 : sequence.orderDeltaAlwaysZero ? 0 : 1;
  for (let left = deltas + deltasOfBottom(sequence, picture); left > 0; left--) bits.signed(0);
  if (picture.redundantCount) bits.unsigned(0);
  bits.bits(1, 1); // num_ref_idx_active_override_flag
  bits.unsigned(0);
  bits.bits(1, 1); // ref_pic_list_modification_flag_l0
  for (const code of [SUBTRACT, back - 1, NO_MORE]) bits.unsigned(code);
  if (picture.weighted) writeNoWeights(bits, sequence);
  if (reference) bits.bits(0, 1); // adaptive_ref_pic_marking_mode_flag
  if (picture.cabac) bits.unsigned(CABAC_TABLE);
  bits.signed(MOST_QP - picture.initialQp);
  if (picture.deblockingControl) bits.unsigned(1);
}

function deltasOfBottom({ orderType, orderDeltaAlwaysZero }: SequenceHeader, picture: PictureHeader): 0 | 1 {
  const told = orderType === 0 || (orderType === 1 && !orderDeltaAlwaysZero);
  return told && picture.bottomOrder ? 1 : 0;
}

/** pred_weight_table, §7.3.3.2. */
function writeNoWeights(bits: BitWriter, { monochrome }: SequenceHeader): void {
  bits.unsigned(0);
  if (!monochrome) bits.unsigned(0);
  bits.bits(0, monochrome ? 1 : 2);
}

/** CAVLC: one number skips all macroblocks, §7.3.4. */
function skipByRunLength(bits: BitWriter, { macroblocks }: SequenceHeader): void {
  bits.unsigned(macroblocks);
  bits.bits(1, 1);
  bits.align(0);
}

/** cabac_init_idc. By table 9-13 and with the largest QP it makes "skipped" likely from the first macroblock on. */
const CABAC_TABLE = 2;
const FIRST_STATE = 44;
const LAST_STATE = 62;
/** Table 9-44 from state 44 on: what the unlikely takes of the range, by the range's quarter. */
const UNLIKELY: readonly (readonly [number, number, number, number])[] = [
  [14, 18, 21, 24],
  [14, 17, 20, 23],
  [13, 16, 19, 22],
  [12, 15, 18, 21],
  [12, 14, 17, 20],
  [11, 14, 16, 19],
  [11, 13, 15, 18],
  [10, 12, 15, 17],
  [10, 12, 14, 16],
  [9, 11, 13, 15],
  [9, 11, 12, 14],
  [8, 10, 12, 14],
  [8, 9, 11, 13],
  [7, 9, 11, 12],
  [7, 9, 10, 12],
  [7, 8, 10, 11],
  [6, 8, 9, 11],
  [6, 7, 9, 10],
  [6, 7, 8, 9],
];

/**
 * CABAC, §9.3.4.2: "skipped" for each macroblock, "not the end" behind all but the last. Each of these is the likely value, so
 * the low end of the range stays at 0 and so do all bits, up to the end of the slice.
 */
function skippedByCabac({ macroblocks, pairs }: SequenceHeader): Buffer {
  const bits = new BitWriter();
  let range = 510;
  let state = FIRST_STATE;
  let zeros = -1; // the first bit is not written
  const renew = (): void => {
    for (; range < 256; range *= 2) zeros++;
  };
  for (let left = macroblocks; left > 0; left--) {
    range -= UNLIKELY[state - FIRST_STATE]?.[(range >> 6) & 3] ?? 0;
    state = Math.min(LAST_STATE, state + 1);
    renew();
    if (pairs && left % 2 === 0) continue;
    range -= 2;
    if (left > 1) renew();
  }
  // EncodeFlush: the low end moves up to the end of the range; its last bit is the one that ends the slice.
  bits.bits(0, Math.max(0, zeros));
  bits.bits(range | 1, Math.min(10, 10 + zeros));
  return bits.toBuffer();
}

/** Keeps start codes out of a NAL unit (§7.4.1). */
function escaped(bytes: Buffer): Buffer {
  const out: number[] = [];
  let zeros = 0;
  for (const byte of bytes) {
    if (zeros === 2 && byte <= 3) {
      out.push(3);
      zeros = 0;
    }
    out.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return Buffer.from(out);
}

function modulo(value: number, cycle: number): number {
  return ((value % cycle) + cycle) % cycle;
}
