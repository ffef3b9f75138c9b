/** Makes legal transport streams from a seed: H.264 and AAC in structure, noise in content. */
import { PCR_CYCLE } from '../../wire/clock.ts';
import {
  NULL_PID,
  PCR_HZ,
  TS_PACKET_BYTES,
  setContinuityAt,
  writeTs,
  type AdaptationField,
} from '../../wire/mpeg-ts.ts';
import { PTS_HZ, writePes } from '../../wire/pes.ts';
import { PAT_PID, SDT_PID } from '../../wire/psi.ts';
import { packetizeSection } from '../../wire/sections.ts';
import {
  AUDIO_STREAM,
  LEAD_TICKS,
  NO_FLAGS,
  PLAIN,
  VIDEO_STREAM,
  audioUnit,
  patOf,
  pidsOf,
  pmtOf,
  randomBytes,
  sdtOf,
  videoUnit,
} from './programme-parts.ts';

/** What kind of stream to make. */
export interface ProgrammeOptions {
  /** Same seed, same bytes. Default 1. */
  seed?: number;
  /** Media time that is multiplexed; default: endless (`programmePackets` only). What is begun is finished behind it. */
  durationMs?: number;
  /** Rate of the multiplex with `cbr`, most it takes without. Default 2 000 000. */
  bitsPerSecond?: number;
  /** Fill up with null packets to a constant rate. Default true. */
  cbr?: boolean;
  /** Default 40. */
  pcrIntervalMs?: number;
  /** False: no PCR at all. Default true. */
  pcr?: boolean;
  /** Programmes with a video, an audio track and a clock each. Default 1. */
  programmes?: number;
  /** First PCR, 27 MHz ticks; times of the media follow from it. Default 27 000 000. */
  startPcr?: number;
  /** Access units a second. Default 25. */
  frameRate?: number;
  /** Access units from one key frame to the next. Default 25. */
  gop?: number;
  /** Frames that are shown before one sent earlier, so that PTS and DTS differ. Default false. */
  bFrames?: boolean;
  /** Default true. */
  audio?: boolean;
  /** Service description table. Default true. */
  sdt?: boolean;
  /** Leave the PES length of video 0, as most encoders do. Default false. */
  unboundedVideo?: boolean;
}

const PSI_INTERVAL_MS = 100;
const AUDIO_FRAME_TICKS = (1024 * PTS_HZ) / 48_000;

/** The whole stream as one run of packets. */
export function programme(options: ProgrammeOptions & { durationMs: number }): Buffer {
  return Buffer.concat([...programmePackets(options)]);
}

/** The stream packet by packet; each packet is a buffer of its own. */
export function* programmePackets(options: ProgrammeOptions): Generator<Buffer> {
  const { durationMs = Infinity, bitsPerSecond = 2_000_000, cbr = true } = options;
  const mux = new Multiplexer(options);
  for (let slot = 0; ; slot++) {
    const atMs = (slot * TS_PACKET_BYTES * 8000) / bitsPerSecond;
    const packet = mux.next(atMs, atMs < durationMs);
    if (packet) yield packet;
    else if (atMs >= durationMs) return;
    else if (cbr) yield nullPacket();
  }
}

/** A stuffing packet. */
export function nullPacket(): Buffer {
  return writeTs({ ...PLAIN, pid: NULL_PID, continuityCounter: 0, payload: Buffer.alloc(184, 0xff) });
}

/** The stream as Blu-ray discs store it: four bytes of arrival time before each packet. */
export function to192(ts: Buffer): Buffer {
  return spread(ts, 4, 0);
}

/** The stream as satellite receivers store it: sixteen bytes of Reed–Solomon parity (here noise) behind each packet. */
export function to204(ts: Buffer): Buffer {
  return spread(ts, 0, 16);
}

function spread(ts: Buffer, before: number, behind: number): Buffer {
  const random = randomBytes(7);
  const parts: Buffer[] = [];
  for (let at = 0; at < ts.length; at += TS_PACKET_BYTES) {
    parts.push(random(before), ts.subarray(at, at + TS_PACKET_BYTES), random(behind));
  }
  return Buffer.concat(parts);
}

/** Packets that wait in one queue of the multiplexer. */
interface Track {
  pid: number;
  streamId: number;
  /** Rest of the PES packet that is being sent. */
  rest: Buffer;
  /** True until its first packet has left. */
  fresh: boolean;
  key: boolean;
  /** Access units made so far. */
  made: number;
  /** The next access unit as a PES packet, due at `dts`. */
  make: (index: number) => { pes: Buffer; key: boolean };
  /** 90 kHz ticks from the start to the decoding of access unit `index`. */
  dtsOf: (index: number) => number;
}

/** Decides what goes into each slot: tables, then clocks, then the medium that is needed first. */
class Multiplexer {
  readonly #options: ProgrammeOptions;
  readonly #startPcr: number;
  readonly #counters = new Map<number, number>();
  readonly #tracks: Track[] = [];
  readonly #tables: { pid: number; section: Buffer }[];
  readonly #waiting: Buffer[] = [];
  #psiDueMs = 0;
  readonly #pcrDueMs: number[];

  constructor(options: ProgrammeOptions) {
    const { programmes = 1, startPcr = PCR_HZ, pcr = true, audio = true, sdt = true } = options;
    this.#options = options;
    this.#startPcr = startPcr;
    const numbers = Array.from({ length: programmes }, (_, index) => index);
    this.#pcrDueMs = numbers.map(() => (pcr ? 0 : Infinity));
    this.#tables = [
      { pid: PAT_PID, section: patOf(programmes) },
      ...numbers.map((index) => ({ pid: pidsOf(index).pmt, section: pmtOf(index, { pcr, audio }) })),
      ...(sdt ? [{ pid: SDT_PID, section: sdtOf(programmes) }] : []),
    ];
    for (const index of numbers) {
      this.#tracks.push(this.#videoTrack(index));
      if (audio) this.#tracks.push(this.#audioTrack(index));
    }
  }

  /** The packet for the slot at `atMs`; `undefined` when nothing waits. @param feeding access units still come */
  next(atMs: number, feeding: boolean): Buffer | undefined {
    if (atMs >= this.#psiDueMs && feeding) {
      this.#psiDueMs += PSI_INTERVAL_MS;
      for (const { pid, section } of this.#tables) {
        const packets = packetizeSection(section, pid, this.#counters.get(pid) ?? 0);
        for (const packet of packets) this.#step(pid, packet);
        this.#waiting.push(...packets);
      }
    }
    const table = this.#waiting.shift();
    if (table) return table;
    for (const track of this.#tracks) if (feeding) this.#refill(track, atMs);
    const track = this.#neededFirst();
    return this.#clockOnly(atMs, feeding, track) ?? (track ? this.#send(track, atMs) : undefined);
  }

  #refill(track: Track, atMs: number): void {
    if (track.rest.length > 0 || (track.dtsOf(track.made) / PTS_HZ) * 1000 > atMs) return;
    const { pes, key } = track.make(track.made);
    track.made++;
    track.rest = pes;
    track.key = key;
    track.fresh = true;
  }

  #neededFirst(): Track | undefined {
    let first: Track | undefined;
    for (const track of this.#tracks) {
      if (track.rest.length === 0) continue;
      if (!first || track.dtsOf(track.made) < first.dtsOf(first.made)) first = track;
    }
    return first;
  }

  /** A packet that carries a clock and nothing else, when one is due and its video is not next. */
  #clockOnly(atMs: number, feeding: boolean, next: Track | undefined): Buffer | undefined {
    const index = this.#pcrDueMs.findIndex((dueMs) => atMs >= dueMs);
    const { video: pid } = pidsOf(index);
    if (index === -1 || !feeding || next?.pid === pid) return undefined;
    const adaptationField = { ...NO_FLAGS, pcr: this.#clock(index, atMs) };
    return writeTs({
      ...PLAIN,
      pid,
      continuityCounter: ((this.#counters.get(pid) ?? 0) + 15) & 15,
      adaptationField,
    });
  }

  #send(track: Track, atMs: number): Buffer {
    const index = this.#pcrDueMs.findIndex((dueMs, at) => pidsOf(at).video === track.pid && atMs >= dueMs);
    const field: AdaptationField = { ...NO_FLAGS, randomAccess: track.fresh && track.key };
    if (index !== -1) field.pcr = this.#clock(index, atMs);
    const room = 184 - (field.pcr !== undefined ? 8 : field.randomAccess ? 2 : 0);
    const payload = track.rest.subarray(0, room);
    const packet = { ...PLAIN, pid: track.pid, payloadUnitStart: track.fresh, payload };
    track.rest = track.rest.subarray(payload.length);
    track.fresh = false;
    return this.#step(track.pid, writeTs(room < 184 ? { ...packet, adaptationField: field } : packet));
  }

  /** Gives a packet with payload the next counter of its PID. */
  #step(pid: number, packet: Buffer): Buffer {
    const counter = this.#counters.get(pid) ?? 0;
    setContinuityAt(packet, 0, counter);
    this.#counters.set(pid, (counter + 1) & 0x0f);
    return packet;
  }

  /** The PCR of a slot. The next one is due an interval later. */
  #clock(index: number, atMs: number): number {
    this.#pcrDueMs[index] = atMs + (this.#options.pcrIntervalMs ?? 40);
    return (this.#startPcr + Math.round((atMs * PCR_HZ) / 1000)) % PCR_CYCLE;
  }

  #videoTrack(index: number): Track {
    const { seed = 1, frameRate = 25, gop = 25, bFrames = false, unboundedVideo = false } = this.#options;
    const { bitsPerSecond = 2_000_000, programmes = 1 } = this.#options;
    const random = randomBytes(seed * 64 + index);
    const period = PTS_HZ / frameRate;
    const bytes = (bitsPerSecond * 0.7) / programmes / 8 / frameRate;
    // A key frame is worth four others.
    const otherBytes = (bytes * gop) / (gop + 3);
    const make = (unit: number): { pes: Buffer; key: boolean } => {
      const key = unit % gop === 0;
      const most = Math.floor(otherBytes * (key ? 4 : 1) * (0.7 + (random(1)[0]! / 255) * 0.3));
      const dts = this.#mediaStart() + Math.round(unit * period);
      const pts = dts + Math.round(bFrames ? shownAfter(unit % gop, gop) * period : 0);
      const times = pts === dts ? { pts } : { pts, dts };
      const options = { streamId: VIDEO_STREAM, ...times, dataAlignment: true, unbounded: unboundedVideo };
      return { pes: writePes(options, videoUnit(key, most, random)), key };
    };
    return {
      ...IDLE,
      pid: pidsOf(index).video,
      streamId: VIDEO_STREAM,
      make,
      dtsOf: (unit) => unit * period,
    };
  }

  #audioTrack(index: number): Track {
    const { seed = 1, bitsPerSecond = 2_000_000, programmes = 1 } = this.#options;
    const random = randomBytes(seed * 64 + 32 + index);
    const bitRate = Math.min(128_000, (bitsPerSecond * 0.1) / programmes);
    const bytes = Math.max(16, Math.floor((bitRate * 1024) / 48_000 / 8));
    const make = (unit: number): { pes: Buffer; key: boolean } => {
      const pts = this.#mediaStart() + unit * AUDIO_FRAME_TICKS;
      const options = { streamId: AUDIO_STREAM, pts, dataAlignment: true };
      return { pes: writePes(options, audioUnit(bytes, random)), key: true };
    };
    const dtsOf = (unit: number): number => unit * AUDIO_FRAME_TICKS;
    return { ...IDLE, pid: pidsOf(index).audio, streamId: AUDIO_STREAM, make, dtsOf };
  }

  #mediaStart(): number {
    return Math.floor(this.#startPcr / 300) + LEAD_TICKS;
  }
}

const IDLE = { rest: Buffer.alloc(0), fresh: false, key: false, made: 0 };

/** Frames between decoding and showing of frame `unit` of a group sent as I P b P b …, each b shown before the P it follows. */
function shownAfter(unit: number, gop: number): number {
  if (unit === 0 || (unit === gop - 1 && unit % 2 === 1)) return 1;
  return unit % 2 === 1 ? 2 : 0;
}
