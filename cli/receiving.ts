/** What all commands that receive have in common: their options, and how a stream is opened. */
import { isIPv4 } from 'node:net';
import type { ReceiverSession } from '../receiver/index.ts';
import { monotonicNow } from '../transport/clock.ts';
import type { NetworkCard } from '../transport/interfaces.ts';
import type { ChosenInterface } from '../transport/udp.ts';
import { formatMediaAddress, type MediaAddress } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import { defaulted, flag, repeated, single } from './command.ts';
import { verboseOption } from './engine.ts';
import { cname, random } from './identity.ts';
import type { Output } from './output.ts';
import { pathCard } from './protecting.ts';
import { cardWords } from './sent.ts';
import { SilenceWatch } from './silence.ts';
import { address, duration, ipAddress, path2, text, type PathValue } from './values.ts';

/** An hour: longer than anybody waits for a datagram. */
const HOUR_MS = 3_600_000;

/** The argument that names a stream. */
export const streamAddress = address;

/** Options by the same names in every command that receives. */
export const receiveOptions = {
  iface: single(
    'CARD',
    text,
    'network card to receive on, by name or address; otherwise the one of the route',
  ),
  from: repeated('ADDRESS', ipAddress, 'accept this sender only (source-specific multicast)'),
  path2: single(
    'PATH',
    path2,
    'the same stream once more: ADDRESS, a network CARD, or ADDRESS@CARD; of each datagram the copy that comes first is taken',
  ),
  latency: defaulted(
    single('TIME', duration(0, HOUR_MS), 'how long a missing datagram is waited for'),
    '200ms',
  ),
  json: flag('events for programs, a line of JSON each, on standard output'),
  verbose: verboseOption,
};

/** How a stream is received. */
export interface StreamOptions {
  /** By name or address, or one that is chosen already. */
  iface: string | ChosenInterface | undefined;
  from: string[];
  /** Where the same stream comes once more. */
  path2?: PathValue | undefined;
  /** Milliseconds. */
  latency: number;
  /** What comes may lie for so long before it goes on, milliseconds. Default 20: files and figures are in no hurry. */
  gatherMs?: number;
}

/** The same for pages: their pictures wait for nothing else that long. */
export const PAGE_GATHER_MS = 10;
const GATHER_MS = 20;

/** The values of these options. */
export interface ReceiveValues extends StreamOptions {
  verbose: boolean;
}

/** A stream being received, and on which card. */
export interface OpenStream {
  session: ReceiverSession;
  via: ChosenInterface;
  /** Where the same stream is received once more. */
  secondPath?: { address: MediaAddress; via: ChosenInterface };
  /** Milliseconds since it was opened. */
  openMs: () => number;
  /** How long a missing datagram is waited for. */
  latencyMs: number;
  /** Knows why nothing arrives. */
  silence: SilenceWatch;
}

/** Joins and starts to receive. Throws `LancastError` E102, E103, E104, E105, E107, E111. */
export async function openStream(address: MediaAddress, values: StreamOptions): Promise<OpenStream> {
  const [{ startReceiver }, { chooseEngine }, { chooseInterface, listInterfaces }] = await Promise.all([
    import('../receiver/index.ts'),
    import('../transport/engine.ts'),
    import('../transport/interfaces.ts'),
  ]);
  const checkLocal = localCheck(listInterfaces());
  checkLocal(address);
  const { iface, path2 } = values;
  const via = typeof iface === 'object' ? iface : await chooseInterface(address.address, iface);
  const secondAddress = path2 && secondAddressOf(address, path2);
  if (secondAddress) checkLocal(secondAddress);
  const secondPath = secondAddress && {
    address: secondAddress,
    via: pathCard(await chooseInterface(secondAddress.address, path2.iface), path2.iface),
  };
  const session = await startReceiver({
    address,
    engine: (await chooseEngine()).engine,
    via,
    ...(secondPath && { secondPath }),
    sources: values.from,
    latencyMs: values.latency,
    gatherMs: values.gatherMs ?? GATHER_MS,
    random,
    cname,
  });
  const openedAt = monotonicNow();
  const silence = new SilenceWatch(address, via, values.from);
  return {
    session,
    via,
    ...(secondPath && { secondPath }),
    openMs: () => monotonicNow() - openedAt,
    latencyMs: values.latency,
    silence,
  };
}

/** Throws E001 for a second path of one address where there are several streams. */
export function refuseSharedPath(
  urls: readonly MediaAddress[],
  { path2 }: Pick<StreamOptions, 'path2'>,
  command: string,
): void {
  if (urls.length < 2 || path2?.address === undefined) return;
  const reason = 'each of several streams has its own: name a card, on which they all come once more';
  throw new LancastError('E001', '--path2 with an address is for one stream', { reason, command });
}

/** `  ✓ second path  rtp://239.255.1.2:5014 via eth1 (10.1.0.5), asked for by --path2`, if there is one. */
export function sayPath({ secondPath }: OpenStream, output: Output): void {
  if (secondPath === undefined) return;
  const { address, via } = secondPath;
  output.say(`  ✓ second path  ${formatMediaAddress(address)} via ${cardWords(via)}`);
}

/** Where a second path is listened for: an address of its own, or the first one's on another card. Throws E001. */
function secondAddressOf(first: MediaAddress, { address, iface }: PathValue): MediaAddress {
  const second = address ?? first;
  const reason = wrongPath(first, second, address === undefined ? iface : undefined);
  if (reason === undefined) return { ...second, ...(first.framing && { framing: first.framing }) };
  throw new LancastError('E001', `--path2 ${formatMediaAddress(second)} cannot be a second path`, { reason });
}

function wrongPath(first: MediaAddress, second: MediaAddress, card: string | undefined): string | undefined {
  if (first.framing === 'udp') return 'bare MPEG-TS has no numbers by which two copies could be compared';
  if (second.framing !== undefined && second.framing !== (first.framing ?? 'rtp'))
    return 'both paths carry the same bytes, so both are RTP or both are seq://';
  const isSame = second.address === first.address && second.port === first.port;
  return isSame && card === undefined ? 'it is the first path: name another address, or a card' : undefined;
}

/** Throws E104 for addresses that are nobody's here. */
function localCheck(cards: readonly NetworkCard[]): (address: MediaAddress) => void {
  const own = cards.flatMap((card) => card.addresses.flatMap((each) => [each.address, each.broadcast]));
  return ({ scope, address }) => {
    if (scope !== 'unicast' || isLocal(address, own)) return;
    throw new LancastError('E104', `${address} is neither a group nor an address of this machine`, {
      address,
    });
  };
}

/** True for addresses of this machine, all of loopback, and "any". */
function isLocal(address: string, own: readonly (string | undefined)[]): boolean {
  const any = address === '0.0.0.0' || address === '::';
  return any || own.includes(address) || (isIPv4(address) && address.startsWith('127.'));
}
