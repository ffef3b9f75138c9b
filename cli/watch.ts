/** `lancast watch`: receive streams and show them in the browser. */
import type { MediaAddress } from '../wire/address.ts';
import { command, repeated, single, type Context } from './command.ts';
import { tellEngine } from './engine.ts';
import { formatRate, plural } from './format.ts';
import type { Output, Progress } from './output.ts';
import {
  openStream,
  PAGE_GATHER_MS,
  receiveOptions,
  refuseSharedPath,
  sayPath,
  streamAddress,
} from './receiving.ts';
import type { OpenStream, ReceiveValues } from './receiving.ts';
import { aborted } from './signal.ts';
import { followTroubles } from './troubles.ts';
import { httpAddress } from './values.ts';
import { concealOption, openViewer, type ViewerChoice } from './viewing.ts';

export const watch = command({
  name: 'watch',
  summary: 'receive streams and show them in the browser',
  examples: [
    ['lancast watch rtp://239.255.1.1:5004', 'one stream, at http://127.0.0.1:1316'],
    ['lancast watch udp://@239.1.1.1:1234 udp://@239.1.1.2:1234', 'two streams on one page'],
  ],
  arguments: {
    urls: repeated('URL', streamAddress, 'a stream: rtp://…, udp://…, seq://… or an address alone'),
  },
  options: {
    ...receiveOptions,
    conceal: concealOption,
    http: single(
      'HOST:PORT',
      httpAddress,
      'where to show them; otherwise 127.0.0.1:1316 or the next free port',
    ),
  },
  run: watchStreams,
});

interface WatchValues extends ReceiveValues, ViewerChoice {
  urls: MediaAddress[];
}

async function watchStreams(values: WatchValues, { output, signal }: Context): Promise<number> {
  await tellEngine(values, output);
  refuseSharedPath(values.urls, values, 'watch');
  await using view = await openViewer(values, output);
  const streams: OpenStream[] = [];
  try {
    for (const url of values.urls) {
      const stream = await openStream(url, { ...values, gatherMs: PAGE_GATHER_MS });
      streams.push(stream);
      view.show(stream);
      followTroubles(stream, output);
    }
    announce(streams, view.url, output);
    const endFollowing = output.follow(() => progressOf(streams));
    await aborted(signal);
    endFollowing();
  } finally {
    await Promise.all(streams.map(({ session }) => session.close()));
  }
  return 0;
}

function announce(streams: readonly OpenStream[], url: string, output: Output): void {
  for (const stream of streams) {
    const { session, via } = stream;
    const { address } = session.snapshot();
    output.say(`  ✓ receiving    ${address} via ${via.name} (${via.address}), ${via.reason}`);
    sayPath(stream, output);
  }
  output.say(`  ➜ watch here   ${url}`);
  output.event({ event: 'listening', url });
}

/** What all streams together do. */
export function progressOf(streams: readonly OpenStream[]): Progress {
  const snapshots = streams.map(({ session }) => session.snapshot());
  const sum = (key: 'packets' | 'bitsPerSecond' | 'unrecovered'): number =>
    snapshots.reduce((total, each) => total + each[key], 0);
  const { packets, bitsPerSecond, unrecovered } = {
    packets: sum('packets'),
    bitsPerSecond: sum('bitsPerSecond'),
    unrecovered: sum('unrecovered'),
  };
  const states = snapshots.map((each) => each.state).join(', ');
  return {
    line: `  ${states}  ${formatRate(bitsPerSecond)}  ${plural(packets, 'datagram')}  ${unrecovered} lost`,
    event: { event: 'progress', packets, bitsPerSecond, unrecovered },
  };
}
