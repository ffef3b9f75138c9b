/**
 * What stands still in the test picture: a lighthouse at dusk. Painted once, in RGB, and handed out as I420 planes.
 */

export const SCENE_WIDTH = 640;
export const SCENE_HEIGHT = 360;
/** Where the sea begins, pixels from the top. */
export const HORIZON = 236;
/** The middle of the lamp. */
export const LAMP = { x: 496, y: 106 } as const;

type Colour = readonly [red: number, green: number, blue: number];

/** Stops of the sky from the zenith to the horizon, and of the sea from there to the lower edge. */
const SKY: readonly Colour[] = [
  [13, 20, 52],
  [38, 36, 88],
  [98, 62, 120],
  [206, 112, 108],
  [250, 178, 118],
];
const SEA: readonly Colour[] = [
  [150, 98, 108],
  [58, 52, 92],
  [26, 32, 66],
  [12, 18, 42],
];
const SUN = { x: 168, y: HORIZON, radius: 26 } as const;
const CLIFF: Colour = [16, 18, 34];
const TOWER: Colour = [232, 228, 222];
const STRIPE: Colour = [176, 52, 56];
const GALLERY: Colour = [30, 30, 44];
const LAMP_GLASS: Colour = [255, 236, 170];

/** The picture without anything that moves, as Y, U and V planes one after the other (4:2:0, video range). */
export function paintScene(): Buffer {
  const rgb = new Float32Array(SCENE_WIDTH * SCENE_HEIGHT * 3);
  for (let y = 0; y < SCENE_HEIGHT; y++) {
    for (let x = 0; x < SCENE_WIDTH; x++) {
      const colour = land(x, y) ?? (y < HORIZON ? sky(x, y) : sea(x, y));
      rgb.set(colour, (y * SCENE_WIDTH + x) * 3);
    }
  }
  return toI420(rgb);
}

function sky(x: number, y: number): Colour {
  const distance = Math.hypot(x - SUN.x, (y - SUN.y) * 1.15);
  if (distance < SUN.radius) return [255, 226, 168];
  const glow = Math.exp(-(distance - SUN.radius) / 95) * 0.75;
  const star = y < 150 && grain(x, y) > 0.9988 ? (1 - y / 150) * 130 * grain(y, x) : 0;
  return mix(gradient(SKY, y / HORIZON), [255, 190, 120], glow, star);
}

function sea(x: number, y: number): Colour {
  const depth = (y - HORIZON) / (SCENE_HEIGHT - HORIZON);
  const wave = Math.sin(y * 1.9 + Math.sin(x * 0.021 + y) * 1.6) * (2 + depth * 5);
  const path = Math.exp(-((x - SUN.x) ** 2) / (2 * (22 + depth * 90) ** 2)) * (1 - depth) * 0.6;
  return mix(gradient(SEA, depth), [255, 186, 120], path, wave);
}

/** The cliff and the tower on it; `undefined` where sky and sea are seen. */
function land(x: number, y: number): Colour | undefined {
  const tower = lighthouse(x - LAMP.x, y - LAMP.y);
  if (tower) return tower;
  if (x < 352 || y > 318) return undefined;
  const rise = 1 - Math.exp(-(x - 352) / 58);
  const crest = 318 - rise * 100 - 5 * Math.sin(x * 0.09) * rise - 3 * Math.sin(x * 0.31) * rise;
  return y > crest ? mix(CLIFF, [70, 50, 74], Math.max(0, 1 - (y - crest) / 26) * 0.35, 0) : undefined;
}

/** The tower, by the distance from the lamp's middle. */
function lighthouse(x: number, y: number): Colour | undefined {
  const fromAxis = Math.abs(x);
  if (y < -10) return y > -24 && fromAxis < (y + 24) * 0.95 ? STRIPE : undefined;
  if (y < 10) return fromAxis < 10 ? (fromAxis > 8 || fromAxis < 1 ? GALLERY : LAMP_GLASS) : undefined;
  if (y < 15) return fromAxis < 17 ? GALLERY : undefined;
  if (y > 124 || fromAxis > 11 + y * 0.075) return undefined;
  const shadow = 1 - 0.45 * ((x + 14) / 40);
  const [red, green, blue] = Math.floor((y - 15) / 22) % 2 === 0 ? TOWER : STRIPE;
  return [red * shadow, green * shadow, blue * shadow];
}

function gradient(stops: readonly Colour[], position: number): Colour {
  const at = Math.min(0.9999, Math.max(0, position)) * (stops.length - 1);
  const low = stops[Math.floor(at)] ?? CLIFF;
  const high = stops[Math.floor(at) + 1] ?? low;
  return mix(low, high, at % 1, 0);
}

function mix(base: Colour, other: Colour, share: number, lift: number): Colour {
  return [
    base[0] + (other[0] - base[0]) * share + lift,
    base[1] + (other[1] - base[1]) * share + lift,
    base[2] + (other[2] - base[2]) * share + lift,
  ];
}

/** A fixed noise of place, 0 to 1. */
export function grain(x: number, y: number): number {
  const wave = Math.sin(x * 12.9898 + y * 78.233) * 43758.5453;
  return wave - Math.floor(wave);
}

/** ITU-R BT.601, video range; the luma is dithered so that the sky shows no bands. */
function toI420(rgb: Float32Array): Buffer {
  const pixels = SCENE_WIDTH * SCENE_HEIGHT;
  const planes = Buffer.alloc((pixels * 3) / 2);
  for (let at = 0; at < pixels; at++) {
    const [red, green, blue] = clamped(rgb, at);
    const luma = 16 + 0.257 * red + 0.504 * green + 0.098 * blue;
    planes[at] = Math.floor(luma + grain(at % SCENE_WIDTH, Math.floor(at / SCENE_WIDTH)));
  }
  for (let at = 0; at < pixels / 4; at++) {
    const halfWidth = SCENE_WIDTH / 2;
    const corner = Math.floor(at / halfWidth) * 2 * SCENE_WIDTH + (at % halfWidth) * 2;
    const [red, green, blue] = clamped(rgb, corner);
    planes[pixels + at] = Math.round(128 - 0.148 * red - 0.291 * green + 0.439 * blue);
    planes[(pixels * 5) / 4 + at] = Math.round(128 + 0.439 * red - 0.368 * green - 0.071 * blue);
  }
  return planes;
}

function clamped(rgb: Float32Array, pixel: number): Colour {
  const channel = (offset: number): number => Math.min(255, Math.max(0, rgb[pixel * 3 + offset] ?? 0));
  return [channel(0), channel(1), channel(2)];
}
