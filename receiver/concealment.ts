/**
 * Hides from viewers what could not be repaired: the picture freezes until the next whole key frame, sound is faded over the hole.
 * For viewers only: recorders, pipes and relays get what came.
 *
 * What a gap hit is told by the continuity counters, so a hole in one PID, or in stuffing, leaves the others alone. A counter starts
 * over after 16 packets: where as many are missing, everything counts as hit.
 */
import { ContinuityCheck } from '../wire/continuity.ts';
import type { Concealed, Programme } from '../wire/metrics.ts';
import { SYNC_BYTE, TS_PACKET_BYTES, pidAt, transportErrorAt } from '../wire/mpeg-ts.ts';
import { ProgrammeTable } from '../wire/programme-table.ts';
import type { Stage } from '../wire/stage.ts';
import { PacketOutput } from './packet-output.ts';
import { PictureFreezer, type Freeze } from './picture-freezer.ts';
import type { Released } from './sink.ts';
import { SoundFiller } from './sound-filler.ts';

/** So many packets missing in a row may leave every continuity counter as it was. */
const COUNTER_CYCLE = 16;
/** Sounds of the programme that are kept whole; a hostile PMT may name thousands. */
const MOST_SOUNDS = 16;
/** Longest payload given away: what fits a datagram. */
const LONGEST_BYTES = Math.floor(65_535 / TS_PACKET_BYTES) * TS_PACKET_BYTES;

const NOTHING = Buffer.alloc(0);

type Payload = Extract<Released, { kind: 'payload' }>;

/**
 * Takes what is released and gives it on. Pictures and sound of the first programme leave as they are complete; everything else, and
 * what is no transport stream, passes at once.
 */
export class Concealment implements Stage<Released, Released> {
  readonly wakeAt = Infinity;

  readonly #out = new PacketOutput();
  readonly #continuity = new ContinuityCheck();
  #table = new ProgrammeTable();
  /** What the streams below were made from. */
  #programmes: readonly Programme[] = [];
  #picture: { pid: number; freezer: PictureFreezer } | undefined;
  #sounds = new Map<number, SoundFiller>();
  /** Sums of those streams that are over. */
  readonly #past: Sums = { freezes: 0, frozenMs: 0, soundGaps: 0, soundFilledMs: 0 };
  #mostPackets = 1;
  #discontinuity = false;
  /** The last payload, but for its bytes. */
  #like: Payload = {
    kind: 'payload',
    payload: NOTHING,
    index: 0,
    timestampTicks: undefined,
    arrivedAt: 0,
    discontinuity: false,
  };
  readonly #ready: Released[] = [];

  /** Why the picture stands still; `undefined` while it does not. */
  get freeze(): Readonly<Freeze> | undefined {
    return this.#picture?.freezer.freeze;
  }

  /** What was concealed so far. */
  concealed(now: number): Concealed {
    const sums = { ...this.#past };
    if (this.#picture) addPicture(sums, this.#picture.freezer);
    for (const sound of this.#sounds.values()) addSound(sums, sound);
    if (this.freeze) sums.frozenMs += now - this.freeze.since;
    return sums;
  }

  push(released: Released, now: number): void {
    this.#out.reuse();
    if (released.kind === 'payload') return this.#takePayload(released, now);
    if (released.kind === 'gap') this.#gap(released.count, now);
    else this.#finish(now);
    if (released.kind === 'restart') this.#restart(now);
    this.#ready.push(released);
  }

  poll(): Released | undefined {
    return this.#ready.shift();
  }

  #takePayload(released: Payload, now: number): void {
    const { payload } = released;
    if (payload.length % TS_PACKET_BYTES !== 0 || payload[0] !== SYNC_BYTE) {
      this.#ready.push(released);
      return;
    }
    // The clock jumps: what came before it leaves before it.
    if (released.discontinuity) this.#finish(now);
    this.#discontinuity ||= released.discontinuity;
    this.#like = { ...released, payload: NOTHING };
    this.#mostPackets = Math.max(this.#mostPackets, payload.length / TS_PACKET_BYTES);
    for (let at = 0; at < payload.length; at += TS_PACKET_BYTES) this.#take(payload, at, now);
    this.#handOn();
  }

  #take(bytes: Buffer, at: number, now: number): void {
    const pid = pidAt(bytes, at);
    if (this.#table.isTable(pid)) {
      this.#table.push(bytes, at);
      if (this.#table.programmes !== this.#programmes) this.#rebuild(now);
      return this.#out.pass(bytes, at);
    }
    const picture = pid === this.#picture?.pid ? this.#picture.freezer : undefined;
    const sound = this.#sounds.get(pid);
    if (!picture && !sound) return this.#out.pass(bytes, at);
    // What a broken packet held is missed by the counter of the next one.
    if (transportErrorAt(bytes, at)) return;
    const verdict = this.#continuity.check(bytes, at);
    if (verdict === 'duplicate') return;
    if (verdict === 'error') {
      picture?.cut(now);
      sound?.cut();
    }
    picture?.take(bytes, at, now);
    sound?.take(bytes, at);
  }

  /** Keeps a stage for the first picture and each sound of the first programme, as the tables name them now. */
  #rebuild(now: number): void {
    const streams = this.#table.programmes[0]?.streams ?? [];
    const before = this.#programmes[0]?.streams ?? [];
    this.#programmes = this.#table.programmes;
    const same =
      streams.length === before.length &&
      streams.every(({ pid, codec }, index) => {
        return pid === before[index]?.pid && codec === before[index].codec;
      });
    if (same) return;
    this.#finish(now);
    this.#close(now);
    const stream = streams.find(({ kind }) => kind === 'video');
    const options = { table: this.#table, out: this.#out };
    if (stream) this.#picture = { pid: stream.pid, freezer: new PictureFreezer({ ...options, stream }) };
    const sounds = streams.filter(({ kind }) => kind === 'audio').slice(0, MOST_SOUNDS);
    this.#sounds = new Map(sounds.map((sound) => [sound.pid, new SoundFiller(sound, this.#out)]));
  }

  #gap(datagrams: number, now: number): void {
    this.#picture?.freezer.lost(datagrams);
    if (datagrams * this.#mostPackets < COUNTER_CYCLE) return;
    this.#picture?.freezer.cut(now);
    for (const sound of this.#sounds.values()) sound.cut();
    this.#handOn();
  }

  /** Another programme, for all we know. */
  #restart(now: number): void {
    this.#close(now);
    this.#programmes = [];
    this.#table = new ProgrammeTable();
    this.#continuity.reset();
  }

  /** Lets out what is held: nothing more comes for it. */
  #finish(now: number): void {
    this.#picture?.freezer.finish(now);
    for (const sound of this.#sounds.values()) sound.finish();
    this.#handOn();
  }

  /** Lets the streams go, and keeps their sums. */
  #close(now: number): void {
    if (this.#picture) addPicture(this.#past, this.#picture.freezer);
    for (const sound of this.#sounds.values()) addSound(this.#past, sound);
    if (this.freeze) this.#past.frozenMs += now - this.freeze.since;
    this.#picture = undefined;
    this.#sounds.clear();
  }

  /** Gives away what was gathered since the last payload, which tells when. */
  #handOn(): void {
    const packets = this.#out.take();
    for (let from = 0; from < packets.length; from += LONGEST_BYTES) {
      const payload = packets.subarray(from, from + LONGEST_BYTES);
      this.#ready.push({ ...this.#like, payload, discontinuity: this.#discontinuity });
      this.#discontinuity = false;
    }
  }
}

type Sums = { -readonly [Key in keyof Concealed]: Concealed[Key] };

function addPicture(sums: Sums, { stats }: PictureFreezer): void {
  sums.freezes += stats.freezes;
  sums.frozenMs += stats.frozenMs;
}

function addSound(sums: Sums, { stats }: SoundFiller): void {
  sums.soundGaps += stats.gaps;
  sums.soundFilledMs += stats.filledMs;
}
