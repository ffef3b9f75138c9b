/** The viewer beside streams that are being received. */
import type { Output } from './output.ts';
import type { OpenStream } from './receiving.ts';
import { warn } from './report.ts';

/** A viewer, and how to put streams into it. */
export interface OpenViewer extends AsyncDisposable {
  /** The page's address. */
  readonly url: string;
  /** Shows a stream from its next datagram on. */
  show(stream: OpenStream): void;
}

/**
 * Starts the viewer. Without `http` it takes 127.0.0.1:1316 or the next free port, and says so. Throws `LancastError`
 * E112 and E502.
 */
export async function openViewer(
  http: { host: string; port: number } | undefined,
  output: Output,
): Promise<OpenViewer> {
  const [{ startViewer, StreamRegistry, DEFAULT_HTTP_PORT }, { ViewerFeed }] = await Promise.all([
    import('../web-viewer/server/index.ts'),
    import('../receiver/sinks/viewer-feed.ts'),
  ]);
  const registry = new StreamRegistry();
  const viewer = await startViewer({
    registry,
    http: { host: '127.0.0.1', port: DEFAULT_HTTP_PORT, ...http, explicit: http !== undefined },
    onRefused: (error) => warn(error, output),
  });
  if (viewer.movedFrom !== undefined) {
    output.say(`  ! port ${viewer.movedFrom} is in use; the viewer is on ${viewer.port}`);
  }
  return {
    url: viewer.url,
    show({ session }) {
      const feed = new ViewerFeed();
      session.addSink(feed);
      registry.add({
        id: session.id,
        snapshot: () => session.snapshot(),
        lossHistory: (seconds) => session.lossHistory(seconds),
        feed,
      });
    },
    [Symbol.asyncDispose]: () => viewer.close(),
  };
}
