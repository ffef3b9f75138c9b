/**
 * Keeps the pictures of one PID clean: what was damaged, and all that may refer to it, is replaced by repetitions of the last good
 * picture until the next whole key frame. Part of `concealment.ts`.
 *
 * Players that get nothing run dry and stop the sound as well, so repetitions come at the pace of the pictures they replace. They can
 * be made of H.264 alone; of other codecs the pictures are left out.
 */
import { H264Repeater } from '../codecs/h264-repeat.ts';
import { ClockUnwrapper, PTS_CYCLE, cycleDistance } from '../wire/clock.ts';
import type { ElementaryStream } from '../wire/metrics.ts';
import { TS_PACKET_BYTES, unitStartAt } from '../wire/mpeg-ts.ts';
import { writePes, type PesHeader } from '../wire/pes.ts';
import type { ProgrammeTable } from '../wire/programme-table.ts';
import { HeldPes } from './held-pes.ts';
import { startsKeyFrame } from './key-frame.ts';
import type { PacketOutput } from './packet-output.ts';

/** A picture that stands still. */
export interface Freeze {
  /** Since when, monotonic milliseconds. */
  since: number;
  /** Datagrams lost from where it began on; 0 when the hole was in the stream already. */
  lostDatagrams: number;
}

/** Where the pictures of a PID come from and go to. */
export interface PictureOptions {
  stream: ElementaryStream;
  /** The tables that name it. */
  table: ProgrammeTable;
  out: PacketOutput;
}

/** More than any picture that is broadcast. */
const MOST_PICTURE_BYTES = 8 * 2 ** 20;
/** Delimiters, parameter sets, messages and the beginning of the first slice are within so many bytes. */
const HEAD_BYTES = 4096;
/** A stream that shows no key frame for so long has none: encoders make one in 250 pictures at least. */
const LONGEST_FREEZE_MS = 12_000;

/** Demuxers count in milliseconds. */
const TICKS_PER_MS = 90;

/** When a picture is shown and decoded, 90 kHz ticks, unwrapped. */
interface Times {
  pts: number;
  dts: number;
}

/** The pictures of one PID. */
export class PictureFreezer {
  /** `freezes` counts them, `frozenMs` is how long those took that are over. */
  readonly stats = { freezes: 0, frozenMs: 0 };

  readonly #stream: ElementaryStream;
  readonly #table: ProgrammeTable;
  readonly #out: PacketOutput;
  readonly #held = new HeldPes(MOST_PICTURE_BYTES);
  readonly #repeater: H264Repeater | undefined;
  readonly #clock = new ClockUnwrapper(PTS_CYCLE);
  /** What is held begins with a key frame. */
  #key = false;
  /** A key frame came, so that it makes sense to wait for the next one. */
  #hasKeys = false;
  #freeze: Freeze | undefined;
  /** Datagrams lost just now, perhaps of another PID. */
  #lostLately = 0;
  /** From decoding to showing a picture that no other is shown before. */
  #delayTicks = 0;
  /** When the last picture that left is decoded. */
  #decodedTicks: number | undefined;
  /** When the last of them is shown. */
  #shownTicks = -Infinity;
  /** Pictures that are to be shown before this refer to some from before the freeze. */
  #leadingBefore = -Infinity;

  constructor({ stream, table, out }: PictureOptions) {
    this.#stream = stream;
    this.#table = table;
    this.#out = out;
    this.#repeater = stream.codec === 'H.264' ? new H264Repeater() : undefined;
  }

  /** Why the picture stands still; `undefined` while it does not. */
  get freeze(): Freeze | undefined {
    return this.#freeze;
  }

  /** Datagrams were lost; whether they held pictures shows later. */
  lost(datagrams: number): void {
    if (this.#freeze) this.#freeze.lostDatagrams += datagrams;
    else this.#lostLately += datagrams;
  }

  /** Takes the packet at `at`, which follows the last one. */
  take(bytes: Buffer, at: number, now: number): void {
    this.#lostLately = 0;
    if (unitStartAt(bytes, at)) {
      this.finish(now);
      this.#key = startsKeyFrame(this.#table, bytes, at);
    } else if (this.#held.empty) return this.#out.clock(bytes, at);
    if (!this.#held.add(bytes, at)) return this.cut(now);
    if (this.#held.complete) this.finish(now);
  }

  /** Packets are missing here. */
  cut(now: number): void {
    if (this.#hasKeys && !this.#freeze) {
      this.#freeze = { since: now, lostDatagrams: this.#lostLately };
      this.stats.freezes++;
    }
    this.#lostLately = 0;
    if (!this.#held.empty) this.#replace();
    this.#held.clear();
  }

  /** Nothing more comes for the picture that is held. */
  finish(now: number): void {
    if (this.#held.empty) return;
    const times = this.#timesOf(this.#held.header());
    if (this.#freeze) this.#thaw(this.#freeze, times, now);
    if (this.#freeze || (times && times.pts < this.#leadingBefore)) this.#replace();
    else this.#show(times);
    this.#held.clear();
  }

  /** Ends the freeze when what is held is a key frame, or when there seem to be none. */
  #thaw({ since }: Freeze, times: Times | undefined, now: number): void {
    const tooLong = now - since >= LONGEST_FREEZE_MS;
    if (!this.#key && !tooLong) return;
    this.stats.frozenMs += now - since;
    this.#freeze = undefined;
    this.#hasKeys = this.#key;
    this.#leadingBefore = this.#key && times ? times.pts : -Infinity;
    this.#repeater?.rejoin();
    if (times) this.#catchUp(this.#head(), times);
  }

  #show(times: Times | undefined): void {
    const { packets, unbounded } = this.#held;
    for (let at = 0; at < packets.length; at += TS_PACKET_BYTES) this.#out.follow(packets, at);
    // Else the demuxer would learn only from the next picture that this one is whole.
    if (unbounded) this.#out.pes(this.#stream.pid, EMPTY_PES);
    if (this.#key) this.#hasKeys = true;
    if (!times) return;
    if (this.#key) this.#delayTicks = times.pts - times.dts;
    if (times.pts > this.#leadingBefore) this.#leadingBefore = -Infinity;
    this.#decodedTicks = times.dts;
    this.#shownTicks = Math.max(this.#shownTicks, times.pts);
    this.#repeater?.follow(this.#head(), times.pts);
  }

  /** Puts the last good picture in the place of the one that is held. */
  #replace(): void {
    this.#keepClocks();
    const times = this.#timesOf(this.#held.header());
    if (!times) return;
    const head = this.#head();
    this.#catchUp(head, times);
    this.#repeat(head, times);
  }

  /** Puts it in the places of those that are missing before the one that is held, too. */
  #catchUp(head: Buffer, { dts }: Times): void {
    const from = this.#decodedTicks ?? dts;
    const lost = from < dts ? (this.#repeater?.lostBefore(head) ?? 0) : 0;
    for (let number = 1; number <= lost; number++) {
      const at = from + Math.round(((dts - from) * number) / (lost + 1));
      const pts = Math.max(at + this.#delayTicks, this.#shownTicks + TICKS_PER_MS);
      this.#repeat(undefined, { pts, dts: at });
    }
  }

  #repeat(head: Buffer | undefined, { pts, dts }: Times): void {
    const picture = this.#repeater?.repeat(head, pts);
    if (!picture) return;
    this.#decodedTicks = dts;
    this.#shownTicks = Math.max(this.#shownTicks, pts);
    this.#out.pes(this.#stream.pid, writePes({ streamId: VIDEO_STREAM_ID, pts, dts }, picture));
  }

  /** What is held of the elementary stream, as far as its first slice. */
  #head(): Buffer {
    const payload = this.#held.payload(HEAD_BYTES);
    return payload.subarray(this.#held.header()?.headerBytes ?? payload.length);
  }

  #keepClocks(): void {
    const { packets } = this.#held;
    for (let at = 0; at < packets.length; at += TS_PACKET_BYTES) this.#out.clock(packets, at);
  }

  #timesOf(header: PesHeader | undefined): Times | undefined {
    if (header?.pts === undefined) return undefined;
    const pts = this.#clock.unwrap(header.pts);
    const ahead = header.dts === undefined ? 0 : cycleDistance(header.dts, header.pts, PTS_CYCLE);
    return { pts, dts: pts - ahead };
  }
}

const VIDEO_STREAM_ID = 0xe0;
/** The beginning of a PES packet that carries nothing. */
const EMPTY_PES = writePes({ streamId: VIDEO_STREAM_ID }, Buffer.alloc(0));
