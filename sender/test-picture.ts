/**
 * The test picture, drawn frame by frame: a lighthouse whose beam turns, a boat, a burned-in clock, a light that flashes with
 * each beep, and the frame number for machines (`frame-counter.ts`). 640 × 360, I420, meant for 25 frames a second.
 */
import { drawText, fillRectangle } from './bitmap-font.ts';
import { drawFrameCounter } from './frame-counter.ts';
import { grain, HORIZON, LAMP, paintScene, SCENE_HEIGHT, SCENE_WIDTH } from './test-scene.ts';

export { SCENE_HEIGHT as PICTURE_HEIGHT, SCENE_WIDTH as PICTURE_WIDTH } from './test-scene.ts';
export const PICTURE_FRAMES_PER_SECOND = 25;

/** Frames that the light beside the clock stays lit, the frame of the beep being the first. */
const FLASH_FRAMES = 3;
const BEAM_REACH = 620;
const BEAM_BAND = 46; // lines above and below the lamp that the beam may brighten
const EYE = 900; // distance of the onlooker from the lamp, in pixels
const GLINTS = 90;

export interface TestPictureOptions {
  /** After so many frames everything that moves is back where it was; the clock and the number are not. */
  loopFrames: number;
}

/** What is written into one frame. */
export interface FrameLabel {
  /** The number that machines read, 0 to 2³² − 1. */
  frame: number;
  /** What people read: `12:34:56.78`. Digits, colons and dots. */
  clock: string;
  /** Every so many frames there is a beep, at multiples of it. */
  beepFrames: number;
}

/** Draws one frame after the other into one buffer. */
export class TestPicture {
  readonly #scene = paintScene();
  readonly #canvas = Buffer.from(this.#scene);
  readonly #loopFrames: number;

  constructor(options: TestPictureOptions) {
    this.#loopFrames = options.loopFrames;
  }

  /** One frame: Y, U and V planes. The buffer is drawn over by the next call. */
  draw(label: FrameLabel): Buffer {
    const phase = (label.frame % this.#loopFrames) / this.#loopFrames;
    const canvas = this.#canvas;
    canvas.set(this.#scene);
    drawGlints(canvas, phase);
    drawBoat(canvas, phase);
    // Two beams, one loop being two turns of the lamp.
    drawBeam(canvas, 4 * Math.PI * phase);
    drawBeam(canvas, 4 * Math.PI * phase + Math.PI);
    drawText(canvas, SCENE_WIDTH, 'LANCAST', { x: 26, y: 24, scale: 2, shade: 180 });
    drawText(canvas, SCENE_WIDTH, label.clock, { x: 24, y: 46, scale: 4, shade: 226 });
    if (label.frame % label.beepFrames < FLASH_FRAMES)
      fillRectangle(canvas, SCENE_WIDTH, [118, 24, 14, 14], 235);
    drawFrameCounter(canvas, label.frame);
    return canvas;
  }
}

/** Brightens the columns that a beam at `angle` crosses; it turns level, so near the onlooker it is a glare. */
function drawBeam(luma: Uint8Array, angle: number): void {
  const across = Math.cos(angle);
  const towards = Math.sin(angle);
  const glare = Math.max(0, towards) ** 24;
  for (let x = 0; x < SCENE_WIDTH; x++) {
    const offset = x - LAMP.x;
    const reach = (offset * EYE) / (EYE * across + offset * towards);
    const lit = reach > 0 && reach < BEAM_REACH ? (1 - reach / BEAM_REACH) ** 1.4 * 105 : 0;
    const width = Math.min(16, 3 + reach * 0.035 * (1 + 0.6 * towards));
    const halo = (26 + 150 * glare) * Math.exp(-Math.abs(offset) / (9 + 34 * glare));
    if (lit + halo < 1) continue;
    const haloWidth = 9 + 7 * glare;
    const band = Math.min(
      BEAM_BAND,
      Math.ceil(2.8 * Math.max(lit > 0 ? width : 0, halo > 1 ? haloWidth : 0)),
    );
    for (let dy = -band; dy <= band; dy++) {
      const light = lit * bell(dy / width) + halo * bell(dy / haloWidth);
      const at = (LAMP.y + dy) * SCENE_WIDTH + x;
      luma[at] = Math.min(235, (luma[at] ?? 0) + light);
    }
  }
}

/** The normal curve, 1 in the middle, looked up in steps of a 32nd. */
function bell(deviation: number): number {
  return BELL[Math.round(Math.abs(deviation) * 32)] ?? 0;
}
const BELL = Float64Array.from({ length: 32 * 4 }, (_, step) => Math.exp(-((step / 32) ** 2) / 2));

/** Short bright lines on the water that come and go. */
function drawGlints(luma: Uint8Array, phase: number): void {
  for (let glint = 0; glint < GLINTS; glint++) {
    const depth = grain(glint, 1);
    const y = HORIZON + 4 + Math.floor(depth * depth * (SCENE_HEIGHT - HORIZON - 26));
    const length = Math.floor(6 + 26 * depth * grain(glint, 2));
    const cycles = 2 + Math.floor(4 * grain(glint, 3));
    const light = Math.sin(2 * Math.PI * (phase * cycles + grain(glint, 4)));
    const drift = Math.round(5 * Math.sin(2 * Math.PI * (phase + grain(glint, 5))));
    const left = Math.floor(20 + grain(glint, 6) * (SCENE_WIDTH - 80)) + drift;
    if (light <= 0 || (left > 330 && y < 322)) continue;
    for (let x = left; x < left + length; x++) {
      const at = y * SCENE_WIDTH + x;
      luma[at] = Math.min(220, (luma[at] ?? 0) + light * 46);
    }
  }
}

/** A sailing boat that crosses from edge to edge once a loop. */
function drawBoat(luma: Uint8Array, phase: number): void {
  const middle = Math.round(-40 + phase * (SCENE_WIDTH + 80));
  const keel = 334 + Math.round(1.5 * Math.sin(2 * Math.PI * phase * 5));
  for (let line = 0; line < 34; line++) {
    const y = keel - 8 - 34 + line;
    const jib = Math.floor(line * 0.31);
    span(luma, [middle - 1, y, 2 * jib], 150 - line);
    span(luma, [middle - 3 - jib, y, jib], 118 - line);
  }
  for (let line = 0; line < 8; line++) span(luma, [middle - 22 + line, keel - 8 + line, 48 - 2 * line], 30);
}

function span(luma: Uint8Array, [left, y, length]: readonly [number, number, number], shade: number): void {
  const start = Math.max(0, left);
  const end = Math.min(SCENE_WIDTH, left + length);
  if (start < end) luma.fill(shade, y * SCENE_WIDTH + start, y * SCENE_WIDTH + end);
}
