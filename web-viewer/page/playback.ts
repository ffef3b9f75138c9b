/** Plays one stream in one video element: joins, steers, stops, and starts again after whatever broke it. */
import { effect, signal, untracked } from '@preact/signals';
import type { FeedFrame } from '../../wire/feed.ts';
import type { Connection } from './connection.ts';
import type { Demuxer } from './demuxer.ts';
import { PLAYOUT_FLOOR_S, PlayoutClock, type BufferedRanges } from './playout.ts';

/** `starting`: no picture yet. `waiting`: it ran out of data. `paused` by a person. `idle`: nothing to play. */
export type PlaybackPhase = 'idle' | 'starting' | 'playing' | 'waiting' | 'paused';

/** What to play. */
export interface Programme {
  /** `id` of the stream's snapshot. */
  stream: string;
  /** PIDs that this browser cannot decode. */
  hiddenPids: readonly number[];
}

type Deliver = (run: Uint8Array) => void;

const STEER_MS = 100;
/** Waiting before the first, second … start after a failure. */
const RESTART_MS = [0, 1000, 2000, 4000, 8000];

/** The player's engine. Everything it shows is in signals. */
export class Playback {
  readonly phase = signal<PlaybackPhase>('idle');
  /** How far the picture is behind the newest data that has come, seconds. */
  readonly delayS = signal<number | undefined>(undefined);
  /** Since when data is waited for or cannot be started with, milliseconds since 1970. */
  readonly startingSince = signal<number | undefined>(undefined);
  /** What the browser said at the last failure, until it plays again. */
  readonly error = signal<string | undefined>(undefined);
  /** The picture stands still because so many datagrams were lost; `undefined` while it moves. */
  readonly frozenBy = signal<number | undefined>(undefined);
  /** How often the server skipped ahead for this page. */
  readonly skips = signal(0);

  readonly #video: HTMLVideoElement;
  readonly #still: HTMLCanvasElement;
  readonly #connection: Connection;
  #programme: Programme | undefined;
  #demuxer: Demuxer | undefined;
  #clock = new PlayoutClock(PLAYOUT_FLOOR_S.balanced);
  #generation = 0;
  #failures = 0;
  #restart = 0;

  /**
   * @param video where the picture is shown
   * @param still lies over it and keeps the last picture while the video element has none
   */
  constructor(video: HTMLVideoElement, still: HTMLCanvasElement, connection: Connection) {
    this.#video = video;
    this.#still = still;
    this.#connection = connection;
    video.addEventListener('playing', () => this.#played());
    video.addEventListener('waiting', () => this.#demuxer && (this.phase.value = 'waiting'));
    // Events come late: what they tell may be of the playback before. So the element is asked, too.
    video.addEventListener('pause', () => this.phase.peek() === 'playing' && video.paused && this.pause());
    video.addEventListener('error', () => this.#demuxer && video.error && this.#fail(video.error.message));
    window.setInterval(() => this.#steer(), STEER_MS);
    effect(() => {
      if (connection.state.value.kind === 'open' && this.#demuxer === undefined)
        untracked(() => this.#start());
    });
  }

  /** Plays something else, or nothing. */
  watch(programme: Programme | undefined): void {
    const same = programme?.stream === this.#programme?.stream;
    this.#programme = programme;
    if (!same) {
      this.#failures = 0;
      this.skips.value = 0;
      this.error.value = undefined;
      this.#still.hidden = true;
    }
    this.#stop(same);
    if (this.phase.peek() === 'paused' && same) return;
    this.phase.value = 'idle';
    this.#start();
  }

  /** Goes on at the newest picture: what was sent during a pause is not kept. */
  play(): void {
    if (this.phase.peek() !== 'paused') return;
    this.phase.value = 'idle';
    this.#start();
  }

  /** Keeps the picture and leaves the feed. */
  pause(): void {
    if (this.phase.peek() === 'idle') return;
    this.#stop(true);
    this.phase.value = 'paused';
  }

  /** Jumps to the newest picture. */
  toLive(): void {
    if (this.phase.peek() === 'paused') return this.play();
    const target = this.#clock.target(nowS());
    const end = this.#reach();
    if (target !== undefined && end !== undefined) this.#video.currentTime = Math.min(target, end - 0.05);
  }

  #start(): void {
    clearTimeout(this.#restart);
    const programme = this.#programme;
    if (programme === undefined || this.phase.peek() === 'paused') return;
    if (this.#connection.state.peek().kind !== 'open') return;
    const generation = ++this.#generation;
    this.#clock = new PlayoutClock(PLAYOUT_FLOOR_S.balanced);
    this.phase.value = 'starting';
    if (this.startingSince.peek() === undefined) this.startingSince.value = Date.now();
    const unlessOver = (then: () => void): void => {
      if (generation === this.#generation) then();
    };
    const onError = (detail: string): void => {
      // Not at once: the demuxer is in the middle of something when it says so.
      queueMicrotask(() => unlessOver(() => this.#fail(detail)));
    };
    import('./demuxer.ts').then(
      ({ startDemuxer }) =>
        unlessOver(() => {
          const { stream, hiddenPids } = programme;
          const feed = { open: (deliver: Deliver) => this.#join(stream, deliver) };
          this.#demuxer = startDemuxer({ video: this.#video, feed, hiddenPids, onError });
          this.#play();
        }),
      (failure: unknown) => onError(String(failure)),
    );
  }

  /** Subscribes for the playback that has just begun. */
  #join(stream: string, deliver: Deliver): () => void {
    const generation = this.#generation;
    let first = true;
    return this.#connection.subscribe(stream, {
      frame: (frame) => {
        if (generation !== this.#generation) return;
        if (frame.discontinuity && !first) return this.#rejoin();
        first = false;
        this.#take(frame, deliver);
      },
      frozen: (lostDatagrams) => {
        // What comes now is shown only later.
        window.setTimeout(
          () => {
            if (generation === this.#generation) this.frozenBy.value = lostDatagrams;
          },
          1000 * (this.delayS.peek() ?? 0),
        );
      },
      skipped: () => this.skips.value++,
      closed: (reason) => {
        if (generation === this.#generation) this.#fail(reason);
      },
    });
  }

  #play(): void {
    this.#video.play().catch((refusal: unknown) => {
      // Browsers may refuse to play before a first click, even without sound. Other refusals are tried again.
      if (refusal instanceof DOMException && refusal.name === 'NotAllowedError') this.pause();
    });
  }

  /** @param keepPicture show the last picture until there is a new one */
  #stop(keepPicture: boolean): void {
    clearTimeout(this.#restart);
    this.#generation++;
    const demuxer = this.#demuxer;
    this.#demuxer = undefined;
    this.delayS.value = undefined;
    this.frozenBy.value = undefined;
    this.startingSince.value = undefined;
    if (keepPicture) this.#keepPicture();
    demuxer?.destroy();
  }

  #take(frame: FeedFrame, deliver: Deliver): void {
    const end = this.#reach();
    if (end !== undefined) this.#clock.reaches(end, nowS());
    this.#clock.arrived(frame.arrivalUs / 1e6, nowS());
    deliver(frame.body);
  }

  /** The media clock jumped: a new timeline needs a new MediaSource, which begins at the last key frame. */
  #rejoin(): void {
    this.#stop(true);
    this.#restart = window.setTimeout(() => this.#start());
  }

  #fail(detail: string): void {
    const lost = this.#connection.state.peek().kind !== 'open';
    const since = this.startingSince.peek();
    this.#stop(true);
    this.startingSince.value = since;
    this.phase.value = 'waiting';
    // A lost connection has words of its own, and comes back through its own state.
    if (lost) return;
    this.error.value = detail;
    const waitMs = RESTART_MS[Math.min(this.#failures++, RESTART_MS.length - 1)] ?? 0;
    this.#restart = window.setTimeout(() => this.#start(), waitMs);
  }

  #played(): void {
    if (this.#demuxer === undefined) return;
    this.phase.value = 'playing';
    this.startingSince.value = undefined;
    this.error.value = undefined;
    this.#failures = 0;
    this.#still.hidden = true;
  }

  #steer(): void {
    const end = this.#reach();
    if (this.#demuxer === undefined || end === undefined) return;
    if (this.#video.paused) this.#play();
    const now = nowS();
    this.#clock.reaches(end, now);
    const { currentTime } = this.#video;
    const { rate, jumpTo } = this.#clock.steer(currentTime, ranges(this.#video.buffered), now);
    if (this.#video.playbackRate !== rate) this.#video.playbackRate = rate;
    if (jumpTo !== undefined) this.#video.currentTime = jumpTo;
    this.delayS.value = Math.max(0, end - (jumpTo ?? currentTime));
  }

  /** How far media reaches in the element, seconds; `undefined` when there is none. */
  #reach(): number | undefined {
    const { buffered } = this.#video;
    return buffered.length === 0 ? undefined : buffered.end(buffered.length - 1);
  }

  #keepPicture(): void {
    const { videoWidth, videoHeight, readyState } = this.#video;
    if (readyState < HTMLMediaElement.HAVE_CURRENT_DATA || videoWidth === 0) return;
    this.#still.width = videoWidth;
    this.#still.height = videoHeight;
    this.#still.getContext('2d')?.drawImage(this.#video, 0, 0);
    this.#still.hidden = false;
  }
}

function ranges(buffered: TimeRanges): BufferedRanges {
  return Array.from({ length: buffered.length }, (_, at) => [buffered.start(at), buffered.end(at)] as const);
}

function nowS(): number {
  return performance.now() / 1000;
}
