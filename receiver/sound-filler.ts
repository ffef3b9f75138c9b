/**
 * Keeps the sound of one PID whole frame by whole frame: what was cut is left out, and stand-ins take the time of what is missing, so
 * that decoders fade over the hole and sound stays with the picture. Part of `concealment.ts`.
 *
 * Frames that go on from one PES packet into the next are joined here, where it is known what belongs together. Codecs whose frames
 * are not known here lose the whole PES packet, and nothing takes its place.
 */
import { ADTS } from '../codecs/adts.ts';
import { MPEG_AUDIO } from '../codecs/mpeg-audio.ts';
import { OPUS } from '../codecs/opus-in-ts.ts';
import { splitFrames, type SoundFrames, type SoundFraming } from '../codecs/sound-framing.ts';
import { ClockUnwrapper, PTS_CYCLE } from '../wire/clock.ts';
import type { ElementaryStream } from '../wire/metrics.ts';
import { TS_PACKET_BYTES, unitStartAt } from '../wire/mpeg-ts.ts';
import { PTS_HZ, writePes, type PesHeader } from '../wire/pes.ts';
import { HeldPes } from './held-pes.ts';
import type { PacketOutput } from './packet-output.ts';

/** More than a PES packet with a length can take. */
const MOST_SOUND_BYTES = 256 * 1024;
/** What a stand-in is made after lies within so many bytes of a frame. */
const FRAME_HEAD_BYTES = 16;
/** A longer hole is none that anybody wants to wait through: the clock has jumped. */
const LONGEST_FILL_TICKS = 10 * PTS_HZ;
/** By codec, as `codec-names` has it. */
const FRAMINGS: Readonly<Record<string, SoundFraming>> = { AAC: ADTS, Opus: OPUS, 'MPEG audio': MPEG_AUDIO };
const NOTHING = Buffer.alloc(0);

/** The sound of one PID. */
export class SoundFiller {
  /** `gaps` counts the holes that were filled, `filledMs` is how long they are. */
  readonly stats = { gaps: 0, filledMs: 0 };

  readonly #stream: ElementaryStream;
  readonly #out: PacketOutput;
  readonly #framing: SoundFraming | undefined;
  readonly #held = new HeldPes(MOST_SOUND_BYTES);
  readonly #clock = new ClockUnwrapper(PTS_CYCLE);
  /** The beginning of a frame that ends in the next PES packet. */
  #cut: Buffer = NOTHING;
  /** When the next frame is due, 90 kHz ticks; `undefined` while not known. */
  #nextTicks: number | undefined;
  /** The beginning of the last frame. */
  #last: Buffer = NOTHING;
  #missing = false;

  constructor(stream: ElementaryStream, out: PacketOutput) {
    this.#stream = stream;
    this.#out = out;
    this.#framing = FRAMINGS[stream.codec];
  }

  /** Takes the packet at `at`, which follows the last one. */
  take(bytes: Buffer, at: number): void {
    if (unitStartAt(bytes, at)) this.finish();
    else if (this.#held.empty) return this.#out.clock(bytes, at);
    if (!this.#held.add(bytes, at)) return this.cut();
    if (this.#held.complete) this.finish();
  }

  /** Packets are missing here. */
  cut(): void {
    if (!this.#held.empty) this.#handOn(true);
    this.#held.clear();
    this.#cut = NOTHING;
    this.#missing = true;
  }

  /** Nothing more comes for the PES packet that is held. */
  finish(): void {
    if (!this.#held.empty) this.#handOn(false);
    this.#held.clear();
  }

  #handOn(damaged: boolean): void {
    const header = this.#held.header();
    if (this.#framing === undefined || header === undefined) return this.#passWhole(damaged);
    const carried = this.#carried(header);
    const joined = this.#cut.length > 0 ? Buffer.concat([this.#cut, carried]) : carried;
    const frames = splitFrames(joined, this.#framing);
    if (frames.last === undefined && frames.from > 0) {
      // Nothing in it looks like a frame: it is not what the tables say, so it is left alone.
      this.#cut = NOTHING;
      return this.#passWhole(damaged);
    }
    const pts = this.#startOf(header);
    if (frames.last !== undefined) this.#fill(pts, this.#framing, header);
    const asItCame = !damaged && joined === carried && frames.from === 0 && frames.to === joined.length;
    if (asItCame) this.#passWhole(false);
    else this.#writeAnew(header, pts, joined.subarray(frames.from, frames.to));
    this.#remember(frames, pts);
    this.#cut = damaged ? NOTHING : Buffer.from(joined.subarray(frames.to));
  }

  /** When the first frame is due: what is left of the PES packet before begins before this one says. */
  #startOf({ pts }: PesHeader): number | undefined {
    const told = pts === undefined ? this.#nextTicks : this.#clock.unwrap(pts);
    return this.#cut.length > 0 ? (this.#nextTicks ?? told) : told;
  }

  /** The elementary stream of what is held. */
  #carried({ headerBytes, packetLength }: PesHeader): Buffer {
    const payload = this.#held.payload();
    return payload.subarray(headerBytes, packetLength > 0 ? 6 + packetLength : payload.length);
  }

  #passWhole(damaged: boolean): void {
    const { packets } = this.#held;
    for (let at = 0; at < packets.length; at += TS_PACKET_BYTES) {
      if (damaged) this.#out.clock(packets, at);
      else this.#out.follow(packets, at);
    }
  }

  #writeAnew({ streamId }: PesHeader, pts: number | undefined, frames: Buffer): void {
    const { packets } = this.#held;
    for (let at = 0; at < packets.length; at += TS_PACKET_BYTES) this.#out.clock(packets, at);
    if (frames.length === 0) return;
    this.#out.pes(this.#stream.pid, writePes({ streamId, ...(pts === undefined ? {} : { pts }) }, frames));
  }

  /** Puts stand-ins between the frame that was due and the one at `pts`. */
  #fill(pts: number | undefined, framing: SoundFraming, { streamId }: PesHeader): void {
    const missing = this.#missing;
    this.#missing = false;
    if (!missing || pts === undefined || this.#nextTicks === undefined) return;
    const standIn = framing.standIn(this.#last);
    const holeTicks = pts - this.#nextTicks;
    if (standIn === undefined || holeTicks > LONGEST_FILL_TICKS) return;
    const count = Math.round(holeTicks / standIn.durationTicks);
    if (count < 1) return;
    const frames = Buffer.concat(Array<Buffer>(count).fill(standIn.bytes));
    this.#out.pes(this.#stream.pid, writePes({ streamId, pts: this.#nextTicks }, frames));
    this.stats.gaps++;
    this.stats.filledMs += (count * standIn.durationTicks * 1000) / PTS_HZ;
  }

  #remember({ last, durationTicks }: SoundFrames, pts: number | undefined): void {
    if (last === undefined) return;
    this.#last = Buffer.from(last.subarray(0, FRAME_HEAD_BYTES));
    this.#nextTicks = pts === undefined ? undefined : pts + durationTicks;
  }
}
