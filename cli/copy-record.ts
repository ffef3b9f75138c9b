/** `lancast record copy://…:PORT FOLDER`: files that others send, whole. */
import { randomBytes } from 'node:crypto';
import type { CopyEvents, CopyReceiverSession } from '../receiver/copying/receive-copies.ts';
import type { CopyReceptionProgress } from '../receiver/copy-reception.ts';
import { monotonicNow } from '../transport/clock.ts';
import { formatEndpoint } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import type { Context } from './command.ts';
import { onlyCopy, type WithCopies } from './copy-address.ts';
import { formatBytes, formatClock, formatRate, plural } from './format.ts';
import { commandName } from './installation.ts';
import type { Output, Progress } from './output.ts';
import type { RecordValues } from './recording.ts';
import { tell, warn } from './report.ts';
import { pause } from './signal.ts';

/** What people typed. */
export type CopyRecordValues = WithCopies<RecordValues, 'urls'>;

/** Hops of what is answered: whoever reached us shall hear us. */
const ANSWER_TTL = 64;
/** Bytes of a key of cookies. */
const KEY_BYTES = 32;
const LOOK_MS = 250;

/** What came, over all. */
interface Counts {
  files: number;
  bytes: number;
  failed: number;
}

/** Receives until it is stopped; resolves with the exit status. Throws E001, E102, E103, E111, E402, E404. */
export async function recordCopies(values: CopyRecordValues, { output, signal }: Context): Promise<number> {
  const counts: Counts = { files: 0, bytes: 0, failed: 0 };
  const journal = new Journal(output, counts);
  const session = await open(values, journal, output);
  const endFollowing = output.follow(() => progressOf(session, counts));
  await untilEnd(session, values, { signal, busyAt: () => journal.busyAt });
  endFollowing();
  await session.close();
  output.say(`  ✓ received     ${plural(counts.files, 'file')}, ${formatBytes(counts.bytes)}`);
  output.event({ event: 'summary', ...counts });
  return 0;
}

async function open(
  values: CopyRecordValues,
  events: CopyEvents,
  output: Output,
): Promise<CopyReceiverSession> {
  const { urls, out, iface, from, unhashed, path2 } = values;
  const copy = onlyCopy(urls, 'record');
  if (out === '-') throw mistake('copy:// needs a folder', 'files that come have names of their own');
  if (path2)
    throw mistake('--path2 does not go with copy://', 'what is lost is sent again until it is there');
  if (unhashed) throw mistake('--unhashed does not go with copy://', 'a file is whole when its SHA-256 is');
  const [{ startCopyReceiver }, { chooseEngine }, { chooseInterface }] = await Promise.all([
    import('../receiver/copying/receive-copies.ts'),
    import('../transport/engine.ts'),
    import('../transport/interfaces.ts'),
  ]);
  const via = typeof iface === 'object' ? iface : await chooseInterface(copy.address, iface);
  const isAny = copy.address === '0.0.0.0' || copy.address === '::';
  const address = { port: copy.port, address: isAny && iface !== undefined ? via.address : copy.address };
  const { engine } = await chooseEngine();
  const session = await startCopyReceiver({
    folder: out,
    address,
    via,
    engine,
    ttl: ANSWER_TTL,
    sources: from,
    key: randomBytes(KEY_BYTES),
    events,
  });
  const to = `copy://${formatEndpoint(address)}`;
  output.event({ event: 'recording', address: to, path: out, interface: via });
  output.say(`  ➜ receiving    ${to}\n    to           ${out}`);
  const reachable = formatEndpoint({ ...address, address: isAny ? via.address : address.address });
  output.say(`  ➜ other PC     ${commandName()} send FILE --to copy://${reachable}`);
  if (!isLoopback(address.address) && from.length === 0)
    tell('whoever reaches this PC may put files there; --from ADDRESS takes those of one PC only', output);
  return session;
}

function mistake(what: string, reason: string): LancastError {
  return new LancastError('E001', what, { reason, command: 'record' });
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

/** Tells of copies as they come and go. */
class Journal implements CopyEvents {
  /** When a copy last began or ended. */
  busyAt = monotonicNow();
  readonly #output: Output;
  readonly #counts: Counts;
  readonly #begun = new Map<string, number>(); // by name

  constructor(output: Output, counts: Counts) {
    this.#output = output;
    this.#counts = counts;
  }

  onBegun({ name, source, bytes, foundBytes }: CopyReceptionProgress): void {
    const from = formatEndpoint(source);
    this.busyAt = monotonicNow();
    this.#begun.set(name, this.busyAt);
    const there = foundBytes > 0 ? `, ${formatBytes(foundBytes)} are there` : '';
    this.#output.event({ event: 'receiving', name, from, bytes, foundBytes });
    this.#output.say(`  ➜ coming       ${name} from ${from}: ${formatBytes(bytes)}${there}`);
  }

  onOver(copy: CopyReceptionProgress, { why, sha256, error }: Parameters<CopyEvents['onOver']>[1]): void {
    const { name, bytes, writtenBytes, foundBytes, repeated } = copy;
    this.busyAt = monotonicNow();
    const lastedMs = this.busyAt - (this.#begun.get(name) ?? this.busyAt);
    this.#begun.delete(name);
    const facts = { name, bytes, writtenBytes, foundBytes, repeated, lastedMs: Math.round(lastedMs) };
    const complete = why === 'done';
    this.#output.event({ event: 'received', complete, why, ...facts, sha256: sha256 ?? null });
    if (complete) {
      this.#counts.files++;
      this.#counts.bytes += bytes;
      const rate = formatRate(((bytes - foundBytes) * 8000) / Math.max(1, lastedMs));
      this.#output.say(
        `  ✓ whole        ${name}: ${formatBytes(bytes)} in ${formatClock(lastedMs)}, ${rate}\n    sha256       ${sha256}`,
      );
      return;
    }
    this.#counts.failed++;
    if (error) warn(error, this.#output);
    const kept = `${formatBytes(writtenBytes)} of ${formatBytes(bytes)} are kept, and it goes on there`;
    this.#output.say(`  ! not whole    ${name}: ${REASONS[why]}${why === 'differs' ? '' : `; ${kept}`}`);
  }
}

const REASONS: Readonly<Record<Parameters<CopyEvents['onOver']>[1]['why'], string>> = {
  done: 'it is whole',
  replaced: 'its sender began again',
  stopped: 'it was stopped',
  failed: 'its sender failed',
  silent: 'its sender was not heard any more',
  'no-space': 'there is no room for it',
  'not-writable': 'it may not be written',
  'disk-failed': 'the disk failed',
  'bad-name': 'it can have no such name',
  differs: 'what came is not what was sent, and was thrown away',
};

function progressOf({ progress }: CopyReceiverSession, { files }: Counts): Progress {
  const copies = progress.map(({ name, state, bytes, writtenBytes }) => ({
    name,
    state,
    bytes,
    writtenBytes,
  }));
  const [first] = copies;
  const coming =
    copies.length === 1 && first
      ? `${first.name} ${formatBytes(first.writtenBytes)}/${formatBytes(first.bytes)}`
      : `${plural(copies.length, 'file')} coming`;
  return {
    line: `  ${coming}  ${plural(files, 'file')} received`,
    event: { event: 'progress', files, copies },
  };
}

/** Until people stop it, `--duration` is over, or nothing has come for `--timeout`. */
async function untilEnd(
  session: CopyReceiverSession,
  { duration, timeout }: CopyRecordValues,
  { signal, busyAt }: { signal: AbortSignal; busyAt: () => number },
): Promise<void> {
  const endsAt = duration === undefined ? Infinity : monotonicNow() + duration;
  while (!signal.aborted) {
    const now = monotonicNow();
    const quietMs = session.progress.length > 0 ? 0 : now - busyAt();
    if (now >= endsAt || quietMs >= (timeout ?? Infinity)) return;
    await pause(LOOK_MS, signal);
  }
}
