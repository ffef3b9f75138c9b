/** Many channels on the air from one process: files are opened a few at a time and started in their order. */
import path from 'node:path';
import type { SenderSession } from '../sender/index.ts';
import type { Source } from '../sender/source.ts';
import type { ChosenInterface } from '../transport/udp.ts';
import { formatMediaAddress, type MediaAddress } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import { ChannelAddresses } from './channels.ts';
import { explain } from './errors.ts';
import { formatClock } from './format.ts';
import { limitTo } from './limit.ts';
import type { Output, Voice } from './output.ts';
import { report } from './report.ts';
import {
  openSource,
  outcomeOf,
  startSending,
  type OpenSender,
  type SendValues,
  type Sent,
} from './sending.ts';
import { figures, noteTeller, sayEnd, sendingEvent } from './sent.ts';
import { aborted } from './signal.ts';

/** Files that are looked at together: each that is no transport stream needs an ffmpeg meanwhile. */
const AT_ONCE = 8;
/** Memory for what receivers may ask for again, of all channels and at least of each. */
const HISTORY_BYTES = 128 * 1024 * 1024;
const LEAST_HISTORY_BYTES = 256 * 1024;
/** Room for `rtp://239.255.255.255:65535`, and for `1:42:10`. */
const COLUMNS = [27, 8] as const;

/** A channel on the air. */
export interface Channel {
  session: SenderSession;
  addresses: readonly MediaAddress[];
  /** Tells what has shown up about its source. */
  tellNotes: () => void;
  /** How it ended; `undefined` while it is on the air. */
  end: ChannelEnd | undefined;
  /** Resolves when it has ended and that has been told. */
  ended: Promise<ChannelEnd>;
}

/** What a channel came to. */
export interface ChannelEnd {
  sent: Sent;
  /** 0, or the exit status of what failed it. */
  status: number;
}

/** The channels of one process. Each has a row of a table when it begins, and its own words when it ends. */
export class Station {
  /** In the order of their files. */
  readonly channels: Channel[] = [];
  /** Why files were left out. */
  readonly leftOut: LancastError[] = [];

  readonly #values: SendValues;
  readonly #output: Output;
  readonly #addresses: ChannelAddresses;
  readonly #secondAddresses: ChannelAddresses | undefined;
  readonly #stopping = new AbortController();
  readonly #stopped = aborted(this.#stopping.signal);
  #via: ChosenInterface | undefined;
  #secondVia: ChosenInterface | undefined;
  #historyBytes = HISTORY_BYTES;
  #nameWidth = 0;

  constructor(values: SendValues, output: Output) {
    this.#values = values;
    this.#output = output;
    this.#addresses = new ChannelAddresses(values);
    const second = values.path2?.address;
    if (second) this.#secondAddresses = new ChannelAddresses({ to: [second], asIs: values.asIs });
  }

  /** The card of all channels; `undefined` while there is none. */
  get via(): ChosenInterface | undefined {
    return this.#via;
  }

  /** Starts a channel for each file that can be sent. Throws `LancastError` E001, E102 to E115; `stop` ends what was started. */
  async start(files: readonly string[]): Promise<void> {
    this.#historyBytes = Math.max(LEAST_HISTORY_BYTES, HISTORY_BYTES / files.length);
    this.#nameWidth = Math.max(...files.map((name) => name.length));
    this.#output.say(`    ${this.#row('channel', 'address', 'length', 'media')}`);
    const limited = limitTo(AT_ONCE);
    const opening = files.map((name) => limited(() => this.#open(name)));
    let failure: unknown;
    const closing: Promise<void>[] = [];
    for (const [index, name] of files.entries()) {
      const source = await opening[index];
      if (source === undefined) continue;
      if (source instanceof LancastError) this.#leaveOut(name, source);
      else if (this.#stopping.signal.aborted) closing.push(source.close());
      else {
        await this.#begin(name, source).catch(async (error: unknown) => {
          failure = error;
          this.#stopping.abort();
          await source.close();
        });
      }
    }
    await Promise.all(closing);
    if (failure !== undefined) throw failure;
  }

  /** Opens no more, ends all that are on the air with a goodbye, and resolves when they have ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.channels.map(({ ended }) => ended));
  }

  /** The source, or why there is none; `undefined` when nobody wants it any more. */
  async #open(name: string): Promise<Source | LancastError | undefined> {
    const { signal } = this.#stopping;
    if (signal.aborted) return undefined;
    const { source: folder, loop, asIs } = this.#values;
    try {
      return await openSource({ source: path.join(folder, name), loop, asIs }, signal);
    } catch (error) {
      if (error instanceof LancastError) return signal.aborted ? undefined : error;
      throw error;
    }
  }

  async #begin(name: string, source: Source): Promise<void> {
    const addresses = this.#addresses.next(name);
    const { iface, path2 } = this.#values;
    const { session, via, secondPath } = await startSending(source, {
      ...this.#values,
      iface: this.#via ?? iface,
      addresses,
      historyBytes: this.#historyBytes,
      path2: path2 && {
        address: this.#secondAddresses?.next(name)[0],
        iface: this.#secondVia ?? path2.iface,
      },
    });
    this.#secondVia = secondPath?.via;
    void this.#stopped.then(() => session.close());
    this.#via = via;
    const voice = this.#voice(name);
    this.#announce(name, { session, addresses, via, secondPath }, voice);
    const tellNotes = noteTeller(session.source, voice);
    const channel: Channel = {
      session,
      addresses,
      tellNotes,
      end: undefined,
      ended: this.#untilEnd(session, tellNotes, voice),
    };
    void channel.ended.then((end) => (channel.end = end));
    this.channels.push(channel);
  }

  async #untilEnd(session: SenderSession, tellNotes: () => void, voice: Voice): Promise<ChannelEnd> {
    const { sent, error } = await outcomeOf(session);
    tellNotes();
    const status = error ? report(error, voice) : 0;
    // When people end all of them at once they want one line, not hundreds.
    if (!this.#stopping.signal.aborted) sayEnd(sent, voice);
    voice.event({ event: 'summary', complete: sent.complete, ...figures(sent) });
    return { sent, status };
  }

  #voice(name: string): Voice {
    return this.#output.about(name, { channel: name });
  }

  #announce(name: string, sender: OpenSender & Pick<Channel, 'addresses'>, voice: Voice): void {
    const { session, addresses } = sender;
    const { media, durationMs } = session.source;
    const { ttl, fec } = this.#values;
    voice.event(sendingEvent(sender, { name, addresses, ttl, fec }));
    const to = addresses.map((each) => formatMediaAddress(each));
    const length = durationMs === undefined ? '' : formatClock(durationMs);
    this.#output.say(`  ✓ ${this.#row(name, to.join(' '), length, media)}`);
  }

  #leaveOut(name: string, error: LancastError): void {
    const { what, why, fix } = explain(error);
    this.leftOut.push(error);
    this.#voice(name).event({ event: 'warning', code: error.code, what, why, fix });
    this.#output.say(`  ! ${this.#row(name, `left out: ${what}`)}`);
  }

  /** One line of the table: the name, and what follows it. */
  #row(name: string, ...cells: string[]): string {
    const widths = [this.#nameWidth, ...COLUMNS];
    return [name, ...cells]
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  }
}
