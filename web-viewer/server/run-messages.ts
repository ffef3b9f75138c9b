/**
 * Runs as messages of the pages' WebSockets: a frame (RFC 6455 §5.2) that is final, binary and not masked, around a message of
 * `wire/feed.ts`. Pages that watch one stream are mostly sent the same bytes, so that a frame is written once and shared. A run has a
 * packet at least, so that the short form of length, for up to 125 bytes, is never due.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |1|0 0 0|   2   |0|     126     |       length (16 bits)        |
 *     |            or 127, and then 64 bits of length                 |
 */
import type { FeedRun } from '../../receiver/sinks/viewer-feed.ts';
import { FEED_HEADER_BYTES, writeFeedHeader, type FeedHeader } from '../../wire/feed.ts';

/** In what the messages of one run may differ from page to page. */
export interface MessageForm {
  /** The page's own number for the channel, 32 bits. */
  channel: number;
  /** The run does not follow the one that the page had before it. */
  discontinuity: boolean;
  /** Presentation time, µs: the run's own, or the newest one before it that the page was told. */
  ptsUs: number;
}

/** Writes messages and remembers those of the newest run. */
export class RunMessages {
  #run: FeedRun | undefined;
  readonly #ofChannel = new Map<number, { form: MessageForm; message: Buffer }>();

  /** `run` in this form, ready for the socket (`MediaSocket`). Nobody writes into it: all pages share it. */
  messageOf(run: FeedRun, form: MessageForm): Buffer {
    if (run !== this.#run) {
      this.#run = run;
      this.#ofChannel.clear();
    }
    const known = this.#ofChannel.get(form.channel);
    if (known !== undefined && isSame(known.form, form)) return known.message;
    const message = write(run, form);
    this.#ofChannel.set(form.channel, { form, message });
    return message;
  }
}

const FINAL_BINARY = 0x82;
const LENGTH_OF_16_BITS = 126;
const LENGTH_OF_64_BITS = 127;

function isSame(one: MessageForm, other: MessageForm): boolean {
  return (
    one.channel === other.channel && one.discontinuity === other.discontinuity && one.ptsUs === other.ptsUs
  );
}

function write(run: FeedRun, form: MessageForm): Buffer {
  const length = FEED_HEADER_BYTES + run.data.length;
  const start = length < 2 ** 16 ? 4 : 10;
  const message = Buffer.allocUnsafe(start + length);
  message[0] = FINAL_BINARY;
  if (start === 4) {
    message[1] = LENGTH_OF_16_BITS;
    message.writeUInt16BE(length, 2);
  } else {
    message[1] = LENGTH_OF_64_BITS;
    message.writeBigUInt64BE(BigInt(length), 2);
  }
  writeFeedHeader(headerOf(run, form), message.subarray(start));
  run.data.copy(message, start + FEED_HEADER_BYTES);
  return message;
}

function headerOf(run: FeedRun, { channel, discontinuity, ptsUs }: MessageForm): FeedHeader {
  return {
    kind: 'ts',
    key: run.key,
    damaged: run.damaged,
    discontinuity,
    config: false,
    channel,
    ptsUs: Math.round(ptsUs),
    arrivalUs: Math.round(run.arrivedAtUs),
  };
}
