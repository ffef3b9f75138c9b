/** The films that are sent: generated, of a constant bit rate, the same for every program of a run. */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, linkSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { PCR_CYCLE } from '../../wire/clock.ts';
import { PCR_HZ, TS_PACKET_BYTES, pcrAt, setPcrAt } from '../../wire/mpeg-ts.ts';
import { programme } from '../helpers/programme.ts';
import { pidsOf } from '../helpers/programme-parts.ts';
import { FILM_SECONDS, PAYLOAD_BYTES } from './bench.ts';
import { isInstalled } from './programs.ts';

/** Rate of the channels that are sent many at a time. */
export const CHANNEL_BITS_PER_SECOND = 8_000_000;
/** Rate and length of the large film. */
export const FAST_BITS_PER_SECOND = 1_000_000_000;
export const FAST_SECONDS = 8;
const FAST_PIECE_MS = 400;
const FAST_PIECES = (FAST_SECONDS * 1000) / FAST_PIECE_MS;
const FAST_PIECE_DATAGRAMS = Math.floor((FAST_BITS_PER_SECOND * FAST_PIECE_MS) / 8000 / PAYLOAD_BYTES);
/** Datagrams of the large film. */
export const FAST_DATAGRAMS = FAST_PIECES * FAST_PIECE_DATAGRAMS;

/** The ports of so many channels from 5004 on, as lancast counts them: in steps of ten, without telephony's 5054. */
export function channelPorts(count: number): number[] {
  return Array.from({ length: count + 1 }, (_, index) => 5004 + 10 * index)
    .filter((port) => port !== 5054)
    .slice(0, count);
}

/** Makes each film once. All are whole datagrams long, so that every program sends all of it. */
export class Films {
  readonly #folder: string;
  readonly #memory: string;

  /** @param memory a folder for the film of 1 GB */
  constructor(folder: string, memory: string) {
    this.#folder = folder;
    this.#memory = memory;
  }

  /** One programme of 20 Mbit/s. */
  get programme(): string {
    return this.#once(path.join(this.#folder, 'film.ts'), (file) =>
      writeFileSync(file, generate(20_000_000, FILM_SECONDS * 1000)),
    );
  }

  /** One channel of 8 Mbit/s. */
  channel(seconds = FILM_SECONDS): string {
    return this.#once(path.join(this.#folder, `channel-${seconds}s.ts`), (file) =>
      writeFileSync(file, generate(CHANNEL_BITS_PER_SECOND, seconds * 1000)),
    );
  }

  /** A folder with that channel `count` times, each under a name of its own. */
  channels(count: number, seconds = FILM_SECONDS): string {
    const folder = path.join(this.#folder, `channels-${count}-${seconds}s`);
    if (existsSync(folder)) return folder;
    const film = this.channel(seconds);
    mkdirSync(folder);
    for (let index = 1; index <= count; index++) {
      linkSync(film, path.join(folder, `channel-${String(index).padStart(3, '0')}.ts`));
    }
    return folder;
  }

  /** One programme of 1 Gbit/s, 1 GB: one piece again and again, its clock going on. */
  get fast(): string {
    return this.#once(path.join(this.#memory, 'fast.ts'), writeFast);
  }

  /** The same with an index for multicat that calls for everything at once. */
  get flatOut(): string {
    const { fast } = this;
    const file = path.join(this.#memory, 'flat-out.ts');
    if (existsSync(file)) return file;
    linkSync(fast, file);
    writeFileSync(path.join(this.#memory, 'flat-out.aux'), Buffer.alloc(8 * FAST_DATAGRAMS));
    return file;
  }

  #once(file: string, make: (file: string) => void): string {
    if (existsSync(file)) return file;
    make(file);
    // The index of times that multicat wants beside a file.
    if (isInstalled('ingests'))
      execFileSync('ingests', ['-p', String(pidsOf(0).video), file], { stdio: 'ignore' });
    return file;
  }
}

/** Without sound: ffmpeg does not take noise for AAC, and would refuse the film. */
function generate(bitsPerSecond: number, durationMs: number): Buffer {
  const film = programme({
    durationMs,
    bitsPerSecond,
    pcrIntervalMs: 30,
    audio: false,
    unboundedVideo: true,
  });
  return film.subarray(0, film.length - (film.length % PAYLOAD_BYTES));
}

function writeFast(file: string): void {
  const piece = generate(FAST_BITS_PER_SECOND, FAST_PIECE_MS).subarray(
    0,
    FAST_PIECE_DATAGRAMS * PAYLOAD_BYTES,
  );
  const clocks = clocksOf(piece);
  const pieceTicks = (piece.length * 8 * PCR_HZ) / FAST_BITS_PER_SECOND;
  const out = openSync(file, 'w');
  for (let index = 0; index < FAST_PIECES; index++) {
    for (const { at, pcr } of clocks) setPcrAt(piece, at, (pcr + Math.round(index * pieceTicks)) % PCR_CYCLE);
    writeSync(out, piece);
  }
  closeSync(out);
}

function clocksOf(film: Buffer): { at: number; pcr: number }[] {
  const clocks: { at: number; pcr: number }[] = [];
  for (let at = 0; at < film.length; at += TS_PACKET_BYTES) {
    const pcr = pcrAt(film, at);
    if (pcr !== undefined) clocks.push({ at, pcr });
  }
  return clocks;
}
