/** What all commands that receive have in common: their options, and how a stream is opened. */
import { isIPv4 } from 'node:net';
import type { ReceiverSession } from '../receiver/index.ts';
import { monotonicNow } from '../transport/clock.ts';
import type { ChosenInterface } from '../transport/udp.ts';
import type { MediaAddress } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import { defaulted, flag, repeated, single } from './command.ts';
import { verboseOption } from './engine.ts';
import { cname, random } from './identity.ts';
import { SilenceWatch } from './silence.ts';
import { address, duration, ipAddress, text } from './values.ts';

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
  /** Milliseconds since it was opened. */
  openMs: () => number;
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
  const own = listInterfaces().flatMap((card) =>
    card.addresses.flatMap((each) => [each.address, each.broadcast]),
  );
  if (address.scope === 'unicast' && !isLocal(address.address, own)) {
    const message = `${address.address} is neither a group nor an address of this machine`;
    throw new LancastError('E104', message, { address: address.address });
  }
  const { iface } = values;
  const via = typeof iface === 'object' ? iface : await chooseInterface(address.address, iface);
  const session = await startReceiver({
    address,
    engine: (await chooseEngine()).engine,
    via,
    sources: values.from,
    latencyMs: values.latency,
    gatherMs: values.gatherMs ?? GATHER_MS,
    random,
    cname,
  });
  const openedAt = monotonicNow();
  const silence = new SilenceWatch(address, via, values.from);
  return { session, via, openMs: () => monotonicNow() - openedAt, silence };
}

/** True for addresses of this machine, all of loopback, and "any". */
function isLocal(address: string, own: readonly (string | undefined)[]): boolean {
  const any = address === '0.0.0.0' || address === '::';
  return any || own.includes(address) || (isIPv4(address) && address.startsWith('127.'));
}
