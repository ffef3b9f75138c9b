/**
 * The frame number that the test picture carries, for machines: a strip of black and white blocks along the lower edge.
 *
 * From left to right 32 bits of the number, most significant first, then 8 bits of checksum. The blocks are whole macroblocks
 * wide, so that H.264 at any sensible quality keeps them apart; the reader looks at their middles only. Glass-to-glass delay is
 * measured with it, so the reader takes everything it needs as arguments: its source text can be handed to a page.
 *
 *      x  0    16   32        512       640
 *         | n31| n30| … | n0 | c7 | … | c0 |    y 344 to 360 of 640 × 360
 */

/** Where the strip lies, in pixels of a picture of `width` × `height`; a reader scales it to the picture it has. */
export interface CounterGeometry {
  width: number;
  height: number;
  top: number;
  blockWidth: number;
  blockHeight: number;
  numberBits: number;
  checksumBits: number;
}

/** The strip of the test picture. */
export const FRAME_COUNTER: CounterGeometry = {
  width: 640,
  height: 360,
  top: 344,
  blockWidth: 16,
  blockHeight: 16,
  numberBits: 32,
  checksumBits: 8,
};

/** A picture to read from: luma alone (1 byte a pixel) or RGBA (4, of which green is read). */
export interface PixelArray {
  data: Uint8Array | Uint8ClampedArray;
  width: number;
  height: number;
  bytesPerPixel: 1 | 4;
}

/** The checksum of a frame number: 8 bits, never the one of an all-black or all-white strip. */
export function frameChecksum(frame: number): number {
  const bytes =
    (frame & 0xff) + 3 * ((frame >>> 8) & 0xff) + 5 * ((frame >>> 16) & 0xff) + 7 * (frame >>> 24);
  return (bytes + 0x5a) & 0xff;
}

/**
 * The frame number in a picture, 0 to 2³² − 1; `undefined` when the checksum does not fit: no strip, or too much damage.
 *
 * Uses nothing but its arguments, so `readFrameCounter.toString()` works anywhere.
 */
export function readFrameCounter(picture: PixelArray, geometry: CounterGeometry): number | undefined {
  const { data, width, height, bytesPerPixel } = picture;
  const y = Math.floor(((geometry.top + geometry.blockHeight / 2) * height) / geometry.height);
  const green = bytesPerPixel === 4 ? 1 : 0;
  let frame = 0;
  let checksum = 0;
  for (let block = 0; block < geometry.numberBits + geometry.checksumBits; block++) {
    const x = Math.floor(((block + 0.5) * geometry.blockWidth * width) / geometry.width);
    let sum = 0;
    for (let dy = -1; dy <= 1; dy++)
      for (let dx = -1; dx <= 1; dx++) sum += data[((y + dy) * width + x + dx) * bytesPerPixel + green] ?? 0;
    const bit = sum > 9 * 128 ? 1 : 0;
    if (block < geometry.numberBits) frame = frame * 2 + bit;
    else checksum = checksum * 2 + bit;
  }
  // frameChecksum again: a function that is sent to a page takes nothing along.
  const bytes =
    (frame & 0xff) + 3 * ((frame >>> 8) & 0xff) + 5 * ((frame >>> 16) & 0xff) + 7 * (frame >>> 24);
  return ((bytes + 0x5a) & 0xff) === checksum ? frame : undefined;
}

/** Draws the strip for `frame` into the luma plane of a picture as wide as the geometry says. */
export function drawFrameCounter(luma: Uint8Array, frame: number): void {
  const { width, top, blockWidth, blockHeight, numberBits, checksumBits } = FRAME_COUNTER;
  const checksum = frameChecksum(frame);
  for (let block = 0; block < numberBits + checksumBits; block++) {
    const bit =
      block < numberBits
        ? frame >>> (numberBits - 1 - block)
        : checksum >>> (numberBits + checksumBits - 1 - block);
    const shade = bit & 1 ? WHITE : BLACK;
    for (let y = top; y < top + blockHeight; y++) {
      const start = y * width + block * blockWidth;
      luma.fill(shade, start, start + blockWidth);
    }
  }
}

// Video black and white (ITU-R BT.601), a little inside so that ringing is not clipped.
const BLACK = 24;
const WHITE = 224;
