/** The parts that generated transport streams are made of: tables, access units, noise. */
import { NULL_PID, type AdaptationField } from '../../wire/mpeg-ts.ts';
import { PTS_HZ } from '../../wire/pes.ts';
import { writePat, writePmt, writeSdt } from '../../wire/psi.ts';

/** PIDs of programme `index`, counted from 0. Its number is `index + 1`. */
export function pidsOf(index: number): { pmt: number; video: number; audio: number } {
  return { pmt: 0x1000 + index, video: 0x100 + 16 * index, audio: 0x101 + 16 * index };
}

/** Media is sent this long before its decoding time. */
export const LEAD_TICKS = 0.4 * PTS_HZ;
export const VIDEO_STREAM = 0xe0;
export const AUDIO_STREAM = 0xc0;
export const NO_FLAGS: AdaptationField = { discontinuity: false, randomAccess: false, priority: false };
export const PLAIN = {
  transportError: false,
  payloadUnitStart: false,
  priority: false,
  scrambling: 0,
  continuityCounter: 0,
};
const SOLE = { version: 0, current: true, sectionNumber: 0, lastSectionNumber: 0 };

const START_CODE = Buffer.of(0, 0, 0, 1);
const AUD = Buffer.of(9, 0xf0);
/** Baseline, 320 × 240. */
const SPS = Buffer.from('6742c01eda0507e4', 'hex');
const PPS = Buffer.from('68ce3880', 'hex');
/** First bytes of a slice that begins a picture. */
const IDR_SLICE = Buffer.from('658884', 'hex');
const P_SLICE = Buffer.from('419a24', 'hex');

/** An H.264 access unit of about `bytes`: delimiter, parameter sets before a key frame, one slice. */
export function videoUnit(key: boolean, bytes: number, random: (count: number) => Buffer): Buffer {
  const sets = key ? [START_CODE, SPS, START_CODE, PPS] : [];
  const front = Buffer.concat([START_CODE, AUD, ...sets, START_CODE, key ? IDR_SLICE : P_SLICE]);
  return Buffer.concat([front, random(Math.max(8, bytes - front.length))]);
}

/** An ADTS frame: AAC-LC, 48 kHz, stereo. */
export function audioUnit(bytes: number, random: (count: number) => Buffer): Buffer {
  const header = Buffer.of(
    0xff,
    0xf1,
    0x4c,
    0x80 | (bytes >> 11),
    (bytes >> 3) & 0xff,
    ((bytes & 7) << 5) | 0x1f,
    0xfc,
  );
  return Buffer.concat([header, random(bytes - header.length)]);
}

/** A source of noise without zeros, so that no start code is in it. */
export function randomBytes(seed: number): (count: number) => Buffer {
  const next = randomIntegers(seed);
  return (count) => {
    const bytes = Buffer.allocUnsafe(count);
    // A run from a random place of the noise, as often as it takes.
    for (let at = 0; at < count;) at += NOISE.copy(bytes, at, next() % (NOISE.length - 1));
    return bytes;
  };
}

/** Unsigned 32-bit integers from a seed (mulberry32). */
function randomIntegers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

const noiseBytes = randomIntegers(188);
const NOISE = Buffer.from(Array.from({ length: 65_536 }, () => 1 + (noiseBytes() % 255)));

export function patOf(programmes: number): Buffer {
  const list = Array.from({ length: programmes }, (_, index) => ({
    number: index + 1,
    pmtPid: pidsOf(index).pmt,
  }));
  return writePat({ ...SOLE, transportStreamId: 1, programmes: list });
}

export function pmtOf(index: number, { pcr, audio }: { pcr: boolean; audio: boolean }): Buffer {
  const pids = pidsOf(index);
  const language = { tag: 0x0a, body: Buffer.from('eng\0') };
  const streams = [{ streamType: 0x1b, pid: pids.video, descriptors: [] }];
  const tracks = audio
    ? [...streams, { streamType: 0x0f, pid: pids.audio, descriptors: [language] }]
    : streams;
  return writePmt({
    ...SOLE,
    programmeNumber: index + 1,
    pcrPid: pcr ? pids.video : NULL_PID,
    descriptors: [],
    streams: tracks,
  });
}

export function sdtOf(programmes: number): Buffer {
  const services = Array.from({ length: programmes }, (_, index) => ({
    id: index + 1,
    provider: 'lancast',
    name: `Programme ${index + 1}`,
  }));
  return writeSdt({ ...SOLE, transportStreamId: 1, originalNetworkId: 1, services });
}
