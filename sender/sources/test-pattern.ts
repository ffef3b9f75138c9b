/**
 * The test picture and its bell as a live source: drawn in real time, encoded by ffmpeg (H.264 with AAC or Opus).
 *
 * Frame n is drawn 40 ms × n after frame 0, whose wall time is recorded: whoever reads a frame number off a screen knows
 * how old it is.
 */
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { rawLiveArguments } from '../../codecs/ffmpeg-args.ts';
import { FfmpegChild, ffmpegStopped, exitStatus, findFfmpeg } from '../../codecs/ffmpeg.ts';
import { monotonicNow, wallNow } from '../../transport/clock.ts';
import type { RunSink, Source, SourceDescription } from '../source.ts';
import { PICTURE_FRAMES_PER_SECOND, PICTURE_HEIGHT, PICTURE_WIDTH, TestPicture } from '../test-picture.ts';
import { TestTone, TONE_SAMPLE_RATE_HZ } from '../test-tone.ts';
import { wholePackets } from './converted.ts';

export interface TestPatternOptions {
  /** Default `aac`, which every player knows; `opus` has less delay. */
  audioCodec?: 'aac' | 'opus' | undefined;
}

const FRAME_MS = 1000 / PICTURE_FRAMES_PER_SECOND;
/** What moves comes round every ten seconds. */
const LOOP_FRAMES = 10 * PICTURE_FRAMES_PER_SECOND;

/** Starts ffmpeg and begins to draw. Throws E204. */
export async function openTestPattern(options: TestPatternOptions = {}): Promise<TestPatternSource> {
  const ffmpeg = await findFfmpeg();
  const { audioCodec = 'aac' } = options;
  const args = rawLiveArguments({
    width: PICTURE_WIDTH,
    height: PICTURE_HEIGHT,
    framesPerSecond: PICTURE_FRAMES_PER_SECOND,
    sampleRateHz: TONE_SAMPLE_RATE_HZ,
    audioCodec,
    name: 'test pattern',
  });
  return new TestPatternSource(new FfmpegChild(ffmpeg, args), audioCodec);
}

/** A test pattern that is running. */
export class TestPatternSource implements Source {
  readonly description: SourceDescription;
  readonly #child: FfmpegChild;
  readonly #packets: AsyncIterator<Buffer>;
  readonly #stop = new AbortController();
  readonly #drawn: Promise<void>;
  #frameZeroAtUnixMs: number | undefined;

  constructor(child: FfmpegChild, audioCodec: 'aac' | 'opus') {
    this.description = {
      name: 'test pattern',
      media: `${PICTURE_HEIGHT}p${PICTURE_FRAMES_PER_SECOND} H.264 + ${audioCodec === 'aac' ? 'AAC' : 'Opus'}`,
      transportStream: true,
      live: true,
      notes: [],
    };
    this.#child = child;
    this.#packets = wholePackets(child.stdout);
    this.#drawn = this.#draw();
  }

  /** Wall time of frame 0, milliseconds since 1970; frame n follows 40 ms × n later. `undefined` until it is drawn. */
  get frameZeroAtUnixMs(): number | undefined {
    return this.#frameZeroAtUnixMs;
  }

  async read(take: RunSink): Promise<boolean> {
    const { done, value } = await this.#packets.next();
    if (done !== true) {
      take(value);
      return true;
    }
    if (this.#stop.signal.aborted) return false;
    const status = exitStatus(await this.#child.exited) ?? 'status 0';
    throw ffmpegStopped(status, this.#child.messages);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#child.stop();
    await this.#drawn;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Feeds ffmpeg until it is closed or gone. */
  async #draw(): Promise<void> {
    const picture = new TestPicture({ loopFrames: LOOP_FRAMES });
    const tone = new TestTone(PICTURE_FRAMES_PER_SECOND);
    const { stdin, extra } = this.#child;
    const label = { frame: 0, clock: '', beepFrames: PICTURE_FRAMES_PER_SECOND };
    let zeroAt = monotonicNow();
    for (let frame = 0; stdin.writable && extra.writable; frame++) {
      await this.#until(zeroAt + frame * FRAME_MS);
      const zeroWall = this.#frameZeroAtUnixMs ?? wallNow();
      label.frame = frame;
      label.clock = clockText(zeroWall + frame * FRAME_MS);
      await Promise.all([written(stdin, picture.draw(label)), written(extra, tone.block(frame))]);
      if (frame > 0) continue;
      // ffmpeg has read it, so it is up: what it took to start is not carried along as delay.
      zeroAt = monotonicNow();
      this.#frameZeroAtUnixMs = wallNow();
    }
  }

  async #until(at: number): Promise<void> {
    const waitMs = at - monotonicNow();
    if (waitMs > 0) await sleep(waitMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}

/** Resolves when the bytes have gone to the child, or never will. */
function written(pipe: Writable, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    pipe.write(bytes, () => resolve());
  });
}

/** Local time of day: `14:02:11.48`. */
function clockText(unixMs: number): string {
  const time = new Date(unixMs);
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const [hours, minutes, seconds] = [time.getHours(), time.getMinutes(), time.getSeconds()];
  return `${two(hours)}:${two(minutes)}:${two(seconds)}.${two(time.getMilliseconds() / 10)}`;
}
