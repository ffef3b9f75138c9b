/**
 * The sound of the test picture: a struck bell at every beep, its first sample at the first sample of the numbered frame.
 *
 * Lip-sync is measured from that pair, so the attack is immediate; the notes of a scale make it bearable for hours.
 */

export const TONE_SAMPLE_RATE_HZ = 48_000;
/** Samples that sound while one frame of 40 ms is seen. */
export const TONE_SAMPLES_PER_FRAME = 1920;

/** The notes in turn, in hertz: a pentatonic scale, up and down. */
const MELODY_HZ = [880, 1046.5, 1174.66, 1318.51, 1568, 1318.51, 1174.66, 1046.5];
/** Partials of a bell: multiple of the note, loudness, and how fast it fades (per second). */
const PARTIALS: readonly (readonly [multiple: number, loudness: number, decay: number])[] = [
  [1, 0.26, 5],
  [2.76, 0.09, 9],
  [5.4, 0.03, 16],
];

/** Makes the sound frame by frame: one channel of signed 16-bit little-endian samples. */
export class TestTone {
  readonly #beepFrames: number;
  readonly #bells: readonly Buffer[];

  /** @param beepFrames a beep begins with every frame whose number is a multiple of this */
  constructor(beepFrames: number) {
    this.#beepFrames = beepFrames;
    this.#bells = MELODY_HZ.map((hertz) => strike(hertz, beepFrames * TONE_SAMPLES_PER_FRAME));
  }

  /** What sounds while `frame` is seen: a view, not to be written to. */
  block(frame: number): Buffer {
    const bell = this.#bells[Math.floor(frame / this.#beepFrames) % this.#bells.length];
    const bytes = TONE_SAMPLES_PER_FRAME * 2;
    const start = (frame % this.#beepFrames) * bytes;
    return bell?.subarray(start, start + bytes) ?? Buffer.alloc(bytes);
  }
}

/** One stroke of `samples` samples, silent at its end. */
function strike(hertz: number, samples: number): Buffer {
  const sound = Buffer.alloc(samples * 2);
  for (let sample = 0; sample < samples; sample++) {
    const seconds = sample / TONE_SAMPLE_RATE_HZ;
    let level = 0;
    for (const [multiple, loudness, decay] of PARTIALS)
      level += loudness * Math.cos(2 * Math.PI * hertz * multiple * seconds) * Math.exp(-decay * seconds);
    const ending = Math.min(1, (samples - sample) / (0.05 * TONE_SAMPLE_RATE_HZ));
    sound.writeInt16LE(Math.round(level * ending * 32767), sample * 2);
  }
  return sound;
}
