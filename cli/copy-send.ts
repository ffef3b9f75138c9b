/** `lancast send FILE --to copy://…`: a file to one PC, whole or with word of what is missing. */
import path from 'node:path';
import type { CopyOutcome, CopyProgress } from '../sender/copy-sender.ts';
import type { CopySession } from '../sender/copying/send-copy.ts';
import { monotonicNow } from '../transport/clock.ts';
import type { CopyAddress } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import type { Context } from './command.ts';
import { formatCopyAddress, onlyCopy, type WithCopies } from './copy-address.ts';
import { missingBytes } from './copy-words.ts';
import { isFolder } from './folder.ts';
import { formatBytes, formatClock, formatRate, formatShare } from './format.ts';
import { random } from './identity.ts';
import { commandName, version } from './installation.ts';
import type { Output, Progress } from './output.ts';
import { report } from './report.ts';
import type { SendValues } from './sending.ts';
import { aborted } from './signal.ts';

/** What people typed. */
export type CopyValues = WithCopies<SendValues, 'to'>;

/** Sends the file; resolves with the exit status. Throws E001, E102 to E115, E119, E201, E202, E208. */
export async function sendFileWhole(values: CopyValues, { output, signal }: Context): Promise<number> {
  const address = onlyCopy(values.to, 'send');
  await refuseMistakes(values, address);
  const name = values.name ?? path.basename(values.source);
  const session = await open(values, address, { name, output });
  const startedAt = monotonicNow();
  const endFollowing = output.follow(() => progressOf(session, startedAt));
  void aborted(signal).then(() => session.stop());
  try {
    const { outcome, sha256 } = await session.ended;
    endFollowing();
    const lastedMs = Math.round(monotonicNow() - startedAt);
    const { progress, bytes } = session;
    const status = sayEnd(outcome, { values, address, session, lastedMs, sha256 }, output);
    const complete = outcome.kind === 'done';
    output.event({ event: 'summary', complete, bytes, ...progress, lastedMs, sha256: sha256 ?? null });
    return status;
  } catch (error) {
    endFollowing();
    throw error;
  }
}

async function refuseMistakes(values: CopyValues, { address }: CopyAddress): Promise<void> {
  const { source, loop, fec, path2 } = values;
  const mistake = (what: string, reason: string): LancastError =>
    new LancastError('E001', what, { reason, command: 'send' });
  if (address === '0.0.0.0' || address === '::') throw mistake('copy:// names no PC', 'it needs its address');
  if (loop) throw mistake('--loop does not go with copy://', 'a file that is copied has an end');
  if (fec !== undefined || path2 !== undefined)
    throw mistake('--fec and --path2 do not go with copy://', 'what is lost is sent again until it is there');
  if (source === '-' || source === 'test' || (await isFolder(source)))
    throw mistake('copy:// takes one file', 'its size has to be known, and the receiver gives it a name');
}

async function open(
  values: CopyValues,
  address: CopyAddress,
  { name, output }: { name: string; output: Output },
): Promise<CopySession> {
  const [{ sendCopy }, { chooseEngine }, { chooseInterface }] = await Promise.all([
    import('../sender/copying/send-copy.ts'),
    import('../transport/engine.ts'),
    import('../transport/interfaces.ts'),
  ]);
  const { source, iface, bitrate, paceQuantum, dscp, kernelPacing, ttl } = values;
  const via = typeof iface === 'object' ? iface : await chooseInterface(address.address, iface);
  const { engine } = await chooseEngine();
  const session = await sendCopy({
    path: source,
    name,
    destination: address,
    engine,
    via,
    ttl,
    bitsPerSecond: bitrate,
    quantumMs: paceQuantum,
    dscp,
    kernelPacing,
    random,
  });
  const to = formatCopyAddress(address);
  output.event({ event: 'sending', to: [to], name, totalBytes: session.bytes, ttl, interface: via });
  output.say(`  lancast ${version()}   ${name}   ${formatBytes(session.bytes)}\n`);
  output.say(`  ✓ sending to   ${to}  via ${via.name} (${via.address}), ${via.reason}  ttl ${ttl}`);
  output.say(`  ➜ other PC     ${commandName()} record copy://:${address.port} FOLDER`);
  return session;
}

function progressOf({ progress, bytes }: CopySession, startedAt: number): Progress {
  const { writtenBytes, state } = progress;
  const perMs = (writtenBytes - progress.foundBytes) / (monotonicNow() - startedAt);
  const words = [
    `${formatBytes(writtenBytes)}/${formatBytes(bytes)}`,
    formatShare(writtenBytes, bytes),
    formatRate(perMs * 8000),
    ...(state === 'sending' ? [] : [STATES[state]]),
    ...(perMs > 0 ? [`ETA ${formatClock((bytes - writtenBytes) / perMs)}`] : []),
  ];
  return { line: `  ${words.join('  ')}`, event: { event: 'progress', bytes, ...progress } };
}

const STATES: Readonly<Record<CopyProgress['state'], string>> = {
  offering: 'asking the receiver',
  waiting: 'the receiver is busy',
  comparing: 'comparing with what is there',
  sending: 'sending',
  finishing: 'being made safe there',
  ended: 'over',
};

interface Ended {
  values: CopyValues;
  address: CopyAddress;
  session: CopySession;
  lastedMs: number;
  sha256: string | undefined;
}

/** Says how it ended; the exit status. */
function sayEnd(outcome: CopyOutcome, ended: Ended, output: Output): number {
  const { session, values, address } = ended;
  const { writtenBytes } = session.progress;
  const missing = missingBytes(writtenBytes, session.bytes);
  const details = { path: values.source, address: formatCopyAddress(address), missing };
  switch (outcome.kind) {
    case 'done':
      sayDone(outcome.name, ended, output);
      return 0;
    case 'refused': {
      const { reason, detail } = outcome;
      const free = reason === 'no-space' && detail > 0 ? { freeBytes: detail } : {};
      const words = `${details.address} did not take ${values.source}: ${reason}`;
      return report(new LancastError('E118', words, { ...details, ...free, reason }), output);
    }
    case 'stopped':
      output.say(`  ! stopped      ${missing}; send it again to go on there`);
      return 0;
    case 'unanswered':
    case 'silent': {
      const reason = outcome.kind;
      return report(
        new LancastError('E119', `${values.source} did not arrive whole`, { ...details, reason }),
        output,
      );
    }
  }
  return 0;
}

function sayDone(name: string, { session, values, lastedMs, sha256 }: Ended, output: Output): void {
  const { bytes, progress } = session;
  const { sentDatagrams, repeatedDatagrams, foundBytes } = progress;
  const proof = sha256 === undefined ? '' : `\n    sha256       ${sha256}`;
  if (bytes > 0 && foundBytes === bytes) {
    output.say(`  ✓ there before ${name}: all ${formatBytes(bytes)} of ${values.source}${proof}`);
    return;
  }
  const rate = formatRate(((bytes - foundBytes) * 8000) / Math.max(1, lastedMs));
  const again = `${formatShare(repeatedDatagrams, sentDatagrams)} sent again`;
  output.say(
    `  ✓ arrived      ${values.source} as ${name}: ${formatBytes(bytes)} in ${formatClock(lastedMs)}, ${rate}, ${again}`,
  );
  if (foundBytes > 0) output.say(`    there before ${formatBytes(foundBytes)}`);
  if (proof !== '') output.say(proof.slice(1));
}
