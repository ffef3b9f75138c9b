/** What all commands that send have in common: which source is meant, how a sender is opened, and how it ended. */
import type { SenderProgress, SenderSession, SendingPath } from '../sender/index.ts';
import type { Source } from '../sender/source.ts';
import type { ChosenInterface } from '../transport/udp.ts';
import type { MediaAddress } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import { cname, random } from './identity.ts';
import { protectionOf, secondPathOf, type ProtectionWishes } from './protecting.ts';

/** What is sent, where to, and how. */
export interface SendOptions extends ProtectionWishes {
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
  /** 0 to 63. */
  dscp?: number | undefined;
  kernelPacing?: boolean;
}

/** What people typed. */
export interface SendValues extends Omit<SendOptions, 'addresses'> {
  /** None: a group by the name. */
  to: MediaAddress[];
  name: string | undefined;
  verbose: boolean;
}

/** A stream being sent, and from which card. */
export interface OpenSender {
  session: SenderSession;
  via: ChosenInterface;
  secondPath: SendingPath | undefined;
}

/** Opens the source and begins to send. Throws `LancastError` E001, E102 to E115, E201 to E208. */
export async function openSender(options: SendOptions): Promise<OpenSender> {
  const [source] = await Promise.all([openSource(options), loadSender()]);
  return startSending(source, options);
}

/** Begins to send a source that is open; it is closed with the session, and when that fails. Throws E001, E102 to E115. */
export async function startSending(
  source: Source,
  options: Omit<SendOptions, 'source'>,
): Promise<OpenSender> {
  const { addresses, iface, bitrate, paceQuantum, path2 } = options;
  try {
    const [{ startSender }, { chooseEngine }, { chooseInterface }] = await loadSender();
    const { engine } = await chooseEngine();
    const via = typeof iface === 'object' ? iface : await chooseInterface(addresses[0]?.address ?? '', iface);
    const secondPath = path2 && (await secondPathOf(path2, options));
    const session = await startSender({
      source,
      addresses,
      engine,
      via,
      secondPath,
      ttl: options.ttl,
      broadcast: options.broadcast,
      bitsPerSecond: bitrate,
      quantumMs: paceQuantum,
      dscp: options.dscp,
      kernelPacing: options.kernelPacing,
      random,
      cname,
      ...protectionOf(options),
    });
    return { session, via, secondPath };
  } catch (error) {
    await source.close();
    throw error;
  }
}

function loadSender() {
  return Promise.all([
    import('../sender/index.ts'),
    import('../transport/engine.ts'),
    import('../transport/interfaces.ts'),
  ]);
}

/** Opens what is to be sent. Throws `LancastError` E001, E201 to E208. When `signal` aborts, looking into a file ends at once. */
export async function openSource(
  { source, loop, asIs }: Pick<SendOptions, 'source' | 'loop' | 'asIs'>,
  signal?: AbortSignal,
): Promise<Source> {
  if (source === '-') return openStandardInput(asIs);
  if (source === 'test') return (await import('../sender/sources/test-pattern.ts')).openTestPattern();
  return (await import('../sender/sources/file.ts')).openFile(source, { loop, asIs, signal });
}

async function openStandardInput(asIs: boolean): Promise<Source> {
  if (asIs) {
    const reason = 'standard input has to be looked at, because its pace is not known';
    throw new LancastError('E001', '--as-is is for files only', { reason, command: 'send' });
  }
  return (await import('../sender/sources/stdin.ts')).openPipe(process.stdin);
}

/** What was sent in the end. */
export interface Sent extends SenderProgress {
  /** The source had no more. */
  complete: boolean;
}

/** What a sender came to, and what failed it. Rejects only for bugs. */
export async function outcomeOf(
  session: SenderSession,
): Promise<{ sent: Sent; error: LancastError | undefined }> {
  try {
    return { sent: await session.ended, error: undefined };
  } catch (error) {
    if (!(error instanceof LancastError)) throw error;
    return { sent: { ...session.progress(), complete: false }, error };
  }
}
