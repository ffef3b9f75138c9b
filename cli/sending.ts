/** What all commands that send have in common: which source is meant, and how a sender is opened. */
import type { SenderSession } from '../sender/index.ts';
import type { Source } from '../sender/source.ts';
import type { ChosenInterface } from '../transport/udp.ts';
import type { MediaAddress } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import { cname, random } from './identity.ts';

/** What is sent, where to, and how. */
export interface SendOptions {
  /** A file; `-` is standard input, `test` the test pattern. */
  source: string;
  addresses: readonly MediaAddress[];
  /** By name or address, or one that is chosen already. */
  iface: string | ChosenInterface | undefined;
  ttl: number;
  loop: boolean;
  asIs: boolean;
  /** Bits per second. */
  bitrate?: number | undefined;
  broadcast?: boolean;
  /** Milliseconds. */
  paceQuantum?: number | undefined;
}

/** A stream being sent, and from which card. */
export interface OpenSender {
  session: SenderSession;
  via: ChosenInterface;
}

/** Opens the source and begins to send. Throws `LancastError` E001, E102 to E115, E201 to E208. */
export async function openSender(options: SendOptions): Promise<OpenSender> {
  const { addresses, iface, ttl, broadcast, bitrate, paceQuantum } = options;
  const [{ startSender }, { dgramEngine }, { chooseInterface }, source] = await Promise.all([
    import('../sender/index.ts'),
    import('../transport/udp-dgram.ts'),
    import('../transport/interfaces.ts'),
    openSource(options),
  ]);
  try {
    const via = typeof iface === 'object' ? iface : await chooseInterface(addresses[0]?.address ?? '', iface);
    const session = await startSender({
      source,
      addresses,
      engine: dgramEngine,
      via,
      ttl,
      broadcast,
      bitsPerSecond: bitrate,
      quantumMs: paceQuantum,
      random,
      cname,
    });
    return { session, via };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function openSource({ source, loop, asIs }: SendOptions): Promise<Source> {
  if (source === '-') return openStandardInput(asIs);
  if (source === 'test') return (await import('../sender/sources/test-pattern.ts')).openTestPattern();
  return (await import('../sender/sources/file.ts')).openFile(source, { loop, asIs });
}

async function openStandardInput(asIs: boolean): Promise<Source> {
  if (asIs) {
    const reason = 'standard input has to be looked at, because its pace is not known';
    throw new LancastError('E001', '--as-is is for files only', { reason, command: 'send' });
  }
  return (await import('../sender/sources/stdin.ts')).openPipe(process.stdin);
}
