/** H.264 pictures that say "as before": decoders show the last one once more, and players that run dry without pictures go on. */
import { wrapDistance } from '../wire/sequence.ts';
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
import { modulo, skippedByCabac, writeSkippedPicture } from './h264-skipped.ts';

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
    return writeSkippedPicture(
      { sequence, picture, frameNum, order, reference, back },
      this.#allSkipped(sequence),
    );
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
    return parseSliceHeader(unit, sequence) ?? cut;
  }
  return cut;
}
