/**
 * Writes H.264 pictures of one slice in which every macroblock is skipped (ITU-T H.264 §8.4.1.1): decoders show the picture once more
 * that it refers to.
 */
import { BitWriter } from './bits.ts';
import type { PictureHeader, SequenceHeader } from './h264-headers.ts';

/** Such a picture. */
export interface SkippedPicture {
  sequence: SequenceHeader;
  picture: PictureHeader;
  frameNum: number;
  order: number;
  /** Later pictures may refer to it. */
  reference: boolean;
  /** How far its number is from that of the picture it repeats: 1 or more. */
  back: number;
}

const START_CODE = Buffer.of(0, 0, 0, 1);
/** Access unit delimiter: slices of type I and P follow. */
const DELIMITER = Buffer.of(0, 0, 0, 1, 0x09, 0x30);
/** Slices that later ones may refer to, and that they may not. */
const REFERENCE_SLICE = 0x21;
const OTHER_SLICE = 0x01;
/** slice_type: P, as all slices of the picture. */
const P_SLICES = 5;
const MOST_QP = 51;

/** The access unit, Annex B. @param skipped what `skippedByCabac` gives for the sequence */
export function writeSkippedPicture(repeated: SkippedPicture, skipped: Buffer): Buffer {
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
function writeHeader(bits: BitWriter, repeated: SkippedPicture): void {
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
export function skippedByCabac({ macroblocks, pairs }: SequenceHeader): Buffer {
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

/** The remainder that is not negative. */
export function modulo(value: number, cycle: number): number {
  return ((value % cycle) + cycle) % cycle;
}
