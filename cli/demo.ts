/** `lancast demo`: see it work on this PC. A sender, a receiver and the viewer in one process. */
import type { ChosenInterface } from '../transport/udp.ts';
import { formatEndpoint, formatMediaAddress, type MediaAddress } from '../wire/address.ts';
import { command, defaulted, flag, single, type Context } from './command.ts';
import { tellEngine, verboseOption } from './engine.ts';
import { commandName, installationFile, version } from './installation.ts';
import type { Output } from './output.ts';
import { openStream, PAGE_GATHER_MS } from './receiving.ts';
import { openSender, type OpenSender } from './sending.ts';
import { aborted } from './signal.ts';
import { followTroubles } from './troubles.ts';
import { address, httpAddress, text } from './values.ts';
import { concealOption, openViewer, type ViewerChoice } from './viewing.ts';
import { progressOf } from './watch.ts';

/** As for every receiver of programmes. */
const LATENCY_MS = 200;

export const demo = command({
  name: 'demo',
  summary: 'cast the bundled film over multicast, receive it, and show it in the browser',
  examples: [
    ['npm start', 'the demo on this PC alone'],
    ['npm start -- --iface eth0', 'the same for everyone on the network of that card'],
  ],
  arguments: {},
  options: {
    to: defaulted(single('ADDRESS', address, 'the group'), 'rtp://239.255.13.16:5004'),
    iface: single('CARD', text, 'network card, by name or address; otherwise the film stays on this PC'),
    conceal: concealOption,
    http: single(
      'HOST:PORT',
      httpAddress,
      'where to show it; otherwise 127.0.0.1:1316 or the next free port',
    ),
    json: flag('events for programs, a line of JSON each, on standard output'),
    verbose: verboseOption,
  },
  run: runDemo,
});

interface DemoValues extends ViewerChoice {
  to: MediaAddress;
  iface: string | undefined;
  verbose: boolean;
}

async function runDemo(values: DemoValues, { output, signal }: Context): Promise<number> {
  const { to } = values;
  await tellEngine(values, output);
  const iface = await chooseCard(to, values.iface);
  await using view = await openViewer(values, output);
  // The receiver first, so that it has the film from its first datagram on.
  const stream = await openStream(to, { iface, from: [], latency: LATENCY_MS, gatherMs: PAGE_GATHER_MS });
  await using _receiving = stream.session;
  view.show(stream);
  followTroubles(stream, output);
  const source = installationFile('fixtures/clip.ts');
  const sender = await openSender({ source, addresses: [to], iface, ttl: 1, loop: true, asIs: false });
  await using _sending = sender.session;
  announce({ url: view.url, to, sender }, output);
  const endFollowing = output.follow(() => progressOf([stream]));
  // A loop ends only by an error or by close.
  await Promise.race([aborted(signal), sender.session.ended]);
  endFollowing();
  return 0;
}

/** Loopback, unless people ask for a card: a demo does not fill their network. */
async function chooseCard(to: MediaAddress, wanted: string | undefined): Promise<ChosenInterface> {
  const { chooseInterface } = await import('../transport/interfaces.ts');
  if (wanted !== undefined) return chooseInterface(to.address, wanted);
  return { ...(await chooseInterface(to.address, '127.0.0.1')), reason: 'the demo stays on this PC' };
}

/** The box: where to look, and what to type elsewhere. */
function announce(demo: { url: string; to: MediaAddress; sender: OpenSender }, output: Output): void {
  const { url, to, sender } = demo;
  const { via, session } = sender;
  const address = formatMediaAddress(to);
  const here = via.address.startsWith('127.');
  const { name, media } = session.source;
  output.say(
    [
      `  lancast ${version()}   ${name}   ${media}`,
      '',
      `  ✓ casting to   ${address}  via ${via.name} (${via.address})`,
      `  ➜ watch here   ${url}`,
      `  ➜ other PC     ${commandName()} watch ${address}`,
      ...(here
        ? ['                 (the film stays on this PC until you start: npm start -- --iface CARD)']
        : []),
      `  ➜ VLC          vlc ${to.framing}://@${formatEndpoint(to)}`,
      '    Ctrl-C ends it',
      '',
    ].join('\n'),
  );
  output.event({ event: 'listening', url, address });
}
