/** The viewer beside streams that are being received. */
import { defaulted, single } from './command.ts';
import type { Output } from './output.ts';
import type { OpenStream } from './receiving.ts';
import { warn } from './report.ts';
import { oneOf } from './values.ts';

/** What viewers see of losses: `freeze` conceals them, `show` shows what came. */
export type Conceal = 'freeze' | 'show';

/** The option by this name. */
export const concealOption = defaulted(
  single(
    'HOW',
    oneOf<Conceal>('freeze', 'show'),
    'after a loss that was not repaired: freeze the picture until the next key frame and fade the sound, or show what came',
  ),
  'freeze',
);

/** Where and how streams are shown. */
export interface ViewerChoice {
  /** Absent: 127.0.0.1:1316 or the next free port. */
  http: { host: string; port: number } | undefined;
  conceal: Conceal;
}

/** A viewer, and how to put streams into it. */
export interface OpenViewer extends AsyncDisposable {
  /** The page's address. */
  readonly url: string;
  /** Shows a stream from its next datagram on. */
  show(stream: OpenStream): void;
}

/** Starts the viewer, and says so when its port was taken and it is on another one. Throws `LancastError` E112 and E502. */
export async function openViewer({ http, conceal }: ViewerChoice, output: Output): Promise<OpenViewer> {
  const [{ startViewer, StreamRegistry, DEFAULT_HTTP_PORT }, { ViewerFeed }, { Concealment }] =
    await Promise.all([
      import('../web-viewer/server/index.ts'),
      import('../receiver/sinks/viewer-feed.ts'),
      import('../receiver/concealment.ts'),
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
      const feed = new ViewerFeed(conceal === 'freeze' ? new Concealment() : undefined);
      session.addSink(feed);
      registry.add({
        id: session.id,
        snapshot: () => ({ ...session.snapshot(), ...feed.figures }),
        lossHistory: (seconds) => session.lossHistory(seconds),
        feed,
      });
    },
    [Symbol.asyncDispose]: () => viewer.close(),
  };
}
