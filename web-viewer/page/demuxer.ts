/** mpegts.js as the player uses it: fed from our WebSocket, told to leave playout alone. Loaded when something plays. */
import mpegts from 'mpegts.js';
import { HiddenTracks } from './hidden-tracks.ts';

/** Where a demuxer's bytes come from. */
export interface DemuxerFeed {
  /** Called once the browser is ready for media; `deliver` takes runs of whole TS packets. Returns how to stop. */
  open(deliver: (run: Uint8Array) => void): () => void;
}

/** A running demuxer behind one video element. */
export interface Demuxer {
  destroy(): void;
}

/** What to demux and whom to tell. */
export interface DemuxerOptions {
  video: HTMLVideoElement;
  feed: DemuxerFeed;
  /** PIDs of streams that the browser cannot decode. */
  hiddenPids: readonly number[];
  /** The browser or the demuxer gave up; a new demuxer is needed. */
  onError: (detail: string) => void;
}

/** Attaches a new MediaSource to the video element and begins to fill it. */
export function startDemuxer({ video, feed, hiddenPids, onError }: DemuxerOptions): Demuxer {
  mpegts.LoggingControl.applyConfig({ enableAll: false });
  const player = mpegts.createPlayer(
    { type: 'mpegts', isLive: true, url: location.origin },
    {
      customLoader: loaderOf(feed, new HiddenTracks(hiddenPids)),
      enableStashBuffer: false,
      // `playout.ts` steers; both of these would fight it.
      liveBufferLatencyChasing: false,
      liveSync: false,
      autoCleanupSourceBuffer: true,
      autoCleanupMaxBackwardDuration: 20,
      autoCleanupMinBackwardDuration: 10,
      // Without filling, sound would run ahead of the picture by each gap.
      fixAudioTimestampGap: true,
    },
  );
  player.on(mpegts.Events.ERROR, (type: unknown, detail: unknown, info: unknown) => {
    onError([type, detail, messageOf(info)].filter(Boolean).join(', '));
  });
  player.attachMediaElement(video);
  player.load();
  return player;
}

type CustomLoader = NonNullable<NonNullable<Parameters<typeof mpegts.createPlayer>[1]>['customLoader']>;

/** The loader class that mpegts.js makes an instance of: opens and closes our feed when it is told to. */
function loaderOf(feed: DemuxerFeed, hidden: HiddenTracks): CustomLoader {
  return class FeedLoader extends mpegts.BaseLoader {
    #close: (() => void) | undefined;
    #received = 0;

    constructor() {
      super('lancast-feed');
      this._needStash = false;
    }

    override open(): void {
      this._status = mpegts.LoaderStatus.kBuffering;
      this.#close = feed.open((run) => {
        hidden.hide(run);
        const from = this.#received;
        this.#received += run.length;
        this.onDataArrival(exactBuffer(run), from, this.#received);
      });
    }

    override abort(): void {
      this._status = mpegts.LoaderStatus.kComplete;
      this.#close?.();
      this.#close = undefined;
    }

    override destroy(): void {
      this.abort();
      super.destroy();
    }
  };
}

function exactBuffer(run: Uint8Array): ArrayBuffer {
  const copy = new ArrayBuffer(run.length);
  new Uint8Array(copy).set(run);
  return copy;
}

function messageOf(info: unknown): string {
  return typeof info === 'object' && info !== null && 'msg' in info && typeof info.msg === 'string'
    ? info.msg
    : '';
}
