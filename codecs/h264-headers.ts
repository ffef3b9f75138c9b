/** The headers of an H.264 stream, as far as a picture that repeats the one before it needs them: ITU-T H.264 §7.3. */
import { BitReader } from './bits.ts';

/** What a sequence parameter set says, §7.3.2.1.1. */
export interface SequenceHeader {
  /** Bits of `frame_num`. */
  frameNumBits: number;
  /** `pic_order_cnt_type`: 0 writes the order of display into each picture, 1 and 2 derive it. */
  orderType: number;
  /** Bits of `pic_order_cnt_lsb`, of type 0. */
  orderBits: number;
  /** `delta_pic_order_always_zero_flag`, of type 1. */
  orderDeltaAlwaysZero: boolean;
  /** `max_num_ref_frames`. */
  references: number;
  /** `frame_mbs_only_flag`: no fields. */
  framesOnly: boolean;
  /** `mb_adaptive_frame_field_flag`: macroblocks come in pairs. */
  pairs: boolean;
  /** Of a frame. */
  macroblocks: number;
  /** There is no chroma. */
  monochrome: boolean;
}

/** What a picture parameter set says, §7.3.2.2. */
export interface PictureHeader {
  id: number;
  /** `entropy_coding_mode_flag`: arithmetic coding. */
  cabac: boolean;
  /** `bottom_field_pic_order_in_frame_present_flag`. */
  bottomOrder: boolean;
  weighted: boolean;
  /** 26 + `pic_init_qp_minus26`. */
  initialQp: number;
  /** `deblocking_filter_control_present_flag`. */
  deblockingControl: boolean;
  /** `redundant_pic_cnt_present_flag`. */
  redundantCount: boolean;
}

/** Where a slice says that its picture belongs, §7.3.3. */
export interface SliceHeader {
  pictureId: number;
  frameNum: number;
  /** `pic_order_cnt_lsb`; 0 where the order is derived. */
  orderLsb: number;
  /** An IDR picture. */
  idr: boolean;
  /** Other pictures may refer to it. */
  reference: boolean;
}

/** Profiles whose sets name chroma and scaling. */
const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

/** Of level 5.2: 4096 × 2304. */
const MOST_MACROBLOCKS = 36_864;

/** NAL units of Annex B, each from its header byte on. Views; the last one may be cut short by the end of the bytes. */
export function* nalUnits(bytes: Buffer): Generator<Buffer> {
  let from = bytes.indexOf('\0\0\x01', 0, 'latin1');
  while (from !== -1) {
    const next = bytes.indexOf('\0\0\x01', from + 3, 'latin1');
    const unit = bytes.subarray(from + 3, next === -1 ? bytes.length : next);
    if (unit.length > 0) yield unit;
    from = next;
  }
}

/** Parses a sequence parameter set; `undefined` when it is none, or one whose pictures cannot be repeated. */
export function parseSequenceHeader(unit: Buffer): SequenceHeader | undefined {
  const bits = payloadOf(unit);
  const profile = bits.bits(8);
  bits.bits(16);
  bits.unsigned();
  const chroma = HIGH_PROFILES.has(profile) ? readChroma(bits) : 1;
  const frameNumBits = 4 + bits.unsigned();
  const order = readOrder(bits);
  const references = bits.unsigned();
  bits.flag();
  const columns = 1 + bits.unsigned();
  const rows = 1 + bits.unsigned();
  const framesOnly = bits.flag();
  const pairs = !framesOnly && bits.flag();
  const macroblocks = columns * rows * (framesOnly ? 1 : 2);
  const strange =
    frameNumBits > 16 || order.orderType > 2 || order.orderBits > 16 || macroblocks > MOST_MACROBLOCKS;
  // Without references nothing can be repeated; separate colour planes have slices of their own.
  if (bits.overrun || strange || references === 0 || chroma === 'separate') return undefined;
  return { frameNumBits, ...order, references, framesOnly, pairs, macroblocks, monochrome: chroma === 0 };
}

/** Parses a picture parameter set; `undefined` when it is none, or one of slice groups. */
export function parsePictureHeader(unit: Buffer): PictureHeader | undefined {
  const bits = payloadOf(unit);
  const id = bits.unsigned();
  bits.unsigned();
  const cabac = bits.flag();
  const bottomOrder = bits.flag();
  if (bits.unsigned() > 0) return undefined;
  bits.unsigned();
  bits.unsigned();
  const weighted = bits.flag();
  bits.bits(2);
  const initialQp = 26 + bits.signed();
  bits.signed();
  bits.signed();
  const deblockingControl = bits.flag();
  bits.flag();
  const redundantCount = bits.flag();
  if (bits.overrun) return undefined;
  return { id, cabac, bottomOrder, weighted, initialQp, deblockingControl, redundantCount };
}

/** Parses the beginning of a slice. */
export function parseSliceHeader(unit: Buffer, sequence: SequenceHeader): SliceHeader | undefined {
  const idr = nalType(unit) === 5;
  const reference = ((unit[0] ?? 0) & 0x60) !== 0;
  const bits = payloadOf(unit.subarray(0, 64));
  bits.unsigned();
  bits.unsigned();
  const pictureId = bits.unsigned();
  const frameNum = bits.bits(sequence.frameNumBits);
  if (!sequence.framesOnly && bits.flag()) bits.flag();
  if (idr) bits.unsigned();
  const orderLsb = bits.bits(sequence.orderBits);
  return bits.overrun ? undefined : { pictureId, frameNum, orderLsb, idr, reference };
}

/** nal_unit_type. */
export function nalType(unit: Buffer): number {
  return (unit[0] ?? 0) & 0x1f;
}

/** What is in a NAL unit, without the bytes that keep start codes out (§7.4.1). */
function payloadOf(unit: Buffer): BitReader {
  const bytes = Buffer.allocUnsafe(unit.length);
  let length = 0;
  for (let at = 1, zeros = 0; at < unit.length; at++) {
    const byte = unit[at] ?? 0;
    if (zeros >= 2 && byte === 3) zeros = 0;
    else {
      bytes[length++] = byte;
      zeros = byte === 0 ? zeros + 1 : 0;
    }
  }
  return new BitReader(bytes.subarray(0, length));
}

/** chroma_format_idc, or that the colours are coded apart. */
function readChroma(bits: BitReader): number | 'separate' {
  const format = bits.unsigned();
  const separate = format === 3 && bits.flag();
  bits.unsigned();
  bits.unsigned();
  bits.flag();
  if (bits.flag()) {
    const lists = format === 3 ? 12 : 8;
    for (let list = 0; list < lists; list++) if (bits.flag()) skipScalingList(bits, list < 6 ? 16 : 64);
  }
  return separate ? 'separate' : format;
}

function skipScalingList(bits: BitReader, size: number): void {
  let last = 8;
  let next = 8;
  for (let at = 0; at < size && next !== 0; at++) {
    next = (last + bits.signed() + 256) % 256;
    if (next !== 0) last = next;
  }
}

type Order = Pick<SequenceHeader, 'orderType' | 'orderBits' | 'orderDeltaAlwaysZero'>;

function readOrder(bits: BitReader): Order {
  const orderType = bits.unsigned();
  if (orderType === 0) return { orderType, orderBits: 4 + bits.unsigned(), orderDeltaAlwaysZero: true };
  if (orderType !== 1) return { orderType, orderBits: 0, orderDeltaAlwaysZero: true };
  const orderDeltaAlwaysZero = bits.flag();
  bits.signed();
  bits.signed();
  for (let left = Math.min(bits.unsigned(), 255); left > 0; left--) bits.signed();
  return { orderType, orderBits: 0, orderDeltaAlwaysZero };
}
