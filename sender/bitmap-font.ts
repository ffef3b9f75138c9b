/**
 * Letters of 5 × 7 dots, for what is burned into the test picture. Drawn here because a bare machine has no fonts.
 */

const GLYPH_WIDTH = 5;
const GLYPH_HEIGHT = 7;

/** Seven rows of five dots each, as one string; anything else than these is drawn as a space. */
const GLYPHS: Readonly<Record<string, string>> = {
  '0': '01110 10001 10011 10101 11001 10001 01110',
  '1': '00100 01100 00100 00100 00100 00100 01110',
  '2': '01110 10001 00001 00110 01000 10000 11111',
  '3': '01110 10001 00001 00110 00001 10001 01110',
  '4': '00010 00110 01010 10010 11111 00010 00010',
  '5': '11111 10000 11110 00001 00001 10001 01110',
  '6': '00110 01000 10000 11110 10001 10001 01110',
  '7': '11111 00001 00010 00100 01000 01000 01000',
  '8': '01110 10001 10001 01110 10001 10001 01110',
  '9': '01110 10001 10001 01111 00001 00010 01100',
  ':': '00000 00100 00100 00000 00100 00100 00000',
  '.': '00000 00000 00000 00000 00000 00110 00110',
  A: '01110 10001 10001 11111 10001 10001 10001',
  C: '01110 10001 10000 10000 10000 10001 01110',
  L: '10000 10000 10000 10000 10000 10000 11111',
  N: '10001 11001 10101 10011 10001 10001 10001',
  S: '01111 10000 10000 01110 00001 00001 11110',
  T: '11111 00100 00100 00100 00100 00100 00100',
};

/** Where and how a text is drawn. */
export interface TextStyle {
  /** Left and top edge, pixels. */
  x: number;
  y: number;
  /** Pixels a dot, each way. A letter takes 6 × 7 dots with its gap. */
  scale: number;
  /** Luma, 16 to 235. */
  shade: number;
}

/** Draws `text` into a luma plane of `width` pixels a line. Text that runs over the edge is the caller's bug. */
export function drawText(luma: Uint8Array, width: number, text: string, style: TextStyle): void {
  const { x, y, scale, shade } = style;
  for (let index = 0; index < text.length; index++) {
    const rows = GLYPHS[text.charAt(index)];
    if (rows === undefined) continue;
    const left = x + index * (GLYPH_WIDTH + 1) * scale;
    for (let dot = 0; dot < GLYPH_WIDTH * GLYPH_HEIGHT; dot++) {
      const row = Math.floor(dot / GLYPH_WIDTH);
      const column = dot % GLYPH_WIDTH;
      if (rows[row * (GLYPH_WIDTH + 1) + column] === '1')
        fillRectangle(luma, width, [left + column * scale, y + row * scale, scale, scale], shade);
    }
  }
}

/** Fills [left, top, width, height] of a plane of `stride` samples a line. */
export function fillRectangle(
  plane: Uint8Array,
  stride: number,
  [left, top, width, height]: readonly [number, number, number, number],
  shade: number,
): void {
  for (let line = top; line < top + height; line++)
    plane.fill(shade, line * stride + left, line * stride + left + width);
}
