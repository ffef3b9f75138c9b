/**
 * Runs as messages of the pages' WebSockets (`wire/feed.ts`). Pages that watch one stream are mostly sent the same bytes, so a
 * message is written once, whole, and shared: what is left to do for each page is one system call.
 */
import type { FeedRun } from '../../receiver/sinks/viewer-feed.ts';
import { writeFeedFrame } from '../../wire/feed.ts';

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

  /** The message of `run` in this form. Nobody writes into it: all pages share it. */
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

function isSame(one: MessageForm, other: MessageForm): boolean {
  return (
    one.channel === other.channel && one.discontinuity === other.discontinuity && one.ptsUs === other.ptsUs
  );
}

function write(run: FeedRun, { channel, discontinuity, ptsUs }: MessageForm): Buffer {
  const { buffer } = writeFeedFrame({
    kind: 'ts',
    key: run.key,
    damaged: run.damaged,
    discontinuity,
    config: false,
    channel,
    ptsUs: Math.round(ptsUs),
    arrivalUs: Math.round(run.arrivedAtUs),
    body: run.data,
  });
  return Buffer.from(buffer);
}
